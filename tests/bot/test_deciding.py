"""Replies are decided in one thread, once for the same words, and never mixed between versions of the FAQ."""

import asyncio
import threading

import numpy as np
import pytest

from bot.deciding import Decider, one_thread
from bot.handlers import Handlers
from bot.offline import open_conversation
from faq.reply import Faq


class Slow:
    """An FAQ that tells the threads in which it was asked, and replies when its door is open."""

    def __init__(self, faq: Faq) -> None:
        self._faq = faq
        self.asked: list[tuple[str, str | None, bool]] = []
        self.threads: set[str] = set()
        self.door = threading.Event()
        self.door.set()

    def __getattr__(self, name: str):
        return getattr(self._faq, name)

    def reply(self, utterance, *, about=None, calm=False):
        self.asked.append((utterance, about and about.id, calm))
        self.threads.add(threading.current_thread().name)
        self.door.wait(5)
        return self._faq.reply(utterance, about=about, calm=calm)


@pytest.fixture
def slow(faq) -> Slow:
    return Slow(faq)


@pytest.fixture
def decider(slow) -> Decider:
    return Decider(slow, one_thread(), remembered=3)


async def test_the_reply_is_the_faqs_own(decider, faq):
    assert await decider.reply("helmets?") == faq.reply("helmets?")


async def test_many_questions_at_once_are_decided_in_one_thread_beside_the_loop(decider, slow):
    await asyncio.gather(*(decider.reply(f"helmet {number}") for number in range(20)))
    assert len(slow.asked) == 20
    assert slow.threads == {"matching_0"}


async def test_the_loop_goes_on_while_a_reply_is_decided(decider, slow):
    slow.door.clear()
    reply = asyncio.create_task(decider.reply("helmets?"))
    while not slow.asked:
        await asyncio.sleep(0)
    assert not reply.done()
    slow.door.set()
    assert (await reply).kind == "answer"


async def test_the_same_words_are_decided_once(decider, slow):
    assert await decider.reply("helmets?") is await decider.reply("helmets?")
    assert len(slow.asked) == 1


async def test_other_words_another_context_or_a_calm_patient_are_decided_anew(decider, slow, faq):
    brakes, helmets = faq.entries["brakes"], faq.entries["helmets"]
    for utterance, options in [
        ("helmets?", {}),
        ("Helmets?", {}),
        ("helmets?", {"about": brakes}),
        ("helmets?", {"about": helmets}),
        ("helmets?", {"calm": True}),
    ]:
        reply = await decider.reply(utterance, **options)
        assert reply.ranking.analysis.utterance == utterance
    assert len(slow.asked) == len(set(slow.asked)) == 5


async def test_the_longest_unasked_is_forgotten_first(decider, slow):
    for utterance in ("one", "two", "three", "one", "four", "one", "two"):
        await decider.reply(utterance)
    assert [asked for asked, *_ in slow.asked] == ["one", "two", "three", "four", "two"]


async def test_a_long_story_is_not_remembered(decider, slow):
    for _ in range(2):
        await decider.reply("my tire is flat " * 50)
    assert len(slow.asked) == 2


class StumblingOnce:
    """An encoder that fails at the first utterance."""

    name = "stumbling-once"
    stumbled = False

    def encode(self, text):
        if not self.stumbled:
            self.stumbled = True
            raise RuntimeError
        return np.eye(2, self.size, dtype=np.float32)

    def encode_all(self, texts):
        self.size = len(texts)
        return np.stack([np.eye(self.size, dtype=np.float32)] * 2, axis=1)


async def test_a_mistake_is_told_and_not_remembered(faq_of):
    decider = Decider(faq_of(NEWER, encoder=StumblingOnce()), one_thread())
    with pytest.raises(RuntimeError):
        await decider.reply("helmets?")
    assert (await decider.reply("helmets?")).ranking.analysis.utterance == "helmets?"


async def test_a_reply_is_rendered_by_the_version_that_decided_it(faq, faq_of):
    slow = Slow(faq)
    slow.door.clear()
    handlers = Handlers(slow)
    async with open_conversation(handlers) as conversation:
        asked = asyncio.create_task(conversation.say("zzz xyzzy"))
        while not slow.asked:
            await asyncio.sleep(0)
        handlers.exchange(faq_of(NEWER))
        slow.door.set()
        [sent] = await asked
        assert "Contact the clinic" in " ".join(sent.labels)  # the newer one has no contact
        [sent] = await conversation.say("zzz xyzzy")
        assert "Contact the clinic" not in " ".join(sent.labels)


NEWER = """\
clinic: {name: Spokes}
topics: [{id: rent, title: Renting}]
entries:
  - {id: helmets, topic: rent, question: Do I get a helmet?, answer: No.}
  - {id: bells, topic: rent, question: Do I get a bell?, answer: Yes.}
"""
