"""Loading the FAQ with what the bot brings to it: Telegram's limits and the encoder."""

import ctypes
import gc
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from itertools import chain, groupby, islice
from pathlib import Path

import numpy as np

from bot.config import PRODUCT_ANSWERS
from bot.encoder import begin_to_open, cache_folder, encoder_if_any, open_encoder
from faq.cache import Cache, digest_of_code
from faq.embedding import EncoderError
from faq.model import Content
from faq.problems import ContentError, Problem
from faq.reply import Faq

# They say which answers Telegram takes.
_LOOKING_ON = [Path(__file__).with_name(name) for name in ("content.py", "markdown.py", "pages.py", "render.py")]
# So many problems of a file are told at once.
_SHOWN = 20
# What HTML shows as it was written.
_CODE = re.compile(r"<(code|pre)>.*?</\1>", re.DOTALL)


def load_faq(answers: Path, before: Faq | None = None) -> Faq:
    """Return the FAQ of a folder or file; raise ContentError with everything that must be mended first.

    Learning the gate takes longest. It is taken over from the version `before`, if the dangers are the same ones.
    """
    folder = cache_folder()
    begin_to_open(folder)
    with _no_garbage(), _memory_given_back():
        content = _content(answers, Cache(folder))
        gate = before.triage if before and before.triage.safety == content.safety else None
        return Faq(content, encoder_if_any(folder), Cache(folder), gate=gate)


def problems_of(answers: Path) -> tuple[Problem, ...]:
    """Return what keeps the FAQ of a folder or file from going live, and what of it turns out wrong."""
    from faq.loading import places_of_texts

    try:
        faq = load_faq(answers)
    except ContentError as error:
        return error.problems
    places = places_of_texts(answers)
    wrong = chain(_dead_ends(faq), _surprises(faq))
    return tuple(Problem(*places.get(text, (answers.name, 1)), sentence) for text, sentence in wrong)


def _dead_ends(faq: Faq) -> Iterator[tuple[str, str]]:
    """Yield the first answer that leads to a person where the clinic has no address for that."""
    if faq.clinic and not faq.clinic.contact:
        for entry in islice((entry for entry in faq.entries.values() if entry.handoff), 1):
            told = (
                f"The entry `{entry.id}` leads to a person (`handoff`), but `clinic:` has no `contact`, so that there"
            )
            yield entry.answer, f"{told} is no button. Add `contact: https://…` to `clinic:`."


def _surprises(faq: Faq) -> Iterator[tuple[str, str]]:
    """Yield what alarms or does not against its file; by words alone the gate is not what the files are made for."""
    with suppress(EncoderError):
        open_encoder(cache_folder())
        yield from faq.triage.wrong()


def _content(answers: Path, cache: Cache) -> Content:
    """Return what the files hold; they are read and checked only if that was not done before, by this code."""
    key = _digest_of_files(answers)
    if (kept := cache.load("content", key)) is not None:
        return Content.model_validate_json(kept["json"].tobytes())
    from bot.pages import misfits
    from faq.loading import load

    try:
        content = load(answers, _refusal, misfits)
    except ContentError as error:
        raise ContentError(_first_few(error.problems)) from None
    if key == _digest_of_files(answers):  # and not saved again while it was read
        written = content.model_dump_json(by_alias=True).encode()
        cache.save("content", key, {"json": np.frombuffer(written, np.uint8)})
    return content


def _first_few(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Yield as many problems of each file as one reads, and how many more there are."""
    for file, group in groupby(problems, key=lambda problem: problem.file):
        listed = [*group]
        yield from listed[:_SHOWN]
        if more := listed[_SHOWN:]:
            sentence = f"And {len(more)} more, from line {more[0].line} on. Mend those above first."
            yield Problem(file, more[-1].line, sentence)


def _refusal(markdown: str) -> str | None:
    """Return why this Markdown cannot be shown to a patient as it was meant, or None if it can."""
    from bot.markdown import refusal, to_html

    reason = refusal(markdown)
    if reason is None and "**" in _CODE.sub("", to_html(markdown)):
        return "Its `**` would be shown as it stands. Put two stars before and behind what is bold: **bold**"
    return reason


def _digest_of_files(answers: Path) -> str:
    """Return a digest of every file that may have a part in an FAQ, wherever it lies, and of the code that reads it."""
    folder = answers if answers.is_dir() else answers.parent
    named = [] if answers.is_dir() else [answers]
    digest = hashlib.blake2b(digest_of_code() + version("markdown-it-py").encode(), digest_size=16)
    for files in (named, _LOOKING_ON, sorted(folder.glob("*.yaml")), sorted(PRODUCT_ANSWERS.glob("*.yaml"))):
        digest.update(str(len(files)).encode())
        for file in files:
            digest.update(os.fsencode(file.name))  # what is there and can't be read is a problem to tell
            if file.is_file():
                with suppress(OSError), file.open("rb") as opened:
                    digest.update(hashlib.file_digest(opened, "blake2b").digest())
    return digest.hexdigest()


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Put garbage collection off: nearly all that loading makes is kept, and looking through it takes a third of it."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def _memory_given_back() -> Iterator[None]:
    """Give back to the system what loading and learning took for a while; glibc would keep tens of megabytes of it."""
    yield
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
