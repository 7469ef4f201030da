"""The pace of each model of a run, which all its workers share: buckets that are taken in blocks. PostgreSQL only.

Data flows `PaceAsk` -> one statement -> `PaceAnswer`. A bucket may be taken ahead of time: its level is below zero
then, and whoever took it waits until so much has flowed in. A worker that dies loses at most what it had taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import SQLAlchemyError

from harness.ledger.connections import again_after_collisions, explain
from harness.ledger.leases.pace_records import Learned, PaceAnswer, PaceAsk, SharedPace, Taken
from harness.ledger.leases.worker_rows import NOW_US
from harness.ledger.ledger import Ledger

AHEAD_S = 2.0
"""So far ahead may all workers together take what has not flowed in yet."""
HEARD_WITHIN_S = 0.4
"""So long, at most, workers use what they have taken before they hear of a change."""
_NOW = f"coalesce(CAST(:at_us AS bigint), {NOW_US})"


def _level(unit: str) -> str:
    """What is in a bucket now, with what is given back; nothing flows in during a pause."""
    return f"""least(CAST(:{unit}_most AS float8), {unit}_left + CAST(:{unit}_back AS float8)
        + coalesce(CAST(:{unit}_per_s AS float8), 0)
        * greatest(0, now_us - greatest(filled_at_us, paused_until_us)) / 1000000.0)"""


def _room(unit: str) -> str:
    return f"({unit}_level + greatest(1, {AHEAD_S} * CAST(:{unit}_per_s AS float8)))"


def _left(unit: str) -> str:
    """What is left then; with a change, what was taken ahead is void as soon as it is heard of."""
    return f"""CASE WHEN CAST(:change AS text) IS NULL THEN taken.{unit}_level - taken.{unit}
        ELSE greatest(least(taken.{unit}_level, 0),
            -{HEARD_WITHIN_S} * coalesce(CAST(:{unit}_per_s AS float8), 0)) END"""


_EXCHANGE = f"""
    WITH locked AS (
        SELECT paces.*, {_NOW} AS now_us FROM paces
        WHERE run_id = :run_id AND model = :model AND n_changes = :n_changes FOR UPDATE
    ), filled AS (
        SELECT locked.*, {_level("requests")} AS requests_level, {_level("tokens")} AS tokens_level FROM locked
    ), taken AS (
        SELECT filled.*,
            CASE WHEN {_room("requests")} >= 1
                THEN least(CAST(:requests_amount AS float8), floor({_room("requests")})) ELSE 0 END AS requests,
            CASE WHEN {_room("tokens")} > 0
                THEN least(CAST(:tokens_amount AS float8), greatest({_room("tokens")}, CAST(:tokens_first AS float8)))
                ELSE 0 END AS tokens,
            coalesce(CAST(learned AS jsonb), '{{}}') AS known
        FROM filled
    )
    UPDATE paces SET
        requests_left = {_left("requests")},
        tokens_left = {_left("tokens")},
        filled_at_us = greatest(taken.filled_at_us, taken.now_us),
        paused_until_us = greatest(taken.paused_until_us, taken.now_us + CAST(:pause_us AS bigint)),
        n_changes = taken.n_changes + CASE WHEN CAST(:change AS text) IS NULL THEN 0 ELSE 1 END,
        learned = CAST(coalesce(
            CAST(:change AS jsonb) || jsonb_build_object('since_us', taken.now_us,
                'n_sent', 0, 'n_refused', 0, 'first_sent_us', 0, 'last_sent_us', 0),
            known || jsonb_build_object(
                'n_sent', coalesce(CAST(known->>'n_sent' AS bigint), 0) + :n_sent,
                'n_refused', coalesce(CAST(known->>'n_refused' AS bigint), 0) + :n_refused,
                'first_sent_us', coalesce(
                    least(nullif(CAST(known->>'first_sent_us' AS bigint), 0), nullif(:first_sent_us, 0)), 0),
                'last_sent_us', greatest(CAST(known->>'last_sent_us' AS bigint), :last_sent_us)
            )
        ) AS text)
    FROM taken WHERE paces.run_id = taken.run_id AND paces.model = taken.model
    RETURNING paces.*, taken.now_us, taken.requests, taken.tokens, taken.requests_level, taken.tokens_level
