"""The commands, as whoever types them or calls them from a program meets them."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import pytest

from bot.cli import main
from bot.config import Settings
from bot.health import heartbeat
from tests.conftest import BICYCLES, FIRE

ROOT = Path(__file__).parent.parent.parent
IDS = ["flat-tire", "brakes", "price-of-repairs", "rent-a-bicycle", "helmets"]
TOKEN = "424242:never-to-be-seen"  # noqa: S105  # it opens nothing


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, cache_home, small_model) -> Path:
    """The folder to call from: no setting is made, and what the bot learns is kept from one test run to the next."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call(monkeypatch, capsys) -> Callable[..., Outcome]:
    """Run a command in this process."""

    def run(*arguments: object, stdin: bytes | None = b"") -> Outcome:
        monkeypatch.setattr(sys, "argv", ["clinic-faq", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", None if stdin is None else TextIOWrapper(BytesIO(stdin), "utf-8"))
        with pytest.raises(SystemExit) as ended:
            main()
        return Outcome(int(ended.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def ask(call, shop) -> Callable[..., Outcome]:
    """Run `ask` on the bicycle shop's FAQ."""
    return lambda *arguments, **stdin: call("ask", "--answers", shop, *arguments, **stdin)


def process(*arguments: object, stdin: bytes = b"", **environment: str) -> Outcome:
    """Run `python -m bot` as a process of its own."""
    command = [sys.executable, "-m", "bot", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, env=os.environ | environment, check=False)  # noqa: S603
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


# ask, for people.


def test_ask_shows_how_an_utterance_was_read_and_what_each_candidate_earned_its_score_with(ask):
    outcome = ask("My TIER is", "flaat!")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.lines[0] == "answer flat-tire"
    details = dict(line.strip().split("  ", 1) for line in outcome.lines[1:4])
    assert details["normalized"].strip() == "my tier is flaat!"
    assert details["read as"].strip() == "my tier is flat"
    assert details["corrections"].strip() == "flaat → flat"
    candidates = [line.split(maxsplit=2) for line in outcome.lines[-5:]]
    assert sorted(entry_id for _, entry_id, _ in candidates) == sorted(IDS)
    assert candidates[0][2] == "“my tire is flat”"
    scores = [float(score) for score, _, _ in candidates]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("utterance", "decision"),
    [
        ("hello", "smalltalk greeting"),
        ("", "smalltalk abilities"),
        ("do you sell cakes", "fallback"),
        ("the shop is on fire", "urgent fire"),
    ],
)
def test_ask_begins_with_the_decision(ask, utterance, decision):
    assert ask(utterance).lines[0].startswith(decision)


def test_ask_tells_why_an_emergency_is_one(ask):
    assert "  reason       Fire spreads." in ask("we are on fire").lines


def test_ask_names_every_entry_that_is_offered(ask, shop):
    (shop / "background.yaml").unlink()  # the product's own tells more of what no entry answers
    asked = "bike repair", "what does it cost to borrow a helmet", "is the repair of brakes expensive"
    offers = [line for text in asked for line in ask(text).lines[:1]]
    offered = [line.removeprefix("clarify ").split(" | ") for line in offers if line.startswith("clarify")]
    assert offered
    assert all(2 <= len(ids) <= 3 and set(ids) <= set(IDS) for ids in offered)


def test_what_looks_like_an_option_can_be_asked_too(ask):
    assert ask("--", "--my tire is flat").lines[0] == "answer flat-tire"


@pytest.mark.parametrize("arguments", [[], ["--jsonl", "my tire is flat"]])
def test_ask_wants_either_a_text_or_lines(ask, arguments):
    outcome = ask(*arguments)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "Write what a patient might type, or give --jsonl and a line each on standard input.\n"


# ask --jsonl, for programs.

ODD_LINES = [
    "my tire is flat", "", "  ", "\ufeffmy brakes squeal", "😀👩‍👩‍👧", "\u202eflat tire\u202c", "\u200d", "a\x00b\x07c",
    "a\u2028b\u2029c\x85d\x0be\x0cf", "a\rb", "鍼は痛いですか", "x" * 4096, '{"q": "json"}', "hello",
    "do I get a helmet?",
]  # fmt: skip


@pytest.mark.parametrize("locale", ["C.UTF-8", "en_US.UTF-8"])
def test_ask_jsonl_answers_each_line_in_order_whatever_stands_in_it_even_bytes_that_are_no_text(shop, locale):
    lines = b"\xff\xfe\n" + "".join(f"{line}\n" for line in ODD_LINES).encode()
    outcome = process("ask", "--jsonl", "--answers", shop, stdin=lines, LC_ALL=locale)
    _, *replies = map(json.loads, outcome.lines)
    assert (outcome.code, outcome.err, len(replies)) == (0, "", len(ODD_LINES))
    assert [replies[n]["id"] for n in (0, 3, -1)] == ["flat-tire", "brakes", "helmets"]
    assert [replies[n]["kind"] for n in (1, 2, 4, 6, -2)] == ["smalltalk"] * 5


def test_each_line_of_ask_jsonl_keeps_its_promises(ask):
    outcome = ask("--jsonl", stdin="\n".join(ODD_LINES).encode())
    for line in outcome.lines:
        reply = json.loads(line)
        assert list(reply) == ["kind", "id", "score", "candidates", "cautions"]
        assert reply["kind"] in ("answer", "clarify", "fallback", "urgent", "smalltalk")
        assert (reply["id"] in IDS) if reply["kind"] == "answer" else (reply["id"] is None)
        assert sorted(candidate["id"] for candidate in reply["candidates"]) == sorted(IDS)
        assert all(list(candidate) == ["id", "score"] for candidate in reply["candidates"])
        scores = [candidate["score"] for candidate in reply["candidates"]]
        assert 1 >= reply["score"] == scores[0] >= scores[-1] >= 0
        assert scores == sorted(scores, reverse=True)
        assert isinstance(reply["cautions"], list)


def test_a_last_line_without_its_end_and_lines_of_windows_count_too(ask):
    windows, unix = (ask("--jsonl", stdin=end.join([b"my tire is flat", b"helmets?"])) for end in (b"\r\n", b"\n"))
    assert len(unix.lines) == 2
    assert windows == unix


def test_no_lines_no_replies(ask):
    assert ask("--jsonl") == Outcome(0, "", "")


def test_a_reply_comes_before_the_next_line_is_written_and_who_stops_listening_is_not_shouted_at(shop):
    command = [sys.executable, "-m", "bot", "ask", "--jsonl", "--answers", str(shop)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as running:  # noqa: S603
        for utterance, entry_id in [(b"my brakes squeal\n", "brakes"), (b"helmets?\n", "helmets")]:
            running.stdin.write(utterance)
            running.stdin.flush()
            assert json.loads(running.stdout.readline())["id"] == entry_id
        running.stdout.close()
        _, err = running.communicate(b"helmets?\n" * 3)
    assert err == b""


# check.


@pytest.fixture
def broken(shop) -> Path:
    """The bicycle shop's FAQ with mistakes in two files."""
    text = BICYCLES.replace("related: [brakes,", "related: [break,").replace("question: Do I get", "qestion: Do I get")
    (shop / "answers.yaml").write_text(text)
    (shop / "lexicon.yaml").write_text("language: no\n")
    return shop


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(BICYCLES.splitlines(), 1) if text in line)


def test_check_finds_nothing_in_a_sound_faq(call, shop):
    assert call("check", "--answers", shop) == Outcome(0, "No problems found.\n", "")
    assert call("check", "--json", "--answers", shop) == Outcome(0, "[]\n", "")


@pytest.mark.unmeasured
def test_check_finds_nothing_in_the_products_own_faq(call, own_faq):
    assert call("check") == Outcome(0, "No problems found.\n", "")


def test_check_tells_every_problem_with_file_and_line(call, broken):
    outcome = call("check", "--answers", broken)
    assert outcome.code == 1
    places = [
        f"answers.yaml:{line_of('related: [brakes,')}",
        f"answers.yaml:{line_of('question: Do I get')}",
        "lexicon.yaml:1",
    ]
    assert all(any(line.startswith(place) for line in outcome.lines) for place in places), outcome.out


def test_check_tells_programs_the_same(call, broken):
    outcome = call("check", "--json", "--answers", broken)
    problems = json.loads(outcome.out)
    assert outcome.code == 1
    assert {(problem["file"], problem["line"]) for problem in problems} >= {
        ("answers.yaml", line_of("related: [brakes,")),
        ("answers.yaml", line_of("question: Do I get")),
        ("lexicon.yaml", 1),
    }
    assert len(problems) == len(call("check", "--answers", broken).lines)


def test_check_finds_what_is_wrong_in_the_rules_for_emergencies(call, shop):
    (shop / "safety.yaml").write_text(FIRE.replace("[[burning]]", "[[no-such-cue]]"))
    outcome = call("check", "--answers", shop)
    assert outcome.code == 1
    assert "safety.yaml" in outcome.out
    assert "no-such-cue" in outcome.out


def test_check_tells_each_example_that_turns_out_wrong_at_its_line(call, shop):
    wrong = FIRE.replace("not: [we close]", "not: [we close,\n     we are on fire]")
    caution = "cautions:\n  - {id: dizziness, text: Sit down., cues: [[burning]], examples: [on fire, it burns]}\n"
    (shop / "safety.yaml").write_text(wrong + caution)
    outcome = call("check", "--answers", shop)
    assert outcome.code == 1
    assert outcome.lines == [
        "safety.yaml:5: This must not alarm, but sounds like “we are on fire” of the rule `it-burns`.",
        "safety.yaml:7: This example does not call for the caution `dizziness`. Add its words to a cue.",
    ]


@pytest.mark.parametrize("command", [["ask", "hello"], ["ask", "--jsonl"], ["chat"], ["evaluate", "q.jsonl"]])
def test_a_broken_faq_is_told_by_every_command_that_needs_it(call, broken, command):
    outcome = call(*command, "--answers", broken)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == call("check", "--answers", broken).out


@pytest.mark.parametrize("command", [["check"], ["ask", "hello"]])
def test_an_faq_that_is_not_there_is_told_by_its_name(call, folder, command):
    outcome = call(*command, "--answers", folder / "nowhere")
    assert outcome.code == 1
    assert "nowhere" in outcome.out + outcome.err


# evaluate.


@pytest.fixture
def labelled(folder) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes) -> Path:
        (folder / "questions.jsonl").write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder / "questions.jsonl"

    return write


QUESTIONS = """\
{"q": "my tire is flat", "kind": "in", "ids": ["flat-tire"]}
{"q": "do you sell pizza", "kind": "out", "ids": []}
{"q": "hello", "kind": "smalltalk", "ids": []}
"""


def test_evaluate_prints_figures_for_people_and_for_programs(call, shop, labelled):
    file = labelled("\ufeff" + QUESTIONS)
    for_people = call("evaluate", file, "--answers", shop)
    for_programs = call("evaluate", file, "--json", "--answers", shop)
    assert (for_people.code, for_people.err, for_programs.code, for_programs.err) == (0, "", 0, "")
    assert len(for_people.lines) > 3
    assert isinstance(json.loads(for_programs.out), dict)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"q": "x", "kind": "in", "ids": ["flat-tyre"]}', "flat-tire"),
        ('{"q": "x", "kind": "inn", "ids": ["brakes"]}', "line 1: "),
        (QUESTIONS + "no json", "line 4: "),
        ("", "no labelled utterance"),
        ("café".encode("latin-1"), "is not UTF-8 text. Save it as UTF-8."),
    ],
)
def test_labels_that_cannot_be_used_are_told_with_the_files_name(call, shop, labelled, content, told):
    outcome = call("evaluate", labelled(content), "--answers", shop)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith(str(labelled(content)))
    assert told in outcome.err


