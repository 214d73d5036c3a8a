"""Ranking an FAQ's entries for an utterance, each with the calibrated probability that it is the right one."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter

import numpy as np

from faq.arrays import Floats, Positions
from faq.cache import Arrays
from faq.calibration import Calibration, Evidence
from faq.corpus import Corpus, Reading
from faq.model import Entry, Lexicon
from faq.ridge import Triangle
from faq.text import Analysis

# The penalty of the ridge regression: docs/matching.md, table 2.
_PENALTY = 0.3

# More are never shown to anybody.
_CANDIDATES = 10
# A text that is held out from its own entry is a harder question than people ask; on the tuning set the utilities
# are so much surer, and those of "none" so much lower, than held-out texts say (docs/matching.md, table 3).
_SURER, _LESS_NONE = 1.3, 1.0
# The share of messages that no entry answers, as in the labelled sets.
_SHARE_OF_NONE = 0.25
# An entry with fewer texts leaves too little behind when one of them is held out.
_FEWEST_TEXTS = 4
# With fewer texts to hold out, weights less sure than those fitted on the product's FAQ: docs/matching.md, section 4.
_FEWEST_EXAMPLES = 100
_UNFITTED = Calibration(np.array([15.5, 13.0]), np.array([7.4, 12.0, 3.0]))
_UNFITTED_BY_WORDS = Calibration(np.array([12.0, 4.6]), np.array([5.1, 3.3, 2.5]))
# Fitting takes an array of examples x entries x features: this many examples x entries keep it under 50 MB.
_MOST_CHANCES = 1_000_000


@dataclass(frozen=True)
class Candidate:
    """An entry, the probability that it is the right one, and the phrasing that earned it."""

    entry: Entry
    score: float
    phrasing: str


@dataclass(frozen=True)
class Ranking:
    """How an utterance was read, the candidates for it, best first, and the likeliest kind of small talk."""

    analysis: Analysis
    candidates: tuple[Candidate, ...]
    smalltalk: str = ""
    smalltalk_score: float = 0.0


def groups_of(entries: Sequence[Entry], lexicon: Lexicon, background: Sequence[str]) -> list[Sequence[str]]:
    """Return the texts of each entry, then those of each kind of small talk, and at last those that nothing answers."""
    questions = [(entry.question, *entry.phrasings) for entry in entries]
    smalltalk = [phrases for _, phrases in lexicon.smalltalk if phrases]
    # Even without a background, "none of them" needs a text: an empty one is like nothing else.
    return [*questions, *smalltalk, background or ("",)]


class Matcher:
    """Ranks by kernel ridge regression over all phrasings and by the nearest of them (docs/matching.md).

    The corpus must hold the texts of `groups_of(entries, lexicon, background)`.
    """

    def __init__(self, entries: Sequence[Entry], lexicon: Lexicon, background: Sequence[str], corpus: Corpus) -> None:
        groups = groups_of(entries, lexicon, background)
        self._entries = entries
        self._smalltalk = [kind for kind, phrases in lexicon.smalltalk if phrases]
        self._none = len(groups) - 1
        self._groups = _Groups([*map(len, groups)])
        self._corpus = corpus
        self._texts = corpus.positions(chain.from_iterable(groups))
        learnt = corpus.learnt("ranking", (self._texts, self._groups.sizes), self._learn)
        self._coefficients = learnt["coefficients"]
        self._calibration = Calibration(learnt["entry_weights"], learnt["none_weights"])

    def rank(self, reading: Reading) -> Ranking:
        """Return the best entries for an utterance with their probabilities."""
        alike, near = reading.likeness.by_sense[self._texts], reading.likeness.near[self._texts]
        scores = self._calibration.probabilities(_evidence(alike @ self._coefficients, self._groups.nearness(near)))
        of_entries = scores[: len(self._entries)]
        best_first = np.argsort(-of_entries, kind="stable")[:_CANDIDATES]
        candidates = (
            Candidate(self._entries[i], float(scores[i]), self._text(self._groups.closest(alike, i)))
            for i in best_first
        )
        of_smalltalk = zip(self._smalltalk, scores[len(self._entries) :].tolist(), strict=False)
        kind, score = max(of_smalltalk, key=itemgetter(1), default=("", 0.0))
        return Ranking(reading.analysis, tuple(candidates), kind, score)

    def _text(self, number: int) -> str:
        return self._corpus.texts[int(self._texts[number])]

    def _learn(self) -> Arrays:
        """Find the ridge coefficients, and from texts held out in turn the weights of the calibration."""
        triangle = Triangle(self._corpus.kernel.by_sense(self._texts), _PENALTY)
        coefficients = triangle.solve(self._groups.targets())
        calibration = self._calibrated(coefficients, triangle.inverse_diagonal())
        weights = {"entry_weights": calibration.entry_weights, "none_weights": calibration.none_weights}
        return {"coefficients": coefficients, **weights}

    def _calibrated(self, coefficients: Floats, diagonal: Floats) -> Calibration:
        owners, sizes = self._groups.owners, self._groups.sizes
        examples = np.flatnonzero(sizes[owners] >= _FEWEST_TEXTS)
        examples = examples[:: 1 + len(examples) * len(sizes) // _MOST_CHANCES]
        right = owners[examples]
        none = right == self._none
        if min(none.sum(), (right < len(self._entries)).sum()) < _FEWEST_EXAMPLES:
            return _UNFITTED if self._corpus.by_meaning else _UNFITTED_BY_WORDS
        importance = np.where(none, _SHARE_OF_NONE / none.sum(), (1 - _SHARE_OF_NONE) / (~none).sum())
        # What ridge regression says of a text that it has not seen (Hastie and others, ESL, equation 7.52).
        ridge = self._groups.targets()[examples] - coefficients[examples] / diagonal[examples, None]
        fitted = Calibration.fit(_evidence(ridge, self._nearness_held_out(examples)), right, importance)
        return Calibration(_SURER * fitted.entry_weights, _SURER * fitted.none_weights - [0, 0, _LESS_NONE])

    def _nearness_held_out(self, examples: Positions) -> Floats:
        """Return how near each of these texts is to each group, its likeness to itself left out."""
        near = self._corpus.kernel.near(self._texts)[examples, :]
        near[np.arange(len(examples)), examples] = -np.inf
        return np.stack([self._groups.nearness(row) for row in near])


class _Groups:
    """The texts of each entry, each kind of small talk, then the background: one after another in every array."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = np.array(sizes)
        self.owners = np.repeat(np.arange(len(sizes)), sizes)
        self._starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])

    def nearness(self, likeness: Floats) -> Floats:
        """Return the mean of each group's two most alike texts, along the last axis."""
        first = np.maximum.reduceat(likeness, self._starts, axis=-1)
        others = np.where(likeness < first[..., self.owners], likeness, -np.inf)
        second = np.maximum.reduceat(others, self._starts, axis=-1)
        return np.where(np.isfinite(second), (first + second) / 2, first)

    def targets(self) -> Floats:
        """Return a row a text: 1 for its own group, and 0 for the others."""
        return np.eye(len(self.sizes), dtype=np.float32)[self.owners]

    def closest(self, likeness: Floats, group: int) -> int:
        """Return the position of a group's most alike text."""
        start = self._starts[group]
        return int(start + likeness[start : start + self.sizes[group]].argmax())


def _evidence(ridge: Floats, nearness: Floats) -> Evidence:
    """Put together what speaks for each group, and for none of them its likeness and a constant."""
    both = np.stack([ridge, nearness], axis=-1)
    none = both[..., -1, :]
    return Evidence(both[..., :-1, :], np.concatenate([none, np.ones_like(none[..., :1])], axis=-1))
