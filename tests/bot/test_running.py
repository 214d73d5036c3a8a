"""`clinic-faq run` as a process of its own, against a Bot API server on loopback, by real HTTP."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.markdown import refusal
from bot.offline import Button, Sent
from faq.loading import load
from faq.model import Answers
from tests.conftest import BICYCLES
from tests.telegram_server import TelegramServer, until

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def shop(tmp_path) -> Path:
    """The bicycle shop's FAQ, with little in it, so that a process starts quickly."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "answers.yaml").write_text(BICYCLES)
    (folder / "background.yaml").write_text("any: [what is the weather, tell me a joke, do you sell pizza]\n")
    (folder / "safety.yaml").write_text("notices: []\n")
    return folder


@pytest.fixture
def content(shop) -> Answers:
    return load(shop, refusal).answers


@pytest.fixture
async def server():
    async with TelegramServer() as server:
        yield server


class Process:
    """The bot's process, and what it logged."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.log = ""

    async def read_log(self) -> None:
        assert self._process.stderr
        async for line in self._process.stderr:
            self.log += line.decode()

    async def end(self, by: signal.Signals) -> int:
        self._process.send_signal(by)
        return await asyncio.wait_for(self._process.wait(), 15)


@pytest.fixture
def running(server, shop, pytestconfig) -> Callable[..., object]:
    """Run the bot until the end of the block, and end it by a signal."""

    @asynccontextmanager
    async def run(by: signal.Signals = signal.SIGTERM, token: str = server.token):
        environment = os.environ | {
            "TELEGRAM_BOT_TOKEN": token,
            "TELEGRAM_API_URL": server.url,
            "ANSWERS": str(shop),
            "XDG_CACHE_HOME": str(pytestconfig.cache.mkdir("clinic-faq")),
            "PYTHONPATH": str(ROOT),
        }
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "run", env=environment, cwd=shop.parent, stderr=asyncio.subprocess.PIPE
        )
        process = Process(started)
        reading = asyncio.create_task(process.read_log())
        try:
            yield process
        finally:
            if started.returncode is None:
                await process.end(by)
            await reading

    return run


async def next_sent(server: TelegramServer, ask: Callable[[], object]) -> Sent:
    """Do something as a patient; return the next thing that the bot shows."""
    already = len(server.telegram.sent)
    ask()
    await until(lambda: len(server.telegram.sent) > already)
    return server.telegram.sent[already]


def labelled(message: Sent, label: str) -> Button:
    return next(button for button in message.buttons if button.label == label)


async def test_every_command_and_button_is_answered_over_http(server, running, content):
    async def write(text: str) -> Sent:
        return await next_sent(server, lambda: server.write(text))

    async def press(message: Sent, label: str) -> Sent:
        data = labelled(message, label).data
        return await next_sent(server, lambda: server.press(data or "", message))

    async with running() as process:
        for command, wording in {
            "/start": content.wording.start,
            "/help": content.wording.help,
            "/contact": content.wording.contact,
            "/privacy": content.wording.privacy,
        }.items():
            assert wording.split("**")[0].split("\n")[0].strip()[:20] in (await write(command)).text
        assert "flat tire" in (await write("/start flat-tire__flyer-june")).text
        menu = await write("/topics")
        repairs = await press(menu, "Repairs")
        brakes = await press(repairs, "Do you adjust brakes?")
        assert "within a day" in brakes.text
        tire = await write("my tire is flat")
        assert "while you wait" in tire.text
        assert "Renting" in (await press(tire, content.wording.buttons.topics)).labels
        assert server.telegram.unanswered_presses() == 0
    assert "stopped" in process.log


async def test_killed_in_mid_conversation_and_started_again_it_leaves_no_question_without_its_reply(server, running):
    async with running(by=signal.SIGKILL):
        await next_sent(server, lambda: server.write("my tire is flat"))
        for chat in range(100, 120):
            server.write("do I get a helmet?", chat_id=chat)
    async with running():
        await until(lambda: all(server.answers(chat) for chat in range(100, 120)))
    assert server.telegram.unconfirmed() == 0


async def test_a_saved_change_goes_live_within_two_seconds_and_a_broken_one_does_not(server, running, shop):
    answers = shop / "answers.yaml"
    async with running() as process:
        await next_sent(server, lambda: server.write("my brakes squeal"))
        answers.write_text(BICYCLES.replace("adjusted within a day", "adjusted at once"))
        await until(lambda: "the changed FAQ is live" in process.log, seconds=2)
        assert "at once" in (await next_sent(server, lambda: server.write("my brakes squeal"))).text
        answers.write_text(BICYCLES.replace("topic: repairs", "topic: repears"))
        await until(lambda: "mend this first" in process.log)
        assert "at once" in (await next_sent(server, lambda: server.write("my brakes squeal"))).text
    assert "There is no `repears` under `topics:`" in process.log


async def test_nothing_that_was_typed_and_no_token_stands_in_the_log(server, running):
    async with running() as process:
        await next_sent(server, lambda: server.write("my unmistakable tire is flat"))
    assert "replied" in process.log
    assert "unmistakable" not in process.log
    assert server.token not in process.log


async def test_a_wrong_token_is_told_in_a_sentence(running):
    async with running(token="2:wrong") as process:  # noqa: S106  # it opens nothing
        await until(lambda: "TELEGRAM_BOT_TOKEN" in process.log)
    assert process.log.endswith("\nTelegram does not know this TELEGRAM_BOT_TOKEN. Ask @BotFather for it.\n")
