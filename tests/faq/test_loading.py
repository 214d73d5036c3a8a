"""What an FAQ must hold to go live, what may be left out, and what staff are told."""

import os
import re
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from faq import loading
from faq.loading import load, places_of_texts
from faq.model import Entry
from faq.problems import ContentError, Problem
from tests.faq.test_reading import FAQ, LINES, OTHERS, in_bounded_time, line_of, told, with_line

ONE_TEXT = "Write one text; in quotes if it begins with a bracket."
SMALLEST = """\
entries:
  - id: does-it-hurt
    topic: the-needles
    question: Does it hurt?
    answer: Hardly.
"""


@pytest.fixture
def folder(tmp_path):
    """An FAQ folder with all its files."""
    (tmp_path / "answers.yaml").write_text(FAQ)
    (tmp_path / "lexicon.yaml").write_text("language: english\nabbreviations: {u: you}\n")
    (tmp_path / "background.yaml").write_text("chat:\n  - nice weather\nsport:\n  - who won\n")
    (tmp_path / "safety.yaml").write_text(
        "notices: [{id: fire, text: 'Run, and call {emergency}.'}]\n"
        "rules: [{id: it-burns, kind: fire, reason: Fire spreads., examples: [it burns]}]\n"
    )
    return tmp_path


def problems(path: Path, **refusal) -> list[str]:
    with pytest.raises(ContentError) as caught:
        load(path, **refusal)
    return list(map(str, caught.value.problems))


def test_the_products_own_faq_loads():
    content = load(loading.OWN)
    assert len(content.answers.entries) >= 36
    assert content.background


def test_each_text_is_found_in_its_file_and_at_its_line_and_at_the_last_where_it_stands_twice(folder):
    places = places_of_texts(folder / "answers.yaml")
    assert places["nice weather"] == ("background.yaml", 2)
    assert places["how many minutes"] == ("answers.yaml", line_of("- how many"))
    assert places["english"] == ("lexicon.yaml", 1)
    (folder / "background.yaml").write_text("chat: [nice weather]\nsport:\n  - who won\n  - ' nice weather '\n")
    assert places_of_texts(folder)["nice weather"] == ("background.yaml", 4)


def test_a_text_of_safety_yaml_is_found_there_wherever_else_it_stands(folder):
    (folder / "background.yaml").write_text("chat:\n  - it burns\n")
    assert places_of_texts(folder)["it burns"] == ("safety.yaml", 2)


def test_the_texts_of_a_file_that_the_folder_lacks_are_found_in_the_products_own(folder):
    (folder / "safety.yaml").unlink()
    own = (loading.OWN / "safety.yaml").read_text("utf-8").splitlines()
    harmless = load(folder).safety.harmless[-1]
    file, line = places_of_texts(folder)[harmless]
    assert file == "faq/safety.yaml"
    assert harmless in own[line - 1]


def test_a_folder_loads_with_all_that_its_files_hold(folder):
    content = load(folder)
    first, second = content.answers.entries
    assert first.answer == "Most people feel **very little**.\n\n- Tell us: we stop at once."
    assert (first.sources, first.reviewed, first.handoff) == (("article",), date(2026, 11, 24), False)
    assert (second.related, second.handoff) == (("does-it-hurt",), True)
    assert content.lexicon.abbreviations == {"u": "you"}
    assert content.background == ("nice weather", "who won")


def test_the_answers_may_be_named_directly_whatever_their_file_is_called(folder):
    path = (folder / "answers.yaml").rename(folder / "my answers.yml")
    assert load(path).background == ("nice weather", "who won")
    path.write_text(FAQ.replace("topic: visit", "topic: vist"))
    assert problems(path)[0].startswith(f"my answers.yml:{line_of('topic: visit')}: There is no `vist`")


def test_four_lines_and_nothing_else_make_an_faq(tmp_path):
    (tmp_path / "answers.yaml").write_text(SMALLEST)
    content, own = load(tmp_path), load(loading.OWN)
    assert [(topic.id, topic.title) for topic in content.answers.topics] == [("the-needles", "The needles")]
    assert content.answers.clinic is None
    assert content.answers.wording.clarify == own.answers.wording.clarify
    assert "**the clinic**" in content.answers.wording.start
    assert (content.lexicon, content.background) == (own.lexicon, own.background)


