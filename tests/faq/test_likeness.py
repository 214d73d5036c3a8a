"""Vectors are compared along the few axes in which they differ most, and no cosine that matters changes by it."""

import numpy as np
import pytest

from faq.likeness import _Vectors

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
