"""Compares matchers on labelled questions, and tells how this one grows: `python -m bench.matching > matching.md`.

Each matcher is measured in a process of its own, on one thread: first built with nothing kept from before, then started
again in another process, which answers the questions one by one. The figures are those of `clinic-faq evaluate`.
"""

import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import typer

from bench.matchers import MATCHERS, THIS, WORDS_ALONE, Built, Knowledge
from bench.tables import ratio, table
from faq.embedding import MiniLm
from faq.evaluate import Figures, Labelled, evaluate, read_labelled
from faq.loading import load
from faq.model import Entry, SmalltalkPhrases

ROOT = Path(__file__).parent.parent
HELD_OUT = ROOT / "tests" / "data" / "held-out.jsonl"
CLINC = ROOT.parent / "shared" / "eval" / "public" / "clinc150.json"

# What the libraries below numpy read when they are loaded; a process started after this has one thread for each.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_SEED = 150
# Of no FAQ and no language: makes a matcher load what it loads only when it is needed.
_WARM_UP = "xqzvk wqxj?"

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Size:
    """How much is measured: of the entries, their phrasings, the background and each kind of question the first ones.

    Then the sizes to grow to, and how many texts the last of them has.
    """

    entries: int | None = None
    phrasings: int | None = None
    background: int | None = None
    questions: int | None = None
    growth: tuple[int, ...] = (36, 150, 400, 1000)
    grown: int = 10_000


QUICK = Size(entries=5, phrasings=4, background=30, questions=5, growth=(5, 12), grown=60)


@dataclass(frozen=True)
class Collection:
    """What is known and what is asked."""

    knowledge: Knowledge
    questions: tuple[Labelled, ...]


@dataclass(frozen=True)
class Start:
    """How long a matcher took until it could answer, and the most memory it ever held."""

    seconds: float
    megabytes: float


@dataclass(frozen=True)
class Measured:
    """A matcher built from nothing, started again, and asked."""

    build: Start
    start: Start
    figures: Figures


# What is known and asked.


def own_collection(questions: Path) -> Collection:
    """Return the product's own FAQ and labelled utterances."""
    content = load(ROOT / "faq")
    knowledge = Knowledge(content.answers.entries, content.background, content.lexicon)
    with questions.open(encoding="utf-8-sig") as lines:
        labelled = read_labelled(lines, [entry.id for entry in knowledge.entries])
    return Collection(knowledge, tuple(labelled))


def clinc_collection(path: Path, own: Knowledge) -> Collection:
    """Return CLINC150's sample, with the background and the lexicon of an FAQ that brings none: the product's."""
    sample = json.loads(path.read_text(encoding="utf-8"))
    entries = tuple(_entry(intent, texts) for intent, texts in sample["kb"].items())
    inside = [Labelled(text, "in", (_entry_id(intent),)) for text, intent in sample["in"]]
    outside = [Labelled(text, "out") for text in sample["out"]]
    return Collection(replace(own, entries=entries), (*inside, *outside))


def first_of(collection: Collection, size: Size) -> Collection:
    """Return as much of a collection as is to be measured."""
    entries = [
        entry.model_copy(update={"phrasings": entry.phrasings[: size.phrasings]})
        for entry in collection.knowledge.entries[: size.entries]
    ]
    ids = {entry.id for entry in entries}
    of_kind = dict[str, list[Labelled]]()
    for question in collection.questions:
        if not question.ids or ids.intersection(question.ids):
            of_kind.setdefault(question.kind, []).append(question)
    questions = [question for each in of_kind.values() for question in each[: size.questions]]
    background = collection.knowledge.background[: size.background]
    return Collection(replace(collection.knowledge, entries=tuple(entries), background=background), tuple(questions))


def _entry(intent: str, texts: Sequence[str]) -> Entry:
    question, *phrasings = texts
    return Entry(id=_entry_id(intent), topic="any", question=question, answer="…", phrasings=tuple(phrasings))


def _entry_id(intent: str) -> str:
    return intent.replace("_", "-")


