"""Whoever runs the bot is told what is amiss, in a line each with its remedy, and never a secret."""

import asyncio
import base64
import json
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import SecretStr
from sqlalchemy import inspect

from bot.cli import main
from bot.config import Settings
from bot.doctor import Finding, examine, of_disk
from bot.storage import open_storage
from bot.storage.database import reach
from tests.conftest import BICYCLES
from tests.telegram_server import TelegramServer, bad_gateway, half_json, reset, says, status

TOKEN = "123456:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"  # noqa: S105  # it opens nothing
PASSWORD = "open-sesame"  # noqa: S105  # neither does this
KEY = base64.urlsafe_b64encode(bytes(32)).decode()
OWN = "https://bot.clinic.example"
HOOK = f"{OWN}/telegram"
NAMES = ["settings", "token", "network", "clock", "webhook", "database", "faq", "encoder", "disk"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, cache_home, small_model) -> Path:
    """The folder to start in, with nothing set but the cache of earlier test runs."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
async def server():
    async with TelegramServer(TOKEN) as server:
        yield server


@pytest.fixture
def shop(folder, tmp_path_factory) -> Path:
    """The bicycle shop's FAQ, with little in it, so that it is soon looked through."""
    shop = tmp_path_factory.mktemp("shop")
    (shop / "answers.yaml").write_text(BICYCLES)
    (shop / "background.yaml").write_text("weather: [will it rain tomorrow]\n")
    (shop / "safety.yaml").write_text("notices: []\n")
    return shop


@pytest.fixture
def told(server, shop):
    """Examine the bot of the bicycle shop; what is found comes back by its name."""

    async def examined(**settings) -> dict[str, Finding]:
        usual = {"telegram_bot_token": SecretStr(TOKEN), "telegram_api_url": server.url, "answers": shop}
        findings = await asyncio.to_thread(examine, Settings(**{**usual, **settings}))
        assert TOKEN not in str(findings) + "".join(map(str, findings))
        assert [finding.name for finding in findings] == NAMES
        assert not any("\n" in str(finding) for finding in findings)
        return {finding.name: finding for finding in findings}

    return examined


async def test_a_bot_that_lacks_nothing_has_no_problem(told, folder):
    found = await told()
    assert [finding.remedy for finding in found.values()] == [""] * len(NAMES)
    assert str(found["token"]) == "ok       token    belongs to @clinic_faq_bot."
    assert found["webhook"].what == "none, the bot polls; 0 updates wait"
    assert found["database"].what == "data/clinic-faq.sqlite will be made at the first start"
    assert list(folder.iterdir()) == []


async def test_a_setting_that_is_misspelt_in_dotenv_is_told(told, folder):
    (folder / ".env").write_text("CHAT_LIMT=3\n")
    found = (await told())["settings"]
    assert found.what == "not all of .env is used"
    assert found.remedy == ".env, line 1: CHAT_LIMT is no setting. Did you mean CHAT_LIMIT?"


async def test_without_a_token_the_network_is_looked_at_all_the_same(told):
    found = await told(telegram_bot_token=None)
    assert "@BotFather" in found["token"].remedy
    assert (found["network"].ok, found["clock"].ok, found["webhook"].ok) == (True, True, False)


async def test_a_token_that_telegram_does_not_know_is_told(told):
    found = await told(telegram_bot_token=SecretStr("2:wrong"))
    assert (found["token"].what, found["token"].ok) == ("Telegram does not know it", False)
    assert found["network"].ok


async def test_a_server_that_is_gone_is_told_with_what_could_not_be_looked_at(told, server):
    await server.stop()
    found = await told()
    assert found["network"].what.startswith("127.0.0.1 can't be reached: ")
    for name in ("token", "clock", "webhook"):
        assert found[name].what == "could not be looked at"
        assert "network" in found[name].remedy
    assert found["faq"].ok
    await server.start()


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        (status(500), "127.0.0.1 answers with 500"),
        (bad_gateway, "127.0.0.1 answers with 502"),
        (reset, "127.0.0.1 can't be reached: ServerDisconnectedError"),
        (half_json, "127.0.0.1 answers with 200, but not as Telegram does"),
        (says([]), "127.0.0.1 answers with 200, but not as Telegram does"),
        (says({"ok": True}), None),
        (says({"ok": True, "result": True}), None),
        (says({"ok": True, "result": {"username": TOKEN}}), None),
    ],
)
async def test_a_server_in_trouble_is_told(told, server, fault, what):
    server.order("getMe", fault, times=2)
    server.order("getWebhookInfo", fault, times=2)
    found = await told()
    assert found["network"].ok == (what is None)
    assert what is None or found["network"].what == what


async def test_a_name_that_is_not_known_is_told(told):
    found = await told(telegram_api_url="http://nowhere.invalid")
    assert found["network"].what.startswith("nowhere.invalid ")
    assert not found["network"].ok


@pytest.mark.parametrize(("ahead", "what"), [(-90, "ahead of"), (90, "behind")])
async def test_a_clock_that_is_wrong_is_told(told, server, ahead, what):
    async def at_another_time(request: web.Request, answer) -> web.Response:
        response = await answer()
        response.headers["Date"] = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)
        return response

    server.order("getMe", at_another_time)
    found = await told()
    assert what in found["clock"].what
    assert "NTP" in found["clock"].remedy


