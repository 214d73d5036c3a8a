"""Names for numpy's array types."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Positions = npt.NDArray[np.intp]
