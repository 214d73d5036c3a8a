"""What is said of the bot's quality is what happened."""

import json
from dataclasses import asdict, fields
from itertools import accumulate, chain, repeat
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faq.evaluate import LABELS, Figures, LabelError, Labelled, auroc, evaluate, read_labelled, report
from faq.matching import Candidate, Ranking
from faq.model import (
    Answers,
    Content,
    Entry,
    Lexicon,
    Notice,
    Record,
    Safety,
    SmalltalkPhrases,
    Topic,
    Wording,
)
from faq.reply import Answer, Clarify, Fallback, Faq, Smalltalk, Thresholds, Urgent
from faq.text import Analysis
from faq.triage import Alarm

PHRASINGS = {
    "does-it-hurt": ["Does it hurt?", "is acupuncture painful", "will I feel pain from the needles"],
    "what-does-it-cost": ["What does it cost?", "how much is a session", "price of one visit"],
    "where-can-i-park": ["Where can I park?", "is there parking nearby", "a place for my car"],
    "opening-hours": ["When are you open?", "your opening hours", "are you open on saturday"],
    "who-treats-me": ["Who will treat me?", "name of the acupuncturist", "is your staff licensed"],
}
BACKGROUND = (
    "what will the weather be like",
    "who won the football game",
    "a recipe for tomato soup",
    "tell me a joke",
)
ENTRIES = {
    entry_id: Entry(id=entry_id, topic="visit", question=first, answer=f"About {entry_id}.", phrasings=tuple(others))
    for entry_id, (first, *others) in PHRASINGS.items()
}
HURT, COST, PARK, HOURS, WHO = ENTRIES


def sentences(record):
    """Fill a record with its own names for sentences."""
    inner = {name: shape.annotation for name, shape in record.model_fields.items()}
    return {name: sentences(kind) if issubclass(kind, Record) else name for name, kind in inner.items()}


@pytest.fixture(scope="module")
def faq():
    answers = Answers(
        wording=Wording.model_validate(sentences(Wording)),
        topics=(Topic(id="visit", title="Your visit"),),
        entries=tuple(ENTRIES.values()),
    )
    lexicon = Lexicon(language="english", smalltalk=SmalltalkPhrases(greeting=("hello",), thanks=("thank you",)))
    safety = Safety(notices=())
    content = Content(answers=answers, lexicon=lexicon, safety=safety, background=BACKGROUND)
    return Faq(content, thresholds=Thresholds(0.6, 0.3))


def ranking(*scores):
    """Rank entries by given scores, such as (HURT, 0.7), (COST, 0.2)."""
    candidates = (Candidate(ENTRIES[entry_id], score, "a phrasing") for entry_id, score in scores)
    return Ranking(Analysis("", "", (), (), ()), tuple(candidates))


def answered(entry_id, score=0.9):
    return Answer(ranking((entry_id, score), (WHO, 0.05)), ENTRIES[entry_id])


def offered(*scores):
    return Clarify(ranking(*scores), tuple(ENTRIES[entry_id] for entry_id, _ in scores))


def silent(entry_id=WHO, score=0.1):
    return Fallback(ranking((entry_id, score)))


def alarmed(entry_id=HURT, score=0.5):
    notice = Notice(id="medical", text="Call for help.")
    return Urgent(ranking((entry_id, score)), Alarm("chest-pain", "The heart may fail.", notice, "my chest hurts", 1.0))


def polite(score=0.05):
    return Smalltalk(ranking((WHO, score)), "greeting")


class Rehearsed:
    """Replies as it was told to."""

    def __init__(self, replies):
        self._replies = iter(replies)

    def reply(self, utterance):
        return next(self._replies)


def evaluated(*rehearsed, timer=perf_counter):
    """Evaluate pairs of a label, which is a kind and the right ids, and the reply given."""
    labelled = [Labelled(f"utterance {n}", kind, tuple(ids)) for n, ((kind, *ids), _) in enumerate(rehearsed, 1)]
    return evaluate(Rehearsed(reply for _, reply in rehearsed), labelled, timer)


def figures(*rehearsed):
    return evaluated(*rehearsed).figures


# Reading.


def line(q="does it hurt", kind="in", ids=(HURT,), **more):
    return json.dumps({"q": q, "kind": kind, "ids": ids, **more})


