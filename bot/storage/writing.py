"""The thread that talks to the database, so that nothing else waits for it: in batches, again until it works."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import chain, groupby
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, TextClause
from sqlalchemy.exc import InterfaceError, OperationalError

from bot.errors import OutOfReachError
from bot.storage.database import make_durable, wipe_journal
from bot.storage.migrations import migrate
from bot.waiting import Waits

log = logging.getLogger(__name__)

Answered = TypeVar("Answered")

_BATCH = 500
# What time mends: no connection, a full disk, a lock. All else would fail again.
_PASSING = (OperationalError, InterfaceError)


@dataclass(frozen=True)
class Write:
    """A statement with its parameters, which nobody waits for; only records of what patients did count as lost."""

    statement: TextClause
    parameters: dict[str, Any]
    urgent: bool = False
    is_record: bool = True

    def group(self) -> tuple[int, tuple[Any, ...]]:
        """Return where it stands among others: beside its like, in an order that is the same in every process.

        Else two processes that count the same replies in another order would wait for each other.
        """
        return id(self.statement), tuple(self.parameters.values())


@dataclass(frozen=True)
class Call:
    """Anything else to do with the database, and somebody who may wait for what comes of it."""

    do: Callable[[Connection], Any]
    answer: Future[Any] | None = None
    urgent: bool = False
    erases: bool = False
    is_record: bool = False

    def is_wanted(self) -> bool:
        """Tell whether it is still to be done; from then on it can't be taken back."""
        return self.answer is None or self.answer.set_running_or_notify_cancel()


Job = Write | Call


class Writer:
    """Does jobs in batches, each in two transactions: first what is urgent. Within one, calls see what was written.

    While the database is out of reach, writes wait in a queue with limited room and those who ask are told at once.
    """

    def __init__(self, engine: Engine, room: int, waits: Waits) -> None:
        self.is_out_of_reach = False
        self._engine = engine
        self._room = room
        self._waits = waits
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._closing = threading.Event()
        self._migrated = False
        self._taken = self._finished = self._refused = self._dropped = 0  # each is changed by one thread only
        self._thread = threading.Thread(target=self._run, name="storage", daemon=True)

    @property
    def lost(self) -> int:
        """How many records were never written, for want of room or because the database did not take them."""
        return self._refused + self._dropped

    def put(self, job: Job) -> None:
        """Do a job soon; without room for it, it is lost."""
        if self._closing.is_set() or self._queue.qsize() >= self._room:
            self._refused += job.is_record
        else:
            self._take_on(job)

    async def ask(
        self, do: Callable[[Connection], Answered], patience: float, *, urgent: bool = False, erases: bool = False
    ) -> Answered:
        """Return what comes of a call, or raise OutOfReachError if that takes more seconds than the patience."""
        if self.is_out_of_reach or self._closing.is_set():
            raise OutOfReachError
        answer: Future[Answered] = Future()
        self._take_on(Call(do, answer, urgent, erases))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(answer), patience)
        except TimeoutError:
            raise OutOfReachError from None

    def _take_on(self, job: Job) -> None:
        self._taken += job.is_record
        self._queue.put(job)

    def start(self) -> None:
        """Begin with the work."""
        self._thread.start()

    async def close(self, seconds: float) -> None:
        """Do what is left, if that takes no longer, and count the rest as lost."""
        self._closing.set()
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join, seconds)
        if self._thread.is_alive():
            self._refused += self._taken - self._finished
        self._engine.dispose(close=not self._thread.is_alive())

    def _run(self) -> None:
        while batch := self._take():
            for urgent in (True, False):
                jobs = [job for job in batch if job and job.urgent == urgent]
                if wanted := list(filter(_is_wanted, jobs)):
                    self._persist(wanted)
                self._finished += _records(jobs)
            if batch[-1] is None:
                return

    def _take(self) -> list[Job | None]:
        """Wait for a job, and return it with those that came meanwhile, up to the end."""
        batch = [self._queue.get()]
        try:
            while batch[-1] is not None and len(batch) < _BATCH:
                batch.append(self._queue.get_nowait())
        except Empty:
            pass
        return batch

    def _persist(self, jobs: list[Job]) -> None:
        """Do jobs in one transaction; when the database is out of reach, again until it is back or the end has come."""
        # A connection that broke while idle is made anew at once; only then is something wrong.
        for tries, wait in enumerate(chain([0.0], self._waits)):
            try:
                self._transact(jobs)
            except _PASSING as error:
                if tries:
                    jobs = self._tell_out_of_reach(jobs)
                    log.warning("storage is out of reach, again in %.1f s: %s", wait, _name(error))
                if tries and self._closing.wait(wait):
                    break
            except Exception as error:
                self._tell_within_reach()  # what refuses does answer
                return self._persist_singly(jobs, error)
            else:
                return self._tell_within_reach()
        self._dropped += _records(jobs)
        return None

    def _transact(self, jobs: list[Job]) -> None:
        writes = sorted((job for job in jobs if isinstance(job, Write)), key=Write.group)
        calls = [job for job in jobs if isinstance(job, Call)]
        with self._engine.begin() as connection:
            if not self._migrated:
                migrate(connection)
            for _, alike in groupby(writes, key=lambda write: id(write.statement)):
                _execute(connection, list(alike))
            if is_erased := any(call.erases for call in calls):
                make_durable(connection)
            outcomes = [(call.answer, call.do(connection)) for call in calls]
        self._migrated = True
        if is_erased:
            self._wipe_journal()
        for answer, outcome in outcomes:
            if answer:
                answer.set_result(outcome)

    def _wipe_journal(self) -> None:
        """Let nothing come of a failure: the jobs are done, and housekeeping tries again."""
        try:
            is_wiped = wipe_journal(self._engine)
        except Exception as error:
            log.warning("the journal can't be emptied: %s", _name(error))
        else:
            if not is_wiped:
                log.warning("the journal can't be emptied while another program reads the database")

    def _persist_singly(self, jobs: list[Job], error: Exception) -> None:
        """Keep one job that the database refuses from taking the others with it."""
        if len(jobs) != 1:  # none is left where somebody only asked, and was told that the database is out of reach
            for job in jobs:
                self._persist([job])
            return
        [job] = jobs
        if isinstance(job, Call) and job.answer:
            job.answer.set_exception(error)
        else:
            self._dropped += job.is_record
            log.error("storage refused a record: %s", _name(error))

    def _tell_out_of_reach(self, jobs: Iterable[Job]) -> list[Job]:
        """Let nobody wait any longer; return the jobs that nobody waits for."""
        self.is_out_of_reach = True
        patient = []
        for job in jobs:
            if isinstance(job, Call) and job.answer:
                job.answer.set_exception(OutOfReachError())
            else:
                patient.append(job)
        return patient

    def _tell_within_reach(self) -> None:
        if self.is_out_of_reach:
            self.is_out_of_reach = False
            log.info("storage is within reach again")


def _records(jobs: Iterable[Job]) -> int:
    return sum(job.is_record for job in jobs)


def _is_wanted(job: Job) -> bool:
    return isinstance(job, Write) or job.is_wanted()


def _execute(connection: Connection, writes: list[Write]) -> None:
    connection.execute(writes[0].statement, [write.parameters for write in writes])


def _name(error: Exception) -> str:
    """Return the type of an error, the driver's own where there is one; its text might hold what was to be written."""
    return type(getattr(error, "orig", error)).__name__
