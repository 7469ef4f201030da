"""Batch interfaces: many requests handed over at once, answered within a day at the batch price.

Data flows prepared lines -> `submit` -> BatchHandle (to be stored at once) -> `poll` -> `collect` -> one result a line,
in any order. A handle is all that a restarted process needs to go on.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal, Protocol

import aiohttp
import orjson

from harness.errors import Billed, ErrorClass, InputError, ProviderError
from harness.models import ModelSpec
from harness.providers.answers import anthropic_response, chat_response, responses_response
from harness.providers.base import ImagePart, Message, Prepared, Request, Response
from harness.providers.failures import failure_from_http, failure_without_answer, shortened
from harness.providers.messages import chat_message, image_base64, parse_answer, responses_message
from harness.providers.model_facts import facts_about
from harness.providers.settings import map_parameters
from harness.secrets import learn_environment

BatchStatus = Literal["in_progress", "ended", "failed"]

CUSTOM_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The narrower of both providers' rules (Anthropic's)."""

BATCH_PROVIDERS = ("openai", "anthropic")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLine:
    """One request of a batch; `custom_id` joins its result to its attempt row."""

    custom_id: str
    prepared: Prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchHandle:
    """What must be stored after `submit`: with it any later process can poll and collect."""

    provider: str
    batch_id: str
    n_lines: int

    def as_json(self) -> str:
        """Write it as one JSON object."""
        return json.dumps({"provider": self.provider, "batch_id": self.batch_id, "n_lines": self.n_lines})

    @classmethod
    def from_json(cls, text: str) -> BatchHandle:
        """Read what `as_json` wrote."""
        stored = json.loads(text)
        return cls(provider=stored["provider"], batch_id=stored["batch_id"], n_lines=stored["n_lines"])


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchProgress:
    """How far a batch is.

    Attributes:
        status: `ended` = results can be collected (also of an expired or cancelled batch); `failed` = none will come.
        n_done: lines answered or failed so far, None when the provider does not say.
        detail: the provider's own word, and why it failed.
        ended_at: when it ended, None while it has not or when the provider does not say.
    """

    status: BatchStatus
    n_done: int | None = None
    detail: str = ""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """The outcome of one line: a response, or the error that it met (expired and cancelled lines included)."""

    custom_id: str
    outcome: Response | ProviderError


class BatchProvider(Protocol):
    """A batch interface. Nothing retries inside; every method is a few HTTP requests.

    Attributes:
        max_lines, max_bytes: limits of one batch.
        keeps_names: whether `find` can tell that a batch never arrived.
    """

    name: str
    max_lines: int
    max_bytes: int
    keeps_names: bool

    def prepare(self, request: Request) -> Prepared:
        """Map a request to a line's body; see `Provider.prepare`."""
        ...

    async def submit(self, lines: Sequence[BatchLine], *, key: str) -> BatchHandle:
        """Hand lines over; `key` names the batch at the provider where it takes a name (see `find`)."""
        ...

    async def find(self, key: str) -> BatchHandle | None:
        """Find a batch handed over under this key, for a process killed before it could store the handle.

        None also where the provider keeps no names (Anthropic): then its lines are possibly billed.
        """
        ...

    async def poll(self, handle: BatchHandle) -> BatchProgress:
        """Ask how far a batch is."""
        ...

    def collect(self, handle: BatchHandle) -> AsyncIterator[BatchResult]:
        """Yield one result a line in the provider's order; lines without any result are not yielded."""
        ...

    async def aclose(self) -> None:
        """Close connections; safe to call twice."""
        ...


