"""Cosine similarity of TF-IDF vectors, over an inverted index: a question costs what its own features cost."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np

from faq.arrays import Floats, Positions


class TfidfIndex:
    """Documents as bags of features, weighted by (1 + log count) * smoothed idf and scaled to length one.

    The weights are those of Manning, Raghavan and Schütze, Introduction to Information Retrieval, section 6.4.
    """

    def __init__(self, documents: Sequence[Iterable[str]]) -> None:
        bags = [Counter(document) for document in documents]
        frequency = Counter(chain.from_iterable(bags))
        self._ids = {feature: number for number, feature in enumerate(frequency)}
        seen_in = np.fromiter(frequency.values(), np.float32, len(frequency))
        self._idf: Floats = np.log((1 + len(bags)) / (1 + seen_in)) + 1
        self._sizes = np.fromiter(map(len, bags), np.intp, len(bags))
        counts = chain.from_iterable(bag.values() for bag in bags)
        features, weights = self._weighted([*chain.from_iterable(bags)], [*counts])
        documents_of = np.repeat(np.arange(len(bags)), self._sizes)
        weights /= np.sqrt(np.bincount(documents_of, weights**2))[documents_of].astype(np.float32)
        by_feature = np.argsort(features, kind="stable")
        self._documents, self._weights = documents_of[by_feature], weights[by_feature]
        self._starts = np.searchsorted(features[by_feature], np.arange(len(frequency) + 1))

    def similarities(self, features: Iterable[str]) -> Floats:
        """Return the cosine of the features to each document, in the documents' order."""
        bag = Counter(feature for feature in features if feature in self._ids)
        ids, weights = self._weighted([*bag], [*bag.values()])
        return self._cosines(ids, weights / (np.linalg.norm(weights) or 1))

    def between_documents(self, documents: Positions) -> Iterator[Floats]:
        """Yield the cosine of some documents to all, one document after another."""
        # The postings in the documents' order are the vectors again; kept, they would double the index.
        by_document = np.argsort(self._documents, kind="stable")
        features = np.repeat(np.arange(len(self._idf)), np.diff(self._starts))[by_document]
        weights = self._weights[by_document]
        ends = np.cumsum(self._sizes)
        for document in documents:
            vector = slice(ends[document] - self._sizes[document], ends[document])
            yield self._cosines(features[vector], weights[vector])

    def _weighted(self, features: Sequence[str], counts: Sequence[int]) -> tuple[Positions, Floats]:
        """Return the numbers of the features and how much they weigh, not yet scaled."""
        ids = np.array([self._ids[feature] for feature in features], np.intp)
        return ids, (1 + np.log(np.array(counts, np.float32))) * self._idf[ids]

    def _cosines(self, ids: Positions, weights: Floats) -> Floats:
        starts, ends = self._starts[ids], self._starts[ids + 1]
        lengths = ends - starts
        # The features' postings one after another: the place in the whole, less the place where its own list begins.
        postings = np.arange(lengths.sum()) + np.repeat(ends - np.cumsum(lengths), lengths)
        shares = self._weights[postings] * np.repeat(weights, lengths)
        return np.bincount(self._documents[postings], shares, len(self._sizes)).astype(np.float32)
