"""The safety gate: whether a message sounds like an emergency, and which cautions a person's words call for.

safety.yaml holds, for each kind of danger, messages that must alarm and look-alikes that must not. Kernel ridge
regression over them, and over the questions that the FAQ answers, tells how much an utterance sounds like an emergency
of each kind; its nearest neighbours on either side have a say of their own. A rule, a combination of cues such as
<chest> and <hurts>, lowers how much is enough. So words that were never written down can alarm, and "had a stroke in
2015" can stay calm (docs/matching.md, section 7).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

import numpy as np

from faq.arrays import Floats
from faq.cache import Arrays
from faq.corpus import Corpus, Reading
from faq.model import Caution, Notice, Phrases, Rule, Safety, Unlike
from faq.ridge import Triangle
from faq.text import Analysis, Analyzer

# The penalty of the ridge regression: small, as one example of a danger may be the only one of its like.
_PENALTY = 0.05
# How many neighbours count, and how much: what lies between the examples is told best by the nearest of them.
_NEIGHBOURS, _NEARNESS = 3, 4.0


class _Bar(NamedTuple):
    """From which score on something alarms (about -1 is calm, 1 urgent): by itself, and where a rule is met."""

    by_itself: float
    by_rule: float


# Without an encoder the score knows less. Evidence: docs/matching.md, table 6.
_MESSAGE, _MESSAGE_BY_WORDS = _Bar(0.1, -0.2), _Bar(0.3, -0.3)
# A question beside it must not hide an emergency: sentences, their clauses and the halves of each are looked at by
# themselves. Out of context a part must be urgent beyond doubt, and a half, cut anywhere, even more so.
# Evidence for these and the next: docs/matching.md, section 7.
_PART, _HALF = _Bar(1.1, 0.4), _Bar(1.3, 0.8)
# A message that scores less, and meets no rule, hides none.
_MAY_HIDE = -1.2
# Only what sounds suspect by its terms alone is worth a closer look, the worst few of it, and to be cut in two.
_SUSPECT, _MOST_SUSPECTS = -0.1, 3
# Half of fewer words says nothing by itself.
_WORDS_TO_HALVE = 6
# How much a rule that is met adds to its kind of notice, whose scores are between 0 and 1.
_RULES_KIND = 0.25
# Without an encoder, a word or two tell nothing by themselves: "3" and "look" stand in some example.
_FEWEST_WORDS = 3
# A negation this many words or fewer before a caution's cue takes it back: "I am not pregnant".
_NEGATED_WITHIN = 3
_SENTENCE_END = re.compile(r"[.!?\n\u2026\uff1f\u061f\u3002]+")
_CLAUSE_END = r"[,:](?!\d)|[;()\u2013\u2014\u060c\u3001\uff0c\uff1b]|\s-\s"
# So many texts at once: their likeness to 10,000 others takes 10 MB.
_AT_ONCE = 256
# "1-17 years old" stands for seventeen phrases; a telephone number or a date, which has more hyphens, for itself.
_NUMBERS = re.compile(r"(?<![\w-])(\d{1,9})-(\d{1,9})(?![\d-])")
# Each of these phrases is read at every start, a thousand in 40 ms; no age, week or dose needs as many.
_MOST_NUMBERS = 500

Span = tuple[int, int]


@dataclass(frozen=True)
class Alarm:
    """The notice to show, and what earned it: a rule with its reason, and its example most like the utterance."""

    rule: str
    reason: str
    kind: Notice
    example: str
    score: float


def phrases_of(safety: Safety) -> Iterator[str]:
    """Yield all that the cues listen for, so that a misspelt word of theirs is mended."""
    for phrases in safety.cues.values():
        for phrase in phrases:
            yield from _spelled_out(phrase.phrase if isinstance(phrase, Unlike) else phrase)


def fault_of(phrase: str) -> str | None:
    """Return why the range of numbers in a cue's phrase can't be listened for, and what to write, or None if it can."""
    if (numbers := _NUMBERS.search(phrase)) is None:
        return None
    first, last = map(int, numbers.groups())
    if last < first:
        return f"`{numbers[0]}` goes down. Write the smaller number first: {last}-{first}."
    if (count := last - first + 1) > _MOST_NUMBERS:
        return (
            f"`{numbers[0]}` stands for {count} numbers, and {_MOST_NUMBERS} are the most. "
            f"If it is no range, write a space for the hyphen: {first} {last}."
        )
    return None


def messages_of(safety: Safety) -> Iterator[str]:
    """Yield the messages by which urgent is told from calm: examples, look-alikes, and what is harmless."""
    for rule in safety.rules:
        yield from chain(rule.examples, rule.look_alikes)
    yield from safety.harmless


class Triage:
    """Reads utterances by one safety.yaml, in which every name leads somewhere.

    `ordinary` is what else people write, and no emergency. The corpus must hold it and `messages_of(safety)`, and its
    analyzer should know the words of `phrases_of(safety)`.
    """

    def __init__(self, safety: Safety, ordinary: Sequence[str], corpus: Corpus) -> None:
        self.safety = safety
        self._corpus = corpus
        self._cues = _Cues(safety.cues, corpus.analyzer)
        self._clause_end = _clause_end(corpus.analyzer.conjunctions)
        self._notices = {notice.id: notice for notice in safety.notices}
        self._examples = [(rule, text) for rule in safety.rules for text in rule.examples]
        self._calm = [*chain.from_iterable(rule.look_alikes for rule in safety.rules), *safety.harmless, *ordinary]
        self._texts = corpus.positions(chain((text for _, text in self._examples), self._calm))
        if corpus.by_meaning:
            self._bar, self._fewest_words = _MESSAGE, 1
        else:
            self._bar, self._fewest_words = _MESSAGE_BY_WORDS, _FEWEST_WORDS
        if self._examples:
            targets = self._targets()
            self._coefficients = corpus.learnt("triage", (self._texts, targets), lambda: self._learn(targets))[
                "coefficients"
            ]

    def alarm(self, utterance: str) -> Alarm | None:
        """Return the notice that an utterance calls for, or None."""
        if not self._examples:
            return None
        whole = self._sound(self._corpus.read(utterance))
        if alarm := self._alarm(whole, self._bar):
            return alarm
        if whole.urgency < _MAY_HIDE and not self._rules_met(whole.analysis):
            return None
        alarms = (self._alarm(self._sound(self._corpus.read(part)), bar) for part, bar in self._suspects(utterance))
        return next(filter(None, alarms), None)

    def _suspects(self, utterance: str) -> list[tuple[str, _Bar]]:
        """Return the parts of an utterance that are worth a closer look, the worst first, and what each must score."""
        parts = self._suspicious(_parts(utterance, self._clause_end))
        halves = self._suspicious(chain.from_iterable(map(_halves, parts)))
        glances = halves | parts
        worst_first = sorted(glances, key=glances.__getitem__, reverse=True)
        return [(text, _PART if text in parts else _HALF) for text in worst_first[:_MOST_SUSPECTS]]

    def _suspicious(self, texts: Iterable[str]) -> dict[str, float]:
        """Return the texts that sound suspect by their terms alone, which takes a glance, and how urgent they sound."""
        readings = ((text, self._corpus.read(text)) for text in dict.fromkeys(texts))
        glances = ((text, self._sound_of(read.analysis, read.by_terms[self._texts]).urgency) for text, read in readings)
        return {text: glance for text, glance in glances if glance >= _SUSPECT}

    def cautions(self, utterance: str) -> tuple[Caution, ...]:
        """Return the cautions that the utterance calls for, in the file's order."""
        analysis = self._corpus.read(utterance).analysis
        stated, present = self._cues.stated(analysis), self._cues.present(analysis)
        # What comes before an answer warns of leaving something out, which "not" and "instead of" speak of themselves.
        return tuple(
            caution
            for caution in self.safety.cautions
            if _is_met(caution.cues, present if caution.before_answer else stated)
        )

    def wrong(self) -> Iterator[tuple[str, str]]:
        """Yield each example and look-alike of safety.yaml that turns out wrong, and a sentence that says how."""
        if self._examples:
            yield from self._wrong_alarms()
        for caution in self.safety.cautions:
            for text in caution.examples:
                if caution not in self.cautions(text):
                    yield text, f"This example does not call for the caution `{caution.id}`. Add its words to a cue."
            for text in caution.look_alikes:
                if caution in self.cautions(text):
                    yield text, f"This must not call for the caution `{caution.id}`. Write its words as `not` in a cue."

    def _wrong_alarms(self) -> Iterator[tuple[str, str]]:
        alarms = self._alarms()
        for (rule, text), alarm in zip(self._examples, alarms, strict=False):
            if alarm is None:
                yield text, f"This example of the rule `{rule.id}` does not alarm. Is one like it under a `not:`?"
            elif alarm.kind.id != rule.kind:
                yield (
                    text,
                    f"This example of the rule `{rule.id}` shows the notice `{alarm.kind.id}`. Move or reword it.",
                )
        for text, alarm in zip(self._calm, alarms, strict=False):
            if alarm:
                yield text, f"This must not alarm, but sounds like “{alarm.example}” of the rule `{alarm.rule}`."

    def _alarms(self) -> Iterator[Alarm | None]:
        """Yield what each example and each calm message would call for."""
        analyses = self._corpus.analyses()
        among = self._corpus.kernel.by_wording(self._texts)
        for start in range(0, len(among), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            for position, likeness in zip(self._texts[some], among[some, :], strict=True):
                sound = self._sound_of(analyses[position], likeness)
                yield self._alarm(sound, self._bar)

    def _sound(self, reading: Reading) -> "_Sound":
        if not reading.analysis.words:
            return _Sound(reading.analysis)
        return self._sound_of(reading.analysis, reading.likeness.by_wording[self._texts])

    def _sound_of(self, analysis: Analysis, likeness: Floats) -> "_Sound":
        urgency, *kinds = (likeness @ self._coefficients).tolist()
        alike, unlike = likeness[: len(self._examples)], likeness[len(self._examples) :]
        return _Sound(analysis, urgency + _NEARNESS * (_nearest(alike) - _nearest(unlike)), kinds, alike)

    def _alarm(self, sound: "_Sound", bar: _Bar) -> Alarm | None:
        """Return the notice for what scores enough by itself, or enough for what also meets a rule."""
        met = self._rules_met(sound.analysis)
        if sound.urgency < (bar.by_rule if met else bar.by_itself):
            return None
        if not met and len(sound.analysis.words) < self._fewest_words:
            return None
        of_rules = {rule.kind for rule in met}
        kind = max((s + _RULES_KIND * (k in of_rules), k) for s, k in zip(sound.kinds, self._notices, strict=True))[1]
        nearest_first = (self._examples[i] for i in sound.alike.argsort()[::-1])
        rule, example = next((rule, text) for rule, text in nearest_first if rule.kind == kind)
        rule = next((rule for rule in met if rule.kind == kind), rule)
        return Alarm(rule.id, rule.reason, self._notices[kind], example, sound.urgency)

    def _rules_met(self, analysis: Analysis) -> list[Rule]:
        cues = self._cues.present(analysis)
        return [rule for rule in self.safety.rules if _is_met(rule.cues, cues)]

    def _learn(self, targets: Floats) -> Arrays:
        triangle = Triangle(self._corpus.kernel.by_wording(self._texts), _PENALTY)
        return {"coefficients": triangle.solve(targets)}

    def _targets(self) -> Floats:
        """Return a row a text: 1 if it is urgent and else -1, then 1 for its own kind of notice."""
        targets = np.zeros((len(self._texts), 1 + len(self._notices)), np.float32)
        targets[:, 0] = -1
        kinds = list(self._notices)
        for row, (rule, _) in enumerate(self._examples):
            targets[row, [0, 1 + kinds.index(rule.kind)]] = 1
        return targets


@dataclass(frozen=True)
class _Sound:
    """How a text sounds: how urgent in all and of each kind, and how like each example; no words, not urgent."""

    analysis: Analysis
    urgency: float = -np.inf
    kinds: Sequence[float] = ()
    alike: Floats = field(default_factory=lambda: np.empty(0))


def _parts(utterance: str, clause_end: re.Pattern[str]) -> list[str]:
    """Return the sentences of an utterance and the clauses of each."""
    sentences = _split(_SENTENCE_END, utterance)
    return [*sentences, *chain.from_iterable(_split(clause_end, sentence) for sentence in sentences)]


def _clause_end(conjunctions: Iterable[str]) -> re.Pattern[str]:
    words = "".join(rf"|\b{re.escape(word)}\b" for word in conjunctions)
    return re.compile(_CLAUSE_END + words, re.IGNORECASE)


def _split(end: re.Pattern[str], text: str) -> list[str]:
    return [part for part in end.split(text) if part.strip()]


def _halves(text: str) -> Iterator[str]:
    words = text.split()
    if len(words) >= _WORDS_TO_HALVE:
        middle = len(words) // 2
        yield from (" ".join(words[:middle]), " ".join(words[middle:]))


def _nearest(likeness: Floats) -> float:
    """Return the mean likeness of the few texts that are most alike."""
    few = min(_NEIGHBOURS, len(likeness))
    return float(np.partition(likeness, -few)[-few:].mean())


def _is_met(combinations: Iterable[Sequence[str]], present: set[str]) -> bool:
    """Tell whether all cues of one combination are present."""
    return any(present.issuperset(combination) for combination in combinations)


class _Cues:
    """Finds the cues of safety.yaml in an utterance: phrases of terms, so that word endings do not matter."""

    def __init__(self, cues: Mapping[str, Phrases], analyzer: Analyzer) -> None:
        self._negations = frozenset(map(analyzer.term, analyzer.negations))
        self._begun_by = defaultdict[str, list[tuple[tuple[str, ...], str, bool]]](list)
        for name, phrases in cues.items():
            for phrase in phrases:
                counts = not isinstance(phrase, Unlike)
                for spelled in _spelled_out(phrase if isinstance(phrase, str) else phrase.phrase):
                    if terms := analyzer.analyze(spelled).terms:
                        self._begun_by[terms[0]].append((terms, name, counts))

    def present(self, analysis: Analysis) -> set[str]:
        """Return the names of the cues that the utterance holds."""
        return {name for name, _ in self._found(analysis.terms)}

    def stated(self, analysis: Analysis) -> set[str]:
        """Return the names of the cues that the utterance holds and does not take back by a negation."""
        terms = analysis.terms
        return {
            name
            for name, (start, _) in self._found(terms)
            if self._negations.isdisjoint(terms[max(0, start - _NEGATED_WITHIN) : start])
        }

    def _found(self, terms: Sequence[str]) -> Iterator[tuple[str, Span]]:
        found, unlike = list[tuple[str, Span]](), defaultdict[str, set[int]](set)
        for start, first in enumerate(terms):
            for phrase, name, counts in self._begun_by.get(first, ()):
                end = start + len(phrase)
                if tuple(terms[start:end]) == phrase:
                    if counts:
                        found.append((name, (start, end)))
                    else:
                        unlike[name].update(range(start, end))
        return ((name, place) for name, place in found if unlike[name].isdisjoint(range(*place)))


def _spelled_out(phrase: str) -> Iterator[str]:
    if (numbers := _NUMBERS.search(phrase)) is None:
        yield phrase
        return
    first, last = map(int, numbers.groups())
    yield from (_NUMBERS.sub(str(number), phrase, count=1) for number in range(first, last + 1))