def grown(collections: Sequence[Collection], entries: int, phrasings: int) -> Knowledge:
    """Return the first collection's knowledge with further entries: those of the others, then made ones.

    A made entry's texts begin as questions of one collection's entry and end as those of another, so that words,
    lengths and likenesses are those of real questions; only their sense is not.
    """
    known = [entry for each in collections for entry in each.knowledge.entries][:entries]
    left = phrasings - len(replace(collections[0].knowledge, entries=tuple(known)).texts)
    missing = entries - len(known)
    sizes = [left // missing + (number < left % missing) for number in range(missing)] if missing else []
    beginnings, ends = _halves(collections)
    chance = random.Random(_SEED)  # noqa: S311  # no secret depends on it
    used = set(replace(collections[0].knowledge, entries=tuple(known)).texts)
    for number, size in enumerate(sizes):
        texts = _made_texts(max(size, 1), chance.choice(beginnings), chance.choice(ends), used, chance)
        known.append(_entry(f"made-{number}", texts))
    return replace(collections[0].knowledge, entries=tuple(known))


def _halves(collections: Sequence[Collection]) -> tuple[list[list[str]], list[list[str]]]:
    """Return the first halves of each entry's texts and questions, and the second halves."""
    by_entry = dict[str, list[list[str]]]()
    for each in collections:
        for entry in each.knowledge.entries:
            by_entry[entry.id] = [text.split() for text in (entry.question, *entry.phrasings)]
        for question in each.questions:
            if question.ids and question.ids[0] in by_entry:
                by_entry[question.ids[0]].append(question.utterance.split())
    beginnings = [[" ".join(words[: len(words) // 2 + 1]) for words in texts] for texts in by_entry.values()]
    ends = [[" ".join(words[len(words) // 2 :]) for words in texts] for texts in by_entry.values()]
    return beginnings, ends


def _made_texts(count: int, beginnings: list[str], ends: list[str], used: set[str], chance: random.Random) -> list[str]:
    """Return so many texts that were not made before; where the halves run out, a number sets them apart."""
    texts = list[str]()
    while len(texts) < count:
        text = f"{chance.choice(beginnings)} {chance.choice(ends)}"
        if text in used:
            text = f"{text} {len(used)}"
        used.add(text)
        texts.append(text)
    return texts


# Measuring.


def in_own_process(function: Callable[_Given, _Result], *args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
    """Return what a function returns in a process that did nothing before."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def measured(name: str, collection: Collection, folder: Path) -> Measured:
    """Build a matcher in one process, start it again in another and ask it; the folder is its own."""
    build = in_own_process(started, name, collection.knowledge, folder)
    return Measured(build, *in_own_process(asked, name, collection, folder))


def started(name: str, knowledge: Knowledge, folder: Path) -> Start:
    """Tell what it takes to build a matcher here and now."""
    return _started(name, knowledge, folder)[1]


def asked(name: str, collection: Collection, folder: Path) -> tuple[Start, Figures]:
    """Tell what it takes to build a matcher here and now and to ask it, and how well it answers."""
    matcher, start = _started(name, collection.knowledge, folder)
    figures = evaluate(matcher, collection.questions, time.perf_counter).figures
    return replace(start, megabytes=peak_megabytes()), figures


def _started(name: str, knowledge: Knowledge, folder: Path) -> tuple[Built, Start]:
    began = time.perf_counter()
    matcher = MATCHERS[name](knowledge, folder)
    matcher.reply(_WARM_UP)
    return matcher, Start(time.perf_counter() - began, peak_megabytes())


def peak_megabytes() -> float:
    """Return the most memory that this process ever held."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:  # not Linux; there the next figure may be that of the process that started this one
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


class Folders:
    """Makes folders in which nothing is kept but the quantized MiniLM, whose making is no matter of a matcher's."""

    def __init__(self, scratch: Path, model: Path) -> None:
        self._scratch = scratch
        MiniLm(model)
        self._models = [*model.glob("*.onnx")]
        self._made = 0

    def fresh(self) -> Path:
        """Return a new folder."""
        self._made += 1
        folder = self._scratch / str(self._made)
        folder.mkdir()
        for model in self._models:
            (folder / model.name).symlink_to(model)
        return folder


# From figures to tables.


def comparison(title: str, collection: Collection, names: Sequence[str], folders: Folders) -> str:
    """Return the table of these matchers on one collection; the first is the one whose time is 1."""
    results = {name: _with_progress(f"{title}: {name}", name, collection, folders) for name in names}
    titles = [
        "",
        "best right",
        "right in first 3",
        "AUROC",
        "right at 5 %",
        "build",
        "start",
        "median",
        "p99",
        "memory",
    ]
    rows = [[name, *_cells(each, results[names[0]])] for name, each in results.items()]
    return f"## {title}\n\n{_told(collection)}\n\n{table(titles, rows)}"


def _with_progress(what: str, name: str, collection: Collection, folders: Folders) -> Measured:
    typer.echo(f"{time.strftime('%H:%M:%S')} {what}", err=True)
    return measured(name, collection, folders.fresh())


def _told(collection: Collection) -> str:
    knowledge, kinds = collection.knowledge, [each.kind for each in collection.questions]
    counts = ", ".join(f"{kinds.count(kind):,} {kind}" for kind in dict.fromkeys(kinds))
    of_background = f"{len(knowledge.background):,} texts of background"
    return f"{len(knowledge.entries):,} entries, {len(knowledge.texts):,} texts, {of_background}; asked: {counts}."


def _cells(each: Measured, first: Measured) -> Iterator[str]:
    figures, against = each.figures, first.figures
    for share in (figures.best_right, figures.right_in_first_three, figures.auroc, figures.right_at_5_percent):
        yield _share(share)
    yield _seconds(each.build.seconds, first.build.seconds)
    yield _seconds(each.start.seconds, first.start.seconds)
    yield _milliseconds(figures.median_ms, against.median_ms)
    yield _milliseconds(figures.p99_ms, against.p99_ms)
    yield f"{each.start.megabytes:.0f} MB"


def _share(figure: float | None) -> str:
    return "none" if figure is None else f"{figure:.3f}".removeprefix("0")


def _seconds(seconds: float, against: float) -> str:
    return f"{seconds:.2f} s, {ratio(seconds, against)}"


def _milliseconds(milliseconds: float | None, against: float | None) -> str:
    return (
        "none" if milliseconds is None or against is None else f"{milliseconds:.2f} ms, {ratio(milliseconds, against)}"
    )


def growth(collections: Sequence[Collection], size: Size, names: Sequence[str], folders: Folders) -> str:
    """Return the table of what time and memory do as entries are added; the first size is the one that is 1."""
    questions = tuple(question for each in collections for question in each.questions)
    rows = list[list[str]]()
    for name in names:
        first: Measured | None = None
        for entries in size.growth:
            knowledge = grown(collections, entries, round(size.grown * entries / size.growth[-1]))
            collection = Collection(knowledge, questions)
            each = _with_progress(f"{entries} entries: {name}", name, collection, folders)
            first = first or each
            rows.append([name, f"{entries:,}", f"{len(knowledge.texts):,}", *_growth_cells(each, first)])
    titles = ["", "entries", "texts", "median", "p99", "build", "build, memory", "start", "memory"]
    return f"## Growth\n\n{len(questions):,} questions a size.\n\n{table(titles, rows)}"


def _growth_cells(each: Measured, first: Measured) -> Iterator[str]:
    yield _milliseconds(each.figures.median_ms, first.figures.median_ms)
    yield _milliseconds(each.figures.p99_ms, first.figures.p99_ms)
    yield _seconds(each.build.seconds, first.build.seconds)
    yield f"{each.build.megabytes:.0f} MB"
    yield _seconds(each.start.seconds, first.start.seconds)
    yield f"{each.start.megabytes:.0f} MB"


def explanation() -> str:
    """Return what must be known to read the tables."""
    nothing = in_own_process(peak_megabytes)
    return (
        "One thread; the machine's other work makes times longer. Build: until the first answer, in a process that "
        "finds nothing kept; start: the same in a second process, which finds what the first one kept. Median and "
        "p99 of single questions; memory is the peak of the second process, of which "
        f"{nothing:.0f} MB are Python, numpy and this comparison. ×: as many times as the first row. "  # noqa: RUF001
        "All matchers know the same texts; only this one has a background and a lexicon."
    )


def report(own: Collection, clinc: Collection | None, size: Size, scratch: Path) -> Iterator[str]:
    """Yield the sections one by one, as they are measured."""
    folders = Folders(scratch, scratch / "model")
    yield explanation()
    yield comparison("The held-out set", own, [*MATCHERS], folders)
    if clinc is None:
        yield "## CLINC150\n\nLeft out: its file is not there. Name it with `--clinc`."
    else:
        title = "CLINC150's sample, with the product's lexicon and background, as a folder that brings none"
        yield comparison(title, clinc, [*MATCHERS], folders)
        title = "CLINC150's sample, without small talk, which is among its own entries"
        yield comparison(title, _without_smalltalk(clinc), [THIS, WORDS_ALONE], folders)
        alone = Collection(replace(clinc.knowledge, background=()), clinc.questions)
        yield comparison("CLINC150's sample, without any background", alone, [THIS, WORDS_ALONE], folders)
    yield growth([own, *([clinc] if clinc else [])], size, [THIS, WORDS_ALONE], folders)


def _without_smalltalk(collection: Collection) -> Collection:
    lexicon = collection.knowledge.lexicon.model_copy(update={"smalltalk": SmalltalkPhrases()})
    return replace(collection, knowledge=replace(collection.knowledge, lexicon=lexicon))


def main(
    clinc: Annotated[Path, typer.Option(help="CLINC150's sample.")] = CLINC,
    questions: Annotated[Path, typer.Option("--set", help="Labelled utterances of the product's FAQ.")] = HELD_OUT,
    quick: Annotated[bool, typer.Option(help="Measure a little of everything, to see that it works.")] = False,
) -> None:
    """Print the comparison as Markdown."""
    os.environ.update(_ONE_THREAD)
    size = QUICK if quick else Size()
    whole = own_collection(questions)
    own = first_of(whole, size)
    other = first_of(clinc_collection(clinc, whole.knowledge), size) if clinc.exists() else None
    with tempfile.TemporaryDirectory() as scratch:
        for section in report(own, other, size, Path(scratch)):
            typer.echo(f"{section}\n")


if __name__ == "__main__":
    typer.run(main)
