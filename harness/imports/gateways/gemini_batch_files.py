"""Gemini's batch results, joined on `key`.

Data flows result lines (and requests, and the job, where they were saved) -> records.
"""

from __future__ import annotations

from harness.declared import JsonObject
from harness.imports.containers.json_values import a_text, an_object
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
from harness.providers.wire.finish_reasons import says_something

NAME = "gemini_batch"
KEY = "key"


def role_of(look: Peek) -> str | None:
    """Recognise results by `key` with `response` or `error`, requests by `key` with `request`, and the job."""
    first, top = look.first, look.top
    if a_text(first.get(KEY)) and ("response" in first or "error" in first):
        return RESULTS
    if a_text(first.get(KEY)) and "contents" in an_object(first.get("request")):
        return REQUESTS
    return JOB if str(top.get("name") or "").startswith("batches/") and look.container == "json" else None


def _outcome(row: JsonObject, provider: str, where: str) -> Outcome:
    response, error = an_object(row.get("response")), row.get("error")
    answer = read_logged(response, provider) if response else None
    if says_something(error) and answer is not None and answer.usage is not None:
        raise ImportRefused("a line that is both an answer and an error", where=where)
    if answer is None or says_something(error):
        return Outcome(status="failed", failure=logged_failure({"error": error}, provider, None))
    return Outcome(status="succeeded", answer=answer, document=response)


def _setting(body: JsonObject) -> str | None:
    config = an_object(body.get("generationConfig", body.get("generation_config")))
    return setting_of(an_object(config.get("thinkingConfig", config.get("thinking_config"))))


def _stated(job: JsonObject) -> Stated:
    facts = {**an_object(job.get("metadata")), **job}
    counts = an_object(facts.get("batchStats", facts.get("batch_stats")))
    model = a_text(facts.get("model"))
    return Stated(
        run=ImportedRun(
            key=a_text(job.get("name")) or NAME,
            tool=NAME,
            name=a_text(facts.get("displayName")) or a_text(facts.get("display_name")),
            created_at_us=instant_us(facts.get("createTime", facts.get("create_time"))),
            finished_at_us=instant_us(facts.get("endTime", facts.get("end_time"))),
            status=run_status(facts.get("state")),
        ),
        model=model and model.removeprefix("models/"),
        total=count_in(counts, "requestCount", "request_count"),
    )


FORMAT = batch_format(
    Dialect(
        fmt=NAME,
        key=KEY,
        body="request",
        provider=lambda _: "google",
        outcome=_outcome,
        setting=_setting,
        stated=_stated,
    ),
    title="Gemini batch results",
    looks_for="JSON Lines with key and response (or request), the job beside them",
    role_of=role_of,
    cannot_tell=(
        "No line says when it was answered: the beginning of the job is taken, where it lies beside the results.",
        "The model as asked stands in the job alone; a failed line names none.",
        "Scores, latencies and what the batch cost are not in it.",
    ),
)
