"""What is kept: handled updates, counts of replies, feedback, and gaps; all of it written after the reply."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from bot import campaigns
from bot.config import Settings
from bot.errors import OutOfReachError, UserError
from bot.ledger import Claim
from bot.storage.database import reach
from bot.storage.redacting import redact
from bot.storage.sealing import PUT_IT_BACK, Keys, find_keys, make_keys, told_of_lost_key
from bot.storage.slate import Slate
from bot.storage.writing import Call, Write, Writer
from bot.waiting import Waits

log = logging.getLogger(__name__)

_DAY_SECONDS = 24 * 3600
# Telegram keeps an update for 24 hours; who asks for it later has a clock that is wrong by a day.
_UPDATES_KEPT_SECONDS = 2 * _DAY_SECONDS
# A poller that starts is told about so many. Unconfirmed are at most the hundred of a batch, and those of slow chats.
_LATELY = 10_000
_HOUSEKEEPING_SECONDS = 3600
# Another process may be at the tables; and a server that is down should not keep the bot from answering.
_START_SECONDS = 5.0
_READING_SECONDS = 5.0

_FREE = text(
    "INSERT INTO updates VALUES (:update_id, :now, false) ON CONFLICT (update_id) DO UPDATE SET claimed_at = :now "
    "WHERE NOT updates.done AND updates.claimed_at < :expired RETURNING update_id"
)
_IS_DONE = text("SELECT done FROM updates WHERE update_id = :update_id")
_DONE = text("INSERT INTO updates VALUES (:update_id, :now, true) ON CONFLICT (update_id) DO UPDATE SET done = true")
_STILL_MINE = text("UPDATE updates SET claimed_at = :now WHERE update_id = :update_id AND NOT done")
_RELEASE = text("DELETE FROM updates WHERE update_id = :update_id AND NOT done")
_DONE_LATELY = text("SELECT update_id FROM updates WHERE done ORDER BY claimed_at DESC LIMIT :limit")
# The campaigns of a day are counted by name as long as they are not too many. `WHERE true` keeps SQLite from reading
# ON as part of a join.
_COUNT_REPLY = text(
    "INSERT INTO replies SELECT :day, :kind, :entry, CASE "
    "WHEN :campaign = :none OR EXISTS (SELECT 1 FROM replies WHERE day = :day AND campaign = :campaign) OR :most > "
    "(SELECT count(DISTINCT campaign) FROM replies WHERE day = :day AND campaign NOT IN (:none, :other)) "
    "THEN :campaign ELSE :other END, 1 WHERE true "
    "ON CONFLICT (day, kind, entry, campaign) DO UPDATE SET count = replies.count + 1"
).bindparams(none=campaigns.NONE, most=campaigns.MOST, other=campaigns.OTHER)
_COUNT_FEEDBACK = text(
    "INSERT INTO feedback VALUES (:day, :entry, :helpful, 1) "
    "ON CONFLICT (day, entry, helpful) DO UPDATE SET count = feedback.count + 1"
)
_KEEP_GAP = text("INSERT INTO gaps VALUES (:id, :day, :author, :sealed, :nearest, :score)")
_FORGET = text("DELETE FROM gaps WHERE author = :author")
_FORGET_OLD_GAPS = text("DELETE FROM gaps WHERE day <= :day")
_FORGET_OLD_UPDATES = text("DELETE FROM updates WHERE claimed_at < :time")
_ANYTHING = text("SELECT 1")
_GAPS = text("SELECT id, day, sealed, nearest, score FROM gaps ORDER BY day, id")
_SEALED = text("SELECT sealed FROM gaps")
_REPLIES = text("SELECT day, kind, entry, campaign, count FROM replies")
_FEEDBACK = text("SELECT day, entry, helpful, count FROM feedback")


@dataclass(frozen=True)
class Gap:
    """An utterance that was not answered, redacted, with the entry that came nearest."""

    id: str
    day: str
    utterance: str
    nearest: str
    score: float


@dataclass(frozen=True)
class Figures:
    """The counts: of replies by day, kind, entry and campaign; of feedback by day, entry and whether it helped."""

    replies: Mapping[tuple[str, str, str, str], int]
    feedback: Mapping[tuple[str, str, bool], int]


class Storage:
    """Remembers for every process on one database. Nobody who waits for a reply waits for it."""

    def __init__(
        self,
        engine: Engine,
        keys: Keys,
        retention_days: int,
        *,
        room: int = 10_000,
        patience: float = 1.0,
        lease: float = 10.0,
        waits: Waits = Waits(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin with an engine of `reach`. `patience` and `lease` are in seconds, `room` is in records."""
        self.retention_days = retention_days
        self._engine = engine
        self._slate = Slate(_slate_beside(self._engine))
        self._writer = Writer(self._engine, room, waits)
        self._keys = keys
        self._patience = patience
        self._lease = lease
        self._clock = clock
        self._in_hand: set[int] = set()
        self._renewal: asyncio.TimerHandle | None = None
        self._housekeeping: asyncio.Task[None] | None = None

    @property
    def lost(self) -> int:
        """How many records were lost since the start, because the database was slow or gone."""
        return self._writer.lost

    async def start(self) -> None:
        """Begin to write; a PostgreSQL that is not up yet is waited for meanwhile.

        Raise UserError if the database is newer than this program, or a SQLite file can't be used.
        """
        self._writer.start()
        self._housekeeping = asyncio.create_task(self._keep_house())
        recall = partial(self._recall, self._slate.read())
        try:
            await self._writer.ask(recall, _START_SECONDS, urgent=True)
            self._slate.wipe()  # before anything is answered, so that no note is lost
        except OutOfReachError:
            if self._engine.dialect.name == "sqlite":
                await self.close()
                raise UserError(
                    f"The database {self._engine.url.database} can't be written. Set DATABASE_URL."
                ) from None
            log.warning("storage is out of reach; the bot answers all the same")
            self._writer.put(Call(recall, urgent=True))
        except SQLAlchemyError as error:
            await self.close()
            raise UserError(f"The database can't be used ({type(error).__name__}). Is DATABASE_URL right?") from None
        except UserError:
            await self.close()
            raise
        else:
            with suppress(OutOfReachError):
                await self._writer.ask(self._tell_of_lost_key, _START_SECONDS)

    async def close(self, seconds: float = 3.0) -> None:
        """Write what is left, give back what is in hand, and let go of the database."""
        if self._housekeeping:
            self._housekeeping.cancel()
        if self._renewal:
            self._renewal.cancel()
        for update_id in tuple(self._in_hand):
            self.release(update_id)
        await self._writer.close(seconds)
        self._slate.close()
        if self.lost:
            log.warning("records lost: %d", self.lost)

    async def is_answering(self) -> bool:
        """Tell whether the database answers."""
        try:
            return await self._writer.ask(_is_there, self._patience, urgent=True)
        except OutOfReachError:
            return False

    # Handled updates.

    async def claim(self, update_id: int) -> Claim:
        """Take an update in hand unless another delivery of it was; without a database, every update is free.

        It stays in hand while this process lives, until `done` or `release`. When the process dies, another may have it
        after the lease.
        """
        if update_id in self._in_hand:
            return Claim.BUSY
        self._take_in_hand(update_id)
        try:
            claim = await self._writer.ask(partial(self._claim, update_id), self._patience, urgent=True)
        except OutOfReachError:
            return Claim.MINE
        except asyncio.CancelledError:
            self.release(update_id)
            raise
        if claim is not Claim.MINE:
            self._in_hand.discard(update_id)
        return claim

    def answered(self, update_id: int) -> None:
        """Note that Telegram took the answer to an update: should this process be killed now, the next one knows."""
        self._slate.note(update_id)

    def done(self, update_id: int) -> None:
        """Remember that an update was handled."""
        self._in_hand.discard(update_id)
        self._writer.put(Write(_DONE, {"update_id": update_id, "now": self._clock()}, urgent=True))

    def release(self, update_id: int) -> None:
        """Give back an update that was not handled after all."""
        self._in_hand.discard(update_id)
        self._writer.put(Write(_RELEASE, {"update_id": update_id}, urgent=True, is_record=False))

    async def done_lately(self) -> frozenset[int]:
        """Return the updates handled last, for a poller that is alone: what Telegram repeats to it is among them."""
        try:
            return await self._writer.ask(_done_lately, self._patience)
        except OutOfReachError:
            return frozenset()

    def _take_in_hand(self, update_id: int) -> None:
        self._in_hand.add(update_id)
        if self._renewal is None:
            self._renewal = asyncio.get_running_loop().call_later(self._lease / 3, self._renew)

    def _renew(self) -> None:
        """Tell the other processes that this one is alive, as long as it has something in hand."""
        self._renewal = None
        now = self._clock()
        for update_id in tuple(self._in_hand):
            self._take_in_hand(update_id)
            renewed = {"update_id": update_id, "now": now}
            self._writer.put(Write(_STILL_MINE, renewed, urgent=True, is_record=False))

    def _recall(self, answered: list[int], connection: Connection) -> None:
        """Remember what a process had answered that was killed before it was written here."""
        now = self._clock()
        if answered:
            connection.execute(_DONE, [{"update_id": update_id, "now": now} for update_id in answered])

    def _claim(self, update_id: int, connection: Connection) -> Claim:
        now = self._clock()
        asked = {"update_id": update_id, "now": now, "expired": now - self._lease}
        if connection.execute(_FREE, asked).first():
            return Claim.MINE
        is_done = connection.execute(_IS_DONE, {"update_id": update_id}).scalar()
        return Claim.DONE if is_done else Claim.BUSY

    # Counts.

    def count_reply(self, kind: str, entry_id: str = "", campaign: str = "") -> None:
        """Count a reply: its kind, the entry that it showed, and the campaign of the link that led there."""
        named = campaigns.campaign(campaign)
        counted = {"day": self._today(), "kind": kind, "entry": entry_id, "campaign": named}
        self._writer.put(Write(_COUNT_REPLY, counted))

    def count_feedback(self, entry_id: str, *, helpful: bool) -> None:
        """Count somebody who found an entry's answer helpful, or did not."""
        self._writer.put(Write(_COUNT_FEEDBACK, {"day": self._today(), "entry": entry_id, "helpful": helpful}))

    async def figures(self) -> Figures:
        """Return all counts, or raise OutOfReachError."""
        return await self._writer.ask(_figures, _READING_SECONDS)

    # Gaps.

    def keep_gap(self, chat_id: int, utterance: str, nearest: str, score: float) -> None:
        """Keep what was not answered: redacted, sealed, and without its author but for what `forget` needs."""
        keep = partial(self._keep_gap, self._today(), chat_id, utterance, nearest, score)
        self._writer.put(Call(keep, is_record=True))

    def _keep_gap(
        self, day: str, chat_id: int, utterance: str, nearest: str, score: float, connection: Connection
    ) -> None:
        gap = {"id": secrets.token_hex(8), "day": day, "nearest": nearest, "score": score}
        sealed = self._keys.seal(redact(utterance))
        connection.execute(_KEEP_GAP, {**gap, "sealed": sealed, "author": self._keys.authors(chat_id)[0]})

    async def gaps(self) -> list[Gap]:
        """Return the gaps, oldest first, but those whose key is gone; raise OutOfReachError without a database."""
        return await self._writer.ask(self._gaps, _READING_SECONDS)

    def _gaps(self, connection: Connection) -> list[Gap]:
        rows = list(connection.execute(_GAPS))
        unsealed = ((row, self._keys.unseal(row.sealed)) for row in rows)
        gaps = [Gap(row.id, row.day, words, row.nearest, row.score) for row, words in unsealed if words is not None]
        if len(gaps) < len(rows):
            log.warning("gaps whose storage key is gone: %d", len(rows) - len(gaps))
        return gaps

    def _tell_of_lost_key(self, connection: Connection) -> None:
        sealed = connection.execute(_SEALED).scalars()
        if told := told_of_lost_key(sealed, self._keys, self.retention_days):
            log.warning("%s. %s", told, PUT_IT_BACK)

    async def forget(self, chat_id: int) -> int:
        """Delete all that came from a chat and return how many gaps that were, or raise OutOfReachError."""
        return await self._writer.ask(partial(_forget, self._keys.authors(chat_id)), _READING_SECONDS, erases=True)

    # Housekeeping.

    async def _keep_house(self) -> None:
        while True:
            self._writer.put(Call(self._purge, erases=True))
            await asyncio.sleep(_HOUSEKEEPING_SECONDS)

    def _purge(self, connection: Connection) -> None:
        """Delete the gaps whose days are over, and the updates that Telegram no longer repeats."""
        connection.execute(_FORGET_OLD_GAPS, {"day": self._today(ago=self.retention_days)})
        connection.execute(_FORGET_OLD_UPDATES, {"time": self._clock() - _UPDATES_KEPT_SECONDS})

    def _today(self, ago: int = 0) -> str:
        """Return the day, by universal time, so that all processes turn the page at the same moment."""
        return datetime.fromtimestamp(self._clock() - ago * _DAY_SECONDS, UTC).date().isoformat()


