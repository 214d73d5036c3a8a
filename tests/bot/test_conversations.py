"""Whole conversations, as patients have them, through the real handlers and a Telegram as strict as the real one."""

import logging
import re
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from telegram.error import NetworkError

from bot.app import build_application, build_bot
from bot.handlers import Handlers
from bot.logs import start_logging
from bot.markdown import to_html
from bot.offline import GROUP, TOKEN, Conversation, OfflineRequest, Sent, Telegram, open_conversation, plain
from faq.model import Entry
from faq.reply import Faq, Thresholds
from tests.conftest import BICYCLES

FILE = {"file_id": "a", "file_unique_id": "b"}
PICTURE = {**FILE, "width": 9, "height": 9}
PLACE = {"latitude": 1.0, "longitude": 2.0}


@pytest.fixture(autouse=True)
async def no_button_spins_in_the_end(conversation):
    yield
    assert conversation.telegram.unanswered_presses() == 0


@pytest.fixture
async def own_conversation(own_faq):
    """A patient's conversation with the product as it is."""
    async with open_conversation(Handlers(own_faq)) as conversation:
        await conversation.say("hello, are you awake?")  # the encoder is loaded at the first question
        yield conversation


def shows(sent: Sent, entry: Entry | None) -> bool:
    """Tell whether a message is the entry's answer, under its question."""
    assert entry
    return sent.text.startswith(f"{entry.question}\n\n{plain(to_html(entry.answer))}")


def says(sent: Sent, *wording: str) -> bool:
    """Tell whether a message is one of the sentences that the bot says by itself, or several in turn."""
    return sent.html == "\n\n".join(map(to_html, wording))


# --- questions -------------------------------------------------------------------------------------------------------


async def test_a_plain_question_gets_its_answer_and_where_to_go_next(say, faq):
    [sent] = await say("oh dear, my tire is flat")
    assert shows(sent, faq.entry("flat-tire"))
    assert sent.text.endswith("Reviewed on November 24, 2026. Sources: The manual, Word of mouth.")
    assert sent.labels == ("Do you adjust brakes?", "What does a repair cost?", "All topics")
    assert sent.replies_to is None


async def test_a_related_question_is_a_press_away(conversation, say, faq):
    await say("my tire is flat")
    [sent] = await conversation.press("Do you adjust brakes?")
    assert shows(sent, faq.entry("brakes"))
    assert sent.text.endswith("Reviewed by the clinic on November 1, 2026.")


async def test_a_vague_question_is_asked_back_and_a_press_answers_it(faq_of):
    faq = faq_of(BICYCLES, thresholds=Thresholds(answer=2, clarify=0))  # sure of nothing
    async with open_conversation(Handlers(faq)) as conversation:
        [offer] = await conversation.say("bikes on a weekend")
        assert says(offer, faq.wording.clarify)
        assert offer.labels[0] == "Can I rent a bicycle?"
        assert offer.labels[-2:] == ("Contact the clinic", "All topics")
        [sent] = await conversation.press("Can I rent a bicycle?")
        assert shows(sent, faq.entry("rent-a-bicycle"))
        assert conversation.telegram.unanswered_presses() == 0


async def test_a_question_without_an_answer_leads_to_a_person(say, faq):
    [sent] = await say("  Do you sell\ncakes?  ")
    assert says(sent, faq.wording.fallback, faq.wording.fallback_contact)
    copy, contact, topics = sent.buttons
    assert (copy.label, copy.copy) == ("Copy my question", "Do you sell\ncakes?")
    assert (contact.label, contact.url) == ("Contact the clinic", "https://spokes.example/contact")
    assert topics.label == "All topics"


@pytest.mark.parametrize(
    ("typed", "copied"),
    [
        ("cakes? " * 100, ("cakes? " * 100)[:256].strip()),
        ("a" + "🍰" * 200 + " cakes", "a" + "🍰" * 127),  # Telegram counts each of these twice, and cuts none in half
        ("\u200b" * 300 + "¿cakes?", "¿cakes?"),
    ],
)
async def test_of_a_long_question_the_beginning_is_copied(faq_of, typed, copied):
    faq = faq_of(BICYCLES, thresholds=Thresholds(answer=2, clarify=4, topic=4))  # no clue
    async with open_conversation(Handlers(faq)) as conversation:
        [sent] = await conversation.say(typed)
    assert says(sent, faq.wording.fallback, faq.wording.fallback_contact)
    assert sent.buttons[0].copy == copied


