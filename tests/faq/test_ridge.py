"""The equations of ridge regression are solved as numpy's own routines solve them in twice the precision."""

import numpy as np
import pytest

from faq.arrays import Square
from faq.ridge import Triangle

PENALTY = 0.3
SIZES = [1, 2, 512, 513, 1100]


def likenesses(size: int, alike: float) -> np.ndarray:
    """Make a matrix as those of our texts are: cosines, of which all share something."""
    vectors = np.random.default_rng(size).normal(size=(size, 60)) + 6 * alike
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors @ vectors.T).astype(np.float32)


def triangle(matrix: np.ndarray) -> Triangle:
    return Triangle(Square(len(matrix), lambda rows, columns: matrix[rows, columns].copy()), PENALTY)


def penalized(matrix: np.ndarray) -> np.ndarray:
    return matrix.astype(np.float64) + PENALTY * np.eye(len(matrix))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("alike", [0, 1])
def test_the_diagonal_is_that_of_the_inverse(size, alike):
    matrix = likenesses(size, alike)
    exact = np.linalg.inv(penalized(matrix)).diagonal()
    np.testing.assert_allclose(triangle(matrix).inverse_diagonal(), exact, rtol=0, atol=5e-5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("alike", [0, 1])
def test_every_column_is_solved_however_different_in_size(size, alike):
    matrix = likenesses(size, alike)
    matrix[np.diag_indices(size)] += np.linspace(0, 3, size, dtype=np.float32)
    targets = np.random.default_rng(1).normal(size=(size, 4)).astype(np.float32) * np.float32([1, 100, 1e-3, 0])
    exact = np.linalg.solve(penalized(matrix), targets)
    solution = triangle(matrix).solve(targets)
    assert solution.dtype == np.float32
    assert np.abs(solution - exact).max(axis=0) == pytest.approx(0, abs=1e-4 * np.abs(exact).max())
    assert not solution[:, 3].any()


def test_of_a_symmetric_matrix_only_the_upper_half_is_worked_out():
    matrix, asked = likenesses(1100, 0), []

    def block(rows, columns):
        asked.append((rows.start, columns.start, columns.stop))
        return matrix[rows, columns].copy()

    Triangle(Square(1100, block), PENALTY)
    assert asked == [(0, 0, None), (512, 512, None), (1024, 1024, None)]