def problems(*lines):
    with pytest.raises(LabelError) as caught:
        read_labelled(lines, ENTRIES)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def test_of_a_file_of_something_else_the_first_problems_are_told_and_how_many_more_there_are():
    with pytest.raises(LabelError) as caught:
        read_labelled(["# Minutes of the meeting"] * 1000, ENTRIES)
    assert str(caught.value).splitlines()[-1] == "… and 980 more."
    assert str(caught.value).count("This is not JSON") == 20


def test_each_line_is_a_labelled_utterance_and_empty_lines_are_none():
    lines = [line("Hurts?", "in", [HURT, WHO]) + "\n", "\n", "  ", line("hi", "smalltalk", []), line("é", "urgent", [])]
    assert read_labelled(lines, ENTRIES) == [
        Labelled("Hurts?", "in", (HURT, WHO)),
        Labelled("hi", "smalltalk"),
        Labelled("é", "urgent"),
    ]


def test_an_utterance_stays_as_it_was_typed():
    assert read_labelled([line("  HURTS  ", note="seen twice")], ENTRIES)[0].utterance == "  HURTS  "


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("does it hurt?", "This is not JSON: expected value at column 1. Write it like {"),
        ('{"q": "hi" "kind": "in"}', "This is not JSON: expected `,` or `}` at column 12."),
        ("[" * 500, "This is not JSON: recursion limit exceeded"),
        (r'{"q": "\ud800", "kind": "out", "ids": []}', "This is not JSON: "),
        ('["hi"]', "This is JSON, but no object."),
        ('{"q": "hi"}', "There is no `kind` and no `ids`. Write the line like {"),
        ('{"kind": "out", "ids": []}', "There is no `q`."),
        (line(q=" "), "`q` holds no text. Write what the person typed."),
        (line(q=None), "`q` holds no text."),
        (line(kind="Smaltalk", ids=[]), "There is no kind `Smaltalk`. Did you mean `smalltalk`?"),
        (
            line(kind="xyz"),
            "There is no kind `xyz`. The kinds are `in`, `calm`, `out`, `urgent`, `smalltalk`.",
        ),
        (line(kind=["in"]), "There is no kind `['in']`. The kinds are `in`,"),
        (line(ids=["dose-it-hurt"]), "There is no entry `dose-it-hurt`. Did you mean `does-it-hurt`?"),
        (line(ids=["xyz"]), "There is no entry `xyz`. The ids stand in answers.yaml."),
        (line(ids=["x" * 1000]), f"There is no entry `{'x' * 49}…`."),
        (line(ids=[{}]), "There is no entry `{}`."),
        (line(ids=HURT), "`ids` is no list. Write the entry ids in square brackets."),
        (line(ids=[]), "The kind `in` needs an entry that answers it."),
        (line(kind="calm", ids=[]), "The kind `calm` needs an entry that answers it."),
        (line(kind="out"), "The kind `out` goes without an entry."),
        (line(kind="urgent"), "The kind `urgent` goes without an entry."),
        (line(kind="smalltalk"), "The kind `smalltalk` goes without an entry."),
    ],
)
def test_a_wrong_line_is_told_with_its_number_and_what_to_do(written, told):
    (problem,) = problems(line(), "", written)
    assert problem.startswith(f"line 3: {told}")


def test_all_problems_of_all_lines_are_told_at_once():
    lines = [line(ids=["hurts"]), line(), line("", "inn", ["parking", COST]), '{"q": "", "kind": "on"}']
    first, second, third, fourth, *last = problems(*lines)
    assert "`hurts`" in first
    assert "line 3: `q`" in second
    assert "line 3: There is no kind `inn`" in third
    assert "line 3: There is no entry `parking`" in fourth
    assert [problem.split(".")[0] for problem in last] == [
        "line 4: There is no `ids`",
        "line 4: `q` holds no text",
        "line 4: There is no kind `on`",
    ]


@pytest.mark.parametrize("lines", [[], ["", "\n"]])
def test_a_file_without_labelled_utterances_is_a_mistake(lines):
    (problem,) = problems(*lines)
    assert problem.startswith("There is no labelled utterance.")


# The real bot.


