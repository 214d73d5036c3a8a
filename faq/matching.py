"""Ranking an FAQ's entries for an utterance, each with the calibrated probability that it is the right one."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Protocol

import numpy as np

from faq.arrays import Floats, Positions
from faq.cache import Cache
from faq.calibration import Calibration, Evidence
from faq.model import Entry, Lexicon
from faq.text import Analysis, Analyzer
from faq.tfidf import TfidfIndex

# How much each kind of likeness weighs, and the ridge penalty: docs/matching.md, table 2.
_MEANING, _TERMS, _CHARACTERS = 1.0, 0.5, 0.5
_PENALTY = 0.3
_RUNS_OF_CHARACTERS = (2, 3, 4, 5)

# More are never shown to anybody.
_CANDIDATES = 10
# The share of messages that no entry answers, as in the labelled sets.
_SHARE_OF_NONE = 0.25
# An entry with fewer texts leaves too little behind when one of them is held out.
_FEWEST_TEXTS = 4
# With fewer texts to hold out, the weights found for the product's own FAQ do better than fitted ones.
_FEWEST_EXAMPLES = 100
# Fitting takes an array of examples x entries x features: this many examples x entries keep it under 50 MB.
_MOST_CHANCES = 1_000_000


class Encoder(Protocol):
    """Turns texts into vectors of length one that lie near each other when the texts mean the same."""

    @property
    def name(self) -> str:
        """What tells this encoder's vectors from another's."""

    def encode(self, text: str) -> Floats:
        """Return the vector of an utterance, of which nothing may be kept."""

    def encode_all(self, texts: Sequence[str]) -> Floats:
        """Return the vectors of the FAQ's own texts, which may be kept, as the rows of one array."""


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


@dataclass(frozen=True)
class Likeness:
    """How like an utterance is to each text: in all respects, and in what tells nearness best (meaning, if known)."""

    overall: Floats
    near: Floats


def _mixed(
    terms: Floats, characters: Floats, nearness: Floats | None = None, contrast: Floats | None = None
) -> Likeness:
    spelling = _TERMS * terms + _CHARACTERS * characters
    if nearness is None or contrast is None:
        alone = spelling / (_TERMS + _CHARACTERS)
        return Likeness(alone, alone)
    return Likeness((_MEANING * contrast + spelling) / (_MEANING + _TERMS + _CHARACTERS), nearness)


