"""Batch files of OpenAI and of those who follow it: Azure, Groq, Mistral, Together, vLLM; joined on `custom_id`.

Data flows input, output and error files, and the batch object where it was saved -> records. An output line holds a
whole answer of the chat or the responses interface; failed lines stand in a file of their own.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.declared import JsonObject
from harness.errors import ErrorClass, ProviderError
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
from harness.imports.gateways.logged_answers import LoggedAnswer, logged_failure, read_logged
from harness.imports.harnesses.asked_models import UNKNOWN_PROVIDER
from harness.imports.harnesses.logged_settings import setting_of
from harness.imports.log_formats import Source
from harness.imports.log_instants import instant_us
from harness.imports.log_peeks import Peek
from harness.imports.log_records import ImportedRun
from harness.imports.refusal import ImportRefused
from harness.ledger.records import SettledStatus
from harness.providers.batch_api.fields import status_code
from harness.providers.wire.finish_reasons import says_something

NAME = "openai_batch"
KEY = "custom_id"


def role_of(look: Peek) -> str | None:
    """Recognise results by `custom_id` with `response`, requests by `custom_id` with `body`, and the batch object."""
    first = look.first
    if KEY in first and not first.keys().isdisjoint(("response", "error")) and "result" not in first:
        return RESULTS
    if KEY in first and "body" in first:
        return REQUESTS
    return JOB if _is_job(look.top) and look.container == "json" else None


def _is_job(document: JsonObject) -> bool:
    return document.get("object") == "batch" and ("input_file_id" in document or "input_files" in document)


def _provider(source: Source) -> str:
    """Tell who served a batch by what only they write; without an answered line the requests have to do."""
    found = (name for row in _seen_rows(source, RESULTS) if (name := _server_of(row)) is not None)
    if (server := next(found, None)) is not None:
        return server
    requests = _seen_rows(source, REQUESTS)
    return "mistral" if requests and not any("url" in row or "method" in row for row in requests) else UNKNOWN_PROVIDER


def _seen_rows(source: Source, role: str) -> list[JsonObject]:
    return [row for file in source.of(role) for row in file.look.rows if isinstance(row, dict)]


def _server_of(row: JsonObject) -> str | None:
    line_id, response = a_text(row.get("id")), an_object(row.get("response"))
    body = an_object(response.get("body"))
    if _is_groq(body):
        return "groq"
    if line_id is None:
        return "azure" if _is_azure(response) else None
    server = next((name for prefix, name in _SERVERS.items() if line_id.startswith(prefix)), None)
    return None if server == "openai" and str(body.get("id") or "").startswith("gen-") else server


_SERVERS = {"vllm-": "vllm", "batch-": "mistral", "batch_req_": "openai"}
"""Servers by how the ids of their lines begin."""


def _is_groq(body: JsonObject) -> bool:
    return "x_groq" in body or "queue_time" in an_object(body.get("usage")) or body.get("service_tier") == "on_demand"


def _is_azure(response: JsonObject) -> bool:
    """Whether a response without an id of its line is Azure's, which filters prompts and numbers requests by UUID."""
    body = an_object(response.get("body"))
    return "prompt_filter_results" in body or str(response.get("request_id") or "").count("-") == 4


def _outcome(row: JsonObject, provider: str, where: str) -> Outcome:
    response, error = an_object(row.get("response")), row.get("error")
    body, status = an_object(response.get("body")), status_code(response.get("status_code"))
    request_id = a_text(row.get("id")) or a_text(response.get("request_id"))
    has_failed = says_something(error)
    answer = read_logged(body, provider) if body else None
    if has_failed and status == 200 and _states_tokens(answer):
        raise ImportRefused("a line that is both an answer and an error", where=where)
    if not has_failed and _is_good(answer, status):
        return Outcome(status="succeeded", answer=answer, request_id=request_id, document=body)
    return Outcome(
        status=_ENDED.get(str(an_object(error).get("code")), "failed"),
        answer=answer,
        failure=_early(an_object(error)) or logged_failure({"error": error} if has_failed else body, provider, status),
        request_id=request_id,
    )


def _states_tokens(answer: LoggedAnswer | None) -> bool:
    return answer is not None and answer.usage is not None


def _is_good(answer: LoggedAnswer | None, status: int | None) -> bool:
    return answer is not None and answer.stated.error is None and (status is None or status < 400)


_ENDED: Mapping[str, SettledStatus] = {
    "batch_expired": "timed_out",
    "batch_cancelled": "cancelled",
    "batch_canceled": "cancelled",
}


def _early(error: JsonObject) -> ProviderError | None:
    """A line that was never asked: it expired or was cancelled with its batch."""
    code = a_text(error.get("code"))
    if code not in _ENDED:
        return None
    return ProviderError(f"{code}: {error.get('message')}", error_class=ErrorClass.TIMEOUT, billed="no")


def _stated(job: JsonObject) -> Stated:
    counts, usage = an_object(job.get("request_counts")), an_object(job.get("usage"))
    sums = count_in(usage, "input_tokens", "prompt_tokens"), count_in(usage, "output_tokens", "completion_tokens")
    ends = [job.get(name) for name in ("completed_at", "expired_at", "cancelled_at", "failed_at")]
    return Stated(
        run=ImportedRun(
            key=a_text(job.get("id")) or NAME,
            tool=NAME,
            name=a_text(an_object(job.get("metadata")).get("run")),
            created_at_us=instant_us(job.get("created_at")),
            finished_at_us=next((end for one in ends if (end := instant_us(one)) is not None), None),
            status=run_status(job.get("status")),
            config={name: job[name] for name in ("endpoint", "completion_window", "status", "metadata") if name in job},
        ),
        model=a_text(job.get("model")),
        total=count_in({**job, **counts}, "total", "total_requests"),
        sums=None if sums[0] is None or sums[1] is None else (sums[0], sums[1]),
    )


FORMAT = batch_format(
    Dialect(fmt=NAME, key=KEY, body="body", provider=_provider, outcome=_outcome, setting=setting_of, stated=_stated),
    title="OpenAI batch files (also of Azure, Groq, Mistral and others)",
    looks_for="JSON Lines with custom_id and response (or body), the batch object beside them",
    role_of=role_of,
    cannot_tell=(
        "A line has no instant but the second at which its answer was made, and failed lines have none.",
        "Scores, latencies and what the batch cost are not in it.",
        "Without the input file the model as asked and the reasoning setting are unknown.",
    ),
)
