"""Loading an FAQ: nodes → values → records, then what no record can know alone; every problem is told at once."""

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from rapidfuzz import fuzz

from faq import model
from faq.model import ID_LENGTH, PHRASE_TAGS, Answers, Clinic, Content, Lexicon, Record, Safety, Topic, Wording
from faq.problems import ContentError, Problem, nearest
from faq.reading import Document, Fields, Items, Node, Text, in_quotes, quoted, read, shorten
from faq.triage import fault_of

OWN = Path(__file__).resolve().parent
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# Ids share many words: two that are less alike (0-100) than this are two things, not a misspelt one.
_SAME_ID = 85
_PLACEHOLDER = re.compile(r"\{([^{}\n]*)\}")
_PLACEHOLDER_BEGUN = re.compile(r"\{(\w+)")
# Bold and links, as they are written in answers.
_MARKUP = re.compile(r"\*\*|\[[^]]+\]\(")
# So many mistakes of one kind in one list or section have one cause.
_MANY_ALIKE = 5
_FILLED_LATER = {
    "privacy": ("days",),
    "forgotten": ("count",),
    "topic": ("topic",),
    "fallback_near": ("topic",),
    "reviewed": ("date",),
    "reviewed_with_sources": ("date", "sources"),
}

_Shape = TypeVar("_Shape")
# The way to a text, as in ("entries", 3, "answer").
Place = tuple[str | int, ...]
Misfit = tuple[Place, str]
Refusal = Callable[[str], str | None]
Misfits = Callable[[Content], Iterable[Misfit]]


def load(path: Path, refusal: Refusal = lambda _: None, misfits: Misfits = lambda _: ()) -> Content:
    """Return the FAQ of a folder, or of an answers file and its neighbours; raises ContentError with every problem.

    `refusal` is shown each text that is Markdown and returns why it could not be sent to a patient, or None. `misfits`
    is shown an FAQ without other problems, and returns where its texts make a message that could not be sent, and why.
    """
    folder, name = _folder_and_name(path)
    written = _read(folder / name, name, _names(Answers))
    own = _own_wording(folder / name, written)
    words = _document(folder, "lexicon.yaml", _names(Lexicon))
    unanswered = _document(folder, "background.yaml")
    dangers = _document(folder, "safety.yaml", _names(Safety))
    answers = _answers(written, own, refusal)
    safety = _record(dangers, _values(dangers), Safety)
    _check_safety(dangers, written)
    clinic = _clinic(_values(written))
    for text in _notices(dangers):
        _check_filled(dangers, text, clinic, (), refusal)
    lexicon = _record(words, _values(words), Lexicon)
    background = _record(unanswered, _values(unanswered), dict[model.Text, tuple[model.Text, ...]])
    problems = [problem for document in (written, own, words, unanswered, dangers) for problem in document.problems]
    if problems or answers is None or lexicon is None or background is None or safety is None:
        raise ContentError(problems)
    content = Content(
        answers=answers,
        lexicon=lexicon,
        safety=_with_numbers(safety, clinic),
        background=tuple(s for group in background.values() for s in group),
    )
    for place, sentence in misfits(content):
        document = dangers if place[0] in Safety.model_fields else written
        problems.append(Problem(document.file, _line_at(document.root, place), sentence))
    if problems:
        raise ContentError(problems)
    return content


def _document(folder: Path, name: str, names: Iterable[str] = ()) -> Document:
    """Read a file of the folder or, where the folder lacks it, the product's own."""
    if os.path.lexists(folder / name):
        return _read(folder / name, name, names)
    return _own_document(name, names)


def _own_document(name: str, names: Iterable[str]) -> Document:
    return _read(OWN / name, f"{OWN.name}/{name}", names)


