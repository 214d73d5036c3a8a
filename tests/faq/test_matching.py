"""Any FAQ, however small and in whatever language, ranks the entry that was meant first, with honest scores."""

from collections.abc import Callable, Sequence
from itertools import chain
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faq.cache import Cache
from faq.corpus import Corpus
from faq.embedding import MiniLm
from faq.matching import Matcher, Ranking, groups_of
from faq.model import Entry, Lexicon, SmalltalkPhrases
from faq.reply import Thresholds
from faq.text import Analyzer

Rank = Callable[[str], Ranking]

ENGLISH = Lexicon(
    language="english",
    synonyms=(("price", "cost", "fee", "pay", "charge"), ("repair", "mend", "fix"), ("bicycle", "bike", "cycle")),
    stopwords=("a", "the", "is", "my", "do", "you", "i", "it", "what", "how", "can", "to", "of", "for"),
)
BACKGROUND = (
    "what is the weather tomorrow", "can you recommend a restaurant", "my computer is broken", "who won the match",
    "I want to book a flight", "do you sell cars", "what time is it", "tell me a joke", "my cat is ill",
    "can I pay for the parking here", "is the museum open", "how tall is the tower",
)  # fmt: skip


def entry(entry_id: str, question: str, *phrasings: str) -> Entry:
    return Entry(id=entry_id, topic="any", question=question, answer="…", phrasings=phrasings)


def ranked_by(
    entries: Sequence[Entry],
    background: Sequence[str],
    lexicon: Lexicon,
    encoder: MiniLm | None = None,
    cache: Cache | None = None,
) -> Rank:
    """Return what ranks these entries for an utterance."""
    *asked, unanswered = groups_of(entries, lexicon, background)
    questions = [*chain.from_iterable(asked)]
    corpus = Corpus(questions, unanswered, Analyzer(lexicon, questions, cache), encoder, cache)
    matcher = Matcher(entries, lexicon, background, corpus)
    return lambda utterance: matcher.rank(corpus.read(utterance))


SHOP = (
    entry("flat-tire", "Can you mend a flat tire?", "puncture repair", "there is a nail in my wheel", "it loses air"),
    entry("brakes", "Do you adjust brakes?", "my brakes squeal", "it does not stop any more", "new brake pads"),
    entry("price", "What does a repair cost?", "how much is a repair", "is mending expensive", "your price list"),
    entry("rent", "Can I rent a bicycle?", "hire a bike", "bikes to borrow", "lend me a bike for the weekend"),
    entry("helmet", "Do I get a helmet?", "are helmets included", "head protection", "must I bring a helmet"),
)


@pytest.fixture(scope="module")
def meaning(small_model) -> MiniLm:
    return MiniLm(small_model.parent)


@pytest.fixture(scope="module", params=["by words alone", "with meaning"])
def encoder(request) -> MiniLm | None:
    """Every promise holds with an encoder and without."""
    return request.getfixturevalue("meaning") if request.param == "with meaning" else None


@pytest.fixture(scope="module")
def shop(encoder) -> Rank:
    return ranked_by(SHOP, BACKGROUND, ENGLISH, encoder)


@pytest.fixture(scope="module")
def large() -> Rank:
    """An FAQ with so many texts that it fits its own weights."""
    things = (
        "bell",
        "chain",
        "saddle",
        "pedal",
        "lamp",
        "lock",
        "pump",
        "basket",
        "mirror",
        "trailer",
        "spoke",
        "gear",
    )
    frames = ("my {} broke", "a new {}", "{} price", "is the {} included", "{} for a child", "the {} is lost",
              "which {} fits", "clean the {}", "a red {}")  # fmt: skip
    others = ("car", "boat", "plane", "train", "tram", "bus", "house", "garden", "cake", "soup", "film", "song")
    entries = [entry(thing, f"What about the {thing}?", *(frame.format(thing) for frame in frames)) for thing in things]
    background = [frame.format(other) for frame in frames for other in others]
    return ranked_by(entries, background, ENGLISH)


def best(rank: Rank, utterance: str) -> tuple[str, float]:
    first = rank(utterance).candidates[0]
    return first.entry.id, first.score


