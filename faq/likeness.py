"""How like an utterance is to each of some texts: by terms and by meaning or, without an encoder, by characters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, pairwise
from typing import Protocol

import numpy as np

from faq.arrays import Floats
from faq.text import Analysis
from faq.tfidf import TfidfIndex

# How much terms weigh beside meaning or characters, and how fast meaning fades: docs/matching.md, table 2.
_TERMS_TO_MEANING, _TERMS_TO_CHARACTERS = 0.75, 1.0
_FADING = 2.0
_RUNS_OF_CHARACTERS = (2, 3, 4, 5)
_REMEMBERED_WORDS = 20_000


class Encoder(Protocol):
    """Turns texts into vectors of length one that lie near each other when the texts mean the same."""

    @property
    def name(self) -> str:
        """What tells this encoder's vectors from another's."""

    def encode(self, text: str) -> Floats:
        """Return the vector of an utterance, of which nothing may be kept."""

    def encode_all(self, texts: Sequence[str]) -> Floats:
        """Return the vectors of texts of the FAQ's own, which may be kept, as the rows of one array."""


@dataclass(frozen=True)
class Likeness:
    """How like something is to each text: in all respects, and in the one that best tells how near they are."""

    overall: Floats
    near: Floats


class Kernel(Protocol):
    """Tells how like an utterance is to each text, and how like the texts are to each other."""

    def likeness(self, analysis: Analysis) -> Likeness:
        """Return the utterance's likeness to the texts."""

    def among_texts(self) -> Likeness:
        """Return the texts' likeness to each other, a row a text; the caller may overwrite the arrays."""


def kernel(analyses: Sequence[Analysis], encoder: Encoder | None, typical: int) -> Kernel:
    """Return what tells the likeness to these texts; what the first `typical` have in common says nothing."""
    return Meaning(encoder, analyses, typical) if encoder else Spelling(analyses)


class Spelling:
    """Likeness by terms and by runs of characters, which see through inflection and what is misspelt beyond mending."""

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
    """Likeness by terms and by vectors: these as they are for nearness, and less what is usual for what sets apart.

    What is left of two vectors is compared by a Gaussian, so that a text speaks for what is near it and no further.
    """

    def __init__(self, encoder: Encoder, analyses: Sequence[Analysis], typical: int) -> None:
        self._encoder = encoder
        self._terms = TfidfIndex([_terms(analysis) for analysis in analyses])
        self._vectors = encoder.encode_all([" ".join(analysis.words) for analysis in analyses])
        self._usual = self._vectors[:typical].mean(axis=0)
        self._contrasts = _unit(self._vectors - self._usual)

    def likeness(self, analysis: Analysis) -> Likeness:
        """Return the utterance's likeness to the texts."""
        return self._mixed(self._terms.similarities(_terms(analysis)), self._encoder.encode(" ".join(analysis.words)))

    def among_texts(self) -> Likeness:
        """Return the texts' likeness to each other."""
        return self._mixed(self._terms.between_documents(), self._vectors)

    def _mixed(self, terms: Floats, vectors: Floats) -> Likeness:
        cosine = _unit(vectors - self._usual) @ self._contrasts.T
        # Of vectors of length one, exp(-|a - b|² * fading / 2).
        meaning = np.exp(_FADING * (cosine - 1))
        return Likeness((_TERMS_TO_MEANING * terms + meaning) / (1 + _TERMS_TO_MEANING), vectors @ self._vectors.T)


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
