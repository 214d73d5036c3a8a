"""Reaching the database: a SQLite file, or PostgreSQL through psycopg."""

import logging
import os
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from bot.errors import UserError

log = logging.getLogger(__name__)

_WRONG_URL = (
    "DATABASE_URL: write sqlite:///path/to/file.sqlite, with three slashes before a relative path and four before an "
    "absolute one, or postgresql://user:password@host/database, with %40 for an @ in the password and %23 for a #."
)
_POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")
# A server that is silent for so long is gone: waiting longer only fills the queue.
_SILENT_SECONDS = 5
# So long a write waits for another program that writes to a SQLite file; emptying the journal is not worth as much.
_LOCKED_MS = 5000
_WIPING_MS = 100
_REACHING_POSTGRESQL = {
    "connect_timeout": _SILENT_SECONDS,
    "tcp_user_timeout": _SILENT_SECONDS * 1000,
    "keepalives_idle": 60,  # seconds; routers forget connections that are idle
}


def address(url: str | URL) -> URL:
    """Return the URL of a database that the bot can use, with its driver; raise UserError for any other."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise UserError(_WRONG_URL) from None
    # An @ or # in a password that is not written as %40 or %23 would make the rest of it a host.
    if parsed.drivername in _POSTGRESQL and parsed.database and not {*"@#"} & {*(parsed.host or "")}:
        return parsed.set(drivername="postgresql+psycopg")
    # With two slashes too few, the first folder of the path would be a host.
    if parsed.drivername == "sqlite" and not parsed.host and parsed.database and parsed.database != ":memory:":
        return parsed
    raise UserError(_WRONG_URL)


def reach(url: str | URL) -> Engine:
    """Return the engine for a database, without connecting yet; raise UserError if it can never be reached."""
    parsed = address(url)
    return _sqlite(parsed) if parsed.drivername == "sqlite" else _postgresql(parsed)


def reason(url: URL, error: Exception) -> str:
    """Return what the database itself says, without the password."""
    told = str(getattr(error, "orig", None) or type(error).__name__).strip().partition("\n")[0]
    # The driver puts before it that there is no connection, to which address and port.
    told = " ".join(told.rpartition(" failed: ")[2].split())
    return told.replace(str(url.password), "[password]") if url.password else told


def _postgresql(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_size=1,
        max_overflow=0,
        hide_parameters=True,
        connect_args=_REACHING_POSTGRESQL,
    )
    event.listen(engine, "connect", _settle_postgresql)
    event.listen(engine, "handle_error", _tell_why_there_is_no_connection)
    return engine


def _tell_why_there_is_no_connection(context: ExceptionContext) -> None:
    """Log it, for the operator may mend it; where there is a connection, an error might hold what was to be written."""
    if context.connection is None and context.engine and context.sqlalchemy_exception:
        url = context.engine.url
        told = url.host or "localhost", reason(url, context.sqlalchemy_exception)
        log.warning("PostgreSQL on %s can't be used: %s. See that it runs and that DATABASE_URL is right.", *told)


def _settle_postgresql(connection: Any, _: object) -> None:
    """Let commits be quick: when the server itself crashes, its last half second of counts may be lost."""
    connection.autocommit = True  # within a transaction, the setting would end with it
    connection.execute("SET synchronous_commit = off")
    connection.autocommit = False


def _sqlite(url: URL) -> Engine:
    path = Path(url.database or "")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite itself would let everybody read it
    except OSError as error:
        raise UserError(f"The database {path} can't be used: {error.strerror}. Set DATABASE_URL.") from None
    engine = create_engine(
        url,
        pool_size=1,
        max_overflow=0,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "isolation_level": None, "timeout": _LOCKED_MS / 1000},
    )
    event.listen(engine, "connect", _settle_sqlite)
    event.listen(engine, "begin", _begin_at_once)
    return engine


def _settle_sqlite(connection: Any, _: object) -> None:
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_at_once(connection: Connection) -> None:
    """Take the lock first: a transaction that asks for it later may fail for want of it."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def make_durable(connection: Connection) -> None:
    """Let this transaction survive a crash of the server: what a patient was told to be removed does not come back."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL synchronous_commit = on")


def wipe_journal(engine: Engine) -> bool:
    """Empty SQLite's journal, which still holds what was deleted, and tell whether nobody was in the way.

    PostgreSQL looks after its own.
    """
    if engine.dialect.name != "sqlite":
        return True
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_WIPING_MS}")
        is_busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {_LOCKED_MS}")
    finally:
        connection.close()
    return not is_busy
