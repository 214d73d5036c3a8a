"""A Telegram inside the process, as strict as the real one: the terminal and the tests talk to the bot through it."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape
from itertools import count
from typing import Any

from telegram import Update
from telegram.request import BaseRequest, RequestData

from bot.app import App, build_application, build_bot
from bot.handlers import Handlers

Json = dict[str, Any]

BOT: Json = {"id": 1, "is_bot": True, "first_name": "Clinic FAQ", "username": "clinic_faq_bot"}
PATIENT: Json = {"id": 7, "is_bot": False, "first_name": "Pat"}
PRIVATE: Json = {"id": 7, "type": "private", "first_name": "Pat"}
TOKEN = "1:offline"  # noqa: S105  # it opens nothing
# Telegram counts seconds since 1970; any day will do.
_TODAY = 1_800_000_000

# https://core.telegram.org/bots/api#sendmessage, #inlinekeyboardbutton, #html-style
_LONGEST_TEXT, _LONGEST_DATA, _LONGEST_COPY = 4096, 64, 256
_MOST_IN_A_ROW, _MOST_BUTTONS = 8, 100
_BARE_TAGS = {"b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "code", "pre", "blockquote", "tg-spoiler"}
_PIECE = re.compile(r"<(?P<close>/?)(?P<tag>[a-z-]+)(?P<attributes>[^<>]*)>|(?P<text>[^<>]+)|(?P<stray>[<>])")
_ENTITY = re.compile(r"&(?!(?:lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);)")
_MARKED = re.compile(r"(?P<bot_command>(?<!\S)/[a-z_]+(?:@\w+)?)|(?P<mention>@\w+)", re.IGNORECASE)


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
    """A message of the bot as the patient sees it, after its last edit."""

    message_id: int
    chat_id: int
    html: str
    text: str
    buttons: tuple[Button, ...] = ()
    replies_to: int | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """What stands on the buttons."""
        return tuple(button.label for button in self.buttons)


class Telegram:
    """Answers calls of the Bot API, keeps the messages of every chat, and makes the updates of patients."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self._messages: dict[tuple[int, int], Json] = {}
        self._pressed: set[str] = set()
        self._updates: list[Json] = []
        self._numbers = count(1)
        self._methods = {
            "getMe": lambda _: BOT,
            "getUpdates": self._get_updates,
            "deleteWebhook": lambda _: True,
            "sendMessage": self._send_message,
            "editMessageText": self._edit_message_text,
            "answerCallbackQuery": self._answer_callback_query,
        }

    def call(self, method: str, parameters: dict[str, str]) -> tuple[int, Json]:
        """Carry out a call with its parameters as a form holds them; return the HTTP status and Telegram's JSON."""
        try:
            if method not in self._methods:
                raise RefusedError("Not Found", 404)
            return 200, {"ok": True, "result": self._methods[method](parameters)}
        except RefusedError as refused:
            return refused.status, {"ok": False, "error_code": refused.status, "description": str(refused)}

    def message(self, *, chat: Json = PRIVATE, edited_after: int | None = None, **fields: Any) -> Json:
        """Return the update that brings a patient's message with these fields, `text=` or another."""
        content = {"message_id": next(self._numbers), "date": _TODAY, "chat": chat, "from": PATIENT, **fields}
        if "text" in fields:
            content["entities"] = list(_entities(fields["text"]))
        self._messages[chat["id"], content["message_id"]] = content
        if edited_after is None:
            return self._update("message", content)
        return self._update("edited_message", {**content, "edit_date": _TODAY + edited_after})

    def press(self, data: str | None, message: Sent, *, accessible: bool = True) -> Json:
        """Return the update that brings a patient's press on a button of a message, which may be too old to access."""
        content = self._messages[message.chat_id, message.message_id]
        if not accessible:
            content = {"message_id": message.message_id, "chat": content["chat"], "date": 0}
        callback_id = str(next(self._numbers))
        self._pressed.add(callback_id)
        query = {"id": callback_id, "from": PATIENT, "chat_instance": "1", "data": data, "message": content}
        return self._update("callback_query", query)

    def unanswered_presses(self) -> int:
        """Return how many pressed buttons still spin."""
        return len(self._pressed)

    def unconfirmed(self) -> int:
        """Return how many updates getUpdates would still bring."""
        return len(self._updates)

    def _update(self, kind: str, content: Json) -> Json:
        update = {"update_id": next(self._numbers), kind: content}
        self._updates.append(update)
        return update

    def _get_updates(self, parameters: dict[str, str]) -> list[Json]:
        offset, limit = int(parameters.get("offset", 0)), int(parameters.get("limit", 100))
        self._updates = [update for update in self._updates if update["update_id"] >= offset]
        return self._updates[:limit]

    def _send_message(self, parameters: dict[str, str]) -> Json:
        chat = self._chat(int(parameters["chat_id"]))
        replies_to = self._replied_to(chat["id"], json.loads(parameters.get("reply_parameters", "{}")))
        content = {"message_id": next(self._numbers), "date": _TODAY, "chat": chat, "from": BOT}
        return self._show(content, parameters, replies_to)

    def _edit_message_text(self, parameters: dict[str, str]) -> Json:
        content = self._messages.get((int(parameters["chat_id"]), int(parameters["message_id"])))
        if content is None:
            raise RefusedError("message to edit not found")
        if content["from"] != BOT:
            raise RefusedError("message can't be edited")
        if (parameters["text"], parameters.get("reply_markup")) == content["as_sent"]:
            raise RefusedError("message is not modified: specified new message content is exactly the same")
        return self._show(content, parameters, None)

    def _answer_callback_query(self, parameters: dict[str, str]) -> bool:
        if parameters["callback_query_id"] not in self._pressed:
            raise RefusedError("query is too old and response timeout expired or query ID is invalid")
        self._pressed.remove(parameters["callback_query_id"])
        return True

    def _show(self, content: Json, parameters: dict[str, str], replies_to: int | None) -> Json:
        html, markup = parameters["text"], parameters.get("reply_markup")
        text = plain(html) if parameters.get("parse_mode") == "HTML" else html
        length = len(text.strip().encode("utf-16-le")) // 2
        if not length:
            raise RefusedError("message text is empty")
        if length > _LONGEST_TEXT:
            raise RefusedError("message is too long")
        buttons = tuple(_buttons(json.loads(markup))) if markup else ()
        sent = Sent(content["message_id"], content["chat"]["id"], html, text, buttons, replies_to)
        self.sent.append(sent)
        content |= {"text": text, "as_sent": (html, markup)}
        self._messages[sent.chat_id, sent.message_id] = content
        return {key: value for key, value in content.items() if key != "as_sent"}

    def _chat(self, chat_id: int) -> Json:
        for message in self._messages.values():
            if message["chat"]["id"] == chat_id:
                chat: Json = message["chat"]
                return chat
        raise RefusedError("chat not found")

    def _replied_to(self, chat_id: int, reply_parameters: Json) -> int | None:
        message_id: int | None = reply_parameters.get("message_id")
        if message_id is None or (chat_id, message_id) in self._messages:
            return message_id
        if not reply_parameters.get("allow_sending_without_reply"):
            raise RefusedError("message to be replied not found")
        return None


