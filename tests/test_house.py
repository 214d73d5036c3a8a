"""The picture in docs/architecture.md stays true: imports point one way, and `faq` decides without looking around."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the command to the reply: a room uses its own kind and those below it. Rooms that are not named here, such as
# `config` or `sending`, stand below all of them and use no room that is named, except `faq`.
FLOORS = [
    {"__main__"},
    {"cli"},
    {"web", "webhook", "polling", "intake", "running", "terminal", "offline", "doctor", "reloading"},
    {"app"},
    {"handlers", "content"},
    {"pages"},
    {"render"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
GROUND = len(FLOORS)

# What would bring Telegram, the network, a database, the clock or the environment into `faq`.
OUTSIDE = {
    *("bot", "telegram", "aiohttp", "httpx", "requests", "urllib", "http", "socket", "ssl", "asyncio", "starlette"),
    *("uvicorn", "sqlalchemy", "psycopg", "sqlite3", "prometheus_client", "pydantic_settings", "dotenv", "time"),
    *("sched", "typer", "rich", "logging"),
}
NOW = {"now", "utcnow", "today", "environ", "environb", "getenv", "getenvb", "putenv"}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(code: str, package: str = "") -> Iterator[str]:
    """Yield every module that the code imports, wherever in it, by its full name."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, [package if node.level else "", node.module]))
            yield from (f"{module}.{alias.name}" for alias in node.names)


def breaches_of_faq(code: str) -> list[str]:
    """Return what a module of `faq` uses and must not know."""
    imported = {name for name in imports(code, "faq") if name.partition(".")[0] in OUTSIDE}
    looked_at = {node.attr for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Attribute)} & NOW
    named = {name for name in imports(code, "faq") if name.rpartition(".")[2] in NOW}
    return sorted(imported | looked_at | named)


def rooms_used(code: str) -> set[str]:
    """Return the rooms of `bot` that a module of `bot` imports from."""
    names = [name.split(".") for name in imports(code, "bot")]
    return {name[1] for name in names if name[0] == "bot" and len(name) > 1}


def breaches_of_bot(room: str, code: str) -> list[str]:
    """Return the rooms that a room of `bot` uses though they stand above it."""
    floor = FLOOR.get(room, GROUND)
    return sorted(used for used in rooms_used(code) if FLOOR.get(used, GROUND) < floor)


def imported_of(path: Path, modules: set[str]) -> list[str]:
    return [name for name in imports(path.read_text(), "bot") if name.startswith(tuple(modules))]


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "bot").with_suffix("").parts[0]


@pytest.mark.parametrize("path", sources("faq"), ids=lambda path: path.name)
def test_faq_knows_nothing_of_telegram_the_network_the_clock_or_the_environment(path):
    assert breaches_of_faq(path.read_text()) == []


@pytest.mark.parametrize("path", sources("bot"), ids=lambda path: path.name)
def test_imports_of_the_bot_point_one_way(path):
    assert breaches_of_bot(room_of(path), path.read_text()) == []


def test_no_rooms_use_each_other():
    graph: dict[str, set[str]] = {}
    for path in sources("bot"):
        graph.setdefault(room_of(path), set()).update(rooms_used(path.read_text()) - {room_of(path)})
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as cycle:
        pytest.fail(" → ".join(cycle.args[1]))


def test_only_the_doctor_looks_behind_the_door_of_storage():
    behind = {f"bot.storage.{path.stem}." for path in sources("bot/storage") if path.stem != "__init__"}
    looking = {room_of(path) for path in sources("bot") if imported_of(path, behind)}
    assert looking == {"storage", "doctor"}


@pytest.mark.parametrize(
    "code",
    [
        "import telegram",
        "from bot.config import Settings",
        "def late():\n    import aiohttp.web",
        "import time",
        "from datetime import datetime\ndatetime.now()",
        "import datetime\ndatetime.date.today()",
        "import os\nos.environ['HOME']",
        "from os import getenv",
        "from os import environ as surroundings",
    ],
)
def test_a_breach_in_faq_is_noticed(code):
    assert breaches_of_faq(code)


@pytest.mark.parametrize(
    ("room", "code"),
    [
        ("render", "from bot.handlers import Handlers"),
        ("handlers", "from bot import app"),
        ("app", "def late():\n    from bot.running import run_bot"),
        ("polling", "import bot.cli"),
        ("sending", "from bot.render import Outgoing"),
        ("a_room_of_the_future", "from .handlers import Handlers"),
    ],
)
def test_a_breach_in_the_bot_is_noticed(room, code):
    assert breaches_of_bot(room, code)


@pytest.mark.parametrize(
    ("room", "code"),
    [
        ("cli", "from bot.running import run_bot"),
        ("running", "from bot.polling import Poller"),
        ("handlers", "from bot.render import Renderer\nfrom bot.limits import ChatLimit"),
        ("sending", "from bot.waiting import Waits\nimport time"),
    ],
)
def test_what_points_down_is_no_breach(room, code):
    assert breaches_of_bot(room, code) == []
