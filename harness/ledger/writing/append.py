"""Writing facts: a batch of operations becomes one transaction, with the budgets moved in that same transaction.

Data flows operations (send, settle, score) -> `Appender.apply` -> rows and results. Knows nothing of threads:
`writer.py` calls it from its one thread.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from harness.errors import LedgerError
from harness.ledger.columns import LONGEST_NAME, LONGEST_WORD, GroupDimensions, compared
from harness.ledger.connections import again_after_collisions
from harness.ledger.encoding import Compression, canonical_json, read_json, storable, text_bytes
from harness.ledger.records import AttemptOutcome, AttemptStart, ScoreRecord, Transcript
from harness.ledger.writing import statements as sql
from harness.ledger.writing.drivers import Driver, Row
from harness.ledger.writing.movements import InFlight, Movements
from harness.ledger.writing.operations import AddScore, Operation, Result, Reuse, Send, Settle, leaner, with_flag
from harness.usage.context_sizes import context_bucket, slot

PROMPTS_REMEMBERED = 10_000

LARGE_TRANSCRIPT_BYTES = 32 * 2**10
"""Compressed; below this a transcript fits into the room that is kept for every request in flight."""

Packed = tuple[bytes, bytes, bytes | None, bytes | None]
"""A transcript as it is stored: messages as JSON (not compressed yet), answer, reasoning, calls of tools."""


class Appender:
    """Writes batches; remembers ids of parameter sets, groups and prompts, and what is in flight."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._compression = Compression()
        self._in_flight: dict[int, InFlight] = {}
        self._forget()

    def _forget(self) -> None:
        self._parameter_sets: dict[str, int] = {}
        self._newest_parameters: tuple[Mapping[str, object] | None, int] = (None, 0)
        self._budget_sets: dict[tuple[str, ...], int] = {}
        self._groups: dict[GroupDimensions, int] = {}
        self._providers: dict[int, str] = {}
        self._prompts: OrderedDict[bytes, int] = OrderedDict()

    def reopen(self, open_driver: Callable[[], Driver]) -> None:
        """Go on with a new connection; what is in flight is remembered."""
        opened = open_driver()
        with contextlib.suppress(Exception):  # it may be lost already
            self._driver.close()
        self._driver = opened
        self._forget()

    def keep_alive(self) -> None:
        """Look whether the database is still there; raises what is wrong with it."""
        self._driver.keep_alive()

    def close(self) -> None:
        """Close the connection; raises LedgerError when the ledger's file is gone (see `Driver.close`)."""
        self._driver.close()

    def write(self, operations: Sequence[Operation]) -> list[Result] | None:
        """Write all operations, waiting for nobody, and leave it to `commit` to make them durable.

        Returns:
            Results in the same order; None when nothing was written, because that would have had to wait (for another
            process, for a server) or the database refused something: `apply` has to take the operations.
        """
        try:
            return self._write(operations) if self._driver.begin_at_once() else None
        except Exception:  # noqa: BLE001  # `apply` meets it again and says what it is
            with contextlib.suppress(Exception):
                self._undo()
            return None

    def commit(self, operations: Sequence[Operation], results: Sequence[Result]) -> None:
        """Make what `write` wrote durable.

        Raises:
            Exception: the driver's error when that fails; then nothing of it is kept.
        """
        try:
            self._driver.commit()
        except BaseException:
            self._undo()
            raise
        self._remember(operations, results)

    def apply(self, operations: Sequence[Operation]) -> list[Result]:
        """Write all operations in one durable transaction; results come in the same order.

        An operation whose values the database refuses is written in a shorter form, flagged; one that it refuses in
        any form gets a LedgerError as its result. The others are written as they are.

        Raises:
            Exception: the driver's error when the database cannot be written at all; then nothing of the batch is kept.
        """
        try:
            return self._committed(operations)
        except self._driver.rejections as error:
            if len(operations) == 1:
                return [self._leaner(operations[0], error)]
        return [self.apply([operation])[0] for operation in operations]

    def apply_apart(self, operations: Mapping[int, Operation]) -> dict[int, Result]:
        """Write what can be written where there is no room for all: each alone, shortened where that helps.

        Returns:
            Results of those that were written (or refused) by their keys.
        """
        results: dict[int, Result] = {}
        for place, operation in operations.items():
            for form in (operation, *leaner(operation, "the disk is full")):
                with contextlib.suppress(Exception):  # the next form is shorter; what is left over is tried again
                    results[place] = self.apply([form])[0]
                    break
        return results

    def lacks_room(self, error: Exception) -> bool:
        """Whether a failed write failed because the disk is full."""
        return self._driver.lacks_room(error)

    def _leaner(self, operation: Operation, refusal: Exception) -> Result:
        for shorter in leaner(operation, _one_line(refusal)):
            try:
                return self._committed([shorter])[0]
            except self._driver.rejections:
                continue
        return _refused(operation, refusal)

    def _committed(self, operations: Sequence[Operation]) -> list[Result]:
        return again_after_collisions(lambda: self._transaction(operations))

    def _transaction(self, operations: Sequence[Operation]) -> list[Result]:
        try:
            self._driver.begin()
            results = self._write(operations)
            self._driver.commit()
        except BaseException:
            self._undo()
            raise
        self._remember(operations, results)
        return results

    def _undo(self) -> None:
        self._forget()
        self._driver.rollback()

    def _remember(self, operations: Sequence[Operation], results: Sequence[Result]) -> None:
        for operation, result in zip(operations, results, strict=True):
            if isinstance(operation, Settle):
                self._in_flight.pop(operation.outcome.attempt_id, None)
            elif isinstance(operation, Send) and isinstance(result, int):
                self._in_flight[result] = _in_flight(operation.start)
        while len(self._prompts) > PROMPTS_REMEMBERED:
            self._prompts.popitem(last=False)

    def _write(self, operations: Sequence[Operation]) -> list[Result]:
        sends, settles, reused, scores = _sorted_by_kind(operations)
        flights = [self._flight(settle.outcome.attempt_id) for settle in settles]
        scope_sets = {flight.scopes for flight in flights}
        scope_sets.update([send.start.budget_scopes for _, send in sends])
        movements = self._movements(sorted(set().union(*scope_sets)))
        self._write_settles(settles, flights, movements)
        results: list[Result] = [None] * len(operations)
        self._write_sends(sends, movements, results)
        self._write_reused(reused, movements, results)
        if scores:
            self._driver.many(sql.INSERT_SCORE, [sql.score_row(score) for score in scores])
        if changed := movements.changes():
            self._driver.move_budgets(changed)
        return results

    def _movements(self, scopes: Sequence[str]) -> Movements:
        if not scopes:
            return Movements([])
        stored = self._driver.budgets(scopes)
        if len(stored) < len(scopes):
            self._driver.many(sql.TRACK_BUDGET, [(scope,) for scope in scopes])
            stored = self._driver.budgets(scopes)
        return Movements(stored)

    def _write_sends(self, sends: Sequence[tuple[int, Send]], movements: Movements, results: list[Result]) -> None:
        """Insert what the budgets allow, first come first served; puts the result of each in its place."""
        if not sends:
            return
        admitted: list[tuple[int, AttemptStart]] = []
        lacking = self._driver.lack_of_room(len(self._in_flight) + len(sends))
        for place, send in sends:
            reached = lacking or movements.reserve(send.start)
            if reached is None:
                admitted.append((place, send.start))
            else:
                results[place] = reached
        if admitted:
            ids = self._driver.ids("attempts", "attempt_id", len(admitted))
            rows = [self._start_row(attempt_id, start) for attempt_id, (_, start) in zip(ids, admitted, strict=True)]
            self._driver.many(sql.INSERT_ATTEMPT, rows)
            for attempt_id, (place, _) in zip(ids, admitted, strict=True):
                results[place] = attempt_id

    def _write_reused(self, reused: Sequence[tuple[int, Reuse]], movements: Movements, results: list[Result]) -> None:
        if not reused:
            return
        ids = self._driver.ids("attempts", "attempt_id", len(reused))
        for attempt_id, (place, one) in zip(ids, reused, strict=True):
            self._driver.many(sql.INSERT_ATTEMPT, [self._start_row(attempt_id, one.start)])
            outcome = replace(one.outcome, attempt_id=attempt_id)
            settle = Settle(outcome=outcome, transcript=one.transcript)
            self._write_settles([settle], [_in_flight(one.start)], movements)
            results[place] = attempt_id

    def _write_settles(self, settles: Sequence[Settle], flights: Sequence[InFlight], movements: Movements) -> None:
        if not settles:
            return
        rows: list[Row] = []
        transcripts: list[tuple[int, Packed]] = []
        for settle, flight in zip(settles, flights, strict=True):
            outcome = settle.outcome
            charged = outcome.charged_pico_usd
            unknown = flight.reserved_pico_usd + outcome.unreserved_pico_usd
            movements.release(flight, unknown if charged is None else charged)
            if settle.transcript is not None:
                packed = self._packed(settle.transcript)
                if lacking := self._lack_of_room(packed, [one for _, one in transcripts]):
                    outcome = with_flag(outcome, "transcript_not_stored", lacking)
                else:
                    transcripts.append((outcome.attempt_id, packed))
            rows.append(self._outcome_row(outcome, flight))
        if self._driver.many(sql.SETTLE_ATTEMPT, rows) != len(rows):
            # in a batch of several this sends the batch back to be written one by one
            raise ValueError("the attempt is not in the ledger, or is settled already")
        self._write_transcripts(transcripts)

    def _flight(self, attempt_id: int) -> InFlight:
        known = self._in_flight.get(attempt_id)
        if known is not None:
            return known
        found = self._driver.fetch(sql.IN_FLIGHT, (attempt_id,))  # sent by an earlier process
        if not found:
            raise ValueError(f"attempt {attempt_id} is not in the ledger")
        cell_id, reserved, scopes, model, tier, mode, provider = found[0]
        return InFlight(cell_id, reserved, tuple(read_json(scopes) or ()), model, tier, mode, provider)

    def _start_row(self, attempt_id: int, start: AttemptStart) -> Row:
        parameters, budgets = self._parameter_set(start), self._budget_set(start.budget_scopes)
        return sql.sent_row(start, attempt_id, parameters, budgets)

    def _parameter_set(self, start: AttemptStart) -> int:
        # a provider shares one mapping between the requests that agree on it: as long as it comes again it is known
        if start.parameters is self._newest_parameters[0]:
            return self._newest_parameters[1]
        parameters = canonical_json(start.parameters)
        known = self._parameter_sets.get(parameters)
        if known is None:
            digest = hashlib.sha256(parameters.encode()).hexdigest()
            self._driver.many(sql.ADD_PARAMETER_SET, [(digest, parameters)])
            known = self._driver.fetch(sql.PARAMETER_SET, (digest,))[0][0]
            if len(self._parameter_sets) > PROMPTS_REMEMBERED:  # a seed per sample makes each set different
                self._parameter_sets.clear()
            self._parameter_sets[parameters] = known
        self._newest_parameters = (start.parameters, known)
        return known

    def _budget_set(self, scopes: tuple[str, ...]) -> int | None:
        if not scopes:
            return None
        known = self._budget_sets.get(scopes)
        if known is None:
            listed = canonical_json(scopes)
            self._driver.many(sql.ADD_BUDGET_SET, [(listed,)])
            if len(self._budget_sets) > PROMPTS_REMEMBERED:  # a cap for each sample makes each set different
                self._budget_sets.clear()
            known = self._budget_sets[scopes] = self._driver.fetch(sql.BUDGET_SET, (listed,))[0][0]
        return known

    def insert_settled(self, ended: Sequence[tuple[AttemptStart, AttemptOutcome, Transcript | None]]) -> list[int]:
        """Insert requests that ended elsewhere, in a transaction that the caller began; gives their ids in order."""
        ids = self._driver.ids("attempts", "attempt_id", len(ended))
        rows: list[Row] = []
        transcripts: list[tuple[int, Packed]] = []
        for attempt_id, (start, outcome, said) in zip(ids, ended, strict=True):
            parameters = self._parameter_set(start)
            where_it_belongs = self._belongs(outcome, _in_flight(start))
            rows.append(sql.whole_row(start, attempt_id, parameters, None, outcome, *where_it_belongs))
            if said is not None:
                transcripts.append((attempt_id, self._packed(said)))
        self._driver.many(sql.INSERT_SETTLED, rows)
        self._write_transcripts(transcripts)
        while len(self._prompts) > PROMPTS_REMEMBERED:
            self._prompts.popitem(last=False)
        return ids

    def _outcome_row(self, outcome: AttemptOutcome, flight: InFlight) -> Row:
        return (*sql.settled_row(outcome, *self._belongs(outcome, flight)), outcome.attempt_id)

    def _belongs(self, outcome: AttemptOutcome, flight: InFlight) -> tuple[str | None, str | None, int]:
        """Give model and tier as served, and the usage group that an attempt belongs to."""
        usage = outcome.usage
        served = storable(outcome.model_served, LONGEST_NAME)
        tier = storable(outcome.service_tier or flight.service_tier, LONGEST_WORD)
        group = GroupDimensions(
            provider=flight.provider or self._provider(flight.cell_id),
            model=served or storable(flight.model_requested, LONGEST_NAME),
            service_tier=tier,
            mode=flight.mode,
            speed=storable(usage.speed, LONGEST_WORD),
            inference_geo=storable(usage.inference_geo, LONGEST_WORD),
            thinking=None if usage.thinking is None else int(usage.thinking),
            slot_us=slot(outcome.finished_at_us),
            context_bucket=context_bucket(usage.context_tokens),
            usage_known=int(usage.input_tokens is not None and usage.output_tokens is not None),
            itemised=int(usage.reasoning_tokens is not None),
            truncated=int(outcome.finish_reason == "length"),
            refused=int(outcome.refused),
        )
        return served, tier, self._usage_group(group)

    def _provider(self, cell_id: int) -> str:
        known = self._providers.get(cell_id)
        if known is None:
            known = self._providers[cell_id] = self._driver.fetch(sql.CELL_PROVIDER, (cell_id,))[0][0]
        return known

    def _usage_group(self, group: GroupDimensions) -> int:
        known = self._groups.get(group)
        if known is None:
            self._driver.many(sql.ADD_USAGE_GROUP, [group])
            known = self._groups[group] = self._driver.fetch(sql.USAGE_GROUP, compared(group))[0][0]
        return known

    def _packed(self, said: Transcript) -> Packed:
        pack = self._compression.pack
        reasoning = None if said.reasoning is None else pack(text_bytes(said.reasoning))
        calls = pack(canonical_json(list(said.tool_calls)).encode()) if said.tool_calls else None
        return canonical_json(said.messages).encode(), pack(text_bytes(said.answer)), reasoning, calls

    def _lack_of_room(self, packed: Packed, before: Sequence[Packed]) -> str | None:
        """Say why a transcript is left out: it would take the room of what else is in flight."""
        n_bytes = _size(packed)
        if n_bytes <= LARGE_TRANSCRIPT_BYTES:
            return None
        if self._driver.has_room(n_bytes + sum(map(_size, before)), in_flight=len(self._in_flight)):
            return None
        return f"no room: its {n_bytes:,} bytes would have filled the disk"

    def _write_transcripts(self, transcripts: Sequence[tuple[int, Packed]]) -> None:
        if not transcripts:
            return
        prompts = self._prompt_ids([packed[0] for _, packed in transcripts])
        rows = [
            (attempt_id, prompt_id, answer, reasoning, calls)
            for prompt_id, (attempt_id, (_, answer, reasoning, calls)) in zip(prompts, transcripts, strict=True)
        ]
        self._driver.many(sql.INSERT_TRANSCRIPT, rows)

    def _prompt_ids(self, bodies: Sequence[bytes]) -> list[int]:
        digests = [hashlib.sha256(body).digest() for body in bodies]
        missing = {digest: body for digest, body in zip(digests, bodies, strict=True) if digest not in self._prompts}
        if missing:
            # in one order everywhere, so that two processes never wait for each other's prompts
            new = sorted((digest, self._compression.pack(body)) for digest, body in missing.items())
            self._driver.many(sql.ADD_PROMPT, new)
            self._prompts.update(self._driver.fetch(sql.prompt_ids(len(new)), [digest for digest, _ in new]))
        return [self._prompts[digest] for digest in digests]


