"""How well the product's own gate does on messages that nobody may tune it on: figures are told, never a message."""

import json
from collections import Counter
from pathlib import Path

import pytest

from faq.loading import OWN, load
from faq.reply import Faq
from faq.text import normalize, split_words

pytestmark = pytest.mark.unmeasured

SET = Path(__file__).parent.parent / "data" / "emergencies.jsonl"
# How often a message of a kind, and of a notice if it is urgent, was shown which notice.
Heard = Counter[tuple[str, str | None, str | None]]


@pytest.fixture(scope="module")
def heard(own_faq: Faq) -> Heard:
    # Every third will do to notice what breaks: `clinic-faq evaluate` measures all.
    messages = map(json.loads, SET.read_text("utf-8").splitlines()[::3])
    alarms = ((message["kind"], message["notice"], own_faq.alarm(message["q"])) for message in messages)
    return Counter((kind, notice, alarm and alarm.kind.id) for kind, notice, alarm in alarms)


def alarmed(heard: Heard, kind: str) -> float:
    """Return the share of a kind's messages that alarmed."""
    shown = Counter[bool]()
    for (own, _, notice), count in heard.items():
        shown[notice is not None] += count * (own == kind)
    return shown[True] / shown.total()


def words_of(text: str) -> str:
    return " ".join(split_words(normalize(text).replace("'", "")))


# At the last measurement: 96 % of the urgent alarmed, 96 % of these with their notice; 1 % of the calm and of the
# ordinary.


def test_nearly_every_emergency_is_noticed(heard: Heard) -> None:
    recall = alarmed(heard, "urgent")
    assert recall >= 0.94


def test_hardly_a_look_alike_raises_a_false_alarm(heard: Heard) -> None:
    false_alarms = alarmed(heard, "calm")
    assert false_alarms <= 0.03


def test_ordinary_messages_raise_next_to_no_alarm(heard: Heard) -> None:
    false_alarms = alarmed(heard, "ordinary")
    assert false_alarms <= 0.02


def test_who_is_noticed_nearly_always_reads_the_right_notice(heard: Heard) -> None:
    noticed = [(notice == shown, n) for (kind, notice, shown), n in heard.items() if kind == "urgent" and shown]
    right = sum(n for is_right, n in noticed if is_right) / sum(n for _, n in noticed)
    assert right >= 0.9


@pytest.mark.parametrize("notice", ["medical", "crisis", "poisoning", "needling"])
def test_no_kind_of_emergency_is_left_out(heard: Heard, notice: str) -> None:
    of_notice = sum(count for (_, expected, _), count in heard.items() if expected == notice)
    missed = heard["urgent", notice, None] / of_notice
    assert missed <= 0.15


def test_neither_an_emergency_nor_a_look_alike_of_the_set_was_learnt_from() -> None:
    rules = load(OWN).safety.rules
    learnt = {words_of(text) for rule in rules for text in (*rule.examples, *rule.look_alikes)}
    messages = map(json.loads, SET.read_text("utf-8").splitlines())
    leaked = sum(words_of(message["q"]) in learnt for message in messages if message["kind"] != "ordinary")
    assert leaked == 0


def test_no_message_stands_in_the_set_twice() -> None:
    texts = [words_of(json.loads(line)["q"]) for line in SET.read_text("utf-8").splitlines()]
    twice = len(texts) - len(set(texts))
    assert (len(texts), twice) == (1220, 0)
