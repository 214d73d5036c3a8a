"""What the bot decides to say: the kinds of reply, and the one function that chooses among them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import ClassVar

from faq.cache import Cache
from faq.corpus import Corpus
from faq.likeness import Encoder
from faq.matching import Matcher, Ranking, groups_of
from faq.model import Caution, Content, Entry, Topic
from faq.text import Analyzer
from faq.triage import Alarm, Triage, messages_of, phrases_of


@dataclass(frozen=True)
class Thresholds:
    """The least score for an answer, for small talk, and for what is offered jointly (docs/matching.md, table 4)."""

    answer: float = 0.88
    smalltalk: float = 0.8
    clarify: float = 0.2
    topic: float = 0.1


@dataclass(frozen=True)
class Decided:
    """What every reply shares: the ranking it was chosen from, and the cautions that this person needs."""

    ranking: Ranking
    cautions: tuple[Caution, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True)
class Answer(Decided):
    """The clinic's answer to the one entry that was surely meant, and what else was surely asked."""

    kind: ClassVar = "answer"

    entry: Entry
    also: Entry | None = None


@dataclass(frozen=True)
class Clarify(Decided):
    """One to three entries, one of which was probably meant."""

    kind: ClassVar = "clarify"

    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Fallback(Decided):
    """The admission that no entry answers this, with the topic it belongs to where that is likely."""

    kind: ClassVar = "fallback"

    topic: Topic | None = None


@dataclass(frozen=True)
class Urgent(Decided):
    """The notice for an emergency, which stands alone."""

    kind: ClassVar = "urgent"

    alarm: Alarm


@dataclass(frozen=True)
class Smalltalk(Decided):
    """A greeting, thanks and the like, to be answered in kind."""

    kind: ClassVar = "smalltalk"

    about: str


Reply = Answer | Clarify | Fallback | Urgent | Smalltalk

_OFFERED = 3
# A third entry that is so much less likely than the first looks foolish: 2 offers of 170 lost what was meant by leaving
# it out.
_WORTH_A_THIRD = 0.1
# Whoever writes more than this wants to tell something.
_SMALLTALK_WORDS = 12
# Two questions in one message are common, more are not; each costs another look.
_MOST_QUESTIONS = 3
_QUESTION = re.compile(r"[^?\uff1f\u061f]*[?\uff1f\u061f]|[^?\uff1f\u061f]+$")


class Edition:
    """What one version of the FAQ says: enough to show it, and nothing that must be learnt."""

    def __init__(self, content: Content) -> None:
        self.clinic = content.answers.clinic
        self.wording = content.answers.wording
        self.sources = content.answers.sources
        self.topics: Mapping[str, Topic] = {topic.id: topic for topic in content.answers.topics}
        self.entries: Mapping[str, Entry] = {entry.id: entry for entry in content.answers.entries}
        self._safety = content.safety

    def entry(self, entry_id: str) -> Entry | None:
        """Return the entry of that id, if there is one."""
        return self.entries.get(entry_id)

    def entries_of(self, topic: Topic) -> tuple[Entry, ...]:
        """Return the topic's entries in the order of the file."""
        return tuple(entry for entry in self.entries.values() if entry.topic == topic.id)

    def cautioning(self, shown: Entry | None) -> Entry | None:
        """Return the entry that tells more about cautions, unless it is the one that is shown."""
        more = self.entries.get(self._safety.see or "")
        return None if more == shown else more

    def beside(self, shown: Iterable[Entry], cautions: Iterable[Caution]) -> tuple[Caution, ...]:
        """Return those that belong beside the entries: all where treatment is spoken of, else what comes first."""
        of_treatment = any(entry.id in self._safety.applies_to for entry in shown)
        return tuple(caution for caution in cautions if of_treatment or caution.before_answer)


