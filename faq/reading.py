"""Reading YAML as staff write it: bytes → lines → nodes; each mistake is noted, then mended, so that the next shows."""

import codecs
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from faq.problems import Problem

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# 10,000 phrasings take about a quarter of either.
SIZE_LIMIT = 4 * 2**20
LINES_LIMIT = 100_000
DEPTH_LIMIT = 20  # the FAQ itself needs five levels
# Each round parses the file once more; well-known mistakes are all mended in the first.
ROUNDS = 50
# A text that goes on below a line this long was wrapped on purpose.
_WRAPPED = 60
# How many lines above and below a line tell where it should begin: one entry, or two.
_NEIGHBOURS = 100

# What YAML 1.1 takes an unquoted text for: by its first letter, the patterns to try.
_RESOLVERS: dict[str, list[tuple[str, re.Pattern[str]]]] = yaml.SafeLoader.yaml_implicit_resolvers
_OWN_TAGS = "tag:yaml.org,2002:"
_BAD_CHARACTER = re.compile("[^\t -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_LEAD = re.compile(r"(\s*)((?:-\s+)*)")
_STARTS = re.compile(r"(?P<indent> *)(?P<dashes>(?:-(?: +|$))*)(?:(?P<key>\w[\w-]*|\"[^\"]*\"|'[^']*'):(?= |$) *)?")
_BLOCK = re.compile(r"(?:^|[ :])[|>][-+1-9]{0,2} *(?:#.*)?$")
_QUOTED = {'"': re.compile(r'"(?:[^"\\]|\\.)*"'), "'": re.compile(r"'(?:[^']|'')*'")}
_QUOTATION = re.compile("|".join(quotation.pattern for quotation in _QUOTED.values()))
_OPEN_QUOTATION = re.compile(r"(?:^|[\[{,:]) *[\"']")
_NOT_AT_THE_START = re.compile(
    r"[@`%&*!,\]}]|[|>](?![-+1-9]{0,2} *(?:#|$))|\[[^][]*\] *[^\s#,\]}]|\{[^{}]*\} *[^\s#,\]}]"
)
_COMMENT = re.compile(r"(?<! ) +#.*$")
# What somebody may have written as a part of the text before it; a note has a space after its sign.
_SWALLOWED = re.compile(r" +#\w.*")


@dataclass(frozen=True)
class Text:
    """A piece of text; `kind` is what YAML takes it for if it stands unquoted: `bool`, `int`, `null`, mostly `str`."""

    line: int
    last: int
    value: str
    kind: str = "str"


@dataclass(frozen=True)
class Items:
    """A list, on its lines from first to last."""

    line: int
    last: int
    nodes: list["Node"]


@dataclass(frozen=True)
class Fields:
    """Pairs of name and value; `braces` tells whether they stand in { }."""

    line: int
    last: int
    pairs: list[tuple["Node", "Node"]]
    braces: bool

    @cached_property
    def by_name(self) -> dict[str, tuple[Text, "Node"]]:
        """The pairs by their names; where a name stands twice, the first counts."""
        named = ((key.value, (key, value)) for key, value in reversed(self.pairs) if isinstance(key, Text))
        return dict(named)


Node = Text | Items | Fields


@dataclass
class Document:
    """A file while it is read: its lines (mended as we go), its root, and what is wrong with it. Lines count from 1."""

    file: str
    names: frozenset[str] = frozenset()
    lines: list[str] = field(default_factory=list)
    root: Node | None = None
    problems: list[Problem] = field(default_factory=list)
    guessed: dict[int, str] = field(default_factory=dict)
    mistaken: set[int] = field(default_factory=set)
    moved: set[int] = field(default_factory=set)

    def mistake(self, line: int, message: str) -> None:
        """Note what is wrong with the line's form: one mistake a line, for a second may be the first one's shadow."""
        if line not in self.mistaken:
            self.mistaken.add(line)
            self.problems.append(Problem(self.file, line, message))

    def problem(self, line: int, message: str) -> None:
        """Note what is wrong with the line's content, unless the content is our own guess."""
        if line not in self.guessed:
            self.problems.append(Problem(self.file, line, message))

    def guess(self, line: int, text: str) -> None:
        """Put a text in the line's place that lets the reading go on, though it may not be what was meant."""
        self.guessed.setdefault(line, self.lines[line - 1])
        self.lines[line - 1] = text

    def hurt(self, first: int, last: int) -> bool:
        """Tell whether something in these lines, or in the blank ones below them, is our own guess."""
        while last < len(self.lines) and not self.lines[last].strip():
            last += 1
        return any(line in self.guessed for line in range(first, last + 1))


def read(path: Path, label: str, names: Iterable[str]) -> Document:
    """Read a YAML file as far as it can be understood; `label` is its name in problems, `names` are its keys."""
    document = Document(label, frozenset(names))
    raw = _bytes(path, document)
    document.lines = [_printable(document, *line) for line in enumerate(_lines(document, raw), 1)]
    _untab(document)
    _compose_all(document)
    if isinstance(document.root, Text) and not document.root.value:
        document.root = None
    if document.root is None and not document.problems:
        document.mistake(1, "This file is empty. Write something, or delete it.")
    return document


def shorten(text: str, length: int = 50) -> str:
    """Return the text on one line, cut where it grows too long for a message."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def quoted(text: str) -> str:
    """Return the text in the quotation marks that YAML needs around it."""
    plain = '"' not in text and "\\" not in text
    return f'"{text}"' if plain else "'" + text.replace("'", "''") + "'"


def in_quotes(text: str) -> str:
    """Return the advice to put the text in quotation marks, and how that looks."""
    return f"Put the whole text in quotes: {quoted(shorten(text))}"


# From the file to its lines.


def _bytes(path: Path, document: Document) -> bytes:
    """Return the file's bytes, or none and a mistake that says why."""
    try:
        if os.path.lexists(path) and not path.is_file():
            document.mistake(1, f"{path} is not a file. Put a text file in its place.")
            return b""
        with path.open("rb") as file:
            raw = file.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        document.mistake(1, f"There is no file or folder {path}.")
        return b""
    except (OSError, ValueError) as error:
        document.mistake(1, f"{path} cannot be read: {getattr(error, 'strerror', error)}.")
        return b""
    if len(raw) > SIZE_LIMIT or raw.count(b"\n") + raw.count(b"\r") > LINES_LIMIT:
        size = f"{SIZE_LIMIT // 2**20} MB or {LINES_LIMIT:,} lines"
        document.mistake(1, f"This file is larger than {size}. Is it the right one?")
        return b""
    return raw


def _lines(document: Document, raw: bytes) -> list[str]:
    """Decode the bytes line by line, so that one odd byte hides nothing else."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in raw[:4]:
        document.mistake(1, "This file is saved as UTF-16. Save it again as UTF-8.")
        return []
    raw = raw.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines, odd = [], []
    for number, line in enumerate(raw.split(b"\n"), 1):
        try:
            lines.append(line.decode())
        except UnicodeDecodeError as error:
            lines.append(line.decode(errors="replace"))
            document.guessed[number] = lines[-1]
            odd.append((number, error))
    for number, first in odd[:1]:
        others = f" So it is in {len(odd) - 1} more lines." if odd[1:] else ""
        document.mistake(
            number,
            f"Byte {first.object[first.start]:02X} (number {first.start + 1} in this line) is not UTF-8.{others} "
            "Save the file as UTF-8, then write the letter again.",
        )
    return lines


def _printable(document: Document, number: int, line: str) -> str:
    if bad := _BAD_CHARACTER.search(line):
        document.mistake(
            number,
            f"There is an invisible character (U+{ord(bad[0]):04X}) after {quoted(shorten(line[: bad.start()]))}. "
            "Delete it, or type the line again.",
        )
    return _BAD_CHARACTER.sub("", line)


def _untab(document: Document) -> None:
    """Note every line that begins with tabs or odd spaces, and move it to where its neighbours stand."""
    seen: dict[str, int] = {}
    for index, line in enumerate(document.lines):
        lead = _LEAD.match(line)
        space, dashes = lead.groups() if lead else ("", "")
        text = re.sub(r"\s", " ", dashes) + line[len(space + dashes) :]
        begins = _Line.of(0, text)
        odd = re.sub("[ -]", "", space + dashes)
        if text.strip() and ("\t" in odd or (odd and (begins.key or begins.dashes))):
            what = "A tab" if "\t" in odd else f"A space of an odd kind (U+{ord(odd[0]):04X})"
            document.mistake(index + 1, f"{what} stands at the start of this line. Use the space bar only.")
            if space not in seen:
                seen[space] = _where_neighbours_stand(document.lines[max(0, index - _NEIGHBOURS) : index], text)
            document.guess(index + 1, " " * seen[space] + text)
        # A tab elsewhere is a space to the reader, and the two parsers disagree on what it is to YAML.
        document.lines[index] = document.lines[index].replace("\t", " ") if text.strip() else ""


def _where_neighbours_stand(above: list[str], text: str) -> int:
    line, outline = _Line.of(len(above) + 1, text), _outline(above)
    filled = (number for number in range(len(above), 0, -1) if above[number - 1].strip())
    last = next((_Line.of(number, above[number - 1]) for number in filled), _Line.of(0, ""))
    column = _kin_column(outline, line)
    if last.opens or _BLOCK.search(last.value):
        # Kin may also stand in another block; below a name that opens one, a line belongs further right.
        return column if column and column > last.column - bool(line.dashes) else last.column + 2
    fields = [other.column for other in outline if other.key] if line.key and not line.dashes else []
    if fields and outline[-1].number == last.number and last.key:
        return last.column
    if (last.dashes + last.value).startswith("-") or outline[-1:] != [last]:
        return column or [last.column, *fields][-1]
    return column or last.column


# From lines to nodes: compose, and where YAML refuses, note it, mend it, compose again.


class _TooDeep(Exception):
    pass


def _compose_all(document: Document) -> None:
    known_mended = False
    for _ in range(ROUNDS):
        try:
            document.root = _compose(document)
            return
        except _TooDeep as deep:
            document.mistake(*deep.args)
            return
        except yaml.MarkedYAMLError as error:
            if known_mended or not _mend_known(document):
                _mend_refused(document, error)
            known_mended = True
    document.problems.append(
        Problem(document.file, document.problems[-1].line, "There may be more further down. Mend the others first.")
    )


def _compose(document: Document) -> Node | None:
    """Return the root of the tree; raises MarkedYAMLError where YAML refuses the text."""
    levels: list[list[Node]] = [[]]
    starts: list[yaml.CollectionStartEvent] = []
    for event in _events("\n".join(document.lines)):
        _refuse_cleverness(document, event)
        if isinstance(event, yaml.CollectionStartEvent):
            if len(levels) > DEPTH_LIMIT:
                raise _TooDeep(_line(event.start_mark), f"Lists stand within lists, more than {DEPTH_LIMIT} deep.")
            starts.append(event)
            levels.append([])
        elif isinstance(event, yaml.CollectionEndEvent):
            children = levels.pop()
            levels[-1].append(_collection(starts.pop(), children, _line(event.end_mark)))
        elif isinstance(event, yaml.NodeEvent):
            levels[-1].append(_leaf(document, event))
        elif isinstance(event, yaml.DocumentStartEvent) and levels[0]:
            raise _refusal("expected one document", event.start_mark)
    return levels[0][0] if levels[0] else None


def _events(text: str) -> Iterator[yaml.Event]:
    loader = LOADER(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    except (ValueError, OverflowError):  # the parser written in Python lets a character beyond Unicode through to chr()
        raise _refusal("unknown escape", loader.get_mark()) from None
    finally:
        loader.dispose()


# The two parsers' marks are of two types; both have a line and a column, counted from 0.
def _line(mark: Any) -> int:
    return int(mark.line) + 1


def _column(mark: Any) -> int:
    return int(mark.column)


def _place(mark: Any) -> int:
    return int(mark.index)


def _refusal(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _refuse_cleverness(document: Document, event: yaml.Event) -> None:
    """Note anchors, aliases and tags: nobody needs them here, and a few lines of them can fill the memory."""
    anchor, tag = getattr(event, "anchor", None), (getattr(event, "tag", None) or "").replace(_OWN_TAGS, "!!")
    mark = f"*{anchor}" if isinstance(event, yaml.AliasEvent) else f"&{anchor}" if anchor else tag
    if mark:
        line = _line(event.start_mark)
        document.mistake(
            line,
            f"A text cannot begin with `{mark[0]}` (as in `{shorten(mark)}`). "
            "Put the whole text in quotes, or write out what should stand here.",
        )
        document.guess(line, document.lines[line - 1])


def _collection(start: yaml.CollectionStartEvent, children: list[Node], last: int) -> Node:
    first = _line(start.start_mark)
    # A block ends where the next thing begins, and that line is not its own.
    last = last if start.flow_style else max(first, last - 1)
    if isinstance(start, yaml.SequenceStartEvent):
        return Items(first, last, children)
    # In [a: b] YAML sees {a: b}, though nobody wrote the braces.
    braces = bool(start.flow_style) and _place(start.start_mark) < _place(start.end_mark)
    return Fields(first, last, list(zip(children[::2], children[1::2], strict=True)), braces)


def _leaf(document: Document, event: yaml.NodeEvent) -> Text:
    line, last = _line(event.start_mark), _line(event.end_mark)
    if not isinstance(event, yaml.ScalarEvent):
        return Text(line, last, "")
    if event.style:
        return Text(line, last, event.value)
    if last > line:
        _check_dashes(document, line, last, event.value)
    if event.value and (swallowed := _SWALLOWED.match(document.lines[last - 1], _column(event.end_mark))):
        whole = (event.value + swallowed[0]).rstrip(" ]},")
        document.mistake(last, f"YAML leaves out a text from ` #` on, as a note. {in_quotes(whole)}")
    return Text(line, last, event.value, _kind(event.value))


def _check_dashes(document: Document, first: int, last: int, text: str) -> None:
    """Note what YAML takes for one long text without a word: a list with a dash that is glued, misplaced or missing."""
    for number in range(first + 1, last + 1):
        above, line = (text.lstrip() for text in document.lines[number - 2 : number])
        if len(above) >= _WRAPPED or not line.startswith("-"):
            continue
        if text.startswith("-"):
            for glued in (at for at in (number - 1, number) if re.match(r"-[^\s-]", document.lines[at - 1].lstrip())):
                document.mistake(glued, _glued(document.lines[glued - 1].lstrip()[1:]))
                document.guess(glued, document.lines[glued - 1])
        elif line.startswith("- ") and _Line.of(first, document.lines[first - 1]).start.strip():
            document.mistake(number, _MISALIGNED)
        elif line.startswith("- "):
            advice = "If all this is one text, write | behind its name, and else"
            document.mistake(first, f"A dash is missing. {advice}: - {shorten(document.lines[first - 1])}")
            document.guess(first, document.lines[first - 1])
            return


def _kind(text: str) -> str:
    """Return what YAML 1.1 takes an unquoted text for."""
    kinds = (tag for tag, pattern in _RESOLVERS.get(text[:1], ()) if pattern.match(text))
    return next(kinds, "str").rpartition(":")[2]


# What stands on a line, as far as one can tell without a parser.


@dataclass(frozen=True)
class _Line:
    number: int
    indent: int
    dashes: str
    key: str | None
    value: str

    @classmethod
    def of(cls, number: int, text: str) -> "_Line":
        start = _STARTS.match(text)
        assert start  # noqa: S101 -- every part of the pattern may be missing, so it always matches
        return cls(number, len(start["indent"]), start["dashes"], start["key"], text[start.end() :])

    @property
    def column(self) -> int:
        """Where the key stands, or the dash of a line without a key: what belongs to the line stands further right."""
        return self.indent + len(self.dashes) * (self.key is not None)

    @property
    def opens(self) -> bool:
        """Whether the lines below belong to it."""
        return self.key is not None and not _COMMENT.sub("", " " + self.value).strip()

    @property
    def start(self) -> str:
        return " " * self.indent + self.dashes + (f"{self.key}: " if self.key else "")

    @property
    def quote(self) -> re.Pattern[str] | None:
        """The quotation that the value begins with."""
        return _QUOTED.get(self.value[:1])


def _outline(lines: list[str], number: int = 1) -> list[_Line]:
    """Return the lines from a number on, without comments and without the texts that run over several lines."""
    outline = []
    while number <= len(lines):
        line = _Line.of(number, lines[number - 1])
        number += 1
        if line.start.strip() or (line.value and line.value[0] not in "#%"):
            outline.append(line)
            number = _after_text(lines, line)
    return outline


def _after_text(lines: list[str], line: _Line) -> int:
    """Return the number of the first line that is no part of the text which begins on this one."""
    block = _BLOCK.search(line.value)
    if _opens_brackets(line.value):
        below = range(line.number + 1, len(lines) + 1)
        return next((n for n in below if not _deeper(lines, n, line.column)), len(lines) + 1)
    if not block and (not line.quote or line.quote.match(line.value)):
        return line.number + 1
    inside: list[int] = []
    for number in range(line.number + 1, len(lines) + 1):
        if lines[number - 1].strip() and not _deeper(lines, number, line.column):
            # A line of the text that is not indented enough does not end it, if the next one is.
            here = _Line.of(number, lines[number - 1])
            stray = not here.key and not here.dashes and " " in here.value and _deeper(lines, number + 1, line.column)
            if not stray or not block:
                break
        inside.append(number)
    if block:
        return line.number + 1 + len(inside)
    end = re.compile(line.value[0] + r"(?: +#.*)?$")
    return next((number + 1 for number in inside if end.search(lines[number - 1])), line.number + 1)


def _opens_brackets(text: str) -> bool:
    """Tell whether a list or pairs in brackets begin here that go on below."""
    opened, closed = (sum(map(text.count, signs)) for signs in ("[{", "]}"))
    return text[:1] in ("[", "{") and opened > closed


def _deeper(lines: list[str], number: int, column: int) -> bool:
    """Tell whether the line, or the first one below it that is not blank, begins further right than the column."""
    text = next((lines[at] for at in range(number - 1, len(lines)) if lines[at].strip()), "")
    return len(text) - len(text.lstrip(" ")) > column


def _kin_column(outline: list[_Line], line: _Line) -> int | None:
    """Return where the nearest line of the same kind begins: the same key, or like this one a list's text."""
    if line.key is None and not line.dashes:
        return None
    kin = [o for o in outline if o.number != line.number and (o.key, bool(o.dashes)) == (line.key, bool(line.dashes))]
    return min(kin, key=lambda other: abs(other.number - line.number)).indent if kin else None


# The mistakes that people make most often, each told from the line alone: what to say, and the line mended.

_Mended = tuple[str, str]
_Rule = Callable[[Document, _Line, _Line | None, _Line | None], _Mended | None]


def _another_document(_: Document, line: _Line, before: _Line | None, after: _Line | None) -> _Mended | None:
    text = line.dashes + line.value
    if not line.indent and ((before and re.match(r"---(?: |$)", text)) or (after and re.match(r"\.\.\.(?: |$)", text))):
        return f"YAML starts another file at `{text[:3]}`. Delete this line, or indent it if it belongs to a text.", ""
    return None


def _glued(text: str) -> str:
    return f"A space is missing after the dash. Write: - {shorten(text)}"


def _glued_dash(document: Document, line: _Line, before: _Line | None, after: _Line | None) -> _Mended | None:
    found = re.match(r"-(?:([\w-]+): |[^\s-])", line.value)
    if line.dashes or line.key or not found:
        return None
    listed = any(near and near.dashes and near.indent == line.indent for near in (before, after))
    begins_list = before and before.opens and before.column <= line.indent
    if not listed and not begins_list and found[1] not in document.names:
        return None
    text = line.value[1:]
    return _glued(text), f"{line.start}- {text}"


def _glued_colon(document: Document, line: _Line, *_: object) -> _Mended | None:
    found = re.match(r"([\w-]+):(\S.*)", line.value)
    if line.key or not found or found[1] not in document.names:
        return None
    key, text = found.groups()
    return f"A space is missing after the colon. Write: {key}: {shorten(text)}", f"{line.start}{key}: {text}"


def _missing_id(_: Document, line: _Line, __: _Line | None, after: _Line | None) -> _Mended | None:
    """Find a text after a dash with names below it: it can only be an id."""
    lines_below = line.dashes and not line.key and after and not after.dashes and after.indent > line.indent
    if not lines_below or not re.match(r"id " if after and not after.key else r"\w", line.value):
        return None
    mended = "id: " + re.sub(r"^id(?: +|$)", "", line.value)
    return f"`id:` is missing or lacks its colon. Write: - {shorten(mended)}", line.start + mended


def _missing_dash(_: Document, line: _Line, before: _Line | None, after: _Line | None) -> _Mended | None:
    """Find an id without a dash right below the name of its list: every id begins an item."""
    if line.key != "id" or line.dashes or not before or not before.opens:
        return None
    fields_below = after is not None and after.column > line.indent
    indent = line.indent if fields_below else max(0, line.indent - 2)
    return f"A dash is missing. Write: - id: {shorten(line.value)}", f"{' ' * indent}- id: {line.value}"


def _missing_colon(document: Document, line: _Line, before: _Line | None, after: _Line | None) -> _Mended | None:
    found = re.match(r"([\w-]+)(?: +(?!:)(.*))?$", line.value)
    if line.key or line.dashes or not found:
        return None
    key, text = found[1], found[2] or ""
    known = key in document.names and any(near and near.key and near.column == line.indent for near in (before, after))
    # A lone word above an indented `name: …` or a list is that block's name.
    opens = not text and after and (after.key or after.dashes) and after.indent >= line.indent
    if not known and not opens:
        return None
    mended = f"{key}: {text}".rstrip()
    return f"A colon is missing after `{key}`. Write: {shorten(mended)}", line.start + mended


def _open_bracket(document: Document, line: _Line, *_: object) -> _Mended | None:
    goes_on = _after_text(document.lines, line) > line.number + 1
    if not line.value.startswith("[") or "]" in line.value or goes_on:
        return None
    mended = _COMMENT.sub("", line.value).rstrip(", ") + "]"
    return f"The list that begins with `[` is not closed. Write: {shorten(mended)}", line.start + mended


def _quotation(_: Document, line: _Line, *__: object) -> _Mended | None:
    """Find a quotation mark that is never closed, or closed before the text ends."""
    if not line.quote:
        return None
    mark, value = line.value[0], line.value.rstrip()
    if found := line.quote.match(value):
        rest = value[found.end() :]
        if not rest or re.match(r" +#| *:", rest):
            return None
        whole = value[1:-1] if value.endswith(mark) else value
        return f"The quotation ends before the text does. {in_quotes(whole)}", line.start + quoted(whole)
    text = value[1:].replace("\\", "")
    return f"A quotation mark ({mark}) is opened here and not closed. {in_quotes(text)}", line.start + quoted(text)


def _bad_start(_: Document, line: _Line, *__: object) -> _Mended | None:
    value = _COMMENT.sub("", line.value)
    mended, listed = line.start + quoted(value), f"{line.start}[{quoted(value[2:])}]"
    if line.key and re.match(r"- |-$", value):
        return "A list begins on the line below its name, each text after a dash of its own.", listed
    if not _NOT_AT_THE_START.match(value):
        return None
    return f"A text cannot begin with `{value[0]}`. {in_quotes(value)}", mended


def _colon_in_text(document: Document, line: _Line, _: object, after: _Line | None) -> _Mended | None:
    start, value = line.start, _COMMENT.sub("", line.value).rstrip()
    plain = (line.key or line.dashes) and value[:1] not in ("", '"', "'", "[", "{", "#")
    if not plain or not re.search(r":(?: |$)", value):
        return None
    if line.dashes and line.key not in {None, *document.names} and not (after and after.indent > line.indent):
        start, value = start.removesuffix(f"{line.key}: "), f"{line.key}: {value}"
    return f"A colon within a text confuses YAML. {in_quotes(value)}", start + quoted(value)


_RULES: tuple[_Rule, ...] = (
    _another_document,
    _glued_dash,
    _glued_colon,
    _missing_id,
    _missing_dash,
    _missing_colon,
    _open_bracket,
    _quotation,
    _bad_start,
    _colon_in_text,
)


def _mend_known(document: Document) -> bool:
    """Mend every line that shows one of the well-known mistakes; tell whether there was any."""
    outline = _outline(document.lines)
    found = False
    for before, line, after in zip([None, *outline], outline, [*outline[1:], None], strict=False):
        for mended in filter(None, (rule(document, line, before, after) for rule in _RULES)):
            message, document.lines[line.number - 1] = mended
            document.mistake(line.number, message)
            found = True
            break
    return found


# What YAML itself refuses: a pattern in its own words, whether the start of the construct is to blame, what to say.

_MISALIGNED = "This line does not begin where its neighbours begin. Line it up with them, by spaces."
_IN_QUOTES = "Put the whole text in quotes."
_UNCLOSED_QUOTATION = "A quotation mark is opened here and not closed. Close it at the end of the text."
_REFUSALS: tuple[tuple[str, bool, str], ...] = (
    ("escape", False, "A backslash means something else in double quotes. Use single quotes (') around this text."),
    ("quoted scalar", True, _UNCLOSED_QUOTATION),
    ("expected ':'", True, "A colon and a space are missing (write `name: text`), or the line is not indented enough."),
    ("mapping values", False, f"A colon stands where none can, or the line above lacks one. {_IN_QUOTES}"),
    ("flow|',' or", True, f"A bracket is not closed, or a comma is missing. If this is a text: {_IN_QUOTES}"),
    ("start any token", False, f"A text cannot begin with this sign. {_IN_QUOTES}"),
    ("expected|not allowed", False, _MISALIGNED),
    ("", False, f"YAML cannot read this line. {_IN_QUOTES}"),
)


def _mend_refused(document: Document, error: yaml.MarkedYAMLError) -> None:
    """Note what the parser refused, and move or empty the line so that the reading can go on."""
    words = f"{error.context} {error.problem}"
    _, at_start, message = next(refusal for refusal in _REFUSALS if re.search(refusal[0], words))
    number, first = (_number(document, mark) for mark in (error.problem_mark, error.context_mark or error.problem_mark))
    if brackets := _brackets_around(document, first):
        _mend_brackets(document, brackets, number, message)
        return
    number = first if at_start else number
    line = _Line.of(number, document.lines[number - 1])
    column = _column_for(document, line) if re.search("mapping values|expected", words) else None
    if number not in document.moved and not at_start and column is not None and column != line.indent:
        document.moved.add(number)
        document.mistake(number, _MISALIGNED)
        document.guess(number, " " * column + document.lines[number - 1].lstrip())
        return
    document.mistake(number, message)
    _empty(document, line)


def _mend_brackets(document: Document, first: _Line, number: int, message: str) -> None:
    """Note what the parser refused in brackets over several lines, and empty them all.

    Where it gives up only below them, a quotation mark inside may be to blame, and else a bracket that is not closed.
    """
    inside = range(first.number, _after_text(document.lines, first))
    if number not in inside:
        opened = (n for n in inside if _OPEN_QUOTATION.search(_QUOTATION.sub("", document.lines[n - 1])))
        number, message = next(((n, _UNCLOSED_QUOTATION) for n in opened), (first.number, message))
    document.mistake(number, message)
    for other in inside:
        document.guess(other, "")
    document.guess(first.number, first.start + ("[]" if first.value.startswith("[") else "{}"))


def _brackets_around(document: Document, number: int) -> _Line | None:
    """Return the line where the brackets begin that go on over the one with this number."""
    opening = (line for line in _outline(document.lines) if _opens_brackets(line.value))
    return next((line for line in opening if line.number <= number < _after_text(document.lines, line)), None)


def _number(document: Document, mark: yaml.Mark | None) -> int:
    """Return the number of the line that is marked; a mark may also lie behind the last one."""
    return min(mark.line if mark else 0, len(document.lines) - 1) + 1


def _column_for(document: Document, line: _Line) -> int | None:
    """Return where a line that stands askew should begin: where its kin does, else at the nearest open block."""
    if line.key is None and not line.dashes:
        return None
    near = range(max(1, line.number - _NEIGHBOURS), line.number + _NEIGHBOURS)
    outline = _outline(document.lines[: near.stop], near.start)
    if (column := _kin_column(outline, line)) is not None:
        return column
    columns: list[int] = []
    for other in reversed([other for other in outline if other.number < line.number and other.key]):
        if not columns or other.column < columns[-1]:
            columns.append(other.column)
    return min(reversed(columns), key=lambda column: abs(column - line.indent), default=None)


def _empty(document: Document, line: _Line) -> None:
    """Keep of the line only what holds the lines below it together; if nothing is left, take away the line above."""
    below = next((text for text in document.lines[line.number :] if text.strip()), "")
    following = _Line.of(0, below)
    text_below = following.indent > line.column and not following.key and not following.dashes
    kept = line.start.rstrip() + (" |" if line.key and text_below else "")
    current = document.lines[line.number - 1]
    if current.strip():
        document.guess(line.number, kept if kept != current else "")
        return
    filled = partial(filter, lambda number: document.lines[number - 1].strip())
    others = chain(filled(range(line.number - 1, 0, -1)), filled(range(line.number + 1, len(document.lines) + 1)))
    document.guess(next(others), "")
