"""The comparison of matchers runs, so that it can't rot; what it tells is for a quiet machine."""

from dataclasses import replace

import pytest

from bench.matchers import MATCHERS, WORDS_ALONE
from bench.matching import (
    CLINC,
    HELD_OUT,
    QUICK,
    Collection,
    Folders,
    asked,
    clinc_collection,
    comparison,
    first_of,
    grown,
    own_collection,
)
from bench.tables import ratio, table

pytestmark = pytest.mark.unmeasured


@pytest.fixture(scope="module")
def collection() -> Collection:
    return first_of(own_collection(HELD_OUT), QUICK)


@pytest.fixture
def folders(tmp_path, small_model) -> Folders:
    return Folders(tmp_path, small_model.parent)


@pytest.mark.parametrize("name", MATCHERS)
def test_every_matcher_can_be_asked(name, collection, folders):
    """Each finds most of a few plain questions, or it was put together wrongly."""
    learnt = tuple(
        replace(each, utterance=texts(collection, each.ids[0])[0]) for each in collection.questions if each.ids
    )
    start, figures = asked(name, Collection(collection.knowledge, learnt), folders.fresh())
    assert figures.best_right == 1
    assert figures.median_ms
    assert start.seconds > 0 < start.megabytes


def test_a_comparison_is_a_table(collection, folders):
    """Each matcher is measured in processes of its own."""
    lines = comparison("Some", collection, [WORDS_ALONE], folders).splitlines()
    assert lines[0] == "## Some"
    assert lines[-1].startswith(f"| {WORDS_ALONE} | ")


def test_an_faq_grows_by_distinct_texts(collection):
    """The same texts grow every time, of as many entries as asked for."""
    knowledge = grown([collection], entries=40, phrasings=400)
    assert knowledge == grown([collection], entries=40, phrasings=400)
    assert len(knowledge.entries) == len({entry.id for entry in knowledge.entries}) == 40
    assert len(knowledge.texts) == len({*knowledge.texts}) == 400
    assert knowledge.entries[: QUICK.entries] == collection.knowledge.entries


def test_an_faq_shrinks_to_its_first_entries(collection):
    """Of more entries than are wanted the first are taken."""
    assert grown([collection], entries=2, phrasings=100).entries == collection.knowledge.entries[:2]


@pytest.mark.skipif(not CLINC.exists(), reason="CLINC150's sample is kept outside the project")
def test_clinc_is_read_whole(collection):
    """Its sample has 150 entries of eight texts and 2,500 questions."""
    clinc = clinc_collection(CLINC, collection.knowledge)
    assert len(clinc.knowledge.entries) == 150
    assert {1 + len(entry.phrasings) for entry in clinc.knowledge.entries} == {8}
    assert len(clinc.questions) == 2500


def test_a_table_is_markdown():
    """Names stand left, figures right."""
    assert table(["", "time"], [["this", "1 ms"]]) == "|  | time |\n| --- | ---: |\n| this | 1 ms |"


@pytest.mark.parametrize(("value", "told"), [(0.001, "<×0.01"), (0.5, "×0.5"), (1.26, "×1.3"), (12.6, "×13")])  # noqa: RUF001
def test_a_ratio_has_two_figures(value, told):
    """More would be noise."""
    assert ratio(value, 1) == told


def texts(collection: Collection, entry_id: str) -> list[str]:
    return [entry.question for entry in collection.knowledge.entries if entry.id == entry_id]
