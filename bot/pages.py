"""Whether Telegram takes every message that an FAQ makes, at its longest, looked at before it goes live."""

import json
from collections.abc import Iterator
from itertools import chain

from telegram import InlineKeyboardMarkup
from telegram.constants import CallbackQueryLimit, InlineKeyboardMarkupLimit, MessageLimit

from bot.markdown import length
from bot.render import Outgoing, Renderer
from faq.loading import Misfit, Place
from faq.matching import Ranking
from faq.model import Content
from faq.reply import Clarify, Edition, Fallback
from faq.text import Analysis

_LONGEST = MessageLimit.MAX_TEXT_LENGTH.value
_LONGEST_NOTIFICATION = CallbackQueryLimit.ANSWER_CALLBACK_QUERY_TEXT_LENGTH.value
_MOST_BUTTONS = InlineKeyboardMarkupLimit.TOTAL_BUTTON_NUMBER.value
# Documented nowhere; whoever sends more is told "reply markup is too long" (tginfo/Telegram-Limits, issue 187).
_MOST_BUTTON_BYTES = 10_000
# Whatever a person typed: no reply grows with it.
_ANYTHING = Ranking(Analysis("?", "?", (), (), ()), ())


def misfits(content: Content) -> Iterator[Misfit]:
    """Yield the place of each text that makes a message too long or too full of buttons, and what to do about it.

    A text that stands alone is not looked at here: `bot.markdown.refusal` holds it shorter than a message may be.
    """
    pages = _Pages(content)
    yield from chain(pages.of_entries(), pages.of_topics(), pages.of_replies(), pages.of_notification())


class _Pages:
    def __init__(self, content: Content) -> None:
        self._content = content
        self._edition = Edition(content)
        self._render = Renderer(self._edition, asks_feedback=True)

    def of_entries(self) -> Iterator[Misfit]:
        entries, cautions = self._content.answers.entries, self._content.safety.cautions
        for number, entry in enumerate(entries):
            also = next((other for other in entries if other is not entry and other.id not in entry.related), None)
            page = self._render.entry(entry, self._edition.beside([entry], cautions), also)
            if too_long := _too_long(page, "its question, its sources and every caution that may stand beside it"):
                yield (
                    ("entries", number, "answer"),
                    f"{too_long} Shorten it or its question, or make two entries of it.",
                )
            if too_full := _too_full(page.buttons):
                yield ("entries", number, "related"), f"Below this answer {too_full} Shorten this list."

    def of_topics(self) -> Iterator[Misfit]:
        topics, entries = self._content.answers.topics, self._content.answers.entries
        for number, topic in enumerate(topics):
            page = self._render.topic(topic)
            if too_long := _too_long(page, "the sentence `topic` around it"):
                yield ("topics", number, "title"), f"{too_long} Shorten it."
            if too_full := _too_full(page.buttons):
                last = max(number for number, entry in enumerate(entries) if entry.topic == topic.id)
                advice = "Move some of its entries to another topic, or shorten their questions."
                yield ("entries", last, "topic"), f"On the page of the topic `{topic.id}` {too_full} {advice}"
        if too_full := _too_full(self._render.topics().buttons):
            yield ("topics", len(topics) - 1, "title"), f"In the list of topics {too_full} Join some topics."

    def of_replies(self) -> Iterator[Misfit]:
        answers, safety = self._content.answers, self._content.safety
        number, topic = max(enumerate(answers.topics), key=lambda each: len(each[1].title))
        titled: dict[Place, str] = {("topics", number, "title"): topic.title}
        clarify = Clarify(_ANYTHING, (), cautions=self._edition.beside(answers.entries, safety.cautions))
        yield from self._of_reply(clarify, self._worded("clarify"))
        fallback = Fallback(_ANYTHING, topic, cautions=self._edition.beside((), safety.cautions))
        yield from self._of_reply(fallback, self._worded("fallback", "fallback_contact", "fallback_near") | titled)

    def _of_reply(self, reply: Clarify | Fallback, texts: dict[Place, str]) -> Iterator[Misfit]:
        """Look at a reply that puts these texts and its cautions together: the longest is the one to shorten."""
        if too_long := _too_long(self._render.reply(reply), "all that may stand beside it"):
            cautions = enumerate(self._content.safety.cautions)
            texts = texts | {("cautions", n, "text"): each.text for n, each in cautions if each in reply.cautions}
            yield max(texts, key=lambda place: len(texts[place])), f"{too_long} Shorten it."

    def _worded(self, *names: str) -> dict[Place, str]:
        return {("wording", name): getattr(self._content.answers.wording, name) for name in names}

    def of_notification(self) -> Iterator[Misfit]:
        if (counted := length(self._content.answers.wording.feedback_thanks)) > _LONGEST_NOTIFICATION:
            told = f"This pops up when a button is pressed, and comes to {counted} characters. Telegram takes"
            yield ("wording", "feedback_thanks"), f"{told} {_LONGEST_NOTIFICATION}. Shorten it."


def _too_long(page: Outgoing, company: str) -> str | None:
    if (counted := length(page.html)) <= _LONGEST:
        return None
    return f"With {company}, this comes to {counted} characters in one message. Telegram takes {_LONGEST}."


def _too_full(keyboard: InlineKeyboardMarkup | None) -> str | None:
    rows = keyboard.inline_keyboard if keyboard else ()
    if (counted := sum(map(len, rows))) > _MOST_BUTTONS:
        return f"there would be {counted} buttons. Telegram takes {_MOST_BUTTONS}."
    buttons = [[button.to_dict() for button in row] for row in rows]
    if (size := len(json.dumps(buttons, ensure_ascii=False).encode())) > _MOST_BUTTON_BYTES:
        return f"the buttons would take {size} bytes. Telegram takes {_MOST_BUTTON_BYTES}."
    return None
