"""Measuring the bot: labelled utterances in, figures, confusions and failures out."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Protocol, get_type_hints

import numpy as np
from pydantic_core import from_json

from faq.arrays import Floats
from faq.problems import nearest
from faq.reading import shorten
from faq.reply import Answer, Clarify, Reply

# The kinds of utterance, and the reply that is right for each.
EXPECTED = {"in": "answer", "calm": "answer", "out": "fallback", "urgent": "urgent", "smalltalk": "smalltalk"}
_IN_SCOPE = ("in", "calm")

_EXAMPLE = '{"q": "does it hurt", "kind": "in", "ids": ["does-it-hurt"]}'
# So many entries are offered at most.
_FIRST = 3
_LET_THROUGH = 0.05
_BINS = 10
_UTTERANCE_LENGTH = 100
# A file of something else is wrong in every line; its first ones tell that.
_PROBLEMS_TOLD = 20

# A share from 0 to 1 or milliseconds; None where no utterance tells.
Figure = float | None
Timer = Callable[[], float]


# From lines to labelled utterances.


class LabelError(Exception):
    """The labelled utterances cannot be used: a sentence for each thing that must be mended first."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        more = len(self.problems) - _PROBLEMS_TOLD
        told = [*self.problems[:_PROBLEMS_TOLD], *([f"… and {more} more."] if more > 0 else [])]
        super().__init__("\n".join(told))


@dataclass(frozen=True)
class Labelled:
    """An utterance, its kind, and the entries that answer it, best first."""

    utterance: str
    kind: str
    ids: tuple[str, ...] = ()


def read_labelled(lines: Iterable[str], entry_ids: Collection[str]) -> list[Labelled]:
    """Return the labelled utterances, a JSON object a line; raises LabelError with every problem of every line."""
    labelled, problems = list[Labelled](), list[str]()
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                labelled.append(_labelled(line.strip(), entry_ids))
            except LabelError as error:
                problems += (f"line {number}: {problem}" for problem in error.problems)
    if not labelled and not problems:
        problems.append(f"There is no labelled utterance. Write one a line, such as {_EXAMPLE}")
    if problems:
        raise LabelError(problems)
    return labelled


def _labelled(line: str, entry_ids: Collection[str]) -> Labelled:
    try:
        values = from_json(line)
    except ValueError as error:
        reason = str(error).replace("line 1 column", "column")
        raise LabelError([f"This is not JSON: {reason}. Write it like {_EXAMPLE}"]) from None
    if not isinstance(values, dict):
        raise LabelError([f"This is JSON, but no object. Write it like {_EXAMPLE}"])
    if problems := [*_problems(values, entry_ids)]:
        raise LabelError(problems)
    return Labelled(values["q"], values["kind"], tuple(map(str, values["ids"])))


def _problems(values: dict[str, Any], entry_ids: Collection[str]) -> Iterator[str]:
    missing = [f"`{key}`" for key in ("q", "kind", "ids") if key not in values]
    if missing:
        yield f"There is no {' and no '.join(missing)}. Write the line like {_EXAMPLE}"
    if "q" in values:
        yield from _problems_of_utterance(values["q"])
    if "kind" in values:
        yield from _problems_of_kind(str(values["kind"]))
    if "ids" in values:
        yield from _problems_of_ids(values["ids"], entry_ids)
    if not missing:
        yield from _contradictions(str(values["kind"]), values["ids"])


def _problems_of_utterance(utterance: object) -> Iterator[str]:
    if not isinstance(utterance, str) or not utterance.strip():
        yield "`q` holds no text. Write what the person typed."


def _problems_of_kind(kind: str) -> Iterator[str]:
    if kind not in EXPECTED:
        known = ", ".join(f"`{name}`" for name in EXPECTED)
        yield f"There is no kind `{shorten(kind)}`. {_advice(kind, EXPECTED, f'The kinds are {known}.')}"


def _problems_of_ids(ids: object, entry_ids: Collection[str]) -> Iterator[str]:
    if not isinstance(ids, list):
        yield "`ids` is no list. Write the entry ids in square brackets."
        return
    for entry_id in map(str, ids):
        if entry_id not in entry_ids:
            advice = _advice(entry_id, entry_ids, "The ids stand in answers.yaml.")
            yield f"There is no entry `{shorten(entry_id)}`. {advice}"


