"""What staff may write, how it may go wrong, and what they are told: the form of the files."""

import re
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from faq import reading
from faq.loading import load
from faq.problems import ContentError

FAQ = """\
# Everything the bot says.
clinic:
  name: Riverside Clinic
  contact: https://example.com/contact
wording:
  start: Hello from {clinic}.
  help: Ask in your own words.
  privacy: Kept for {days} days.
  forget: Really?
  forgotten: Removed {count}.
  forget_later: Not now.
  contact: Write to {contact}.
  topics: What is it about?
  topic: "**{topic}**: which question?"
  clarify: Is it one of these?
  fallback: I do not know that.
  fallback_contact: Here is the clinic.
  fallback_near: Perhaps it is about {topic}.
  reviewed: Reviewed on {date}.
  reviewed_with_sources: "Reviewed on {date}. Sources: {sources}."
  not_text: I can only read text.
  feedback_thanks: Thank you.
  outdated_button: That button is no longer in use.
  too_many: Please wait half a minute.
  trouble: Something went wrong.
  smalltalk: {greeting: Hi!, thanks: Welcome., goodbye: Bye., abilities: I answer., privacy: See., acknowledgement: Ok.}
  buttons:
    contact: Write to the clinic
    topics: All topics
    copy_question: Copy my question
    not_emergency: No emergency
    helpful: Good
    not_helpful: Bad
    forget: Remove it
sources:
  article:
    title: The article
    address: https://example.com/article
topics:
  - id: needles
    title: The needles
  - id: visit
    title: Your visit
entries:
  - id: does-it-hurt
    topic: needles
    question: Does it hurt?
    answer: |
      Most people feel **very little**.

      - Tell us: we stop at once.
    phrasings:
      - is it painful
      - will I feel the needles
      - "no pain?"
    sources: [article]
    reviewed: 2026-11-24
    related: [how-long]
  - id: how-long
    topic: visit
    question: How long is a visit?
    answer: About an hour.
    phrasings:
      - duration
      - how many minutes
    related:
      - does-it-hurt
    handoff: yes
"""
LINES = FAQ.splitlines()
# What stands beside it is small, since each file that is lacking is one of the product's own, and larger.
OTHERS = {"lexicon": "language: english", "background": "chat:\n  - nice weather", "safety": "notices: []"}


def line_of(start: str) -> int:
    """Return the number of the first line that begins so."""
    return next(number for number, line in enumerate(LINES, 1) if line.strip().startswith(start))


def with_line(start: str, replacement: str) -> str:
    """Return the FAQ with that line replaced; its indentation stays, unless the replacement brings its own."""
    number = line_of(start)
    indented = replacement != replacement.lstrip() or replacement in ("---", "...")
    indent = "" if indented else re.match(" *", LINES[number - 1])[0]
    return "\n".join([*LINES[: number - 1], indent + replacement, *LINES[number:]]) + "\n"


