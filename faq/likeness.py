"""How like an utterance is to each of some texts: by terms and by meaning or, without an encoder, by characters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, pairwise
from typing import Protocol

import numpy as np

from faq.arrays import Floats, Positions
from faq.cache import Arrays
from faq.text import Analysis, Words
from faq.tfidf import TfidfIndex

# How much terms weigh beside meaning or characters, and how fast meaning fades: docs/matching.md, table 2.
_TERMS_TO_MEANING, _TERMS_TO_CHARACTERS = 0.75, 1.0
_FADING = 2.0
# A vector that differs less from the usual one is made of rounding errors.
_LEAST_LENGTH = np.float32(1e-3)
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

    def likeness(self, words: Words, terms: Words) -> Likeness:
        """Return the likeness to the texts of an utterance of these words and terms."""

    def among(self, texts: Positions) -> Floats:
        """Return the overall likeness of some texts to each other, a row a text; the caller may overwrite it."""

    def near(self, some: Positions, others: Positions) -> Floats:
        """Return how near some texts are to others, a row for each of the former; the caller may overwrite it."""


class Spelling:
    """Likeness by terms and by runs of characters, which see through inflection and what is misspelt beyond mending."""

    def __init__(self, index: Arrays) -> None:
        self._terms, self._characters = TfidfIndex(_of(index, "terms")), TfidfIndex(_of(index, "characters"))

    @staticmethod
    def index(analyses: Sequence[Analysis]) -> Arrays:
        """Return what the likeness to these texts is worked out with, in a form that can be kept."""
        characters = TfidfIndex.index([_characters(analysis.words) for analysis in analyses])
        return {**_named("terms", _index_of_terms(analyses)), **_named("characters", characters)}

    def likeness(self, words: Words, terms: Words) -> Likeness:
        """Return the likeness to the texts of an utterance of these words and terms."""
        by_terms = self._terms.similarities(_with_pairs(terms))
        mixed = _mixed(by_terms, self._characters.similarities(_characters(words)))
        return Likeness(mixed, mixed)

    def among(self, texts: Positions) -> Floats:
        """Return the likeness of some texts to each other."""
        return self.near(texts, texts)

    def near(self, some: Positions, others: Positions) -> Floats:
        """Return the likeness of some texts to others."""
        rows = np.empty((len(some), len(others)), np.float32)
        by_terms, by_characters = self._terms.between_documents(some), self._characters.between_documents(some)
        for row, terms, characters in zip(rows, by_terms, by_characters, strict=True):
            row[:] = _mixed(terms, characters)[others]
        return rows


def _mixed(terms: Floats, characters: Floats) -> Floats:
    return (_TERMS_TO_CHARACTERS * terms + characters) / (1 + _TERMS_TO_CHARACTERS)


class Meaning:
    """Likeness by terms and by vectors: these as they are for nearness, and less what is usual for what sets apart.

    What is left of two vectors is compared by a Gaussian, so that a text speaks for what is near it and no further.
    """

    def __init__(self, index: Arrays, encoder: Encoder, typical: int) -> None:
        """Begin with what `index` returned; what the first `typical` texts have in common says nothing."""
        self._encoder = encoder
        self._terms = TfidfIndex(_of(index, "terms"))
        self._vectors = index["vectors"]
        self._usual = self._vectors[:typical].mean(axis=0)
        self._along_usual = self._vectors @ self._usual
        self._lengths = _length(self._vectors - self._usual)

    @staticmethod
    def index(analyses: Sequence[Analysis], encoder: Encoder) -> Arrays:
        """Return what the likeness to these texts is worked out with, in a form that can be kept."""
        vectors = encoder.encode_all([" ".join(analysis.words) for analysis in analyses])
        return {**_named("terms", _index_of_terms(analyses)), "vectors": vectors}

    def likeness(self, words: Words, terms: Words) -> Likeness:
        """Return the likeness to the texts of an utterance of these words and terms."""
        vector = self._encoder.encode(" ".join(words))
        near = self._vectors @ vector
        # (a - u)(b - u) = ab - au - bu + uu: so the texts' vectors are gone through, and kept, only once.
        product = near - self._along_usual - (vector - self._usual) @ self._usual
        cosine = product / (self._lengths * _length(vector - self._usual))
        by_terms = self._terms.similarities(_with_pairs(terms))
        return Likeness((_TERMS_TO_MEANING * by_terms + _faded(cosine)) / (1 + _TERMS_TO_MEANING), near)

    def among(self, texts: Positions) -> Floats:
        """Return the likeness of some texts to each other."""
        contrasts = (self._vectors[texts] - self._usual) / self._lengths[texts, None]
        overall = _faded(contrasts @ contrasts.T)
        for row, terms in zip(overall, self._terms.between_documents(texts), strict=True):
            row += _TERMS_TO_MEANING * terms[texts]
        overall /= 1 + _TERMS_TO_MEANING
        return overall

    def near(self, some: Positions, others: Positions) -> Floats:
        """Return the cosine of some texts' vectors to others'."""
        near: Floats = self._vectors[some] @ self._vectors[others].T
        return near


def _faded(cosine: Floats) -> Floats:
    """Overwrite the cosine of a and b, vectors of length one, by exp(-|a - b|² * fading / 2)."""
    cosine -= 1
    cosine *= _FADING
    np.exp(cosine, out=cosine)
    return cosine


def _length(vectors: Floats) -> Floats:
    """Return the length along the last axis; what is as good as nothing has one too, since it must divide."""
    return np.asarray(np.maximum(np.linalg.norm(vectors, axis=-1), _LEAST_LENGTH))


def _named(part: str, arrays: Arrays) -> Arrays:
    return {f"{part}.{name}": array for name, array in arrays.items()}


def _of(index: Arrays, part: str) -> Arrays:
    return {name.removeprefix(f"{part}."): array for name, array in index.items() if name.startswith(f"{part}.")}


def _index_of_terms(analyses: Sequence[Analysis]) -> Arrays:
    return TfidfIndex.index([_with_pairs(analysis.terms) for analysis in analyses])


def _with_pairs(terms: Words) -> Iterator[str]:
    """Yield the terms, and each pair of neighbours, the ends of the text included."""
    yield from terms
    yield from map(" ".join, pairwise(("", *terms, "")))


def _characters(words: Words) -> Iterator[str]:
    """Yield the runs of characters within each word, its ends marked by spaces."""
    return chain.from_iterable(map(_runs, words))


@lru_cache(_REMEMBERED_WORDS)
def _runs(word: str) -> tuple[str, ...]:
    padded = f" {word} "
    return tuple(padded[i : i + length] for length in _RUNS_OF_CHARACTERS for i in range(len(padded) - length + 1))
