"""The Telegram inside the process takes what the real one takes, and refuses what it refuses, in its words."""

import json

import pytest
from telegram import CopyTextButton, InlineKeyboardButton, InlineKeyboardMarkup, ReplyParameters, Update
from telegram.error import BadRequest, Conflict, Forbidden, InvalidToken
from telegram.ext import Application, CallbackQueryHandler, CommandHandler, MessageHandler, filters

from bot.app import build_bot
from bot.handlers import Handlers
from bot.offline import (
    BOT,
    GROUP,
    PRIVATE,
    TOKEN,
    Button,
    Conversation,
    OfflineRequest,
    RefusedError,
    Sent,
    Telegram,
    open_conversation,
    plain,
)

BUTTONS = InlineKeyboardMarkup(
    [
        [InlineKeyboardButton("again", callback_data="a"), InlineKeyboardButton("loud", callback_data="l")],
        [
            InlineKeyboardButton("site", "https://clinic.example"),
            InlineKeyboardButton("copy", copy_text=CopyTextButton("x")),
        ],
    ]
)


async def echo(update: Update, _) -> None:
    message = update.effective_message
    quote = ReplyParameters(message.message_id) if message.chat.id == GROUP["id"] else None
    await message.chat.send_message(message.text or "no text", "HTML", reply_markup=BUTTONS, reply_parameters=quote)


async def start(update: Update, context) -> None:
    await update.effective_chat.send_message(f"started {' '.join(context.args)}")


async def pressed(update: Update, _) -> None:
    if update.callback_query.data == "l":
        await update.callback_query.answer("<loud>", show_alert=True)
    else:
        await update.callback_query.answer()
        await update.callback_query.edit_message_text("edited", reply_markup=BUTTONS)


@pytest.fixture
def telegram() -> Telegram:
    return Telegram()


@pytest.fixture
async def bot(telegram):
    """A bot in that Telegram, to which one patient has written, and not to be told from one on the real one."""
    telegram.message(text="hello")
    async with build_bot(TOKEN, request=OfflineRequest(telegram)) as bot:
        yield bot


@pytest.fixture
async def conversation(telegram):
    """A conversation with a bot that says what it is told."""
    application = Application.builder().bot(build_bot(TOKEN, request=OfflineRequest(telegram))).updater(None).build()
    application.add_handlers(
        [CommandHandler("start", start), CallbackQueryHandler(pressed), MessageHandler(filters.ALL, echo)]
    )
    async with application:
        yield Conversation(telegram, application)


def keyboard(*buttons: dict) -> str:
    return json.dumps({"inline_keyboard": [[{"text": "press", **button}] for button in buttons]})


def refusal(telegram: Telegram, method: str = "sendMessage", **parameters: str) -> str:
    """Return the description of a refusal, with the prefix that all these have."""
    status, answer = telegram.call(method, {"chat_id": "7", "text": "x", **parameters})
    assert (status, answer["ok"], answer["error_code"]) == (400, False, 400)
    return answer["description"].removeprefix("Bad Request: ")


# --- texts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("plain", "plain"),
        ("<b>a <i>b</i></b> <tg-spoiler>c</tg-spoiler>", "a b c"),
        (
            '<a href="https://a.org/?x=1&amp;y=2">a &amp; b &lt;c&gt; &quot;d&quot; &#39;e&#x27;</a>',
            "a & b <c> \"d\" 'e'",
        ),
        ('<pre><code class="language-py">1</code></pre><span class="tg-spoiler">2</span>', "12"),
        ("<blockquote expandable>a</blockquote><blockquote>b</blockquote>", "ab"),
    ],
)
def test_telegrams_html_becomes_its_text(html, text):
    assert plain(html) == text


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ("<p>a</p>", 'Unsupported start tag "p" at byte offset 0'),
        ("é<br/>", 'Unsupported start tag "br" at byte offset 2'),
        ("a < b > c", 'Unsupported start tag "" at byte offset 2'),
        ("a < b", "Unclosed start tag at byte offset 2"),
        ("a > b", "Unescaped > at byte offset 2"),
        ("AT&T", "Unescaped & at byte offset 0"),
        ("a&nbsp;b", "Unescaped & at byte offset 0"),
        ("<b>a", 'Can\'t find end tag corresponding to start tag "b"'),
        ("a</b>", "Unexpected end tag at byte offset 1"),
        ("<b><i>a</b></i>", 'Unmatched end tag at byte offset 7, expected "</i>", found "</b>"'),
        ('<b class="x">a</b>', 'Unsupported attributes in the tag "b" at byte offset 0'),
        ("<a>a</a>", 'Unsupported attributes in the tag "a" at byte offset 0'),
        ("<span>a</span>", 'Unsupported attributes in the tag "span" at byte offset 0'),
    ],
)
def test_html_that_telegram_cannot_parse_is_refused_with_the_place(html, reason):
    with pytest.raises(RefusedError, match="Bad Request: can't parse entities: ") as refused:
        plain(html)
    assert str(refused.value).endswith(reason)


