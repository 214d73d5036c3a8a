"""Arrays kept from one start to the next, in a folder that may be lost at any time."""

import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]

# Files of one kind that are kept: a few FAQs, and a few versions of the one that is being edited.
_KEPT = 8


class Cache:
    """Keeps named groups of arrays in a folder; one that can't be read or written costs time and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, kind: str, key: str) -> Arrays | None:
        """Return the arrays kept under this kind and key, or None."""
        file = self._file(kind, key)
        with suppress(Exception), file.open("rb") as raw, np.load(raw) as stored:  # a spoilt one fails in a dozen ways
            if stored.zip.testzip() is None:
                return dict(stored)
        return None

    def save(self, kind: str, key: str, arrays: Arrays) -> None:
        """Keep the arrays, and forget the oldest of their kind."""
        with suppress(OSError):
            write_whole(self._file(kind, key), lambda fresh: np.savez(fresh, **arrays))  # type: ignore[arg-type]  # numpy takes any name
            newest_first = sorted(self._folder.glob(f"{kind}-*.npz"), key=lambda file: -file.stat().st_mtime)
            for old in newest_first[_KEPT:]:
                old.unlink(missing_ok=True)

    def _file(self, kind: str, key: str) -> Path:
        return self._folder / f"{kind}-{key}.npz"


def write_whole(target: Path, write: Callable[[Path], object]) -> None:
    """Write a file whole or not at all, whoever else may be writing it; raise OSError if that can't be done."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        fresh = Path(scratch) / target.name
        write(fresh)
        fresh.replace(target)
