"""Greetings and thanks are told from questions."""

import pytest

from faq.smalltalk import SmalltalkDetector

DETECTOR = SmalltalkDetector(
    {
        "greeting": [["hi"], ["good", "morning"], ["how", "are", "you"]],
        "thanks": [["thanks"], ["thank", "you"]],
        "goodbye": [["bye"], []],
        "fillers": [["so", "much"], ["there"]],
    }
)


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        ("hi", "greeting"),
        ("hi there", "greeting"),
        ("good morning how are you", "greeting"),
        ("thank you so much", "thanks"),
        ("thanks bye", "goodbye"),
        ("hi thanks so much there", "thanks"),
        ("there", None),
        ("", None),
        ("hi does it hurt", None),
        ("thank", None),
        ("bye " * 13, None),
    ],
)
def test_small_talk_is_what_holds_nothing_else(typed, kind):
    assert DETECTOR.kind(typed.split()) == kind


def test_without_any_phrases_nothing_is_small_talk():
    assert SmalltalkDetector({}).kind(["hi"]) is None
