"""Kills the bot again and again under a stream of questions: `python -m bench.killed [--webhook]`.

This process is the Bot API server and the patients. Every question must be answered, and hardly any twice. The patients
ask in groups, where an answer names the message that it answers.
"""

import asyncio
import json
import random
import signal
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from bench.bot_api import BOT, BotApi
from bench.serving import Failure, Subject, free_port, start

CHATS = 40
RATE = 80
# A bot starts and confirms within a second; so long after its first call it is killed at the latest.
_LATEST_SECONDS = 1.0
_START_SECONDS = 60.0
# What a killed process had in hand is free after its lease, of ten seconds.
_PATIENCE_SECONDS = 60.0

_ANSWERS = """\
topics: [{id: shop, title: The shop}]
entries:
  - {id: tire, topic: shop, question: Can you mend a flat tire?, answer: Yes., phrasings: [my tire is flat]}
  - {id: brakes, topic: shop, question: Do you adjust brakes?, answer: Yes., phrasings: [my brakes squeal]}
"""
_BACKGROUND = "any: [what is the weather, tell me a joke, do you sell pizza]\n"
_SAFETY = "notices: []\n"


class Groups(BotApi):
    """Knows of each question how often it was answered."""

    def __init__(self, webhook_port: int = 0) -> None:
        super().__init__(lambda _: None, webhook_port)
        self.answers: Counter[int] = Counter()
        self.called = asyncio.Event()

    def ask(self, number: int) -> int:
        """Let a patient ask another question than all before; return the number of the message."""
        return self.write(question(number), -1 - number % CHATS, "group")

    def _send_message(self, parameters: Mapping[str, str]) -> bytes:
        self.answers[json.loads(parameters["reply_parameters"])["message_id"]] += 1
        return super()._send_message(parameters)

    async def _get_updates(self, parameters: Mapping[str, str]) -> list[bytes]:
        self.called.set()
        return await super()._get_updates(parameters)

    def _set_webhook(self, parameters: Mapping[str, str]) -> None:
        if parameters.get("url"):
            self.called.set()
        super()._set_webhook(parameters)


def question(number: int) -> str:
    """Return a question that was not asked before."""
    return f"@{BOT['username']} my tire is flat, number {number}"


@dataclass(frozen=True)
class Outcome:
    """How often each question was answered, and how often the bot was killed meanwhile."""

    questions: int
    kills: int
    unanswered: int
    repeats: int
    repeats_by_kill: list[int]

    def __str__(self) -> str:
        """Return the figures in a line."""
        return (
            f"{self.questions} questions, {self.kills} kills: {self.unanswered} unanswered, "
            f"{self.repeats} repeated answers ({100 * self.repeats / self.questions:.2f} %), "
            f"at most {max(self.repeats_by_kill)} after one kill"
        )


def make_shop(scratch: Path) -> Path:
    """Write an FAQ with little in it, so that a process starts quickly."""
    shop = scratch / "shop"
    shop.mkdir()
    for name, text in {"answers": _ANSWERS, "background": _BACKGROUND, "safety": _SAFETY}.items():
        (shop / f"{name}.yaml").write_text(text)
    return shop


async def killed(questions: int, kills: int, *, webhook: bool, seed: int = 7) -> Outcome:
    """Ask so many questions and kill the bot so often, at random moments after it began to listen."""
    chance = random.Random(seed)  # noqa: S311  # no secret depends on it
    port = free_port() if webhook else 0
    with tempfile.TemporaryDirectory(prefix="clinic-faq-killed-") as folder:
        scratch = Path(folder)
        environment = {"ANSWERS": str(make_shop(scratch))}
        if webhook:
            environment |= {"WEBHOOK_URL": "https://bot.invalid", "PORT": str(port), "HOST": "127.0.0.1"}
        subject = Subject("this bot", ("-m", "bot", "run"), environment, port)
        async with Groups(port) as api:
            return await _kill(api, subject, scratch, questions, kills, chance)


async def _kill(
    api: Groups, subject: Subject, scratch: Path, questions: int, kills: int, chance: random.Random
) -> Outcome:
    asked = list[int]()
    repeated, by_kill = 0, list[int]()
    with (scratch / "log").open("wb") as log:
        for round_ in range(kills + 1):
            portion = range(len(asked), questions * (round_ + 1) // (kills + 1))
            asking = asyncio.create_task(_ask(api, portion, asked))
            api.called.clear()
            process = await start(subject, api.url, scratch, log.fileno())
            try:
                await asyncio.wait_for(api.called.wait(), _START_SECONDS)
                if round_ < kills:
                    await asyncio.sleep(chance.uniform(0, _LATEST_SECONDS))
                else:
                    await asking
                    await _all_answered(api, asked)
            finally:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGKILL)
                await process.wait()
            await asking
            repeats = sum(api.answers.values()) - len(api.answers)
            by_kill.append(repeats - repeated)
            repeated = repeats
    unanswered = sum(not api.answers[number] for number in asked)
    return Outcome(questions, kills, unanswered, repeated, by_kill)


async def _ask(api: Groups, portion: range, asked: list[int]) -> None:
    for number in portion:
        asked.append(api.ask(number))
        await asyncio.sleep(1 / RATE)


async def _all_answered(api: Groups, asked: list[int]) -> None:
    """Wait until every question is answered, and a moment longer for what may be repeated; raise Failure."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not all(api.answers[number] for number in asked):
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise Failure(f"{sum(not api.answers[number] for number in asked)} questions are not answered.") from None
    await asyncio.sleep(_LATEST_SECONDS)


def main(
    questions: Annotated[int, typer.Option(help="How many questions are asked.", min=1)] = 2000,
    kills: Annotated[int, typer.Option(help="How often the bot is killed meanwhile.", min=1)] = 50,
    webhook: Annotated[bool, typer.Option("--webhook", help="Bring updates to the bot's webhook.")] = False,
    seed: Annotated[int, typer.Option(help="Another seed kills at other moments.")] = 7,
) -> None:
    """Kill the bot again and again, and tell how often questions were answered."""
    typer.echo(
        f"{'webhook' if webhook else 'polling'}: {asyncio.run(killed(questions, kills, webhook=webhook, seed=seed))}"
    )


if __name__ == "__main__":
    typer.run(main)
