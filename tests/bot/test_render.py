"""What is rendered is taken by Telegram, whatever stands in the FAQ."""

import json
from datetime import date

import pytest

from bot.handlers import Handlers
from bot.markdown import LONGEST_ANSWER
from bot.offline import Sent, open_conversation, plain
from bot.render import Renderer
from faq.model import ID_LENGTH
from faq.problems import ContentError
from faq.reply import Faq
from tests.conftest import BICYCLES

ODD = """<b>A & "B" 'C'</b> &lt; </i> >:-< &amp;"""
ODD_SHOP = f"""\
clinic:
  name: '"Fish & Chips" <b> </i>'
  contact: https://spokes.example/contact?a=1&b=%22
topics:
  - {{id: odd, title: {json.dumps(ODD)}}}
sources:
  odd: {{title: {json.dumps(ODD)}, address: "https://manual.example/?a=<1>&b='2'"}}
  plain: {{title: {json.dumps(ODD)}}}
entries:
  - id: odd
    topic: odd
    question: {json.dumps(ODD)}
    answer: Yes, 1 < 2 & 3 > 2, says <i>"nobody"</i>.
    sources: [odd, plain]
    reviewed: 2026-03-01
"""


async def everything(faq: Faq) -> list[Sent]:
    """Return what comes of asking for all that the FAQ's own words stand in."""
    async with open_conversation(Handlers(faq)) as conversation:
        typed = ["/start", "/help", "/privacy", "/contact", "/topics", *(f"/start {entry}" for entry in faq.entries)]
        said = [sent for text in typed for sent in await conversation.say(text)]
        pressed = [sent for topic in faq.topics.values() for sent in await conversation.press(topic.title)]
    assert len(said) == len(typed)
    return [*said, *pressed]


async def test_names_titles_and_questions_are_shown_as_they_are_written(faq_of):
    start, *_, answer, page = await everything(faq_of(ODD_SHOP))
    assert 'bot of "Fish & Chips" <b> </i>.' in start.text
    assert start.buttons[1].url == "https://spokes.example/contact?a=1&b=%22"
    assert answer.text.startswith(f'{ODD}\n\nYes, 1 < 2 & 3 > 2, says <i>"nobody"</i>.\n\n')
    assert answer.text.endswith(f"Reviewed on March 1, 2026. Sources: {ODD}, {ODD}.")
    assert """<a href="https://manual.example/?a=&lt;1&gt;&amp;b=&#x27;2&#x27;">""" in answer.html
    assert page.text == f"{ODD}: which question is yours?"
    assert page.labels == (ODD, "All topics")


@pytest.mark.parametrize("character", ["x", "&", "<", "'", "😀"])
async def test_the_longest_answer_fits_with_everything_around_it(faq_of, character):
    """A question of 200 characters, and four sources of 100, are twice what the product's own FAQ has."""
    size = LONGEST_ANSWER // len(character.encode("utf-16-le")) * 2
    long = f"""\
clinic: {{name: Spokes, contact: "https://spokes.example/contact"}}
topics: [{{id: all, title: All}}]
sources: {{{", ".join(f'{name}: {{title: "{"t" * 99}{name}", address: "https://a.org"}}' for name in "abcd")}}}
entries:
  - id: {"i" * ID_LENGTH}
    topic: all
    question: "{"q" * 200}"
    answer: "{character * size}"
    sources: [a, b, c, d]
    reviewed: 2026-11-24
    handoff: true
"""
    *_, answer, _ = await everything(faq_of(long))
    assert answer.text.count(character) >= size
    assert answer.text.endswith("d.")


@pytest.mark.parametrize(
    ("changes", "review"),
    [
        ({}, "Reviewed on November 24, 2026. Sources: The manual, Word of mouth."),
        ({"sources": ()}, "Reviewed by the clinic on November 24, 2026."),
        ({"sources": (), "reviewed": date(2027, 1, 5)}, "Reviewed by the clinic on January 5, 2027."),
        ({"reviewed": None}, "• or the whole bicycle"),
    ],
)
def test_an_answer_ends_with_the_day_of_its_review(faq, changes, review):
    rendered = Renderer(faq).entry(faq.entries["flat-tire"].model_copy(update=changes))
    assert plain(rendered.html).endswith(f"\n{review}")


@pytest.mark.parametrize(
    "contact", ["https://a[b].example", "https://spokes.example:65536", "https://a@spokes.example"]
)
def test_a_contact_link_that_telegram_refuses_does_not_go_live(faq_of, contact):
    """Else every message with the contact button would be refused."""
    with pytest.raises(ContentError, match="is no web address"):
        faq_of(BICYCLES.replace("https://spokes.example/contact", contact))