def told(answers: str | bytes, **others: str) -> list[tuple[int, str]]:
    """Load the answers (and other files) and return the problems, each with its line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in {**OTHERS, **others, "answers": answers}.items():
            (folder / f"{file}.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
        try:
            load(folder)
        except ContentError as error:
            return [(problem.line, problem.message) for problem in error.problems]
    return []


@pytest.fixture(params=["CSafeLoader", pytest.param("SafeLoader", marks=pytest.mark.unmeasured)])
def _either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LOADER", getattr(yaml, request.param))


in_bounded_time = settings(deadline=5000)  # milliseconds; a slow machine takes a tenth of it
either_parser = pytest.mark.usefixtures("_either_parser")


@either_parser
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\n", "\r\n"),
        ("\n", "\r"),
        ("# Everything", "\ufeff# Everything"),
        ("# Everything", "---\n# Everything"),
        ("# Everything", "%YAML 1.1\n---\n# Everything"),
        ("About an hour.", "About an hour,\n      or two"),
        ("About an hour.", "'About an hour,\n      or two'  # more or less"),
        ("About an hour.", "About an hour.  # more or less"),
        ("About an hour.", "An hour with doctor#1 # or 2"),
        ("entries:", "entries: #all of them"),
        ("      - duration", "      #duration\n      - duration"),
        ("About an hour.", "About\tan hour."),
        ("About an hour.", "About an hour.  \n\t\n"),
        ("duration", "a text that is so long that someone wrapped it by hand here\n        - or so"),
        ("[how-long]", "[\n      how-long]"),
    ],
)
def test_what_editors_and_people_do_to_a_file_without_harm_is_accepted(before, after):
    assert told(FAQ.replace(before, after)) == []


@either_parser
@pytest.mark.parametrize(
    ("start", "replacement", "message"),
    [
        ("topic:", "\ttopic: needles", "A tab stands at the start"),
        ("name:", "\tname: Riverside", "A tab stands at the start"),
        ("- will", "\t\t\t- will I feel the needles", "A tab stands at the start"),
        ("- will", "-\twill I feel the needles", "A tab stands at the start"),
        ("Most", "\t  Most people feel little.", "A tab stands at the start"),
        ("topic:", "\u00a0\u00a0\u00a0\u00a0topic: needles", "odd kind (U+00A0)"),
        ("question:", "question Does it hurt?", "A colon is missing after `question`. Write: question: Does it hurt?"),
        ("clinic:", "clinic", "A colon is missing after `clinic`. Write: clinic:"),
        ("entries:", "entries", "A colon is missing after `entries`"),
        ("article:", "article", "A colon is missing after `article`"),
        ("answer:", "answer |", "A colon is missing after `answer`"),
        ("phrasings:", "phrasings", "A colon is missing after `phrasings`"),
        ("- id: does", "- id does-it-hurt", "`id:` is missing or lacks its colon. Write: - id: does-it-hurt"),
        ("- id: does", "- does-it-hurt", "`id:` is missing or lacks its colon. Write: - id: does-it-hurt"),
        ("sources: [", "zzz [article]", "A colon and a space are missing"),
        ("topic:", "topic:needles", "A space is missing after the colon. Write: topic: needles"),
        ("- id: does", "- id:does-it-hurt", "A space is missing after the colon. Write: id: does-it-hurt"),
        ("answer:", "answer:|", "A space is missing after the colon"),
        ("- is it", "-is it painful", "A space is missing after the dash. Write: - is it painful"),
        ("- will", "-will I feel the needles", "A space is missing after the dash"),
        ('- "no', '-"no pain?"', "A space is missing after the dash"),
        ("- id: how", "-id: how-long", "A space is missing after the dash. Write: - id: how-long"),
        ("question:", 'question: "Does it hurt?', 'is opened here and not closed. Put the whole text in quotes: "Does'),
        ("- will", "- 'will I feel the needles", "A quotation mark (') is opened here and not closed"),
        ("- id: does", '- id: "does-it-hurt', 'A quotation mark (") is opened here and not closed'),
        ("sources: [", 'sources: ["article]', "A quotation mark is opened here and not closed"),
        (
            "question:",
            "question: 'Doesn't it?'",
            'ends before the text does. Put the whole text in quotes: "Doesn\'t it?"',
        ),
        ("question:", 'question: "Does" it hurt?', "'\"Does\" it hurt?'"),
        ("question:", 'question: "is it \\quick"', "A backslash means something else"),
        ("question:", 'question: "\\UFFFFFFFF"', "A backslash means something else"),
        ("question:", 'question: "\\U00110000"', "A backslash means something else"),
        ("- is it", "- *is* it painful?", "A text cannot begin with `*`. Put the whole text in quotes"),
        ("question:", "question: @home?", "A text cannot begin with `@`"),
        ("question:", "question: % of people?", "A text cannot begin with `%`"),
        ("question:", "question: [x](https://example.com) it", "A text cannot begin with `[`"),
        ("question:", "question: |now", "A text cannot begin with `|`"),
        ("start:", "start: {clinic} says hello.", "A text cannot begin with `{`"),
        ("start:", "start: {clinic}", "A text cannot begin with `{`"),
        ("question:", "question: &hurt Does it?", "A text cannot begin with `&` (as in `&hurt`)"),
        ("question:", "question: *hurt", "A text cannot begin with `*` (as in `*hurt`)"),
        ("question:", "question: !!python/object/apply:os.system [ls]", "(as in `!!python/object/apply:os.system`)"),
        ("question:", "question: !important", "A text cannot begin with `!`"),
        ("question:", "question: Tell me: does it?", "A colon within a text confuses YAML. Put the whole"),
        ("- is it", "- please: is it painful", 'Put the whole text in quotes: "please: is it painful"'),
        ("- is it", "- please: tell me: is it painful", "A colon within a text"),
        ("answer: Ab", "answer: About\n     an hour: yes", None),
        ("question:", "     question: Does it hurt?", "does not begin where its neighbours begin"),
        ("question:", "   question: Does it hurt?", "does not begin where its neighbours begin"),
        ("question:", "  question: Does it hurt?", "does not begin where its neighbours begin"),
        ("entries:", " entries:", "does not begin where its neighbours begin"),
        ("- will", "        - will I feel the needles", "does not begin where its neighbours begin"),
        ("- will", "     - will I feel the needles", "does not begin where its neighbours begin"),
        ("- id: how", "   - id: how-long", "does not begin where its neighbours begin"),
        ("- id: how", " - id: how-long", "does not begin where its neighbours begin"),
        ("Most", "    Most people feel little.", "or the line is not indented enough"),
        ("sources: [", "sources: [article", "The list that begins with `[` is not closed. Write: [article]"),
        ("sources: [", 'sources: ["article" "x"]', "A bracket is not closed, or a comma is missing"),
        ("sources: [", "sources: - article", "A list begins on the line below its name"),
        ("related: [", "---", "YAML starts another file at `---`"),
        ("related: [", "...", "YAML starts another file at `...`"),
        ("- is it", "- is it the #1 pain", 'as a note. Put the whole text in quotes: "is it the #1 pain"'),
        ("question:", "question: Does it  #hurt?", 'Put the whole text in quotes: "Does it #hurt?"'),
        ("answer: Ab", "answer: About\n      an hour #more", 'Put the whole text in quotes: "About an hour #more"'),
        ("sources: [", "sources: [article #1]", 'Put the whole text in quotes: "article #1"'),
        ("question:", "question: Does\x07 it?", 'an invisible character (U+0007) after "question: Does"'),
        ("question:", "question: Does\0 it?", "an invisible character (U+0000)"),
        ("question:", "question: Does\u2028 it?", "an invisible character (U+2028)"),
        ("question:", "question: Does\ufeff it?", "an invisible character (U+FEFF)"),
    ],
)
def test_a_mistake_in_one_line_is_told_with_that_line_and_no_other(start, replacement, message):
    problems = told(with_line(start, replacement))
    expected = line_of(start) + replacement.count("\n")
    assert [line for line, _ in problems] == [expected]
    assert message is None or message in problems[0][1]


@either_parser
@pytest.mark.parametrize(
    ("written", "broken", "line", "message"),
    [
        ("ache, sore", "@ache, sore", 3, "A text cannot begin with this sign."),
        ("ache, sore", "ache,, sore", 3, "A bracket is not closed, or a comma is missing."),
        ("ache, sore", '"ac" he, sore', 3, "A bracket is not closed, or a comma is missing."),
        ("ache, sore", "'ache, sore", 3, "A quotation mark is opened here and not closed."),
        ("ache, sore", "ache: sore", 3, "A colon within a text confuses YAML."),
        ("[pain,", "[%pain,", 2, "A text cannot begin with this sign."),
        ("stiff]", "stiff", 2, "A bracket is not closed, or a comma is missing."),
        ("don't wait", "{not: wait", 6, "A bracket is not closed, or a comma is missing."),
    ],
)
def test_a_mistake_in_brackets_over_several_lines_is_told_once_at_its_own_line(written, broken, line, message):
    cues = "cues:\n  hurts: [pain,\n    ache, sore,\n    stiff]\n  soon: [now, {not: hurry},\n    don't wait]\n"
    users = "cautions: [{id: pain, text: Wait., cues: [[hurts, soon]]}]\n"
    for safety in (f"{cues}notices: []\n{users}", f"notices: []\n{users}{cues}"):
        [(told_line, told_message)] = told(FAQ, safety=safety.replace(written, broken))
        assert told_line == line + (2 if safety.startswith("notices") else 0)
        assert told_message.startswith(message)


@either_parser
def test_a_whole_file_indented_with_tabs_is_told_line_by_line_and_nothing_else():
    text = FAQ.replace("  ", "\t")
    tabbed = [number for number, line in enumerate(text.split("\n"), 1) if line.startswith("\t")]
    assert [line for line, _ in told(text)] == tabbed


@either_parser
def test_the_first_of_many_tabs_finds_its_place_below_a_text():
    text = "entries:\n  - id: a\n    topic: b\n    question: c?\n    answer: |\n\t\t\tYes.\n"
    assert [line for line, _ in told(text)] == [6]


@either_parser
def test_syntax_errors_do_not_hide_each_other_nor_what_is_wrong_elsewhere():
    text = FAQ
    for before, after in [
        ("  name: R", "  name:R"),
        ("    title: The needles", "\ttitle: The needles"),
        ("question: Does it hurt?", 'question: "Does it hurt?'),
        ("- will I", "-will I"),
        ("topic: visit", "topic: visits"),
        ("- duration", "- no"),
    ]:
        text = text.replace(before, after)
    broken = map(line_of, ["name: R", "title: The n", "question: Does", "- will", "topic: visit", "- duration"])
    found = told(text, lexicon="language english", background="chat:\n\t- hi")
    assert sorted(line for line, _ in found) == [1, 2, *broken]


@either_parser
@pytest.mark.parametrize(
    ("written", "broken", "line", "message"),
    [
        ("  - id: needles", "    id: needles", line_of("- id: needles"), "A dash is missing. Write: - id: needles"),
        ("  - id: does", "    id: does", line_of("- id: does"), "A dash is missing. Write: - id: does-it-hurt"),
        ("  - id: does", "  id: does", line_of("- id: does"), "A dash is missing. Write: - id: does-it-hurt"),
        ("- is it", "is it", line_of("- is it"), "A dash is missing. If all this is one text"),
    ],
)
def test_a_list_that_lacks_its_first_dash_is_told_once(written, broken, line, message):
    [(told_line, told_message)] = told(FAQ.replace(written, broken))
    assert told_line == line
    assert told_message.startswith(message)


@either_parser
def test_a_list_whose_dashes_all_lack_their_space_is_told_line_by_line():
    text = FAQ.replace("      - duration\n      - how many", "      -duration\n      -how many")
    assert [line for line, _ in told(text)] == [line_of("- duration"), line_of("- how many")]
    [(_, message)] = told(FAQ.replace("      - does-it-hurt", "      -does-it-hurt"))
    assert "a space is missing after each dash" in message


@pytest.mark.unmeasured
@either_parser
def test_lists_within_lists_without_end_are_refused_at_once():
    for text in ("[" * 1_000_000, "{" * 100_000, "- " * 1000 + "deep"):
        assert told(text) == [(1, "Lists stand within lists, more than 20 deep.")]


def test_a_billion_laughs_stay_three_lines():
    laughs = "a: &a [ha]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\n"
    assert [line for line, _ in told(laughs)] == [1, 2, 3]


@either_parser
def test_a_mistake_casts_no_doubt_on_the_lines_of_a_text_elsewhere():
    text = FAQ.replace("About an hour.", "About an hour,\n      -ish").replace("topic: visit", "topic visit")
    assert [line for line, _ in told(text)] == [line_of("topic: visit")]


@either_parser
def test_a_file_that_breaks_off_is_told_within_its_lines():
    assert [line for line, _ in told("%YAML 1.1\n")] == [2]
    assert {line for line, _ in told("entries: [a,\n")} == {1}


def test_bytes_that_are_not_utf8_are_told_with_line_and_byte():
    assert told(FAQ.replace("Does it hurt?", "Café?").encode("latin-1")) == [
        (
            line_of("question: Does"),
            "Byte E9 (number 18 in this line) is not UTF-8. Save the file as UTF-8, then write the letter again.",
        )
    ]
    accented = FAQ.replace("Does it hurt?", "Café?").replace("About", "Était").replace("duration", "durée")
    [(line, message)] = told(accented.encode("latin-1"))
    assert line == line_of("question: Does")
    assert "So it is in 2 more lines. Save the file as UTF-8" in message
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        assert told(FAQ.encode(encoding)) == [(1, "This file is saved as UTF-16. Save it again as UTF-8.")]


@pytest.mark.parametrize("text", ["", "\n \n", "# only a comment\n", "---\n"])
def test_an_empty_file_is_told_as_empty(text):
    assert "empty" in told(text)[0][1]


def test_a_file_may_hold_ten_thousand_phrasings_but_not_a_whole_book():
    more = "".join(f"      - phrasing number {n}, which is as long as people write on average\n" for n in range(10_000))
    assert told(FAQ.replace("      - duration\n", more)) == []
    for book in ("x" * (reading.SIZE_LIMIT + 1), "\r" * (reading.LINES_LIMIT + 1), "\n" * (reading.LINES_LIMIT + 1)):
        assert told(book) == [(1, "This file is larger than 4 MB or 100,000 lines. Is it the right one?")]


@either_parser
def test_a_hopeless_file_is_given_up_after_a_while_and_says_so():
    problems = told("clinic:\n" + "".join(f"  a{n}: b\n  zz foo\n" for n in range(reading.ROUNDS + 1)))
    assert [line for line, _ in problems[:-1]] == [3 + 2 * n for n in range(reading.ROUNDS)]
    assert problems[-1][1] == "There may be more further down. Mend the others first."


def _swap(pattern: str, replacement: str):
    return lambda line: re.sub(pattern, replacement, line, count=1) if re.search(pattern, line) else None


MISTAKES = [
    _swap(r"^  ", "\t"),
    _swap(r"^( *(?:- )?)(id|topic|title|question|answer|start|name): (.)", r"\1\2 \3"),
    _swap(r"^( *(?:- )?)(id|topic|title|question|answer|start|name|related|sources): (.)", r"\1\2:\3"),
    _swap(r"^( *)- (?!Tell)", r"\1-"),
    _swap(r"^( *- )(?!id|Tell)\"?", r"\1'"),
    _swap(r"(question|title|name): ", r'\1: "'),
    _swap(r"(question|title|start|greeting|name): .*", r"\1: 12:30"),
    _swap(r"^( *- )(?!id|Tell).*", r"\1off"),
    _swap(r"(title|question|answer|reviewed|handoff|name):", r"\1s:"),
    _swap(r"^( *)(topic|question|reviewed|handoff):", r"\1 \2:"),
    _swap(r"(question|answer|title): (\w)", r"\1: `\2"),
    _swap(r"(question|answer|title): (\w+)", r"\1: \2: and"),
    _swap(r"$", "\x02"),
]

# For each line of the FAQ, what becomes of it by each mistake that can be made there.
BROKEN = {
    number: [broken for mistake in MISTAKES if (broken := mistake(line)) not in (None, line)]
    for number, line in enumerate(LINES, 1)
}


@pytest.mark.unmeasured
def test_every_mistake_is_told_at_its_own_line_wherever_it_stands():
    for number, line in [(number, line) for number, lines in BROKEN.items() for line in lines]:
        text = "\n".join([*LINES[: number - 1], line, *LINES[number:]])
        assert [at for at, _ in told(text)] == [number], line


# Not random: among some thousands of such triples there is one whose shadow falls on a sound line.
@settings(in_bounded_time, derandomize=True)
@given(st.sets(st.sampled_from([at for at, lines in BROKEN.items() if lines]), min_size=1, max_size=3), st.data())
def test_several_mistakes_at_once_put_no_blame_on_a_sound_line(numbers, data):
    broken = {number: data.draw(st.sampled_from(BROKEN[number])) for number in numbers}
    found = {line for line, _ in told("\n".join(broken.get(at, line) for at, line in enumerate(LINES, 1)))}
    assert found
    assert found <= numbers


# What YAML is made of, in any order.
_PIECES = [
    *"\n\n\n  \t-:[]{}\"'#&*!|>%@`,?\\~",
    *("- ", ": ", "entries:\n", "  - id: a\n", "    topic: b\n", "answer: |\n", "---\n", "...\n", "no", "12:30"),
    *("<<: ", "\ufeff", "\r", "\x00", "\x85", "\u2028", "é", "😀", '"\\x', "!!binary "),
]
_soup = st.lists(st.sampled_from(_PIECES)).map("".join)


@st.composite
def _damaged(draw: st.DrawFn) -> str:
    """Draw the FAQ with up to five pieces taken out or put in."""
    text = FAQ
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(text)))
        text = text[:start] + draw(_soup) + text[start + draw(st.integers(0, 8)) :]
    return text


def _file_lines(raw: bytes) -> int:
    return len(raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))


_anything = st.one_of(st.binary(), st.text().map(str.encode), _soup.map(str.encode), _damaged().map(str.encode))


@in_bounded_time
@given(_anything)
def test_whatever_stands_in_the_file_it_loads_or_the_problems_have_lines_within_it(raw):
    assert all(1 <= line <= _file_lines(raw) and message for line, message in told(raw))


@settings(in_bounded_time, max_examples=50)  # each is read twice, the second time slowly
@given(_anything)
def test_both_parsers_find_mistakes_within_the_file_whatever_stands_in_it(raw):
    for loader in (yaml.CSafeLoader, yaml.SafeLoader):
        with pytest.MonkeyPatch.context() as patch, tempfile.NamedTemporaryFile() as file:
            patch.setattr(reading, "LOADER", loader)
            Path(file.name).write_bytes(raw)
            document = reading.read(Path(file.name), "answers.yaml", ["id", "topic", "entries"])
            assert document.root or document.problems
            assert all(1 <= problem.line <= _file_lines(raw) for problem in document.problems)