@pytest.mark.parametrize("text", ['"\\t"', "only a sentence", "- a list", "3"])
def test_a_file_that_is_one_thing_is_told_what_it_should_consist_of(tmp_path, text):
    (tmp_path / "answers.yaml").write_text(text)
    assert problems(tmp_path)[0].startswith("answers.yaml:1: This file should consist of names with colons")


def test_derived_topics_stand_in_the_order_of_the_entries(tmp_path):
    more = SMALLEST.split("\n", 1)[1]
    (tmp_path / "answers.yaml").write_text(
        SMALLEST
        + more.replace("does-it-hurt", "b").replace("the-needles", "a-visit").replace("Does it", "Will it")
        + more.replace("does-it-hurt", "c").replace("Does it", "Can it")
    )
    assert [topic.title for topic in load(tmp_path).answers.topics] == ["The needles", "A visit"]


def test_a_sentence_that_is_not_written_falls_back_to_the_products_own(folder):
    lacking = ("clarify:", "topics: All", "smalltalk:")
    (folder / "answers.yaml").write_text("\n".join(line for line in LINES if not line.strip().startswith(lacking)))
    wording, own = load(folder).answers.wording, load(loading.OWN).answers.wording
    assert wording.clarify == own.clarify
    assert wording.buttons.topics == own.buttons.topics
    assert wording.smalltalk.thanks == own.smalltalk.thanks
    assert (wording.fallback, wording.buttons.contact) == ("I do not know that.", "Write to the clinic")


def test_the_wording_is_filled_with_the_clinics_name_and_numbers_once(folder):
    sentence = 'start: "{clinic} {contact} {emergency} {crisis} {poison} {}"'
    text = with_line("start:", sentence).replace("Riverside Clinic", '"{crisis} Clinic"').replace("{}", "{ x")
    (folder / "answers.yaml").write_text(text)
    wording = load(folder).answers.wording
    assert wording.start == "{crisis} Clinic https://example.com/contact 911 988 1-800-222-1222 { x"
    assert wording.reviewed_with_sources == "Reviewed on {date}. Sources: {sources}."
    assert wording.topic == "**{topic}**: which question?"


def test_a_sentence_of_which_nothing_would_be_left_is_told(folder):
    text = with_line("contact: Write to {", 'contact: "{contact}"')
    text = text.replace("  contact: https://example.com/contact\n", "")
    assert "Nothing is left of it" in told(text)[0][1]