async def test_a_server_that_tells_no_time_is_no_problem(told, server):
    async def at_no_time(request: web.Request, answer) -> web.Response:
        response = await answer()
        response.headers["Date"] = "today"
        return response

    server.order("getMe", at_no_time)
    assert (await told())["clock"].ok


def hook(**info) -> object:
    return says({"ok": True, "result": {"url": HOOK, "pending_update_count": 3, **info}})


@pytest.mark.parametrize("wanted", [HOOK, f"{HOOK}/", OWN, f"{OWN}/"])
async def test_a_webhook_that_is_registered_as_set_is_sound(told, server, wanted):
    server.telegram.call("setWebhook", {"url": HOOK})
    found = await told(webhook_url=wanted)
    assert (found["webhook"].ok, found["webhook"].what) == (True, "is registered; 0 updates wait")


@pytest.mark.parametrize(
    ("wanted", "fault", "what"),
    [
        (None, hook(), f"Telegram sends to {HOOK}, but WEBHOOK_URL is not set; 3 updates wait"),
        (HOOK, hook(url=""), "Telegram sends to no address, and not to WEBHOOK_URL; 3 updates wait"),
        (HOOK, hook(url="https://other.example"), "Telegram sends to https://other.example, and not to WEBHOOK_URL"),
        (OWN, hook(url=OWN), f"Telegram sends to {OWN}, and not to WEBHOOK_URL"),
        (HOOK, hook(pending_update_count=51), "51 updates wait"),
        (None, hook(url="", pending_update_count=51), "51 updates wait"),
    ],
)
async def test_a_webhook_that_is_not_as_set_is_told(told, server, wanted, fault, what):
    server.order("getWebhookInfo", fault)
    found = await told(webhook_url=wanted)
    assert found["webhook"].what.startswith(what)
    assert not found["webhook"].ok


@pytest.mark.parametrize(("ago", "is_told"), [(60, True), (3600, False)])
async def test_what_telegram_has_against_the_webhook_is_told_while_it_is_fresh(told, server, ago, is_told):
    now = datetime.now(UTC).timestamp()
    refused = f"Wrong response from the webhook: 502 Bad Gateway\n{TOKEN}"
    server.order("getWebhookInfo", hook(last_error_date=int(now - ago), last_error_message=refused))
    found = await told(webhook_url=HOOK)
    assert found["webhook"].ok != is_told
    assert ("502 Bad Gateway [token]" in found["webhook"].what) == is_told


async def test_a_sqlite_file_answers_or_is_told(told, folder):
    file = folder / "kept.sqlite"
    sqlite3.connect(file).close()
    url = SecretStr(f"sqlite:///{file}")
    assert (await told(database_url=url))["database"].what == f"{file} answers"
    file.write_bytes(b"this is no database, whatever its name" * 100)
    found = (await told(database_url=url))["database"]
    assert found.what == f"{file} can't be used: file is not a database"
    assert "backup" in found.remedy


async def test_a_place_where_no_file_can_be_made_is_told(told):
    found = (await told(database_url=SecretStr("sqlite:////proc/nowhere/kept.sqlite")))["database"]
    assert found.what.startswith("/proc can't be written: ")


@pytest.mark.parametrize("driver", ["postgresql", "postgres", "postgresql+psycopg"])
async def test_a_server_that_is_down_is_told_without_the_password(told, driver):
    url = SecretStr(f"{driver}://clinic:{PASSWORD}@127.0.0.1:9/faq")
    found = (await told(database_url=url))["database"]
    assert found.what.startswith("127.0.0.1:9 can't be used: ")
    assert "refused" in found.what
    assert PASSWORD not in str(found)


async def test_a_server_needs_a_key(told, postgres):
    url = SecretStr(postgres.fresh_database())
    found = (await told(database_url=url))["database"]
    assert found.remedy.startswith("STORAGE_KEY is not set, and with PostgreSQL it must be")
    found = (await told(database_url=url, storage_key=SecretStr("no-key")))["database"]
    assert (found.what, found.ok) == ("the bot can't start with it", False)
    found = (await told(database_url=url, storage_key=SecretStr(KEY)))["database"]
    assert found.ok


@pytest.mark.parametrize("database", ["kept.sqlite", "not/yet/there.sqlite"])
async def test_a_key_that_is_none_is_told_and_not_shown(told, folder, database):
    sqlite3.connect(folder / "kept.sqlite").close()
    found = (await told(database_url=SecretStr(f"sqlite:///{database}"), storage_key=SecretStr(PASSWORD)))["database"]
    assert found.remedy.startswith("STORAGE_KEY holds no key that I can use")
    assert PASSWORD not in str(found)


