"""Likeness by shared features."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faq.tfidf import TfidfIndex

words = st.lists(st.sampled_from("abcdefgh"), max_size=8)


def test_the_same_words_are_entirely_alike_and_other_words_not_at_all():
    index = TfidfIndex(TfidfIndex.index([["needle", "size"], ["price"]]))
    assert index.similarities(["size", "needle"]) == pytest.approx([1, 0])
    assert index.similarities(["weather"]) == pytest.approx([0, 0])


def test_a_rare_word_counts_more_than_a_common_one():
    index = TfidfIndex(TfidfIndex.index([["it", "hurts"], ["it", "costs"], ["it", "works"]]))
    hurts, costs, _ = index.similarities(["it", "hurts"])
    assert hurts > 2 * costs > 0


@given(st.lists(words, min_size=1, max_size=6), words)
def test_it_is_the_cosine_of_the_weighted_counts(documents, question):
    index = TfidfIndex(TfidfIndex.index(documents))
    assert index.similarities(question) == pytest.approx(_by_definition(documents, question), abs=1e-5)
    between = [index.similarities(document) for document in documents]
    backwards = index.among(np.arange(len(documents))[::-1])
    assert backwards[:, :] == pytest.approx(np.array(between)[::-1, ::-1], abs=1e-5)


@given(st.integers(64, 200), st.randoms(use_true_random=False))
def test_among_many_documents_rare_features_and_frequent_ones_count_alike(number, random):
    documents = [[random.choice("abc"), f"pair-{i // 2}", random.choice((f"only-{i}", "d"))] for i in range(number)]
    index = TfidfIndex(TfidfIndex.index(documents))
    some = np.array(random.sample(range(number), 40))
    between = np.array([index.similarities(documents[i])[some] for i in some])
    among = index.among(some)
    assert among[:, :] == pytest.approx(between, abs=1e-5)
    assert among[np.array([7, 3]), 5:20] == pytest.approx(between[[7, 3], 5:20], abs=1e-5)


def _by_definition(documents, question):
    seen = {f: sum(f in d for d in documents) for d in documents for f in d}
    idf = {f: np.log((1 + len(documents)) / (1 + n)) + 1 for f, n in seen.items()}

    def vector(bag):
        weights = np.array([(1 + np.log(bag.count(f))) * idf[f] if f in bag else 0.0 for f in idf])
        return weights / (np.linalg.norm(weights) or 1)

    return [float(vector(question) @ vector(document)) for document in documents]