class Matcher:
    """Ranks by kernel ridge regression over all phrasings and by the nearest of them (docs/matching.md)."""

    def __init__(
        self,
        entries: Sequence[Entry],
        background: Sequence[str],
        lexicon: Lexicon,
        encoder: Encoder | None = None,
        cache: Cache | None = None,
    ) -> None:
        smalltalk = {kind: phrases for kind, phrases in lexicon.smalltalk if phrases}
        phrasings = [*((entry.question, *entry.phrasings) for entry in entries), *smalltalk.values()]
        asked = [text for texts in phrasings for text in texts]
        # Even without a background, "none of them" needs a text: an empty one is like nothing else.
        unanswered = background or ("",)
        self.analyzer = Analyzer(lexicon, asked)
        self._entries = entries
        self._smalltalk = list(smalltalk)
        self._none = len(phrasings)
        self._encoder_name = encoder.name if encoder else "words alone"
        self._texts = [*asked, *unanswered]
        self._groups = _Groups([*map(len, phrasings), len(unanswered)])
        analyses = [self.analyzer.analyze(text) for text in self._texts]
        self._known = Counter(term for analysis in analyses[: len(asked)] for term in set(analysis.terms))
        self._terms = TfidfIndex([_terms(analysis) for analysis in analyses])
        self._characters = TfidfIndex([_characters(analysis) for analysis in analyses])
        self._meanings = _Meanings(encoder, analyses, len(asked)) if encoder else None
        self._coefficients, self._calibration = self._learned(analyses, cache)

    def rank(self, utterance: str) -> Ranking:
        """Return the best entries with their probabilities."""
        analysis = self.analyzer.analyze(utterance)
        likeness = self._likeness(analysis)
        ridge = likeness.overall @ self._coefficients
        strangeness = np.array(self._strangeness(analysis))
        evidence = _evidence(ridge, self._groups.nearness(likeness.near), strangeness)
        scores = self._calibration.probabilities(evidence)
        of_entries = scores[: len(self._entries)]
        closest = self._groups.closest(likeness.overall)
        best_first = np.argsort(-of_entries, kind="stable")[:_CANDIDATES]
        candidates = (Candidate(self._entries[i], float(scores[i]), self._texts[closest[i]]) for i in best_first)
        of_smalltalk = zip(self._smalltalk, scores[len(self._entries) :].tolist(), strict=False)
        kind, score = max(of_smalltalk, key=itemgetter(1), default=("", 0.0))
        return Ranking(analysis, tuple(candidates), kind, score)

    def _likeness(self, analysis: Analysis) -> Likeness:
        terms = self._terms.similarities(_terms(analysis))
        characters = self._characters.similarities(_characters(analysis))
        if not self._meanings:
            return _mixed(terms, characters)
        vector = self._meanings.encode(analysis)
        return _mixed(terms, characters, self._meanings.nearness(vector), self._meanings.contrast(vector))

    def _likeness_of_texts(self) -> Likeness:
        terms, characters = self._terms.between_documents(), self._characters.between_documents()
        if not self._meanings:
            return _mixed(terms, characters)
        vectors = self._meanings.vectors
        return _mixed(terms, characters, self._meanings.nearness(vectors), self._meanings.contrast(vectors))

    def _strangeness(self, analysis: Analysis, occurrences: int = 0) -> float:
        """Return the share of the telling words that no phrasing has, besides so many occurrences of its own."""
        telling = {
            term
            for word, term in zip(analysis.words, analysis.terms, strict=True)
            if word not in self.analyzer.stopwords
        }
        return sum(self._known[term] <= occurrences for term in telling) / max(1, len(telling))

    def _learned(self, analyses: Sequence[Analysis], cache: Cache | None) -> tuple[Floats, Calibration]:
        """Return what was learnt of just these texts at an earlier start, or learn it."""
        if cache is None:
            return self._learn(analyses)
        key = self._fingerprint(analyses)
        if (kept := cache.load("learned", key)) is not None:
            return kept["coefficients"], Calibration(kept["entry_weights"], kept["none_weights"])
        coefficients, calibration = self._learn(analyses)
        weights = {"entry_weights": calibration.entry_weights, "none_weights": calibration.none_weights}
        cache.save("learned", key, {"coefficients": coefficients, **weights})
        return coefficients, calibration

    def _fingerprint(self, analyses: Sequence[Analysis]) -> str:
        """Return a digest of all that learning depends on: this code, the encoder, the texts as they are read."""
        digest = hashlib.blake2b(Path(__file__).read_bytes(), digest_size=16)
        digest.update(repr((self._encoder_name, self._groups.sizes.tolist())).encode())
        for analysis in analyses:
            digest.update(repr((analysis.words, analysis.terms)).encode())
        return digest.hexdigest()

    def _learn(self, analyses: Sequence[Analysis]) -> tuple[Floats, Calibration]:
        """Find the ridge coefficients, and from every text held out in turn the weights of the calibration."""
        likeness = self._likeness_of_texts()
        size = len(self._texts)
        membership = np.eye(self._none + 1, dtype=np.float32)[self._groups.owners]
        inverse = np.linalg.inv(likeness.overall + _PENALTY * np.eye(size, dtype=np.float32))
        coefficients: Floats = inverse @ membership
        # What ridge regression says of a text that it has not seen (Hastie and others, ESL, equation 7.52).
        ridge = membership - coefficients / np.diag(inverse)[:, None]
        others = np.where(np.eye(size, dtype=bool), -np.inf, likeness.near)
        asked = self._groups.owners < self._none
        strangeness = [self._strangeness(each, own) for each, own in zip(analyses, asked, strict=True)]
        evidence = _evidence(ridge, self._groups.nearness(others), np.array(strangeness))
        return coefficients, self._calibrated(evidence)

    def _calibrated(self, evidence: Evidence) -> Calibration:
        owners, sizes = self._groups.owners, self._groups.sizes
        examples = np.flatnonzero(sizes[owners] >= _FEWEST_TEXTS)
        examples = examples[:: 1 + len(examples) * len(sizes) // _MOST_CHANCES]
        right = owners[examples]
        none = right == self._none
        if min(none.sum(), (right < len(self._entries)).sum()) < _FEWEST_EXAMPLES:
            return _UNFITTED_WITH_MEANING if self._meanings else _UNFITTED
        importance = np.where(none, _SHARE_OF_NONE / none.sum(), (1 - _SHARE_OF_NONE) / (~none).sum())
        return Calibration.fit(Evidence(evidence.entries[examples], evidence.none[examples]), right, importance)


class _Meanings:
    """The texts' vectors, as they are and as they differ from the FAQ's average, which says what sets a text apart."""

    def __init__(self, encoder: Encoder, analyses: Sequence[Analysis], asked: int) -> None:
        self._encoder = encoder
        self.vectors = encoder.encode_all([_plain(analysis) for analysis in analyses])
        self._average = self.vectors[:asked].mean(axis=0)
        self._contrasts = _unit(self.vectors - self._average)

    def encode(self, analysis: Analysis) -> Floats:
        return self._encoder.encode(_plain(analysis))

    def nearness(self, vectors: Floats) -> Floats:
        return vectors @ self.vectors.T

    def contrast(self, vectors: Floats) -> Floats:
        return _unit(vectors - self._average) @ self._contrasts.T


class _Groups:
    """The texts of each entry, then the background's: they stand one after another in every array."""

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

    def closest(self, likeness: Floats) -> Positions:
        """Return the position of each group's most alike text."""
        by_likeness = np.lexsort((likeness, self.owners))
        last: Positions = by_likeness[self._starts + self.sizes - 1]
        return last


def _evidence(ridge: Floats, nearness: Floats, strangeness: Floats) -> Evidence:
    """Put together what speaks for each entry, and for none of them: its likeness, a constant, strange words."""
    both = np.stack([ridge, nearness], axis=-1)
    always = np.ones_like(strangeness)
    return Evidence(both[..., :-1, :], np.concatenate([both[..., -1, :], np.stack([always, strangeness], -1)], -1))


# Fitted on the product's own FAQ; what a FAQ too small for a fit of its own starts from.
_UNFITTED_WITH_MEANING = Calibration(np.array([12.2, 9.6]), np.array([5.5, 8.8, 0.8, 2.2]))
_UNFITTED = Calibration(np.array([13.8, 2.9]), np.array([4.3, 2.6, 1.1, 3.8]))


def _plain(analysis: Analysis) -> str:
    return " ".join(analysis.words)


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: Floats = vectors / np.maximum(length, np.finfo(np.float32).tiny)
    return unit


def _terms(analysis: Analysis) -> Iterator[str]:
    """Yield the terms, and each pair of neighbours, the ends of the text included."""
    yield from analysis.terms
    yield from map(" ".join, pairwise(("", *analysis.terms, "")))


def _characters(analysis: Analysis) -> Iterator[str]:
    """Yield the runs of characters within each word, its ends marked by spaces."""
    for word in analysis.words:
        padded = f" {word} "
        for length in _RUNS_OF_CHARACTERS:
            yield from (padded[start : start + length] for start in range(len(padded) - length + 1))