async def test_what_only_a_person_can_tell_leads_to_one(say, faq):
    [sent] = await say("how much is a repair?")
    assert shows(sent, faq.entry("price-of-repairs"))
    assert sent.buttons[0].url == "https://spokes.example/contact"


@pytest.mark.parametrize(
    ("typed", "about"),
    [
        ("Hello!", "greeting"),
        ("thank you so much", "thanks"),
        ("bye", "goodbye"),
        ("what can you do?", "abilities"),
        ("do you keep what I write?", "privacy"),
        ("ok", "acknowledgement"),
        ("👍", "abilities"),
    ],
)
async def test_small_talk_is_answered_in_kind(say, faq, typed, about):
    [sent] = await say(typed)
    assert says(sent, getattr(faq.wording.smalltalk, about))
    assert sent.labels == ("All topics",)


# --- emergencies -----------------------------------------------------------------------------------------------------


async def test_an_emergency_gets_its_notice_and_nothing_else(say, faq):
    [sent] = await say("my tire is flat, I have crushing chest pain and can't breathe", message_id=500)
    assert "Call 911 now." in sent.text
    assert sent.labels == (faq.wording.buttons.not_emergency,)
    assert sent.replies_to == 500  # the button below needs the words


async def test_what_is_no_emergency_after_all_is_answered_when_that_is_pressed(conversation, say, faq):
    await say("can you mend a flat tire? do you adjust the brakes? my heart is racing, I can't breathe")
    [sent] = await conversation.press(faq.wording.buttons.not_emergency)
    assert shows(sent, faq.entry("flat-tire"))


async def test_in_a_group_the_mention_is_no_part_of_what_is_answered_then(conversation, say, faq):
    await say("@clinic_faq_bot do you sell cakes? I've crushing chest pain, can't breathe", chat=GROUP)
    [sent] = await conversation.press(faq.wording.buttons.not_emergency)
    assert "clinic_faq_bot" not in str(sent.buttons)
    assert "do you sell cakes?" in str(sent.buttons)


async def test_an_emergency_in_a_caption_is_not_overlooked(conversation):
    [sent] = await conversation.send(photo=[PICTURE], caption="crushing chest pain and I can't breathe")
    assert "Call 911 now." in sent.text


@pytest.mark.parametrize(
    "typed",
    [
        "/help I can't breathe",
        "/contact\nI can't breathe",
        "/topics@clinic_faq_bot I can't breathe",
        "/start I can't breathe",
        "/start flat-tire, crushing chest pain and I can't breathe",
        "/unknown crushing chest pain and I can't breathe",
        "/cant breathe, crushing chest pain",
    ],
)
async def test_an_emergency_behind_a_slash_is_not_overlooked(say, typed, faq):
    [sent] = await say(typed, message_id=500)
    assert "Call 911 now." in sent.text
    assert sent.labels == (faq.wording.buttons.not_emergency,)
    assert sent.replies_to == 500


@pytest.mark.parametrize("payload", ["crushing-chest-pain-I-cant-breathe", "crushing_chest_pain__I_cant_breathe"])
async def test_the_name_of_a_link_is_nobodys_cry_for_help(say, faq, payload):
    assert faq.alarm(payload)
    [sent] = await say(f"/start {payload}")
    assert says(sent, faq.wording.start)


async def test_a_caption_that_becomes_an_emergency_is_not_overlooked(conversation):
    urgent = {"photo": [PICTURE], "caption": "crushing chest pain and I can't breathe"}
    [sent] = await conversation.send(**urgent, edited_after=120)
    assert "Call 911 now." in sent.text
    assert await conversation.send(**urgent, edited_after=121) == []
    assert await conversation.send(**urgent, edited_after=120, chat=GROUP) == []


async def test_a_caption_that_is_mended_is_not_called_unreadable_again(conversation):
    assert await conversation.send(photo=[PICTURE], caption="my tire is flat", edited_after=20) == []


