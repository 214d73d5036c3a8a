"""Who is told what the bot does, to count it; by itself it counts nothing."""


class Recorder:
    """Is told of updates and replies, by numbers and ids and never by words."""

    def arrived(self) -> None:
        """An update arrived."""

    def seen_twice(self) -> None:
        """An update arrived that is handled, or being handled, already."""

    def handled(self, seconds: float) -> None:
        """The handling of an update ended, well or not, so long after it arrived."""

    def replied(self, kind: str, entry_id: str | None, seconds: float) -> None:
        """A reply of this kind was sent, an answer with its entry, so long after the bot turned to the utterance."""

    def failed(self, kind: str) -> None:
        """Something went wrong, of this kind."""
