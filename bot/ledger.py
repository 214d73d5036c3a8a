"""Remembering which updates were handled, so that none is answered twice."""

from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import Protocol

from bot.latest import Latest

# Telegram repeats a webhook's update within a minute or so; at 30 updates a second these are more than ten.
_REMEMBERED = 20_000


class Claim(Enum):
    """Whose an update is."""

    MINE = auto()  # nobody has it: handle it, then call done or release
    DONE = auto()  # it was handled
    BUSY = auto()  # another process has it in hand, or died over it a moment ago: let Telegram bring it again


class Ledger(Protocol):
    """Remembers updates, for this process or for all; it is asked before an update is handled, and told after."""

    async def claim(self, update_id: int) -> Claim:
        """Take an update in hand, unless it was handled or somebody else has it."""

    def done(self, update_id: int) -> None:
        """Remember that an update was handled."""

    def release(self, update_id: int) -> None:
        """Give back an update that was not handled after all."""


class Memory:
    """The updates that this process handled lately, and those that it is told of the one before."""

    def __init__(
        self,
        handled: Iterable[int] = (),
        note: Callable[[int], None] = lambda _: None,
        remembered: int = _REMEMBERED,
    ) -> None:
        self._handled = Latest[int, None](remembered)
        self._handled.update(dict.fromkeys(handled))
        self._note = note

    async def claim(self, update_id: int) -> Claim:
        """Tell whether the update was handled lately."""
        return Claim.DONE if update_id in self._handled else Claim.MINE

    def done(self, update_id: int) -> None:
        """Note the update and remember it."""
        self._note(update_id)
        self._handled[update_id] = None

    def release(self, update_id: int) -> None:
        """Do nothing: what is not remembered is anybody's."""