def _read(path: Path, label: str, names: Iterable[str]) -> Document:
    """Return what a file holds, which is read again only when it was saved: of several, one is edited at a time."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return read(path, label, names)
    saved = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
    document = _read_once(path, label, frozenset(names), saved)
    # Problems are noted, and guesses made, in what is handed out; the one that is kept stays as it was read.
    return replace(document, lines=[*document.lines], problems=[*document.problems], guessed={**document.guessed})


# An FAQ has four files, and may need the product's own wording.
@lru_cache(maxsize=5)
def _read_once(path: Path, label: str, names: frozenset[str], _saved: tuple[int, ...]) -> Document:
    return read(path, label, names)


def places_of_texts(path: Path) -> dict[str, tuple[str, int]]:
    """Return the file and line of each text of an FAQ; where one stands twice, the last, and safety.yaml first."""
    folder, name = _folder_and_name(path)
    places: dict[str, tuple[str, int]] = {}
    for document in (
        _document(folder, "lexicon.yaml", _names(Lexicon)),
        _document(folder, "background.yaml"),
        _read(folder / name, name, _names(Answers)),
        _document(folder, "safety.yaml", _names(Safety)),
    ):
        places |= {text: (document.file, line) for text, line in _lines_within(document.root)}
    return places


def _folder_and_name(path: Path) -> tuple[Path, str]:
    return (path, "answers.yaml") if os.path.isdir(path) else (path.parent, path.name)


def _lines_within(node: Node | None) -> Iterator[tuple[str, int]]:
    match node:
        case Text():
            yield node.value.strip(), node.line
        case Items():
            yield from chain.from_iterable(map(_lines_within, node.nodes))
        case Fields():
            yield from chain.from_iterable(_lines_within(value) for _, value in node.pairs)


def _own_wording(path: Path, written: Document) -> Document:
    """Read the product's own answers if the wording there must stand in for something that is not written here."""
    if (
        not written.root
        or path.resolve() == OWN / "answers.yaml"
        or _sentences(written).keys() >= set(_leaves(Wording))
    ):
        return Document("")
    return _own_document("answers.yaml", _names(Answers))


def _answers(written: Document, own: Document, refusal: Refusal) -> Answers | None:
    """Return the answers with every sentence of the wording, its placeholders filled, and with topics."""
    values = _values(written)
    derived = isinstance(values, dict) and "topics" not in values
    if isinstance(values, dict):
        _complete(values.setdefault("wording", {}), own)
        values.setdefault("topics", [])
    answers = _record(written, values, Answers)
    clinic = _clinic(values)
    _check_entries(written, clinic, refusal)
    _check_labels(written)
    _check_wording(written, own, clinic, refusal)
    if answers is None or written.problems or own.problems:
        return None
    wording = Wording.model_validate(_filled(answers.wording.model_dump(), clinic))
    topics = _derived_topics(answers) if derived else answers.topics
    return answers.model_copy(update={"wording": wording, "topics": topics})


def _derived_topics(answers: Answers) -> tuple[Topic, ...]:
    ids = dict.fromkeys(entry.topic for entry in answers.entries)
    return tuple(Topic(id=topic, title=topic.replace("-", " ").capitalize()) for topic in ids)


# From nodes to values: what is text, what is a list, and what only looks like text.


def _values(document: Document) -> Any:
    return _value(document, document.root) if document.root else None


