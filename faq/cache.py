"""Arrays kept from one start to the next, in a folder that may be lost at any time."""

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]

# Files of one kind that are kept: a few FAQs, and a few versions of the one that is being edited.
_KEPT = 8
# A digest stands before the arrays: one spoilt byte in a zip's own tables would only hide an array.
_DIGEST_BYTES = 16


class Cache:
    """Keeps named groups of arrays in a folder; one that can't be read or written costs time and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, kind: str, key: str) -> Arrays | None:
        """Return the arrays kept under this kind and key, or None."""
        with suppress(OSError):
            kept = self._file(kind, key).read_bytes()
            digest, content = kept[:_DIGEST_BYTES], kept[_DIGEST_BYTES:]
            if digest == _digest(content):
                with np.load(BytesIO(content)) as stored:
                    return dict(stored)
        return None

    def save(self, kind: str, key: str, arrays: Arrays) -> None:
        """Keep the arrays, and forget the oldest of their kind."""
        buffer = BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]  # numpy takes any name
        content = buffer.getvalue()
        with suppress(OSError):
            write_whole(self._file(kind, key), lambda fresh: fresh.write_bytes(_digest(content) + content))
            newest_first = sorted(self._folder.glob(f"{kind}-*.npz"), key=lambda file: -file.stat().st_mtime)
            for old in newest_first[_KEPT:]:
                old.unlink(missing_ok=True)

    def _file(self, kind: str, key: str) -> Path:
        return self._folder / f"{kind}-{key}.npz"


@lru_cache(maxsize=1)
def digest_of_code() -> bytes:
    """Return a digest of this folder's code, on which all depends that it worked out."""
    return _digest(b"".join(source.read_bytes() for source in sorted(Path(__file__).parent.glob("*.py"))))


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


def write_whole(target: Path, write: Callable[[Path], object]) -> None:
    """Write a file whole or not at all, whoever else may be writing it; raise OSError if that can't be done."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        fresh = Path(scratch) / target.name
        write(fresh)
        fresh.replace(target)
