"""A Telegram inside the process, as strict as the real one: the terminal and the tests talk to the bot through it."""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import escape, unescape
from itertools import count
from typing import Any, Literal

from telegram import Update
from telegram.request import BaseRequest, RequestData

from bot.app import App, build_application, build_bot
from bot.handlers import Handlers
from bot.markdown import is_blank
from faq.model import PORT

Json = dict[str, Any]

BOT: Json = {"id": 1, "is_bot": True, "first_name": "Clinic FAQ", "username": "clinic_faq_bot"}
PATIENT: Json = {"id": 7, "is_bot": False, "first_name": "Pat"}
PRIVATE: Json = {"id": 7, "type": "private", "first_name": "Pat"}
GROUP: Json = {"id": -7, "type": "supergroup", "title": "Friends of needles"}
TOKEN = "1:offline"  # noqa: S105  # it opens nothing
# Telegram counts seconds since 1970; any day will do.
_TODAY = 1_800_000_000

# https://core.telegram.org/bots/api#sendmessage, #inlinekeyboardbutton, #getupdates. Whether "characters" are UTF-16
# units is not told there; counted so, nothing passes that the real one refuses.
_LONGEST_TEXT, _LONGEST_COPY, _LONGEST_DATA_BYTES = 4096, 256, 64
_MOST_IN_A_ROW, _MOST_BUTTONS, _MOST_UPDATES = 8, 100, 100
# From here the numbers and descriptions are those of tdlib/telegram-bot-api and tdlib/td.
_LONGEST_MARKUP_BYTES = 1 << 15
_FARTHEST_OFFSET = 10
_NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current "
    "content and reply markup of the message"
)
_TOO_OLD = "query is too old and response timeout expired or query ID is invalid"
_WEBHOOK_IS_ACTIVE = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)
# What a bot says about itself; taken, and shown nowhere here.
_SETTINGS = ("setMyCommands", "setMyName", "setMyDescription", "setMyShortDescription", "setChatMenuButton")

