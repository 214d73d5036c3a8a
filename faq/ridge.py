"""The linear algebra of kernel ridge regression, in 32-bit floats and in place; numpy's own copies it into 64-bit ones.

Its matrix, the likeness of texts to each other plus a penalty on the diagonal, is symmetric and positive definite: the
product Uᵀ U of a triangle U, found half by half so that nearly all is left to matrix products (Golub and Van Loan,
Matrix Computations, section 4.2).
"""

import numpy as np

from faq.arrays import Floats

# Blocks of the diagonal no larger than this are left to numpy.
_SMALL = 128

_Quarters = tuple[Floats, Floats, Floats]


def solve(matrix: Floats, targets: Floats) -> Floats:
    """Return x of matrix @ x = targets, column by column; overwrites the matrix."""
    solution = targets.copy()
    _factorize(matrix)
    _divide_transposed(matrix, solution)
    _divide(matrix, solution)
    return solution


def invert_root(matrix: Floats) -> None:
    """Overwrite the matrix Uᵀ U by R, the inverse of U, so that R Rᵀ is the inverse of the matrix."""
    _factorize(matrix)
    _invert(matrix)


def _factorize(matrix: Floats) -> None:
    """Put U in place of the upper half, but for small blocks on the diagonal: the inverses of U's."""
    if len(matrix) <= _SMALL:
        matrix[:] = np.linalg.inv(np.linalg.cholesky(matrix)).T
        return
    first, across, last = _quarters(matrix)
    _factorize(first)
    _divide_transposed(first, across)
    last -= across.T @ across
    _factorize(last)


def _divide_transposed(factor: Floats, columns: Floats) -> None:
    """Overwrite the columns by x of Uᵀ x = columns."""
    if len(factor) <= _SMALL:
        columns[:] = factor.T @ columns
        return
    first, across, last = _quarters(factor)
    above, below = columns[: len(first)], columns[len(first) :]
    _divide_transposed(first, above)
    below -= across.T @ above
    _divide_transposed(last, below)


def _divide(factor: Floats, columns: Floats) -> None:
    """Overwrite the columns by x of U x = columns."""
    if len(factor) <= _SMALL:
        columns[:] = factor @ columns
        return
    first, across, last = _quarters(factor)
    above, below = columns[: len(first)], columns[len(first) :]
    _divide(last, below)
    above -= across @ below
    _divide(first, above)


def _invert(factor: Floats) -> None:
    """Overwrite U by its inverse."""
    if len(factor) <= _SMALL:
        return
    first, across, last = _quarters(factor)
    _invert(first)
    _invert(last)
    np.matmul(first @ across, last, out=across)
    np.negative(across, out=across)
    factor[len(first) :, : len(first)] = 0


def _quarters(matrix: Floats) -> _Quarters:
    """Return the upper left, the upper right and the lower right quarter."""
    half = len(matrix) // 2
    return matrix[:half, :half], matrix[:half, half:], matrix[half:, half:]
