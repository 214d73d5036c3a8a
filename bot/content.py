"""Loading the FAQ with what the bot brings to it: Telegram's limits and the encoder."""

import ctypes
import gc
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
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
_LOOKING_ON = [Path(__file__).with_name(name) for name in ("markdown.py", "pages.py", "render.py")]


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
    return tuple(Problem(*places.get(text, (answers.name, 1)), sentence) for text, sentence in _surprises(faq))


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
    from bot.markdown import refusal
    from bot.pages import misfits
    from faq.loading import load

    content = load(answers, refusal, misfits)
    if key == _digest_of_files(answers):  # and not saved again while it was read
        written = content.model_dump_json(by_alias=True).encode()
        cache.save("content", key, {"json": np.frombuffer(written, np.uint8)})
    return content


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
