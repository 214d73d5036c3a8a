"""Waiting: how long before trying again, and for tasks that are no longer wanted."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Waits:
    """Waits in seconds that double from the first to the longest, each a little longer or shorter by chance.

    The chance keeps many processes from coming back at the same moment.
    """

    first: float = 0.5
    longest: float = 30.0

    def __iter__(self) -> Iterator[float]:
        wait = self.first
        while True:
            yield wait * random.uniform(0.8, 1.2)  # noqa: S311  # no secret depends on it
            wait = min(2 * wait, self.longest)


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks, and return when they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