def _value(document: Document, node: Node) -> Any:
    """Return the node as a plain value; a text that YAML takes for something else stays a node, which fits nowhere."""
    if isinstance(node, Fields):
        return _dict(document, node)
    if isinstance(node, Items):
        return [_value(document, item) for item in node.nodes]
    if node.kind == "bool":
        return node.value.lower() in ("yes", "true", "on")
    if node.kind == "timestamp":
        return _day(node.value) or node
    if node.kind == "int" and node.value.isdecimal():
        return int(node.value)
    return node if node.kind in _KINDS else node.value


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _dict(document: Document, node: Fields) -> dict[str, Any]:
    """Return the pairs by their names, each name once."""
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    twice: list[tuple[str, int]] = []
    for key, value in node.pairs:
        if not isinstance(key, Text) or key.kind in ("null", "merge"):
            sign = "<<" if isinstance(key, Text) and key.kind == "merge" else "a list or nothing"
            document.problem(key.line, f"A name stands before a colon, not {sign}. Write `name: text`, or use quotes.")
        elif key.value in lines:
            twice.append((key.value, key.line))
        else:
            if key.kind in _KINDS:
                document.problem(key.line, _misread(key))
            lines[key.value] = key.line
            values[key.value] = _value(document, value)
    # Where a dash is missing, a whole entry stands twice; its id tells it all.
    for name, line in [pair for pair in twice if pair[0] == "id"] or twice:
        hint = " If something new begins here, put a dash before it: - id: …" if name == "id" else ""
        document.problem(line, f"`{name}` stands here again, first at line {lines[name]}. Keep one of the two.{hint}")
        if hint:
            document.guess(line, document.lines[line - 1])
    return values


_KINDS = {"bool": "true/false", "int": "a number", "float": "a number", "null": "nothing", "timestamp": "a date"}


def _misread(text: Text) -> str:
    kind = "a time" if ":" in text.value and text.kind in ("int", "float") else _KINDS[text.kind]
    return f"YAML reads `{text.value}` as {kind}. Put it in quotes: {quoted(text.value)}"


# From values to records: pydantic's errors, told by their type and their place.


@dataclass(frozen=True)
class _Fault:
    """One error of pydantic: its type, the way to it, what stands there, the record and the node that it belongs to."""

    kind: str
    path: Place
    line: int
    node: Node
    record: type[Record] | None
    owner: Node

    @property
    def name(self) -> str:
        """The last name on the way; a list's texts go by the list's name."""
        return next((str(part) for part in reversed(self.path) if isinstance(part, str)), "")

    @property
    def subject(self) -> str:
        return f"A line of `{self.name}`" if isinstance(self.path[-1], int) else f"`{self.name}`"

    @property
    def nearest(self) -> str | None:
        """The known name that an unknown one is likely to mean."""
        return nearest(self.name, _fields(self.record)) if self.record else None


def _record(document: Document, values: Any, shape: type[_Shape]) -> _Shape | None:
    """Return the values as a record, or None once every reason why they are none is noted."""
    if document.root is None:
        return None
    try:
        return TypeAdapter(shape).validate_python(values)
    except ValidationError as error:
        faults = [_fault(document.root, shape, e["type"], e["loc"]) for e in error.errors(include_url=False)]
    misspelt = {(*fault.path[:-1], fault.nearest) for fault in faults if fault.kind == "extra_forbidden"}
    alike: dict[tuple[str, Place], list[_Fault]] = {}
    for fault in faults:
        # What we emptied to read on is no more empty or missing by the writer's doing than what was misspelt.
        lacking = fault.kind == "missing" or (isinstance(fault.node, Text) and not fault.node.value)
        if not lacking or (
            fault.path not in misspelt and not document.hurt(fault.line, max(fault.line, fault.node.last))
        ):
            alike.setdefault((fault.kind, fault.path[:-1]), []).append(fault)
    # What stood in a section whose name is lost stands in the one above it now, where nothing of it fits.
    lost = {key: group for key, group in alike.items() if key == ("missing", ())}
    for group in (lost or alike).values():
        _tell(document, group)
    return None


def _tell(document: Document, alike: list[_Fault]) -> None:
    """Note faults of one kind in one place, one by one or, where they are many, all by the first of them."""
    if len(alike) < _MANY_ALIKE:
        for fault in alike:
            document.problem(fault.line, _sentence(fault))
    else:
        hint = f"So it is {len(alike) - 1} times more below. Is the name of a section missing above?"
        document.problem(alike[0].line, f"{_sentence(alike[0])} {hint}")


