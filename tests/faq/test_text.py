"""What people type is read as they meant it."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faq.cache import Cache
from faq.model import Lexicon
from faq.text import Analyzer, WordList, normalize, split_words

LEXICON = Lexicon(
    language="english",
    abbreviations={"u": "you", "whats": "what is", "w/o": "without"},
    synonyms=(("price", "cost", "fee"),),
    stopwords=("the", "a"),
)
PHRASINGS = [
    "how big are the needles",
    "is the treatment safe",
    "head ache and back pain",
    "what does acupuncture cost",
]


@pytest.fixture(scope="module")
def analyzer():
    return Analyzer(LEXICON, PHRASINGS)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("HOW BIG?", "how big?"),
        ("how\u200bbig", "howbig"),  # a zero-width space joins, as it shows nothing
        ("\u202ehow big\u202c", "how big"),  # right-to-left marks
        ("how\x00big\tnow", "how big now"),  # control characters part words
        ("\uff48\uff4f\uff57 \uff42\uff49\uff47", "how big"),  # full-width letters
        ("what\u2019s", "what's"),
        ("", ""),
    ],
)
def test_what_cannot_be_seen_makes_no_difference(typed, meant):
    assert normalize(typed) == meant


def test_accents_of_latin_letters_may_be_left_out_and_other_scripts_keep_their_signs(analyzer):
    assert analyzer.spelled_out("Tomé el café, señor") == ["tome", "el", "cafe", "senor"]
    assert analyzer.spelled_out("ki\u0302") == ["ki"]
    assert analyzer.spelled_out("\u0915\u093f\u0924\u0928\u093e \u0433\u0435\u0439") == [
        "\u0915\u093f\u0924\u0928\u093e",
        "\u0433\u0435\u0439",
    ]


def test_punctuation_and_emoji_are_no_words():
    assert split_words("so... how big?! 😀 it's 3") == ["so", "how", "big", "it's", "3"]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("how big are the needels", "how big are the needles"),
        ("is it w/o pain? u r", "is it without pain you r"),
        ("acupunture", "acupuncture"),
        ("acupucnture", "acupuncture"),  # a swap is one mistake
        ("treetmint", "treatment"),  # two, in a long word
        ("backpain", "back pain"),  # run together
        ("needlesss", "needles"),  # stretched
        ("whats the prize", "what is the prize"),  # a word of its own stays, though "price" is near
        ("u r", "you r"),
        ("the patient's needle", "the patient needle"),
    ],
)
def test_spelling_is_mended_towards_the_words_of_the_faq(analyzer, typed, words):
    assert " ".join(analyzer.analyze(typed).words) == words


def test_a_short_unknown_word_is_left_alone(analyzer):
    assert analyzer.analyze("xq").words == ("xq",)


def test_a_first_letter_is_seldom_wrong(analyzer):
    assert analyzer.analyze("deedles and zafe").words == ("deedles", "and", "zafe")


def test_corrections_are_told(analyzer):
    assert analyzer.analyze("needels please").corrections == (("needels", "needles"),)


def test_synonyms_and_endings_make_no_difference(analyzer):
    assert analyzer.analyze("costs").terms == analyzer.analyze("fees").terms == analyzer.analyze("price").terms


def test_a_language_without_word_list_or_stemmer_is_read_as_it_stands():
    analyzer = Analyzer(Lexicon(language="klingon"), ["nuqneH tlhIngan"])
    assert analyzer.analyze("tlhIngan").terms == ("tlhingan",)
    assert analyzer.analyze("tlhIngam").words == ("tlhingan",)


def test_a_word_list_knows_the_words_of_its_language():
    assert "insurance" in WordList("english")
    assert "insurrance" not in WordList("english")
    assert "seguro" in WordList("spanish")
    assert "seguro" not in WordList("no such language")


LATER = """
import sys
from pathlib import Path
sys.modules["spellchecker"] = None  # whoever imports it fails
from faq.cache import Cache
from faq.text import WordList

words = WordList("english", Cache(Path(sys.argv[1])))
print("insurance" in words, "insurrance" in words)
"""


def test_a_later_start_reads_the_words_from_the_cache(tmp_path):
    assert "insurance" in WordList("english", Cache(tmp_path))
    later = subprocess.run([sys.executable, "-c", LATER, tmp_path], check=True, capture_output=True)  # noqa: S603
    assert later.stdout == b"True False\n"


def test_a_common_word_of_the_lexicon_is_right_as_it_stands():
    lexicon = Lexicon(language="klingon", stopwords=("needel",))
    assert Analyzer(lexicon, ["needle"]).analyze("needel").words == ("needel",)
    assert Analyzer(Lexicon(language="klingon"), ["needle"]).analyze("needel").words == ("needle",)


@given(st.text(max_size=300))
def test_reading_twice_changes_nothing(text):
    assert normalize(normalize(text)) == normalize(text)


def test_the_longest_message_of_one_run_of_letters_is_read_at_once(analyzer):
    assert analyzer.analyze("q" * 4096).words == ("q" * 4096,)
