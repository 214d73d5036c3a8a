"""The whole process under a flood: nobody else notices, Telegram's limits are kept, and the log tells no words."""

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.telegram_server import TelegramServer, until

pytestmark = pytest.mark.unmeasured

ROOT = Path(__file__).parent.parent.parent
FLOOD = 120  # at a message a second, as Telegram allows in a chat, these would take two minutes


@pytest.fixture
def bot(shop, tmp_path, cache_home, small_model):
    """Start the bot with these settings as a process of its own, and stop it as systemd does; its log comes back."""

    @asynccontextmanager
    async def started(server: TelegramServer, **settings: str):
        usual = {
            "TELEGRAM_BOT_TOKEN": server.token,
            "TELEGRAM_API_URL": server.url,
            "DATABASE_URL": f"sqlite:///{tmp_path}/kept.sqlite",
            "LOG_FORMAT": "json",
            "PYTHONPATH": str(ROOT),
            "XDG_CACHE_HOME": str(cache_home),
        }
        command = [sys.executable, "-m", "bot", "run", "--answers", str(shop)]
        log = (tmp_path / "log").open("w+b")
        process = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, stderr=log, env=os.environ | usual | settings
        )
        lines: list[dict[str, object]] = []
        try:
            yield lines
        finally:
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 20) == 0
            log.seek(0)
            lines += [json.loads(line) for line in log]
            log.close()

    return started


async def test_a_flood_of_one_chat_is_noticed_by_no_other_and_an_emergency_in_it_is_met(bot):
    async with TelegramServer() as server, bot(server) as log:
        await until(lambda: server.count("getUpdates"))
        for number in range(FLOOD):
            server.write(f"my zebra tire is flat {number}", chat_id=1)
        server.write("the zebra is on fire", chat_id=1)
        began = time.monotonic()
        server.write("my zebra brakes squeal", chat_id=2)
        await until(lambda: server.answers(2))
        assert time.monotonic() - began < 8
        await until(lambda: server.telegram.unconfirmed() == 0)
        answers = server.answers(1)
        assert len(answers) == 8 + 1 + 1
        assert "half a minute" in answers[8]
        assert answers[9] == "Run."
    events = [str(line["message"]).partition(" ")[0] for line in log]
    assert (events.count("replied"), events.count("limited")) == (10, 1)
    assert all(isinstance(line["update"], int) for line in log if line["message"] not in ("started", "stopped"))
    assert "zebra" not in json.dumps(log)


async def test_a_flood_of_emergencies_is_noticed_by_no_other_either(bot):
    async with TelegramServer() as server, bot(server):
        await until(lambda: server.count("getUpdates"))
        chat = {"id": 1, "type": "private", "first_name": "Pat"}
        for _ in range(FLOOD):
            written = server.telegram.message(chat=chat, text="the shop is on fire", date=1_700_000_000)
        server.deliver(written)
        began = time.monotonic()
        server.write("my brakes squeal", chat_id=2)
        await until(lambda: server.answers(2))
        assert time.monotonic() - began < 8
        assert server.answers(1) == ["Run."] * 8


async def test_with_both_limits_off_nobody_waits(bot):
    async with TelegramServer() as server, bot(server, CHAT_LIMIT="0", SEND_LIMIT="0"):
        await until(lambda: server.count("getUpdates"))
        for number in range(60):
            server.write(f"my tire is flat {number}", chat_id=1)
        await until(lambda: len(server.answers(1)) == 60, seconds=5)


async def test_many_chats_are_answered_at_the_pace_that_telegram_allows(bot):
    async with TelegramServer() as server, bot(server):
        await until(lambda: server.count("getUpdates"))
        began = time.monotonic()
        for chat_id in range(100, 175):
            server.write("helmets?", chat_id=chat_id)
        await until(lambda: len(server.answers()) == 75)
        assert time.monotonic() - began >= 2  # thirty at once, thirty after a second, the last after two
