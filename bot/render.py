"""Turning replies into what Telegram takes: HTML and buttons."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from html import escape
from itertools import dropwhile
from typing import assert_never

from telegram import CopyTextButton, InlineKeyboardButton, InlineKeyboardMarkup
from telegram.constants import InlineKeyboardButtonLimit

from bot.config import RETENTION_DAYS
from bot.markdown import is_blank, link, to_html
from faq.model import Caution, Entry, Topic
from faq.reply import Answer, Clarify, Edition, Fallback, Reply, Smalltalk, Urgent


class Pressed(StrEnum):
    """What callback data begins with. Buttons stay in chats for years, so these never change their meaning."""

    ENTRY = "e"  # e:<entry id> shows an entry
    TOPIC = "t"  # t:<topic id> turns the menu's page to a topic
    BACK = "b"  # turns the menu's page back to all topics
    TOPICS = "m"  # shows the menu of all topics anew
    TOPIC_ANEW = "s"  # s:<topic id> shows a topic's questions anew
    FORGET = "f"  # removes what is kept from the chat, once that was asked back
    HELPFUL = "y"  # y:<entry id> counts that the answer above helped
    NOT_HELPFUL = "n"  # n:<entry id> counts that it did not
    CALM = "c"  # answers the message that the notice replies to, as it is no emergency


@dataclass(frozen=True)
class Outgoing:
    """A rendered reply, ready for Telegram."""

    html: str
    buttons: InlineKeyboardMarkup | None = None


class Renderer:
    """Renders what one version of the FAQ says."""

    def __init__(self, faq: Edition, kept_days: int = RETENTION_DAYS, *, asks_feedback: bool = False) -> None:
        self._faq = faq
        self._wording = faq.wording
        self._kept_days = kept_days
        self._asks_feedback = asks_feedback
        self._pages: dict[str, Outgoing] = {}

    def reply(self, reply: Reply) -> Outgoing:
        """Render a reply of any kind."""
        match reply:
            case Answer(entry=entry, cautions=cautions, also=also):
                return self.entry(entry, cautions, also)
            case Clarify(entries=entries, cautions=cautions):
                # The question belongs right above its buttons.
                parts = [*(caution.text for caution in cautions), self._wording.clarify]
                rows = [*map(_entry_button, entries), self._contact_button(), self._topics_button()]
                return Outgoing("\n\n".join(map(to_html, parts)), _keyboard(rows))
            case Fallback(ranking=ranking, topic=topic, cautions=cautions):
                return self._fallback(ranking.analysis.utterance, topic, cautions)
            case Urgent(alarm=alarm):
                calm = _button(self._wording.buttons.not_emergency, Pressed.CALM)
                return Outgoing(to_html(alarm.kind.text), _keyboard([calm]))
            case Smalltalk(about=about):
                return Outgoing(to_html(getattr(self._wording.smalltalk, about)), _keyboard([self._topics_button()]))
            case _:
                assert_never(reply)

    def entry(self, entry: Entry, cautions: Sequence[Caution] = (), also: Entry | None = None) -> Outgoing:
        """Render an entry: question, answer, cautions, the day of review with the sources, and where to go next."""
        if cautions or also:
            return self._page(entry, cautions, also)
        if entry.id not in self._pages:
            self._pages[entry.id] = self._page(entry)
        return self._pages[entry.id]

    def _page(self, entry: Entry, cautions: Sequence[Caution] = (), also: Entry | None = None) -> Outgoing:
        answer = self._with_cautions(to_html(entry.answer), cautions)
        # The first line is also how a reply to this message is known to be about this entry.
        parts = [f"<b>{escape(entry.question, quote=False)}</b>", answer, self._review(entry)]
        contact = self._contact_button() if entry.handoff else None
        careful = self._faq.cautioning(entry) if cautions else None
        related = [self._faq.entries[entry_id] for entry_id in entry.related]
        next_ones = dict.fromkeys(filter(None, (also, careful, *related)))
        rows = [contact, *map(_entry_button, next_ones), self._topics_button(), self._feedback_buttons(entry)]
        return Outgoing("\n\n".join(filter(None, parts)), _keyboard(rows))

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
        heading = _about(self._wording.topic, topic)
        back = _button(self._wording.buttons.topics, Pressed.BACK)
        return Outgoing(heading, _keyboard([*map(_entry_button, self._faq.entries_of(topic)), back]))

    def contact(self) -> Outgoing:
        """Render the way to a person."""
        return Outgoing(to_html(self._wording.contact), _keyboard([self._contact_button()]))

    def privacy(self) -> Outgoing:
        """Render what happens to a patient's words."""
        return Outgoing(to_html(self._wording.privacy).replace("{days}", str(self._kept_days)))

    def forget(self) -> Outgoing:
        """Render the question whether what is kept should really be removed."""
        return Outgoing(
            to_html(self._wording.forget), _keyboard([_button(self._wording.buttons.forget, Pressed.FORGET)])
        )

    def forgotten(self, count: int) -> Outgoing:
        """Render what was removed."""
        return Outgoing(to_html(self._wording.forgotten).replace("{count}", str(count)))

    def forget_later(self) -> Outgoing:
        """Render the admission that nothing could be removed."""
        return Outgoing(to_html(self._wording.forget_later))

    def not_text(self) -> Outgoing:
        """Render the answer to photos, voice messages, stickers and the like."""
        return Outgoing(to_html(self._wording.not_text), _keyboard([self._contact_button()]))

    def outdated_button(self) -> Outgoing:
        """Render the answer to a button that leads nowhere any more."""
        return self._with_menu(self._wording.outdated_button)

    def too_many(self) -> Outgoing:
        """Render the sentence for a chat that asks more than it may."""
        return Outgoing(to_html(self._wording.too_many))

    def trouble(self) -> Outgoing:
        """Render the apology for a mistake of the bot's own."""
        return Outgoing(to_html(self._wording.trouble), _keyboard([self._contact_button()]))

    def _with_cautions(self, html: str, cautions: Sequence[Caution]) -> str:
        before = [to_html(caution.text) for caution in cautions if caution.before_answer]
        after = [to_html(caution.text) for caution in cautions if not caution.before_answer]
        return "\n\n".join([*before, html, *after])

    def _fallback(self, utterance: str, topic: Topic | None, cautions: Sequence[Caution]) -> Outgoing:
        parts = [self._with_cautions(to_html(self._wording.fallback), cautions)]
        buttons: list[InlineKeyboardButton | None] = []
        if contact := self._contact_button():
            copied = CopyTextButton(_copied(utterance))
            parts.append(to_html(self._wording.fallback_contact))
            buttons += [InlineKeyboardButton(self._wording.buttons.copy_question, copy_text=copied), contact]
        if cautions and (careful := self._faq.cautioning(None)):
            buttons.append(_entry_button(careful))
        if topic:
            parts.append(_about(self._wording.fallback_near, topic))
            buttons.append(_button(topic.title, f"{Pressed.TOPIC_ANEW}:{topic.id}"))
        return Outgoing("\n\n".join(parts), _keyboard([*buttons, self._topics_button()]))

    def _review(self, entry: Entry) -> str | None:
        if entry.reviewed is None:
            return None
        sources = [self._faq.sources[key] for key in entry.sources]
        names = [link(s.address, escape(s.title)) if s.address else escape(s.title) for s in sources]
        wording = self._wording.reviewed_with_sources if sources else self._wording.reviewed
        return to_html(wording).replace("{date}", _day(entry.reviewed)).replace("{sources}", ", ".join(names))

    def _with_menu(self, wording: str) -> Outgoing:
        return Outgoing(to_html(wording), _keyboard([self._topics_button(), self._contact_button()]))

    def _feedback_buttons(self, entry: Entry) -> Sequence[InlineKeyboardButton] | None:
        labels = self._wording.buttons
        pair = (labels.helpful, Pressed.HELPFUL), (labels.not_helpful, Pressed.NOT_HELPFUL)
        return [_button(label, f"{kind}:{entry.id}") for label, kind in pair] if self._asks_feedback else None

    def _topics_button(self) -> InlineKeyboardButton:
        return _button(self._wording.buttons.topics, Pressed.TOPICS)

    def _contact_button(self) -> InlineKeyboardButton | None:
        clinic = self._faq.clinic
        return (
            InlineKeyboardButton(self._wording.buttons.contact, clinic.contact) if clinic and clinic.contact else None
        )


