"""The linear algebra of kernel ridge regression, in 32-bit floats and in place; numpy's own copies it into 64-bit ones.

The matrix is the likeness of texts to each other plus a penalty on the diagonal: symmetric and positive definite.
"""

import numpy as np

from faq.arrays import Floats

# Below this size numpy's own Cholesky decomposition and inverse are as fast.
_SMALL = 256
# Penalties keep our matrices so well conditioned that some 20 steps do.
_MOST_STEPS = 500
_CONVERGED = 1e-6


def invert_root(matrix: Floats) -> None:
    """Overwrite L Lᵀ by the inverse of L, its Cholesky factor: R, of which Rᵀ R is the inverse of the whole.

    Half by half, so that nearly all is left to matrix products; at its peak this takes half as much memory again. The
    inverse itself, found the same way, would lose three digits more.
    """
    if len(matrix) <= _SMALL:
        matrix[:] = np.linalg.inv(np.linalg.cholesky(matrix))
        return
    half = len(matrix) // 2
    first, last, below = matrix[:half, :half], matrix[half:, half:], matrix[half:, :half]
    invert_root(first)
    factor = below @ first.T
    last -= factor @ factor.T
    invert_root(last)
    np.matmul(last, factor @ first, out=below)
    np.negative(below, out=below)
    matrix[:half, half:] = 0


def solve(matrix: Floats, targets: Floats) -> Floats:
    """Return x of matrix @ x = targets, column by column, by conjugate gradients (Hestenes and Stiefel, 1952)."""
    solution = np.zeros_like(targets)
    residual, direction = targets.copy(), targets.copy()
    size = _squares(residual)
    enough = _CONVERGED**2 * size
    for _ in range(_MOST_STEPS):
        if (size <= enough).all():
            break
        image = matrix @ direction
        step = _ratio(size, np.einsum("rc,rc->c", direction, image))
        solution += step * direction
        residual -= step * image
        before, size = size, _squares(residual)
        direction = residual + _ratio(size, before) * direction
    return solution


def _squares(columns: Floats) -> Floats:
    return np.asarray(np.einsum("rc,rc->c", columns, columns))


def _ratio(dividend: Floats, divisor: Floats) -> Floats:
    """Return the ratios, and 0 for a column that is solved to the last digit already."""
    return np.divide(dividend, divisor, out=np.zeros_like(dividend), where=divisor > 0)
