"""What is kept, on SQLite and on a real PostgreSQL: once, sealed, for some days, and never in a patient's way."""

import asyncio
import base64
import logging
import re
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from resource import RLIMIT_FSIZE, getrlimit, setrlimit

import pytest
from sqlalchemy import make_url, text

from bot.app import build_application, build_bot
from bot.config import read_settings
from bot.errors import OutOfReachError, UserError
from bot.handlers import Handlers
from bot.intake import Intake
from bot.ledger import Claim, Memory
from bot.offline import Conversation, open_conversation
from bot.polling import Poller
from bot.storage import Storage, open_storage
from bot.storage.database import reach
from bot.storage.migrations import MIGRATIONS, migrate
from bot.storage.sealing import MAKE_ONE, Keys
from bot.waiting import Waits
from faq.reply import Faq
from tests.bot.test_conversations import says
from tests.telegram_server import TelegramServer, until

KEY, OTHER_KEY = (base64.urlsafe_b64encode(bytes([n]) * 32).decode() for n in (1, 2))
DAY = 24 * 3600
QUICK = Waits(first=0.002, longest=0.02)
ALARM = "crushing chest pain and I can't breathe"


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sqlite_url(tmp_path) -> str:
    return f"sqlite:///{tmp_path}/kept.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request) -> str:
    """The URL of an empty database, of each kind that there is."""
    if request.param == "sqlite":
        return request.getfixturevalue("sqlite_url")
    return request.getfixturevalue("postgres").fresh_database()


@asynccontextmanager
async def opened(url: str, keys: str = KEY, days: int = 90, **options):
    """Open a storage, and close it at the end of the block."""
    storage = Storage(reach(url), Keys(keys.split(",")), days, **{"waits": QUICK, "patience": 20.0, **options})
    await storage.start()
    try:
        yield storage
    finally:
        await storage.close()


@pytest.fixture
async def storage(url, clock):
    async with opened(url, clock=clock) as storage:
        yield storage


def ask(url: str, question: str) -> list[tuple]:
    """Ask the database directly, past the storage."""
    engine = reach(url)
    with engine.begin() as connection:
        rows = [tuple(row) for row in connection.execute(text(question))]
    engine.dispose()
    return rows