"""


class PaceRows:
    """The paces of one run, over a connection of its own on which every question is one round trip.

    Args:
        at_us: gives the instant that counts as now; None = the server's clock.
    """

    def __init__(self, ledger: Ledger, run_id: str, at_us: Callable[[], int | None] = lambda: None) -> None:
        self._ledger = ledger
        self._run_id = run_id
        self._at_us = at_us
        self._kept: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self, model: str, *, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        """Enter a model's limits, as the user asks for them now; what was learned of it stays.

        Raises:
            LedgerError: the ledger cannot be reached.
        """
        query = f"""
            INSERT INTO paces (run_id, model, requests_per_minute, tokens_per_minute, requests_left, tokens_left,
                filled_at_us, paused_until_us, n_changes)
            VALUES (:run_id, :model, :rpm, :tpm, 1, 0, {_NOW}, 0, 0)
            ON CONFLICT (run_id, model) DO UPDATE SET requests_per_minute = excluded.requests_per_minute,
                tokens_per_minute = excluded.tokens_per_minute, n_changes = paces.n_changes + 1
            WHERE paces.requests_per_minute IS DISTINCT FROM excluded.requests_per_minute
                OR paces.tokens_per_minute IS DISTINCT FROM excluded.tokens_per_minute
        """
        self._ask(query, model=model, rpm=requests_per_minute, tpm=tokens_per_minute)

    def exchange(self, model: str, ask: PaceAsk) -> PaceAnswer | None:
        """Tell and take at once; None = the pace has changed since, and nothing was done.

        Raises:
            LedgerError: the ledger cannot be reached.
        """
        values: dict[str, object] = {
            f"{unit}_{name}": getattr(wanted, name)
            for unit, wanted in (("requests", ask.requests), ("tokens", ask.tokens))
            for name in ("per_s", "most", "amount", "back")
        }
        found = self._ask(
            _EXCHANGE,
            model=model,
            n_changes=ask.n_changes,
            tokens_first=ask.tokens.first,
            n_sent=ask.n_sent,
            n_refused=ask.n_refused,
            first_sent_us=ask.first_sent_us,
            last_sent_us=ask.last_sent_us,
            pause_us=ask.pause_us,
            change=None if ask.change is None else ask.change.to_json(),
            **values,
        )
        if not found:
            return None
        row = found[0]
        return PaceAnswer(
            pace=_pace(row),
            requests=Taken(amount=row.requests, level=row.requests_level),
            tokens=Taken(amount=row.tokens, level=row.tokens_level),
        )

    def read(self) -> Mapping[str, SharedPace]:
        """Read the paces of all models that were opened.

        Raises:
            LedgerError: the ledger cannot be reached.
        """
        found = self._ask(f"SELECT paces.*, {_NOW} AS now_us FROM paces WHERE run_id = :run_id")
        return {row.model: _pace(row) for row in found}

    def close(self) -> None:
        """Close the connection."""
        kept, self._kept = self._kept, None
        if kept is not None:
            with suppress(SQLAlchemyError):  # it may be broken
                kept.close()

    def _ask(self, query: str, **values: object) -> Sequence[Row[tuple[object, ...]]]:
        try:
            return again_after_collisions(lambda: self._rows(query, values))
        except SQLAlchemyError as error:
            self.close()
            raise explain(error, self._ledger.database) from None

    def _rows(self, query: str, values: Mapping[str, object]) -> Sequence[Row[tuple[object, ...]]]:
        connection = self._kept = self._kept or self._connect()
        found = connection.execute(text(query), {"run_id": self._run_id, "at_us": self._at_us(), **values})
        return found.all() if found.returns_rows else []

    def _connect(self) -> Connection:
        # a pace that a crash of the server forgets is learned again: no answer waits for the disk
        connection = self._ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()
        connection.execute(text("SET synchronous_commit = off"))
        return connection


def _pace(row: Row[tuple[object, ...]]) -> SharedPace:
    stored = row._mapping
    return SharedPace(
        requests_per_minute=stored["requests_per_minute"],
        tokens_per_minute=stored["tokens_per_minute"],
        paused_until_us=stored["paused_until_us"],
        learned=Learned.from_json(stored["learned"]),
        n_changes=stored["n_changes"],
        now_us=stored["now_us"],
    )
