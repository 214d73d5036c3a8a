"""Turning replies into what Telegram takes: HTML and buttons."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from html import escape
from typing import assert_never

from telegram import CopyTextButton, InlineKeyboardButton, InlineKeyboardMarkup
from telegram.constants import InlineKeyboardButtonLimit

from bot.markdown import link, to_html
from faq.model import Entry, Topic
from faq.reply import Answer, Clarify, Fallback, Faq, Reply, Smalltalk


class Pressed(StrEnum):
    """What callback data begins with. Buttons stay in chats for years, so these never change their meaning."""

    ENTRY = "e"  # e:<entry id> shows an entry
    TOPIC = "t"  # t:<topic id> turns the menu's page to a topic
    BACK = "b"  # turns the menu's page back to all topics
    TOPICS = "m"  # shows the menu of all topics anew


@dataclass(frozen=True)
class Outgoing:
    """A rendered reply, ready for Telegram."""

    html: str
    buttons: InlineKeyboardMarkup | None = None


class Renderer:
    """Renders what one version of the FAQ says."""

    def __init__(self, faq: Faq) -> None:
        self._faq = faq
        self._wording = faq.wording

    def reply(self, reply: Reply) -> Outgoing:
        """Render a reply of any kind."""
        match reply:
            case Answer(entry=entry):
                return self.entry(entry)
            case Clarify(entries=entries):
                rows = [*map(_entry_button, entries), self._contact_button(), self._topics_button()]
                return Outgoing(to_html(self._wording.clarify), _keyboard(rows))
            case Fallback(ranking=ranking):
                return self._fallback(ranking.analysis.utterance)
            case Smalltalk(about=about):
                return Outgoing(to_html(getattr(self._wording.smalltalk, about)), _keyboard([self._topics_button()]))
            case _:
                assert_never(reply)

    def entry(self, entry: Entry) -> Outgoing:
        """Render an entry: question, answer, the day of review with the sources, and where to go next."""
        parts = [f"<b>{escape(entry.question, quote=False)}</b>", to_html(entry.answer), self._review(entry)]
        contact = self._contact_button() if entry.handoff else None
        related = [_entry_button(self._faq.entries[entry_id]) for entry_id in entry.related]
        return Outgoing("\n\n".join(filter(None, parts)), _keyboard([contact, *related, self._topics_button()]))

    def start(self) -> Outgoing:
        """Render the welcome."""
        return self._with_menu(self._wording.start)

    def help(self) -> Outgoing:
        """Render what the bot can do."""
        return self._with_menu(self._wording.help)

    def topics(self) -> Outgoing:
        """Render the menu of topics."""
        rows = [_button(topic.title, f"{Pressed.TOPIC}:{topic.id}") for topic in self._faq.topics.values()]
        return Outgoing(to_html(self._wording.topics), _keyboard([*rows, self._contact_button()]))

    def topic(self, topic: Topic) -> Outgoing:
        """Render the questions of one topic."""
        heading = to_html(self._wording.topic).replace("{topic}", escape(topic.title, quote=False))
        back = _button(self._wording.buttons.topics, Pressed.BACK)
        return Outgoing(heading, _keyboard([*map(_entry_button, self._faq.entries_of(topic)), back]))

    def contact(self) -> Outgoing:
        """Render the way to a person."""
        return Outgoing(to_html(self._wording.contact), _keyboard([self._contact_button()]))

    def privacy(self) -> Outgoing:
        """Render what happens to a patient's words."""
        return Outgoing(to_html(self._wording.privacy))

    def not_text(self) -> Outgoing:
        """Render the answer to photos, voice messages, stickers and the like."""
        return Outgoing(to_html(self._wording.not_text), _keyboard([self._contact_button()]))

    def outdated_button(self) -> Outgoing:
        """Render the answer to a button that leads nowhere any more."""
        return self._with_menu(self._wording.outdated_button)

    def trouble(self) -> Outgoing:
        """Render the apology for a mistake of the bot's own."""
        return Outgoing(to_html(self._wording.trouble), _keyboard([self._contact_button()]))

    def _fallback(self, utterance: str) -> Outgoing:
        contact = self._contact_button()
        question = utterance.strip()[: InlineKeyboardButtonLimit.MAX_COPY_TEXT]
        copy = InlineKeyboardButton(self._wording.buttons.copy_question, copy_text=CopyTextButton(question))
        rows = [copy, contact] if contact else []
        return Outgoing(to_html(self._wording.fallback), _keyboard([*rows, self._topics_button()]))

    def _review(self, entry: Entry) -> str | None:
        if entry.reviewed is None:
            return None
        sources = [self._faq.sources[key] for key in entry.sources]
        names = [link(s.address, escape(s.title)) if s.address else escape(s.title) for s in sources]
        wording = self._wording.reviewed_with_sources if sources else self._wording.reviewed
        return to_html(wording).replace("{date}", _day(entry.reviewed)).replace("{sources}", ", ".join(names))

    def _with_menu(self, wording: str) -> Outgoing:
        return Outgoing(to_html(wording), _keyboard([self._topics_button(), self._contact_button()]))

    def _topics_button(self) -> InlineKeyboardButton:
        return _button(self._wording.buttons.topics, Pressed.TOPICS)

    def _contact_button(self) -> InlineKeyboardButton | None:
        clinic = self._faq.clinic
        return (
            InlineKeyboardButton(self._wording.buttons.contact, clinic.contact) if clinic and clinic.contact else None
        )


def _entry_button(entry: Entry) -> InlineKeyboardButton:
    return _button(entry.question, f"{Pressed.ENTRY}:{entry.id}")


def _button(label: str, data: str) -> InlineKeyboardButton:
    return InlineKeyboardButton(label, callback_data=data)


def _keyboard(buttons: Iterable[InlineKeyboardButton | None]) -> InlineKeyboardMarkup | None:
    """Put each button in a row of its own: questions are too long to stand side by side on a phone."""
    rows = [[button] for button in buttons if button]
    return InlineKeyboardMarkup(rows) if rows else None


def _day(day: date) -> str:
    return f"{day:%B} {day.day}, {day.year}"
