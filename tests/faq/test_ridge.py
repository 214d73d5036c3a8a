"""The equations of ridge regression are solved as numpy's own routines solve them in twice the precision."""

import numpy as np
import pytest

from faq.ridge import invert_root, solve


def likenesses(size: int, alike: float = 0.0) -> np.ndarray:
    """Make a matrix as those of our texts are: cosines, of which all share something, and a penalty."""
    vectors = np.random.default_rng(size).normal(size=(size, 60)) + 6 * alike
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors @ vectors.T + 0.3 * np.eye(size)).astype(np.float32)


@pytest.mark.parametrize("size", [1, 2, 128, 129, 600, 1001])
@pytest.mark.parametrize("alike", [0, 1])
def test_the_inverse_of_the_root_makes_the_inverse(size, alike):
    matrix = likenesses(size, alike)
    inverse = np.linalg.inv(matrix.astype(np.float64))
    invert_root(matrix)
    assert np.allclose(matrix, np.triu(matrix), atol=1e-6)
    np.testing.assert_allclose(matrix @ matrix.T, inverse, rtol=0, atol=5e-5)


@pytest.mark.parametrize("size", [1, 2, 600])
@pytest.mark.parametrize("alike", [0, 1])
def test_every_column_is_solved_however_different_in_size(size, alike):
    matrix = likenesses(size, alike)
    matrix[np.diag_indices(size)] += np.linspace(0, 3, size, dtype=np.float32)
    targets = np.random.default_rng(1).normal(size=(size, 4)).astype(np.float32) * np.float32([1, 100, 1e-3, 0])
    exact = np.linalg.solve(matrix.astype(np.float64), targets)
    solution = solve(matrix, targets)
    assert solution.dtype == np.float32
    assert np.abs(solution - exact).max(axis=0) == pytest.approx(0, abs=1e-4 * np.abs(exact).max())
    assert not solution[:, 3].any()