@pytest.mark.parametrize(
    ("start", "replacement", "message"),
    [
        ("question:", "question: no", 'YAML reads `no` as true/false. Put it in quotes: "no"'),
        ("- is it", "- On", 'YAML reads `On` as true/false. Put it in quotes: "On"'),
        ("- is it", "- 12:30", 'YAML reads `12:30` as a time. Put it in quotes: "12:30"'),
        ("- is it", "- 911", 'YAML reads `911` as a number. Put it in quotes: "911"'),
        ("question:", "question: 1.5", 'YAML reads `1.5` as a number. Put it in quotes: "1.5"'),
        ("question:", "question: null", 'YAML reads `null` as nothing. Put it in quotes: "null"'),
        ("question:", "question: 2026-11-24", 'YAML reads `2026-11-24` as a date. Put it in quotes: "2026-11-24"'),
        ("question:", "question: 2026-11-24 10:00:00", "as a date"),
        ("- id: needles", "- id: 12", "YAML reads `12` as a number"),
        ("question:", "question:", "`question` is empty"),
        ("question:", "question: #1?", "`question` is empty. Write what belongs there (in quotes if it begins with #)"),
        ("question:", "question: ''", "`question` is empty"),
        ("- is it", "-", "A line of `phrasings` is empty"),
        ("- is it", '- "  "', "A line of `phrasings` is empty"),
        ("reviewed: 2", "reviewed:", "`reviewed` is empty"),
        ("phrasings:", "phrasing:", "`phrasing`: did you mean `phrasings`?"),
        ("topic: n", "topc: needles", "`topc`: did you mean `topic`?"),
        ("sources:", "sorces:", "`sorces`: did you mean `sources`?"),
        ("handoff:", "colour: red", "`colour` is not known here. Known here: `id`, `topic`, `question`"),
        ("title: Your", "titel: Your visit", "`titel`: did you mean `title`?"),
        ("- id: does", "- handoff: no", "The entry that begins here has no `id`"),
        ("topic: n", "topic: needle", "There is no `needle` under `topics:`. Did you mean `needles`?"),
        ("topic: n", "topic: price", "There is no `price` under `topics:`. Write it under `topics:` first."),
        ("sources: [", "sources: [artcle]", "There is no `artcle` under `sources:`. Did you mean `article`?"),
        ("related: [", "related: [how-lon]", "There is no `how-lon` under `entries:`. Did you mean `how-long`?"),
        (
            "related: [",
            "related: [does-it-help]",
            "There is no `does-it-help` under `entries:`. Write it under `entries:` first.",
        ),
        ("related: [", "related: [does-it-hurt]", "The entry `does-it-hurt` is related to itself"),
        (
            "related: [",
            "related: [How long]",
            "an id is lower-case words (a-z, 0-9) joined by hyphens. Write: how-long",
        ),
        ("- id: does", "- id: Does it_hurt?", "Write: does-it-hurt"),
        ("- id: needles", "- id: ¿¡", "Write: does-it-hurt"),
        ("- id: how", f"- id: {'how-' * 10}long", "This id has 44 characters, and links have room for 40"),
        ("- id: visit", "- id: needles", f"The id `needles` is taken, at line {line_of('- id: needles')}"),
        ("- duration", "- IS it   painful", f"asks `how-long` here and `does-it-hurt` at line {line_of('- is it')}"),
        (
            "- duration",
            "- Does it hurt?",
            f"asks `how-long` here and `does-it-hurt` at line {line_of('question: Does')}",
        ),
        ("question: Does", "question: [a, b]", "`question` is one text, but a list stands here"),
        (
            "question: Does",
            "question:\n      a: b\n      c: d",
            "`question` is one text, but several names with colons",
        ),
        (
            "sources: [",
            "sources: article",
            "Write it as a list, each text on a line of its own after a dash: - article",
        ),
        ("sources: [", "sources: {article: a}", "`sources` is a list. Write it as a list"),
        ("reviewed: 2", "reviewed: yesterday", "`reviewed` is a day of the calendar"),
        ("reviewed: 2", "reviewed: 2026-02-30", "Write it like this: 2026-11-24"),
        ("reviewed: 2", "reviewed: 24", "`reviewed` is a day of the calendar"),
        ("handoff:", "handoff: maybe", "`handoff` is either yes or no, without quotes"),
        ("contact: http", "contact: call us", "`call us` is no web address"),
        ("address:", "address: example.com", "`example.com` is no web address"),
        ("reviewed: 2", "<<: {reviewed: 2026-11-24}", "A name stands before a colon, not <<"),
        ("reviewed: 2", "? [a, b]\n    : c", "A name stands before a colon, not a list or nothing"),
        ("reviewed: 2", "~: c", "A name stands before a colon"),
        ("reviewed: 2", "topic: needles", f"`topic` stands here again, first at line {line_of('topic: n')}. Keep one"),
        ("- id: how", "    id: how-long", "If something new begins here, put a dash before it: - id: …"),
        ("start:", "start: Hi from {clinc}", "`{clinc}` is filled by nothing. What can be filled here: {clinic}, {"),
        ("start:", "start: Hi on {date}", "`{date}` is filled by nothing"),
        ("start:", "start: Call {emergency or wait", "`{emergency` is not closed. Write: {emergency}"),
        ("reviewed: Rev", 'reviewed: "Reviewed {date"', "`{date` is not closed. Write: {date}"),
        (
            "answer: Ab",
            "answer: Call {emergency}.",
            "In an answer nothing fills `{emergency}`. Write what it stands for: 911",
        ),
        ("answer: Ab", "answer: Call {poison now.", "In an answer nothing fills `{poison}`."),
        (
            "question:",
            'question: "**Does** it hurt?"',
            "This stands on a button, which would show `**` too. Write plain words",
        ),
        ("question:", "question: Does [it](https://example.com) hurt?", "would show `[it](` too"),
        ("title: Your", "title: Your **visit**", "would show `**` too"),
        ("copy_q", 'copy_question: "**Copy** it"', "would show `**` too"),
        ("reviewed: Rev", 'reviewed: "{date} {source}"', "`{source}` is filled by nothing"),
    ],
)
def test_what_is_wrong_in_one_line_is_told_with_that_line_and_no_other(start, replacement, message):
    [(line, told_message)] = told(with_line(start, replacement))
    assert line == line_of(start)
    assert message in told_message


