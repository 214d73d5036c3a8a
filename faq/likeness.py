"""How like an utterance is to each of some texts: by terms and by meaning or, without an encoder, by characters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, pairwise
from typing import Protocol

import numpy as np

from faq.arrays import Floats, Positions, Square
from faq.cache import Arrays
from faq.text import Analysis, Words
from faq.tfidf import TfidfIndex

# How much terms weigh beside sense, wording or characters, and how fast the first two fade: docs/matching.md, table 2.
_TERMS_TO_SENSE, _TERMS_TO_WORDING, _TERMS_TO_CHARACTERS = 0.5, 0.75, 1.0
_FADING = 2.0
# How many axes tell vectors apart, and of how many texts each has to be found: the same table.
_AXES_OF_SENSE, _AXES_OF_WORDING = 192, 128
_TEXTS_AN_AXIS = 4
# A vector that differs less from the usual one is made of rounding errors.
_LEAST_LENGTH = np.float32(1e-3)
_RUNS_OF_CHARACTERS = (2, 3, 4, 5)
_REMEMBERED_WORDS = 20_000


class Encoder(Protocol):
    """Turns texts into vectors of length one that lie near each other when the texts are alike.

    Each text has two: of its sense, alike when texts mean the same, and of its wording, when they say it the same way.
    """

    @property
    def name(self) -> str:
        """What tells this encoder's vectors from another's."""

    def encode(self, text: str) -> Floats:
        """Return the vectors of an utterance, of shape (2, width); nothing of it may be kept."""

    def encode_all(self, texts: Sequence[str]) -> Floats:
        """Return the vectors of texts of the FAQ's own, which may be kept, of shape (texts, 2, width)."""


@dataclass(frozen=True)
class Likeness:
    """How like something is to each text: by sense and by wording, each with the terms; and how near it is."""

    by_sense: Floats
    by_wording: Floats
    near: Floats


class Kernel(Protocol):
    """Tells how like an utterance is to each text, and how like the texts are to each other."""

    def likeness(self, words: Words, terms: Words) -> Likeness:
        """Return the likeness to the texts of an utterance of these words and terms."""

    def by_terms(self, terms: Words) -> Floats:
        """Return what terms alone add to the likeness by wording, which takes a glance: nothing is encoded."""

    def by_sense(self, texts: Positions) -> Square:
        """Return how like some texts are to each other by sense."""

    def by_wording(self, texts: Positions) -> Square:
        """Return how like some texts are to each other by wording."""

    def near(self, texts: Positions) -> Square:
        """Return how near some texts are to each other."""


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
        mixed = _joined(self._characters.similarities(_characters(words)), by_terms, _TERMS_TO_CHARACTERS)
        return Likeness(mixed, mixed, mixed)

    def by_terms(self, terms: Words) -> Floats:
        """Return what terms alone add to the likeness."""
        return _share(_TERMS_TO_CHARACTERS) * self._terms.similarities(_with_pairs(terms))

    def by_sense(self, texts: Positions) -> Square:
        """Return the likeness of some texts to each other."""
        return _together(self._characters.among(texts), self._terms.among(texts), _TERMS_TO_CHARACTERS)

    by_wording = near = by_sense