def test_a_bot_that_knows_every_question_is_right_every_time(faq):
    known = [Labelled(text.upper(), "in", (entry_id,)) for entry_id, texts in PHRASINGS.items() for text in texts]
    result = evaluate(faq, [*known, Labelled("hello", "smalltalk")], perf_counter)
    assert result.counts == {"in": 15, "calm": 0, "out": 0, "urgent": 0, "smalltalk": 1}
    assert result.figures.best_right == result.figures.right_in_first_three == 1
    assert result.figures.answered_right_or_offered == result.figures.smalltalk_right == 1
    assert result.figures.answered_wrong == result.figures.offered_wrong == result.figures.false_alarms_other == 0
    assert 0 < result.figures.median_ms <= result.figures.p99_ms
    assert result.confusions == result.failures == ()


def test_a_bot_knows_what_it_knows_from_what_it_does_not_know(faq):
    asked = [Labelled("what does one visit cost", "in", (COST,)), Labelled("can I park my car", "calm", (PARK,))]
    result = evaluate(faq, [*asked, *(Labelled(text, "out") for text in BACKGROUND)], perf_counter)
    assert result.figures.auroc == result.figures.right_at_5_percent == 1
    assert result.figures.out_answered == 0


def test_a_wrong_label_is_a_failure_and_a_confusion(faq):
    result = evaluate(faq, [Labelled("Where can I park?", "in", (WHO, COST))], perf_counter)
    assert asdict(result.confusions[0]) == {"right": WHO, "chosen": PARK, "count": 1}
    assert result.failures[0].candidates[0].id == PARK
    assert result.failures[0].candidates[0].score == round(
        faq.reply("Where can I park?").ranking.candidates[0].score, 4
    )


# Every figure, by hand.


def test_candidates_are_right_first_or_among_the_first_three():
    result = figures(
        (("in", HURT), answered(HURT)),
        (("in", COST, HURT), silent(HURT)),  # any of the ids counts
        (("calm", HURT), alarmed(HURT)),  # the candidates count whatever the reply
        (("in", HURT), offered((COST, 0.4), (WHO, 0.3), (HURT, 0.2))),
        (("in", HURT), Fallback(ranking((COST, 0.2), (WHO, 0.1), (PARK, 0.1), (HURT, 0.1)))),
        (("out",), answered(HURT)),
    )
    assert result.best_right == 3 / 5
    assert result.right_in_first_three == 4 / 5


def test_in_scope_each_decision_has_its_share():
    result = figures(
        (("in", HURT), answered(HURT)),
        (("calm", COST, HURT), answered(HURT)),
        (("in", HURT), answered(HURT)),
        (("in", HURT), answered(COST)),
        (("in", HURT), offered((COST, 0.4), (HURT, 0.3))),
        (("calm", HURT), offered((COST, 0.4), (HURT, 0.3))),
        (("in", HURT), offered((COST, 0.4), (WHO, 0.3))),
        (("in", HURT), silent(HURT)),
        (("in", HURT), alarmed()),
        (("in", HURT), polite()),
        (("out",), silent()),
    )
    assert result.answered_right == 3 / 10
    assert result.answered_wrong == 1 / 10
    assert result.offered == 2 / 10
    assert result.offered_wrong == 1 / 10
    assert result.silent == 1 / 10
    assert result.answered_right_or_offered == 5 / 10


def test_out_of_scope_only_silence_is_right():
    result = evaluated(
        (("out",), answered(HURT)),
        (("out",), offered((COST, 0.4), (WHO, 0.3))),
        (("out",), offered((COST, 0.4), (HURT, 0.3))),
        (("out",), polite()),
        (("out",), silent()),
    )
    assert result.figures.out_answered == 1 / 5
    assert result.figures.out_offered == 2 / 5
    assert [failure.reply for failure in result.failures] == ["answer", "clarify", "clarify", "smalltalk"]


def test_emergencies_noticed_and_false_alarms_are_counted_apart():
    result = figures(
        *[(("urgent",), alarmed())] * 3,
        (("urgent",), answered(HURT)),
        (("calm", HURT), alarmed()),
        (("calm", HURT), answered(HURT)),
        (("in", HURT), answered(HURT)),
        (("out",), alarmed()),
        (("smalltalk",), polite()),
        (("smalltalk",), silent()),
        (("smalltalk",), polite()),
    )
    assert result.urgent_recall == 3 / 4
    assert result.false_alarms_calm == 1 / 2
    assert result.false_alarms_other == 1 / 5
    assert result.smalltalk_right == 2 / 3