def test_a_file_that_cannot_be_opened_is_told_in_a_sentence(call, shop, folder):
    assert call("evaluate", "nowhere.jsonl", "--answers", shop).err == "nowhere.jsonl: No such file or directory.\n"
    assert call("evaluate", folder, "--answers", shop).err == f"{folder}: Is a directory.\n"


# Which FAQ.


def test_another_faq_is_named_before_or_after_the_command_or_by_its_file(call, shop):
    for arguments in (
        ["--answers", shop, "ask", "helmets?"],
        ["ask", "--answers", shop, "helmets?"],
        ["ask", "helmets?", "--answers", shop / "answers.yaml"],
        ["--answers", "nowhere", "ask", "helmets?", "--answers", shop],
    ):
        assert call(*arguments).lines[0] == "answer helmets"


def test_another_faq_is_named_by_the_environment_or_dotenv(call, shop, folder, monkeypatch):
    (folder / ".env").write_text("ANSWERS=shop\n")
    assert call("ask", "helmets?").lines[0] == "answer helmets"
    monkeypatch.setenv("ANSWERS", "nowhere")
    assert call("ask", "helmets?").code == 1
    assert call("ask", "helmets?", "--answers", "shop").lines[0] == "answer helmets"


# Settings that are wrong or missing.


@pytest.mark.parametrize("command", [["run"], ["health"], ["check"], ["ask", "hello"], ["chat"]])
@pytest.mark.parametrize(("name", "value"), [("TELEGRAM_API_URL", "secret.example"), ("LOG_FORMAT", "secret")])
def test_a_setting_that_cannot_be_used_is_named_and_its_value_is_not(call, monkeypatch, command, name, value):
    monkeypatch.setenv(name, value)
    outcome = call(*command)
    assert (outcome.code, outcome.out) == (1, "")
    wanted = Settings.model_fields[name.lower()].description
    assert outcome.err == f"{name}: not a value I can use. Write {wanted}.\n"
    assert value not in outcome.err


