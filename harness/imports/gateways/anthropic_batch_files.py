"""Anthropic's message batches: a file of results (answers, errors, expired and cancelled requests), and the requests.

Data flows results (and requests, and the batch object, where they were saved) -> records.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.declared import JsonObject
from harness.errors import ErrorClass, ProviderError
from harness.imports.containers.json_values import a_list, a_text, an_object
from harness.imports.gateways.joined_batches import (
    JOB,
    REQUESTS,
    RESULTS,
    Dialect,
    Outcome,
    Stated,
    batch_format,
    count_in,
    run_status,
)
from harness.imports.gateways.logged_answers import logged_failure, read_logged
from harness.imports.harnesses.logged_settings import setting_of
from harness.imports.log_instants import instant_us
from harness.imports.log_peeks import Peek
from harness.imports.log_records import ImportedRun
from harness.imports.refusal import ImportRefused
from harness.ledger.records import SettledStatus

NAME = "anthropic_batch"
KEY = "custom_id"


def role_of(look: Peek) -> str | None:
    """Recognise results by `custom_id` with `result`, requests by `custom_id` with `params`, and the batch object."""
    first, top = look.first, look.top
    if KEY in first and "result" in first:
        return RESULTS
    posted = an_object(next(iter(a_list(top.get("requests"))), None))
    if (KEY in first and "params" in first) or {KEY, "params"} <= posted.keys():
        return REQUESTS
    return JOB if top.get("type") == "message_batch" and "request_counts" in top else None


def _outcome(row: JsonObject, provider: str, where: str) -> Outcome:
    result = an_object(row.get("result"))
    ended, message = a_text(result.get("type")), an_object(result.get("message"))
    if ended == "succeeded" and message and "error" not in result:
        answer = read_logged(message, provider)
        return Outcome(status="succeeded", answer=answer, request_id=a_text(message.get("id")), document=message)
    if message:
        raise ImportRefused(f"a line that is both an answer and {ended or 'an error'}", where=where)
    if ended is not None and ended in _EARLY:
        early = ProviderError(f"{ended} with its batch", error_class=ErrorClass.TIMEOUT, billed="no")
        return Outcome(status=_EARLY[ended], failure=early)
    return Outcome(status="failed", failure=logged_failure(result.get("error"), provider, None))


_EARLY: Mapping[str, SettledStatus] = {"expired": "timed_out", "canceled": "cancelled", "cancelled": "cancelled"}


def _stated(job: JsonObject) -> Stated:
    counts = an_object(job.get("request_counts"))
    ended = run_status("in_progress" if job.get("processing_status") != "ended" else None)
    was_cut = any(count_in(counts, name) for name in ("canceled", "expired", "processing"))
    return Stated(
        run=ImportedRun(
            key=a_text(job.get("id")) or NAME,
            tool=NAME,
            created_at_us=instant_us(job.get("created_at")),
            finished_at_us=instant_us(job.get("ended_at")),
            status="partial" if was_cut else ended,
            config={"processing_status": job.get("processing_status"), "request_counts": counts},
        ),
        total=sum(count or 0 for name in counts if (count := count_in(counts, name)) is not None) or None,
    )


FORMAT = batch_format(
    Dialect(
        fmt=NAME,
        key=KEY,
        body="params",
        provider=lambda _: "anthropic",
        outcome=_outcome,
        setting=setting_of,
        stated=_stated,
    ),
    title="Anthropic message batches",
    looks_for="JSON Lines with custom_id and result (or params), the message_batch object beside them",
    role_of=role_of,
    cannot_tell=(
        "No line says when it was answered: the beginning of the batch is taken, if its object lies beside them.",
        "Thinking tokens are part of the output, and itemised by newer answers only.",
        "Scores, latencies and what the batch cost are not in it.",
    ),
)