def execute(url: str, statement: str) -> None:
    """Change the database directly, past the storage."""
    engine = reach(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


# --- handled updates -------------------------------------------------------------------------------------------------


async def test_an_update_is_claimed_once_by_all_processes_and_never_again_when_it_is_done(url, storage):
    async with opened(url) as other:
        assert [await each.claim(5) for each in (storage, storage, other)] == [Claim.MINE, Claim.BUSY, Claim.BUSY]
        storage.done(5)
        assert [await each.claim(5) for each in (storage, other)] == [Claim.DONE, Claim.DONE]
        assert await other.claim(6) is Claim.MINE


async def test_of_many_claims_at_once_each_update_has_one_winner(url):
    async with opened(url) as one, opened(url) as two, opened(url) as three:
        claims = [each.claim(number) for number in range(100) for each in (one, two, three)]
        won = await asyncio.gather(*claims)
        assert [won[n : n + 3].count(Claim.MINE) for n in range(0, len(won), 3)] == [1] * 100


CLAIM_AND_WAIT = """
import asyncio, sys
from bot.storage import Storage
from bot.storage.database import reach
from bot.storage.sealing import Keys

async def claim_and_wait(url, key):
    storage = Storage(reach(url), Keys([key]), 90)
    await storage.start()
    await storage.claim(5)
    await storage.claim(6)
    storage.done(6)
    await storage.figures()
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(claim_and_wait(*sys.argv[1:]))
"""


async def test_what_a_killed_process_had_in_hand_is_taken_over_after_the_lease(url, clock):
    process = subprocess.Popen([sys.executable, "-c", CLAIM_AND_WAIT, url, KEY], stdout=subprocess.PIPE)  # noqa: S603
    with process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.kill()
    async with opened(url, clock=clock, lease=60) as living:
        assert (await living.claim(5), await living.claim(6)) == (Claim.BUSY, Claim.DONE)
        clock.now += 600
        assert (await living.claim(5), await living.claim(6)) == (Claim.MINE, Claim.DONE)


async def test_what_a_living_process_has_in_hand_stays_there_however_long_it_takes(url, clock):
    async with opened(url, clock=clock, lease=0.03) as slow, opened(url, clock=clock, lease=10) as other:
        assert await slow.claim(5) is Claim.MINE
        clock.now += 9
        await until(lambda: ask(url, "SELECT claimed_at FROM updates") == [(clock.now,)])
        clock.now += 9
        assert await other.claim(5) is Claim.BUSY


async def test_what_is_released_is_free_for_the_next_delivery(url, storage):
    async with opened(url) as other:
        await storage.claim(5)
        storage.release(5)
        await storage.figures()
        assert await other.claim(5) is Claim.MINE


async def test_a_stop_gives_back_what_is_in_hand_and_nothing_that_is_done(url):
    async with opened(url) as stopped:
        await stopped.claim(5)
        await stopped.claim(6)
        stopped.done(6)
    async with opened(url) as other:
        assert (await other.claim(5), await other.claim(6)) == (Claim.MINE, Claim.DONE)


async def test_a_claim_that_nobody_waits_for_any_more_holds_nothing(storage):
    claiming = asyncio.create_task(storage.claim(5))
    await asyncio.sleep(0)
    claiming.cancel()
    with suppress(asyncio.CancelledError):
        await claiming
    storage.release(5)
    await storage.figures()
    assert await storage.claim(5) is Claim.MINE


async def test_a_poller_that_starts_learns_what_was_done(url, storage):
    for number in (5, 6, 7):
        storage.done(number)
    await storage.claim(8)
    async with opened(url) as next_process:
        await storage.figures()
        assert await next_process.done_lately() == {5, 6, 7}


async def test_what_was_answered_and_not_yet_done_is_done_for_the_next_process_even_if_it_was_claimed(
    sqlite_url, clock
):
    async with opened(sqlite_url, clock=clock) as killed:
        await killed.claim(5)
        await killed.claim(6)
        killed.answered(5)
        async with opened(sqlite_url, clock=clock) as next_process:
            assert (await next_process.claim(5), await next_process.claim(6)) == (Claim.DONE, Claim.BUSY)
            assert await next_process.done_lately() == {5}


async def test_what_is_noted_as_answered_is_wiped_when_the_database_knows_it(sqlite_url, tmp_path):
    slate = tmp_path / "kept.sqlite-answered"
    async with opened(sqlite_url) as storage:
        await storage.figures()
        storage.answered(5)
        assert slate.stat().st_size
    async with opened(sqlite_url) as storage:
        assert await storage.done_lately() == {5}
        assert not slate.stat().st_size


async def test_what_was_answered_before_the_house_is_kept_again_is_still_done_for_the_next_process(
    sqlite_url, clock, monkeypatch
):
    monkeypatch.setattr("bot.storage.storage._HOUSEKEEPING_SECONDS", 0.05)
    async with opened(sqlite_url, clock=clock) as killed:
        killed.done(4)
        await killed.figures()
        killed.answered(5)
        clock.now += 3 * DAY
        await until(lambda: ask(sqlite_url, "SELECT * FROM updates") == [])
        async with opened(sqlite_url, clock=clock) as next_process:
            assert await next_process.done_lately() == {5}


async def test_updates_that_telegram_no_longer_repeats_are_forgotten(url, clock):
    async with opened(url, clock=clock) as storage:
        storage.done(5)
        clock.now += 1.5 * DAY
        storage.done(6)
    clock.now += DAY
    async with opened(url, clock=clock) as storage:
        assert await storage.done_lately() == {6}


async def test_an_update_that_was_done_by_the_process_before_is_not_answered_again(sqlite_url, faq, bot_server):
    server, poll = bot_server
    first = server.write("my tire is flat")["update_id"]
    async with opened(sqlite_url) as storage:
        storage.done(first)
        second = server.write("my brakes squeal")["update_id"]
        await poll(Handlers(faq, storage=storage), storage)
        assert [answer.splitlines()[0] for answer in server.answers()] == ["Do you adjust brakes?"]
        assert await storage.done_lately() == {first, second}


@pytest.fixture
async def bot_server():
    """A Bot API server on loopback, and a way to poll it until nothing is left."""
    async with TelegramServer(same_offset=0.01) as server:

        async def poll(handlers: Handlers, storage: Storage) -> None:
            stop = asyncio.Event()
            application = build_application(build_bot(server.token, server.url), handlers)
            intake = Intake(application, ledger=Memory(await storage.done_lately(), storage.done))
            running = asyncio.create_task(Poller(intake, glance=0.02).run(stop))
            await until(lambda: server.telegram.unconfirmed() == 0)
            stop.set()
            await running
            await intake.close()

        yield server, poll


# --- counts ----------------------------------------------------------------------------------------------------------


async def test_replies_and_feedback_are_counted_by_day_from_all_processes(url, storage, clock):
    async with opened(url, clock=clock) as other:
        for each in (storage, other, other):
            each.count_reply("answer", "brakes")
            each.count_feedback("brakes", helpful=True)
        other.count_reply("start", "brakes", "flyer-june")
        other.count_feedback("brakes", helpful=False)
        await storage.figures()
        figures = await other.figures()
    [day] = {day for day, *_ in figures.replies}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", day)
    assert figures.replies == {(day, "answer", "brakes", ""): 3, (day, "start", "brakes", "flyer-june"): 1}
    assert figures.feedback == {(day, "brakes", True): 3, (day, "brakes", False): 1}


@pytest.mark.parametrize("campaign", ["my-number-is-5551234", "x" * 41, "a__b", "_", "a b", "ünï", "a'", "\0"])
async def test_what_a_patient_may_have_typed_in_place_of_a_campaign_is_not_kept(sqlite_url, campaign):
    async with opened(sqlite_url) as storage:
        storage.count_reply("start", "brakes", campaign)
        [(_, _, _, kept)] = (await storage.figures()).replies
    assert kept == ""


async def test_campaigns_that_strangers_make_up_are_counted_together_after_a_hundred_in_a_day(url, clock):
    async with opened(url, clock=clock) as storage:
        for number in range(130):
            storage.count_reply("contact", campaign=f"made-up-{number:03}")
        await storage.figures()
        for campaign in ("made-up-007", "flyer-june", ""):
            storage.count_reply("start", "brakes", campaign)
        today = (await storage.figures()).replies
        clock.now += DAY
        storage.count_reply("start", "brakes", "flyer-june")
        tomorrow = (await storage.figures()).replies
    assert len({campaign for *_, campaign in today} - {"", "(other)"}) == 100
    counted = {(kind, campaign): count for (_, kind, _, campaign), count in today.items()}
    assert counted["contact", "(other)"] == 30
    assert [counted["start", campaign] for campaign in ("made-up-007", "(other)", "")] == [1, 1, 1]
    assert [key[1:] for key in tomorrow.keys() - today.keys()] == [("start", "brakes", "flyer-june")]


async def test_a_conversation_is_counted_reply_by_reply(storage, faq):
    async with open_conversation(Handlers(faq, storage=storage)) as conversation:
        for typed in ("my tire is flat", "hello", "do you sell cakes?", ALARM, "/topics", "/start", "/help"):
            await conversation.say(typed)
        await conversation.say("/start brakes__flyer-june")
        await conversation.press("Do you adjust brakes?")
        figures = await storage.figures()
    assert {key[1:]: count for key, count in figures.replies.items()} == {
        ("answer", "flat-tire", ""): 1,
        ("smalltalk", "", ""): 1,
        ("fallback", "", ""): 1,
        ("urgent", "", ""): 1,
        ("start", "", ""): 1,
        ("start", "brakes", "flyer-june"): 1,
        ("button", "brakes", ""): 1,
    }


# --- feedback --------------------------------------------------------------------------------------------------------


async def test_below_an_answer_the_first_press_counts_and_takes_the_buttons_away(storage, faq):
    helped, other = faq.wording.buttons.helpful, faq.wording.buttons.not_helpful
    async with open_conversation(Handlers(faq, storage=storage)) as conversation:
        [answer] = await conversation.say("my tire is flat")
        assert answer.labels[-3:] == ("All topics", helped, other)
        thanks, edited = await conversation.press(helped)
        assert (thanks.kind, thanks.text) == ("notification", faq.wording.feedback_thanks)
        assert (edited.text, edited.labels) == (answer.text, answer.labels[:-2])
        # Two that were pressed before Telegram showed the change:
        for button in answer.buttons[-2:]:
            [thanks] = await conversation.receive(conversation.telegram.press(button.data, answer))
            assert thanks.kind == "notification"
        [thanks] = await conversation.receive(conversation.telegram.press("n:flat-tire", answer, accessible=False))
        assert conversation.telegram.unanswered_presses() == 0
        figures = await storage.figures()
    assert {key[1:]: count for key, count in figures.feedback.items()} == {("flat-tire", True): 1}


async def test_nothing_but_an_answer_is_asked_to_be_judged(storage, faq):
    async with open_conversation(Handlers(faq, storage=storage)) as conversation:
        for typed in ("hello", "do you sell cakes?", ALARM, "/topics", "/start", "/privacy", "/forget"):
            [sent] = await conversation.say(typed)
            assert faq.wording.buttons.helpful not in sent.labels
        assert faq.wording.buttons.helpful in (await conversation.say("/start brakes"))[0].labels


async def test_feedback_on_an_entry_that_is_gone_gets_a_friendly_answer(storage, faq):
    async with open_conversation(Handlers(faq, storage=storage)) as conversation:
        [answer] = await conversation.say("my tire is flat")
        [sent] = await conversation.receive(conversation.telegram.press("y:gone", answer))
        assert says(sent, faq.wording.outdated_button)
        assert (await storage.figures()).feedback == {}


# --- gaps ------------------------------------------------------------------------------------------------------------


async def test_what_was_not_answered_is_kept_without_what_tells_who_asked(storage, faq):
    async with open_conversation(Handlers(faq, storage=storage)) as conversation:
        await conversation.say("do you sell zebra cakes? call 555-123-4567, pat@mail.example")
        [gap] = await storage.gaps()
    assert gap.utterance == "do you sell zebra cakes? call [number], [mail]"
    assert gap.nearest in faq.entries
    assert 0 <= gap.score <= 1


async def test_no_emergency_and_no_small_talk_is_kept(storage, faq):
    async with open_conversation(Handlers(faq, storage=storage)) as conversation:
        for typed in ("hello", "thank you so much", "👍", "my tire is flat", f"do you sell cakes? {ALARM}"):
            await conversation.say(typed)
        await conversation.press(faq.wording.buttons.not_emergency)
        assert {key[1] for key in (await storage.figures()).replies} == {"smalltalk", "answer", "urgent", "fallback"}
        assert await storage.gaps() == []


async def test_gaps_are_deleted_after_their_days(url, clock):
    async with opened(url, days=3, clock=clock) as storage:
        storage.keep_gap(7, "zebra of monday", "brakes", 0.1)
        clock.now += DAY
        storage.keep_gap(7, "zebra of tuesday", "brakes", 0.1)
    clock.now += DAY
    async with opened(url, days=3, clock=clock) as storage:
        assert [gap.utterance for gap in await storage.gaps()] == ["zebra of monday", "zebra of tuesday"]
    clock.now += DAY
    async with opened(url, days=3, clock=clock) as storage:
        assert [gap.utterance for gap in await storage.gaps()] == ["zebra of tuesday"]


async def test_a_new_key_before_the_old_one_reads_and_forgets_what_both_sealed(url):
    async with opened(url, KEY) as storage:
        storage.keep_gap(7, "zebra one", "brakes", 0.1)
    async with opened(url, f"{OTHER_KEY},{KEY}") as storage:
        storage.keep_gap(7, "zebra two", "brakes", 0.1)
        assert {gap.utterance for gap in await storage.gaps()} == {"zebra one", "zebra two"}
    async with opened(url, OTHER_KEY) as storage:
        assert [gap.utterance for gap in await storage.gaps()] == ["zebra two"]
    async with opened(url, f"{OTHER_KEY},{KEY}") as storage:
        assert await storage.forget(7) == 2


async def test_gaps_whose_key_is_gone_are_told_by_their_number(sqlite_url, caplog):
    async with opened(sqlite_url, KEY) as storage:
        storage.keep_gap(7, "zebra", "brakes", 0.1)
    async with opened(sqlite_url, OTHER_KEY) as storage:
        assert await storage.gaps() == []
    assert "gaps whose storage key is gone: 1" in caplog.text


async def test_at_the_start_it_is_told_what_a_key_sealed_that_is_gone(url, caplog):
    async with opened(url, KEY) as storage:
        storage.keep_gap(7, "zebra", "brakes", 0.1)
    async with opened(url, f"{OTHER_KEY},{KEY}") as storage:
        storage.keep_gap(7, "lion", "brakes", 0.1)
    assert "whose storage key is gone" not in caplog.text
    async with opened(url, OTHER_KEY):
        pass
    assert "kept questions whose storage key is gone: 1; " in caplog.text
    assert "are deleted after 90 days. Put the old key back" in caplog.text


# --- /forget and /privacy --------------------------------------------------------------------------------------------


async def test_forget_asks_once_then_removes_and_says_how_much(storage, faq):
    async with open_conversation(Handlers(faq, storage=storage)) as conversation:
        for typed in ("a zebra?", "two zebras?"):
            await conversation.say(typed)
        storage.keep_gap(8, "zebra of somebody else", "brakes", 0.1)
        [asked] = await conversation.say("/forget")
        assert says(asked, faq.wording.forget)
        assert len(await storage.gaps()) == 3
        [told] = await conversation.press(faq.wording.buttons.forget)
        assert says(told, faq.wording.forgotten.replace("{count}", "2"))
        assert (told.kind, told.message_id, told.buttons) == ("edit", asked.message_id, ())
        assert [gap.utterance for gap in await storage.gaps()] == ["zebra of somebody else"]
        [again] = await conversation.receive(conversation.telegram.press("f", asked))
        assert says(again, faq.wording.forgotten.replace("{count}", "0"))


async def test_what_cannot_be_removed_now_is_not_said_to_be_gone(postgres, faq):
    async with (
        opened(postgres.fresh_database()) as storage,
        open_conversation(Handlers(faq, storage=storage)) as patient,
    ):
        await patient.say("a zebra?")
        await storage.figures()
        postgres.stop()
        try:
            await patient.say("/forget")
            [told] = await patient.press(faq.wording.buttons.forget)
            assert says(told, faq.wording.forget_later)
        finally:
            postgres.start()
        await until_within_reach(storage)
        assert len(await storage.gaps()) == 1


async def test_without_a_storage_nothing_is_kept_and_that_is_what_forget_says(faq):
    async with open_conversation(Handlers(faq)) as conversation:
        await conversation.say("a zebra?")
        await conversation.say("/forget")
        [told] = await conversation.press(faq.wording.buttons.forget)
        assert says(told, faq.wording.forgotten.replace("{count}", "0"))


async def test_privacy_tells_the_days_that_are_set(sqlite_url, faq):
    async with (
        opened(sqlite_url, days=14) as storage,
        open_conversation(Handlers(faq, storage=storage)) as conversation,
    ):
        [told] = await conversation.say("/privacy")
    assert "for at most 14 days" in told.text


# --- nothing in the clear --------------------------------------------------------------------------------------------

TYPED = [
    "does a zebra sell marmalade",
    "verkaufen Sie Kuchen mit Zebrastreifen, möglichst süß?",
    "do you sell cakes? call me, Wilhelmina, at 555-123-4567",
    "/start brakes__zebra-5551234 zebra crossing",
    "/start zebra-crossing-for-everybody-who-types-on-and-on",
    "/zebra please",
    f"zebra {ALARM}",
]


async def talk(url: str, faq: Faq, files) -> list[bytes]:
    """Type everything that a patient might, and return what then stands in the files, while they are open and after."""
    async with opened(url) as storage, open_conversation(Handlers(faq, storage=storage)) as conversation:
        for typed in TYPED:
            assert await conversation.say(typed)
        assert len(await storage.gaps()) == 3
        found = [path.read_bytes() for path in files()]
    return found + [path.read_bytes() for path in files()]


def words() -> list[bytes]:
    typed = {word for sentence in TYPED for word in re.findall(r"\w{5,}", sentence)} - {"start", "brakes"}
    return [word.encode() for word in typed | {"555-123-4567"}]


async def test_no_typed_word_stands_in_the_files_or_the_log(tmp_path, faq, caplog):
    caplog.set_level(logging.DEBUG)
    folder = tmp_path / "kept"
    found = await talk(f"sqlite:///{folder}/clinic.sqlite", faq, lambda: folder.glob("*"))
    assert any(b"SQLite format 3" in content for content in found)
    assert any(len(content) > 10_000 and b"SQLite format 3" not in content for content in found)  # the journal
    for word in words():
        assert not any(word.lower() in content.lower() for content in found)
        assert (
            word.decode().lower() not in " ".join(r.getMessage() for r in caplog.records if r.name[:3] == "bot").lower()
        )


async def test_no_typed_word_stands_in_the_files_of_postgresql(postgres, faq):
    # Its own catalogs hold some words of everyday language.
    rare = [word for word in words() if re.search(b"zebra|marmalade|wilhelmina|4567", word, re.IGNORECASE)]
    found = await talk(postgres.fresh_database(), faq, postgres.files)
    assert sum(b"flyer" in content or b"fallback" in content for content in found)
    assert not [word for word in rare if any(word in content for content in found)]


async def test_what_was_forgotten_is_gone_from_the_files_too(tmp_path, sqlite_url):
    async with opened(sqlite_url) as storage:
        storage.keep_gap(7, "a zebra?", "brakes", 0.1)
        await storage.gaps()
        [(sealed,)] = ask(sqlite_url, "SELECT sealed FROM gaps")
        assert any(sealed.encode() in path.read_bytes() for path in tmp_path.glob("kept*"))
        await storage.forget(7)
        assert not any(sealed.encode() in path.read_bytes() for path in tmp_path.glob("kept*"))


async def test_a_program_that_reads_the_file_does_not_hinder_forgetting(sqlite_url, caplog):
    async with opened(sqlite_url) as storage:
        storage.keep_gap(7, "a zebra?", "brakes", 0.1)
        await storage.gaps()
        reader = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM gaps").fetchall()
        try:
            assert await storage.forget(7) == 1
        finally:
            reader.close()
        assert await storage.gaps() == []
    assert "the journal can't be emptied while another program reads the database" in caplog.text


async def test_a_chat_is_not_to_be_recognized_by_what_stands_for_it(sqlite_url):
    async with opened(sqlite_url) as storage:
        storage.keep_gap(123456789, "a zebra?", "brakes", 0.1)
    [row] = ask(sqlite_url, "SELECT * FROM gaps")
    assert "123456789" not in str(row)
    assert Keys([KEY]).authors(123456789) != Keys([OTHER_KEY]).authors(123456789)


# --- when the database is slow or gone -------------------------------------------------------------------------------


async def until_within_reach(storage: Storage) -> None:
    async with asyncio.timeout(20):
        while not await storage.is_answering():
            await asyncio.sleep(0.002)


async def is_answered(conversation: Conversation, faq: Faq) -> bool:
    [sent] = await conversation.say("my tire is flat")
    return sent.text.startswith(faq.entries["flat-tire"].question)


async def test_while_the_database_is_gone_patients_are_answered_and_what_has_no_room_is_lost(postgres, faq, caplog):
    caplog.set_level(logging.INFO, "bot")
    url = postgres.fresh_database()
    async with opened(url, room=10) as storage, open_conversation(Handlers(faq, storage=storage)) as conversation:
        assert await is_answered(conversation, faq)
        await storage.figures()
        postgres.stop()
        try:
            storage.count_reply("answer", "brakes")
            await until(lambda: "storage is out of reach" in caplog.text)
            assert not await storage.is_answering()
            began = time.monotonic()
            assert await storage.claim(5) is Claim.MINE  # a question that is answered twice is better than one lost
            assert await storage.claim(5) is Claim.BUSY
            assert await storage.done_lately() == frozenset()
            assert time.monotonic() - began < 1
            with pytest.raises(OutOfReachError):
                await storage.gaps()
            for _ in range(15):
                assert await is_answered(conversation, faq)
            assert 5 <= storage.lost <= 6
        finally:
            postgres.start()
        await until_within_reach(storage)
        replies = (await storage.figures()).replies
        assert sum(replies.values()) + storage.lost == 17
        assert await storage.claim(5) is Claim.BUSY
    assert "storage is within reach again" in caplog.text


async def test_whether_the_database_answers_is_known_at_any_time(postgres):
    async with opened(postgres.fresh_database()) as storage:
        for _ in range(2):
            assert await storage.is_answering()
            postgres.stop()
            try:
                assert not await storage.is_answering()
            finally:
                postgres.start()
            await until_within_reach(storage)
        assert storage.lost == 0


async def test_a_connection_that_broke_while_idle_is_made_anew_and_nobody_notices(postgres, caplog):
    async with opened(postgres.fresh_database()) as storage:
        assert await storage.claim(5) is Claim.MINE
        postgres.stop()
        postgres.start()
        assert await storage.claim(6) is Claim.MINE
        assert await storage.claim(6) is Claim.BUSY
    assert not caplog.text


async def test_the_database_may_come_up_after_the_bot(postgres, caplog):
    url = postgres.fresh_database()
    postgres.stop()
    try:
        async with opened(url) as storage:
            assert "storage is out of reach; the bot answers all the same" in caplog.text
            storage.count_reply("answer", "brakes")
            postgres.start()
            await until_within_reach(storage)
            assert len((await storage.figures()).replies) == 1
            assert storage.lost == 0
    finally:
        with suppress(Exception):
            postgres.start()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"username": "stranger"}, 'FATAL: role "stranger" does not exist'),
        ({"database": "elsewhere"}, 'FATAL: database "elsewhere" does not exist'),
        ({"host": "nowhere.invalid"}, "failed to resolve host 'nowhere.invalid'"),
        ({"port": 9}, "Connection refused"),
    ],
)
async def test_why_a_server_cannot_be_used_is_told_without_the_password(postgres, caplog, wrong, told):
    url = make_url(postgres.fresh_database()).set(password="open-sesame", **wrong)  # noqa: S106  # it opens nothing
    async with opened(url.render_as_string(hide_password=False)):
        pass
    assert f"PostgreSQL on {url.host} can't be used: {told}" in caplog.text
    assert "DATABASE_URL" in caplog.text
    assert "open-sesame" not in caplog.text