@pytest.mark.parametrize("command", ["run", "health"])
def test_without_a_token_nothing_is_put_on_telegram(call, command):
    outcome = call(command)
    assert (outcome.code, outcome.out) == (1, "")
    assert "TELEGRAM_BOT_TOKEN is not set" in outcome.err


def test_health_tells_by_the_exit_code_whether_the_bot_hears_telegram(call, monkeypatch, folder):
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    assert call("health") == Outcome(1, "", "")
    heartbeat(TOKEN).touch()
    assert call("health") == Outcome(0, "", "")
    os.utime(heartbeat(TOKEN), (0, 0))
    assert call("health").code == 1


# The command as a whole.


def test_chat_answers_every_line_of_a_pipe(call, shop):
    outcome = call("chat", "--answers", shop, stdin=b"my brakes squeal\n\nhelmets?")
    assert (outcome.code, outcome.err) == (0, "")
    assert "brakes are adjusted within a day" in outcome.out
    assert "A helmet comes with each rented bicycle" in outcome.out


def test_a_mistake_of_the_bot_itself_is_told_in_a_sentence_too(ask):
    outcome = ask("--jsonl", stdin=None)  # as `<&-` closes it
    assert (outcome.code, outcome.out) == (1, "")
    assert re.match(r"This is a mistake in the bot itself \(TypeError at cli\.py:\d+\)\. Please", outcome.err)


