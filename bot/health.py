"""How the bot is: named checks, and whether Telegram is heard."""

import logging
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from bot.logs import cause, figures

log = logging.getLogger(__name__)

# Telegram is heard at least every half a minute; three times in vain are no accident: a poller connects anew, and the
# container's health check fails.
SILENT_SECONDS = 90.0
# So long the bot mends itself, by connecting anew; then somebody else must.
_DEAF_SECONDS = 300.0


@dataclass(frozen=True)
class Check:
    """Whether something is as the bot needs it to do its work, and how it is."""

    ok: bool
    detail: str


Probe = Callable[[], Awaitable[Check]]


class Hearing:
    """Knows when Telegram was last heard."""

    def __init__(self, beat: Callable[[], None] = lambda: None, clock: Callable[[], float] = time.monotonic) -> None:
        self._beat = beat
        self._clock = clock
        self._since = clock()
        self._is_heard = False

    def heard(self) -> None:
        """Note that Telegram was heard."""
        self._since, self._is_heard = self._clock(), True
        try:
            self._beat()
        except OSError as error:  # a full disk is no reason to stop listening
            log.warning("can't note that Telegram was heard: %s", error.strerror, extra=figures(**cause(error)))

    @property
    def silence(self) -> float:
        """How many seconds ago Telegram was last heard, or the bot started."""
        return self._clock() - self._since

    @property
    def is_deaf(self) -> bool:
        """Whether that is so long ago that the process should be replaced."""
        return self.silence >= _DEAF_SECONDS

    async def check(self) -> Check:
        """Tell whether updates arrive."""
        told = f"Telegram was last heard {self.silence:.0f} s ago." if self._is_heard else "Telegram is not heard yet."
        return Check(self._is_heard and not self.is_deaf, told)


def is_hearing(token: str) -> bool:
    """Tell whether the bot with this token has lately heard Telegram, on this machine."""
    try:
        return time.time() - heartbeat(token).stat().st_mtime < SILENT_SECONDS
    except OSError:
        return False


def heartbeat(token: str) -> Path:
    """Return the file that is touched whenever Telegram is heard; its name holds the bot's public id only."""
    return Path(tempfile.gettempdir()) / f"clinic-faq-{token.partition(':')[0]}.heartbeat"
