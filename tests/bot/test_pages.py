"""What Telegram would refuse never goes live: a message too long, or with too many buttons."""

from collections.abc import Callable

import pytest

from bot.handlers import Handlers
from bot.markdown import refusal
from bot.offline import open_conversation
from bot.pages import misfits
from faq.loading import load
from faq.problems import ContentError
from faq.reply import Faq

SHOP = """\
clinic: {name: Spokes, contact: "https://spokes.example/contact"}
wording:
  feedback_thanks: Thank you.
topics:
  - {id: repairs, title: Repairs}
entries:
  - {id: brakes, topic: repairs, question: Brakes?, handoff: yes, related: [],
     answer: Adjusted in a day.}
"""
SAFETY = """\
notices: []
cues: {child: [my child]}
cautions:
  - {id: children, cues: [[child]],
     text: Children need a smaller one.}
applies_to: []
"""


@pytest.fixture
def faq(tmp_path) -> Callable[..., Faq]:
    """Make an FAQ as the bot does, but for what it has learnt; `told` is what keeps it from going live."""

    def build(answers: str, safety: str = SAFETY) -> Faq:
        (tmp_path / "answers.yaml").write_text(answers)
        (tmp_path / "safety.yaml").write_text(safety)
        (tmp_path / "background.yaml").write_text("weather: [will it rain tomorrow]\n")
        return Faq(load(tmp_path, refusal, misfits))

    return build


@pytest.fixture
def told(faq) -> Callable[..., list[str]]:
    def problems(answers: str, safety: str = SAFETY) -> list[str]:
        with pytest.raises(ContentError) as caught:
            faq(answers, safety)
        return [*map(str, caught.value.problems)]

    return problems


def entries(count: int, topic: str = "topic: repairs", question: str = "Question") -> str:
    """Return so many entries more."""
    return "".join(f"  - {{id: e{n}, {topic}, question: {question} {n}?, answer: Yes.}}\n" for n in range(count))


async def shown(faq: Faq, *typed: str) -> list[str]:
    """Return the texts that a patient sees; the offline Telegram refuses what the real one would."""
    async with open_conversation(Handlers(faq)) as conversation:
        return [sent.text for text in typed for sent in await conversation.say(text)]


async def test_an_answer_that_fits_alone_and_not_with_its_question_is_told(faq, told):
    long = SHOP.replace("Adjusted in a day.", "x" * 2970).replace("Brakes?", "{}")
    [text] = await shown(faq(long.replace("{}", "q" * 1124)), "/start brakes")
    assert len(text) == 4096
    assert told(long.replace("{}", "q" * 1125)) == [
        "answers.yaml:8: With its question, its sources and every caution that may stand beside it, this comes to 4097 "
        "characters in one message. Telegram takes 4096. Shorten it or its question, or make two entries of it."
    ]


async def test_an_answer_must_fit_with_every_caution_that_may_stand_beside_it(faq, told):
    answers = SHOP.replace("Adjusted in a day.", "x" * 2500)
    safety = SAFETY.replace("Children need a smaller one.", "y" * 2500)
    assert faq(answers, safety)
    for cautioned in (
        safety.replace("applies_to: []", "applies_to: [brakes]"),
        safety.replace("{id: children,", "{id: children, before_answer: yes,"),
    ):
        [problem] = told(answers, cautioned)
        assert problem.startswith("answers.yaml:8: With its question")


def test_a_list_of_related_entries_has_room_for_as_many_buttons_as_telegram_takes(faq, told):
    def related(count: int) -> str:
        listed = SHOP.replace("related: []", f"related: [{', '.join(f'e{n}' for n in range(count))}]")
        return listed.replace("topics:", "topics:\n  - {id: rent, title: Rent}") + entries(97).replace(
            "repairs", "rent", 50
        )

    # Beside them: the contact, what else was asked, the topics, and the two that ask whether it helped.
    assert faq(related(95))
    assert told(related(96)) == [
        "answers.yaml:8: Below this answer there would be 101 buttons. Telegram takes 100. Shorten this list."
    ]


async def test_a_topic_has_room_for_as_many_entries_as_telegram_takes_buttons(faq, told):
    async with open_conversation(Handlers(faq(SHOP + entries(98)))) as conversation:
        await conversation.say("/topics")
        [page] = await conversation.press("Repairs")
    assert len(page.buttons) == 100
    assert told(SHOP + entries(99)) == [
        "answers.yaml:107: On the page of the topic `repairs` there would be 101 buttons. Telegram takes 100. "
        "Move some of its entries to another topic, or shorten their questions."
    ]
    without_topics = SHOP.replace("topics:\n  - {id: repairs, title: Repairs}\n", "")
    assert told(without_topics + entries(99))[0].startswith("answers.yaml:105: On the page of the topic `repairs`")


def test_a_topic_with_long_questions_has_room_for_fewer(faq, told):
    assert faq(SHOP + entries(60, question="w" * 100))
    [problem] = told(SHOP + entries(70, question="w" * 100))
    assert problem.startswith("answers.yaml:78: On the page of the topic `repairs` the buttons would take 1")


def test_the_menu_has_room_for_as_many_topics_as_telegram_takes_buttons(faq, told):
    def shop(count: int) -> str:
        topics = "".join(f"  - {{id: t{n}, title: Topic {n}}}\n" for n in range(count))
        return SHOP.replace("topics:\n", "topics:\n" + topics)

    assert faq(shop(98))
    assert told(shop(99)) == [
        "answers.yaml:104: In the list of topics there would be 101 buttons. Telegram takes 100. Join some topics."
    ]


def test_a_title_must_fit_into_the_sentence_that_names_it(told):
    near, page = told(SHOP.replace("title: Repairs", f"title: {'r' * 4090}"))
    assert near.startswith("answers.yaml:5: With all that may stand beside it, this comes to 4")
    assert page.startswith("answers.yaml:5: With the sentence `topic` around it, this comes to 41")


def test_cautions_must_fit_together_beside_what_the_bot_says_by_itself(told):
    pair = "{id: children, cues: [[child]], before_answer: yes,\n     text: " + "y" * 1800 + "}\n"
    longer = pair.replace("children", "others").replace("y" * 1800, "z" * 2300)
    safety = SAFETY[: SAFETY.index("{id: children")] + f"{pair}  - {longer}applies_to: []\n"
    assert [problem.partition(",")[0] for problem in told(SHOP, safety)] == [
        "answers.yaml:8: With its question",
        "safety.yaml:7: With all that may stand beside it",
        "safety.yaml:7: With all that may stand beside it",
    ]


def test_what_pops_up_must_be_short(faq, told):
    assert faq(SHOP.replace("Thank you.", "x" * 200))
    assert told(SHOP.replace("Thank you.", "x" * 201)) == [
        "answers.yaml:3: This pops up when a button is pressed, and comes to 201 characters. Telegram takes 200. "
        "Shorten it."
    ]


def test_the_problems_of_other_texts_come_first(told):
    [problem] = told(SHOP.replace("topic: repairs", "topic: repair").replace("Brakes?", "q" * 5000))
    assert "Did you mean `repairs`?" in problem