async def test_no_emergency_is_asked_for_anew_when_its_words_are_gone(conversation, say, faq):
    await say("crushing chest pain and I can't breathe")
    [sent] = await conversation.press(faq.wording.buttons.not_emergency, accessible=False)
    assert says(sent, faq.wording.outdated_button)


# --- commands --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload", ["flat-tire", "flat-tire__flyer-june", "flat-tire__", "flat-tire__a__b", "flat-tire  x"]
)
async def test_a_link_leads_straight_to_its_entry(say, faq, payload):
    [sent] = await say(f"/start {payload}")
    assert shows(sent, faq.entry("flat-tire"))


@pytest.mark.parametrize(
    "payload", ["", " flat", " __flyer", " __", " Flat-Tire", " flat-tire_x", " " + "_-" * 32, " \u200d"]
)
async def test_a_link_to_no_entry_is_welcomed(say, faq, payload):
    [sent] = await say(f"/start{payload}")
    assert says(sent, faq.wording.start)
    assert sent.labels == ("All topics", "Contact the clinic")


@pytest.mark.parametrize(
    ("command", "wording", "labels"),
    [
        ("/contact", "contact", ("Contact the clinic",)),
        ("/forget", "forget", ("Yes, remove them",)),
        ("/help", "help", ("All topics", "Contact the clinic")),
        ("/help me please", "help", ("All topics", "Contact the clinic")),
        ("/topics", "topics", ("Repairs", "Renting", "Contact the clinic")),
        ("/unknown", "help", ("All topics", "Contact the clinic")),
        ("/start2", "help", ("All topics", "Contact the clinic")),
        ("/start@other_bot", "help", ("All topics", "Contact the clinic")),
    ],
)
async def test_a_command_is_answered(say, faq, command, wording, labels):
    [sent] = await say(command)
    assert says(sent, getattr(faq.wording, wording))
    assert sent.labels == labels


@pytest.mark.parametrize("typed", ["/flat_tire", "/my_tire_is_flat", "/flat_tire@clinic_faq_bot"])
async def test_a_command_that_says_enough_is_answered(say, typed, faq):
    [sent] = await say(typed)
    assert shows(sent, faq.entry("flat-tire"))


async def test_the_way_a_patients_words_go_is_told_with_the_days_they_are_kept(say, faq):
    [sent] = await say("/privacy")
    assert says(sent, faq.wording.privacy.replace("{days}", "90"))
    assert 8 <= len(sent.text.splitlines()) <= 12


# --- the menu --------------------------------------------------------------------------------------------------------


async def test_the_menu_leads_to_every_answer_and_back(conversation, say, faq):
    [menu] = await say("/topics")
    [page] = await conversation.press("Renting")
    assert (page.message_id, page.kind) == (menu.message_id, "edit")
    assert page.text == "Renting: which question is yours?"
    assert page.labels == ("Can I rent a bicycle?", "Do I get a helmet?", "All topics")
    [answer] = await conversation.press("Do I get a helmet?")
    assert shows(answer, faq.entry("helmets"))
    [again] = await conversation.receive(conversation.telegram.press(page.buttons[-1].data, page))
    assert (again.message_id, again.labels) == (menu.message_id, menu.labels)
    [anew] = await conversation.press("All topics")  # the one below the answer
    assert (anew.kind, anew.labels) == ("message", menu.labels)


async def test_a_likely_topic_below_a_fallback_is_shown_anew(faq_of):
    faq = faq_of(BICYCLES, thresholds=Thresholds(answer=2, clarify=4, topic=0))  # no clue but a hunch
    async with open_conversation(Handlers(faq)) as conversation:
        [fallback] = await conversation.say("bikes on a weekend")
        assert "Renting" in fallback.text
        [page] = await conversation.press("Renting")
        assert (page.kind, page.text) == ("message", "Renting: which question is yours?")
        assert conversation.telegram.unanswered_presses() == 0


async def test_a_second_press_on_the_same_button_changes_nothing(conversation, say):
    [menu] = await say("/topics")
    topic = menu.buttons[0].data
    assert await conversation.receive(conversation.telegram.press(topic, menu))
    assert await conversation.receive(conversation.telegram.press(topic, menu)) == []


