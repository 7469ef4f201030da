"""Anthropic's message batches: one POST with all lines, one results file.

Data flows prepared lines -> batch -> state -> results. Anthropic keeps no name of ours for a batch, so each line's id
carries it: when a batch has ended, its results say whose it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta

from harness.errors import ErrorClass, ProviderError
from harness.messages import ImagePart, Message, sent_parts
from harness.models import ModelSpec
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
    SoughtBatch,
    check_lines,
    id_in_path,
    is_key,
    unknown_state,
)
from harness.providers.batch_api.endpoint import BatchEndpoint
from harness.providers.settings import map_parameters
from harness.providers.wire.answers import anthropic_response
from harness.providers.wire.raw_answers import Document, Received, usage_stated_in
from harness.providers.wire.requests import image_base64

_CLOCKS_DIFFER = timedelta(minutes=10)


class AnthropicBatches:
    """Anthropic's message batches: one POST with all lines, one results file."""

    name = "anthropic"
    max_lines = 100_000
    max_bytes = 256_000_000

    def __init__(self, spec: ModelSpec, *, base_url: str, api_key: str | None) -> None:
        del spec  # every model is served alike
        headers = {"anthropic-version": "2023-06-01", **({"x-api-key": api_key} if api_key else {})}
        self._endpoint = BatchEndpoint(self.name, base_url, headers)

    def prepare(self, request: Request) -> Prepared:
        """Map a request to a line's params; the system message stands apart."""
        mapped = map_parameters(request)
        system = "\n\n".join(str(each.content) for each in request.messages if each.role == "system")
        messages = [_anthropic_message(each) for each in request.messages if each.role != "system"]
        body = {"model": request.model.model, "messages": messages, **mapped.parameters}
        if system:
            body["system"] = system
        return Prepared(request=request, parameters=mapped.parameters, notes=mapped.notes, payload=body)

    async def submit(self, lines: Sequence[BatchLine], *, key: str) -> BatchHandle:
        """Start a batch; its key goes into the ids of its lines."""
        check_lines(lines, self.max_lines)
        suffix = f"-{key}" if is_key(key) else ""
        requests = [{"custom_id": line.custom_id + suffix, "params": line.prepared.payload} for line in lines]
        batch = await self._endpoint.call("POST", "/v1/messages/batches", body={"requests": requests})
        return BatchHandle(provider=self.name, batch_id=fields.id_in(batch, "batch"), n_lines=len(lines))

    def finds(self, key: str) -> bool:
        """Lines of version 0.1 do not carry the key of their batch."""
        return is_key(key)

    async def find(self, sought: SoughtBatch) -> BatchSearch:
        """Look through batches of as many lines, begun since: one that has ended shows the key in its results.

        The list is newest first (docs.claude.com/en/api/listing-message-batches, read 2026-11).
        """
        is_open = False
        async for batch in self._endpoint.listed("/v1/messages/batches", cursor="after_id"):
            begun = fields.instant_of_text(batch.get("created_at"))
            if begun is not None and begun < sought.since - _CLOCKS_DIFFER:
                break
            counts = fields.mapping(batch.get("request_counts"))
            if fields.total(*map(fields.count, counts.values())) not in (None, sought.n_lines):
                continue
            handle = BatchHandle(provider=self.name, batch_id=fields.id_in(batch, "batch"), n_lines=sought.n_lines)
            if batch.get("processing_status") != "ended":
                is_open = True
            elif await self._carries(handle, sought.key):
                return BatchSearch(handle=handle)
        return BatchSearch(is_open=is_open)

    async def _carries(self, handle: BatchHandle, key: str) -> bool:
        """Whether the lines of a batch that has ended carry a key; those of one hand-over all do."""
        async for found in self._results(handle):
            if isinstance(found, BatchResult):
                return found.custom_id.endswith(f"-{key}")
        raise ProviderError(
            f"the results of batch {handle.batch_id} do not say whose it is", error_class=ErrorClass.MALFORMED_RESPONSE
        )

    async def poll(self, handle: BatchHandle) -> BatchProgress:
        """Ask how far a batch is."""
        batch = await self._endpoint.call("GET", f"/v1/messages/batches/{id_in_path(handle)}")
        counts = fields.mapping(batch.get("request_counts"))
        n_answered = fields.count(counts.get("succeeded"))
        n_unanswered = [fields.count(counts.get(name)) for name in ("errored", "canceled", "expired")]
        n_done = fields.total(n_answered, *n_unanswered)
        word = batch.get("processing_status")
        if word == "ended":
            ended_at = fields.instant_of_text(batch.get("ended_at"))
            return BatchProgress(status="ended", n_done=n_done, n_answered=n_answered, detail=word, ended_at=ended_at)
        if word in ("in_progress", "canceling"):
            return BatchProgress(status="in_progress", n_done=n_done, detail=str(word))
        raise unknown_state(word)

    async def collect(self, handle: BatchHandle) -> AsyncIterator[BatchResult | Trouble]:
        """Yield the lines of the results file, with the ids that they were handed over with."""
        async for found in self._results(handle):
            if isinstance(found, BatchResult):
                own_id, _, key = found.custom_id.rpartition("-")
                yield replace(found, custom_id=own_id) if is_key(key) else found
            else:
                yield found

    def _results(self, handle: BatchHandle) -> AsyncIterator[BatchResult | Trouble]:
        lines = self._endpoint.lines(f"/v1/messages/batches/{id_in_path(handle)}/results")
        return results_in(lines, "the results file", self._outcome, n_requests=handle.n_lines)

    def _outcome(self, line: Document) -> Outcome:
        result = fields.mapping(line.get("result"))
        word, message = result.get("type"), result.get("message")
        usage, received = usage_stated_in(message, result, line), Received(provider=self.name)
        if word == "errored":
            stated = fields.mapping(result.get("error"))
            inner = fields.mapping(stated.get("error")) or stated
            status = 400 if inner.get("type") == "invalid_request_error" else 500
            body = {"error": inner or result.get("error")}
            return failure_in(body, self._endpoint.failure, replace(received, status=status), usage=usage)
        if word in ("canceled", "expired") and usage is None:
            return ended_early(f"batch_{word}", f"the line {word} before it was answered")
        return answer_in(anthropic_response, message, received, usage=usage)

    async def aclose(self) -> None:
        """Close connections."""
        await self._endpoint.aclose()


def _anthropic_message(message: Message) -> dict[str, object]:
    if isinstance(message.content, str):
        return {"role": message.role, "content": message.content}
    return {"role": message.role, "content": [_anthropic_part(part) for part in sent_parts(message.content)]}


def _anthropic_part(part: str | ImagePart) -> dict[str, object]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    source = {"type": "base64", "media_type": part.media_type, "data": image_base64(part)}
    return {"type": "image", "source": source}
