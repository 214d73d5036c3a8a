"""Looking at all that the bot needs, so that whoever runs it is told what is amiss and what to do about it."""

import asyncio
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from sqlalchemy import URL, text
from sqlalchemy.exc import SQLAlchemyError

from bot.config import Settings, remarks_on_dotenv
from bot.content import load_faq, problems_of
from bot.encoder import cache_folder, open_encoder
from bot.errors import UserError
from bot.logs import without_token
from bot.storage.database import address, reach, reason
from bot.storage.migrations import migrate
from bot.storage.sealing import PUT_IT_BACK, find_keys, told_of_lost_key
from bot.webhook import endpoint
from faq.embedding import EncoderError

Json = dict[str, Any]

# Telegram answers within a second; a network that takes longer than this is of no use to a patient.
_ANSWER_SECONDS = 10.0
# The Date header counts whole seconds, and the answer was some time on its way.
_CLOCK_SECONDS = 30.0
# Some people write while one looks; more than this wait for a bot that does not answer.
_MANY_PENDING = 50
# Whoever looks wants to know what failed a while ago too; what lies further back was waited out, as Telegram repeats a
# failed delivery sooner.
_WORTH_TELLING_SECONDS = 900.0
# The quantized model and the vectors take 60 MB in the cache, and a database must never meet a full disk.
_LEAST_FREE_BYTES = 200_000_000
# The contact link of the FAQ that comes with the bot leads there, which is nowhere.
_NO_CONTACT = "example.com"
# Names a bot that does not exist, so that the network can be looked at without a token.
_NOBODY = "0:nobody"
_WIDTH = 8


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was found, and the remedy if it is amiss."""

    name: str
    what: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing need be done."""
        return not self.remedy

    def __str__(self) -> str:
        state = "ok" if self.ok else "problem"
        return f"{state:<{_WIDTH}} {self.name:<{_WIDTH}} {self.what}. {self.remedy}".rstrip()

    def as_dict(self) -> Json:
        """Return the finding for programs."""
        return {"name": self.name, "ok": self.ok, "what": self.what, "remedy": self.remedy}


@dataclass(frozen=True)
class Answered:
    """What the Bot API server answered, when by its own clock and ours, and after how many seconds."""

    status: int
    body: Json
    date: datetime | None
    at: datetime
    seconds: float

    @property
    def result(self) -> Json | None:
        """What was asked for, if it was granted."""
        result = self.body.get("result") if self.body.get("ok") else None
        return result if isinstance(result, dict) else None


def examine(settings: Settings) -> list[Finding]:
    """Look at .env, token, network, clock, webhook, database, FAQ, encoder and disk; the token stands in no finding."""
    me, webhook = asyncio.run(_ask_telegram(settings))
    checks: dict[str, Callable[[], Finding]] = {
        "settings": of_settings,
        "token": lambda: of_token(settings, me),
        "network": lambda: of_network(settings, me),
        "clock": lambda: of_clock(me),
        "webhook": lambda: of_webhook(settings, webhook),
        "database": lambda: of_database(settings),
        "faq": lambda: of_faq(settings),
        "encoder": of_encoder,
        "disk": lambda: of_disk([_data_folder(settings), cache_folder()]),
    }
    return [_without_secrets(settings, _looked_at(name, check)) for name, check in checks.items()]