# https://core.telegram.org/bots/api#html-style: the tags and what may stand in them.
_BARE_TAGS = ("b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "pre", "tg-spoiler")
_TAGS = dict.fromkeys(_BARE_TAGS, "") | {
    "a": r'\s+href="[^"]+"',
    "blockquote": r"(\s+expandable)?",
    "code": r'(\s+class="language-[^"]+")?',
    "span": r'\s+class="tg-spoiler"',
}
_PIECE = re.compile(r"<(?P<close>/?)(?P<tag>[^<>\s/]*)(?P<attributes>[^<>]*)>|(?P<text>[^<>]+)|(?P<stray>[<>])")
_ENTITY = re.compile(r"&(?!(?:lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);)")
_MARKED = re.compile(r"(?P<bot_command>(?<!\S)/[a-z0-9_]+(?:@\w+)?)|(?P<mention>@\w+)", re.IGNORECASE)
_URL = re.compile(rf"(?:https?://[\w.-]+\.[\w-]+(?::{PORT})?(?:[/?#].*)?|tg://.+)", re.IGNORECASE)


class RefusedError(Exception):
    """What Telegram refuses, in its own words."""

    def __init__(self, description: str, status: int = 400) -> None:
        super().__init__(f"Bad Request: {description}" if status == 400 else description)
        self.status = status


@dataclass(frozen=True)
class Button:
    """A button under a message, and the one thing it does."""

    label: str
    data: str | None = None
    url: str | None = None
    copy: str | None = None


@dataclass(frozen=True)
class Sent:
    """What the patient sees: a message of the bot, the same after an edit, or the notification that answers a press."""

    message_id: int
    chat_id: int
    html: str
    text: str
    buttons: tuple[Button, ...] = ()
    replies_to: int | None = None
    kind: Literal["message", "edit", "notification"] = "message"

    @property
    def labels(self) -> tuple[str, ...]:
        """What stands on the buttons."""
        return tuple(button.label for button in self.buttons)


class Telegram:
    """Answers calls of the Bot API, keeps the messages of every chat, and makes the updates of patients."""

    def __init__(self, first_number: int = 1) -> None:
        self.sent: list[Sent] = []
        self.blocked: set[int] = set()
        self._chats: dict[int, Json] = {}
        self._messages: dict[tuple[int, int], Json] = {}
        self._as_sent: dict[tuple[int, int], tuple[str, Json]] = {}
        self._pressed: dict[str, Json] = {}
        self._updates: list[Json] = []
        self._allowed: list[str] = []
        self._webhook = ""
        self._numbers = count(first_number)
        self._methods: dict[str, Callable[[Mapping[str, str]], Any]] = {
            "getMe": lambda _: BOT,
            "getUpdates": self._get_updates,
            "getWebhookInfo": self._get_webhook_info,
            "setWebhook": self._set_webhook,
            "deleteWebhook": self._set_webhook,
            "sendMessage": self._send_message,
            "editMessageText": self._edit_message_text,
            "editMessageReplyMarkup": self._edit_message_reply_markup,
            "answerCallbackQuery": self._answer_callback_query,
            **dict.fromkeys(_SETTINGS, lambda _: True),
        }

    def call(self, method: str, parameters: Mapping[str, str]) -> tuple[int, Json]:
        """Carry out a call with its parameters as a form holds them; return the HTTP status and Telegram's JSON."""
        try:
            if method not in self._methods:
                raise RefusedError("Not Found", 404)
            return 200, {"ok": True, "result": self._methods[method](parameters)}
        except RefusedError as refused:
            return refused.status, {"ok": False, "error_code": refused.status, "description": str(refused)}

    def message(
        self, *, chat: Json = PRIVATE, edited_after: int | None = None, reply_to: Sent | None = None, **fields: Any
    ) -> Json:
        """Return the update that brings a patient's message with these fields, `text=` or another."""
        content = {"message_id": next(self._numbers), "date": _TODAY, "chat": chat, "from": PATIENT, **fields}
        if "text" in fields:
            content["entities"] = list(_entities(fields["text"]))
        if reply_to:
            content["reply_to_message"] = self._quotable(reply_to.chat_id, reply_to.message_id)
        self._chats[chat["id"]] = chat
        self._messages[chat["id"], content["message_id"]] = content
        if edited_after is None:
            return self.update("message", content)
        return self.update("edited_message", {**content, "edit_date": _TODAY + edited_after})

    def press(self, data: str | None, message: Sent, *, accessible: bool = True) -> Json:
        """Return the update that brings a patient's press on a button of a message, which may be too old to access."""
        place = message.chat_id, message.message_id
        content = self._messages[place]
        if not accessible:  # neither can it be edited or quoted any more
            del self._messages[place]
            content = {"message_id": message.message_id, "chat": content["chat"], "date": 0}
        callback_id = str(next(self._numbers))
        self._pressed[callback_id] = content
        query = {"id": callback_id, "from": PATIENT, "chat_instance": "1", "data": data, "message": content}
        return self.update("callback_query", query)

    def update(self, kind: str, content: Json) -> Json:
        """Return an update of any kind, which getUpdates will bring too unless the bot does not want that kind."""
        update = {"update_id": next(self._numbers), kind: content}
        if not self._allowed or kind in self._allowed:
            self._updates.append(update)
        return update

    def unanswered_presses(self) -> int:
        """Return how many pressed buttons still spin."""
        return len(self._pressed)

    def unconfirmed(self) -> int:
        """Return how many updates getUpdates would still bring."""
        return len(self._updates)

    def _get_updates(self, parameters: Mapping[str, str]) -> list[Json]:
        if self._webhook:
            raise RefusedError(_WEBHOOK_IS_ACTIVE, 409)
        self._allowed = json.loads(parameters.get("allowed_updates", "null")) or self._allowed
        offset, limit = int(parameters.get("offset", 0)), int(parameters.get("limit", _MOST_UPDATES))
        newest = max((update["update_id"] for update in self._updates), default=offset)
        if offset <= newest + _FARTHEST_OFFSET:
            self._updates = [update for update in self._updates if update["update_id"] >= offset]
        return self._updates[: min(limit, _MOST_UPDATES)]

    def _get_webhook_info(self, _: Mapping[str, str]) -> Json:
        return {
            "url": self._webhook,
            "has_custom_certificate": False,
            "pending_update_count": len(self._updates),
            "allowed_updates": self._allowed,
        }

    def _set_webhook(self, parameters: Mapping[str, str]) -> bool:
        self._webhook = parameters.get("url", "")
        self._allowed = json.loads(parameters.get("allowed_updates", "null")) or self._allowed
        if parameters.get("drop_pending_updates") == "true":
            self._updates.clear()
        return True

    def _send_message(self, parameters: Mapping[str, str]) -> Json:
        chat = self._chat(parameters)
        replies_to = self._replied_to(chat["id"], _json(parameters, "reply_parameters"))
        content = {"message_id": next(self._numbers), "date": _TODAY, "chat": chat, "from": BOT}
        if replies_to:
            content["reply_to_message"] = self._quotable(chat["id"], replies_to)
        return self._show(content, parameters.get("text", ""), parameters, "message")

    def _edit_message_text(self, parameters: Mapping[str, str]) -> Json:
        return self._show(self._own_message(parameters), parameters.get("text", ""), parameters, "edit")

    def _edit_message_reply_markup(self, parameters: Mapping[str, str]) -> Json:
        content = self._own_message(parameters)
        html, _ = self._as_sent[content["chat"]["id"], content["message_id"]]
        return self._show(content, html, {**parameters, "parse_mode": "HTML"}, "edit")

    def _answer_callback_query(self, parameters: Mapping[str, str]) -> bool:
        if (message := self._pressed.pop(parameters.get("callback_query_id", ""), None)) is None:
            raise RefusedError(_TOO_OLD)
        if text := parameters.get("text"):
            place = message["message_id"], message["chat"]["id"]
            self.sent.append(Sent(*place, escape(text, quote=False), text, kind="notification"))
        return True

    def _show(
        self,
        content: Json,
        written: str,
        parameters: Mapping[str, str],
        kind: Literal["message", "edit"],
    ) -> Json:
        html = _html(written, parameters.get("parse_mode", ""))
        text, markup = _checked_text(html), _json(parameters, "reply_markup")
        place = content["chat"]["id"], content["message_id"]
        if self._as_sent.get(place) == (html, markup):
            raise RefusedError(_NOT_MODIFIED)
        buttons = tuple(_buttons(markup.get("inline_keyboard", [])))
        replies_to = content.get("reply_to_message", {}).get("message_id")
        self.sent.append(Sent(place[1], place[0], html, text, buttons, replies_to, kind))
        self._as_sent[place] = html, markup
        self._messages[place] = {**content, "text": text, **({"reply_markup": markup} if markup else {})}
        return self._messages[place]

    def _chat(self, parameters: Mapping[str, str]) -> Json:
        chat_id = parameters.get("chat_id", "")
        if not chat_id:
            raise RefusedError("chat_id is empty")
        if not chat_id.lstrip("-").isdecimal() or int(chat_id) not in self._chats:
            raise RefusedError("chat not found")
        if int(chat_id) in self.blocked:
            raise RefusedError("Forbidden: bot was blocked by the user", 403)
        return self._chats[int(chat_id)]

    def _own_message(self, parameters: Mapping[str, str]) -> Json:
        chat = self._chat(parameters)
        if not parameters.get("message_id"):
            raise RefusedError("message identifier is not specified")
        content = self._messages.get((chat["id"], int(parameters["message_id"])))
        if content is None:
            raise RefusedError("message to edit not found")
        if content["from"] != BOT:
            raise RefusedError("message can't be edited")
        return {key: value for key, value in content.items() if key != "reply_markup"}

    def _quotable(self, chat_id: int, message_id: int) -> Json:
        """Return a message as one that replies to it holds it: what it replies to itself is left out."""
        message = self._messages[chat_id, message_id]
        return {key: value for key, value in message.items() if key != "reply_to_message"}

    def _replied_to(self, chat_id: int, reply_parameters: Json) -> int | None:
        message_id: int | None = reply_parameters.get("message_id")
        if message_id is None or (chat_id, message_id) in self._messages:
            return message_id
        if not reply_parameters.get("allow_sending_without_reply"):
            raise RefusedError("message to be replied not found")
        return None


def _json(parameters: Mapping[str, str], name: str) -> Json:
    try:
        value: Json = json.loads(parameters.get(name) or "{}")
    except ValueError:
        raise RefusedError(f"can't parse {name.replace('_', ' ')} JSON object") from None
    return value


def _html(written: str, parse_mode: str) -> str:
    """Return what was written as HTML; the two dialects of Markdown that Telegram knows are not ours."""
    if parse_mode.lower() not in ("", "html"):
        raise RefusedError("unsupported parse_mode")
    return written if parse_mode else escape(written, quote=False)


def _checked_text(html: str) -> str:
    if not html:
        raise RefusedError("message text is empty")
    if len(html.encode()) > _LONGEST_MARKUP_BYTES:
        raise RefusedError("text is too long")
    text = plain(html).strip()
    if is_blank(text):
        raise RefusedError("text must be non-empty")
    if _units(text) > _LONGEST_TEXT:
        raise RefusedError("message is too long")
    return text


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def plain(html: str) -> str:
    """Return the text of Telegram's HTML, or raise RefusedError as Telegram refuses what it can't parse."""
    open_tags: list[str] = []
    text = []
    for piece in _PIECE.finditer(html):
        place = f"at byte offset {len(html[: piece.start()].encode())}"
        if piece["text"]:
            if _ENTITY.search(piece["text"]):
                raise _unparsable(f"Unescaped & {place}")  # Telegram shows it; we would not mean it
            text.append(unescape(piece["text"]))
        elif piece["stray"]:
            raise _unparsable(f"Unclosed start tag {place}" if piece["stray"] == "<" else f"Unescaped > {place}")
        elif piece["close"]:
            _close(open_tags, piece["tag"], place)
        else:
            _check_tag(piece["tag"], piece["attributes"], place)
            open_tags.append(piece["tag"])
    if open_tags:
        raise _unparsable(f'Can\'t find end tag corresponding to start tag "{open_tags[-1]}"')
    return "".join(text)


def _unparsable(reason: str) -> RefusedError:
    return RefusedError(f"can't parse entities: {reason}")


def _close(open_tags: list[str], tag: str, place: str) -> None:
    if not open_tags:
        raise _unparsable(f"Unexpected end tag {place}")
    if (expected := open_tags.pop()) != tag:
        raise _unparsable(f'Unmatched end tag {place}, expected "</{expected}>", found "</{tag}>"')


def _check_tag(tag: str, attributes: str, place: str) -> None:
    if tag not in _TAGS:
        raise _unparsable(f'Unsupported start tag "{tag}" {place}')
    if not re.fullmatch(_TAGS[tag], attributes):
        raise _unparsable(f'Unsupported attributes in the tag "{tag}" {place}')  # Telegram drops them; see above


def _buttons(rows: list[list[Json]]) -> Iterator[Button]:
    if not all(1 <= len(row) <= _MOST_IN_A_ROW for row in rows) or sum(map(len, rows)) > _MOST_BUTTONS:
        raise RefusedError("reply markup is too long or has an empty row")  # Telegram drops what is too much
    for button in (button for row in rows for button in row):
        yield _button(button)


def _button(button: Json) -> Button:
    label, data, url = button.get("text", ""), button.get("callback_data"), button.get("url")
    copy = button["copy_text"]["text"] if "copy_text" in button else None
    if is_blank(label):
        raise RefusedError("inline keyboard button text must be non-empty")
    if sum(action is not None for action in (data, url, copy)) != 1:
        raise RefusedError("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
    if data is not None and not 1 <= len(data.encode()) <= _LONGEST_DATA_BYTES:
        raise RefusedError("BUTTON_DATA_INVALID")
    if url is not None and not _URL.fullmatch(url):
        raise RefusedError(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")
    if copy is not None and (is_blank(copy) or _units(copy) > _LONGEST_COPY):
        raise RefusedError("BUTTON_COPY_TEXT_INVALID")
    return Button(label, data, url, copy)


def _entities(text: str) -> Iterator[Json]:
    """Yield the commands and mentions of a text, as Telegram marks them; places count in UTF-16 units."""
    for found in _MARKED.finditer(text):
        yield {"type": found.lastgroup, "offset": _units(text[: found.start()]), "length": _units(found[0])}


class OfflineRequest(BaseRequest):
    """What python-telegram-bot uses in place of the network."""

    def __init__(self, telegram: Telegram) -> None:
        self._telegram = telegram

    @property
    def read_timeout(self) -> float | None:
        """No time-out: an answer is always there."""
        return None

    async def initialize(self) -> None:
        """Do nothing: there is no connection to open."""

    async def shutdown(self) -> None:
        """Do nothing: there is no connection to close."""

    async def do_request(
        self, url: str, method: str, request_data: RequestData | None = None, *_: Any, **__: Any
    ) -> tuple[int, bytes]:
        """Answer a call as Telegram would."""
        parameters = request_data.json_parameters if request_data else {}
        status, answer = self._telegram.call(url.rpartition("/")[2], parameters)
        return status, json.dumps(answer).encode()


class Conversation:
    """A patient's chat with the bot, through the real handlers."""

    def __init__(self, telegram: Telegram, application: App) -> None:
        self.telegram = telegram
        self._application = application

    async def say(self, text: str, **fields: Any) -> list[Sent]:
        """Send a text; return what the bot sent."""
        return await self.send(text=text, **fields)

    async def send(self, **fields: Any) -> list[Sent]:
        """Send a message with any fields; return what the bot sent."""
        return await self.receive(self.telegram.message(**fields))

    async def press(self, button: Button | str, *, accessible: bool = True) -> list[Sent]:
        """Press a button, or the last one with that label; return what the bot sent or changed.

        Telegram does not tell a bot of a press on a link or on a text to copy. Raise LookupError if there is no such
        button.
        """
        for message in self._messages():
            for found in message.buttons:
                if button in (found, found.label):
                    if found.data is None:
                        return []
                    return await self.receive(self.telegram.press(found.data, message, accessible=accessible))
        raise LookupError(f"No message has the button {button!r}.")

    def _messages(self) -> Iterable[Sent]:
        """Return the bot's messages as they look now, the one that changed last first."""
        latest: dict[tuple[int, int], Sent] = {}
        for sent in reversed(self.telegram.sent):
            if sent.kind != "notification":
                latest.setdefault((sent.chat_id, sent.message_id), sent)
        return latest.values()

    async def receive(self, update: Json) -> list[Sent]:
        """Let the bot handle an update of any kind; return what it sent or changed."""
        already = len(self.telegram.sent)
        await self._application.process_update(Update.de_json(update, self._application.bot))
        return self.telegram.sent[already:]


@asynccontextmanager
async def open_conversation(handlers: Handlers) -> AsyncIterator[Conversation]:
    """Open a conversation with these handlers; no token, no network."""
    telegram = Telegram()
    application = build_application(build_bot(TOKEN, request=OfflineRequest(telegram)), handlers)
    async with application:
        yield Conversation(telegram, application)
