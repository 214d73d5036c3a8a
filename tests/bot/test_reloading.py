"""A saved change is taken up whenever it was saved, and nothing else is; a stop does not wait for it."""

import asyncio
import subprocess
import sys
from pathlib import Path

from bot.handlers import Handlers
from bot.markdown import refusal
from bot.reloading import follow_changes
from bot.waiting import cancel
from faq.loading import load
from faq.reply import Faq
from tests.telegram_server import until


def ignored(_problems: int) -> None:
    """What is not looked at here."""


class Follower:
    """A bot that follows the changes of a folder, and how often it loaded."""

    def __init__(self, folder: Path, **options: float) -> None:
        self.loads = 0
        self._folder = folder
        self._handlers = Handlers(self._load())
        self._following = asyncio.create_task(follow_changes(folder, self._load, self._handlers, ignored, **options))

    def _load(self, _before: Faq | None = None) -> Faq:
        self.loads += 1
        return Faq(load(self._folder, refusal))

    def answer(self) -> str:
        return self._handlers.faq.entries["brakes"].answer

    async def stop(self) -> None:
        await cancel(self._following)


def save(answers: Path) -> None:
    answers.write_text(answers.read_text().replace("adjusted within a day", "adjusted at once"))


async def test_what_was_saved_while_the_bot_started_is_taken_up_and_what_was_saved_before_is_no_change(shop):
    starting = Follower(shop)
    save(shop / "answers.yaml")
    started_later = Follower(shop, since=(shop / "answers.yaml").stat().st_ctime)
    await until(lambda: "at once" in starting.answer())
    assert started_later.loads == 1
    await starting.stop()
    await started_later.stop()


async def test_what_a_link_leads_to_is_followed(shop, tmp_path):
    (shop / "answers.yaml").rename(tmp_path / "elsewhere.yaml")
    (shop / "answers.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    (shop / "old.yaml").symlink_to("nowhere")
    follower = Follower(shop, since=(tmp_path / "elsewhere.yaml").stat().st_ctime)
    save(tmp_path / "elsewhere.yaml")
    await until(lambda: "at once" in follower.answer())
    await follower.stop()


STOP_WHILE_LOADING = """
import asyncio
from threading import Event
from bot.reloading import take_up
from bot.waiting import cancel

async def stop_while_loading():
    loop, begun = asyncio.get_running_loop(), asyncio.Event()

    def load():
        loop.call_soon_threadsafe(begun.set)
        Event().wait()

    loading = asyncio.create_task(take_up(load, print, "the changed FAQ is not live"))
    await begun.wait()
    await cancel(loading)

asyncio.run(stop_while_loading())
"""


def test_a_stop_does_not_wait_until_a_change_is_learnt():
    subprocess.run([sys.executable, "-c", STOP_WHILE_LOADING], check=True, timeout=60)  # noqa: S603  # our own
