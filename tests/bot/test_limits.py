"""Nobody's flood is noticed by anybody else, Telegram's limits are kept, and an emergency is always met."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import wraps
from itertools import accumulate
from selectors import DefaultSelector

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram.error import NetworkError

from bot.app import build_bot
from bot.handlers import Handlers
from bot.limits import Albums, Buckets, ChatLimit, Notices, SendLimit
from bot.markdown import to_html
from bot.offline import GROUP, PATIENT, TOKEN, OfflineRequest, Telegram, open_conversation
from bot.sending import Sender
from bot.waiting import Waits

FLAT = "my tire is flat"
EMERGENCY = "my chest hurts and I can't breathe"
# What the offline Telegram dates its messages, and a time before.
TODAY, LONG_AGO = 1_800_000_000, 1_700_000_000
PICTURE = {"file_id": "a", "file_unique_id": "b", "width": 9, "height": 9}


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


# --- buckets ---------------------------------------------------------------------------------------------------------


def test_a_bucket_holds_its_burst_and_fills_up_drop_by_drop():
    buckets = Buckets(per_second=0.5, burst=3)
    assert [buckets.take("a", 1000) for _ in range(5)] == [0, 0, 0, 2, 4]
    assert buckets.wait("a", 1000) == 6
    assert buckets.wait("a", 1006) == 0
    assert [buckets.take("a", 2000) for _ in range(4)] == [0, 0, 0, 2]


def test_each_key_has_a_bucket_of_its_own():
    buckets = Buckets(per_second=1, burst=1)
    assert (buckets.take("a", 0), buckets.take("a", 0), buckets.take("b", 0)) == (0, 1, 0)


@given(pauses=st.lists(st.floats(0, 3), min_size=1, max_size=60), burst=st.integers(1, 5))
def test_in_no_time_more_is_taken_than_the_burst_and_what_dripped_in(pauses, burst):
    buckets, taken = Buckets(per_second=1, burst=burst), []
    for now in accumulate(pauses):
        taken.append(now + buckets.take("a", now))
    for first, since in enumerate(taken):
        for count, moment in enumerate(taken[first:], 1):
            assert count <= burst + (moment - since) + 1e-6


def test_of_a_hundred_thousand_chats_only_those_of_the_last_moments_are_remembered():
    buckets = Buckets(per_second=1, burst=2)
    for chat in range(100_000):
        buckets.take(chat, chat / 100)
    assert len(buckets) <= 101


def test_however_many_write_at_once_no_more_than_the_most_are_remembered():
    buckets = Buckets(per_second=1, burst=2, most=100)
    for chat in range(10_000):
        buckets.take(chat, 0)
    assert len(buckets) == 100


def test_a_bucket_outlives_what_others_take_at_later_times_when_times_come_in_disorder():
    buckets = Buckets(per_second=1, burst=1, disorder=60)
    assert [buckets.take("a", 100), buckets.take("b", 160), buckets.take("a", 100)] == [0, 0, 1]
    assert len(buckets) == 2
    buckets.take("b", 1000)
    assert len(buckets) == 1


# --- questions -------------------------------------------------------------------------------------------------------


def admitted(limit: ChatLimit, times: int, chat_id: int = 7) -> int:
    return sum(limit.admits(chat_id) for _ in range(times))


def test_a_chat_may_ask_eight_questions_at_once_and_then_twenty_a_minute(clock):
    limit = ChatLimit(20, clock)
    assert admitted(limit, 100) == 8
    for _ in range(20):
        clock.now += 3.001
        assert admitted(limit, 5) == 1


def test_beyond_it_a_chat_is_told_once_and_not_answered_for_half_a_minute(clock):
    limit = ChatLimit(20, clock)
    admitted(limit, 8)
    assert [limit.tells(7) for _ in range(3)] == [True, False, False]
    clock.now += 29
    assert admitted(limit, 100) == 0
    assert not limit.tells(7)
    clock.now += 1
    assert admitted(limit, 100) == 8
    assert limit.tells(7)


def test_a_silence_does_not_grow_by_what_is_written_in_it(clock):
    limit = ChatLimit(20, clock)
    admitted(limit, 9)
    limit.tells(7)
    for _ in range(29):
        clock.now += 1
        assert not limit.admits(7)
    clock.now += 1
    assert limit.admits(7)


def test_zero_is_no_limit(clock):
    assert admitted(ChatLimit(0, clock), 10_000) == 10_000


@pytest.fixture
def limit(clock) -> ChatLimit:
    """A limit of twenty questions a minute; it is the day on which the offline Telegram writes."""
    return ChatLimit(20, clock, wall=lambda: TODAY)


@pytest.fixture
async def limited(faq, limit):
    """A conversation with a bot that lets a chat ask twenty questions a minute."""
    async with open_conversation(Handlers(faq, limit=limit)) as conversation:
        yield conversation


async def test_who_asks_too_much_gets_one_sentence_then_silence_then_answers_again(limited, faq, clock):
    sent = [message for _ in range(30) for message in await limited.say(FLAT)]
    assert [message.html for message in sent[8:]] == [to_html(faq.wording.too_many)]
    assert all("while you wait" in message.text for message in sent[:8])
    clock.now += 30
    [answer] = await limited.say(FLAT)
    assert "while you wait" in answer.text


async def test_what_was_written_now_and_then_while_the_bot_was_away_is_answered(limited):
    for minute in range(120):
        [answer] = await limited.say(FLAT, date=LONG_AGO + 60 * minute)
        assert "while you wait" in answer.text


async def test_a_flood_while_the_bot_was_away_is_answered_once_and_a_later_question_again(limited, faq):
    sent = [message for _ in range(30) for message in await limited.say(FLAT, date=LONG_AGO)]
    assert len(sent) == 9
    assert sent[-1].html == to_html(faq.wording.too_many)
    assert await limited.say(FLAT, date=LONG_AGO + 29) == []
    assert await limited.say(FLAT, date=LONG_AGO, edited_after=29) == []
    [answer] = await limited.say(FLAT, date=LONG_AGO + 30)
    assert "while you wait" in answer.text


@pytest.mark.parametrize("wrong_by", [-7200, 7200])
async def test_a_clock_that_is_wrong_mutes_nobody(faq, clock, wrong_by):
    async with open_conversation(Handlers(faq, limit=ChatLimit(20, clock, lambda: clock.now + wrong_by))) as limited:
        [menu] = await limited.say("/topics", date=int(clock.now))
        for _ in range(30):
            clock.now += 6
            assert await limited.receive(limited.telegram.press("e:brakes", menu))
            assert await limited.say(FLAT, date=int(clock.now))
        sent = [message for _ in range(30) for message in await limited.say(FLAT, date=int(clock.now))]
        assert len(sent) <= 9


async def test_other_chats_notice_nothing_of_a_flood(limited):
    for _ in range(30):
        await limited.say(FLAT)
    other = {"id": 8, "type": "private", "first_name": "Kim"}
    [answer] = await limited.say(FLAT, chat=other)
    assert "while you wait" in answer.text


async def test_an_emergency_is_met_however_much_was_asked_and_in_the_silence_too(own_faq, limit):
    async with open_conversation(Handlers(own_faq, limit=limit)) as conversation:
        for _ in range(8):
            await conversation.say("hello")
        for _ in range(3):
            [notice] = await conversation.say(EMERGENCY)
            assert "911" in notice.text
        [sentence] = await conversation.say("hello")
        assert sentence.html == to_html(own_faq.wording.too_many)
        for _ in range(3):
            assert await conversation.say("hello") == []
            [notice] = await conversation.say(EMERGENCY)
            assert notice.labels == (own_faq.wording.buttons.not_emergency,)
            [notice] = await conversation.send(photo=[PICTURE], caption=EMERGENCY)
            assert notice.labels == (own_faq.wording.buttons.not_emergency,)
        assert await conversation.press(own_faq.wording.buttons.not_emergency) == []
        assert conversation.telegram.unanswered_presses() == 0


async def test_of_a_flood_of_emergencies_those_that_a_notice_followed_are_met_by_it(own_faq, limit):
    async with open_conversation(Handlers(own_faq, limit=limit)) as conversation:
        [notice] = await conversation.say(EMERGENCY)
        written = conversation.telegram.message(text="when?")["message"]["date"]
        for _ in range(7):
            assert await conversation.say(EMERGENCY, date=written - 1)  # within the limit each gets its own
        for _ in range(100):
            assert await conversation.say(EMERGENCY, date=written - 1) == []
            assert await conversation.send(photo=[], caption=EMERGENCY, date=written - 1) == []
        for date in (written, written + 1):
            [anew] = await conversation.say(EMERGENCY, date=date)
            assert anew.html == notice.html
        [anew] = await conversation.say(EMERGENCY, date=written - 1, edited_after=1)
        assert anew.html == notice.html


async def test_a_notice_does_not_meet_an_emergency_of_another_kind(own_faq, limit):
    async with open_conversation(Handlers(own_faq, limit=limit)) as conversation:
        for _ in range(8):
            await conversation.say("hello")
        [medical] = await conversation.say(EMERGENCY, date=TODAY - 50)
        [crisis] = await conversation.say("i want to die", date=TODAY - 1)
        assert ("911" in medical.text, "988" in crisis.text) == (True, True)
        assert await conversation.say(EMERGENCY, date=TODAY - 1) == []
        assert await conversation.say("i want to die", date=TODAY - 1) == []


async def test_in_a_group_the_notice_that_one_person_got_does_not_meet_another(own_faq, limit):
    kim = {"id": 8, "is_bot": False, "first_name": "Kim"}
    async with open_conversation(Handlers(own_faq, limit=limit)) as conversation:
        for _ in range(8):
            await conversation.say("/topics", chat=GROUP)
        for person in (PATIENT, kim):
            said = {"text": f"@clinic_faq_bot {EMERGENCY}", "chat": GROUP, "date": TODAY - 1, "from": person}
            [notice] = await conversation.send(**said)
            assert "911" in notice.text
            assert await conversation.send(**said) == []


def test_of_the_notices_those_sent_longest_ago_are_forgotten():
    notices, now = Notices(most=2), datetime(2026, 11, 24, tzinfo=UTC)
    for chat_id in (1, 2, 1, 3):
        notices.sent((chat_id, 7, "fire"), now)
    before = now - timedelta(seconds=1)
    assert [notices.followed((chat_id, 7, "fire"), before) for chat_id in (1, 2, 3)] == [True, False, True]
    assert not notices.followed((1, 7, "fire"), now)


@pytest.mark.parametrize("said", ["/start", "/start flat-tire", "/topics", "/contact", "/privacy", "/help", "/unknown"])
async def test_commands_count_as_questions(limited, faq, said):
    sent = [message for _ in range(30) for message in await limited.say(said)]
    assert len(sent) == 9
    assert sent[-1].html == to_html(faq.wording.too_many)


async def test_pictures_count_as_questions(limited):
    assert sum([len(await limited.send(location={"latitude": 1.0, "longitude": 2.0})) for _ in range(30)]) == 9


async def test_an_album_counts_as_one_question(limited, faq):
    sent = [message for _ in range(10) for message in await limited.send(photo=[PICTURE], media_group_id="1")]
    assert [message.html for message in sent] == [to_html(faq.wording.not_text)]
    assert [len(await limited.say(FLAT)) for _ in range(7)] == [1] * 7
    [too_many] = await limited.say(FLAT)
    assert too_many.html == to_html(faq.wording.too_many)


def test_of_the_albums_those_that_came_longest_ago_are_forgotten():
    albums = Albums(most=2)
    assert [albums.begun(7, album) for album in ("1", "2", "1", "3", "2")] == [False, False, True, False, True]
    assert not albums.begun(7, "1")


async def test_pressed_buttons_count_as_questions_and_never_spin(limited):
    [menu] = await limited.say("/topics")
    for _ in range(30):
        await limited.receive(limited.telegram.press("t:repairs", menu))
        await limited.receive(limited.telegram.press("e:brakes", menu))
        assert limited.telegram.unanswered_presses() == 0
    assert len(limited.telegram.sent) <= 9


async def test_what_is_not_meant_for_the_bot_does_not_count(limited):
    group = {"id": -7, "type": "supergroup", "title": "Friends"}
    for _ in range(30):
        assert await limited.say(FLAT, chat=group, **{"from": PATIENT}) == []
    assert await limited.say(f"@clinic_faq_bot {FLAT}", chat=group)


async def test_a_flood_is_logged_once_and_without_its_words(limited, caplog):
    caplog.set_level("INFO", "bot")
    for _ in range(30):
        await limited.say("zebra")
    assert caplog.text.count("limited update=") == 1
    assert "zebra" not in caplog.text


# --- sends -----------------------------------------------------------------------------------------------------------


def test_in_no_second_more_turns_are_given_than_the_limit(clock):
    limit = SendLimit(30, clock=clock)
    turns = []
    for step in range(300):
        turns.append(clock.now + limit.next_turn())
        clock.now += 0.002 * (step % 7)
    assert turns == sorted(turns)
    for early, late in zip(turns, turns[30:], strict=False):
        assert late - early >= 1 - 1e-9


class Hurry(DefaultSelector):
    """Skips the time that would be waited, so that an event loop's clock can go by it."""

    skipped = 0.0

    def select(self, timeout=None):
        self.skipped += timeout or 0
        return super().select(timeout and 0)


