"""Loading the FAQ with what the bot brings to it: Telegram's limits and the encoder."""

import logging
import os
from pathlib import Path

from bot.markdown import refusal
from faq.cache import Cache
from faq.embedding import EncoderError, MiniLm
from faq.loading import ContentError, Problem, load
from faq.reply import Faq
from faq.triage import SafetyError

log = logging.getLogger(__name__)


def load_faq(answers: Path) -> Faq:
    """Return the FAQ of a folder or file; raise ContentError with everything that must be mended first."""
    content, folder = load(answers, refusal), _cache_folder()
    try:
        return Faq(content, _encoder(folder), Cache(folder))
    except SafetyError as error:
        raise ContentError(Problem("safety.yaml", 1, problem) for problem in error.problems) from None


def _encoder(folder: Path) -> MiniLm | None:
    try:
        return MiniLm(folder)
    except EncoderError as error:
        log.warning("matching goes by words alone: %s", error)
        return None


def _cache_folder() -> Path:
    """Return the user's folder for what can be made again, by the XDG base directory specification."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clinic-faq"