async def open_storage(settings: Settings) -> Storage:
    """Return the storage that the settings name, started; raise UserError with what must be set otherwise."""
    engine = reach(settings.database_url.get_secret_value())
    keys = find_keys(settings.storage_key, engine.url) or make_keys(engine.url)
    storage = Storage(engine, keys, settings.retention_days)
    await storage.start()
    return storage


def _slate_beside(engine: Engine) -> Path | None:
    """Return where the slate lies: beside a SQLite file; a process on PostgreSQL may have no folder of its own."""
    is_file = engine.dialect.name == "sqlite"
    return Path(f"{engine.url.database}-answered") if is_file else None


def _is_there(connection: Connection) -> bool:
    return bool(connection.execute(_ANYTHING).scalar())


def _done_lately(connection: Connection) -> frozenset[int]:
    return frozenset(connection.execute(_DONE_LATELY, {"limit": _LATELY}).scalars())


def _forget(authors: list[str], connection: Connection) -> int:
    return sum(connection.execute(_FORGET, {"author": author}).rowcount for author in authors)


def _figures(connection: Connection) -> Figures:
    replies = {(day, kind, entry, campaign): n for day, kind, entry, campaign, n in connection.execute(_REPLIES)}
    feedback = {(day, entry, bool(helpful)): n for day, entry, helpful, n in connection.execute(_FEEDBACK)}
    return Figures(replies, feedback)
