"""The command `clinic-faq`. Each command imports what it needs when it runs, so that `--help` is instant."""

import json
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.errors import UserError

if TYPE_CHECKING:
    from bot.config import Settings
    from faq.reply import Faq

# Plain help comes in half the time of one with frames.
cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def _before_or_after_the_command(context: typer.Context, path: Path | None) -> Path | None:
    return path or context.find_root().params.get("answers")


_ANSWERS = {"metavar": "PATH", "help": "Another FAQ: a folder, or its answers.yaml."}
Answers = Annotated[Path | None, typer.Option("--answers", callback=_before_or_after_the_command, **_ANSWERS)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@cli.callback()
def options(answers: Annotated[Path | None, typer.Option("--answers", **_ANSWERS)] = None) -> None:
    """A Telegram bot that answers patients' questions from the clinic's own reviewed FAQ."""


@cli.command()
def chat(answers: Answers = None) -> None:
    """Talk to the bot here, without token or network. It reads questions from a pipe too."""
    settings = _settings(answers)
    _begin_to_open_the_encoder()
    import asyncio

    from bot.terminal import converse

    asyncio.run(converse(_faq(settings)))


@cli.command()
def ask(
    text: Annotated[list[str] | None, typer.Argument(help="What a patient might type.")] = None,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="One utterance a line in, one JSON object a line out.")
    ] = False,
    answers: Answers = None,
) -> None:
    """Show what the bot would decide, and why."""
    if bool(text) == jsonl:
        raise UserError("Write what a patient might type, or give --jsonl and a line each on standard input.")
    settings = _settings(answers)
    _begin_to_open_the_encoder()
    from bot.explain import as_json, explain

    faq = _faq(settings)
    if text:
        typer.echo(explain(faq.reply(" ".join(text))))
        return
    for line in sys.stdin:
        typer.echo(json.dumps(as_json(faq.reply(line.rstrip("\r\n")))))
        sys.stdout.flush()


@cli.command()
def check(as_json: AsJson = False, answers: Answers = None) -> None:
    """Find what is wrong in the FAQ, with file and line. The exit code is 1 if anything is."""
    from bot.content import problems_of

    problems = problems_of(_settings(answers).answers)
    if as_json:
        typer.echo(json.dumps([{"file": p.file, "line": p.line, "message": p.message} for p in problems], indent=2))
    else:
        typer.echo("\n".join(map(str, problems)) or "No problems found.")
    raise typer.Exit(bool(problems))


@cli.command()
def evaluate(
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl", help="Labelled utterances.")],
    as_json: AsJson = False,
    answers: Answers = None,
) -> None:
    """Measure the bot on labelled utterances. Tells figures, confusions and every failure."""
    import time

    from faq.evaluate import LabelError, evaluate, read_labelled, report

    faq = _faq(_settings(answers))
    try:
        with file.open(encoding="utf-8-sig") as lines:
            labelled = read_labelled(lines, faq.entries)
    except LabelError as error:
        raise UserError(f"{file}:\n{error}") from None
    except UnicodeDecodeError:
        raise UserError(f"{file} is not UTF-8 text. Save it as UTF-8.") from None
    evaluation = evaluate(faq, labelled, time.perf_counter)
    typer.echo(json.dumps(evaluation.as_dict(), indent=2) if as_json else report(evaluation))


@cli.command()
def run(answers: Answers = None) -> None:
    """Put the bot on Telegram."""
    settings = _settings(answers)
    token = settings.token()
    _begin_to_open_the_encoder()
    import asyncio

    from bot.logs import log_what_nobody_caught, start_logging
    from bot.running import run_bot

    start_logging(settings.log_format)
    log_what_nobody_caught()
    asyncio.run(run_bot(settings, token, lambda before: _faq(settings, before)))


@cli.command()
def health() -> None:
    """Tell whether the bot on this machine hears Telegram. The exit code is 0 if so, else 1."""
    from bot.health import is_hearing

    raise typer.Exit(not is_hearing(_settings().token()))


@cli.command()
def doctor(as_json: AsJson = False, answers: Answers = None) -> None:
    """Look at all that the bot needs, a line each with its remedy. The exit code is 1 if anything is amiss."""
    from bot.doctor import examine

    findings = examine(_settings(answers))
    if as_json:
        typer.echo(json.dumps([finding.as_dict() for finding in findings], indent=2))
    else:
        typer.echo("\n".join(map(str, findings)))
    raise typer.Exit(not all(finding.ok for finding in findings))


def main() -> None:
    """Run the command; whatever goes wrong is told in a sentence and by the exit code."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a byte that is no text becomes a question mark, never an exception
            stream.reconfigure(errors="replace", newline="\n")
    try:
        cli()
    except UserError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or 'A file'}: {error.strerror}.")
    except Exception as error:
        from bot.logs import cause

        told = cause(error)
        place = f"{told['error']} at {told['at']}"
        _fail(f"This is a mistake in the bot itself ({place}). Please report it, with the command.")


def _fail(sentence: str) -> None:
    typer.echo(sentence, err=True)
    raise SystemExit(1)


def _begin_to_open_the_encoder() -> None:
    """Let it be opened while the rest is imported, which takes longer."""
    from bot.encoder import begin_to_open, cache_folder

    begin_to_open(cache_folder())


def _settings(answers: Path | None = None) -> "Settings":
    from bot.config import read_settings

    settings = read_settings()
    return settings.model_copy(update={"answers": answers}) if answers else settings


def _faq(settings: "Settings", before: "Faq | None" = None) -> "Faq":
    from bot.content import load_faq
    from faq.problems import ContentError

    try:
        return load_faq(settings.answers, before)
    except ContentError as error:
        raise UserError(str(error), len(error.problems)) from None
