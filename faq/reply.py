"""What the bot decides to say: the kinds of reply, and the one function that chooses among them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from faq.cache import Cache
from faq.matching import Encoder, Matcher, Ranking
from faq.model import Content, Entry, Topic


@dataclass(frozen=True)
class Thresholds:
    """The least score for an answer, and the least joint score of the entries offered (docs/matching.md, table 3)."""

    answer: float = 0.75
    clarify: float = 0.2


@dataclass(frozen=True)
class Decided:
    """What every reply shares: the ranking it was chosen from."""

    ranking: Ranking


@dataclass(frozen=True)
class Answer(Decided):
    """The clinic's answer to the one entry that was surely meant."""

    kind: ClassVar = "answer"

    entry: Entry


@dataclass(frozen=True)
class Clarify(Decided):
    """Two or three entries, one of which was probably meant."""

    kind: ClassVar = "clarify"

    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Fallback(Decided):
    """The admission that no entry answers this."""

    kind: ClassVar = "fallback"


@dataclass(frozen=True)
class Smalltalk(Decided):
    """A greeting, thanks and the like, to be answered in kind."""

    kind: ClassVar = "smalltalk"

    about: str


Reply = Answer | Clarify | Fallback | Smalltalk

_OFFERED = 3
# Whoever writes more than this wants to tell something.
_SMALLTALK_WORDS = 12


class Faq:
    """One version of the FAQ, ready to reply; a changed file makes a new one."""

    def __init__(
        self,
        content: Content,
        encoder: Encoder | None = None,
        cache: Cache | None = None,
        thresholds: Thresholds = Thresholds(),
    ) -> None:
        self.clinic = content.answers.clinic
        self.wording = content.answers.wording
        self.sources = content.answers.sources
        self.topics: Mapping[str, Topic] = {topic.id: topic for topic in content.answers.topics}
        self.entries: Mapping[str, Entry] = {entry.id: entry for entry in content.answers.entries}
        self._thresholds = thresholds
        self._matcher = Matcher(content.answers.entries, content.background, content.lexicon, encoder, cache)

    def entry(self, entry_id: str) -> Entry | None:
        """Return the entry of that id, if there is one."""
        return self.entries.get(entry_id)

    def entries_of(self, topic: Topic) -> tuple[Entry, ...]:
        """Return the topic's entries in the order of the file."""
        return tuple(entry for entry in self.entries.values() if entry.topic == topic.id)

    def reply(self, utterance: str) -> Reply:
        """Choose what to say to an utterance, which may be any text at all."""
        ranking = self._matcher.rank(utterance)
        if not ranking.analysis.words:
            return Smalltalk(ranking, "abilities")
        if ranking.smalltalk_score >= self._thresholds.answer and len(ranking.analysis.words) <= _SMALLTALK_WORDS:
            return Smalltalk(ranking, ranking.smalltalk)
        return self._chosen(ranking)

    def _chosen(self, ranking: Ranking) -> Reply:
        best = ranking.candidates[0]
        if best.score >= self._thresholds.answer:
            return Answer(ranking, best.entry)
        offered = ranking.candidates[:_OFFERED]
        if sum(candidate.score for candidate in offered) >= self._thresholds.clarify:
            return Clarify(ranking, tuple(candidate.entry for candidate in offered))
        return Fallback(ranking)