def _fault(root: Node, shape: Any, kind: str, path: Place) -> _Fault:
    """Follow the path through the nodes, as far as there is something written, and through the records."""
    path = tuple(part for part in path if part not in PHRASE_TAGS)
    node, owner, line, record = root, root, 1, _record_in(shape)
    for part in path:
        if isinstance(node, Items) and isinstance(part, int):
            owner, node = node, node.nodes[part]
            line = node.line
        elif pair := _pair(node, str(part)):
            owner, line, node = node, pair[0].line, pair[1]
        else:
            break
        known = _fields(record).get(str(part)) if record else None
        record = (known and _record_in(known.annotation)) or record
    if isinstance(node, Text) and node.value:
        line = node.line
    return _Fault(kind, path, line, node, record, owner)


def _fields(record: type[Record]) -> dict[str, FieldInfo]:
    """Return the record's fields by the names that stand before their colons."""
    return {field.alias or name: field for name, field in record.model_fields.items()}


def _record_in(annotation: Any) -> type[Record] | None:
    """Return the record that an annotation speaks of, such as Entry in `tuple[Entry, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return annotation
    return next(filter(None, map(_record_in, get_args(annotation))), None)


def _names(record: type[Record]) -> set[str]:
    """Return every name that may stand before a colon in the record, or in a record within."""
    fields = _fields(record)
    within = [inner for field in fields.values() if (inner := _record_in(field.annotation))]
    return set(fields).union(*map(_names, within))


def _sentence(fault: _Fault) -> str:
    """Return what is wrong and what to write instead."""
    if isinstance(fault.node, Text) and fault.kind != "missing":
        if fault.path and not fault.node.value.strip():
            return f"{fault.subject} is empty. Write what belongs there (in quotes if it begins with #), or delete it."
        if fault.kind == "string_type" and fault.node.kind in _KINDS:
            return _misread(fault.node)
    return _SENTENCES.get(fault.kind, _unusable)(fault)


def _unusable(fault: _Fault) -> str:
    return f"{fault.subject} cannot be used as it is written. Write it anew."


def _empty_list(fault: _Fault) -> str:
    return f"{fault.subject} is empty. Write at least one, or delete the whole item."


def _missing(fault: _Fault) -> str:
    if not fault.path[:-1]:
        return f"This file has no `{fault.name}:`. Add it, beginning at the left edge."
    section = str(fault.path[0])
    if isinstance(fault.path[-2], int):
        name = _text(fault.node, "id")
        owner = f"The {_ONE_OF.get(section, 'item')} {f'`{name.value}`' if name else 'that begins here'}"
    else:
        owner = f"`{fault.path[-2]}`"
    return f"{owner} has no `{fault.name}`. Add a line to it: {fault.name}: …"


def _unknown(fault: _Fault) -> str:
    if fault.nearest:
        return f"`{fault.name}`: did you mean `{fault.nearest}`?"
    known = ", ".join(f"`{name}`" for name in _fields(fault.record)) if fault.record else "nothing"
    return f"`{fault.name}` is not known here. Known here: {known}."


def _not_text(fault: _Fault) -> str:
    match fault.node:
        case Fields(braces=True):
            return "A text cannot begin with `{`. Put the whole text in quotes."
        case Fields(pairs=[(Text() as key, Text() as value)]):
            return f"A colon within a text confuses YAML. {in_quotes(f'{key.value}: {value.value}')}"
        case Fields():
            return f"{fault.subject} is one text, but several names with colons stand here. Write one text, in quotes."
    return (
        f"{fault.subject} is one text, but a list stands here. Write one text; in quotes if it begins with a bracket."
    )


def _not_list(fault: _Fault) -> str:
    if isinstance(fault.node, Text) and isinstance(fault.owner, Items):
        texts = [node.value for node in fault.owner.nodes if isinstance(node, Text)]
        whole = len(texts) == len(fault.owner.nodes)
        example = f"{fault.name}: [[{', '.join(texts)}]]" if whole else f"[{fault.node.value}]"
        return f"{fault.subject} is a list within a list, in brackets of its own. Write: {shorten(example)}"
    if isinstance(fault.node, Text) and fault.node.value.startswith("-"):
        return (
            f"{fault.subject} is a list: a space is missing after each dash. Write: - {shorten(fault.node.value[1:])}"
        )
    example = shorten(fault.node.value) if isinstance(fault.node, Text) else "…"
    return f"{fault.subject} is a list. Write it as a list, each text on a line of its own after a dash: - {example}"


def _not_fields(fault: _Fault) -> str:
    if not fault.path:
        return "This file should consist of names with colons, and what belongs to each below it."
    record = fault.record if fault.kind == "model_type" else None
    names = [name for name, field in _fields(record).items() if field.is_required()] if record else []
    example = ", ".join(f"`{name}: …`" for name in names) or "`name: text`"
    return f"{fault.subject} needs lines such as {example}, indented by spaces."


def _bad_form(fault: _Fault) -> str:
    value = fault.node.value if isinstance(fault.node, Text) else ""
    if fault.name in ("contact", "address"):
        return f"`{shorten(value)}` is no web address. Write it whole, such as https://example.com/contact"
    better = _as_id(value) or "does-it-hurt"
    return f"`{shorten(value)}`: an id is lower-case words (a-z, 0-9) joined by hyphens. Write: {better}"


def _as_id(text: str) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", text.lower()))[:ID_LENGTH].strip("-")


def _too_long(fault: _Fault) -> str:
    length = len(fault.node.value) if isinstance(fault.node, Text) else 0
    return f"This id has {length} characters, and links have room for {ID_LENGTH}. Shorten it."


def _not_day(fault: _Fault) -> str:
    return f"`{fault.name}` is a day of the calendar: year, month and day. Write it like this: 2026-11-24"


def _not_flag(fault: _Fault) -> str:
    return f"`{fault.name}` is either yes or no, without quotes."


_ONE_OF = {"entries": "entry", "topics": "topic"}
_SENTENCES: dict[str, Callable[[_Fault], str]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "string_type": _not_text,
    "tuple_type": _not_list,
    "too_short": _empty_list,
    "dict_type": _not_fields,
    "model_type": _not_fields,
    "string_pattern_mismatch": _bad_form,
    "string_too_long": _too_long,
    "date_type": _not_day,
    "date_from_datetime_parsing": _not_day,
    "date_from_datetime_inexact": _not_day,
    "bool_type": _not_flag,
}


# Small steps through the nodes.


def _pair(node: Node | None, name: str) -> tuple[Text, Node] | None:
    return node.by_name.get(name) if isinstance(node, Fields) else None


def _field(node: Node | None, *names: str) -> Node | None:
    for name in names:
        pair = _pair(node, name)
        node = pair[1] if pair else None
    return node


def _text(node: Node | None, name: str) -> Text | None:
    """Return what stands under the name, if it is text."""
    return next(_texts(_field(node, name)), None) if isinstance(_field(node, name), Text) else None


def _line_at(node: Node | None, place: Place) -> int:
    """Return the line of the text at that place or, where it is not written, of the last thing on the way there."""
    line = 1
    for part in place:
        node = _items(node)[part] if isinstance(part, int) and _items(node) else _field(node, str(part))
        line = node.line if node else line
    return line


def _texts(node: Node | None) -> Iterator[Text]:
    """Yield the node itself or the texts of its lists, as far as they are text to YAML too."""
    if isinstance(node, Items):
        yield from chain.from_iterable(map(_texts, node.nodes))
    elif isinstance(node, Text) and node.kind not in _KINDS and node.value.strip():
        yield node


def _items(node: Node | None) -> list[Node]:
    return node.nodes if isinstance(node, Items) else []


# What no record can know alone: ids and phrasings that stand only once, and names that lead somewhere.


@dataclass(frozen=True)
class _Known:
    """The names that a reference may lead to; where they are not whole, an unknown one may be meant to stand there."""

    file: str
    section: str
    names: Collection[str]
    whole: bool


_NONE_YET = {
    "entries": "There is no entry yet. An entry has: - id: …, topic: …, question: …, answer: …",
    "topics": "There is no topic yet. A topic has: - id: …, title: … Or delete `topics:`, and the entries' own count.",
}


def _check_entries(document: Document, clinic: Clinic, refusal: Refusal) -> None:
    entries = _items(_field(document.root, "entries"))
    for section, sentence in _NONE_YET.items():
        _check_ids(document, section)
        listed = _field(document.root, section)
        if isinstance(listed, Items) and not listed.nodes:
            document.problem(listed.line, sentence)
    known = {"related": _ids_under(document, "entries"), "sources": _names_under(document, "sources", Answers)}
    if (topics := _ids_under(document, "topics")).names:
        known["topic"] = topics
    for entry in entries:
        for name, there in known.items():
            _check_references(document, entry, name, there)
        if answer := _text(entry, "answer"):
            _check_answer(document, answer, clinic, refusal)
    _check_phrasings(document, entries)


def _check_answer(document: Document, answer: Text, clinic: Clinic, refusal: Refusal) -> None:
    """Note an answer that cannot be shown, and names in braces, which nothing fills here."""
    values = _placeholders(clinic)
    for name in dict.fromkeys(_PLACEHOLDER_BEGUN.findall(answer.value)):
        if name in values:
            advice = f"Write what it stands for: {values[name]}" if values[name] else "Write something else."
            document.problem(answer.line, f"In an answer nothing fills `{{{name}}}`. {advice}")
    if reason := refusal(answer.value.strip()):
        document.problem(answer.line, f"This answer cannot be shown. {reason}")


def _check_labels(document: Document) -> None:
    """Note markup in what stands on buttons, where it is shown as it is written."""
    buttons = _field(document.root, "wording", "buttons")
    labels = [value for _, value in buttons.pairs] if isinstance(buttons, Fields) else []
    for section, name in (("entries", "question"), ("topics", "title")):
        labels += filter(None, (_field(item, name) for item in _items(_field(document.root, section))))
    for text in chain.from_iterable(map(_texts, labels)):
        if (found := _MARKUP.search(text.value)) and text.line not in document.mistaken:
            document.problem(
                text.line, f"This stands on a button, which would show `{found[0]}` too. Write plain words."
            )


def _check_ids(document: Document, section: str) -> None:
    """Note the ids of the section that stand twice."""
    lines: dict[str, int] = {}
    for text in _ids(document, section):
        if lines.setdefault(text.value, text.line) != text.line:
            message = f"The id `{text.value}` is taken, at line {lines[text.value]}. Give this one another id."
            document.problem(text.line, message)


def _ids(document: Document, section: str) -> list[Text]:
    return [text for item in _items(_field(document.root, section)) if (text := _text(item, "id"))]


def _ids_under(document: Document, section: str) -> _Known:
    """Return the ids of the section as far as they are well-formed."""
    there = _field(document.root, section)
    names = {text.value for text in _ids(document, section)}
    well_formed = [name for name in names if _ID.fullmatch(name) and len(name) <= ID_LENGTH]
    whole = isinstance(there, Items) and len(well_formed) == len(there.nodes) and not document.guessed
    return _Known(document.file, section, well_formed, whole)


def _names_under(document: Document, section: str, record: type[Record]) -> _Known:
    """Return what stands before the colons of the section."""
    there = _field(document.root, section)
    names = there.by_name if isinstance(there, Fields) else {}
    misspelt = isinstance(document.root, Fields) and document.root.by_name.keys() - _fields(record).keys()
    return _Known(document.file, section, names, bool(names) or not (there or misspelt or document.guessed))


def _check_references(document: Document, owner: Node | None, name: str, known: _Known) -> None:
    own = _text(owner, "id")
    for text in _texts(_field(owner, name)):
        target = text.value.strip()
        if own and name == "related" and target == own.value:
            document.problem(text.line, f"The entry `{target}` is related to itself. Delete it from this list.")
        elif target not in known.names and (name == "sources" or _ID.fullmatch(target)):
            near = nearest(target, known.names)
            near = near if near and fuzz.ratio(target, near) >= _SAME_ID else None
            advice = f"Did you mean `{near}`?" if near else f"Write it under `{known.section}:` first."
            place = f"`{known.section}:`" if known.file == document.file else f"`{known.section}:` in {known.file}"
            if near or known.whole:
                document.problem(text.line, f"There is no `{shorten(target)}` under {place}. {advice}")


def _check_phrasings(document: Document, entries: Iterable[Node]) -> None:
    """Note what is a way to ask two entries: no matcher could tell which one is meant."""
    seen: dict[str, tuple[str, int]] = {}
    for entry in entries:
        name = _text(entry, "id")
        for text in (*_texts(_field(entry, "question")), *_texts(_field(entry, "phrasings"))):
            own = name.value if name else ""
            other, line = seen.setdefault(" ".join(text.value.casefold().split()), (own, text.line))
            if other != own:
                message = (
                    f"`{shorten(text.value)}` asks `{own}` here and `{other}` at line {line}. Keep it in one of them."
                )
                document.problem(text.line, message)


def _check_safety(document: Document, answers: Document) -> None:
    """Note what leads nowhere or stands twice, and ranges of numbers that are none."""
    for section in ("notices", "rules", "cautions"):
        _check_ids(document, section)
    notices, cues = _ids_under(document, "notices"), _names_under(document, "cues", Safety)
    for record in chain.from_iterable(_items(_field(document.root, section)) for section in ("rules", "cautions")):
        _check_references(document, record, "kind", notices)
        _check_references(document, record, "cues", cues)
    if document.file == "safety.yaml":  # the product's own names entries that another FAQ need not have
        for name in ("applies_to", "see"):
            _check_references(document, document.root, name, _ids_under(answers, "entries"))
    for text in _phrases(_field(document.root, "cues")):
        if fault := fault_of(text.value):
            document.problem(text.line, fault)
    if not document.problems:
        _check_use(document)


def _check_use(document: Document) -> None:
    """Note notices and cues that nothing uses, as in a file that was cut short."""
    rules, cautions = (_items(_field(document.root, section)) for section in ("rules", "cautions"))
    kinds = {text.value for rule in rules for text in _texts(_field(rule, "kind"))}
    cues = {text.value for record in (*rules, *cautions) for text in _texts(_field(record, "cues"))}
    listed = _field(document.root, "cues")
    named = [key for key, _ in listed.pairs if isinstance(key, Text)] if isinstance(listed, Fields) else []
    unused_notices = [text for text in _ids(document, "notices") if text.value not in kinds]
    unused_cues = [text for text in named if text.value not in cues]
    for what, users, unused in (("notice", "rule", unused_notices), ("cue", "rule and no caution", unused_cues)):
        if unused:
            others = f" (and {len(unused) - 1} more)" if unused[1:] else ""
            document.problem(
                unused[0].line,
                f"The {what} `{unused[0].value}`{others} is used by no {users}. Was this file cut short? "
                "If not, write what uses it, or delete it.",
            )


def _phrases(cues: Node | None) -> Iterator[Text]:
    """Yield the phrases of all cues, those of `- not: …` too."""
    for _, phrases in cues.pairs if isinstance(cues, Fields) else ():
        yield from chain.from_iterable(_texts(_field(item, "not") or item) for item in _items(phrases))


# The sentences that the bot says by itself.


def _leaves(record: type[Record], *path: str) -> Iterator[tuple[str, ...]]:
    """Yield the way to each text of the record."""
    for name, field in _fields(record).items():
        inner = _record_in(field.annotation)
        yield from _leaves(inner, *path, name) if inner else [(*path, name)]


def _sentences(document: Document) -> dict[tuple[str, ...], Text]:
    """Return the texts of the wording by their way there."""
    found = ((path, _field(document.root, "wording", *path)) for path in _leaves(Wording))
    return {path: node for path, node in found if isinstance(node, Text)}


def _complete(wording: Any, own: Document) -> None:
    """Put the product's own sentences where none are written."""
    for (*groups, name), text in _sentences(own).items():
        place = wording
        for group in groups:
            place = place.setdefault(group, {}) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place.setdefault(name, text.value)


