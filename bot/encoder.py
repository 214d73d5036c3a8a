"""The one encoder of the process, opened by another core while Python is busy with something else."""

import logging
import os
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from faq.embedding import EncoderError, MiniLm

log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def begin_to_open(folder: Path) -> Future[MiniLm]:
    """Open the encoder beside whatever the caller does next: it takes 0.2 s, in which Python is free."""
    beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encoder")
    opening = beside.submit(MiniLm, folder)
    beside.shutdown(wait=False)
    return opening


def open_encoder(folder: Path) -> MiniLm:
    """Return the encoder, or raise EncoderError; the next call then tries again."""
    try:
        return begin_to_open(folder).result()
    except Exception:
        begin_to_open.cache_clear()
        raise


def encoder_if_any(folder: Path) -> MiniLm | None:
    """Return the encoder, or None if there is none, and log why."""
    try:
        return open_encoder(folder)
    except EncoderError as error:
        log.warning("matching goes by words alone: %s", error)
        return None


def cache_folder() -> Path:
    """Return the user's folder for what can be made again, by the XDG base directory specification."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clinic-faq"