@pytest.mark.parametrize(
    ("start", "owner", "message"),
    [
        ("question:", "- id: does", "The entry `does-it-hurt` has no `question`. Add a line to it: question: …"),
        ("title: Your", "- id: visit", "The topic `visit` has no `title`. Add a line to it: title: …"),
        ("title: The art", "article:", "`article` has no `title`. Add a line to it: title: …"),
        ("name:", "clinic:", "`clinic` has no `name`. Add a line to it: name: …"),
    ],
)
def test_what_is_missing_is_told_where_it_should_stand(start, owner, message):
    assert told("\n".join(line for line in LINES if line != LINES[line_of(start) - 1])) == [(line_of(owner), message)]


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("entries:\n", 1, "This file has no `entries:`. Add it, beginning at the left edge."),
        ("wording:\n", line_of("start:") - 1, "`start` is not known here."),
    ],
)
def test_what_stood_in_a_section_whose_name_is_lost_is_told_in_few_sentences(name, line, message):
    found = told(FAQ.replace(name, ""))
    assert len(found) <= 2
    assert found[0][0] == line
    assert found[0][1].startswith(message)


def test_many_mistakes_of_one_kind_are_told_at_the_first():
    [(line, message)] = told(FAQ, background="chat: [hi]\nsport:\n" + "  - {a: b}\n" * 30)
    assert line == 3
    assert message.endswith("So it is 29 times more below. Is the name of a section missing above?")


def test_a_text_on_the_line_below_its_name_is_told_on_its_own_line():
    assert told(with_line("question:", "question:\n      1.5"))[0][0] == line_of("question:") + 1


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ("hello", "This file should consist of names with colons"),
        ("- a\n- b", "This file should consist of names with colons"),
        ("clinic: {name: Riverside}", "This file has no `entries:`. Add it, beginning at the left edge."),
        ("entries: []", "There is no entry yet"),
        (SMALLEST + "topics: []", "There is no topic yet. A topic has: - id: …, title: … Or delete `topics:`"),
        (SMALLEST + "clinic: Riverside", "`clinic` needs lines such as `name: …`, indented by spaces."),
        (SMALLEST + "sources: article", "`sources` needs lines such as `name: text`"),
        (SMALLEST + "topics: the-needles", "`topics` is a list"),
        (SMALLEST + "wording: {buttons: none}", "`buttons` needs lines such as `contact: …`, `topics: …`"),
        (SMALLEST + "wording: hello", "`wording` needs lines such as `start: …`"),
        (SMALLEST + "  - another", "A line of `entries` needs lines such as `id: …`, `topic: …`"),
        (SMALLEST + "    sources: [article]", "There is no `article` under `sources:`."),
    ],
)
def test_a_part_of_the_wrong_shape_is_told_in_one_sentence(answers, message):
    [(_, told_message)] = told(answers)
    assert message in told_message


def test_the_other_files_are_checked_in_the_same_way():
    assert told(FAQ, lexicon="language: english\nabbreviations:\n  u: on\n  y: why\nsynonims: []") == [
        (3, 'YAML reads `on` as true/false. Put it in quotes: "on"'),
        (5, "`synonims`: did you mean `synonyms`?"),
    ]
    assert told(FAQ, background="chat:\n  - 1\n  - [a]\nsport: who won") == [
        (2, 'YAML reads `1` as a number. Put it in quotes: "1"'),
        (3, f"A line of `chat` is one text, but a list stands here. {ONE_TEXT}"),
        (4, "`sport` is a list. Write it as a list, each text on a line of its own after a dash: - who won"),
    ]
    assert told(FAQ, background="'': [hello]")[0][0] == 1


SAFETY = """\
notices:
  - {id: fire, text: Run.}
cues:
  burning: [on fire, 1-17 candles, {not: burning question}]
rules:
  - id: it-burns
    kind: fire
    reason: Fire spreads.
    cues: [[burning]]
    examples: [it burns]
cautions:
  - {id: children, text: Ask first., cues: [[burning]]}
applies_to: [does-it-hurt]
see: how-long
"""