class _Endpoint:
    """A base address with its headers: one HTTP request per call, failures as ProviderError."""

    def __init__(self, provider: str, base_url: str, headers: Mapping[str, str]) -> None:
        self.provider = provider
        self._base_url = base_url.rstrip("/")
        self._headers = dict(headers)
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=300)
            self._session = aiohttp.ClientSession(headers=self._headers, timeout=timeout, trust_env=True)
        return self._session

    async def call(self, method: str, path: str, *, data: Any = None, body: Any = None) -> Any:
        """Send one request and parse its JSON answer."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        payload = orjson.dumps(body) if body is not None else data
        try:
            async with self._open().request(method, self._base_url + path, data=payload, headers=headers) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unanswered(error) from error
        if answer.status >= 400:
            raise self._failed(answer, content)
        return parse_answer(content)

    async def lines(self, path: str) -> AsyncIterator[Any]:
        """Stream a JSON Lines file, one parsed line at a time."""
        rest = b""
        try:
            async with self._open().get(self._base_url + path) as answer:
                if answer.status >= 400:
                    raise self._failed(answer, await answer.read())
                async for chunk in answer.content.iter_any():
                    *whole, rest = (rest + chunk).split(b"\n")
                    for line in whole:
                        if line.strip():
                            yield _parse_line(line)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unanswered(error) from error
        if rest.strip():
            yield _parse_line(rest)

    def _unanswered(self, error: Exception) -> ProviderError:
        error_class = ErrorClass.TIMEOUT if isinstance(error, TimeoutError) else ErrorClass.CONNECTION
        sent = not isinstance(error, aiohttp.ClientConnectorError)
        return failure_without_answer(error, provider=self.provider, error_class=error_class, sent=sent)

    def _failed(self, answer: aiohttp.ClientResponse, content: bytes) -> ProviderError:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return self.line_failure(answer.status, content, headers)

    def line_failure(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> ProviderError:
        """Classify an error answer, of this endpoint or of one line."""
        return failure_from_http(
            provider=self.provider,
            status=status,
            body=content,
            headers=headers or {},
            now=datetime.now(UTC),
        )

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _parse_line(line: bytes) -> Any:
    """Parse a result line; fractions anywhere in it become exact."""
    if b"." in line or b"e-" in line:
        return json.loads(line, parse_float=Decimal)
    return orjson.loads(line)


def _check_lines(lines: Sequence[BatchLine], limit: int) -> None:
    ids = [line.custom_id for line in lines]
    wrong = [custom_id for custom_id in ids if not CUSTOM_ID.fullmatch(custom_id)]
    if not ids or wrong or len(set(ids)) != len(ids) or len(ids) > limit:
        raise InputError(
            f"a batch takes 1 to {limit} lines with unique ids of letters, digits, - and _ (64 at most)",
            where=f"{len(ids)} lines, {len(ids) - len(set(ids))} ids doubled, wrong ids: {wrong[:3]}",
        )


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
    keeps_names = True

    def __init__(self, spec: ModelSpec, *, base_url: str, api_key: str | None) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._endpoint = _Endpoint(self.name, base_url, headers)
        facts = facts_about(spec.provider, spec.model)
        self._responses = facts is not None and facts.responses_api

    def prepare(self, request: Request) -> Prepared:
        """Map a request to a line's body."""
        mapped = map_parameters(request)
        if self._responses:
            conversation = {"input": [responses_message(message) for message in request.messages]}
        else:
            conversation = {"messages": [chat_message(message) for message in request.messages]}
        body = {"model": request.model.model, **conversation, **mapped.parameters}
        return Prepared(request=request, parameters=mapped.parameters, notes=mapped.notes, payload=body)

    async def submit(self, lines: Sequence[BatchLine], *, key: str) -> BatchHandle:
        """Upload the lines, then start the batch; the key goes into its metadata."""
        _check_lines(lines, self.max_lines)
        url = "/v1/responses" if self._responses else "/v1/chat/completions"
        rows = [
            orjson.dumps({"custom_id": line.custom_id, "method": "POST", "url": url, "body": line.prepared.payload})
            for line in lines
        ]
        form = aiohttp.FormData()
        form.add_field("purpose", "batch")
        form.add_field("file", b"\n".join(rows), filename="batch.jsonl", content_type="application/jsonl")
        uploaded = await self._endpoint.call("POST", "/files", data=form)
        wanted = {
            "input_file_id": uploaded["id"],
            "endpoint": url,
            "completion_window": "24h",
            "metadata": {"benchtab": key},
        }
        batch = await self._endpoint.call("POST", "/batches", body=wanted)
        return BatchHandle(provider=self.name, batch_id=batch["id"], n_lines=len(lines))

    async def find(self, key: str) -> BatchHandle | None:
        """Look through all batches, newest first, for the key in their metadata."""
        page = "/batches?limit=100"
        while True:
            listed = await self._endpoint.call("GET", page)
            batches = listed.get("data") or []
            for batch in batches:
                if (batch.get("metadata") or {}).get("benchtab") == key:
                    total = (batch.get("request_counts") or {}).get("total") or 0
                    return BatchHandle(provider=self.name, batch_id=batch["id"], n_lines=total)
            if not batches or not listed.get("has_more"):
                return None
            page = f"/batches?limit=100&after={batches[-1]['id']}"

    async def poll(self, handle: BatchHandle) -> BatchProgress:
        """Ask how far a batch is; an expired or cancelled batch has ended, with results for what was done."""
        batch = await self._endpoint.call("GET", f"/batches/{handle.batch_id}")
        counts = batch.get("request_counts") or {}
        n_done = (counts.get("completed") or 0) + (counts.get("failed") or 0)
        word = str(batch.get("status"))
        if word in ("completed", "expired", "cancelled"):
            ended = batch.get(f"{word}_at")
            at = datetime.fromtimestamp(ended, UTC) if isinstance(ended, int) else None
            return BatchProgress(status="ended", n_done=n_done, detail=word, ended_at=at)
        if word == "failed":
            return BatchProgress(status="failed", n_done=n_done, detail=shortened(f"{word}: {batch.get('errors')}"))
        return BatchProgress(status="in_progress", n_done=n_done, detail=word)

    async def collect(self, handle: BatchHandle) -> AsyncIterator[BatchResult]:
        """Yield the lines of the output file and of the error file."""
        batch = await self._endpoint.call("GET", f"/batches/{handle.batch_id}")
        for file_id in (batch.get("output_file_id"), batch.get("error_file_id")):
            if not file_id:
                continue
            async for line in self._endpoint.lines(f"/files/{file_id}/content"):
                yield BatchResult(custom_id=line["custom_id"], outcome=self._outcome(line))

    def _outcome(self, line: Mapping[str, Any]) -> Response | ProviderError:
        answer = line.get("response")
        if not isinstance(answer, dict):
            return _ended_early(line.get("error"))
        if answer.get("status_code") != 200:
            body = json.dumps(answer.get("body"), default=str).encode()
            return self._endpoint.line_failure(int(answer.get("status_code") or 500), body)
        headers = {"x-request-id": answer["request_id"]} if answer.get("request_id") else {}
        read, kind = (responses_response, "openai.responses") if self._responses else (chat_response, "openai.chat")
        try:
            return read(answer.get("body"), usage_kind=kind, headers=headers, time_to_first_byte_s=None)
        except ProviderError as error:
            return error

    async def aclose(self) -> None:
        """Close connections."""
        await self._endpoint.aclose()