def _contradictions(kind: str, ids: object) -> Iterator[str]:
    if kind in _IN_SCOPE and not ids:
        yield f"The kind `{kind}` needs an entry that answers it. Write its id into `ids`, or make the kind `out`."
    if kind in EXPECTED.keys() - _IN_SCOPE and ids:
        yield f"The kind `{kind}` goes without an entry. Leave `ids` empty, or make the kind `in`."


def _advice(name: str, known: Collection[str], otherwise: str) -> str:
    near = nearest(name.lower(), known)
    return f"Did you mean `{near}`?" if near else otherwise


# From labelled utterances to what the bot makes of them.


class Replier(Protocol):
    """Whatever chooses a reply: an Faq, or what is compared with it."""

    def reply(self, utterance: str) -> Reply:
        """Choose what to say to an utterance."""


@dataclass(frozen=True)
class Scored:
    """A candidate's entry id and its score."""

    id: str
    score: float


@dataclass(frozen=True)
class _Outcome:
    """What the bot made of one labelled utterance: its reply, the entries it showed, its candidates, its time."""

    labelled: Labelled
    reply: str
    shown: tuple[str, ...]
    candidates: tuple[Scored, ...]
    seconds: float

    @property
    def best_right(self) -> bool:
        return self.candidates[0].id in self.labelled.ids

    @property
    def right_in_first_three(self) -> bool:
        return any(candidate.id in self.labelled.ids for candidate in self.candidates[:_FIRST])

    @property
    def shows_right(self) -> bool:
        return any(entry_id in self.labelled.ids for entry_id in self.shown)

    @property
    def went_wrong(self) -> bool:
        """In scope the right entry must be answered or offered; elsewhere the reply must be of the expected kind."""
        if self.labelled.kind in _IN_SCOPE:
            return not self.shows_right
        return self.reply != EXPECTED[self.labelled.kind]

    def did(self, reply: str, right: bool) -> bool:
        """Tell whether the bot replied in this way, with or without a right entry."""
        return self.reply == reply and self.shows_right == right


def _outcome(faq: Replier, labelled: Labelled, timer: Timer) -> _Outcome:
    started = timer()
    reply = faq.reply(labelled.utterance)
    seconds = timer() - started
    candidates = tuple(Scored(each.entry.id, each.score) for each in reply.ranking.candidates)
    return _Outcome(labelled, reply.kind, _shown(reply), candidates, seconds)


def _shown(reply: Reply) -> tuple[str, ...]:
    match reply:
        case Answer(entry=entry):
            return (entry.id,)
        case Clarify(entries=entries):
            return tuple(entry.id for entry in entries)
        case _:
            return ()


# From outcomes to figures.


@dataclass(frozen=True)
class Figures:
    """The figures by name, each with the label that people read."""

    best_right: Annotated[Figure, "In scope: the best candidate is right"]
    right_in_first_three: Annotated[Figure, "In scope: a right one is among the first three"]
    answered_right: Annotated[Figure, "In scope: answered right"]
    answered_wrong: Annotated[Figure, "In scope: answered wrong"]
    offered: Annotated[Figure, "In scope: offered, a right entry among them"]
    offered_wrong: Annotated[Figure, "In scope: offered, wrong entries only"]
    silent: Annotated[Figure, "In scope: told that there is no answer"]
    answered_right_or_offered: Annotated[Figure, "In scope: answered right or offered"]
    out_answered: Annotated[Figure, "Out of scope: answered"]
    out_offered: Annotated[Figure, "Out of scope: offered entries"]
    auroc: Annotated[Figure, "In scope scored above out of scope (AUROC)"]
    right_at_5_percent: Annotated[Figure, "In scope: right at 5 % of out of scope"]
    urgent_recall: Annotated[Figure, "Urgent: noticed"]
    false_alarms_calm: Annotated[Figure, "Calm: false alarms"]
    false_alarms_other: Annotated[Figure, "In, out, small talk: false alarms"]
    smalltalk_right: Annotated[Figure, "Small talk: noticed"]
    calibration_error: Annotated[Figure, "Calibration error of the score"]
    median_ms: Annotated[Figure, "Time of one reply: median"]
    p99_ms: Annotated[Figure, "Time of one reply: 99th percentile"]


