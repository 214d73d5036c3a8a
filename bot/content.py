"""Loading the FAQ with what the bot brings to it: Telegram's limits and the encoder."""

import ctypes
import gc
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from bot.markdown import refusal
from faq.cache import Cache
from faq.embedding import EncoderError, MiniLm
from faq.loading import ContentError, Problem, lines_of_texts, load
from faq.reply import Faq
from faq.triage import SafetyError

log = logging.getLogger(__name__)


def load_faq(answers: Path) -> Faq:
    """Return the FAQ of a folder or file; raise ContentError with everything that must be mended first."""
    with _no_garbage(), _memory_given_back():
        content, folder = load(answers, refusal), cache_folder()
        try:
            return Faq(content, _encoder(folder), Cache(folder))
        except SafetyError as error:
            raise ContentError(Problem("safety.yaml", 1, problem) for problem in error.problems) from None


def problems_of(answers: Path) -> tuple[Problem, ...]:
    """Return what keeps the FAQ of a folder or file from going live, and what in its rules turns out wrong."""
    try:
        faq = load_faq(answers)
    except ContentError as error:
        return error.problems
    lines = lines_of_texts(answers, "safety.yaml")
    return tuple(Problem("safety.yaml", lines.get(text, 1), sentence) for text, sentence in faq.triage.wrong())


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


def _encoder(folder: Path) -> MiniLm | None:
    try:
        return _opened(folder)
    except EncoderError as error:
        log.warning("matching goes by words alone: %s", error)
        return None


@lru_cache(maxsize=1)
def _opened(folder: Path) -> MiniLm:
    """Return the one encoder, for opening it takes 0.1 s; one that fails to open is tried again at the next change."""
    return MiniLm(folder)


def cache_folder() -> Path:
    """Return the user's folder for what can be made again, by the XDG base directory specification."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clinic-faq"
