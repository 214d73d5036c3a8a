"""A call of the Bot API gets through in the end, or is given up for a reason that waiting can't mend."""

import asyncio
import time

import pytest
from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, NetworkError, RetryAfter, TimedOut
from telegram.ext import ExtBot

from bot.sending import Sender, seconds_to_wait
from bot.transport import AiohttpRequest
from bot.waiting import Waits
from tests.telegram_server import (
    TOKEN,
    Fault,
    TelegramServer,
    bad_gateway,
    half_json,
    hang,
    lost,
    reset,
    says,
    status,
    until,
)

QUICK = Waits(first=0.002, longest=0.01)


@pytest.fixture
async def server():
    """A Bot API server that knows one patient."""
    async with TelegramServer() as server:
        server.write("hello")
        yield server


@pytest.fixture
async def bot(server):
    """A bot that waits shortly between attempts, but long enough for any test."""
    async with bot_with(Sender(QUICK, attempt=0.2), server) as bot:
        yield bot


def bot_with(sender: Sender, server: TelegramServer, token: str = TOKEN) -> ExtBot:
    return ExtBot(
        token,
        base_url=f"{server.url}/bot",
        request=AiohttpRequest(connections=8),
        get_updates_request=AiohttpRequest(connections=1),
        rate_limiter=sender,
    )


@pytest.mark.parametrize(
    "fault",
    [
        status(500),
        status(503),
        status(429, retry_after=0.01),
        status(429),
        status(409),
        status(401),
        status(404),
        bad_gateway,
        hang,
        reset,
        says({}),
        says([]),
        says("maintenance"),
    ],
)
async def test_a_message_arrives_once_after_passing_trouble(server, bot, fault):
    server.order("sendMessage", fault, times=2)
    await bot.send_message(7, "yes")
    assert server.answers() == ["yes"]
    assert server.count("sendMessage") == 3


@pytest.mark.parametrize("fault", [lost, half_json])
async def test_a_message_is_rather_repeated_than_lost(server, bot, fault):
    server.order("sendMessage", fault)
    await bot.send_message(7, "yes")
    assert server.answers() == ["yes", "yes"]


async def test_a_message_arrives_when_the_server_was_gone(server, bot, caplog):
    await server.stop()
    sending = asyncio.create_task(bot.send_message(7, "yes"))
    await until(lambda: caplog.text.count("sendMessage failed, again in") > 2)
    assert not sending.done()
    await server.start()
    await sending
    assert server.answers() == ["yes"]


async def test_telegram_is_asked_again_only_after_the_time_it_asked_for(server, bot):
    server.order("sendMessage", status(429, retry_after=0.2))
    began = time.monotonic()
    await bot.send_message(7, "yes")
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (status(400, description="Bad Request: message text is empty"), BadRequest),
        (status(403, description="Forbidden: bot was blocked by the user"), Forbidden),
    ],
)
async def test_a_final_refusal_is_not_tried_again(server, bot, fault, error):
    server.order("sendMessage", fault)
    with pytest.raises(error):
        await bot.send_message(7, "yes")
    assert server.count("sendMessage") == 1


def moved(new_chat_id: int) -> Fault:
    """Return what Telegram says of a group that became a supergroup."""
    parameters = {"migrate_to_chat_id": new_chat_id}
    description = "Bad Request: group chat was upgraded to a supergroup chat"
    return says({"ok": False, "error_code": 400, "description": description, "parameters": parameters}, 400)


async def test_a_question_from_a_group_that_became_a_supergroup_is_answered_there(server, bot):
    server.write("hello", chat_id=-100)
    server.order("sendMessage", moved(-100))
    await bot.send_message(7, "yes")
    assert server.answers(-100) == ["yes"]
    assert server.count("sendMessage") == 2


async def test_a_group_that_moves_again_and_again_is_given_up(server, bot):
    server.order("sendMessage", moved(-100), times=3)
    with pytest.raises(ChatMigrated):
        await bot.send_message(7, "yes")
    assert server.count("sendMessage") == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (status(500), NetworkError),
        (hang, TimedOut),
        (says({}), NetworkError),
        (status(429, retry_after=0.01), RetryAfter),
    ],
)
async def test_endless_trouble_is_given_up_with_an_error_of_telegrams(server, fault, error):
    async with bot_with(Sender(QUICK, patience=0.02, attempt=0.05 if fault is hang else 5), server) as bot:
        server.order("sendMessage", fault, times=50)
        with pytest.raises(error):
            await bot.send_message(7, "yes")


async def test_a_wrong_token_is_told_at_once(server, bot):
    with pytest.raises(InvalidToken):
        async with bot_with(Sender(QUICK), server, token="2:wrong"):  # noqa: S106  # that is the point
            pass


async def test_logs_of_trouble_hold_no_words_of_a_person(server, bot, caplog):
    server.order("sendMessage", half_json)
    await bot.send_message(7, "about your pregnancy")
    ours = [record.getMessage() for record in caplog.records if record.name == "bot.sending"]
    assert len(ours) == 1
    assert ours[0].startswith("sendMessage failed, again in 0.0 s: ")
    assert "pregnancy" not in ours[0]


@pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")
def test_both_types_in_which_the_library_tells_a_wait_are_understood(monkeypatch):
    told = RetryAfter(3)
    assert seconds_to_wait(told) == 3
    monkeypatch.setenv("PTB_TIMEDELTA", "0")
    assert seconds_to_wait(told) == 3