def test_in_scope_scores_are_compared_with_those_out_of_scope():
    result = figures(
        (("in", HURT), answered(HURT, 0.9)),  # above both
        (("in", HURT), answered(COST, 0.5)),  # above one, level with the other; right or wrong is no matter here
        (("calm", HURT), silent(HURT, 0.1)),  # below one, level with the other
        (("out",), silent(WHO, 0.5)),
        (("out",), silent(WHO, 0.1)),
    )
    assert result.auroc == (2 + 1.5 + 0.5) / 6


scores = st.lists(st.sampled_from(np.linspace(0, 1, 8)), min_size=1)


@given(scores, scores)
def test_auroc_is_the_share_of_pairs_in_order_and_half_of_those_level(inside, outside):
    pairs = [(a > b) + (a == b) / 2 for a in inside for b in outside]
    assert auroc(np.array(inside), np.array(outside)) == pytest.approx(sum(pairs) / len(pairs))


@pytest.mark.parametrize(
    ("out", "share"),
    [
        ([0.1] * 19, 4 / 5),  # fewer than 20: none may pass
        ([0.1] * 18 + [0.5], 2 / 5),
        ([0.1] * 19 + [0.5], 4 / 5),  # one of 20 may
        ([0.1] * 18 + [0.5, 0.5], 2 / 5),  # of two alike neither may
        ([0.1] * 38 + [0.5, 0.9], 4 / 5),  # two of 40
    ],
)
def test_right_at_5_percent_asks_for_more_than_what_lets_5_percent_of_out_of_scope_through(out, share):
    inside = [(("in", HURT), answered(HURT, score)) for score in (0.3, 0.5, 0.7, 0.8)]
    wrong = (("in", HURT), answered(COST, 0.95))
    outside = [(("out",), silent(WHO, score)) for score in out]
    assert figures(*inside, wrong, *outside).right_at_5_percent == share


def test_scores_of_one_bin_are_compared_with_the_share_that_is_right():
    result = evaluated(
        (("in", HURT), answered(HURT, 1.0)),
        (("calm", HURT), answered(HURT, 0.92)),
        (("out",), answered(HURT, 0.9)),  # never right
        (("in", HURT), silent(HURT, 0.25)),
        (("in", HURT), silent(COST, 0.2)),
        (("urgent",), answered(HURT, 0.5)),  # neither in nor out of scope
        (("smalltalk",), polite()),
    )
    *low, third, _, _, _, _, _, _, last = result.reliability
    assert len(result.reliability) == 10
    assert asdict(low[0]) == {"score": None, "right": None, "count": 0}
    assert asdict(third) == pytest.approx({"score": 0.225, "right": 0.5, "count": 2})
    assert asdict(last) == pytest.approx({"score": 0.94, "right": 2 / 3, "count": 3})
    assert result.figures.calibration_error == pytest.approx((2 * abs(0.225 - 0.5) + 3 * abs(0.94 - 2 / 3)) / 5)


def test_replies_are_timed_one_by_one():
    took = [0.001] * 60 + [0.002] * 40 + [0.5]  # seconds
    # The clock is read before and after each reply, and stands still between replies.
    readings = accumulate(chain.from_iterable(zip(repeat(0), took, strict=False)))
    result = evaluated(*[(("in", HURT), answered(HURT))] * 101, timer=lambda: next(readings))
    assert result.figures.median_ms == pytest.approx(1)
    assert result.figures.p99_ms == pytest.approx(2)


EMPTY_WITHOUT = {
    "in": {"right_at_5_percent", "auroc", "best_right", "right_in_first_three", "answered_right", "answered_wrong"}
    | {"offered", "offered_wrong", "silent", "answered_right_or_offered"},
    "out": {"out_answered", "out_offered", "auroc", "right_at_5_percent"},
    "urgent": {"urgent_recall"},
    "smalltalk": {"smalltalk_right"},
}


