"""How much one chat may ask, and how fast the bot may send: the time is given, nothing is remembered for long."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Generic, TypeVar

from bot.latest import Latest

Clock = Callable[[], float]
# The chat, who wrote in it, and the id of the notice.
Emergency = tuple[int, int, str]
Key = TypeVar("Key", bound=Hashable)

# A person asks a few questions in a row and then reads; 20 a minute are allowed for long, by CHAT_LIMIT.
_QUESTIONS_AT_ONCE = 8
# How long a chat that asked too much is not answered; the sentence it gets, `too_many`, says "half a minute".
_SILENCE_SECONDS = 30.0
# A question that is older waited for the bot. If the bot's clock is ahead by more, all seem so: they count no worse.
_WAITED_SECONDS = 60.0
# https://core.telegram.org/bots/api#getting-updates: what waits is kept for 24 hours.
_TELEGRAM_KEEPS_SECONDS = 86_400.0
# https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this: about one a second in a chat, where
# short bursts are let through. Ours is as long as what one chat may ask at once, and some more, so that nobody's flood
# waits in the queue and keeps the poller from confirming what other chats asked.
_SENT_A_SECOND_IN_A_CHAT = 1.0
_SENT_AT_ONCE_IN_A_CHAT = 10
# More chats than these in half a minute are no patients; the ones that wrote first are then forgotten.
_MOST_BUCKETS = 100_000


class Buckets(Generic[Key]):
    """A token bucket for each key: `burst` tokens at first, and `per_second` that drip in.

    Of a bucket only the moment is kept at which it is full again. A full one is forgotten, which is the same as a new
    one; so there are never more than keys were used in the time in which an empty bucket fills up, nor than `most`.
    One key's time may be behind another's by `disorder` seconds: as much longer a full bucket is kept.
    """

    def __init__(self, per_second: float, burst: int, most: int = _MOST_BUCKETS, disorder: float = 0.0) -> None:
        self._drip = 1 / per_second
        self._burst = burst
        self._most = most
        self._disorder = disorder
        self._full_at: OrderedDict[Key, float] = OrderedDict()

    def __len__(self) -> int:
        """Return how many buckets are not known to be full."""
        return len(self._full_at)

    def wait(self, key: Key, now: float) -> float:
        """Return in how many seconds there is a token; 0 if there is one now."""
        missing = self._full_at.get(key, now) - now
        return max(0.0, missing - (self._burst - 1) * self._drip)

    def take(self, key: Key, now: float) -> float:
        """Take a token, or the next one that nobody waits for; return in how many seconds it is there."""
        wait = self.wait(key, now)
        self._full_at[key] = max(self._full_at.get(key, now), now) + self._drip
        self._full_at.move_to_end(key)
        self._forget(now - self._disorder)
        return wait

    def _forget(self, before: float) -> None:
        """Forget buckets that were full by then, of those that were used longest ago."""
        while self._full_at:
            key, full_at = next(iter(self._full_at.items()))
            if full_at > before and len(self._full_at) <= self._most:
                return
            del self._full_at[key]


class ChatLimit:
    """How many questions a chat may ask a minute, and eight at once; beyond it is told once and then met with silence.

    A question that waited for the bot, as in an outage, counts at the time when it was written, and any other when it
    is handled. Each of the two times has buckets of its own: no clock that is wrong can mute a chat. Zero is no limit.
    """

    def __init__(self, a_minute: int = 0, clock: Clock = time.monotonic, wall: Clock = time.time) -> None:
        self._handled = _Pace(a_minute / 60) if a_minute else None
        self._written = _Pace(a_minute / 60, _TELEGRAM_KEEPS_SECONDS) if a_minute else None
        self._clock = clock
        self._wall = wall

    def admits(self, chat_id: int, written: datetime | None = None) -> bool:
        """Tell whether the chat may ask now, and count it if so; nobody knows when a button was pressed."""
        pace, now = self._pace(written)
        return pace is None or pace.admits(chat_id, now)

    def tells(self, chat_id: int, written: datetime | None = None) -> bool:
        """Tell whether a chat that was not admitted is to be told so; a silence begins with it."""
        pace, now = self._pace(written)
        return pace is not None and pace.tells(chat_id, now)

    def _pace(self, written: datetime | None) -> tuple["_Pace | None", float]:
        if written and self._wall() - written.timestamp() > _WAITED_SECONDS:
            return self._written, written.timestamp()
        return self._handled, self._clock()


class _Pace:
    """The questions and the silences of all chats, at either of the two times."""

    def __init__(self, per_second: float, disorder: float = 0.0) -> None:
        self._questions = Buckets[int](per_second, _QUESTIONS_AT_ONCE, disorder=disorder)
        self._silence = Buckets[int](1 / _SILENCE_SECONDS, 1, disorder=disorder)

    def admits(self, chat_id: int, now: float) -> bool:
        if self._silence.wait(chat_id, now) or self._questions.wait(chat_id, now):
            return False
        self._questions.take(chat_id, now)
        return True

    def tells(self, chat_id: int, now: float) -> bool:
        if self._silence.wait(chat_id, now):
            return False
        self._silence.take(chat_id, now)
        return True


class Notices:
    """When each notice was last sent to each person, as Telegram dates it; those sent longest ago are forgotten.

    Who floods the bot with emergencies would otherwise keep it busy with that chat alone, at one notice a second. A
    message that its own notice has followed is met, however many there are of its kind.
    """

    def __init__(self, most: int = _MOST_BUCKETS) -> None:
        self._sent = Latest[Emergency, datetime](most)

    def sent(self, emergency: Emergency, date: datetime) -> None:
        """Note that a notice was sent."""
        self._sent[emergency] = date

    def followed(self, emergency: Emergency, date: datetime) -> bool:
        """Tell whether its notice was surely sent after that date; dates are whole seconds."""
        return emergency in self._sent and date < self._sent[emergency]


class Albums:
    """The albums that came, each as many messages; those that came longest ago are forgotten."""

    def __init__(self, most: int = _MOST_BUCKETS) -> None:
        self._begun = Latest[tuple[int, str], None](most)

    def begun(self, chat_id: int, album: str) -> bool:
        """Tell whether a picture of the album came before, and note that one has come."""
        if (chat_id, album) in self._begun:
            return True
        self._begun[chat_id, album] = None
        return False


class SendLimit:
    """How many messages the bot may send a second, and about one a second to the same chat; first come, first served.

    Zero is no limit, neither in all nor for a chat.
    """

    def __init__(
        self, a_second: int = 0, a_second_in_a_chat: float = _SENT_A_SECOND_IN_A_CHAT, clock: Clock = time.monotonic
    ) -> None:
        self._in_chat: Buckets[int | str] = Buckets(a_second_in_a_chat, _SENT_AT_ONCE_IN_A_CHAT)
        # When the last so many messages were or will be sent. A bucket would let twice as many through in a second:
        # those that it held, and those that dripped in meanwhile.
        self._turns: deque[float] = deque(maxlen=a_second)
        self._clock = clock

    async def turn(self, chat_id: int | str) -> None:
        """Return when it is this message's turn."""
        if self._turns.maxlen:
            # The chat's turn comes first, so that one busy chat keeps no other waiting.
            await _sleep(self._in_chat.take(chat_id, self._clock()))
            await _sleep(self.next_turn())

    def next_turn(self) -> float:
        """Take the next turn among all chats; return in how many seconds it is."""
        now = self._clock()
        turn = max(now, self._turns[0] + 1) if len(self._turns) == self._turns.maxlen else now
        self._turns.append(turn)
        return turn - now


async def _sleep(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)
