"""Names for numpy's array types, and a matrix that is never whole."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Positions = npt.NDArray[np.intp]
Rows = slice | Positions


@dataclass(frozen=True)
class Square:
    """A square matrix too large to keep: `square[rows, columns]` works that block out anew, to do with as one likes."""

    size: int
    block: Callable[[Rows, slice], Floats]

    def __len__(self) -> int:
        """Return the number of its rows."""
        return self.size

    def __getitem__(self, rows_and_columns: tuple[Rows, slice]) -> Floats:
        """Return a block of it."""
        return self.block(*rows_and_columns)
