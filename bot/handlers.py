"""What the bot does with each kind of update: one method a kind."""

import logging
import re
import time
from datetime import datetime
from typing import TYPE_CHECKING

from telegram import Bot, CallbackQuery, LinkPreviewOptions, Message, ReplyParameters, Update
from telegram.constants import ChatType, ParseMode
from telegram.error import BadRequest, Forbidden, TelegramError
from telegram.ext import ContextTypes

from bot.config import RETENTION_DAYS
from bot.deciding import Decider, one_thread
from bot.errors import OutOfReachError
from bot.limits import Albums, ChatLimit, Emergency, Notices
from bot.logs import cause, note
from bot.recorder import Recorder
from bot.render import Outgoing, Pressed, Renderer, without_feedback
from faq.model import Entry
from faq.reply import Answer, Fallback, Faq, Reply, Urgent
from faq.triage import Alarm

if TYPE_CHECKING:
    from bot.storage import Storage

log = logging.getLogger(__name__)

Context = ContextTypes.DEFAULT_TYPE

# A deep link's payload is an entry id, or an id and a campaign: ?start=chronic-pain__flyer-june
_CAMPAIGN = "__"


class Handlers:
    """Answers updates from one version of the FAQ, which may be exchanged while the bot runs."""

    def __init__(
        self,
        faq: Faq,
        *,
        recorder: Recorder | None = None,
        storage: "Storage | None" = None,
        limit: ChatLimit | None = None,
    ) -> None:
        """Without a storage, nothing is kept; without a limit, a chat may ask as much as it likes."""
        self._recorder = recorder or Recorder()
        self._storage = storage
        self._limit = limit or ChatLimit()
        self._notices = Notices()
        self._albums = Albums()
        self._thread = one_thread()
        self.exchange(faq)

    @property
    def faq(self) -> Faq:
        """The version of the FAQ that is answered from."""
        return self._faq

    def exchange(self, faq: Faq) -> None:
        """Answer from this version of the FAQ from now on."""
        self._faq = faq
        kept_days = self._storage.retention_days if self._storage else RETENTION_DAYS
        self._renderer = Renderer(faq, kept_days, asks_feedback=self._storage is not None)
        self._decider = Decider(faq, self._thread)

    async def start(self, update: Update, context: Context) -> None:
        """Welcome a person, or show the entry that their link names."""
        payload, *more = context.args or [""]
        entry_id, _, campaign = payload.partition(_CAMPAIGN)
        entry = self._faq.entry(entry_id)
        page = self._renderer.entry(entry) if entry else self._renderer.start()
        said = None if more else ""  # one word alone is the link's, and not the patient's
        if await self._show(update, "start", page, entry, said=said):
            self._count("start", entry, campaign)

    async def topics(self, update: Update, context: Context) -> None:
        """Show the menu of topics."""
        await self._show(update, "topics", self._renderer.topics())

    async def contact(self, update: Update, context: Context) -> None:
        """Show the way to a person."""
        await self._show(update, "contact", self._renderer.contact())

    async def privacy(self, update: Update, context: Context) -> None:
        """Tell what happens to a patient's words."""
        await self._show(update, "privacy", self._renderer.privacy())

    async def forget(self, update: Update, context: Context) -> None:
        """Ask whether what is kept from the chat should really be removed."""
        await self._show(update, "forget", self._renderer.forget())

    async def help(self, update: Update, context: Context) -> None:
        """Tell what the bot can do."""
        await self._show(update, "help", self._renderer.help())

    async def other_command(self, update: Update, context: Context) -> None:
        """Answer a command that is none of the bot's own but says enough, like /book; else tell what the bot can do.

        A slash may also stand before a whole cry for help.
        """
        text = update.effective_message.text if update.effective_message else None
        said = _without_mention(text or "", context.bot).replace("_", " ")
        if not isinstance(await self._decider.reply(said), Answer | Urgent):
            await self._show(update, "help", self._renderer.help(), said="")
        elif await self._admits(update, said):
            await self._reply(update, said)

    async def question(self, update: Update, context: Context) -> None:
        """Reply to what a person typed, in a group only when the bot is addressed."""
        message = update.effective_message
        if message is None or not message.text or not _is_for_us(message, context.bot):
            return
        utterance = _without_mention(message.text, context.bot)
        if await self._admits(update, utterance):
            await self._reply(update, utterance, about=self._entry_replied_to(message))

    async def not_text(self, update: Update, context: Context) -> None:
        """Say that photos, voice messages, stickers and the like can't be read; but a caption may be an emergency.

        An album, which comes as many messages, is told so once and counts as one question.
        """
        message = update.effective_message
        if message is None or not _is_for_us(message, context.bot):
            return
        caption = _without_mention(message.caption or "", context.bot)
        album = message.media_group_id
        if album and self._albums.begun(message.chat_id, album):
            await self._alarmed(update, caption)
        else:
            await self._show(update, "not_text", self._renderer.not_text(), said=caption)

    async def edited_caption(self, update: Update, context: Context) -> None:
        """Look whether a caption has become an emergency; that it can't be read was said when it came."""
        message = update.effective_message
        if message and message.caption and _is_for_us(message, context.bot):
            await self._alarmed(update, _without_mention(message.caption, context.bot))

    async def button(self, update: Update, context: Context) -> None:
        """Show what a pressed button leads to."""
        if (query := update.callback_query) is None:
            return
        began = time.perf_counter()
        kind, _, name = (query.data or "").partition(":")
        is_feedback = kind in (Pressed.HELPFUL, Pressed.NOT_HELPFUL)
        if not await self._admits(update):
            await _stop_spinning(query)
            return
        thanks = self._faq.wording.feedback_thanks if is_feedback and self._faq.entry(name) else None
        await _stop_spinning(query, thanks)
        # Looked up now, as the FAQ may have been exchanged meanwhile: a renderer shows only its own version's entries.
        entry = self._faq.entry(name) if is_feedback or kind == Pressed.ENTRY else None
        if page := await self._press(update, query, kind, name, entry):
            _note_page(update, page, entry, began)

    async def _press(
        self, update: Update, query: CallbackQuery, kind: str, name: str, entry: Entry | None
    ) -> str | None:
        """Do what a button is for, and return what it led to, unless that was a reply, which is noted as such."""
        match kind:
            case Pressed.HELPFUL | Pressed.NOT_HELPFUL if entry:
                await self._take_feedback(query, entry, helpful=kind == Pressed.HELPFUL)
            case Pressed.ENTRY if entry:
                await self._say(update, self._renderer.entry(entry))
                self._count("button", entry)
            case Pressed.TOPIC if topic := self._faq.topics.get(name):
                await self._turn_page(update, self._renderer.topic(topic))
            case Pressed.BACK:
                await self._turn_page(update, self._renderer.topics())
            case Pressed.TOPICS:
                await self._say(update, self._renderer.topics())
            case Pressed.TOPIC_ANEW if topic := self._faq.topics.get(name):
                await self._say(update, self._renderer.topic(topic))
            case Pressed.FORGET:
                await self._turn_page(update, await self._forget(update))
            case Pressed.CALM if question := _question_above(query):
                await self._reply(update, _without_mention(question, query.get_bot()), calm=True)
                return None
            case _:
                await self._say(update, self._renderer.outdated_button())
                return "outdated_button"
        return Pressed(kind).name.lower()

    async def _show(
        self, update: Update, page: str, outgoing: Outgoing, entry: Entry | None = None, *, said: str | None = None
    ) -> bool:
        """Show a page unless what was said is an emergency, and tell whether it was shown.

        Untold, that is what stands after a command.
        """
        began = time.perf_counter()
        said = _after_command(update) if said is None else said
        if await self._alarmed(update, said) or not await self._admits(update):
            return False
        await self._say(update, outgoing)
        _note_page(update, page, entry, began)
        return True

    async def _alarmed(self, update: Update, said: str) -> bool:
        """Tell whether what was said sounds like an emergency, which then is met."""
        if not (said and await self._decider.alarm(said)):
            return False
        if await self._admits(update, said):
            await self._reply(update, said)
        return True

    async def _admits(self, update: Update, utterance: str = "") -> bool:
        """Tell whether the chat may be answered: whoever asks too much is told so once, but an emergency is always met.

        What leads to a message counts as a question, be it a command or a pressed button.
        """
        chat, written = update.effective_chat, _written(update)
        if chat is None or self._limit.admits(chat.id, written):
            return True
        if written and utterance and (alarm := await self._decider.alarm(utterance)):
            return not self._notices.followed(_emergency(update, alarm), written)
        if self._limit.tells(chat.id, written):
            note(log, "limited", update=update.update_id)
            await self._say(update, self._renderer.too_many())
        return False

    async def _reply(self, update: Update, utterance: str, *, about: Entry | None = None, calm: bool = False) -> None:
        began = time.perf_counter()
        renderer = self._renderer  # of the version that decides, should the FAQ be exchanged meanwhile
        reply = await self._decider.reply(utterance, about=about, calm=calm)
        # The button under a notice needs the words that the notice answers.
        sent = await self._say(update, renderer.reply(reply), quote=isinstance(reply, Urgent))
        if sent and isinstance(reply, Urgent):
            self._notices.sent(_emergency(update, reply.alarm), sent.date)
        entry = reply.entry if isinstance(reply, Answer) else None
        self._recorder.replied(reply.kind, entry.id if entry else None, time.perf_counter() - began)
        _note(update, reply, began)
        self._count(reply.kind, entry)
        if isinstance(reply, Fallback) and not calm:  # what sounded like an emergency is kept under no circumstances
            self._keep(update, utterance, reply)

    async def _say(self, update: Update, outgoing: Outgoing, *, quote: bool = False) -> Message | None:
        if (chat := update.effective_chat) is None:
            return None
        sent = await chat.send_message(
            outgoing.html,
            ParseMode.HTML,
            reply_markup=outgoing.buttons,
            reply_parameters=_quoted(update, even_in_private=quote),
            link_preview_options=LinkPreviewOptions(is_disabled=True),
        )
        self._answered(update)
        return sent

    async def _turn_page(self, update: Update, outgoing: Outgoing) -> None:
        """Show another page of the menu in the message whose button was pressed, or anew where that can't be done."""
        page = update.callback_query and update.callback_query.message
        # The library makes a Message of what Telegram calls inaccessible, too; nobody can change that any more.
        if not isinstance(page, Message) or not page.is_accessible:
            await self._say(update, outgoing)
            return
        try:
            await page.edit_text(outgoing.html, ParseMode.HTML, reply_markup=outgoing.buttons)
        except BadRequest as error:
            if "not modified" not in error.message:  # a second press on the same button changes nothing
                await self._say(update, outgoing)
        else:
            self._answered(update)

    def _answered(self, update: Update) -> None:
        if self._storage:
            self._storage.answered(update.update_id)

    def _count(self, kind: str, entry: Entry | None, campaign: str = "") -> None:
        if self._storage:
            self._storage.count_reply(kind, entry.id if entry else "", campaign)

    def _keep(self, update: Update, utterance: str, reply: Fallback) -> None:
        nearest = reply.ranking.candidates[0]
        if self._storage and update.effective_chat:
            self._storage.keep_gap(update.effective_chat.id, utterance, nearest.entry.id, nearest.score)

    async def _take_feedback(self, query: CallbackQuery, entry: Entry, *, helpful: bool) -> None:
        """Count a press, but only the first below an answer: it takes the buttons away."""
        if await _take_away(query) and self._storage:
            self._storage.count_feedback(entry.id, helpful=helpful)

    async def _forget(self, update: Update) -> Outgoing:
        """Remove what is kept from the chat, and tell how much that was or that it must be tried again."""
        if self._storage is None or update.effective_chat is None:
            return self._renderer.forgotten(0)
        try:
            return self._renderer.forgotten(await self._storage.forget(update.effective_chat.id))
        except OutOfReachError:
            return self._renderer.forget_later()

    def _entry_replied_to(self, message: Message) -> Entry | None:
        """Return the entry whose answer a message replies to; its question is the answer's first line."""
        replied_to = message.reply_to_message
        first_line = (replied_to.text or "").partition("\n")[0] if replied_to else ""
        return next((entry for entry in self._faq.entries.values() if entry.question == first_line), None)

    async def error(self, update: object, context: Context) -> None:
        """Log what went wrong, without a person's words, and apologize unless Telegram itself is the trouble."""
        number = update.update_id if isinstance(update, Update) else None
        if isinstance(context.error, Forbidden):
            note(log, "blocked", update=number)
            return
        note(log, "failed", logging.ERROR, update=number, **cause(context.error))
        self._recorder.failed(type(context.error).__name__)
        ours = isinstance(context.error, BadRequest) or not isinstance(context.error, TelegramError)
        if isinstance(update, Update) and ours:
            await self._say(update, self._renderer.trouble())


