"""Ranking an FAQ's entries for an utterance, each with the calibrated probability that it is the right one."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, pairwise
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

# How much terms weigh beside meaning, or beside characters where there is no encoder, and the penalty of the ridge
# regression: docs/matching.md, table 2.
_TERMS_TO_MEANING, _TERMS_TO_CHARACTERS = 0.75, 1.0
_PENALTY = 0.3
_RUNS_OF_CHARACTERS = (2, 3, 4, 5)
_REMEMBERED_WORDS = 20_000

# More are never shown to anybody.
_CANDIDATES = 10
# A text that is held out from its own entry is a harder question than people ask; on the tuning set the utilities
# are so much surer, and those of "none" so much lower, than held-out texts say (docs/matching.md, table 3).
_SURER, _LESS_NONE = 1.3, 0.5
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
    """How like something is to each text: in all respects, and in the one that best tells how near they are."""

    overall: Floats
    near: Floats


class Kernel(Protocol):
    """Tells how like an utterance is to each text, and how like the texts are to each other."""

    @property
    def unfitted(self) -> Calibration:
        """The weights for an FAQ that is too small to fit its own; they were found on the product's."""

    def likeness(self, analysis: Analysis) -> Likeness:
        """Return the utterance's likeness to the texts."""

    def among_texts(self) -> Likeness:
        """Return the texts' likeness to each other, a row a text; the caller may overwrite the arrays."""


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
        self._kernel: Kernel = Meaning(encoder, analyses, len(asked)) if encoder else Spelling(analyses)
        self._coefficients, self._calibration = self._learned(analyses, cache)

    def rank(self, utterance: str) -> Ranking:
        """Return the best entries with their probabilities."""
        analysis = self.analyzer.analyze(utterance)
        likeness = self._kernel.likeness(analysis)
        ridge = likeness.overall @ self._coefficients
        evidence = _evidence(ridge, self._groups.nearness(likeness.near))
        scores = self._calibration.probabilities(evidence)
        of_entries = scores[: len(self._entries)]
        closest = self._groups.closest(likeness.overall)
        best_first = np.argsort(-of_entries, kind="stable")[:_CANDIDATES]
        candidates = (Candidate(self._entries[i], float(scores[i]), self._texts[closest[i]]) for i in best_first)
        of_smalltalk = zip(self._smalltalk, scores[len(self._entries) :].tolist(), strict=False)
        kind, score = max(of_smalltalk, key=itemgetter(1), default=("", 0.0))
        return Ranking(analysis, tuple(candidates), kind, score)

    def _learned(self, analyses: Sequence[Analysis], cache: Cache | None) -> tuple[Floats, Calibration]:
        """Return what was learnt of just these texts at an earlier start, or learn it."""
        if cache is None:
            return self._learn()
        key = self._fingerprint(analyses)
        if (kept := cache.load("learned", key)) is not None:
            return kept["coefficients"], Calibration(kept["entry_weights"], kept["none_weights"])
        coefficients, calibration = self._learn()
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

    def _learn(self) -> tuple[Floats, Calibration]:
        """Find the ridge coefficients, and from every text held out in turn the weights of the calibration."""
        likeness = self._kernel.among_texts()
        membership = np.eye(self._none + 1, dtype=np.float32)[self._groups.owners]
        likeness.overall[np.diag_indices(len(self._texts))] += _PENALTY
        inverse = np.linalg.inv(likeness.overall)
        coefficients: Floats = inverse @ membership
        # What ridge regression says of a text that it has not seen (Hastie and others, ESL, equation 7.52).
        ridge = membership - coefficients / np.diag(inverse)[:, None]
        np.fill_diagonal(likeness.near, -np.inf)
        nearness = np.stack([self._groups.nearness(row) for row in likeness.near])
        return coefficients, self._calibrated(_evidence(ridge, nearness))

    def _calibrated(self, evidence: Evidence) -> Calibration:
        owners, sizes = self._groups.owners, self._groups.sizes
        examples = np.flatnonzero(sizes[owners] >= _FEWEST_TEXTS)
        examples = examples[:: 1 + len(examples) * len(sizes) // _MOST_CHANCES]
        right = owners[examples]
        none = right == self._none
        if min(none.sum(), (right < len(self._entries)).sum()) < _FEWEST_EXAMPLES:
            return self._kernel.unfitted
        importance = np.where(none, _SHARE_OF_NONE / none.sum(), (1 - _SHARE_OF_NONE) / (~none).sum())
        held_out = Evidence(evidence.entries[examples], evidence.none[examples])
        fitted = Calibration.fit(held_out, right, importance)
        return Calibration(_SURER * fitted.entry_weights, _SURER * fitted.none_weights - [0, 0, _LESS_NONE])


class Spelling:
    """Likeness by terms and by runs of characters, which see through inflection and what is misspelt beyond mending."""

    unfitted = Calibration(np.array([17.5, 5.9]), np.array([7.2, 3.6, 1.2]))

    def __init__(self, analyses: Sequence[Analysis]) -> None:
        self._terms = TfidfIndex([_terms(analysis) for analysis in analyses])
        self._characters = TfidfIndex([_characters(analysis) for analysis in analyses])

    def likeness(self, analysis: Analysis) -> Likeness:
        """Return the utterance's likeness to the texts."""
        terms = self._terms.similarities(_terms(analysis))
        return self._mixed(terms, self._characters.similarities(_characters(analysis)))

    def among_texts(self) -> Likeness:
        """Return the texts' likeness to each other."""
        return self._mixed(self._terms.between_documents(), self._characters.between_documents())

    def _mixed(self, terms: Floats, characters: Floats) -> Likeness:
        mixed = (_TERMS_TO_CHARACTERS * terms + characters) / (1 + _TERMS_TO_CHARACTERS)
        return Likeness(mixed, mixed.copy())


class Meaning:
    """Likeness by terms and by vectors: taken as they are for nearness, and less their average for what sets apart."""

    unfitted = Calibration(np.array([16.3, 15.4]), np.array([7.5, 14.3, 0.3]))

    def __init__(self, encoder: Encoder, analyses: Sequence[Analysis], asked: int) -> None:
        self._encoder = encoder
        self._terms = TfidfIndex([_terms(analysis) for analysis in analyses])
        self._vectors = encoder.encode_all([" ".join(analysis.words) for analysis in analyses])
        self._average = self._vectors[:asked].mean(axis=0)
        self._contrasts = _unit(self._vectors - self._average)

    def likeness(self, analysis: Analysis) -> Likeness:
        """Return the utterance's likeness to the texts."""
        return self._mixed(self._terms.similarities(_terms(analysis)), self._encoder.encode(" ".join(analysis.words)))

    def among_texts(self) -> Likeness:
        """Return the texts' likeness to each other."""
        return self._mixed(self._terms.between_documents(), self._vectors)

    def _mixed(self, terms: Floats, vectors: Floats) -> Likeness:
        contrast = _unit(vectors - self._average) @ self._contrasts.T
        return Likeness((_TERMS_TO_MEANING * terms + contrast) / (1 + _TERMS_TO_MEANING), vectors @ self._vectors.T)


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


def _evidence(ridge: Floats, nearness: Floats) -> Evidence:
    """Put together what speaks for each group, and for none of them its likeness and a constant."""
    both = np.stack([ridge, nearness], axis=-1)
    none = both[..., -1, :]
    return Evidence(both[..., :-1, :], np.concatenate([none, np.ones_like(none[..., :1])], axis=-1))


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
    return chain.from_iterable(map(_runs, analysis.words))


@lru_cache(_REMEMBERED_WORDS)
def _runs(word: str) -> tuple[str, ...]:
    padded = f" {word} "
    return tuple(padded[i : i + length] for length in _RUNS_OF_CHARACTERS for i in range(len(padded) - length + 1))