def _looked_at(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as error:  # one thing that can't be looked at should hide no other
        return Finding(name, f"can't be looked at: {type(error).__name__}", "Please report it.")


def _without_secrets(settings: Settings, finding: Finding) -> Finding:
    """Take the token out, should a server or a library have put it into its sentence."""
    secret = settings.telegram_bot_token.get_secret_value() if settings.telegram_bot_token else ""
    what, remedy = (
        without_token(told.replace(secret, "[token]") if secret else told) for told in (finding.what, finding.remedy)
    )
    return Finding(finding.name, " ".join(what.split()), remedy)


# --- Telegram --------------------------------------------------------------------------------------------------------


async def _ask_telegram(settings: Settings) -> tuple[Answered | str, Answered | str]:
    """Return what getMe and getWebhookInfo were answered, or in words why there is no answer."""
    timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
    # The proxy that the environment names is also the bot's.
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
        return await _ask(session, settings, "getMe"), await _ask(session, settings, "getWebhookInfo")


async def _ask(session: aiohttp.ClientSession, settings: Settings, method: str) -> Answered | str:
    token = settings.telegram_bot_token.get_secret_value() if settings.telegram_bot_token else _NOBODY
    began = time.perf_counter()
    try:
        async with session.post(f"{settings.telegram_api_url.rstrip('/')}/bot{token}/{method}") as response:
            return Answered(
                response.status,
                await _body(response),
                _date(response.headers.get("Date", "")),
                datetime.now(UTC),
                time.perf_counter() - began,
            )
    except TimeoutError:
        return f"gave no answer in {_ANSWER_SECONDS:.0f} s"
    except aiohttp.ClientConnectorDNSError:
        return "has a name that is not known here"
    except aiohttp.ClientSSLError:
        return "has a certificate that is not trusted here"
    except aiohttp.ClientConnectorError as error:
        return f"can't be reached: {error.strerror or type(error).__name__}"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return f"can't be reached: {type(error).__name__}"


async def _body(response: aiohttp.ClientResponse) -> Json:
    """Return the answer's JSON, or nothing if it is none of Telegram's."""
    try:
        body = await response.json(content_type=None)
    except ValueError:
        return {}
    return body if isinstance(body, dict) and "ok" in body else {}


def _date(header: str) -> datetime | None:
    try:
        return parsedate_to_datetime(header).astimezone(UTC)
    except ValueError:
        return None


def of_token(settings: Settings, me: Answered | str) -> Finding:
    """Tell whose token it is."""
    if settings.telegram_bot_token is None:
        remedy = "Get a token from @BotFather and write it into .env as TELEGRAM_BOT_TOKEN."
        return Finding("token", "is not set", remedy)
    if isinstance(me, str) or me.status not in (200, 401, 404):
        return _not_looked_at("token")
    if me.result is None:
        remedy = "Ask @BotFather for it, and see that TELEGRAM_API_URL names a Bot API server."
        return Finding("token", "Telegram does not know it", remedy)
    return Finding("token", f"belongs to @{me.result.get('username')}")


def of_network(settings: Settings, me: Answered | str) -> Finding:
    """Tell whether the Bot API server answers."""
    host = urlsplit(settings.telegram_api_url).hostname
    if isinstance(me, str):
        remedy = "Look at the network, its DNS, its firewall and HTTPS_PROXY; where Telegram is blocked, use a proxy."
        return Finding("network", f"{host} {me}", remedy)
    if me.status >= 500:
        return Finding("network", f"{host} answers with {me.status}", "Wait: the server has a trouble of its own.")
    if not me.body:
        remedy = "See that TELEGRAM_API_URL names a Bot API server and that no proxy answers in its place."
        return Finding("network", f"{host} answers with {me.status}, but not as Telegram does", remedy)
    return Finding("network", f"{host} answered in {me.seconds:.2f} s")


def of_clock(me: Answered | str) -> Finding:
    """Compare this machine's clock with the one of the Bot API server."""
    if isinstance(me, str):
        return _not_looked_at("clock")
    if me.date is None:
        return Finding("clock", "can't be compared, as the server tells no time")
    seconds = (me.at - me.date).total_seconds()
    what = f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} Telegram's"
    if abs(seconds) > _CLOCK_SECONDS:
        return Finding("clock", what, "Let the clock be set by NTP, such as with: timedatectl set-ntp true")
    return Finding("clock", what)


def of_webhook(settings: Settings, webhook: Answered | str) -> Finding:
    """Compare how Telegram delivers updates with how they are awaited, and tell what it has against the webhook."""
    if settings.telegram_bot_token is None or isinstance(webhook, str) or webhook.result is None:
        return _not_looked_at("webhook", "token and network")
    info, wanted = webhook.result, settings.webhook_url
    registered, pending = str(info.get("url", "")), int(info.get("pending_update_count", 0))
    waiting = f"{pending} updates wait"
    if registered and wanted is None:
        remedy = "Set WEBHOOK_URL if that is the bot's address; else start the bot, which removes it to poll."
        return Finding("webhook", f"Telegram sends to {registered}, but WEBHOOK_URL is not set; {waiting}", remedy)
    if wanted and registered != endpoint(wanted):
        what = f"Telegram sends to {registered or 'no address'}, and not to WEBHOOK_URL; {waiting}"
        return Finding("webhook", what, "Start the bot: it registers its webhook.")
    if wanted and (error := _recent_error(webhook)):
        remedy = "Look at the reverse proxy and its certificate: WEBHOOK_URL must lead to the bot from outside."
        return Finding("webhook", f"Telegram could not deliver: {error}; {waiting}", remedy)
    if pending > _MANY_PENDING:
        return Finding("webhook", waiting, "See that the bot runs, and look at its log.")
    return Finding("webhook", f"{'is registered' if wanted else 'none, the bot polls'}; {waiting}")


def _recent_error(webhook: Answered) -> str:
    info = webhook.result or {}
    ago = (webhook.date or webhook.at).timestamp() - float(info.get("last_error_date", 0))
    return f"{info.get('last_error_message')}, {ago:.0f} s ago" if ago < _WORTH_TELLING_SECONDS else ""