async def test_what_cannot_be_written_before_the_end_is_counted_as_lost(postgres, caplog):
    async with opened(postgres.fresh_database()) as storage:
        await storage.figures()
        postgres.stop()
        storage.count_reply("answer", "brakes")
        storage.count_reply("answer", "brakes")
    postgres.start()
    assert storage.lost == 2
    assert "records lost: 2" in caplog.text


async def test_a_stop_without_the_database_loses_nothing_where_no_patient_wrote(postgres, caplog):
    url = postgres.fresh_database()
    postgres.stop()
    try:
        async with opened(url) as storage:  # it has its house to keep
            assert await storage.claim(5) is Claim.MINE  # and gives this back at the end
    finally:
        postgres.start()
    assert storage.lost == 0
    assert "records lost" not in caplog.text


async def test_a_database_that_is_slow_keeps_nobody_waiting(sqlite_url, faq):
    async with (
        opened(sqlite_url, patience=0.05) as storage,
        open_conversation(Handlers(faq, storage=storage)) as conversation,
    ):
        slow = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        slow.execute("BEGIN IMMEDIATE")
        try:
            assert await is_answered(conversation, faq)
            assert await storage.claim(5) is Claim.MINE
            storage.done(5)
        finally:
            slow.close()
        assert len((await storage.figures()).replies) == 1
        assert await storage.claim(5) is Claim.DONE


