"""The tables, as an ordered list of changes: each is applied once, and never edited after it was released."""

from datetime import UTC, datetime

from sqlalchemy import Connection, text

from bot.errors import UserError

# Statements that SQLite and PostgreSQL both understand. A day is text, as in 2026-11-24: it sorts, and reads the same.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE updates (
            update_id BIGINT PRIMARY KEY, claimed_at DOUBLE PRECISION NOT NULL, done BOOLEAN NOT NULL
        )
        """,
        "CREATE INDEX updates_by_time ON updates (claimed_at)",
        """
        CREATE TABLE replies (
            day TEXT NOT NULL, kind TEXT NOT NULL, entry TEXT NOT NULL, campaign TEXT NOT NULL, count BIGINT NOT NULL,
            PRIMARY KEY (day, kind, entry, campaign)
        )
        """,
        """
        CREATE TABLE feedback (
            day TEXT NOT NULL, entry TEXT NOT NULL, helpful BOOLEAN NOT NULL, count BIGINT NOT NULL,
            PRIMARY KEY (day, entry, helpful)
        )
        """,
        """
        CREATE TABLE gaps (
            id TEXT PRIMARY KEY, day TEXT NOT NULL, author TEXT NOT NULL, sealed TEXT NOT NULL,
            nearest TEXT NOT NULL, score DOUBLE PRECISION NOT NULL
        )
        """,
        "CREATE INDEX gaps_by_author ON gaps (author)",
        "CREATE INDEX gaps_by_day ON gaps (day)",
    ),
)

# Any number, as long as it is the same in every process and nobody else's in that database.
_LOCK = 0x636C_696E_6963


def migrate(connection: Connection, migrations: tuple[tuple[str, ...], ...] = MIGRATIONS) -> None:
    """Apply what the database lacks, within the connection's transaction; raise UserError if it is newer than that.

    Of several processes one does it and the others wait: SQLite's transactions begin with a lock, PostgreSQL's get one.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    connection.execute(
        text("CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL)")
    )
    applied = connection.execute(text("SELECT coalesce(max(version), 0) FROM migrations")).scalar_one()
    if applied > len(migrations):
        raise UserError(
            f"The database is newer than this program: it has version {applied}, and I know {len(migrations)}. "
            "Start the newer program, or restore the backup that was made before it."
        )
    for version, statements in enumerate(migrations[applied:], applied + 1):
        for statement in statements:
            connection.execute(text(statement))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        connection.execute(text("INSERT INTO migrations VALUES (:version, :now)"), {"version": version, "now": now})