@pytest.mark.parametrize(
    ("parameters", "description"),
    [
        ({"text": ""}, "message text is empty"),
        ({"text": " \n\t"}, "text must be non-empty"),
        ({"text": "<b> </b>", "parse_mode": "HTML"}, "text must be non-empty"),
        ({"text": "\u200b\ufeff"}, "text must be non-empty"),
        ({"text": "x" * 4097}, "message is too long"),
        ({"text": "😀" * 2049}, "message is too long"),  # such a character counts twice
        ({"text": "x" * 32769}, "text is too long"),
        ({"parse_mode": "BBCode"}, "unsupported parse_mode"),
        ({"chat_id": ""}, "chat_id is empty"),
        ({"chat_id": "8"}, "chat not found"),
        ({"chat_id": "@clinic"}, "chat not found"),
        ({"reply_parameters": '{"message_id": 99}'}, "message to be replied not found"),
        ({"reply_parameters": "{"}, "can't parse reply parameters JSON object"),
        ({"reply_markup": "{"}, "can't parse reply markup JSON object"),
    ],
)
def test_a_message_is_refused_in_telegrams_words(telegram, parameters, description):
    telegram.message(text="hello")
    assert refusal(telegram, **parameters) == description
    assert telegram.sent == []


@pytest.mark.parametrize("text", ["x" * 4096, "😀" * 2048, "  " + "x" * 4096 + "\n", "<b>" + "x" * 4096 + "</b>"])
async def test_the_longest_text_is_taken(telegram, bot, text):
    await bot.send_message(7, text, "HTML")
    assert telegram.sent[-1].text in ("x" * 4096, "😀" * 2048)


# --- buttons ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("markup", "description"),
    [
        (keyboard({"callback_data": "x" * 65}), "BUTTON_DATA_INVALID"),
        (keyboard({"callback_data": "é" * 33}), "BUTTON_DATA_INVALID"),
        (keyboard({"callback_data": ""}), "BUTTON_DATA_INVALID"),
        (keyboard({"copy_text": {"text": "x" * 257}}), "BUTTON_COPY_TEXT_INVALID"),
        (keyboard({"copy_text": {"text": "😀" * 129}}), "BUTTON_COPY_TEXT_INVALID"),
        (keyboard({"copy_text": {"text": ""}}), "BUTTON_COPY_TEXT_INVALID"),
        (keyboard({"copy_text": {"text": " \u200b"}}), "BUTTON_COPY_TEXT_INVALID"),
        (keyboard({"url": "tel:+123"}), "inline keyboard button URL 'tel:+123' is invalid: Wrong HTTP URL"),
        (
            keyboard({"url": "http://localhost"}),
            "inline keyboard button URL 'http://localhost' is invalid: Wrong HTTP URL",
        ),
        (
            keyboard({"url": "https://a.org:65536"}),
            "inline keyboard button URL 'https://a.org:65536' is invalid: Wrong HTTP URL",
        ),
        (
            keyboard({"url": "https://a[b].org"}),
            "inline keyboard button URL 'https://a[b].org' is invalid: Wrong HTTP URL",
        ),
        (keyboard({"text": "", "callback_data": "x"}), "inline keyboard button text must be non-empty"),
        (keyboard({}), "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"),
        (
            keyboard({"url": "https://a.org", "callback_data": "x"}),
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        ),
        (keyboard(*[{"callback_data": "x"}] * 101), "reply markup is too long or has an empty row"),
        ('{"inline_keyboard": [[]]}', "reply markup is too long or has an empty row"),
        (
            json.dumps({"inline_keyboard": [[{"text": "x", "callback_data": "x"}] * 9]}),
            "reply markup is too long or has an empty row",
        ),
    ],
)
def test_a_keyboard_is_refused_in_telegrams_words(telegram, markup, description):
    telegram.message(text="hello")
    assert refusal(telegram, reply_markup=markup) == description


