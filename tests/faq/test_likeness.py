"""Likeness is the same whichever way it is asked for, and few axes of the vectors tell as much as all of them."""

import numpy as np
import pytest

from faq.embedding import MiniLm
from faq.likeness import Kernel, Meaning, Spelling, _Vectors
from faq.model import Lexicon
from faq.text import Analysis, Analyzer

# Two of a kind, one with a word that stands there twice, one of no words at all; the last two are not told apart.
TEXTS = ("how big are needles", "How big are needles?!", "does it hurt", "it hurts, it hurts", "", "my face drops")
TYPICAL, TOLD_APART = 3, 4

TURN = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0].astype(np.float32)


def lying_in(axes: int, number: int) -> np.ndarray:
    """Return vectors of length one and of six coordinates that all lie in so many axes, turned any way."""
    coordinates = np.zeros((number, 6), np.float32)
    coordinates[:, :axes] = np.random.default_rng(2).normal(size=(number, axes))
    vectors = coordinates @ TURN
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_vectors_that_lie_in_few_axes_keep_their_cosines_along_them():
    vectors = lying_in(2, number=20)
    index = _Vectors.index(vectors, 2)
    assert index["vectors"].shape == (20, 2)
    near, _ = _Vectors(index, typical=20).cosines(vectors[3])
    assert near == pytest.approx(vectors @ vectors[3], abs=1e-5)


def test_of_few_vectors_all_axes_are_kept():
    vectors = lying_in(6, number=7)
    near, _ = _Vectors(_Vectors.index(vectors, 2), typical=7).cosines(vectors[3])
    assert near == pytest.approx(vectors @ vectors[3], abs=1e-5)


def test_what_is_usual_says_nothing():
    vectors = lying_in(6, number=7)
    usual = vectors.mean(axis=0)
    _, contrasts = _Vectors(_Vectors.index(vectors, 2), typical=7).cosines(vectors[3])
    differences = vectors - usual
    differences /= np.linalg.norm(differences, axis=1, keepdims=True)
    assert contrasts == pytest.approx(differences @ differences[3], abs=1e-5)


@pytest.fixture(scope="module")
def analyses() -> list[Analysis]:
    analyzer = Analyzer(Lexicon(language="english"), TEXTS)
    return [*map(analyzer.analyze, TEXTS)]


@pytest.fixture(scope="module", params=["by words alone", "with meaning"])
def kernel(request, analyses) -> Kernel:
    if request.param == "by words alone":
        return Spelling(Spelling.index(analyses))
    encoder = MiniLm(request.getfixturevalue("small_model").parent)
    return Meaning(Meaning.index(analyses, encoder, TOLD_APART), encoder, TYPICAL)


@pytest.mark.parametrize(("kind", "number"), [("by_sense", TOLD_APART), ("by_wording", 6), ("near", 6)])
def test_a_text_is_as_like_each_text_as_an_utterance_of_the_same_words(kernel, analyses, kind, number):
    backwards = np.arange(number)[::-1]
    among = getattr(kernel, kind)(backwards)[:, :]
    for row, text in zip(among, backwards, strict=True):
        likeness = getattr(kernel.likeness(analyses[text].words, analyses[text].terms), kind)
        assert row == pytest.approx(likeness[backwards], abs=1e-3)


def test_terms_alone_are_what_they_add_to_the_likeness_by_wording(kernel, analyses):
    for analysis in analyses:
        words, terms = analysis.words, analysis.terms
        without, others = kernel.likeness(words, ("unheard",)).by_wording, kernel.likeness(words, terms).by_wording
        assert kernel.by_terms(terms) == pytest.approx(others - without, abs=1e-5)
    assert kernel.by_terms(analyses[0].terms)[0] > 0.3