def _clinic(values: Any) -> Clinic:
    """Return the clinic that is written, or one that stands in for it."""
    if not isinstance(values, dict) or "clinic" not in values:
        return Clinic(name="the clinic")
    try:
        return Clinic.model_validate(values["clinic"])
    except ValidationError:  # the sentences themselves can still be looked at
        return Clinic(name="the clinic", contact="https://example.com/contact")


def _placeholders(clinic: Clinic) -> dict[str, str]:
    return {"clinic": clinic.name, **{name: value or "" for name, value in clinic.model_dump(exclude={"name"}).items()}}


def _filled(wording: Any, clinic: Clinic) -> Any:
    """Return the wording with the clinic's name and numbers in place; what is filled in later stays as it is."""
    if isinstance(wording, dict):
        return {name: _filled(part, clinic) for name, part in wording.items()}
    values = _placeholders(clinic)
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), wording)


def _notices(document: Document) -> Iterator[Text]:
    for section in ("notices", "cautions"):
        yield from filter(None, (_text(item, "text") for item in _items(_field(document.root, section))))


def _with_numbers(safety: Safety, clinic: Clinic) -> Safety:
    """Return the notices and cautions with the clinic's name and numbers in place."""
    notices, cautions = (
        tuple(record.model_copy(update={"text": _filled(record.text, clinic)}) for record in records)
        for records in (safety.notices, safety.cautions)
    )
    return safety.model_copy(update={"notices": notices, "cautions": cautions})