@pytest.mark.parametrize(
    "button",
    [
        {"callback_data": "é" * 32},
        {"copy_text": {"text": "x" * 256}},
        {"url": "https://clinic.example:8080/contact?a=1"},
        {"url": "HTTP://clinic.example"},
        {"url": "tg://resolve?domain=clinic"},
    ],
)
def test_a_good_button_is_taken(telegram, button):
    telegram.message(text="hello")
    parameters = {"chat_id": "7", "text": "x", "reply_markup": keyboard(*[button] * 100)}
    assert telegram.call("sendMessage", parameters)[0] == 200
    assert len(telegram.sent[0].buttons) == 100


# --- edits and presses -----------------------------------------------------------------------------------------------


async def test_an_edit_shows_the_message_anew(telegram, bot):
    message = await bot.send_message(7, "one", reply_markup=BUTTONS)
    await message.edit_text("<b>two</b>", "HTML")
    edited = telegram.sent[-1]
    assert edited == Sent(message.message_id, 7, "<b>two</b>", "two", kind="edit")
    await message.edit_reply_markup(BUTTONS)
    assert telegram.sent[-1].text == "two"
    assert telegram.sent[-1].labels == ("again", "loud", "site", "copy")


async def test_an_edit_that_changes_nothing_is_refused(bot):
    message = await bot.send_message(7, "one", reply_markup=BUTTONS)
    with pytest.raises(BadRequest, match="Message is not modified: specified new message content and reply markup"):
        await message.edit_text("one", reply_markup=BUTTONS)
    with pytest.raises(BadRequest, match="Message is not modified"):
        await message.edit_reply_markup(BUTTONS)


@pytest.mark.parametrize(
    ("message_id", "description"),
    [
        ("", "message identifier is not specified"),
        ("99", "message to edit not found"),
        ("1", "message can't be edited"),
    ],
)
def test_only_own_messages_can_be_edited(telegram, message_id, description):
    telegram.message(text="hello")
    assert refusal(telegram, "editMessageText", message_id=message_id) == description


async def test_a_press_is_answered_once(telegram, bot, conversation):
    await conversation.say("hi")
    query = Update.de_json(telegram.press("a", telegram.sent[-1]), bot).callback_query
    assert telegram.unanswered_presses() == 1
    await query.answer()
    assert telegram.unanswered_presses() == 0
    with pytest.raises(BadRequest, match="Query is too old and response timeout expired or query id is invalid"):
        await query.answer()


# --- the bot itself --------------------------------------------------------------------------------------------------


async def test_the_bot_knows_itself(bot):
    assert (bot.id, bot.username) == (BOT["id"], BOT["username"])
    assert await bot.set_my_commands([("start", "Begin")])


async def test_an_unknown_method_is_not_found(bot):
    with pytest.raises(InvalidToken, match="Not Found"):
        await bot.send_dice(7)


async def test_whoever_blocked_the_bot_hears_nothing(telegram, bot):
    telegram.blocked.add(7)
    with pytest.raises(Forbidden, match="bot was blocked by the user"):
        await bot.send_message(7, "hello")


async def test_updates_come_until_they_are_confirmed(telegram, bot):
    more = [telegram.message(text=text)["update_id"] for text in ("two", "three")]
    first, *rest = [update.update_id for update in await bot.get_updates()]
    assert rest == more
    assert [update.update_id for update in await bot.get_updates(limit=2)] == [first, more[0]]
    assert [update.update_id for update in await bot.get_updates(more[1])] == [more[1]]
    assert telegram.unconfirmed() == 1
    assert await bot.get_updates(more[1] + 1) == ()


async def test_an_offset_from_far_in_the_future_confirms_nothing(telegram, bot):
    assert len(await bot.get_updates(1_000_000)) == 1
    assert telegram.unconfirmed() == 1


async def test_kinds_that_the_bot_does_not_want_stay_away(telegram, bot):
    await bot.get_updates(allowed_updates=["callback_query"])
    telegram.message(text="two")
    assert telegram.unconfirmed() == 1


async def test_a_webhook_ends_polling_until_it_is_deleted(telegram, bot):
    await bot.set_webhook("https://clinic.example/telegram", allowed_updates=["message"])
    info = await bot.get_webhook_info()
    assert (info.url, info.pending_update_count) == ("https://clinic.example/telegram", 1)
    with pytest.raises(Conflict, match="can't use getUpdates method while webhook is active"):
        await bot.get_updates()
    await bot.delete_webhook()
    assert len(await bot.get_updates()) == 1
    await bot.delete_webhook(drop_pending_updates=True)
    assert await bot.get_updates() == ()


# --- conversations ---------------------------------------------------------------------------------------------------