def test_a_safety_yaml_whose_names_all_lead_somewhere_is_sound():
    assert told(FAQ, safety=SAFETY) == []
    assert told(FAQ, safety=SAFETY.replace("id: children", "id: it-burns")) == []  # a caution may be named like a rule


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (
            "[does-it-hurt]",
            "[how-long, does-it-hrt]",
            13,
            "There is no `does-it-hrt` under `entries:` in answers.yaml. D",
        ),
        (
            "Run.}",
            '"Run and call {emergancy}."}',
            2,
            "`{emergancy}` is filled by nothing. What can be filled here: {emergency}",
        ),
        ("Ask first.", '"Ask {you} first."', 12, "`{you}` is filled by nothing."),
        ("see: how-long", "see: is-it-safe", 14, "There is no `is-it-safe` under `entries:` in answers.yaml. Write it"),
        ("Run.}", "Run.}\n  - {id: fire, text: Go.}", 3, "The id `fire` is taken, at line 2."),
        (
            "cautions:",
            "  - {id: it-burns, kind: fire, reason: It does., examples: [ablaze]}\ncautions:",
            11,
            "The id `it-burns` is taken",
        ),
        ("[it burns]", "[]", 10, "`examples` is empty. Write at least one, or delete the whole item."),
        ("[it burns]", "[it burns]\n    nt: [a candle]", 11, "`nt`: did you mean `not`?"),
        ("    examples: [it burns]\n", "", 6, "The item `it-burns` has no `examples`. Add a line to it: examples: …"),
        ("applies_to", "  - {id: children, text: A., cues: [[burning]]}\napplies_to", 13, "The id `children` is"),
        (
            "[[burning]]\n    e",
            "[[burning], [burning, buring]]\n    e",
            9,
            "There is no `buring` under `cues:`. Did you mean",
        ),
        ("[[burning]]}", "[[ashes]]}", 12, "There is no `ashes` under `cues:`. Write it under `cues:` first."),
        (
            "[[burning]]\n    e",
            "[burning]\n    e",
            9,
            "A line of `cues` is a list within a list, in brackets of its own. Write: cues: [[burning]]",
        ),
        (
            "[[burning]]}",
            "[burning, [burning]]}",
            12,
            "A line of `cues` is a list within a list, in brackets of its own. Write: [burning]",
        ),
        ("kind: fire", "kind: panic", 7, "There is no `panic` under `notices:`. Write it under `notices:` first."),
        ("notices:\n  - {id: fire, text: Run.}", "notices: []\n", 7, "There is no `fire` under `notices:`."),
    ],
)
def test_a_name_in_safety_yaml_that_leads_nowhere_or_stands_twice_is_told(old, new, line, message):
    [(told_line, told_message)] = told(FAQ, safety=SAFETY.replace(old, new, 1))
    assert told_line == line
    assert told_message.startswith(message)


CUT_SHORT = "Was this file cut short? If not, write what uses it, or delete it."


@pytest.mark.parametrize(
    ("kept", "line", "message"),
    [
        (2, 2, "The notice `fire` is used by no rule."),
        (4, 2, "The notice `fire` is used by no rule."),
        (5, 4, "The cue `burning` (and 1 more) is used by no rule and no caution."),
        (11, 5, "The cue `child` is used by no rule and no caution."),
    ],
)
def test_a_safety_yaml_that_was_cut_short_is_told_by_what_is_no_longer_used(kept, line, message):
    with_child = SAFETY.replace("burning question}]", "burning question}]\n  child: [my child]")
    cut = with_child.replace("cues: [[burning]]}", "cues: [[child]]}").splitlines()[:kept]
    assert (line, f"{message} {CUT_SHORT}") in told(FAQ, safety="\n".join(cut))


@pytest.mark.parametrize("section", ["notices", "rules", "cautions"])
def test_the_products_own_safety_yaml_without_one_of_its_sections_is_told(folder, section):
    lines = (loading.OWN / "safety.yaml").read_text("utf-8").splitlines()
    begins = lines.index(f"{section}:")
    ends = next(number for number in range(begins + 1, len(lines)) if lines[number][:1].isalpha())
    (folder / "answers.yaml").write_text((loading.OWN / "answers.yaml").read_text("utf-8"))
    (folder / "safety.yaml").write_text("\n".join(lines[:begins] + lines[ends:]))
    assert any(problem.startswith("safety.yaml:") for problem in problems(folder))


def test_the_products_own_safety_yaml_may_name_entries_that_another_faq_lacks(folder):
    (folder / "safety.yaml").unlink()
    assert load(folder).safety.applies_to