@pytest.mark.parametrize("label", ["All topics", "Can I rent a bicycle?"])
async def test_a_button_under_a_message_that_is_too_old_to_access_still_works(conversation, say, label):
    await say("/topics")
    await conversation.press("Renting")
    [sent] = await conversation.press(label, accessible=False)
    assert sent.kind == "message"
    assert sent.buttons


async def test_a_menu_that_cannot_be_changed_is_shown_anew(conversation, say):
    [menu] = await say("/topics", message_id=500)
    not_the_bots_own = replace(menu, message_id=500)
    [page] = await conversation.receive(conversation.telegram.press("t:rent", not_the_bots_own))
    assert (page.kind, page.text) == ("message", "Renting: which question is yours?")


@pytest.mark.parametrize("data", ["e:gone", "t:gone", "e:", "e", "z", "z:brakes", "E:brakes", "", None, ":", "x" * 64])
async def test_a_button_of_earlier_days_gets_a_friendly_answer(conversation, say, faq, data):
    [menu] = await say("/topics")
    [sent] = await conversation.receive(conversation.telegram.press(data, menu))
    assert says(sent, faq.wording.outdated_button)
    assert sent.labels == ("All topics", "Contact the clinic")


async def test_a_press_that_telegram_finds_too_old_is_answered_all_the_same(conversation, say, faq):
    [menu] = await say("/topics")
    press = conversation.telegram.press("e:brakes", menu)
    conversation.telegram.call("answerCallbackQuery", {"callback_query_id": press["callback_query"]["id"]})
    [sent] = await conversation.receive(press)
    assert shows(sent, faq.entry("brakes"))


async def test_a_press_below_a_message_that_was_sent_through_the_bot_only_stops_spinning(conversation, say):
    [menu] = await say("/topics")
    press = conversation.telegram.press("e:brakes", menu)
    del press["callback_query"]["message"]
    assert await conversation.receive(press) == []


async def test_a_clinic_without_a_contact_link_has_no_dead_buttons(faq_of):
    faq = faq_of(
        re.sub("  contact: .*\n", "", BICYCLES), thresholds=Thresholds(answer=2, clarify=4, topic=4)
    )  # no clue
    typed = ["/start", "/help", "/topics", "/contact", "/start price-of-repairs", "do you sell cakes?"]
    async with open_conversation(Handlers(faq)) as conversation:
        sent = [message for text in typed for message in await conversation.say(text)]
    assert len(sent) == len(typed)
    assert all(button.data for message in sent for button in message.buttons)
    assert says(sent[-1], faq.wording.fallback)
    assert sent[-1].labels == ("All topics",)


# --- what is no question ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"photo": [PICTURE]},
        {"photo": [PICTURE], "caption": "my tire is flat"},
        {"voice": {**FILE, "duration": 3}},
        {"sticker": {**PICTURE, "type": "regular", "is_animated": False, "is_video": False}},
        {"document": FILE},
        {"location": PLACE},
        {"contact": {"phone_number": "1", "first_name": "Pat"}},
        {"dice": {"emoji": "🎲", "value": 1}},
        {"text": ""},
    ],
)
async def test_what_is_not_text_is_answered_with_one_sentence(conversation, faq, fields):
    [sent] = await conversation.send(**fields)
    assert says(sent, faq.wording.not_text)
    assert sent.labels == ("Contact the clinic",)


@pytest.mark.parametrize(
    "fields",
    [
        {"new_chat_members": [{"id": 8, "is_bot": False, "first_name": "Kim"}]},
        {"left_chat_member": {"id": 8, "is_bot": False, "first_name": "Kim"}},
        {"new_chat_title": "Needles"},
        {"group_chat_created": True},
        {"pinned_message": {"message_id": 1, "date": 0, "chat": GROUP}},
        {"write_access_allowed": {}},
    ],
)
async def test_what_happens_in_a_chat_is_no_question(conversation, fields):
    assert await conversation.send(**fields) == []


@pytest.mark.parametrize("kind", ["channel_post", "edited_channel_post"])
@pytest.mark.parametrize("text", ["my tire is flat", "/start"])
async def test_channels_are_left_alone(conversation, kind, text):
    channel = {"id": -9, "type": "channel", "title": "News"}
    post = conversation.telegram.message(chat=channel, text=text)["message"]
    assert await conversation.receive(conversation.telegram.update(kind, post)) == []


