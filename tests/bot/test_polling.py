"""Fetched updates are handled, then confirmed, whatever happens to the network, the server or the process."""

import asyncio
import logging
import random
import time
from collections import defaultdict
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from itertools import takewhile

import pytest
from aiohttp import web
from telegram import Update
from telegram.ext import Application, MessageHandler, TypeHandler, filters

from bot.app import build_bot
from bot.errors import UserError
from bot.intake import Intake
from bot.offline import Telegram
from bot.polling import GLANCE_SECONDS, Poller
from bot.sending import Sender
from bot.waiting import Waits
from tests.telegram_server import (
    SAME_OFFSET_SECONDS,
    Answer,
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

QUICK = Waits(first=0.002, longest=0.02)


class Echo:
    """A bot that says what it is told; `slow` is said only when the door is opened."""

    def __init__(self, server: TelegramServer) -> None:
        self.server = server
        self.door = asyncio.Event()
        self.handled: dict[int, int] = defaultdict(int)
        self.heard = 0

    async def run(self, stop: asyncio.Event, patient: bool = True, **settings) -> None:
        """Poll until the stop, as a process of its own would; the impatient soon give up a call that hangs."""
        hangs_after = 5 if patient else 0.1
        bot = build_bot(self.server.token, self.server.url, sender=Sender(QUICK, attempt=hangs_after))
        application = Application.builder().bot(bot).updater(None).build()
        application.add_handler(MessageHandler(filters.TEXT, self._echo))
        application.add_handler(TypeHandler(Update, self._count), group=1)
        quick = {"waits": QUICK, "long_poll": timedelta(seconds=0.1), "grace": hangs_after, "glance": 0.02}
        intake = Intake(application)
        try:
            await Poller(intake, **{"heard": self._hear, **quick, **settings}).run(stop)
        finally:
            await intake.close()

    @asynccontextmanager
    async def running(self, **settings):
        """Run from here to the end of the block, and stop cleanly."""
        stop = asyncio.Event()
        running = asyncio.create_task(self.run(stop, **settings))
        try:
            yield stop
        finally:
            stop.set()
            await running

    @asynccontextmanager
    async def killed(self, **settings):
        """Run from here to the end of the block, and die without a word."""
        running = asyncio.create_task(self.run(asyncio.Event(), **settings))
        try:
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def _echo(self, update: Update, _) -> None:
        if update.message.text == "slow":
            await self.door.wait()
        await update.message.reply_text(update.message.text)

    async def _count(self, update: Update, _) -> None:
        self.handled[update.update_id] += 1

    def _hear(self) -> None:
        self.heard += 1


@pytest.fixture
async def server():
    """A Bot API server that is as impatient as the real one, in the measure in which the bot under test is quick."""
    async with TelegramServer(same_offset=0.01) as server:
        yield server


@pytest.fixture
def echo(server) -> Echo:
    return Echo(server)


def logged(caplog) -> str:
    ours = [record for record in caplog.records if record.name in ("bot.polling", "bot.intake")]
    return "\n".join(record.getMessage() for record in ours)


# --- handle, then confirm --------------------------------------------------------------------------------------------


async def test_each_update_is_answered_once_and_then_confirmed(server, echo):
    for number in range(120):  # more than one batch
        server.write(str(number), chat_id=number % 7)
    async with echo.running():
        await until(lambda: len(server.answers()) == 120)
        await until(lambda: server.telegram.unconfirmed() == 0)
    assert set(echo.handled.values()) == {1}


async def test_a_chat_is_answered_in_order(server, echo):
    texts = ["slow", *map(str, range(20))]
    for text in texts:
        server.write(text)
    async with echo.running():
        await until(lambda: server.count("getUpdates") > 3)
        assert server.answers() == []
        echo.door.set()
        await until(lambda: len(server.answers()) == len(texts))
    assert server.answers() == texts


async def test_a_slow_chat_holds_up_no_other(server, echo):
    server.write("slow", chat_id=1)
    async with echo.running():
        for number in range(2, 12):
            server.write("quick", chat_id=number)
            await until(lambda chat_id=number: server.answers(chat_id))
        assert server.answers(1) == []
        assert server.telegram.unconfirmed() == 11
        echo.door.set()
        await until(lambda: server.telegram.unconfirmed() == 0)
    assert set(echo.handled.values()) == {1}


async def test_a_chat_that_waits_for_long_starves_no_other_however_many_write(server, echo):
    server.write("slow", chat_id=1)
    async with echo.running(late_after=0.1):
        for number in range(2, 152):
            server.write("quick", chat_id=number)
        await until(lambda: len(server.answers()) == 150)
        assert server.answers(1) == []
        echo.door.set()
        await until(lambda: server.answers(1) == ["slow"])
        await until(lambda: server.telegram.unconfirmed() == 0)
    assert set(echo.handled.values()) == {1}


async def test_a_flood_behind_a_message_that_waits_starves_no_other_chat(server, echo):
    server.write("slow", chat_id=1)
    for number in range(150):
        server.write(str(number), chat_id=1)
    server.write("quick", chat_id=2)
    async with echo.running(late_after=0.1):
        await until(lambda: server.answers() == ["quick"])
        echo.door.set()
        await until(lambda: len(server.answers()) == 152)
    assert server.answers(1) == ["slow", *map(str, range(150))]
    assert set(echo.handled.values()) == {1}


async def test_what_is_late_but_in_nobodys_way_is_not_lost_when_the_process_dies(server, echo):
    server.write("slow", chat_id=1)
    for number in range(2, 100):
        server.write("quick", chat_id=number)
    async with echo.killed(late_after=0):
        await until(lambda: len(server.answers()) == 98)
        asked = server.count("getUpdates")
        await until(lambda: server.count("getUpdates") > asked + 3)
    assert server.telegram.unconfirmed() == 99
    echo.door.set()
    async with echo.running():
        await until(lambda: server.answers(1) == ["slow"])


async def test_what_was_confirmed_and_is_not_answered_at_a_stop_is_told(server, echo, caplog):
    server.write("slow", chat_id=1)
    for number in range(2, 152):
        server.write("quick", chat_id=number)
    async with echo.running(late_after=0.1, last_answers=0.05):
        await until(lambda: len(server.answers()) == 150)
    assert "lost at the stop, as they were confirmed before they were answered: 1" in logged(caplog)


async def test_a_stop_answers_what_was_confirmed_late_too(server, echo):
    server.write("slow", chat_id=1)
    for number in range(2, 152):
        server.write("quick", chat_id=number)
    async with echo.running(late_after=0.1) as stop:
        await until(lambda: len(server.answers()) == 150)
        stop.set()
        echo.door.set()
    assert server.answers(1) == ["slow"]


async def test_a_slow_chat_makes_the_poller_look_again_but_not_spin(server, echo):
    server.write("slow")
    async with echo.running():
        await until(lambda: server.count("getUpdates") > 1)
        before, began = server.count("getUpdates"), time.monotonic()
        await until(lambda: server.count("getUpdates") == before + 10)
        assert time.monotonic() - began > 0.15  # every 0.02 s at most
        echo.door.set()


def test_the_poller_looks_again_no_sooner_than_telegram_likes():
    assert GLANCE_SECONDS > SAME_OFFSET_SECONDS


async def test_an_idle_poller_waits_for_the_long_poll(server, echo):
    async with echo.running(long_poll=timedelta(seconds=5)):
        await until(lambda: server.count("getUpdates"))
        server.write("one")
        await until(lambda: server.answers() == ["one"])
    before_the_answer = takewhile(lambda call: call[0] != "sendMessage", server.calls)
    held = [parameters["timeout"] for method, parameters in before_the_answer if method == "getUpdates"]
    assert held == ["5"]


async def test_only_the_kinds_that_have_a_handler_are_asked_for(server, echo):
    async with echo.running():
        await until(lambda: server.count("getUpdates"))
    asked = next(parameters for method, parameters in server.calls if method == "getUpdates")
    assert asked["allowed_updates"] == '["message", "edited_message", "callback_query"]'


async def test_updates_without_a_chat_are_handled_too(server, echo):
    person = {"id": 9, "is_bot": False, "first_name": "Pat"}
    inline = server.telegram.update("inline_query", {"id": "1", "from": person, "query": "x", "offset": ""})
    unknown = server.telegram.update("a_kind_of_the_future", {})
    async with echo.running():
        await until(lambda: server.telegram.unconfirmed() == 0)
    assert echo.handled == {inline["update_id"]: 1, unknown["update_id"]: 1}


# --- nothing is lost -------------------------------------------------------------------------------------------------


async def test_what_was_handled_when_the_process_died_is_asked_again(server, echo):
    server.write("slow")
    async with echo.killed():
        await until(lambda: server.count("getUpdates") > 1)
    assert server.answers() == []
    assert server.telegram.unconfirmed() == 1
    echo.door.set()
    async with echo.running():
        await until(lambda: server.answers() == ["slow"])


async def test_dying_at_any_moment_loses_nothing(server, echo):
    moments = random.Random(2)  # noqa: S311  # the same moments in each run
    wanted = [str(number) for number in range(120)]
    for number, text in enumerate(wanted):
        server.write(text, chat_id=number % 5)
    for _ in range(10):
        async with echo.killed():
            await asyncio.sleep(moments.uniform(0, 0.06))
    async with echo.running():
        await until(lambda: server.telegram.unconfirmed() == 0)
    assert set(server.answers()) == set(wanted)


async def test_a_stop_answers_what_was_fetched_and_confirms_it(server, echo):
    async def meet_a_latecomer(request: web.Request, answer: Answer) -> web.Response:
        """Let a patient write just when what was answered last is being confirmed."""
        if (await request.post())["timeout"] == "0":
            server.write("too late")
        return await answer()

    server.write("slow")
    server.order("getUpdates", meet_a_latecomer, times=1000)
    async with echo.running() as stop:
        await until(lambda: server.count("getUpdates") > 1)
        stop.set()
        echo.door.set()
    assert server.answers() == ["slow"]
    assert server.telegram.unconfirmed() == 1


async def test_what_cannot_be_answered_before_the_end_is_left_for_the_next_start(server, echo):
    server.write("quick", chat_id=1)
    server.write("slow", chat_id=2)
    server.write("quick", chat_id=3)
    async with echo.running(last_answers=0.05) as stop:
        await until(lambda: len(server.answers()) == 2)
        stop.set()
    assert server.telegram.unconfirmed() == 2
    echo.door.set()
    async with echo.running():
        await until(lambda: server.answers(2) == ["slow"])


async def test_a_last_confirmation_that_fails_is_told(server, echo, caplog):
    server.write("slow")
    async with echo.running(long_poll=timedelta(0), glance=5) as stop:
        await until(lambda: server.count("getUpdates") == 1)
        await until(lambda: echo.heard)
        server.order("getUpdates", reset, times=9)
        stop.set()
        echo.door.set()
    assert "the last answers are not confirmed and may be repeated: NetworkError" in logged(caplog)


async def test_an_idle_poller_stops_at_once(server, echo):
    async with echo.running(long_poll=timedelta(seconds=30)) as stop:
        await until(lambda: server.count("getUpdates"))
        began = time.monotonic()
        stop.set()
    assert time.monotonic() - began < 1


async def test_a_poller_that_never_came_to_start_stops_too(server, echo):
    server.order("getMe", status(500), times=10_000)
    async with echo.running() as stop:
        await until(lambda: server.count("getMe") > 2)
        stop.set()
    assert server.count("getUpdates") == 0


# --- faults ----------------------------------------------------------------------------------------------------------

TROUBLES = {
    "500": status(500),
    "429": status(429, retry_after=0.01),
    "409": status(409, description="Conflict: terminated by other getUpdates request"),
    "502 with HTML": bad_gateway,
    "half a JSON": half_json,
    "hang": hang,
    "reset": reset,
    "answer lost": lost,
    "JSON without result": says({}),
    "JSON of another kind": says([1, 2]),
    "updates without ids": says({"ok": True, "result": [{}]}),
    "updates that are none": says({"ok": True, "result": [None]}),
}


@pytest.mark.parametrize("fault", TROUBLES.values(), ids=TROUBLES)
async def test_fetching_recovers_by_itself_and_loses_nothing(server, echo, fault):
    server.order("getUpdates", fault, times=2)
    server.write("one")
    async with echo.running(patient=fault is not hang):
        await until(lambda: server.answers() == ["one"])
        server.order("getUpdates", fault)
        server.write("two")
        await until(lambda: server.answers() == ["one", "two"])
        await until(lambda: server.telegram.unconfirmed() == 0)
    assert set(echo.handled.values()) == {1}


@pytest.mark.parametrize("fault", TROUBLES.values(), ids=TROUBLES)
async def test_a_trouble_at_the_start_is_waited_out(server, echo, fault):
    server.order("getMe", fault, times=2)
    server.write("one")
    async with echo.running(patient=fault is not hang):
        await until(lambda: server.answers() == ["one"])


async def test_the_server_may_come_up_later_and_go_away_for_a_while(server, echo, caplog):
    await server.stop()
    async with echo.running():
        await until(lambda: "getMe failed" in caplog.text)
        await server.start()
        server.write("one")
        await until(lambda: server.answers() == ["one"])
        await server.stop()
        await until(lambda: "fetching failed" in logged(caplog))
        server.write("two")
        await server.start()
        await until(lambda: server.answers() == ["one", "two"])


async def test_trouble_that_a_sender_gives_up_does_not_end_the_start(server, echo, caplog):
    server.order("getMe", says({"ok": True, "result": {"id": 1}}), times=2)  # not a user that the library can read
    async with echo.running():
        await until(lambda: server.count("getUpdates"))
    assert "Telegram can't be reached yet, again in 0.0 s: TypeError" in logged(caplog)


@pytest.mark.parametrize("code", [401, 404])
async def test_a_bad_token_ends_the_start_with_a_sentence(server, echo, code):
    server.order("getMe", status(code))
    with pytest.raises(UserError, match=r"Telegram does not know this TELEGRAM_BOT_TOKEN\. Ask @BotFather") as error:
        await echo.run(asyncio.Event())
    assert error.value.__suppress_context__  # the library's error holds the token


async def test_a_token_that_goes_bad_later_is_tried_on(server, echo, caplog):
    server.order("getUpdates", status(401, description="Unauthorized"), times=3)
    server.write("one")
    async with echo.running():
        await until(lambda: server.answers() == ["one"])
    assert logged(caplog).count("401: Telegram does not know the token any more") == 3


async def test_429_is_waited_out_as_long_as_told(server, echo, caplog):
    server.order("getUpdates", status(429, retry_after=0.3))
    began = time.monotonic()
    async with echo.running():
        await until(lambda: echo.heard)
    assert time.monotonic() - began >= 0.3
    assert "429: Telegram asks to wait 0.3 s" in logged(caplog)


async def test_a_webhook_is_removed_and_told_and_drops_nothing(server, echo, caplog):
    server.write("one")
    server.telegram.call("setWebhook", {"url": "https://clinic.example/telegram"})
    async with echo.running():
        await until(lambda: server.answers() == ["one"])
    assert logged(caplog) == "409: a webhook is set, so that polling hears nothing; it is being removed"


async def test_a_webhook_that_cannot_be_removed_is_tried_again(server, echo):
    server.telegram.call("setWebhook", {"url": "https://clinic.example/telegram"})
    server.order("deleteWebhook", status(403, description="Forbidden: not now"))
    server.write("one")
    async with echo.running():
        await until(lambda: server.answers() == ["one"])


async def test_a_second_poller_is_told_in_one_line(server, echo, caplog):
    other = Echo(server)
    async with echo.running(long_poll=timedelta(seconds=5)):
        await until(lambda: server.count("getUpdates"))
        async with other.running(long_poll=timedelta(seconds=5)):
            await until(lambda: "409" in logged(caplog))
    assert logged(caplog).splitlines()[0] == "409: another bot polls with the same token; stop one of the two"


async def test_a_poller_that_hears_nothing_connects_anew_and_tells_so_once(server, echo, caplog):
    server.order("getUpdates", hang, times=6)
    server.write("one")
    async with echo.running(patient=False, silent_after=0.15):
        await until(lambda: server.answers() == ["one"])
        assert logged(caplog).count("connecting anew") == 1
        server.order("getUpdates", hang, times=3)
        # Written sooner, it might come with the call that is under way, before any silence.
        await until(lambda: logged(caplog).count("connecting anew") == 2)
        server.write("two")
        await until(lambda: server.answers() == ["one", "two"])
    assert logged(caplog).count("connecting anew") == 2


# --- poison ----------------------------------------------------------------------------------------------------------


async def test_an_update_that_cannot_be_read_is_passed_over_and_told_without_its_words(server, echo, caplog):
    caplog.set_level(logging.DEBUG, "bot")
    server.write("before")
    poison = server.telegram.update("message", {"message_id": 1, "text": "my secret"})  # no date, no chat
    server.write("after")
    async with echo.running():
        await until(lambda: server.telegram.unconfirmed() == 0)
    assert server.answers() == ["before", "after"]
    assert logged(caplog).startswith(f"failed update={poison['update_id']} error=KeyError at=")


async def test_an_update_that_cannot_be_answered_is_passed_over(server, echo):
    server.write("one")
    server.telegram.blocked.add(7)
    server.write("two", chat_id=8)
    async with echo.running():
        await until(lambda: server.telegram.unconfirmed() == 0)
    assert server.answers() == ["two"]


async def test_update_ids_may_start_anew(server, echo):
    server.telegram = Telegram(first_number=1_000_000)
    server.write("one")
    async with echo.running():
        await until(lambda: server.telegram.unconfirmed() == 0)
        server.telegram = Telegram()  # after a week without updates their ids start at random, here at a lower one
        for number in range(30):
            server.write(str(number))
        await until(lambda: len(server.answers()) == 30)
    assert server.answers() == [str(number) for number in range(30)]


# --- hearing ---------------------------------------------------------------------------------------------------------


async def test_each_success_of_get_updates_is_told_and_no_failure(server, echo):
    server.order("getUpdates", status(500), times=3)
    async with echo.running():
        await until(lambda: server.count("getUpdates") == 4)
        assert echo.heard == 0
        await until(lambda: echo.heard)


async def test_a_process_begins_with_one_chat_at_a_time_and_whoever_is_slow_lets_the_next_go_ahead(server, echo):
    server.order("sendMessage", hang, times=20)
    for chat_id in range(1, 21):
        server.write("one", chat_id=chat_id)
    async with echo.killed():
        await until(lambda: server.count("sendMessage") == 1)
        began = time.monotonic()
        await until(lambda: server.count("sendMessage") == 4)
        assert 0.15 < time.monotonic() - began < 5
