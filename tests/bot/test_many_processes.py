"""Four processes with a webhook share a PostgreSQL and one stream of updates, and answer none twice."""

import asyncio
import os
import random
import signal
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle

import pytest
from aiohttp import ClientError, ClientSession
from cryptography.fernet import Fernet

from bench.killed import CHATS, Groups, make_shop, question
from bench.serving import Subject, free_port, start

pytestmark = pytest.mark.unmeasured

SECRET = "only-Telegram-knows_1"  # noqa: S105  # it opens nothing
PROCESSES = 4
UPDATES = 240
A_SECOND = 60


class Balancer:
    """Brings updates to the processes as Telegram does through a balancer: to any, and again until one has taken it."""

    def __init__(self, ports: list[int], session: ClientSession) -> None:
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        self.statuses: list[int] = []
        self._session = session

    async def wait_until_up(self) -> None:
        for url in self.urls:
            while not await self._is_up(url):
                await asyncio.sleep(0.05)

    async def _is_up(self, url: str) -> bool:
        try:
            async with self._session.get(f"{url}/readyz") as response:
                return response.status == 200
        except ClientError:
            return False

    async def bring(self, update: bytes, urls: list[str]) -> None:
        headers = {"X-Telegram-Bot-Api-Secret-Token": SECRET}
        for url in cycle(urls):
            async with self._session.post(f"{url}/telegram", data=update, headers=headers) as response:
                self.statuses.append(response.status)
                if response.status == 200:
                    return
            await asyncio.sleep(0.05)


@pytest.fixture
def started(postgres, tmp_path):
    """Start that many processes on one fresh database, and end them."""
    shared = {
        "ANSWERS": str(make_shop(tmp_path)),
        "DATABASE_URL": postgres.fresh_database(),
        "STORAGE_KEY": Fernet.generate_key().decode(),
        "WEBHOOK_URL": "https://bot.invalid",
        "WEBHOOK_SECRET": SECRET,
        "HOST": "127.0.0.1",
    }

    @asynccontextmanager
    async def one(api: Groups, port: int, log: int):
        subject = Subject("one of several", ("-m", "bot", "run"), {**shared, "PORT": str(port)}, port)
        process = await start(subject, api.url, tmp_path, log)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 20) == 0

    @asynccontextmanager
    async def run(api: Groups, log: int):
        ports = [free_port() for _ in range(PROCESSES)]
        async with AsyncExitStack() as stack:
            await asyncio.gather(*(stack.enter_async_context(one(api, port, log)) for port in ports))
            yield ports

    return run


@pytest.mark.timeout(150)  # four processes start on what may be two cores
async def test_processes_on_one_postgresql_answer_no_update_twice(started, tmp_path):
    chance = random.Random(4)  # noqa: S311  # no secret depends on it
    log = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    async with Groups() as api, started(api, log) as ports, ClientSession() as session:
        balancer = Balancer(ports, session)
        await balancer.wait_until_up()
        updates = [api.update(question(number), -1 - number % CHATS, "group") for number in range(UPDATES)]
        bringing = []
        for number, (_, update) in enumerate(updates):
            # Every third comes to two processes at once, which Telegram does when an answer is late.
            for _ in range(2 if number % 3 == 0 else 1):
                urls = chance.sample(balancer.urls, PROCESSES)
                bringing.append(asyncio.create_task(balancer.bring(update, urls)))
            await asyncio.sleep(1 / A_SECOND)
        await asyncio.gather(*bringing)
        await asyncio.gather(*(balancer.bring(update, chance.sample(balancer.urls, 1)) for _, update in updates[::10]))
    os.close(log)
    assert {number: api.answers[number] for number, _ in updates} == {number: 1 for number, _ in updates}
    assert set(balancer.statuses) <= {200, 409}