class AnthropicBatches:
    """Anthropic's message batches: one POST with all lines, one results file."""

    name = "anthropic"
    max_lines = 100_000
    max_bytes = 256_000_000
    keeps_names = False

    def __init__(self, spec: ModelSpec, *, base_url: str, api_key: str | None) -> None:
        del spec  # every model is served alike
        headers = {"anthropic-version": "2023-06-01", **({"x-api-key": api_key} if api_key else {})}
        self._endpoint = _Endpoint(self.name, base_url, headers)

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
        _check_lines(lines, self.max_lines)
        requests = [{"custom_id": line.custom_id, "params": line.prepared.payload} for line in lines]
        batch = await self._endpoint.call("POST", "/v1/messages/batches", body={"requests": requests})
        return BatchHandle(provider=self.name, batch_id=batch["id"], n_lines=len(lines))

    async def find(self, key: str) -> BatchHandle | None:
        """None: Anthropic's batches carry no name to look for."""
        del key
        return None

    async def poll(self, handle: BatchHandle) -> BatchProgress:
        """Ask how far a batch is."""
        batch = await self._endpoint.call("GET", f"/v1/messages/batches/{handle.batch_id}")
        counts = batch.get("request_counts") or {}
        n_done = sum(counts.get(name) or 0 for name in ("succeeded", "errored", "canceled", "expired"))
        word = str(batch.get("processing_status"))
        if word != "ended":
            return BatchProgress(status="in_progress", n_done=n_done, detail=word)
        ended = batch.get("ended_at")
        at = datetime.fromisoformat(ended).astimezone(UTC) if isinstance(ended, str) else None
        return BatchProgress(status="ended", n_done=n_done, detail=word, ended_at=at)

    async def collect(self, handle: BatchHandle) -> AsyncIterator[BatchResult]:
        """Yield the lines of the results file."""
        async for line in self._endpoint.lines(f"/v1/messages/batches/{handle.batch_id}/results"):
            yield BatchResult(custom_id=line["custom_id"], outcome=self._outcome(line.get("result") or {}))

    def _outcome(self, result: Mapping[str, Any]) -> Response | ProviderError:
        kind = result.get("type")
        if kind == "succeeded":
            try:
                return anthropic_response(
                    result.get("message"), usage_kind="anthropic.messages", headers={}, time_to_first_byte_s=None
                )
            except ProviderError as error:
                return error
        if kind == "errored":
            stated = result.get("error") or {}
            inner: Mapping[str, Any] = stated["error"] if isinstance(stated.get("error"), dict) else stated
            status = 400 if inner.get("type") == "invalid_request_error" else 500
            return self._endpoint.line_failure(status, json.dumps({"error": inner}, default=str).encode())
        return _ended_early({"code": f"batch_{kind}", "message": f"the line {kind} before it was answered"})

    async def aclose(self) -> None:
        """Close connections."""
        await self._endpoint.aclose()