def _check_wording(written: Document, own: Document, clinic: Clinic, refusal: Refusal) -> None:
    sentences = {path: (own, text) for path, text in _sentences(own).items()}
    sentences |= {path: (written, text) for path, text in _sentences(written).items()}
    for path, (document, text) in sentences.items():
        _check_filled(document, text, clinic, _FILLED_LATER.get(path[0], ()), refusal)


def _check_filled(document: Document, text: Text, clinic: Clinic, later: Iterable[str], refusal: Refusal) -> None:
    """Note names in braces that nothing fills, now or `later`, and a sentence that Telegram would refuse."""
    known = [*_placeholders(clinic), *later]
    unknown = [name for name in _PLACEHOLDER.findall(text.value) if name not in known]
    for name in dict.fromkeys(unknown):
        names = sorted(known, key=lambda other: -fuzz.ratio(name, other))
        listed = ", ".join(f"{{{other}}}" for other in names)
        document.problem(text.line, f"`{{{shorten(name)}}}` is filled by nothing. What can be filled here: {listed}.")
    for name in _PLACEHOLDER_BEGUN.findall(_PLACEHOLDER.sub("", text.value)):
        if name in known:
            document.problem(text.line, f"`{{{name}` is not closed. Write: {{{name}}}")
    if not unknown and text.value.strip():
        _check_sentence(document, text, _filled(text.value, clinic).strip(), refusal)


def _check_sentence(document: Document, text: Text, filled: str, refusal: Refusal) -> None:
    reason = refusal(filled) if filled else "Nothing is left of it, since `clinic:` says nothing of what it names."
    if reason:
        document.problem(text.line, f"This sentence cannot be shown. {reason}")