async def test_a_key_file_is_read_and_none_is_made(told, folder):
    url = SecretStr(f"sqlite:///{folder}/kept.sqlite")
    sqlite3.connect(folder / "kept.sqlite").close()
    assert (await told(database_url=url))["database"].ok
    assert not (folder / "kept.key").exists()
    (folder / "kept.key").write_text(KEY)
    assert (await told(database_url=url))["database"].ok
    (folder / "kept.key").write_text(KEY[:-3])
    found = (await told(database_url=url))["database"]
    assert found.remedy.startswith(f"{folder}/kept.key holds no key that I can use")
    assert KEY[:-3] not in str(found)


async def test_questions_whose_key_file_is_gone_are_told(told, folder):
    storage = await open_storage(Settings())
    for utterance in ("a zebra?", "a lion?"):
        storage.keep_gap(7, utterance, "brakes", 0.1)
    await storage.close()
    assert (await told())["database"].ok
    (folder / "data/clinic-faq.key").rename(folder / "old.key")
    found = (await told(retention_days=30))["database"]
    assert found.what.startswith("kept questions whose storage key is gone: 2; ")
    assert found.what.endswith("are deleted after 30 days")
    assert found.remedy.startswith("Put the old key back")
    keys = SecretStr(f"{KEY},{(folder / 'old.key').read_text()}")
    assert (await told(storage_key=keys))["database"].ok


async def test_a_key_file_that_cannot_be_read_is_told(told, folder):
    (folder / "kept.key").mkdir()
    found = (await told(database_url=SecretStr(f"sqlite:///{folder}/kept.sqlite")))["database"]
    assert found.what == f"{folder}/kept.key can't be read: Is a directory"


async def test_a_sqlite_file_that_can_only_be_read_is_told(told, folder):
    file = folder / "kept.sqlite"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE replies (day TEXT)")
    database.close()
    with file.open("r+b") as header:
        header.seek(18)  # https://sqlite.org/fileformat.html#file_format_version_numbers: above 2 is read-only
        header.write(bytes([3]))
    found = (await told(database_url=SecretStr(f"sqlite:///{file}")))["database"]
    assert found.what == f"{file} can't be used: attempt to write a readonly database"


async def test_a_database_of_a_newer_program_is_told(told, folder):
    file = folder / "kept.sqlite"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE migrations (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL)")
        database.execute("INSERT INTO migrations VALUES (1000, '')")
    database.close()
    found = (await told(database_url=SecretStr(f"sqlite:///{file}")))["database"]
    assert found.remedy.startswith("The database is newer than this program")


async def test_looking_at_a_database_changes_nothing_in_it(told, folder, postgres):
    file, server = folder / "kept.sqlite", postgres.fresh_database()
    sqlite3.connect(file).close()
    for url in (f"sqlite:///{file}", server):
        assert (await told(database_url=SecretStr(url), storage_key=SecretStr(KEY)))["database"].ok
        engine = reach(url)
        assert inspect(engine).get_table_names() == []
        engine.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        f"mysql+nothing://clinic:{PASSWORD}@db/faq",
        "postgresql://db:port/x",
        f"postgresql://clinic:{PASSWORD}@db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite://data/kept.sqlite",
    ],
)
async def test_an_address_of_no_database_is_told(told, url):
    found = (await told(database_url=SecretStr(url)))["database"]
    assert found.remedy.startswith("DATABASE_URL: write sqlite:///")
    assert PASSWORD not in str(found)


async def test_a_broken_faq_is_told_with_its_first_problem(told, shop):
    (shop / "answers.yaml").write_text(BICYCLES.replace("answer: Yes, brakes", "reply: Yes, brakes"))
    found = (await told())["faq"]
    assert "2 problems, first answers.yaml:2" in found.what
    assert found.remedy == "Run: clinic-faq check"


async def test_a_contact_link_that_leads_nowhere_is_told(told, shop):
    (shop / "answers.yaml").write_text(BICYCLES.replace("https://spokes.example", "https://example.com"))
    assert (await told())["faq"].what == "its contact link leads to example.com"


async def test_without_an_encoder_it_is_told_what_that_means(told, folder, monkeypatch):
    (folder / "cache").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    found = (await told())["encoder"]
    assert ".onnx could not be made: Not a directory. Let the bot's user write" in found.what
    assert "words alone" in found.remedy


def test_a_disk_that_is_nearly_full_is_told(folder):
    assert of_disk([folder / "not" / "yet" / "there"], least=1).ok
    assert of_disk([folder], least=1 << 60).remedy == "Make room, or move the folder."


async def test_the_command_prints_a_line_each_or_json_and_tells_by_its_exit_code(server, shop, monkeypatch, capsys):
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("TELEGRAM_API_URL", server.url)

    async def call(*options: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["clinic-faq", "doctor", "--answers", str(shop), *options])
        with pytest.raises(SystemExit) as ended:
            await asyncio.to_thread(main)
        return int(ended.value.code or 0), capsys.readouterr().out

    code, out = await call()
    assert (code, [line.split()[:2] for line in out.splitlines()]) == (0, [["ok", name] for name in NAMES])
    monkeypatch.setenv("WEBHOOK_URL", HOOK)
    code, out = await call("--json")
    assert code == 1
    assert [found["name"] for found in json.loads(out) if not found["ok"]] == ["webhook"]
    assert set(json.loads(out)[0]) == {"name", "ok", "what", "remedy"}