class Meaning:
    """Likeness by terms together with vectors, those of the sense and those of the wording.

    Two vectors are compared by a Gaussian, so that a text speaks for what is near it and no further.
    """

    def __init__(self, index: Arrays, encoder: Encoder, typical: int) -> None:
        """Begin with what `index` returned; what the first `typical` texts have in common says nothing."""
        self._encoder = encoder
        self._terms = TfidfIndex(_of(index, "terms"))
        self._sense = _Vectors(_of(index, "sense"), typical)
        self._wording = _Vectors(_of(index, "wording"), typical)

    @staticmethod
    def index(analyses: Sequence[Analysis], encoder: Encoder, told_apart: int) -> Arrays:
        """Return what the likeness to these texts is worked out with, in a form that can be kept.

        Only the first texts are `told_apart` by their sense.
        """
        vectors = encoder.encode_all([" ".join(analysis.words) for analysis in analyses])
        return {
            **_named("terms", _index_of_terms(analyses)),
            **_named("sense", _Vectors.index(vectors[:told_apart, 0], _AXES_OF_SENSE)),
            **_named("wording", _Vectors.index(vectors[:, 1], _AXES_OF_WORDING)),
        }

    def likeness(self, words: Words, terms: Words) -> Likeness:
        """Return the likeness to the texts of an utterance of these words and terms."""
        sense, wording = self._encoder.encode(" ".join(words))
        by_terms = self._terms.similarities(_with_pairs(terms))
        _, by_sense = self._sense.cosines(sense)
        near, by_wording = self._wording.cosines(wording)
        return Likeness(
            _joined(_faded(by_sense), by_terms[: len(by_sense)], _TERMS_TO_SENSE),
            _joined(_faded(by_wording), by_terms, _TERMS_TO_WORDING),
            near,
        )

    def by_terms(self, terms: Words) -> Floats:
        """Return what terms alone add to the likeness by wording, which takes a glance: nothing is encoded."""
        return _share(_TERMS_TO_WORDING) * self._terms.similarities(_with_pairs(terms))

    def by_sense(self, texts: Positions) -> Square:
        """Return the likeness of some texts to each other by terms and sense."""
        return _together(self._sense.among(texts), self._terms.among(texts), _TERMS_TO_SENSE)

    def by_wording(self, texts: Positions) -> Square:
        """Return the likeness of some texts to each other by terms and wording."""
        return _together(self._wording.among(texts), self._terms.among(texts), _TERMS_TO_WORDING)

    def near(self, texts: Positions) -> Square:
        """Return the cosines of some texts' wording."""
        return self._wording.near(texts)


class _Vectors:
    """Vectors along the few axes in which they differ most, scaled to length one again.

    What lies along their other axes is more noise than sense (docs/matching.md, table 2). These are their principal
    axes (Jolliffe, Principal Component Analysis, 2002).
    """

    def __init__(self, arrays: Arrays, typical: int) -> None:
        """Begin with what `index` returned; what the first `typical` vectors have in common is what is usual."""
        self._axes, self._vectors = arrays["axes"], arrays["vectors"]
        self._usual = self._vectors[:typical].mean(axis=0)
        self._along_usual = self._vectors @ self._usual
        self._lengths = _length(self._vectors - self._usual)

    @staticmethod
    def index(vectors: Floats, most: int) -> Arrays:
        """Return the vectors' axes, the `most` that count, and the vectors along them."""
        # Of few texts little would be saved: then all axes are kept, which changes no cosine.
        kept = most if len(vectors) >= _TEXTS_AN_AXIS * most else vectors.shape[1]
        axes = np.linalg.eigh(vectors.T @ vectors).eigenvectors[:, -kept:]
        along = vectors @ axes
        return {"axes": axes, "vectors": along / _length(along)[:, None]}

    def cosines(self, vector: Floats) -> tuple[Floats, Floats]:
        """Return the cosine of a vector to each of these, as they are and less what is usual."""
        along = vector @ self._axes
        along /= _length(along)
        near = self._vectors @ along
        # (a - u)(b - u) = ab - au - bu + uu: so the vectors are gone through, and kept, only once.
        product = near - self._along_usual - (along - self._usual) @ self._usual
        return near, product / (self._lengths * _length(along - self._usual))

    def among(self, texts: Positions) -> Square:
        """Return the cosines of some of the vectors to each other, less what is usual, as likeness that fades."""
        contrasts = (self._vectors[texts] - self._usual) / self._lengths[texts, None]
        return Square(len(texts), lambda rows, columns: _faded(contrasts[rows] @ contrasts[columns].T))

    def near(self, texts: Positions) -> Square:
        """Return the cosines of some of the vectors to each other, as they are."""
        vectors = self._vectors[texts]
        return Square(len(texts), lambda rows, columns: vectors[rows] @ vectors[columns].T)


def _together(likeness: Square, by_terms: Square, weight: float) -> Square:
    """Return the mean of likeness and that by terms, which weighs so much beside it."""
    return Square(
        len(likeness), lambda rows, columns: _joined(likeness[rows, columns], by_terms[rows, columns], weight)
    )


def _faded(cosine: Floats) -> Floats:
    """Overwrite the cosine of a and b, vectors of length one, by exp(-|a - b|² * fading / 2)."""
    cosine -= 1
    cosine *= _FADING
    np.exp(cosine, out=cosine)
    return cosine


def _joined(likeness: Floats, by_terms: Floats, weight: float) -> Floats:
    """Overwrite likeness with its mean with that by terms, which weighs so much beside it."""
    likeness += weight * by_terms
    likeness /= 1 + weight
    return likeness


def _share(weight: float) -> float:
    """Return how much of a mean terms make that weigh so much beside something else."""
    return weight / (1 + weight)


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