@pytest.mark.parametrize(
    ("utterance", "entry_id"),
    [
        ("there's a puncture in my tyre, can you mend it", "flat-tire"),
        ("my weel has a nale in it", "flat-tire"),
        ("breaks squeel", "brakes"),
        ("BRAKEPADS", "brakes"),
        ("whats the fee for a repair", "price"),
        ("how much do you charge to fix it", "price"),
        ("can i borow one of your bicycels", "rent"),
        ("is a helmit included", "helmet"),
    ],
)
def test_paraphrases_and_misspellings_find_their_entry(shop, utterance, entry_id):
    assert best(shop, utterance)[0] == entry_id


def test_meaning_finds_what_shares_no_word(meaning):
    rank = ranked_by(SHOP, BACKGROUND, ENGLISH, meaning)
    assert best(rank, "something to keep my skull safe")[0] == "helmet"
    assert best(rank, "deflated tube")[0] == "flat-tire"


@pytest.mark.parametrize("each", SHOP, ids=lambda each: each.id)
def test_every_phrasing_finds_its_entry_and_is_named_as_what_earned_it(shop, each):
    for phrasing in (each.question, *each.phrasings):
        first = shop(phrasing).candidates[0]
        assert (first.entry, first.phrasing) == (each, phrasing)
        assert first.score > 0.8


@pytest.mark.parametrize("utterance", [*BACKGROUND, "pizza with ham", "who is the president of France"])
def test_what_no_entry_answers_gets_a_low_score(shop, utterance):
    assert best(shop, utterance)[1] < 0.3


@given(st.text(max_size=200))
def test_scores_are_probabilities_best_first_whatever_is_typed(shop, utterance):
    ranking = shop(utterance)
    scores = [candidate.score for candidate in ranking.candidates]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= 0
    assert sum(scores) + ranking.smalltalk_score <= 1 + 1e-6


def test_every_entry_of_a_small_faq_is_a_candidate_and_ten_of_a_large_one(shop, large):
    assert {candidate.entry for candidate in shop("brakes").candidates} == set(SHOP)
    assert len(large("brakes").candidates) == 10


@pytest.mark.parametrize("background", [BACKGROUND, ()], ids=["", "no background"])
@pytest.mark.parametrize("entries", [1, 2])
def test_one_or_two_entries_without_phrasings_answer_their_own_questions(encoder, entries, background):
    few = (entry("parking", "Is there parking?"), entry("wifi", "Do you have wifi?"))[:entries]
    rank = ranked_by(few, background, ENGLISH, encoder)
    for each in few:
        assert best(rank, each.question) == (each.id, pytest.approx(1, abs=0.2))
        assert best(rank, each.question.lower().removesuffix("?"))[0] == each.id
    assert best(rank, "xyzzy plugh")[1] < Thresholds().answer


@pytest.mark.parametrize(
    ("language", "entries", "background", "asked"),
    [
        (
            "spanish",
            [
                entry("dolor", "¿Duele la acupuntura?", "me va a doler", "tengo miedo de las agujas", "es doloroso"),
                entry("precio", "¿Cuánto cuesta una sesión?", "qué precio tiene", "cuánto cobran", "es caro"),
            ],
            ["qué tiempo hace mañana", "quiero una pizza", "dónde está la estación"],
            {"DUELEN MUCHO LAS AGUJAS": "dolor", "cuanto cuesta la secion": "precio", "precios?": "precio"},
        ),
        (
            "japanese",  # a language without stemmer and word list, whose words are not parted
            [
                entry("pain", "鍼は痛いですか？", "痛みはありますか", "針が怖いです"),  # noqa: RUF001
                entry("price", "料金はいくらですか？", "値段を教えてください", "費用はどのくらい"),  # noqa: RUF001
            ],
            ["今日の天気は", "ピザを注文したい"],
            {"鍼は痛いですか": "pain", "痛いですか": "pain", "料金はいくら": "price"},
        ),
        (
            "russian",
            [entry("pain", "Это больно?", "будет ли больно", "я боюсь боли"),
             entry("price", "Сколько это стоит?", "какая цена", "это дорого")],
            ["какая завтра погода", "где вокзал"],
            {"мне будет очень больно?": "pain", "цены": "price"},
        ),
    ],
    ids=["spanish", "japanese", "russian"],
)  # fmt: skip
def test_another_language_or_script_works_as_well(encoder, language, entries, background, asked):
    rank = ranked_by(entries, background, Lexicon(language=language), encoder)
    assert {utterance: best(rank, utterance)[0] for utterance in asked} == asked


