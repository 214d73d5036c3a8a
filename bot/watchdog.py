"""Telling systemd that the bot works, as long as it hears Telegram."""

import asyncio
import logging
import os
import socket

from bot.health import Hearing

log = logging.getLogger(__name__)

# How often systemd is told when it does not say how often it wants to be.
_TELL_SECONDS = 30.0


def notify(state: str) -> None:
    """Tell systemd a state, if it started this process and wants to know: sd_notify(3)."""
    if not (address := os.environ.get("NOTIFY_SOCKET")):
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)  # who does not listen must not hold up the bot
            sock.connect("\0" + address[1:] if address.startswith("@") else address)
            sock.send(state.encode())
    except OSError as error:
        log.warning("can't tell systemd %s: %s", state, error.strerror)


async def watch(hearing: Hearing) -> None:
    """Tell systemd that the bot is ready, and then again and again that it works while it hears Telegram."""
    notify("READY=1")
    every = _tell_every()
    while True:
        if not hearing.is_deaf:
            notify("WATCHDOG=1")
        await asyncio.sleep(every)


def _tell_every() -> float:
    """Return half the time after which systemd replaces a silent process: sd_watchdog_enabled(3)."""
    told = os.environ.get("WATCHDOG_USEC", "")
    return int(told) / 2e6 if told.isdecimal() and int(told) else _TELL_SECONDS