async def test_a_stop_does_not_wait_for_a_database_that_hangs(sqlite_url):
    async with opened(sqlite_url) as storage:
        slow = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        slow.execute("BEGIN IMMEDIATE")
        storage.count_reply("answer", "brakes")
        storage.count_reply("answer", "brakes")
        began = time.monotonic()
        await storage.close(0.05)
        assert time.monotonic() - began < 2
        assert storage.lost == 2
        slow.close()


async def test_a_database_that_comes_back_and_refuses_everything_is_written_to_once_that_is_mended(postgres):
    url = postgres.fresh_database()
    execute(url, "CREATE TABLE migrations (version INTEGER, applied_at TEXT)")
    execute(url, "INSERT INTO migrations VALUES (99, 'tomorrow')")
    postgres.stop()
    try:
        async with opened(url) as storage:
            for _ in range(2):  # the first time there is something to write, then somebody only asks
                assert not await storage.is_answering()
                postgres.start()
                with pytest.raises(UserError, match="newer than this program"):
                    await until_within_reach(storage)
                postgres.stop()
            postgres.start()
            execute(url, "DELETE FROM migrations")
            storage.count_reply("answer", "brakes")
            await until_within_reach(storage)
            assert len((await storage.figures()).replies) == 1
    finally:
        with suppress(Exception):
            postgres.start()