LABELS: Mapping[str, str] = {
    name: hint.__metadata__[0] for name, hint in get_type_hints(Figures, include_extras=True).items()
}


@dataclass(frozen=True)
class Confusion:
    """How often one entry was the best candidate where another was right."""

    right: str
    chosen: str
    count: int


@dataclass(frozen=True)
class Bin:
    """Utterances with nearly the same best score: its mean, the share whose best candidate is right, how many."""

    score: float | None
    right: float | None
    count: int


@dataclass(frozen=True)
class Failure:
    """An utterance that went wrong: the reply expected, the one it got with the entries shown, the best candidates."""

    utterance: str
    kind: str
    expected: str
    ids: tuple[str, ...]
    reply: str
    shown: tuple[str, ...]
    candidates: tuple[Scored, ...]


@dataclass(frozen=True)
class Evaluation:
    """How well the bot does on labelled utterances."""

    counts: Mapping[str, int]
    figures: Figures
    confusions: tuple[Confusion, ...]
    reliability: tuple[Bin, ...]
    failures: tuple[Failure, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return everything in plain dictionaries, with the figures' labels."""
        return {"labels": dict(LABELS), **asdict(self)}


def evaluate(faq: Replier, labelled: Sequence[Labelled], timer: Timer) -> Evaluation:
    """Let the bot reply to every utterance and compare; `timer` tells seconds, as `time.perf_counter` does."""
    outcomes = [_outcome(faq, each, timer) for each in labelled]
    counts = Counter(each.kind for each in labelled)
    reliability = _reliability(_of(outcomes, *_IN_SCOPE, "out"))
    return Evaluation(
        {kind: counts[kind] for kind in EXPECTED},
        _figures(outcomes, reliability),
        _confusions(_of(outcomes, *_IN_SCOPE)),
        reliability,
        tuple(_failure(outcome) for outcome in outcomes if outcome.went_wrong),
    )


def _of(outcomes: Iterable[_Outcome], *kinds: str) -> list[_Outcome]:
    return [outcome for outcome in outcomes if outcome.labelled.kind in kinds]


def _figures(outcomes: list[_Outcome], reliability: Collection[Bin]) -> Figures:
    inside, outside = _of(outcomes, *_IN_SCOPE), _of(outcomes, "out")
    return Figures(
        best_right=_share(each.best_right for each in inside),
        right_in_first_three=_share(each.right_in_first_three for each in inside),
        answered_right=_share(each.did("answer", right=True) for each in inside),
        answered_wrong=_share(each.did("answer", right=False) for each in inside),
        offered=_share(each.did("clarify", right=True) for each in inside),
        offered_wrong=_share(each.did("clarify", right=False) for each in inside),
        silent=_share_of("fallback", inside),
        answered_right_or_offered=_share(each.shows_right for each in inside),
        out_answered=_share_of("answer", outside),
        out_offered=_share_of("clarify", outside),
        auroc=auroc(_best_scores(inside), _best_scores(outside)),
        right_at_5_percent=_right_at_5_percent(inside, _best_scores(outside)),
        urgent_recall=_share_of("urgent", _of(outcomes, "urgent")),
        false_alarms_calm=_share_of("urgent", _of(outcomes, "calm")),
        false_alarms_other=_share_of("urgent", _of(outcomes, "in", "out", "smalltalk")),
        smalltalk_right=_share_of("smalltalk", _of(outcomes, "smalltalk")),
        calibration_error=_calibration_error(reliability),
        median_ms=_milliseconds(outcomes, 50),
        p99_ms=_milliseconds(outcomes, 99),
    )


def _share(verdicts: Iterable[bool]) -> Figure:
    known = [*verdicts]
    return sum(known) / len(known) if known else None


def _share_of(reply: str, outcomes: Iterable[_Outcome]) -> Figure:
    return _share(outcome.reply == reply for outcome in outcomes)


def _best_scores(outcomes: Iterable[_Outcome]) -> Floats:
    return np.array([outcome.candidates[0].score for outcome in outcomes])


def auroc(inside: Floats, outside: Floats) -> Figure:
    """Return how often a score of one side is above one of the other: Mann and Whitney's U (1947) / (n m), a tie ½."""
    if not inside.size or not outside.size:
        return None
    ranked = np.sort(outside)
    below, not_above = (np.searchsorted(ranked, inside, side) for side in ("left", "right"))
    return float(np.mean(below + not_above) / (2 * outside.size))


def _right_at_5_percent(inside: Sequence[_Outcome], outside: Floats) -> Figure:
    """Return the share that is right and above the least threshold with at most 5 % of the others above it."""
    if not outside.size:
        return None
    threshold = np.sort(outside)[-1 - int(_LET_THROUGH * outside.size)]
    return _share(bool(each.best_right and each.candidates[0].score > threshold) for each in inside)


def _reliability(outcomes: Sequence[_Outcome]) -> tuple[Bin, ...]:
    scores, right = _best_scores(outcomes), np.array([outcome.best_right for outcome in outcomes])
    # A score of 1 belongs to the last bin, as there is none above it.
    bins = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    return tuple(_bin(scores[bins == number], right[bins == number]) for number in range(_BINS))


def _bin(scores: Floats, right: Floats) -> Bin:
    if not scores.size:
        return Bin(None, None, 0)
    return Bin(float(scores.mean()), float(right.mean()), scores.size)


def _calibration_error(reliability: Collection[Bin]) -> Figure:
    """Return the mean distance of score and truth (expected calibration error: Naeini and others, AAAI 2015)."""
    count = sum(each.count for each in reliability)
    distances = (
        each.count * abs(each.score - each.right)
        for each in reliability
        if each.score is not None and each.right is not None
    )
    return sum(distances) / count if count else None


def _milliseconds(outcomes: Sequence[_Outcome], percentile: int) -> Figure:
    if not outcomes:
        return None
    return 1000 * float(np.percentile([outcome.seconds for outcome in outcomes], percentile))


def _confusions(outcomes: Iterable[_Outcome]) -> tuple[Confusion, ...]:
    pairs = Counter((each.labelled.ids[0], each.candidates[0].id) for each in outcomes if not each.best_right)
    return tuple(Confusion(right, chosen, count) for (right, chosen), count in pairs.most_common())


def _failure(outcome: _Outcome) -> Failure:
    labelled = outcome.labelled
    best = tuple(Scored(each.id, round(each.score, 4)) for each in outcome.candidates[:_FIRST])
    return Failure(
        labelled.utterance, labelled.kind, EXPECTED[labelled.kind], labelled.ids, outcome.reply, outcome.shown, best
    )


# From figures to words.


def report(evaluation: Evaluation) -> str:
    """Return the evaluation as people read it: counts, figures, confusions, and the failures of each kind."""
    sections = [_counts(evaluation), _table(evaluation.figures)]
    if evaluation.confusions:
        sections.append("\n".join(["Confusions: right → best candidate", *map(_confusion, evaluation.confusions)]))
    for kind in EXPECTED:
        if failures := [each for each in evaluation.failures if each.kind == kind]:
            sections.append("\n".join([f"Failures, {kind}: {len(failures)}", *map(_told, failures)]))
    return "\n\n".join(sections)


def _counts(evaluation: Evaluation) -> str:
    counts = ", ".join(f"{count} {kind}" for kind, count in evaluation.counts.items())
    return f"{sum(evaluation.counts.values())} utterances: {counts}"


def _table(figures: Figures) -> str:
    width = max(map(len, LABELS.values()))
    return "\n".join(f"{LABELS[name]:<{width}}  {_shown_as(name, value)}" for name, value in asdict(figures).items())


def _shown_as(name: str, value: Figure) -> str:
    if value is None:
        return f"{'none':>6}"
    return f"{value:>6.1f} ms" if name.endswith("_ms") else f"{100 * value:>6.1f} %"


def _confusion(confusion: Confusion) -> str:
    return f"{confusion.count:>4}  {confusion.right} → {confusion.chosen}"


def _told(failure: Failure) -> str:
    wanted = " ".join([failure.expected, " or ".join(failure.ids)]).rstrip()
    got = " ".join([failure.reply, " | ".join(failure.shown)]).rstrip()
    best = ", ".join(f"{each.id} {each.score:.2f}" for each in failure.candidates)
    return f"  {shorten(failure.utterance, _UTTERANCE_LENGTH)}\n    wanted {wanted}; got {got}; best: {best}"