def _sorted_by_kind(
    operations: Sequence[Operation],
) -> tuple[list[tuple[int, Send]], list[Settle], list[tuple[int, Reuse]], list[ScoreRecord]]:
    """Take operations apart; those with a result of their own keep their place."""
    sends: list[tuple[int, Send]] = []
    settles: list[Settle] = []
    reused: list[tuple[int, Reuse]] = []
    scores: list[ScoreRecord] = []
    for place, operation in enumerate(operations):
        match operation:
            case Send():
                sends.append((place, operation))
            case Settle():
                settles.append(operation)
            case AddScore():
                scores.append(operation.score)
            case Reuse():
                reused.append((place, operation))
    scores.extend(settle.score for settle in settles if settle.score is not None)
    return sends, settles, reused, scores


def _in_flight(start: AttemptStart) -> InFlight:
    return InFlight(
        start.cell_id,
        start.reserved_pico_usd,
        start.budget_scopes,
        start.model_requested,
        start.service_tier,
        start.mode,
        start.provider,
    )


def _size(packed: Packed) -> int:
    return sum(len(part) for part in packed if part is not None)


def _refused(operation: Operation, error: Exception) -> LedgerError:
    match operation:
        case Send(start=start) | Reuse(start=start):
            place = f"request {start.request_id}"
        case Settle(outcome=outcome):
            place = f"attempt {outcome.attempt_id}"
        case AddScore(score=score):
            place = f"score of attempt {score.attempt_id}"
    return LedgerError(f"the ledger refused a row: {_one_line(error)}", where=place)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