@pytest.mark.parametrize("typed", ["my tire is flat", "/start flat-tire"])
async def test_a_question_mended_at_once_is_answered_anew(say, faq, typed):
    [sent] = await say(typed, edited_after=120)
    assert shows(sent, faq.entry("flat-tire"))


@pytest.mark.parametrize("typed", ["my tire is flat", "/start flat-tire", "/topics", "/unknown"])
async def test_a_late_edit_is_housekeeping(say, typed):
    assert await say(typed, edited_after=121) == []


async def test_an_album_is_answered_once(conversation, faq):
    for album in ("1", "2"):
        [sent] = [sent for _ in range(10) for sent in await conversation.send(photo=[PICTURE], media_group_id=album)]
        assert says(sent, faq.wording.not_text)
    other = {"id": 8, "type": "private", "first_name": "Kim"}
    assert await conversation.send(photo=[PICTURE], media_group_id="1", chat=other)


@pytest.mark.parametrize("place", range(3))
async def test_an_emergency_below_any_picture_of_an_album_is_not_overlooked(conversation, place):
    captions = ["look"] * 3
    captions[place] = "crushing chest pain and I can't breathe"
    sent = [
        message
        for caption in captions
        for message in await conversation.send(photo=[PICTURE], media_group_id="1", caption=caption)
    ]
    assert "Call 911 now." in sent[-1].text
    assert len(sent) == (1 if place == 0 else 2)


async def test_a_place_that_is_shared_live_is_answered_once(conversation):
    assert len(await conversation.send(location=PLACE)) == 1
    assert await conversation.send(location=PLACE, edited_after=20) == []


# --- groups ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    [
        "@clinic_faq_bot do you sell cakes?",
        "do you sell cakes? @Clinic_FAQ_Bot",
        "do you @CLINIC_FAQ_BOT sell cakes?",
    ],
)
async def test_in_a_group_a_mention_is_answered_and_is_no_part_of_the_question(say, faq, typed):
    [sent] = await say(typed, chat=GROUP, message_id=500)
    assert says(sent, faq.wording.fallback, faq.wording.fallback_contact)
    assert (sent.chat_id, sent.replies_to) == (GROUP["id"], 500)
    assert sent.buttons[0].copy.split() == ["do", "you", "sell", "cakes?"]


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "my tire is flat"},
        {"text": "@clinic_faq_bots my tire is flat"},
        {"text": "@other_bot my tire is flat"},
        {"text": "/unknown"},
        {"text": "/start@other_bot"},
        {"photo": [PICTURE]},
        {"photo": [PICTURE], "caption": "lunch"},
    ],
)
async def test_in_a_group_nobody_is_interrupted(conversation, fields):
    assert await conversation.send(chat=GROUP, **fields) == []


async def test_in_a_group_a_reply_to_the_bot_is_a_question_to_it(say, faq):
    [first] = await say("@clinic_faq_bot hello", chat=GROUP)
    [sent] = await say("my tire is flat", chat=GROUP, message_id=500, reply_to=first)
    assert shows(sent, faq.entry("flat-tire"))
    assert sent.replies_to == 500


@pytest.mark.parametrize("typed", ["my tire is flat", "@clinic_faq_bot my tire is flat"])
async def test_in_a_group_a_reply_to_somebody_else_counts_by_its_mention(say, typed):
    other = {"message_id": 400, "date": 0, "chat": GROUP, "from": {"id": 8, "is_bot": False, "first_name": "Kim"}}
    assert len(await say(typed, chat=GROUP, reply_to_message=other)) == ("@" in typed)


@pytest.mark.parametrize("command", ["/topics", "/topics@clinic_faq_bot", "/topics@Clinic_FAQ_Bot"])
async def test_in_a_group_commands_are_answered(say, faq, command):
    [sent] = await say(command, chat=GROUP, message_id=500)
    assert says(sent, faq.wording.topics)
    assert sent.replies_to == 500


async def test_in_a_group_a_photo_with_a_mention_is_answered(conversation, faq):
    [sent] = await conversation.send(chat=GROUP, photo=[PICTURE], caption="@clinic_faq_bot look")
    assert says(sent, faq.wording.not_text)


