"""What the pages promise is so: settings, commands, files, dependencies and the version are all told."""

import re
import tomllib
from pathlib import Path

import pytest

from bot.cli import cli
from bot.config import Settings
from bot.handlers import Handlers
from bot.health import SILENT_SECONDS
from bot.offline import open_conversation

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
RUNNING = (ROOT / "docs" / "running.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

COMMANDS = {command.name or command.callback.__name__: command for command in cli.registered_commands}
FILES = [
    str(path.relative_to(ROOT))
    for package in ("bot", "faq")
    for path in sorted((ROOT / package).rglob("*"))
    if path.is_file() and "__" not in str(path.relative_to(ROOT))  # __init__.py, __main__.py, __pycache__
]


def names(requirements: list[object]) -> list[str]:
    """Return the bare names of requirements; groups that are included bring their own."""
    return [re.match(r"[\w-]+", text)[0] for text in requirements if isinstance(text, str)]


def plain(text: str) -> str:
    return text.lower().replace("_", "-")


@pytest.mark.parametrize("setting", [name.upper() for name in Settings.model_fields])
def test_every_setting_is_explained(setting):
    example = (ROOT / ".env.example").read_text()
    assert re.search(rf"^# {setting}=", example, re.MULTILINE), f"{setting} is missing in .env.example"
    assert re.search(rf"^\|.*`{setting}`.*\|.*\|.*\|$", RUNNING, re.MULTILINE), f"{setting} is missing in running.md"


@pytest.mark.parametrize("setting", Settings.model_fields)
def test_the_defaults_that_are_told_are_true(setting):
    default = Settings.model_fields[setting].default
    row = re.search(rf"^\|.*`{setting.upper()}`.*$", RUNNING, re.MULTILINE)
    if isinstance(default, int) and not isinstance(default, bool):
        assert f"# {setting.upper()}={default}\n" in (ROOT / ".env.example").read_text()
        assert row
        assert f"| {default} |" in row[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_is_described(command):
    assert COMMANDS[command].callback.__doc__
    assert any(re.search(rf"(clinic-faq|make) {command}\b", page.read_text()) for page in PAGES[:1] + PAGES[2:])


@pytest.mark.parametrize("file", FILES)
def test_every_file_has_its_place_in_the_architecture(file):
    folders = [f"`{folder}/`" for folder in Path(file).parents if len(folder.parts) > 1]  # such as `bot/storage/`
    assert any(name in ARCHITECTURE for name in (f"`{file}`", *folders))


@pytest.mark.parametrize("package", names(PROJECT["project"]["dependencies"]))
def test_every_dependency_earns_its_place_by_a_reason(package):
    rows = [row.split("|")[1:3] for row in ARCHITECTURE.splitlines() if row.startswith("|") and row.count("|") == 3]
    reasons = {plain(name).strip(): reason.strip() for named, reason in rows for name in named.split(",")}
    assert len(reasons.get(plain(package), "").split()) >= 3


@pytest.mark.parametrize("package", [name for group in PROJECT["dependency-groups"].values() for name in names(group)])
def test_every_tool_of_the_developers_is_named(package):
    told = plain(ARCHITECTURE.partition("Only for development:")[2])
    assert re.search(rf"\b{re.escape(package)}\b", told)


def test_the_top_released_version_of_the_changelog_is_the_projects():
    released = re.findall(r"^## \[(\d\S*)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == PROJECT["project"]["version"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


# What a reader of the log finds in the last table of running.md, so that a changed sentence is changed there too.
ROWS = RUNNING.partition("| what you see |")[2].splitlines()[2:]
LOGGED = [told for row in ROWS for told in re.findall(r"`([^`]+)`", row.split("|")[1]) if told != "doctor"]
# How the code puts those that are shown filled in.
IN_THE_CODE = {
    "limited update=…": '"limited", update=',
    "blocked update=…": '"blocked", update=',
    "429": "429: Telegram asks to wait",
    "sendMessage failed, again in …": "%s failed, again in %.1f s",
    "getMe failed, again in …": "%s failed, again in %.1f s",
    f"nothing heard from Telegram for {SILENT_SECONDS:.0f} s": "nothing heard from Telegram for %.0f s",
}


@pytest.mark.parametrize("sentence", LOGGED)
def test_what_the_log_is_said_to_tell_is_told_by_the_code(sentence):
    told = IN_THE_CODE.get(sentence, sentence)
    assert any(told in path.read_text() for path in (ROOT / "bot").rglob("*.py"))


def test_the_log_is_said_to_tell_something():
    assert IN_THE_CODE.keys() < set(LOGGED)


async def test_the_conversation_of_the_readme_is_what_the_bot_says(own_faq):
    told = re.findall(r"^You  (.+)\nBot  (.+)$", PAGES[0].read_text(), re.MULTILINE)
    assert len(told) == 3
    async with open_conversation(Handlers(own_faq)) as conversation:
        for typed, shown in told:
            [sent] = await conversation.say(typed)
            words, *labels = re.split(r" ?\[|\]", shown)
            assert all(part.strip() in sent.text for part in words.split("…"))
            assert set(filter(None, labels)) <= set(sent.labels)
