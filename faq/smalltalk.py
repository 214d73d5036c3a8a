"""Telling greetings, thanks and the like from questions."""

from collections.abc import Iterable, Mapping, Sequence

# The kind of words that may stand beside small talk but are none by themselves.
_FILLERS = "fillers"
# Whoever writes more than this wants to tell something.
_LONGEST = 12


class SmalltalkDetector:
    """Recognizes an utterance that consists of small talk and nothing else."""

    def __init__(self, phrases: Mapping[str, Iterable[Sequence[str]]]) -> None:
        self._kinds = {tuple(words): kind for kind, listed in phrases.items() for words in listed if words}
        self._longest = max(map(len, self._kinds), default=0)

    def kind(self, words: Sequence[str]) -> str | None:
        """Return the kind of the last piece of small talk if the words can be cut into such pieces without a rest."""
        if not words or len(words) > _LONGEST:
            return None
        kinds: dict[int, str] = {0: _FILLERS}
        for end in range(1, len(words) + 1):
            for start in range(max(0, end - self._longest), end):
                piece = self._kinds.get(tuple(words[start:end]))
                if start in kinds and piece:
                    kinds[end] = kinds[start] if piece == _FILLERS else piece
                    break
        kind = kinds.get(len(words), _FILLERS)
        return None if kind == _FILLERS else kind