async def test_in_a_group_an_answer_quotes_the_message_whose_button_was_pressed(conversation, say):
    [menu] = await say("/topics", chat=GROUP)
    await conversation.press("Repairs")
    [sent] = await conversation.press("Do you adjust brakes?")
    assert (sent.chat_id, sent.replies_to) == (GROUP["id"], menu.message_id)
    [anew] = await conversation.press("All topics", accessible=False)  # Telegram no longer knows what to quote
    assert (anew.chat_id, anew.replies_to) == (GROUP["id"], None)


# --- when something goes wrong ---------------------------------------------------------------------------------------


class Stumbling:
    """An encoder that fails at whatever a patient types, and gives away what it was."""

    name = "stumbling"

    def encode(self, text):
        raise ValueError(f"I can't encode {text}")

    def encode_all(self, texts):
        return np.stack([np.eye(len(texts), dtype=np.float32)] * 2, axis=1)


@pytest.fixture
def log(caplog):
    """All that the bot logs in production, and its own details as well."""
    for name in ("telegram", "httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, name)  # so that their levels come back afterwards
    start_logging("plain")
    for name in ("", "bot", "faq"):
        caplog.set_level(logging.DEBUG, name)
    return caplog


async def test_a_mistake_of_the_bots_own_is_apologized_for_and_logged_without_words(faq_of, log):
    faq = faq_of(BICYCLES, encoder=Stumbling())
    async with open_conversation(Handlers(faq)) as conversation:
        [sent] = await conversation.say("my zebra is flat")
        assert says(sent, faq.wording.trouble)
        assert sent.labels == ("Contact the clinic",)
        assert await conversation.say("/topics")
    assert re.search(r"failed update=\d+ error=ValueError", log.text)
    assert "zebra" not in log.text


async def test_an_answer_that_telegram_refuses_ends_in_an_apology_and_not_in_silence(faq_of, log):
    faq = faq_of(BICYCLES.replace("Yes, for a day or a week.", "zebra " * 1000), check=lambda _: None)
    async with open_conversation(Handlers(faq)) as conversation:
        [sent] = await conversation.say("/start rent-a-bicycle")
    assert says(sent, faq.wording.trouble)
    assert "error=BadRequest" in log.text
    assert "zebra" not in log.text


async def test_whoever_blocked_the_bot_is_left_in_peace(conversation, say, log):
    conversation.telegram.blocked.add(7)
    assert await say("my zebra is flat") == []
    assert re.search(r"INFO .* blocked update=\d+", log.text)
    assert "ERROR" not in log.text


class Unreachable(OfflineRequest):
    """A Telegram to which nothing can be sent."""

    def __init__(self, telegram):
        super().__init__(telegram)
        self.tries = 0

    async def do_request(self, url, *args, **kwargs):
        if url.endswith("sendMessage"):
            self.tries += 1
            raise NetworkError("Bad Gateway")
        return await super().do_request(url, *args, **kwargs)


async def test_nobody_apologizes_through_a_telegram_that_is_out_of_reach(faq, log):
    request = Unreachable(telegram := Telegram())
    async with build_application(build_bot(TOKEN, request=request), Handlers(faq)) as application:
        assert await Conversation(telegram, application).say("my zebra is flat") == []
    assert request.tries == 1
    assert "error=NetworkError" in log.text


async def test_what_was_typed_is_never_logged(conversation, say, log):
    who = {"from": {"id": 7, "is_bot": False, "first_name": "Wilhelmina", "username": "marmalade"}}
    for typed in ("zebra tire is flat", "zebra weekend", "do you sell zebra cakes?", "zebra 👋"):
        assert await say(typed, **who)
        await say(typed, edited_after=600, **who)
        await say(typed, chat=GROUP, **who)
        assert await say(f"@clinic_faq_bot {typed}", chat=GROUP, **who)
    await conversation.send(document={**FILE, "file_name": "zebra.pdf"}, caption="zebra", **who)
    [menu] = await say("/topics", **who)
    await conversation.receive(conversation.telegram.press("e:zebra", menu))
    assert log.text.count("replied update=") == 8
    assert re.search(r"replied update=\d+ kind=answer entry=flat-tire score=\d\.\d\d ms=\d+", log.text)
    assert re.search(r"showed update=\d+ kind=topics entry=- ms=\d+", log.text)
    assert re.search(r"showed update=\d+ kind=not_text entry=- ms=\d+", log.text)
    assert re.search(r"showed update=\d+ kind=outdated_button entry=- ms=\d+", log.text)
    assert not re.search("zebra|marmalade|wilhelmina", log.text, re.IGNORECASE)


async def test_each_command_and_each_press_is_one_line_of_the_log(conversation, log):
    [menu] = await conversation.say("/topics")
    for data in ("t:repairs", "b", "m", "s:rent", "e:brakes", "t:gone", "x"):
        await conversation.receive(conversation.telegram.press(data, menu))
    for command in ("/start", "/start helmets__zebra", "/contact", "/privacy", "/help"):
        await conversation.say(command)
    lines = [record.getMessage() for record in log.records if record.getMessage().startswith("showed")]
    assert [re.search(r"kind=(\S+) entry=(\S+)", line).groups() for line in lines] == [
        ("topics", "-"),
        ("topic", "-"),
        ("back", "-"),
        ("topics", "-"),
        ("topic_anew", "-"),
        ("entry", "brakes"),
        ("outdated_button", "-"),
        ("outdated_button", "-"),
        ("start", "-"),
        ("start", "helmets"),
        ("contact", "-"),
        ("privacy", "-"),
        ("help", "-"),
    ]
    assert "zebra" not in log.text


async def test_a_changed_faq_answers_from_the_next_message_on(faq, faq_of):
    handlers = Handlers(faq)
    async with open_conversation(handlers) as conversation:
        await conversation.say("/topics")
        await conversation.press("Renting")
        handlers.exchange(faq_of(BICYCLES.replace("helmets", "hats").replace("a day or a week", "a month")))
        [sent] = await conversation.press("Can I rent a bicycle?")
        assert "Yes, for a month." in sent.text
        [sent] = await conversation.press("Do I get a helmet?")
        assert says(sent, faq.wording.outdated_button)


class Meanwhile(OfflineRequest):
    """A Telegram that lets something happen while a pressed button is answered."""

    def __init__(self, telegram, happens):
        super().__init__(telegram)
        self._happens = happens

    async def do_request(self, url, *args, **kwargs):
        if url.endswith("answerCallbackQuery"):
            self._happens()
        return await super().do_request(url, *args, **kwargs)


@pytest.mark.parametrize(
    ("changed", "answer"),
    [
        (BICYCLES.replace("brakes", "stopping").replace("word-of-mouth", "hearsay"), "we mend a flat tire"),
        (BICYCLES.replace("while you wait", "within a week"), "within a week"),
        (BICYCLES.replace("flat-tire", "puncture"), "That button is no longer in use"),
    ],
)
async def test_a_button_is_answered_from_the_faq_that_came_live_while_it_was_pressed(faq, faq_of, changed, answer):
    handlers, newer = Handlers(faq), faq_of(changed)
    request = Meanwhile(telegram := Telegram(), lambda: handlers.exchange(newer))
    async with build_application(build_bot(TOKEN, request=request), handlers) as application:
        conversation = Conversation(telegram, application)
        [menu] = await conversation.say("/topics")
        [sent] = await conversation.receive(telegram.press("e:flat-tire", menu))
        assert answer in sent.text


# --- the product's own FAQ -------------------------------------------------------------------------------------------


async def test_the_menu_leads_to_each_of_the_products_own_answers(own_conversation, own_faq):
    reached = []
    for topic in own_faq.topics.values():
        await own_conversation.say("/topics")
        [page] = await own_conversation.press(topic.title)
        for button in page.buttons[:-1]:
            [sent] = await own_conversation.press(button)
            reached += [entry.id for entry in own_faq.entries.values() if shows(sent, entry)]
    assert len(reached) == 36
    assert set(reached) == set(own_faq.entries)
    assert own_conversation.telegram.unanswered_presses() == 0


async def test_the_products_own_questions_get_their_answers(own_conversation, own_faq):
    for entry in own_faq.entries.values():
        [sent] = await own_conversation.say(entry.question)
        assert shows(sent, entry)


async def test_the_products_own_sentences_are_taken_by_telegram(own_conversation):
    for command in ("/start", "/help", "/topics", "/contact", "/privacy", "/forget"):
        assert len(await own_conversation.say(command)) == 1


# --- whatever people may send ----------------------------------------------------------------------------------------


def is_sensible(sent: Sent, faq: Faq) -> bool:
    """Tell whether a reply holds an answer or a sentence of the bot's own, other than its apology."""
    own = faq.wording.model_dump(
        exclude={"trouble", "too_many", "outdated_button", "not_text", "smalltalk", "buttons"}
    ).values()
    answers = [entry.answer for entry in faq.entries.values()]
    sentences = [*own, *faq.wording.smalltalk.model_dump().values(), *answers]
    return bool(sent.buttons) and any(to_html(sentence) in sent.html for sentence in sentences)


LONGEST = 4096
UTTERANCES = {
    "a space": " ",
    "line breaks": "\t\r\n\n",
    "a space that is none": "\u00a0\u2800",
    "nothing visible": "\u200b\ufeff",
    "punctuation": "?!...",
    "an apostrophe": "'",
    "html": "<b>does it hurt?</b> & <",
    "markdown": "[does](tg://user?id=1) **it** `hurt`",
    "placeholders": "{clinic} %s %(x)s \\1",
    "callback data": "e:does-it-hurt",
    "sql": "'; DROP TABLE patients; --",
    "a slash": "/",
    "a command that is none": "/ start",
    "a mention": "@clinic_faq_bot",
    "many slashes": "/" * LONGEST,
    "many spaces": " " * LONGEST,
    "many letters": "x" * LONGEST,
    "many pairs of letters": "ab" * (LONGEST // 2),
    "many apostrophes": "a'" * (LONGEST // 2),
    "many underscores": "_" * LONGEST,
    "many times the same": "does it hurt? " * (LONGEST // 14),
    "many short words": "a " * (LONGEST // 2),
    "many unknown words": " ".join(f"nedle{chr(97 + n % 26)}{n:x}" for n in range(LONGEST // 10)),
    "many small numbers": " ".join(map(str, range(1000))),
    "many characters": "".join(map(chr, range(0x21, 0x21 + LONGEST))),
    "an emoji": "😀",
    "emoji": "😀" * (LONGEST // 2),
    "joined emoji": "👩🏽\u200d⚕️" * (LONGEST // 7),
    "a flag": "🇩🇪 🏴\U000e0067\U000e0062\U000e007f",
    "right to left": "\u202edoes it hurt?\u202c \u200f\u2067?\u2069",
    "joiners": "d\u200do\u200des i\u200ct h\u00adurt",
    "many joiners": "\u200d" * LONGEST,
    "control characters": "does\x00it\x07hurt\x1b[31m\x9f",
    "only control characters": "\x01\x02",
    "no characters": "\ufffd\ufffe\uffff\ue000\U0010ffff",
    "accents": "a\u0301\u0336\u034f" * (LONGEST // 4),
    "wide letters": "".join(chr(ord(letter) + 0xFEE0) for letter in "doesithurt"),
    "letters that unfold": "\ufdfa" * LONGEST,
    "letters that change their length": "ßİŉﬁ" * (LONGEST // 4),
    "other digits": "\u0663" * LONGEST,
    "Arabic": "هل تؤلم الإبر؟",
    "Hebrew": "האם זה כואב?",
    "Russian": "это больно?",
    "Chinese": "针灸疼吗",
    "Japanese": "鍼は痛いですか",
    "Korean": "침 맞으면 아파요?",
    "Hindi": "क्या दर्द होता है?",
    "Thai": "เจ็บไหม",
}


@pytest.mark.parametrize("typed", UTTERANCES.values(), ids=UTTERANCES)
async def test_an_utterance_of_any_kind_gets_one_sensible_reply_in_time(own_conversation, own_faq, typed):
    began = time.perf_counter()
    [sent] = await own_conversation.say(typed)
    assert time.perf_counter() - began < 1
    assert is_sensible(sent, own_faq)


@given(typed=st.text(min_size=1, max_size=300) | st.text("aehlrst i'-.\u200d\u0301😀", min_size=1, max_size=LONGEST))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=1000)
async def test_a_text_of_any_characters_gets_one_sensible_reply(conversation, faq, typed):
    [sent] = await conversation.say(typed)
    assert is_sensible(sent, faq) or faq.alarm(typed)  # letters thrown together may spell a danger
