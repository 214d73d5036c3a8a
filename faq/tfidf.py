"""Cosine similarity of TF-IDF vectors, over an inverted index: a question costs what its own features cost."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from faq.arrays import Floats, Positions, Rows, Square
from faq.cache import Arrays

# A feature is frequent if one in so many documents has it: then its list takes longer than a product of matrices does.
_FREQUENT = 32


class TfidfIndex:
    """Documents as bags of features, weighted by (1 + log count) * smoothed idf and scaled to length one.

    The weights are those of Manning, Raghavan and Schütze, Introduction to Information Retrieval, section 6.4.
    """

    def __init__(self, arrays: Arrays) -> None:
        """Begin with what `index` returned."""
        names = json.loads(arrays["features"].tobytes())
        self._ids = dict(zip(names, range(len(names)), strict=True))
        self._idf: Floats = arrays["idf"]
        # The inverted lists one after another: which documents have a feature, and with which weight.
        self._starts = np.concatenate([[0], np.cumsum(arrays["seen_in"])])
        self._documents, self._weights = arrays["documents"], arrays["weights"]
        self._count = int(arrays["count"])

    @staticmethod
    def index(documents: Sequence[Iterable[str]]) -> Arrays:
        """Return the index of these documents, in a form that can be kept."""
        features = [[*document] for document in documents]
        known: dict[str, int] = {}
        ids = [known.setdefault(feature, len(known)) for document in features for feature in document]
        owners = np.repeat(np.arange(len(features)), [*map(len, features)])
        # Each feature with each document that has it, once, sorted by feature.
        postings, counts = np.unique(np.array(ids, np.intp) * len(features) + owners, return_counts=True)
        of_feature, having = np.divmod(postings, len(features) or 1)
        seen_in = np.bincount(of_feature, minlength=len(known))
        idf = (np.log((1 + len(features)) / (1 + seen_in)) + 1).astype(np.float32)
        weights = _frequency_weights(counts) * idf[of_feature]
        lengths = np.sqrt(np.bincount(having, weights**2, len(features)))
        return {
            "features": np.frombuffer(json.dumps([*known]).encode(), np.uint8),
            "seen_in": seen_in,
            "idf": idf,
            "documents": having.astype(np.int32),
            "weights": (weights / lengths[having]).astype(np.float32),
            "count": np.array(len(features)),
        }

    def similarities(self, features: Iterable[str]) -> Floats:
        """Return the cosine of the features to each document, in the documents' order."""
        bag = Counter(feature for feature in features if feature in self._ids)
        ids = np.array([self._ids[feature] for feature in bag], np.intp)
        weights = _frequency_weights(np.array([*bag.values()])) * self._idf[ids]
        return self._cosines(ids, weights / (np.linalg.norm(weights) or 1))

    def among(self, documents: Positions) -> Square:
        """Return the cosines of some documents to each other."""
        # The postings in the documents' order are the vectors again; kept, they would double the index.
        by_document = np.argsort(self._documents, kind="stable")
        seen_in = np.diff(self._starts)
        owners = self._documents[by_document]
        features = np.repeat(np.arange(len(seen_in)), seen_in)[by_document]
        weights = self._weights[by_document]
        # Features that many documents have are compared by a product of matrices, the others by their short lists.
        frequent = seen_in > self._count // _FREQUENT
        columns, is_frequent = np.cumsum(frequent) - 1, frequent[features]
        dense = np.zeros((self._count, np.count_nonzero(frequent)), np.float32)
        dense[owners[is_frequent], columns[features[is_frequent]]] = weights[is_frequent]
        rare, rare_weights = features[~is_frequent], weights[~is_frequent]
        sizes = np.bincount(owners[~is_frequent], minlength=self._count)
        ends = np.cumsum(sizes)

        def cosines(rows: Rows, columns: slice) -> Floats:
            some, others = documents[rows], documents[columns]
            block: Floats = dense[some] @ dense[others].T
            for document, row in zip(some, block, strict=True):
                vector = slice(ends[document] - sizes[document], ends[document])
                row += self._cosines(rare[vector], rare_weights[vector])[others]
            return block

        return Square(len(documents), cosines)

    def _cosines(self, ids: Positions, weights: Floats) -> Floats:
        starts, ends = self._starts[ids], self._starts[ids + 1]
        lengths = ends - starts
        # The features' postings one after another: the place in the whole, less the place where its own list begins.
        postings = np.arange(lengths.sum()) + np.repeat(ends - np.cumsum(lengths), lengths)
        shares = self._weights[postings] * np.repeat(weights, lengths)
        return np.bincount(self._documents[postings], shares, self._count).astype(np.float32)


def _frequency_weights(counts: Positions) -> Floats:
    """Return how much features weigh that occur so often, 1 + log count."""
    return np.asarray(1 + np.log(counts, dtype=np.float32))