def _about(wording: str, topic: Topic) -> str:
    return to_html(wording).replace("{topic}", escape(topic.title, quote=False))


def _entry_button(entry: Entry) -> InlineKeyboardButton:
    return _button(entry.question, f"{Pressed.ENTRY}:{entry.id}")


def _button(label: str, data: str) -> InlineKeyboardButton:
    return InlineKeyboardButton(label, callback_data=data)


def without_feedback(keyboard: InlineKeyboardMarkup) -> InlineKeyboardMarkup:
    """Return the buttons below an answer but those that ask whether it helped."""
    asking = tuple(f"{kind}:" for kind in (Pressed.HELPFUL, Pressed.NOT_HELPFUL))
    rows = keyboard.inline_keyboard
    return InlineKeyboardMarkup([row for row in rows if not str(row[0].callback_data).startswith(asking)])


def _keyboard(
    rows: Iterable[InlineKeyboardButton | Sequence[InlineKeyboardButton] | None],
) -> InlineKeyboardMarkup | None:
    """Put each button in a row of its own, unless it comes in one: questions are too long to stand side by side."""
    filled = [[row] if isinstance(row, InlineKeyboardButton) else row for row in rows if row]
    return InlineKeyboardMarkup(filled) if filled else None


def _copied(utterance: str) -> str:
    """Return what of the utterance a button can copy: from the first visible character, in Telegram's UTF-16 units."""
    units = "".join(dropwhile(is_blank, utterance)).encode("utf-16-le", "ignore")
    return units[: 2 * InlineKeyboardButtonLimit.MAX_COPY_TEXT].decode("utf-16-le", "ignore").strip()


def _day(day: date) -> str:
    return f"{day:%B} {day.day}, {day.year}"
