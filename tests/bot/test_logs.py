"""A log that staff and collectors can read: one line an event, and nobody's words in it."""

import gc
import json
import logging
import sys
import threading
from io import StringIO

import pytest

from bot.errors import UserError
from bot.logs import JsonFormatter, PlainFormatter, cause, figures, log_what_nobody_caught, note
from bot.reloading import take_up

TOKEN = "123456:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"  # noqa: S105  # it opens nothing


class Log:
    """A log as it is written in production, in both formats."""

    def __init__(self) -> None:
        self._streams = {"plain": StringIO(), "json": StringIO()}
        self.handlers = [logging.StreamHandler(stream) for stream in self._streams.values()]
        for handler, formatter in zip(self.handlers, (PlainFormatter(), JsonFormatter()), strict=True):
            handler.setFormatter(formatter)

    @property
    def plain(self) -> list[str]:
        return self._streams["plain"].getvalue().splitlines()

    @property
    def objects(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self._streams["json"].getvalue().splitlines()]

    @property
    def text(self) -> str:
        return "".join(stream.getvalue() for stream in self._streams.values())


@pytest.fixture
def written():
    """What is written to the log from here to the end of the test."""
    written, root = Log(), logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("", "bot", "asyncio")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.INFO)
    for handler in written.handlers:
        root.addHandler(handler)
    yield written
    for handler in written.handlers:
        root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


ours = logging.getLogger("bot.tests")
theirs = logging.getLogger("asyncio")


def test_an_event_has_its_figures_in_the_line_and_as_fields(written):
    note(ours, "replied", update=5, kind="answer", entry=None, score=0.93456, ms=12)
    assert written.plain[0].endswith(" INFO bot.tests replied update=5 kind=answer entry=- score=0.93 ms=12")
    [told] = written.objects
    assert {"level": "info", "logger": "bot.tests", "update": 5, "kind": "answer"}.items() <= told.items()
    assert (told["entry"], told["score"], told["ms"]) == (None, 0.9346, 12)
    assert told["message"] == "replied update=5 kind=answer entry=- score=0.93 ms=12"


def test_a_sentence_stays_readable_and_has_its_figures_as_fields_too(written):
    ours.warning("again in %.1f s", 0.5, extra=figures(wait=0.5, call="sendMessage"))
    assert written.plain[0].endswith(" WARNING bot.tests again in 0.5 s")
    assert {"message": "again in 0.5 s", "wait": 0.5, "call": "sendMessage"}.items() <= written.objects[0].items()


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\n\n  ", "\r", "\v", "\x85", "\u2028", "\u2029"])
def test_whatever_is_logged_an_event_is_one_line(written, line_break):
    ours.warning("one%stwo", line_break)
    note(ours, f"three{line_break}four", name=f"five{line_break}six")
    assert len(written.plain) == len(written.objects) == 2
    assert written.plain[0].endswith("one | two")
    assert written.objects[1]["name"] == "five | six"


def test_the_token_is_in_no_line_and_in_no_field(written):
    note(ours, "failed", url=f"https://api.telegram.org/bot{TOKEN}/getMe")
    ours.error("bot%s", TOKEN)
    assert TOKEN not in written.text
    assert written.objects[0]["url"] == "https://api.telegram.org/bot[token]/getMe"


def failing() -> None:
    raise ValueError("my zebra is pregnant")


def test_an_exception_is_logged_by_its_type_and_place_and_never_by_its_words(written):
    try:
        try:
            failing()
        except ValueError as error:
            raise KeyError("zebra") from error
    except KeyError:
        ours.exception("failed", stack_info=True)
        theirs.exception("Task exception was never retrieved\nfuture: <Task exception=KeyError('zebra')>")
    assert len(written.plain) == 2
    assert "failed error=KeyError at=test_logs.py:" in written.plain[0]
    assert "Task exception was never retrieved error=KeyError at=test_logs.py:" in written.plain[1]
    assert str(written.objects[0]["at"]).startswith("test_logs.py:")
    assert "zebra" not in written.text


def test_what_a_library_fills_into_its_sentences_is_not_logged(written):
    theirs.warning("can't handle %s", "my zebra")
    theirs.error(ValueError("my zebra"))
    theirs.error("Error:\nmy zebra")
    assert [told["message"] for told in written.objects] == ["can't handle %s", "ValueError", "Error:"]
    assert "zebra" not in written.text


@pytest.mark.parametrize("formatter", [PlainFormatter(), JsonFormatter()])
def test_a_sentence_that_cannot_be_filled_in_is_logged_as_it_is(formatter):
    record = logging.LogRecord("bot.tests", logging.INFO, __file__, 1, "%d seconds", ("my zebra",), None)
    assert "%d seconds" in formatter.format(record)
    assert "zebra" not in formatter.format(record)


def test_the_cause_of_an_error_is_its_type_and_where_it_was_raised():
    with pytest.raises(ValueError, match="zebra") as raised:
        failing()
    line = failing.__code__.co_firstlineno + 1
    assert cause(raised.value) == {"error": "ValueError", "at": f"test_logs.py:{line}"}
    assert cause(None) == {"error": "NoneType", "at": None}


def test_what_a_thread_or_a_finalizer_raises_is_logged_by_its_type(written, monkeypatch, capsys):
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    log_what_nobody_caught()
    thread = threading.Thread(target=failing)
    thread.start()
    thread.join()

    class Finalized:
        def __del__(self) -> None:
            failing()

    del (finalized := [Finalized()])[0]
    gc.collect()
    assert finalized == []
    assert [told["message"].partition(" error=")[0] for told in written.objects] == [
        "a thread failed",
        "a finalizer failed",
    ]
    assert all(told["error"] == "ValueError" for told in written.objects)
    assert "zebra" not in written.text + "".join(capsys.readouterr())


async def test_a_broken_faq_is_told_in_a_line_a_problem(written):
    def load():
        raise UserError("answers.yaml:1: This is wrong.\nanswers.yaml:2: That is wrong.")

    await take_up(load, lambda _: None, "the changed FAQ is not live")
    told = [line.partition("mend this first: ")[2] for line in written.plain]
    assert told == ["answers.yaml:1: This is wrong.", "answers.yaml:2: That is wrong."]


async def test_a_mistake_in_loading_is_told_by_its_type(written):
    await take_up(failing, lambda _: None, "the changed FAQ is not live")
    assert written.objects[0]["error"] == "ValueError"
    assert "zebra" not in written.text
