"""What must be mended in an FAQ before it can go live."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from rapidfuzz import fuzz, process

# Below this likeness (0-100) a wrong name is no misspelling of the right one.
_ALIKE = 60
# Among more names than these, looking for the nearest one takes too long.
_MANY = 2_000


@dataclass(frozen=True, order=True)
class Problem:
    """One thing to mend in a file of the FAQ, told to someone who has never programmed."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class ContentError(Exception):
    """The FAQ cannot go live: all that must be mended first, sorted by file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the known name that a wrong one is likely to mean."""
    if len(known) > _MANY:
        return None
    found = process.extractOne(name, list(known), scorer=fuzz.ratio, score_cutoff=_ALIKE)
    return found[0] if found else None
