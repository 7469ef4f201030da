"""OpenAI's batches: a file of lines goes up, an output file and an error file come back.

Data flows prepared lines -> uploaded file -> batch, named in its metadata -> state -> results of its files.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

import aiohttp

from harness.errors import ErrorClass, ProviderError
from harness.models import ModelSpec
from harness.pricing.model_facts import facts_about
from harness.providers.base import Prepared, Request
from harness.providers.batch_api import fields
from harness.providers.batch_api.batch_results import (
    BatchResult,
    Outcome,
    Trouble,
    answer_in,
    ended_early,
    failure_in,
    results_in,
)
from harness.providers.batch_api.batches import (
    BatchHandle,
    BatchLine,
    BatchProgress,
    BatchSearch,
    NotBegunError,
    SoughtBatch,
    check_lines,
    id_in_path,
    unknown_state,
)
from harness.providers.batch_api.endpoint import BatchEndpoint
from harness.providers.failures import shortened
from harness.providers.settings import map_parameters
from harness.providers.wire.answers import chat_response, responses_response
from harness.providers.wire.raw_answers import Document, Received, usage_stated_in
from harness.providers.wire.requests import chat_message, dump_body, responses_items
from harness.usage.kinds import CHAT, RESPONSES
from harness.usage.payload import shown

_WITH_RESULTS = ("completed", "expired", "cancelled")
_FINAL = (*_WITH_RESULTS, "failed")


class OpenAIBatches:
    """OpenAI's batches: a file of lines goes up, an output and an error file come back.

    Args:
        spec: the model of every line.
        base_url: with its `/v1`.
        api_key: None = none is sent.
    """

    name = "openai"
    max_lines = 50_000
    max_bytes = 200_000_000

    def __init__(self, spec: ModelSpec, *, base_url: str, api_key: str | None) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._endpoint = BatchEndpoint(self.name, base_url, headers)
        facts = facts_about(spec.provider, spec.model)
        self._responses = facts is not None and facts.responses_api

    def prepare(self, request: Request) -> Prepared:
        """Map a request to a line's body."""
        mapped = map_parameters(request)
        if self._responses:
            conversation = {"input": [item for message in request.messages for item in responses_items(message)]}
        else:
            conversation = {"messages": [chat_message(message) for message in request.messages]}
        body = {"model": request.model.model, **conversation, **mapped.parameters}
        return Prepared(request=request, parameters=mapped.parameters, notes=mapped.notes, payload=body)

    async def submit(self, lines: Sequence[BatchLine], *, key: str) -> BatchHandle:
        """Upload the lines, then start the batch; the key goes into its metadata."""
        check_lines(lines, self.max_lines)
        url = "/v1/responses" if self._responses else "/v1/chat/completions"
        rows = [
            dump_body({"custom_id": line.custom_id, "method": "POST", "url": url, "body": line.prepared.payload})
            for line in lines
        ]
        form = aiohttp.FormData()
        form.add_field("purpose", "batch")
        form.add_field("file", b"\n".join(rows), filename="batch.jsonl", content_type="application/jsonl")
        try:
            file_id = fields.id_in(await self._endpoint.call("POST", "/files", data=form), "file of lines")
        except ProviderError as error:
            raise NotBegunError(error) from error
        wanted = {
            "input_file_id": file_id,
            "endpoint": url,
            "completion_window": "24h",
            "metadata": {"benchtab": key},
        }
        batch = await self._endpoint.call("POST", "/batches", body=wanted)
        return BatchHandle(provider=self.name, batch_id=fields.id_in(batch, "batch"), n_lines=len(lines))

    def finds(self, key: str) -> bool:
        """Every batch is listed with its key."""
        del key
        return True

    async def find(self, sought: SoughtBatch) -> BatchSearch:
        """Look through all batches, newest first, for the key in their metadata."""
        async for batch in self._endpoint.listed("/batches", cursor="after"):
            if fields.mapping(batch.get("metadata")).get("benchtab") == sought.key:
                return BatchSearch(handle=self._found(batch))
        return BatchSearch()

    def _found(self, batch: Document) -> BatchHandle:
        if not fields.is_usable_id(batch.get("id")):
            raise ProviderError(
                f"the batch is at {self.name} under an id that cannot be used ({shown(batch.get('id'))});"
                " it is possibly billed, and is not handed over again",
                error_class=ErrorClass.BAD_REQUEST,
            )
        n_lines = fields.count(fields.mapping(batch.get("request_counts")).get("total"))
        return BatchHandle(provider=self.name, batch_id=str(batch["id"]), n_lines=n_lines or 0)

    async def _state(self, handle: BatchHandle) -> Document:
        return await self._endpoint.call("GET", f"/batches/{id_in_path(handle)}")

    async def poll(self, handle: BatchHandle) -> BatchProgress:
        """Ask how far a batch is; an expired or cancelled batch has ended, with results for what was done."""
        batch = await self._state(handle)
        counts = fields.mapping(batch.get("request_counts"))
        n_answered = fields.count(counts.get("completed"))
        n_done = fields.total(n_answered, fields.count(counts.get("failed")))
        word = batch.get("status")
        if word in _WITH_RESULTS or (word == "failed" and (n_answered or _files(batch))):
            ended_at = fields.instant_of_seconds(batch.get(f"{word}_at"))
            return BatchProgress(
                status="ended", n_done=n_done, n_answered=n_answered, detail=str(word), ended_at=ended_at
            )
        if word == "failed":
            why = shortened(f"failed: {_reasons(batch.get('errors'))}")
            return BatchProgress(status="failed", n_done=n_done, detail=why)
        if word in ("validating", "in_progress", "finalizing", "cancelling"):
            return BatchProgress(status="in_progress", n_done=n_done, detail=str(word))
        raise unknown_state(word)

    async def collect(self, handle: BatchHandle) -> AsyncIterator[BatchResult | Trouble]:
        """Yield the lines of the output file and of the error file."""
        batch = await self._state(handle)
        if batch.get("status") not in _FINAL:
            raise unknown_state(batch.get("status"))  # it has ended: this is not its state
        files = _files(batch)
        if not files and fields.count(fields.mapping(batch.get("request_counts")).get("completed")) != 0:
            yield Trouble(place="the output file", reason="the batch names none", whole_file=True)
        for name, file_id in files.items():
            if not fields.is_usable_id(file_id):
                yield Trouble(place=f"the {name}", reason=f"its id cannot be used: {shown(file_id)}", whole_file=True)
                continue
            lines, needed = self._endpoint.lines(f"/files/{file_id}/content"), name == "output file"
            async for found in results_in(
                lines, f"the {name}", self._outcome, n_requests=handle.n_lines, needed=needed
            ):
                yield found

    def _outcome(self, line: Document) -> Outcome:
        answer = line.get("response")
        if not isinstance(answer, dict):
            return self._unanswered(line)
        status, body = fields.status_code(answer.get("status_code")), answer.get("body")
        request_id = answer.get("request_id")
        headers = {"x-request-id": request_id} if isinstance(request_id, str) and request_id else {}
        received = self._received(headers, status=status or 200)
        usage = usage_stated_in(body, answer, line)
        if not 200 <= received.status < 300:
            return failure_in(body, self._endpoint.failure, received, usage=usage)
        return answer_in(responses_response if self._responses else chat_response, body, received, usage=usage)

    def _received(self, headers: Mapping[str, str], *, status: int) -> Received:
        kind = RESPONSES if self._responses else CHAT
        return Received(provider=self.name, usage_kind=kind, headers=headers, status=status)

    def _unanswered(self, line: Document) -> Outcome:
        """A line that holds no response: it expired, was cancelled, or met an error before or while it was answered."""
        error = fields.mapping(line.get("error"))
        code, usage = error.get("code"), usage_stated_in(line)
        if code in ("batch_expired", "batch_cancelled") and usage is None:
            return ended_early(str(code), error.get("message"))
        body = {"error": line.get("error") or "neither a response nor an error"}
        return failure_in(body, self._endpoint.failure, self._received({}, status=500), usage=usage)

    async def aclose(self) -> None:
        """Close connections."""
        await self._endpoint.aclose()


def _files(batch: Document) -> dict[str, object]:
    """The files of results that a batch of OpenAI names, by our names for them."""
    named = {"output file": batch.get("output_file_id"), "error file": batch.get("error_file_id")}
    return {name: file_id for name, file_id in named.items() if file_id}


def _reasons(errors: object) -> str:
    """Why a batch of OpenAI failed as a whole."""
    listed = fields.mapping(errors).get("data")
    messages = [fields.mapping(each).get("message") for each in listed] if isinstance(listed, list) else []
    return "; ".join(message for message in messages if isinstance(message, str)) or shown(errors)