@pytest.mark.parametrize("left_out", EMPTY_WITHOUT)
def test_a_figure_that_no_utterance_tells_of_is_none(left_out):
    replies = {"in": answered(HURT), "out": silent(), "urgent": alarmed(), "smalltalk": polite()}
    kinds = [([kind, HURT] if kind == "in" else [kind], reply) for kind, reply in replies.items() if kind != left_out]
    told = {name for name, value in asdict(figures(*kinds)).items() if value is not None}
    assert LABELS.keys() - told == {"false_alarms_calm", *EMPTY_WITHOUT[left_out]}


def test_no_utterance_tells_nothing():
    result = evaluated()
    assert set(asdict(result.figures).values()) == {None}
    assert result.confusions == result.failures == ()
    assert "0 utterances" in report(result)


# What is handed on.


def some():
    return evaluated(
        (("in", HURT, WHO), answered(COST, 0.8)),
        (("in", HURT), offered((COST, 0.41239), (HURT, 0.3))),
        (("in", PARK), silent(WHO, 0.1)),
        (("in", COST), answered(COST)),
        (("calm", COST), alarmed(COST)),
        (("out",), answered(HURT, 0.7)),
        (("smalltalk",), silent()),
        (("smalltalk",), polite()),
    )


def test_confusions_begin_with_the_most_frequent():
    assert [tuple(asdict(confusion).values()) for confusion in some().confusions] == [(HURT, COST, 2), (PARK, WHO, 1)]


def test_what_was_offered_beside_wrong_entries_is_no_failure():
    failed = [failure.utterance for failure in some().failures]
    assert failed == ["utterance 1", "utterance 3", "utterance 5", "utterance 6", "utterance 7"]


def test_programs_get_plain_values_with_the_labels_people_read():
    told = json.loads(json.dumps(some().as_dict()))
    assert told.keys() == {"labels", "counts", "figures", "confusions", "reliability", "failures"}
    assert list(told["labels"]) == list(told["figures"]) == [figure.name for figure in fields(Figures)]
    assert told["labels"]["auroc"] == "In scope scored above out of scope (AUROC)"
    assert told["figures"]["best_right"] == 2 / 5
    assert told["failures"][0] == {
        "utterance": "utterance 1",
        "kind": "in",
        "expected": "answer",
        "ids": [HURT, WHO],
        "reply": "answer",
        "shown": [COST],
        "candidates": [{"id": COST, "score": 0.8}, {"id": WHO, "score": 0.05}],
    }


def test_people_get_figures_in_percent_then_confusions_then_failures_by_kind():
    told = report(some())
    assert told.startswith("8 utterances: 4 in, 1 calm, 1 out, 0 urgent, 2 smalltalk\n\nIn scope: the best")
    _, table, confusions, *failures = told.split("\n\n")
    assert len({len(row.rpartition(" ")[0]) for row in table.splitlines() if row.endswith("%")}) == 1
    assert "In scope: the best candidate is right             40.0 %\n" in table
    assert "Urgent: noticed                                   none\n" in table
    assert table.endswith(" ms")
    assert confusions.splitlines()[1:] == [f"   2  {HURT} → {COST}", f"   1  {PARK} → {WHO}"]
    assert [section.splitlines()[0] for section in failures] == [
        "Failures, in: 2",
        "Failures, calm: 1",
        "Failures, out: 1",
        "Failures, smalltalk: 1",
    ]
    assert failures[0].splitlines()[1:3] == [
        "  utterance 1",
        "    wanted answer does-it-hurt or who-treats-me; got answer what-does-it-cost; "
        "best: what-does-it-cost 0.80, who-treats-me 0.05",
    ]
    assert failures[3].splitlines()[2] == "    wanted smalltalk; got fallback; best: who-treats-me 0.10"


def test_a_long_utterance_is_shortened_to_one_line():
    long = Labelled("so my story is\nthis " * 30, "out")
    told = report(evaluate(Rehearsed([answered(HURT)]), [long], perf_counter))
    assert "\n  so my story is this so my story is this" in told
    assert max(len(row) for row in told.splitlines()) < 120


def test_where_nothing_went_wrong_no_failures_are_told():
    told = report(evaluated((("in", HURT), answered(HURT))))
    assert "Failures" not in told
    assert "Confusions" not in told