def _after_command(update: Update) -> str:
    message = update.effective_message
    return message.text[message.entities[0].length :] if message and message.text else ""


def _written(update: Update) -> datetime | None:
    """Return when a message was written or edited; of a pressed button nobody tells."""
    message = update.message or update.edited_message
    return (message.edit_date or message.date) if message else None


def _emergency(update: Update, alarm: Alarm) -> Emergency:
    chat, sender = update.effective_chat, update.effective_sender
    return chat.id if chat else 0, sender.id if sender else 0, alarm.kind.id


def _is_for_us(message: Message, bot: Bot) -> bool:
    """Tell whether a message wants a reply: in a group it mentions the bot or replies to it."""
    if message.chat.type == ChatType.PRIVATE:
        return True
    replied_to = message.reply_to_message
    if replied_to and replied_to.from_user and replied_to.from_user.id == bot.id:
        return True
    return _mention(bot).search(message.text or message.caption or "") is not None


def _mention(bot: Bot) -> re.Pattern[str]:
    return re.compile(rf"@{re.escape(bot.username)}\b", re.IGNORECASE)


def _without_mention(text: str, bot: Bot) -> str:
    return _mention(bot).sub(" ", text)


def _question_above(query: CallbackQuery) -> str | None:
    """Return the words of the message that the message with the button replies to, while Telegram still has both."""
    notice = query.message
    if not isinstance(notice, Message) or notice.reply_to_message is None:
        return None
    return notice.reply_to_message.text or notice.reply_to_message.caption