def _ended_early(error: object, billed: Billed = "no") -> ProviderError:
    """A line that expired or was cancelled before it was answered: not billed at either provider."""
    named = error if isinstance(error, dict) else {}
    message = shortened(str(named.get("message") or error or "no result"))
    return ProviderError(f"{named.get('code') or 'batch'}: {message}", error_class=ErrorClass.TIMEOUT, billed=billed)


def _anthropic_message(message: Message) -> dict[str, Any]:
    if isinstance(message.content, str):
        return {"role": message.role, "content": message.content}
    return {"role": message.role, "content": [_anthropic_part(part) for part in message.content]}


def _anthropic_part(part: str | ImagePart) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    source = {"type": "base64", "media_type": part.media_type, "data": image_base64(part)}
    return {"type": "image", "source": source}


def make_batch_provider(spec: ModelSpec, *, base_url: str | None) -> BatchProvider:
    """Make the batch interface of a model's provider; the key comes from the environment.

    Raises:
        InputError: the provider has none here, or its key is missing.
    """
    learn_environment(os.environ)
    if spec.provider not in BATCH_PROVIDERS:
        raise InputError(
            f"{spec.provider} has no batch interface here", where="--batch", fix="leave --batch out for this model"
        )
    variable = "OPENAI_API_KEY" if spec.provider == "openai" else "ANTHROPIC_API_KEY"
    key = os.environ.get(variable)
    if not key and not base_url:
        raise InputError(
            f"no API key for {spec.provider}: the environment variable {variable} is not set",
            where=f"--model {spec}",
            fix=f"export {variable}=...",
        )
    if spec.provider == "openai":
        return OpenAIBatches(spec, base_url=base_url or "https://api.openai.com/v1", api_key=key)
    return AnthropicBatches(spec, base_url=base_url or "https://api.anthropic.com", api_key=key)