async def test_what_is_said_comes_back(conversation):
    [sent] = await conversation.say("<b>hi</b>")
    assert (sent.text, sent.html, sent.kind, sent.chat_id) == ("hi", "<b>hi</b>", "message", 7)
    assert sent.buttons[0] == Button("again", data="a")
    assert sent.buttons[2:] == (Button("site", url="https://clinic.example"), Button("copy", copy="x"))


async def test_a_command_reaches_its_handler(conversation):
    assert [sent.text for sent in await conversation.say("/start chronic-pain")] == ["started chronic-pain"]
    assert [sent.text for sent in await conversation.say("😀 /start")] == ["😀 /start"]


async def test_a_press_edits_the_message_it_was_pressed_under(conversation):
    [sent] = await conversation.say("hi")
    [edited] = await conversation.press("again")
    assert (edited.kind, edited.text, edited.message_id) == ("edit", "edited", sent.message_id)
    assert conversation.telegram.unanswered_presses() == 0


async def test_a_notification_is_seen(conversation):
    [message] = await conversation.say("hi")
    [seen] = await conversation.press(message.buttons[1])
    assert (seen.kind, seen.html, seen.text) == ("notification", "&lt;loud&gt;", "<loud>")
    assert await conversation.press("again")  # the notification hides no button


@pytest.mark.parametrize("label", ["site", "copy"])
async def test_telegram_tells_nothing_of_a_press_on_a_link_or_on_text_to_copy(conversation, label):
    await conversation.say("hi")
    assert await conversation.press(label) == []


async def test_a_button_that_is_nowhere_cannot_be_pressed(conversation):
    await conversation.say("hi")
    with pytest.raises(LookupError, match="No message has the button 'bye'"):
        await conversation.press("bye")


async def test_an_old_message_cannot_be_accessed_when_its_button_is_pressed(telegram, bot, conversation):
    [sent] = await conversation.say("hi")
    query = Update.de_json(telegram.press("a", sent, accessible=False), bot).callback_query
    assert not query.message.is_accessible
    with pytest.raises(BadRequest, match="Message to edit not found"):
        await query.edit_message_text("edited")


FILE = {"file_id": "a", "file_unique_id": "b"}


@pytest.mark.parametrize(
    "fields",
    [
        {"photo": [{**FILE, "width": 1, "height": 1}], "caption": "look"},
        {"voice": {**FILE, "duration": 1}},
        {"document": FILE},
    ],
)
async def test_messages_without_text_arrive_too(conversation, fields):
    assert [sent.text for sent in await conversation.send(**fields)] == ["no text"]


async def test_in_a_group_mentions_edits_and_replies_arrive_as_from_telegram(telegram, bot, conversation):
    [sent] = await conversation.say("hi", chat=GROUP)
    assert sent.chat_id == GROUP["id"]
    assert sent.replies_to is not None
    update = Update.de_json(telegram.message(chat=GROUP, text="é 😀 @clinic_faq_bot why", reply_to=sent), bot)
    assert update.message.parse_entities() == {update.message.entities[0]: "@clinic_faq_bot"}
    assert update.message.reply_to_message.from_user.id == bot.id
    edited = Update.de_json(telegram.message(chat=PRIVATE, text="so", edited_after=90), bot).edited_message
    assert (edited.edit_date - edited.date).total_seconds() == 90


async def test_a_message_of_the_bots_holds_what_it_replies_to_and_keeps_it_when_edited(telegram, bot, conversation):
    [sent] = await conversation.say("hi", chat=GROUP, message_id=500)
    [edited] = await conversation.press("again")
    assert (sent.replies_to, edited.replies_to) == (500, 500)
    message = Update.de_json(telegram.press("a", edited), bot).callback_query.message
    assert message.reply_to_message.text == "hi"
    update = Update.de_json(telegram.message(chat=GROUP, text="so", reply_to=edited), bot)
    assert update.message.reply_to_message.text == "edited"
    assert update.message.reply_to_message.reply_to_message is None


async def test_a_reply_without_its_message_is_sent_when_that_is_allowed(telegram, bot):
    await bot.send_message(7, "x", reply_parameters=ReplyParameters(99, allow_sending_without_reply=True))
    assert telegram.sent[-1].replies_to is None


async def test_the_real_handlers_need_neither_token_nor_network(faq):
    async with open_conversation(Handlers(faq)) as conversation:
        assert await conversation.say("/help")


def test_the_network_is_never_waited_for(telegram):
    assert OfflineRequest(telegram).read_timeout is None
