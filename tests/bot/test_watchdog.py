"""systemd is told that the bot works as long as it hears Telegram."""

import asyncio
import socket
from contextlib import suppress

import pytest

from bot.health import Check, Hearing
from bot.waiting import cancel
from bot.watchdog import notify, watch
from tests.telegram_server import until


class Clock:
    """A clock that is set by hand, and knows how often it was looked at."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.looked_at = 0

    def __call__(self) -> float:
        self.looked_at += 1
        return self.now


@pytest.fixture(params=["path", "abstract"])
def systemd(request, tmp_path, monkeypatch):
    """The socket on which systemd listens, by either kind of address."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@clinic-faq-{id(request)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0"))
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        yield listener


async def told(systemd: socket.socket) -> str:
    return (await asyncio.to_thread(systemd.recv, 100)).decode()


def drain(systemd: socket.socket) -> list[bytes]:
    """Return what systemd was told and did not read yet."""
    systemd.setblocking(False)
    messages = []
    with suppress(BlockingIOError):
        while True:
            messages.append(systemd.recv(100))
    systemd.settimeout(5)
    return messages


async def test_systemd_is_told_that_the_bot_is_ready_and_that_it_works(systemd, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    watching = asyncio.create_task(watch(Hearing()))
    assert [await told(systemd) for _ in range(4)] == ["READY=1", *["WATCHDOG=1"] * 3]
    await cancel(watching)


async def test_a_deaf_bot_does_not_say_that_it_works_until_it_hears_again(systemd, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "2000")
    clock = Clock()
    hearing = Hearing(clock=clock)
    watching = asyncio.create_task(watch(hearing))
    assert await told(systemd) == "READY=1"
    clock.now += 300
    drain(systemd)
    looked_at = clock.looked_at
    await until(lambda: clock.looked_at > looked_at + 3)
    assert drain(systemd) == []
    hearing.heard()
    assert await told(systemd) == "WATCHDOG=1"
    await cancel(watching)


@pytest.mark.parametrize("usec", ["", "soon", "0"])
async def test_who_does_not_say_how_often_is_told_at_once_and_then_now_and_then(systemd, monkeypatch, usec):
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    watching = asyncio.create_task(watch(Hearing()))
    assert [await told(systemd) for _ in range(2)] == ["READY=1", "WATCHDOG=1"]
    await cancel(watching)


def test_without_systemd_nobody_is_told(systemd, monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify("READY=1")
    assert drain(systemd) == []


def test_a_systemd_that_does_not_listen_stops_nothing(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    notify("READY=1")
    assert "can't tell systemd READY=1: No such file or directory" in caplog.text


# --- hearing ---------------------------------------------------------------------------------------------------------


async def test_a_bot_is_ready_when_it_heard_telegram_and_until_it_is_deaf():
    clock = Clock()
    hearing = Hearing(clock=clock)
    assert await hearing.check() == Check(False, "Telegram is not heard yet.")
    hearing.heard()
    clock.now += 299
    assert await hearing.check() == Check(True, "Telegram was last heard 299 s ago.")
    clock.now += 1
    assert await hearing.check() == Check(False, "Telegram was last heard 300 s ago.")


def test_a_heartbeat_that_cannot_be_written_stops_nothing(caplog):
    def beat() -> None:
        raise OSError(28, "No space left on device")

    hearing = Hearing(beat)
    hearing.heard()
    assert hearing.silence < 1
    assert "can't note that Telegram was heard: No space left on device" in caplog.text
