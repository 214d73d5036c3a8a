"""Throws random requests at the routes of a bot that runs as it does in earnest, and shows what came of it.

python bench/fuzz_web.py 100000        # a bot of its own, with a Bot API server, both on loopback

It starts `clinic-faq run` with a webhook, throws as many requests as asked for, the first 10,000 as a warm-up, and
prints the answers by status, what the bot itself counted, and its memory. The exit code is 1 if anything was answered
with 5xx or not at all, or if the bot's memory grew by more than a tenth after the warm-up.
"""

import asyncio
import json
import os
import re
import signal
import socket
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from urllib.request import urlopen

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.noise import MISSING, NO_ANSWER, Noise  # noqa: E402  # it lies beside the tests, which are not installed
from tests.telegram_server import TelegramServer, until  # noqa: E402

SECRET = "a-secret-of-the-benchmark"  # noqa: S105  # it opens nothing
THROWERS = 16
# What a process takes at first for caches, pools and buffers is no leak.
WARM_UP = 10_000
MOST_GROWTH = 1.1


@asynccontextmanager
async def bot(server: TelegramServer, port: int, folder: Path) -> AsyncIterator[Process]:
    """Run the bot from here to the end of the block; its log goes into the folder."""
    environment = os.environ | {
        "TELEGRAM_BOT_TOKEN": server.token,
        "TELEGRAM_API_URL": server.url,
        "WEBHOOK_URL": f"http://127.0.0.1:{port}",
        "WEBHOOK_SECRET": SECRET,
        "DATABASE_URL": f"sqlite:///{folder / 'database.sqlite'}",
        "HOST": "127.0.0.1",
        "PORT": str(port),
    }
    with (folder / "log").open("wb") as log:
        running = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "run"), cwd=ROOT, env=environment, stdin=DEVNULL, stderr=log
        )
    try:
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        print(f"exit code after SIGTERM: {await running.wait()}")  # noqa: T201  # a report is what it is for


async def throw(port: int, times: int, seed: int) -> Counter[int]:
    """Throw so many requests from several sides at once, and return how many answers had which status."""
    noises = [Noise(Random(seed * THROWERS + number), SECRET) for number in range(THROWERS)]  # noqa: S311
    thrown = await asyncio.gather(*(noise.throw(("127.0.0.1", port), times // THROWERS) for noise in noises))
    return Counter(status for statuses in thrown for status in statuses)


def memory(process: Process) -> float:
    """Return the process's resident memory in MB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert found  # noqa: S101  # Linux has it
    return int(found[1]) / 1024


def figures(port: int) -> list[str]:
    """Return what the bot counted of errors, refusals and campaigns."""
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    wanted = re.compile(r"clinic_faq_(errors|webhook_refusals|updates_seen_twice|replies)_total")
    return [line for line in lines if wanted.match(line)]


async def main(times: int) -> int:
    """Throw, report, and return the exit code."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with TelegramServer() as server:
        with tempfile.TemporaryDirectory() as folder:
            async with bot(server, port, Path(folder)) as running:
                await until(lambda: server.count("getWebhookInfo"), seconds=120)
                start = memory(running)
                warming = await throw(port, min(WARM_UP, times), seed=1)
                before, began = memory(running), time.perf_counter()
                statuses = await throw(port, times - warming.total(), seed=2)
                seconds, after = time.perf_counter() - began, memory(running)
                told = await asyncio.to_thread(figures, port)
            failed = (Path(folder) / "log").read_text().count("a request failed")
    statuses += warming
    names = {NO_ANSWER: "no answer due", MISSING: "answer missing"}
    print(json.dumps({names.get(code, str(code)): number for code, number in sorted(statuses.items())}))  # noqa: T201
    print(*told, sep="\n")  # noqa: T201
    print(f"{statuses.total()} requests, {(times - warming.total()) / seconds:.0f} a second")  # noqa: T201
    print(f"memory: {start:.0f} MB at the start, {before:.0f} MB warm, {after:.0f} MB at the end")  # noqa: T201
    print(f"requests that failed by the bot's own log: {failed}")  # noqa: T201
    bad = [code for code in statuses if code >= 500 or code == MISSING]
    return int(failed > 0 or bool(bad) or after > before * MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)))
