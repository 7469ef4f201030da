"""Anthropic's message batches: one POST with all lines, one results file.

Data flows prepared lines -> batch -> state -> results. Anthropic keeps no name of ours for a batch.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from harness.messages import ImagePart, Message
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
    check_lines,
    id_in_path,
    unknown_state,
)
from harness.providers.batch_api.endpoint import BatchEndpoint
from harness.providers.settings import map_parameters
from harness.providers.wire.answers import anthropic_response
from harness.providers.wire.raw_answers import Document, Received, usage_stated_in
from harness.providers.wire.requests import image_base64


class AnthropicBatches:
    """Anthropic's message batches: one POST with all lines, one results file."""

    name = "anthropic"
    max_lines = 100_000
    max_bytes = 256_000_000
    keeps_names = False

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
        """Start a batch; Anthropic keeps no name for it, so the key is not sent."""
        del key
        check_lines(lines, self.max_lines)
        requests = [{"custom_id": line.custom_id, "params": line.prepared.payload} for line in lines]
        batch = await self._endpoint.call("POST", "/v1/messages/batches", body={"requests": requests})
        return BatchHandle(provider=self.name, batch_id=fields.id_in(batch, "batch"), n_lines=len(lines))

    async def find(self, key: str) -> BatchHandle | None:
        """None: Anthropic's batches carry no name to look for."""
        del key
        return None

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
        """Yield the lines of the results file."""
        lines = self._endpoint.lines(f"/v1/messages/batches/{id_in_path(handle)}/results")
        async for found in results_in(lines, "the results file", self._outcome, n_requests=handle.n_lines):
            yield found

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
    return {"role": message.role, "content": [_anthropic_part(part) for part in message.content]}


def _anthropic_part(part: str | ImagePart) -> dict[str, object]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    source = {"type": "base64", "media_type": part.media_type, "data": image_base64(part)}
    return {"type": "image", "source": source}