async def test_a_record_that_the_database_refuses_takes_no_other_with_it(postgres, caplog):
    async with opened(postgres.fresh_database()) as storage:
        storage.count_reply("answer", "brakes")
        storage.count_reply("answer", "zebra\0")  # PostgreSQL's texts hold everything but this
        storage.count_reply("answer", "brakes")
        [count] = (await storage.figures()).replies.values()
        assert (count, storage.lost) == (2, 1)
    assert "storage refused a record: DataError" in caplog.text
    assert "zebra" not in caplog.text


# --- migrations ------------------------------------------------------------------------------------------------------


START_AND_STOP = """
import asyncio, sys
from bot.storage import Storage
from bot.storage.database import reach
from bot.storage.sealing import Keys

async def start_and_stop(url, key):
    storage = Storage(reach(url), Keys([key]), 90)
    await storage.start()
    storage.count_reply("answer", "brakes")
    await storage.close()

sys.stdin.readline()
asyncio.run(start_and_stop(*sys.argv[1:]))
"""


def test_processes_that_start_together_apply_each_migration_once(url):
    command = [sys.executable, "-c", START_AND_STOP, url, KEY]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(2)]  # noqa: S603  # our own
    for process in processes:
        process.communicate(b"now\n")
    assert [process.returncode for process in processes] == [0, 0]
    assert ask(url, "SELECT version FROM migrations") == [(version,) for version in range(1, len(MIGRATIONS) + 1)]
    assert ask(url, "SELECT count FROM replies") == [(2,)]