def test_an_entry_whose_question_has_no_words_does_no_harm(encoder):
    rank = ranked_by([*SHOP, entry("odd", "?!")], BACKGROUND, ENGLISH, encoder)
    assert best(rank, "my brakes squeal")[0] == "brakes"


def test_the_same_utterance_is_always_ranked_the_same(shop, encoder):
    other = ranked_by(SHOP, BACKGROUND, ENGLISH, encoder)
    for utterance in ("flat tyre", "how much", "hello", "", "nothing of the kind"):
        assert shop(utterance) == shop(utterance) == other(utterance)


def test_small_talk_is_told_from_questions(encoder):
    phrases = SmalltalkPhrases(greeting=("hello", "hi there", "good morning"), thanks=("thanks", "thank you so much"))
    rank = ranked_by(SHOP, BACKGROUND, ENGLISH.model_copy(update={"smalltalk": phrases}), encoder)
    assert rank("Hello!").smalltalk == "greeting"
    assert rank("thank you").smalltalk == "thanks"
    assert rank("thank you").smalltalk_score > Thresholds().answer
    assert rank("hello, do you mend tires").smalltalk_score < Thresholds().answer


def test_a_large_faq_fits_its_own_weights_and_tells_what_is_not_its_business(large):
    assert best(large, "a new saddle please") == ("saddle", pytest.approx(1, abs=0.25))
    assert best(large, "is the airport included")[1] < 0.5


def test_what_was_learnt_once_ranks_like_what_is_learnt_afresh(encoder, tmp_path):
    fresh = ranked_by(SHOP, BACKGROUND, ENGLISH, encoder, Cache(tmp_path))
    (kept,) = tmp_path.glob("ranking-*")
    written = kept.stat().st_mtime_ns
    again = ranked_by(SHOP, BACKGROUND, ENGLISH, encoder, Cache(tmp_path))
    assert kept.stat().st_mtime_ns == written
    assert again("flat tyre") == fresh("flat tyre")


def test_what_was_learnt_of_other_texts_is_not_used(encoder, tmp_path):
    ranked_by(SHOP, BACKGROUND, ENGLISH, encoder, Cache(tmp_path))
    ranked_by(SHOP[:-1], BACKGROUND, ENGLISH, encoder, Cache(tmp_path))
    ranked_by(SHOP, BACKGROUND[:-1], ENGLISH, encoder, Cache(tmp_path))
    ranked_by(SHOP, BACKGROUND, Lexicon(language="english"), encoder, Cache(tmp_path))
    assert len(list(tmp_path.glob("ranking-*"))) == 4


def test_what_was_learnt_is_learnt_again_once_its_file_is_spoilt(encoder, tmp_path):
    fresh = ranked_by(SHOP, BACKGROUND, ENGLISH, encoder, Cache(tmp_path))("flat tyre")
    (kept,) = tmp_path.glob("ranking-*")
    kept.write_bytes(kept.read_bytes()[:-10])
    assert ranked_by(SHOP, BACKGROUND, ENGLISH, encoder, Cache(tmp_path))("flat tyre") == fresh


def _seconds(rank: Rank, utterance: str) -> float:
    began = process_time()
    rank(utterance)
    return process_time() - began


@pytest.mark.parametrize(
    "make",
    [
        lambda size, turn: " ".join(f"wrd{turn}x{number}" for number in range(size // 9)),
        lambda size, turn: " ".join(f"brakke{chr(97 + number % 26)}{turn}" for number in range(size // 9)),
        lambda size, turn: "q" * size + str(turn),
        lambda size, turn: "brakes " * (size // 7) + str(turn),
        lambda size, turn: "😀\u200d" * (size // 2) + str(turn),
        lambda size, turn: "?" * size + str(turn),
    ],
    ids=["unknown words", "misspelt words", "one endless word", "one word again and again", "emoji", "question marks"],
)
def test_matching_takes_time_in_proportion_to_the_length(shop, make):
    short, long = (min(_seconds(shop, make(size, turn)) for turn in range(2)) for size in (4_000, 32_000))
    assert long < 24 * short + 0.01  # 8 times as long; were it quadratic, 64 times
    assert short < 1