def _quoted(update: Update, *, even_in_private: bool) -> ReplyParameters | None:
    """Name the message that is answered: always in a group, where others may have written meanwhile.

    For a pressed button it is the message above it, which also keeps the answer within that topic of a forum.
    """
    message = update.callback_query.message if update.callback_query else update.effective_message
    if message is None or (message.chat.type == ChatType.PRIVATE and not even_in_private):
        return None
    return ReplyParameters(message.message_id, allow_sending_without_reply=True)


async def _take_away(query: CallbackQuery) -> bool:
    """Remove the buttons that ask whether an answer helped, and tell whether they were still there."""
    answer = query.message
    if not isinstance(answer, Message) or answer.reply_markup is None:
        return False
    try:
        await answer.edit_reply_markup(without_feedback(answer.reply_markup))
    except BadRequest:  # the buttons are gone already
        return False
    return True


async def _stop_spinning(query: CallbackQuery, notification: str | None = None) -> None:
    try:
        await query.answer(notification)
    except BadRequest:  # it was too old, or answered before a crash: nothing spins any more
        log.debug("stale callback query")


def _note(update: Update, reply: Reply, began: float) -> None:
    entry = reply.entry.id if isinstance(reply, Answer) else None
    score = reply.ranking.candidates[0].score
    note(log, "replied", update=update.update_id, kind=reply.kind, entry=entry, score=score, ms=_ms_since(began))


def _note_page(update: Update, page: str, entry: Entry | None, began: float) -> None:
    """Log what a command or a button led to; never the callback data itself, as anything may stand in it."""
    entry_id = entry.id if entry else None
    note(log, "showed", update=update.update_id, kind=page, entry=entry_id, ms=_ms_since(began))


def _ms_since(began: float) -> int:
    return round((time.perf_counter() - began) * 1e3)