def plain(html: str) -> str:
    """Return the text of Telegram's HTML, or raise RefusedError as Telegram refuses what it can't parse."""
    open_tags: list[str] = []
    text = []
    for piece in _PIECE.finditer(html):
        if piece["text"]:
            if _ENTITY.search(piece["text"]):
                raise RefusedError("can't parse entities: unescaped &")  # Telegram shows it; we would not mean it
            text.append(unescape(piece["text"]))
        elif piece["stray"]:
            raise RefusedError(f"can't parse entities: unexpected {piece['stray']} at {piece.start()}")
        elif piece["close"]:
            if not open_tags or open_tags.pop() != piece["tag"]:
                raise RefusedError(f"can't parse entities: unexpected end tag </{piece['tag']}>")
        else:
            _check_tag(piece["tag"], piece["attributes"])
            open_tags.append(piece["tag"])
    if open_tags:
        raise RefusedError(f"can't parse entities: can't find end tag for <{open_tags[-1]}>")
    return "".join(text)


def _check_tag(tag: str, attributes: str) -> None:
    if tag == "a" and re.fullmatch(r'\s+href="[^"]+"', attributes):
        return
    if tag not in _BARE_TAGS or attributes:
        raise RefusedError(f"can't parse entities: unsupported start tag <{tag}{attributes}>")


def _buttons(markup: Json) -> Iterator[Button]:
    rows = markup["inline_keyboard"]
    if not all(1 <= len(row) <= _MOST_IN_A_ROW for row in rows) or sum(map(len, rows)) > _MOST_BUTTONS:
        raise RefusedError("reply markup is too long or has an empty row")
    for button in (button for row in rows for button in row):
        yield _button(button)


def _button(button: Json) -> Button:
    label, data, url = button.get("text", ""), button.get("callback_data"), button.get("url")
    copy = button["copy_text"]["text"] if "copy_text" in button else None
    if not label:
        raise RefusedError("button text must be non-empty")
    if sum(action is not None for action in (data, url, copy)) != 1:
        raise RefusedError("text buttons are unallowed in the inline keyboard")
    if data is not None and not 1 <= len(data.encode()) <= _LONGEST_DATA:
        raise RefusedError("BUTTON_DATA_INVALID")
    if url is not None and not re.match(r"(https?|tg)://\S+$", url):
        raise RefusedError("BUTTON_URL_INVALID")
    if copy is not None and not 1 <= len(copy) <= _LONGEST_COPY:
        raise RefusedError("BUTTON_COPY_TEXT_INVALID")
    return Button(label, data, url, copy)


def _entities(text: str) -> Iterator[Json]:
    """Yield the commands and mentions of a text, as Telegram marks them; places count in UTF-16 units."""
    for found in _MARKED.finditer(text):
        offset, length = (len(part.encode("utf-16-le")) // 2 for part in (text[: found.start()], found[0]))
        yield {"type": found.lastgroup, "offset": offset, "length": length}


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
        return await self._process(self.telegram.message(**fields))

    async def press(self, button: Button | str, *, accessible: bool = True) -> list[Sent]:
        """Press a button, or the last one with that label; return what the bot sent or changed."""
        label = button if isinstance(button, str) else button.label
        message, found = next(
            (sent, each) for sent in reversed(self.telegram.sent) for each in sent.buttons if each.label == label
        )
        return await self._process(self.telegram.press(found.data, message, accessible=accessible))

    async def _process(self, update: Json) -> list[Sent]:
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