@pytest.mark.parametrize(
    ("phrase", "message"),
    [
        ("17-1 years old", "`17-1` goes down. Write the smaller number first: 1-17."),
        ("call 555-1234567", "`555-1234567` stands for 1234013 numbers, and 500 are the most. If it is no range, w"),
        ("1-501", "`1-501` stands for 501 numbers, and 500 are the most."),
        ("{not: 9-1 men}", "`9-1` goes down."),
        ("911", 'YAML reads `911` as a number. Put it in quotes: "911"'),
        ("{not: 911}", 'YAML reads `911` as a number. Put it in quotes: "911"'),
        ("[fire, smoke]", "A line of `burning` is one text, but a list stands here."),
        ("burns: badly", 'A colon within a text confuses YAML. Put the whole text in quotes: "burns: badly"'),
        ("{not: burning, nott: question}", "`nott`: did you mean `not`?"),
    ],
)
def test_a_phrase_that_is_none_is_told_once(phrase, message):
    [(line, told_message)] = told(FAQ, safety=SAFETY.replace("on fire", phrase))
    assert line == 4
    assert told_message.startswith(message)


@pytest.mark.parametrize("phrase", ["1-500", "5-5", "1-800-222-1222", "on 2026-11-24", "covid-19", f"1-{'9' * 5000}"])
def test_what_is_a_short_range_or_no_range_at_all_is_no_problem(phrase):
    assert told(FAQ, safety=SAFETY.replace("on fire", phrase)) == []


def test_an_entry_that_could_not_be_read_whole_is_not_told_to_lack_anything():
    text = FAQ.replace("question: How long", "qestion How long")
    assert [line for line, _ in told(text)] == [line_of("question: How")]


def test_a_reference_to_what_could_not_be_read_is_no_problem():
    text = FAQ.replace("  - id: visit", "  - id: Visit us").replace("topic: needles", "topic: needels")
    assert [line for line, _ in told(text)] == [line_of("- id: visit"), line_of("topic: n")]


def test_a_number_as_a_name_is_told():
    text = with_line("address:", "988: {title: Lifeline}").replace("    988", "  988")
    assert told(text) == [(line_of("address:"), 'YAML reads `988` as a number. Put it in quotes: "988"')]


def test_among_thousands_of_names_nobody_looks_for_the_nearest():
    many = "".join(f"  - {{id: a{n}, topic: b, question: c{n}, answer: d}}\n" for n in range(3000))
    assert told(f"entries:\n{many}  - {{id: x, topic: b, question: e, answer: d, related: [a3000]}}") == [
        (3002, "There is no `a3000` under `entries:`. Write it under `entries:` first.")
    ]


def test_every_answer_and_every_sentence_is_shown_to_the_refusal_as_it_will_be_sent(folder):
    shown = []
    load(folder, shown.append)
    assert "Most people feel **very little**.\n\n- Tell us: we stop at once." in shown
    assert {"Hello from Riverside Clinic.", "Write to https://example.com/contact.", "All topics"} <= set(shown)
    assert "Run, and call 911." in shown
    assert len(shown) == 2 + 20 + 6 + 7 + 1


def test_a_refused_text_is_a_problem_at_its_line(folder):
    found = problems(folder, refusal=lambda text: "Too long." if text.startswith(("About", "Hello from")) else None)
    assert found == [
        f"answers.yaml:{line_of('start:')}: This sentence cannot be shown. Too long.",
        f"answers.yaml:{line_of('answer: Ab')}: This answer cannot be shown. Too long.",
    ]


def test_a_broken_clinic_is_no_reason_to_refuse_the_sentences_that_name_it(folder):
    (folder / "answers.yaml").write_text(with_line("contact: http", "contact: none"))
    assert len(problems(folder, refusal=lambda text: None if "no address" in text or text else "Empty.")) == 1


def test_the_problems_of_all_files_come_at_once_sorted_and_each_with_its_place(folder):
    (folder / "answers.yaml").write_text(FAQ.replace("topic: visit", "topic: vist").replace("- duration", "- no"))
    (folder / "lexicon.yaml").write_text("language english")
    (folder / "background.yaml").write_text("chat:\n\t- hello")
    assert [problem.split(": ")[0] for problem in problems(folder)] == [
        f"answers.yaml:{line_of('topic: visit')}",
        f"answers.yaml:{line_of('- duration')}",
        "background.yaml:2",
        "lexicon.yaml:1",
    ]


