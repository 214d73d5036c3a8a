"""Deciding replies beside the event loop, so that nobody else waits for a hard question."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bot.latest import Latest
from faq.model import Entry
from faq.reply import Faq, Reply
from faq.triage import Alarm

# What is asked again is short; so a decision takes some kilobytes, and all of them a few megabytes.
_REMEMBERED, _LONGEST_REMEMBERED = 1000, 200

Key = tuple[str, str | None, bool]


class Decider:
    """Decides replies of one version of the FAQ in a thread, and remembers the latest, in memory only."""

    def __init__(self, faq: Faq, thread: ThreadPoolExecutor, remembered: int = _REMEMBERED) -> None:
        self._faq = faq
        self._thread = thread
        self._decided = Latest[Key, Reply](remembered)

    async def reply(self, utterance: str, *, about: Entry | None = None, calm: bool = False) -> Reply:
        """Return what the FAQ replies.

        The same words bring the same reply, and other words another: a button copies them as they were typed.
        """
        key = (utterance, about.id if about else None, calm)
        if (known := self._decided.get(key)) is not None:
            self._decided[key] = known  # among the latest again
            return known
        decide = partial(self._faq.reply, utterance, about=about, calm=calm)
        reply = await asyncio.get_running_loop().run_in_executor(self._thread, decide)
        if len(utterance) <= _LONGEST_REMEMBERED:
            self._decided[key] = reply
        return reply

    async def alarm(self, utterance: str) -> Alarm | None:
        """Tell whether an utterance sounds like an emergency, and of which kind."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._faq.alarm, utterance)


def one_thread() -> ThreadPoolExecutor:
    """Return the one thread that may match: the stemmer bears no two at once."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="matching")