def test_an_unknown_command_or_option_is_a_usage_error(call):
    assert call("answer").code == 2
    assert call("ask", "--jsnol").code == 2


def test_the_process_ends_with_exit_code_and_sentence_and_no_traceback(folder):
    failed = process("ask", "helmets?", "--answers", folder / "nowhere")
    assert (failed.code, failed.out) == (1, "")
    assert "Traceback" not in failed.err
    assert process("check", "--answers", folder / "nowhere").code == 1


def test_bytes_on_the_command_line_that_are_no_text_do_no_harm(shop):
    command = [sys.executable, "-m", "bot", "ask", "--answers", str(shop), b"helmets \xff"]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"answer helmets")


def test_a_terminal_that_knows_no_unicode_gets_an_answer_all_the_same(shop):
    outcome = process("ask", "flaat tire", "--answers", shop, PYTHONIOENCODING="ascii")
    assert (outcome.code, outcome.err) == (0, "")
    assert "flaat" in outcome.out


def test_help_names_every_command_and_imports_nothing_heavy():
    began = getrusage(RUSAGE_CHILDREN)
    command = [sys.executable, "-X", "importtime", "-m", "bot", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    ended = getrusage(RUSAGE_CHILDREN)
    for name in ("chat", "ask", "check", "evaluate", "run", "health"):
        assert name in done.stdout
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "typer" in imported
    assert imported.isdisjoint({"telegram", "numpy", "pydantic", "faq", "onnxruntime", "yaml", "httpx", "rapidfuzz"})
    # The time that the processor took; the clock on the wall also counts what else this machine does.
    assert ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime < 0.5


def test_the_libraries_keep_no_number_of_this_machine_and_report_nothing(shop, folder, cache_home):
    kept = cache_home / "clinic-faq"
    home = folder / "home"
    (home / "clinic-faq").mkdir(parents=True)
    for model in kept.glob("*.onnx"):
        (home / "clinic-faq" / model.name).symlink_to(model)
    everywhere = {"HOME": str(home), "XDG_CACHE_HOME": str(home), "XDG_DATA_HOME": str(home)}
    assert process("ask", "helmets?", "--answers", shop, **everywhere).code == 0
    assert [path.name for path in home.iterdir()] == ["clinic-faq"]