def test_a_migration_is_applied_whole_or_not_at_all_and_only_once(url):
    engine = reach(url)
    first, broken, mended = ("CREATE TABLE a (x INTEGER)",), ("CREATE TABLE b (x INTEGER)", "no SQL"), ("SELECT 1",)
    with engine.begin() as connection:
        migrate(connection, (first,))
    with pytest.raises(Exception, match="no SQL"), engine.begin() as connection:
        migrate(connection, (first, broken))
    with engine.begin() as connection:
        migrate(connection, (first, mended))
        assert connection.execute(text("SELECT version FROM migrations ORDER BY version")).scalars().all() == [1, 2]
    with pytest.raises(Exception, match="b"), engine.begin() as connection:
        connection.execute(text("SELECT * FROM b"))
    engine.dispose()


async def test_a_database_newer_than_the_program_is_refused_in_a_sentence(url):
    async with opened(url):
        pass
    execute(url, "INSERT INTO migrations VALUES (99, 'tomorrow')")
    with pytest.raises(
        UserError, match=r"The database is newer than this program: it has version 99, and I know \d+\."
    ):
        await Storage(reach(url), Keys([KEY]), 90).start()


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder to start in, with nothing set."""
    for name in ("DATABASE_URL", "STORAGE_KEY", "RETENTION_DAYS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def test_by_default_a_file_is_made_with_its_key_beside_it_readable_by_nobody_else(folder):
    for _ in range(2):
        storage = await open_storage(read_settings())
        storage.keep_gap(7, "a zebra?", "brakes", 0.1)
        assert storage.retention_days == 90
        gaps = await storage.gaps()
        names = sorted(path.name for path in (folder / "data").iterdir())
        modes = {stat.S_IMODE(path.stat().st_mode) for path in (folder / "data").iterdir()}
        await storage.close()
    assert len(gaps) == 2
    assert names == ["clinic-faq.key", *(f"clinic-faq.sqlite{end}" for end in ("", "-answered", "-shm", "-wal"))]
    assert modes == {0o600}
    assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o700


async def test_a_key_that_is_set_counts_for_more_than_a_file(folder, monkeypatch):
    monkeypatch.setenv("STORAGE_KEY", f"{OTHER_KEY}, {KEY}")
    monkeypatch.setenv("RETENTION_DAYS", "7")
    storage = await open_storage(read_settings())
    await storage.close()
    assert storage.retention_days == 7
    assert not list(folder.rglob("*.key"))


@pytest.mark.parametrize(
    "wrong",
    [
        "secret",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite://data/secret.sqlite",
        "mysql://a:secret@b/c",
        "postgresql://secret@host",
        "postgresql://user:pass@secret@host/database",
        "postgresql://user:pass@secret#x@host/database",
        "http://x:y/secret",
    ],
)
async def test_a_wrong_url_is_told_in_a_sentence_without_its_value(folder, monkeypatch, wrong):
    monkeypatch.setenv("DATABASE_URL", wrong)
    with pytest.raises(UserError, match="DATABASE_URL: write sqlite:///path") as told:
        await open_storage(read_settings())
    assert "secret" not in str(told.value)
    assert "three slashes before a relative path and four before an absolute one" in str(told.value)


async def test_a_file_that_cannot_be_used_is_told_in_a_sentence(folder, monkeypatch):
    (folder / "file").write_text("no database, " * 100)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{folder}/file")
    with pytest.raises(UserError, match="can't be used"):
        await open_storage(read_settings())
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{folder}/file/below")
    with pytest.raises(UserError, match="file/below can't be used: File exists"):
        await open_storage(read_settings())


@pytest.mark.parametrize("wrong", ["secret", f"{KEY},secret", ",", f"{KEY}x"])
async def test_a_wrong_key_is_told_in_a_sentence_without_its_value(folder, monkeypatch, wrong):
    monkeypatch.setenv("STORAGE_KEY", wrong)
    with pytest.raises(UserError, match="STORAGE_KEY holds no key that I can use") as told:
        await open_storage(read_settings())
    assert "secret" not in str(told.value)


async def test_a_key_file_that_was_spoiled_is_told_and_not_replaced(folder):
    await (await open_storage(read_settings())).close()
    (folder / "data/clinic-faq.key").write_text("spoiled")
    with pytest.raises(UserError, match=r"data/clinic-faq\.key holds no key that I can use"):
        await open_storage(read_settings())


@contextmanager
def no_room():
    """Let no file grow, as on a full disk."""
    usual = getrlimit(RLIMIT_FSIZE)
    setrlimit(RLIMIT_FSIZE, (0, usual[1]))
    try:
        yield
    finally:
        setrlimit(RLIMIT_FSIZE, usual)


async def test_a_key_file_that_cannot_be_made_is_told_and_leaves_no_rubbish(folder, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "sqlite:///kept.sqlite")
    with no_room(), pytest.raises(UserError, match=r"The key file kept\.key can't be made: File too large\. Let the"):
        await open_storage(read_settings())
    assert [path.name for path in folder.iterdir()] == ["kept.sqlite"]


async def test_postgresql_needs_a_key_that_all_processes_share(folder, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://clinic:secret@host/clinic")
    with pytest.raises(UserError, match="STORAGE_KEY is not set, and with PostgreSQL it must be") as told:
        await open_storage(read_settings())
    assert "secret" not in str(told.value)


def test_what_makes_a_key_in_that_sentence_does(monkeypatch):
    made = subprocess.check_output(MAKE_ONE, shell=True, text=True)  # noqa: S602  # our own
    assert Keys([made.strip()]).seal("x")


@pytest.mark.parametrize("days", ["0", "-1", "many", "1000000000"])
def test_days_must_be_some(folder, monkeypatch, days):
    monkeypatch.setenv("RETENTION_DAYS", days)
    with pytest.raises(UserError, match=r"^RETENTION_DAYS: "):
        read_settings()


def test_the_secrets_are_hidden_wherever_the_settings_are_shown(folder, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://clinic:secret@host/clinic")
    monkeypatch.setenv("STORAGE_KEY", KEY)
    settings = read_settings()
    for shown in (repr(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert "secret@" not in shown
        assert KEY not in shown
