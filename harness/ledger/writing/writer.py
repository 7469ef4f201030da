"""The append writer: what has queued is committed together (group commit, no timers), in the order it came.

Data flows coroutines -> queue -> `Appender` in one transaction -> futures resolved after the commit. An embedded
database's rows are written in the event loop's own thread, between its turns, and only the commit, which waits for the
disk, is handed to a second thread; every wait and every failure is that thread's, and so is all of a server's database.
A fact is acknowledged only when it is durable; when the database cannot be written, nothing more is sent, and what was
answered is tried again for a minute, as it is paid.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Protocol, Self

from harness.errors import HarnessError, LedgerError, WorkerLost
from harness.ledger.records import AttemptOutcome, AttemptStart, ScoreRecord, Transcript
from harness.ledger.writing.append import Appender
from harness.ledger.writing.drivers import Driver
from harness.ledger.writing.operations import AddScore, Operation, Result, Reuse, Send, Settle

LARGEST_BATCH = 256
"""Operations in one transaction: the event loop stands still while they are written."""
PATIENCE_S = 60.0
"""How long answers are tried to be recorded after the first write that failed."""
_BETWEEN_TRIES_S = 0.2
_KEEP_ALIVE_S = 20.0
"""How long a connection is left alone; some servers and what lies before them end silent ones."""

_SENDS = (Send, Reuse)

Queued = tuple[Operation, "asyncio.Future[Result]"]
Job = tuple[Sequence[Queued], Sequence[Operation], Sequence[Result] | None]
"""A batch, its operations, and their results if they are written already and only have to be committed."""


class OpenDriver(Protocol):
    """Opens the connection; `again` = the first one was lost, and only what was answered is still written."""

    def __call__(self, *, again: bool = False) -> Driver: ...


class Writer:
    """Writes attempts; use as `async with ledger.writer() as writer`."""

    def __init__(
        self,
        open_driver: OpenDriver,
        explain: Callable[[Exception], LedgerError],
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._open_driver = open_driver
        self._patience_s = patience_s
        self._give_up_at_s = 0.0
        self._explain = explain
        self._queue: list[Queued] = []
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._is_busy = False
        self._failure: LedgerError | None = None
        self._closing = False
        self._n_unresolved = 0
        self._idle: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[LedgerError | None] = self._loop.create_future()
        opened: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._work, args=(opened,), name="benchtab ledger writer", daemon=True)
        self._thread.start()
        await opened
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is queued, then close the connection.

        Raises:
            LedgerError: the ledger's file is gone; says where its rows were copied to.
        """
        self._closing = True
        if self._n_unresolved:
            self._idle = self._loop.create_future()
            await asyncio.shield(self._idle)
        self._jobs.put(None)
        lost = await asyncio.shield(self._ended)
        self._thread.join()
        if lost is not None:
            raise lost

    async def send(self, start: AttemptStart) -> int:
        """Record that a request is about to leave and reserve its worst case; returns the attempt id once durable.

        A caller that is cancelled while waiting has sent nothing: its row is settled as cancelled.

        Raises:
            BudgetReached: the reservation does not fit into a budget; nothing was recorded.
            LedgerError: the row was refused, or the ledger cannot be written any more.
        """
        future = self._put(Send(start=start))
        try:
            return _value(await future)  # type: ignore[return-value]  # a Send results in an id
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._withdraw(start, future.result())
            raise

    async def settle(
        self, outcome: AttemptOutcome, *, transcript: Transcript | None = None, score: ScoreRecord | None = None
    ) -> None:
        """Record how an attempt ended, with its transcript and score; returns once durable.

        Raises:
            LedgerError: the row was refused (settled already), or the ledger cannot be written any more.
        """
        _value(await self._put(Settle(outcome=outcome, transcript=transcript, score=score)))

    async def withdraw(self, attempt_id: int, start: AttemptStart) -> None:
        """Record that an attempt which was sent to the ledger never left, which gives its reservation back.

        Raises:
            LedgerError: the row was refused (settled already), or the ledger cannot be written any more.
        """
        _value(await self._put(_never_left(attempt_id, start)))

    async def reuse(self, start: AttemptStart, outcome: AttemptOutcome, transcript: Transcript | None) -> int:
        """Record an attempt that took a stored answer instead of sending; returns its id once durable.

        Raises:
            LedgerError: the row was refused, or the ledger cannot be written any more.
        """
        operation = Reuse(start=start, outcome=outcome, transcript=transcript)
        return _value(await self._put(operation))  # type: ignore[return-value]  # a Reuse results in an id

    async def add_score(self, score: ScoreRecord) -> None:
        """Record a score; the newest score of an attempt counts. Returns once durable.

        Raises:
            LedgerError: the row was refused, or the ledger cannot be written any more.
        """
        _value(await self._put(AddScore(score=score)))

    def _put(self, operation: Operation) -> asyncio.Future[Result]:
        if self._failure is not None and isinstance(operation, _SENDS):
            raise self._failure
        if self._closing:
            raise LedgerError("the ledger's writer is closed")
        return self._enqueue(operation)

    def _enqueue(self, operation: Operation) -> asyncio.Future[Result]:
        future: asyncio.Future[Result] = self._loop.create_future()
        self._n_unresolved += 1
        self._queue.append((operation, future))
        if not self._is_busy:
            self._next()
        return future

    def _withdraw(self, start: AttemptStart, result: Result) -> None:
        """Settle a row whose sender was cancelled after the commit and before the request left."""
        if isinstance(result, int) and self._failure is None:
            self._enqueue(_never_left(result, start))

    # batches, in the event loop: one at a time

    def _next(self) -> None:
        self._is_busy = True
        self._loop.call_soon(self._start)  # after what else this turn of the loop brings

    def _start(self) -> None:
        """Take what has queued, write it if that waits for nobody, and hand the rest to the thread."""
        taken, self._queue = self._queue[:LARGEST_BATCH], self._queue[LARGEST_BATCH:]
        # a request whose sender was cancelled while it queued never leaves, so it is no attempt
        batch = [item for item in taken if not (item[1].cancelled() and isinstance(item[0], Send))]
        self._n_unresolved -= len(taken) - len(batch)
        operations = [operation for operation, _ in batch]
        self._jobs.put((batch, operations, self._appender.write(operations) if self._failure is None else None))

    def _finish(self, batch: Sequence[Queued], results: Sequence[Result]) -> None:
        for (operation, future), result in zip(batch, results, strict=True):
            if not future.cancelled():
                future.set_result(result)
            elif isinstance(operation, Send):
                self._withdraw(operation.start, result)
        self._n_unresolved -= len(batch)
        self._is_busy = False
        if self._queue:
            self._next()
        elif self._idle is not None and not self._n_unresolved and not self._idle.done():
            self._idle.set_result(None)

    # the thread

    def _work(self, opened: asyncio.Future[None]) -> None:
        try:
            self._appender = Appender(self._open_driver())
        except Exception as error:  # noqa: BLE001  # whatever the driver raises is told to the caller
            explained = self._explain(error)
            self._call(lambda: opened.set_exception(explained))
            return
        self._call(lambda: opened.set_result(None))
        lost: LedgerError | None = None
        try:
            while (job := self._next_job()) is not None:
                batch, operations, written = job
                self._call(partial(self._finish, batch, self._durable(operations, written)))
        finally:
            try:
                self._appender.close()
            except LedgerError as error:
                lost = error
            self._call(lambda: self._ended.set_result(lost))

    def _next_job(self) -> Job | None:
        """Wait for a batch, looking now and then whether the database is still there."""
        while True:
            try:
                return self._jobs.get(timeout=_KEEP_ALIVE_S)
            except Empty:
                if self._failure is None:
                    self._keep_alive()

    def _keep_alive(self) -> None:
        """Open a connection again that was lost while nothing was written; nothing is sent where that fails."""
        try:
            self._appender.keep_alive()
        except Exception:  # noqa: BLE001  # opening it again says what is wrong, if anything still is
            try:
                self._appender.reopen(self._open_driver)
            except Exception as error:  # noqa: BLE001  # told to every sender
                self._give_up_at_s = time.monotonic() + self._patience_s
                self._failure = self._explain(error)

    def _durable(self, operations: Sequence[Operation], written: Sequence[Result] | None) -> Sequence[Result]:
        """Make operations durable; after a first failure sends are refused and the others are insisted on."""
        if not operations:
            return ()
        if self._failure is None:
            try:
                if written is None:
                    return self._appender.apply(operations)
                self._appender.commit(operations, written)
                return written
            except Exception as error:  # noqa: BLE001  # the batch is rolled back; the reason goes to every sender
                self._give_up_at_s = time.monotonic() + self._patience_s
                self._failure = self._explain(error)
        insisted = iter(self._insist([one for one in operations if not isinstance(one, _SENDS)]))
        return [self._failure if isinstance(one, _SENDS) else next(insisted) for one in operations]

    def _insist(self, operations: Sequence[Operation]) -> Sequence[Result]:
        """Try again until it can be written; where there is no room, what was paid goes first, without its words."""
        results: dict[int, Result] = {}
        waiting = dict(enumerate(operations))
        while waiting:
            try:
                results.update(zip(waiting, self._appender.apply(list(waiting.values())), strict=True))
                break
            except Exception as error:  # noqa: BLE001  # rolled back; tried again, or told to every caller
                failure = error
            if self._appender.lacks_room(failure):
                results.update(self._appender.apply_apart(waiting))
                waiting = {place: one for place, one in waiting.items() if place not in results}
            if time.monotonic() >= self._give_up_at_s or isinstance(failure, WorkerLost):
                results.update(dict.fromkeys(waiting, self._explain(failure)))
                break
            if waiting:
                time.sleep(_BETWEEN_TRIES_S)
                with contextlib.suppress(Exception):  # a lost connection is opened again; else the next try says why
                    self._appender.reopen(partial(self._open_driver, again=True))
        return [results[place] for place in range(len(operations))]

    def _call(self, callback: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the event loop is gone: nobody waits any more
            return


def _never_left(attempt_id: int, start: AttemptStart) -> Settle:
    return Settle(
        outcome=AttemptOutcome(
            attempt_id=attempt_id,
            status="cancelled",
            finished_at_us=start.started_at_us,
            charged_pico_usd=0,
            billed="no",
            error_message="cancelled before the request left",
        )
    )


def _value(result: Result) -> int | None:
    if isinstance(result, HarnessError):
        raise result
    return result