class Faq(Edition):
    """One version of the FAQ, ready to reply; a changed file makes a new one."""

    def __init__(
        self,
        content: Content,
        encoder: Encoder | None = None,
        cache: Cache | None = None,
        thresholds: Thresholds = Thresholds(),
        gate: Triage | None = None,
    ) -> None:
        """Learn what there is to learn; a gate that is given, of an older version with the same dangers, is not."""
        super().__init__(content)
        self._thresholds = thresholds
        entries, lexicon, background = content.answers.entries, content.lexicon, content.background
        *asked, unanswered = groups_of(entries, lexicon, background)
        questions = [*chain.from_iterable(asked)]
        self.analyzer = Analyzer(lexicon, chain(questions, phrases_of(content.safety)), cache)
        messages = () if gate else messages_of(content.safety)
        self._corpus = Corpus(questions, unanswered, self.analyzer, encoder, cache, messages=messages)
        self._matcher = Matcher(entries, lexicon, background, self._corpus)
        self.triage = gate or Triage(content.safety, [*questions, *unanswered], self._corpus)

    def alarm(self, utterance: str) -> Alarm | None:
        """Tell whether an utterance sounds like an emergency, and by which rule."""
        return self.triage.alarm(utterance)

    def reply(self, utterance: str, *, about: Entry | None = None, calm: bool = False) -> Reply:
        """Choose what to say to an utterance, which may be any text at all.

        `about` is the entry whose answer the utterance replies to, if any; `calm` tells that it is no emergency.
        """
        ranking = self._rank(utterance)
        if not calm and (alarm := self.triage.alarm(utterance)):
            return Urgent(ranking, alarm)
        if not ranking.analysis.words:
            return Smalltalk(ranking, "abilities")
        if ranking.smalltalk_score >= self._thresholds.smalltalk and len(ranking.analysis.words) <= _SMALLTALK_WORDS:
            return Smalltalk(ranking, ranking.smalltalk)
        chosen = self._with_parts(utterance, self._chosen(ranking))
        if about and not isinstance(chosen, Answer):
            chosen = self._following_up(utterance, about) or chosen
        return replace(chosen, cautions=self._cautions(utterance, chosen))

    def _rank(self, utterance: str) -> Ranking:
        return self._matcher.rank(self._corpus.read(utterance))

    def _chosen(self, ranking: Ranking) -> Answer | Clarify | Fallback:
        best = ranking.candidates[0]
        if best.score >= self._thresholds.answer:
            return Answer(ranking, best.entry)
        offered = ranking.candidates[:_OFFERED]
        if sum(candidate.score for candidate in offered) >= self._thresholds.clarify:
            shown = [*offered[:2], *(each for each in offered[2:] if each.score >= _WORTH_A_THIRD * best.score)]
            return Clarify(ranking, tuple(candidate.entry for candidate in shown))
        return Fallback(ranking, self._likely_topic(ranking))

    def _with_parts(self, utterance: str, chosen: Answer | Clarify | Fallback) -> Answer | Clarify | Fallback:
        """Answer the first of several questions that are each sure, with the next one beside it; offer a single one."""
        least = 1 if isinstance(chosen, Fallback) else 2
        match self._surely_asked(utterance, least):
            case [first, second]:
                return Answer(chosen.ranking, first, second)
            case [only] if isinstance(chosen, Fallback):
                return Clarify(chosen.ranking, (only,))
        return chosen

    def _surely_asked(self, utterance: str, least: int) -> list[Entry]:
        """Return the entries that two of the questions in a message surely ask for, or what was found of them."""
        parts = [part for part in _QUESTION.findall(utterance) if any(map(str.isalnum, part))][:_MOST_QUESTIONS]
        sure = dict[str, Entry]()
        for looked_at, part in enumerate(parts if len(parts) > 1 else ()):
            # A look takes as long as a message does, and most parts are no sure question by themselves.
            if len(sure) == 2 or len(sure) + len(parts) - looked_at < least:
                break
            chosen = self._chosen(self._rank(part))
            if isinstance(chosen, Answer):
                sure[chosen.entry.id] = chosen.entry
        return [*sure.values()]

    def _following_up(self, utterance: str, about: Entry) -> Clarify | None:
        """Understand "and for children?" with the question of the entry that it replies to."""
        ranking = self._rank(f"{about.question} {utterance}")
        others = tuple(candidate for candidate in ranking.candidates if candidate.entry != about)
        if not others or others[0].score < self._thresholds.topic:
            return None
        return Clarify(ranking, (*(candidate.entry for candidate in others[: _OFFERED - 1]), about))

    def _likely_topic(self, ranking: Ranking) -> Topic | None:
        shares = dict.fromkeys(self.topics, 0.0)
        for candidate in ranking.candidates:
            shares[candidate.entry.topic] += candidate.score
        likeliest = max(shares, key=shares.__getitem__)
        return self.topics[likeliest] if shares[likeliest] >= self._thresholds.topic else None

    def _cautions(self, utterance: str, chosen: Answer | Clarify | Fallback) -> tuple[Caution, ...]:
        """Return the cautions that the utterance calls for."""
        match chosen:
            case Answer(entry=entry):
                shown: tuple[Entry, ...] = (entry,)
            case Clarify(entries=entries):
                shown = entries
            case Fallback(topic=topic):
                shown = self.entries_of(topic) if topic else ()
        return self.beside(shown, self.triage.cautions(utterance))