class HurriedLoop(asyncio.SelectorEventLoop):
    """An event loop in which an hour is waited for in no time, as long as nothing else is waited for."""

    def __init__(self):
        self._hurry = Hurry()
        super().__init__(self._hurry)

    def time(self):
        return self._hurry.skipped


def hurried(test):
    """Run a test in a hurried loop: its clock stands still but where the test waits."""

    @wraps(test)
    def run():
        with asyncio.Runner(loop_factory=HurriedLoop) as runner:
            runner.run(test())

    return run


def now() -> float:
    return round(asyncio.get_running_loop().time(), 6)


@hurried
async def test_zero_lets_everything_through_at_once():
    limit = SendLimit(0, clock=now)
    for _ in range(10_000):
        await limit.turn(7)
    assert now() == 0


@hurried
async def test_in_all_chats_the_first_come_is_first_served():
    limit, served = SendLimit(20, clock=now), []

    async def send(number: int) -> None:
        await limit.turn(number)
        served.append((now(), number))

    await asyncio.gather(*map(send, range(45)))
    assert sorted(served) == [(number // 20, number) for number in range(45)]


@hurried
async def test_one_chat_waits_for_its_own_turn_and_keeps_no_other_waiting():
    limit, served = SendLimit(1000, a_second_in_a_chat=50, clock=now), []

    async def send(chat_id: int) -> None:
        await limit.turn(chat_id)
        served.append((chat_id, now()))

    await asyncio.gather(*map(send, [1] * 20 + [2] * 5))
    times = {chat_id: [at for chat, at in served if chat == chat_id] for chat_id in (1, 2)}
    assert times[2] == [0] * 5
    assert times[1] == [0] * 10 + [pytest.approx(number / 50) for number in range(1, 11)]


@hurried
async def test_a_wait_for_a_turn_can_be_given_up():
    limit = SendLimit(1000, clock=now)
    waiting = [asyncio.create_task(limit.turn(7)) for _ in range(12)]
    await asyncio.wait(waiting[:10])
    waiting[11].cancel()
    await asyncio.wait(waiting)
    assert (waiting[10].cancelled(), waiting[11].cancelled(), now()) == (False, True, 1)


@hurried
async def test_messages_and_changes_wait_for_their_turn_and_nothing_else_does():
    telegram, limit = Telegram(), SendLimit(1000, a_second_in_a_chat=20, clock=now)
    async with build_bot(TOKEN, request=OfflineRequest(telegram), sender=Sender(limit=limit)) as bot:
        telegram.message(text="hello")
        for number in range(12):
            await bot.send_message(7, str(number))
        await bot.edit_message_text("anew", 7, telegram.sent[0].message_id)
        waited = now()
        for _ in range(20):
            await bot.get_me()
            query = telegram.press("e:x", telegram.sent[0])["callback_query"]
            await bot.answer_callback_query(query["id"])
        assert (waited, now()) == (pytest.approx(3 / 20), waited)
    assert telegram.unanswered_presses() == 0


class Failing(OfflineRequest):
    """A Telegram that fails once before it takes a message."""

    failed = False

    async def do_request(self, url, *args, **kwargs):
        if url.endswith("sendMessage") and not self.failed:
            self.failed = True
            raise NetworkError("Bad Gateway")
        return await super().do_request(url, *args, **kwargs)


@hurried
async def test_a_message_that_must_be_sent_again_waits_for_another_turn():
    telegram, limit = Telegram(), SendLimit(1, clock=now)
    async with build_bot(TOKEN, request=Failing(telegram), sender=Sender(Waits(first=0), limit=limit)) as bot:
        telegram.message(text="hello")
        await asyncio.gather(*(bot.send_message(7, text) for text in ("one", "two")))
        assert [sent.text for sent in telegram.sent] == ["two", "one"]
        assert now() == 2