def _not_looked_at(name: str, first: str = "network") -> Finding:
    return Finding(name, "could not be looked at", f"Mend the {first} first.")


# --- this machine ----------------------------------------------------------------------------------------------------


def of_settings() -> Finding:
    """Tell what stands in .env and sets nothing."""
    if remarks := remarks_on_dotenv():
        return Finding("settings", "not all of .env is used", " ".join(remarks))
    return Finding("settings", "nothing in .env is amiss")


def of_database(settings: Settings) -> Finding:
    """Tell whether the bot can start with the database and its key, without making the files that are not there yet."""
    try:
        url = address(settings.database_url.get_secret_value())
        found = _of_sqlite(url) if url.drivername == "sqlite" else _of_server(url)
        if found.ok:
            keys = find_keys(settings.storage_key, url)
            if told := told_of_lost_key(_sealed(url), keys, settings.retention_days):
                return Finding("database", told, PUT_IT_BACK)
    except UserError as error:
        return Finding("database", "the bot can't start with it", str(error))
    except OSError as error:
        return Finding("database", f"{error.filename} can't be read: {error.strerror}", "Let the bot's user read it.")
    return found


def _of_sqlite(url: URL) -> Finding:
    path = Path(url.database or "")
    folder = _existing(path.absolute().parent)
    try:
        TemporaryFile(dir=folder).close()
    except OSError as error:
        what = f"{folder} can't be written: {error.strerror}"
        return Finding("database", what, "Let the bot's user write it, or set DATABASE_URL.")
    if not path.exists():
        return Finding("database", f"{path} will be made at the first start")
    try:
        _begin(url)
    except SQLAlchemyError as error:
        remedy = "Let the bot's user write it and make room, or stop the bot and restore the file from its backup."
        return Finding("database", f"{path} can't be used: {reason(url, error)}", remedy)
    return Finding("database", f"{path} answers")


def _of_server(url: URL) -> Finding:
    host = f"{url.host or 'localhost'}{f':{url.port}' if url.port else ''}"
    try:
        _begin(url)
    except SQLAlchemyError as error:
        remedy = "See that the server runs and that user, password and database of DATABASE_URL are right."
        return Finding("database", f"{host} can't be used: {reason(url, error)}", remedy)
    return Finding("database", f"{url.database} on {host} answers")


def _sealed(url: URL) -> list[str]:
    """Return what the storage key sealed, without making a file that is not there yet."""
    is_there = url.drivername != "sqlite" or Path(url.database or "").exists()
    return _begin(url) if is_there else []


def _begin(url: URL) -> list[str]:
    """Do to the database what the bot does at its start, take it back, and return what the storage key sealed."""
    engine = reach(url)
    try:
        with engine.connect() as connection, connection.begin() as beginning:
            migrate(connection)
            sealed = list(connection.execute(text("SELECT sealed FROM gaps")).scalars())
            beginning.rollback()
            return sealed
    finally:
        engine.dispose()


def of_faq(settings: Settings) -> Finding:
    """Tell whether the FAQ can go live, and whether its contact link is the clinic's own."""
    if problems := problems_of(settings.answers):
        number = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        return Finding("faq", f"{settings.answers} has {number}, first {problems[0]}", "Run: clinic-faq check")
    clinic = load_faq(settings.answers).clinic
    if clinic and clinic.contact and urlsplit(clinic.contact).hostname == _NO_CONTACT:
        return Finding("faq", f"its contact link leads to {_NO_CONTACT}", "Put the clinic's own page into `clinic:`.")
    return Finding("faq", f"{settings.answers} has no problems")


def of_encoder() -> Finding:
    """Tell whether meaning can be compared; without it the bot goes by words alone."""
    try:
        open_encoder(cache_folder()).encode("hello")
    except EncoderError as error:
        return Finding("encoder", str(error).rstrip("."), "Mend that; until then the bot goes by words alone.")
    return Finding("encoder", "compares meanings")


def of_disk(folders: list[Path], least: int = _LEAST_FREE_BYTES) -> Finding:
    """Tell how much room there is where the bot writes."""
    free = {folder: shutil.disk_usage(_existing(folder)).free for folder in folders}
    what = ", ".join(f"{size / 1e9:.1f} GB free in {folder}" for folder, size in free.items())
    return Finding("disk", what, "Make room, or move the folder." if min(free.values()) < least else "")


def _data_folder(settings: Settings) -> Path:
    """Return the folder of the SQLite file, or the current one."""
    path = settings.database_url.get_secret_value().partition("sqlite:///")[2]
    return Path(path or ".").absolute().parent if path else Path.cwd()


def _existing(path: Path) -> Path:
    """Return the path, or the nearest folder above it that exists."""
    return next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