def test_a_problem_in_the_products_own_files_is_told_under_their_own_name(tmp_path):
    (tmp_path / "answers.yaml").write_text(SMALLEST)
    own = load(tmp_path)
    refused = {own.answers.wording.clarify, own.safety.notices[0].text}
    first, second = problems(tmp_path, refusal=lambda text: "Too long." if text in refused else None)
    assert re.match(r"faq/answers\.yaml:\d+: This sentence cannot be shown\. Too long\.", first)
    assert re.match(r"faq/safety\.yaml:\d+: This sentence cannot be shown\. Too long\.", second)


def test_files_that_cannot_be_read_are_told_and_never_a_traceback(folder, tmp_path):
    assert problems(tmp_path / "nowhere") == [f"nowhere:1: There is no file or folder {tmp_path}/nowhere."]
    assert problems(tmp_path / "nowhere" / "a.yaml")[0].startswith("a.yaml:1: There is no file or folder")
    assert "cannot be read: File name too long" in problems(tmp_path / ("x" * 300))[0]
    assert "cannot be read: embedded null byte" in problems(tmp_path / "a\0b")[0]
    (folder / "answers.yaml").unlink()
    assert problems(folder) == [f"answers.yaml:1: There is no file or folder {folder}/answers.yaml."]
    (folder / "answers.yaml").mkdir()
    (folder / "lexicon.yaml").unlink()
    os.mkfifo(folder / "lexicon.yaml")
    assert problems(folder) == [
        f"answers.yaml:1: {folder}/answers.yaml is not a file. Put a text file in its place.",
        f"lexicon.yaml:1: {folder}/lexicon.yaml is not a file. Put a text file in its place.",
    ]


def test_only_what_was_saved_is_read_again(folder, monkeypatch):
    load(folder)
    opened, opens = list[str](), Path.open
    monkeypatch.setattr(
        Path, "open", lambda path, *rest, **named: opened.append(path.name) or opens(path, *rest, **named)
    )
    assert load(folder) == load(folder)
    assert opened == []
    (folder / "answers.yaml").write_text(FAQ.replace("Does it hurt", "Is it painful"))
    opened.clear()
    assert load(folder).answers.entries != ()
    assert opened == ["answers.yaml"]


def test_what_is_wrong_is_told_again_each_time_until_it_is_mended(folder):
    (folder / "answers.yaml").write_text(with_line("clarify:", "clarify: Is it {x}?"))
    (folder / "lexicon.yaml").write_text("language: [english]")
    first = problems(folder)
    assert problems(folder) == first
    (folder / "lexicon.yaml").write_text("language: english")
    assert problems(folder) == first[:1]


def test_a_problem_reads_as_file_line_and_what_to_do():
    assert str(Problem("answers.yaml", 12, "Write it.")) == "answers.yaml:12: Write it."
    error = ContentError([Problem("b", 1, "x"), Problem("a", 10, "y"), Problem("a", 9, "z")])
    assert str(error) == "a:9: z\na:10: y\nb:1: x"


# A program may write the line breaks of other scripts as they are; YAML folds them, so they are refused unless escaped.
_text = st.text(st.characters(codec="utf-8", exclude_characters="\x85\u2028\u2029")).filter(
    lambda text: any(map(str.isalnum, text))
)
_entry = st.fixed_dictionaries(
    {"topic": st.sampled_from(["needles", "visit"]), "question": _text, "answer": _text},
    optional={
        "phrasings": st.lists(_text),
        "sources": st.lists(st.just("article")),
        "reviewed": st.dates(),
        "handoff": st.booleans(),
    },
)


@settings(in_bounded_time, max_examples=50)  # each is a whole FAQ
@given(st.lists(_entry, min_size=1), st.booleans(), st.sampled_from([None, True, False]), st.sampled_from([80, 200]))
def test_whatever_a_program_writes_comes_back_as_it_was(entries, as_unicode, flow, width):
    for number, entry in enumerate(entries):
        entry["id"] = f"entry-{number}"
        for name in {"phrasings"} & entry.keys():
            entry[name] = [f"{number} {text}" for text in entry[name]]
        entry["question"] = f"{number}: {entry['question']}"
    faq = {**yaml.safe_load(FAQ), "entries": entries}
    text = yaml.safe_dump(faq, allow_unicode=as_unicode, default_flow_style=flow, width=width)
    with TemporaryDirectory() as name:
        for file, content in {**OTHERS, "background": "{}", "answers": text}.items():
            (Path(name) / f"{file}.yaml").write_text(content, newline="")
        assert load(Path(name)).answers.entries == tuple(map(Entry.model_validate, entries))
