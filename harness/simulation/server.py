"""The simulated models over HTTP, in the shape of OpenAI's chat completions, on loopback only, with their own books.

Data flows HTTP request -> `ChatCall` (checked) -> `harness.simulation` -> answer or fault -> books -> HTTP response.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import NormalDist
from typing import NoReturn

import orjson
from aiohttp import web

from harness.errors import InputError
from harness.messages import ToolCall
from harness.simulation.billing_log import BilledRequest, BillingLog
from harness.simulation.chat_requests import ChatCall, RefusedCallError, error_body, read_call
from harness.simulation.simulated_models import (
    FAULT_STATUS,
    FINGERPRINT,
    MODELS,
    Answer,
    AnswerKey,
    ChatUsage,
    Fault,
    epoch_and_try,
    fault_of,
    retry_after_s,
)

_JSON = "application/json"
_PIECE_CHARACTERS = 48
_UNDELIVERED: frozenset[Fault | None] = frozenset({"timeout", "connection"})
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How slow and how strict the server is.

    Attributes:
        delay_ms: time before every answer; with `delay_log_sd`, the median of it.
        delay_log_sd: standard deviation of the log of the delay, 0 for a constant delay.
        requests_per_s: more than that is answered 429; None = no limit.
        hold_s: how long a request that meets a simulated timeout is held when the client does not give up.
    """

    delay_ms: float = 0.0
    delay_log_sd: float = 0.0
    requests_per_s: float | None = None
    hold_s: float = 600.0


class SimulationServer:
    """Serve the simulated models. Use it as `async with SimulationServer(key) as server: server.url`."""

    def __init__(
        self, key: AnswerKey, *, seed: int = 0, billing_log: Path | None = None, pace: Pace | None = None
    ) -> None:
        self._key = key
        self._seed = seed
        self._pace = pace or Pace()
        self._books = BillingLog(billing_log)
        self._bucket = _Bucket(self._pace.requests_per_s) if self._pace.requests_per_s else None
        self._runner: web.ServerRunner | None = None
        self._count = 0
        self.url = ""

    async def start(self, *, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen, and say on which port.

        Raises:
            InputError: the host is not this machine's loopback, or the port is taken.
        """
        _refuse_other_hosts(host)
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, backlog=1024)
        try:
            await site.start()
        except OSError as error:
            await self.stop()
            raise InputError(
                f"cannot listen on port {port}: {error.strerror}", where="--port", fix="use --port 0"
            ) from error
        bound: int = self._runner.addresses[0][1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{bound}/v1"
        return bound

    async def stop(self) -> None:
        """Stop listening, give up what is held, and complete the billing log; safe to call twice."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self._books.close()

    async def __aenter__(self) -> SimulationServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def stats(self) -> dict[str, object]:
        """Give the books' sums, simulation settings included."""
        known = {"known_prompts": len(self._key), "known_conversations": len(self._key.scripts)}
        return {"fingerprint": FINGERPRINT, "seed": self._seed, **known, **self._books.sums()}

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path.rstrip("/")
        if request.method == "POST" and path.endswith("/chat/completions"):
            return await self._chat(request)
        if request.method == "GET" and path.endswith(("/stats", "/health", "/models")):
            self._books.flush()
            return _json(200, self._about(path.rpartition("/")[2]))
        return _json(404, error_body(f"nothing at {request.method} {path}", "not_found"))

    def _about(self, what: str) -> Mapping[str, object]:
        if what == "stats":
            return self.stats()
        if what == "health":
            return {"status": "ok", "fingerprint": FINGERPRINT}
        models = [{"id": f"sim-{name}", "object": "model", "owned_by": FINGERPRINT} for name in MODELS]
        return {"object": "list", "data": models}

    async def _chat(self, request: web.BaseRequest) -> web.StreamResponse:
        request_id = request.headers.get("X-Client-Request-Id")
        try:
            call = read_call(await request.read(), request_id, key=self._key, seed=self._seed)
        except RefusedCallError as error:
            self._books.add(_senseless(request_id, error.status))
            return _json(error.status, error.body)
        wait_s = self._bucket.take() if self._bucket else 0.0
        fault: Fault | None = "rate_limit" if wait_s else fault_of(call.draw, call.prompt)
        if fault in FAULT_STATUS:
            return self._refuse(call, fault, wait_s)
        given = call.answer(self._key, fault)
        if fault in _UNDELIVERED:
            await self._lose(request, call, fault, given)
        if self._pace.delay_ms:
            try:
                await asyncio.sleep(self._delay_s(call))
            except asyncio.CancelledError:
                self._enter(call, given, status=None, fault=fault)
                raise
        self._enter(call, given, status=200, fault=fault)
        usage = None if fault == "missing_usage" else given.usage()
        if call.stream:
            return await _stream(request, call, given, usage)
        return _json(200, _completion(call, given, usage), self._headers(call))

    def _refuse(self, call: ChatCall, fault: Fault, wait_s: float) -> web.Response:
        status = FAULT_STATUS[fault]
        self._enter(call, None, status=status, fault=fault)
        headers = self._headers(call)
        if fault == "rate_limit":
            headers["Retry-After"] = f"{wait_s or retry_after_s(call.draw, call.prompt):g}"
        return _json(status, error_body(f"simulated: {fault.replace('_', ' ')}", fault), headers)

    async def _lose(self, request: web.BaseRequest, call: ChatCall, fault: Fault | None, given: Answer) -> NoReturn:
        # served and billed, whatever becomes of the client
        self._enter(call, given, status=None, fault=fault)
        if fault == "timeout":
            await asyncio.sleep(self._pace.hold_s)
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("simulated: the connection was dropped")

    def _enter(self, call: ChatCall, given: Answer | None, *, status: int | None, fault: Fault | None) -> None:
        draw, entry = call.draw, call.entry(self._key)
        self._books.add(
            BilledRequest(
                request_id=call.request_id,
                at=datetime.now(UTC),
                model=f"sim-{draw.model.name}",
                effort=draw.effort if draw.model.reasons else None,
                epoch=draw.epoch,
                try_number=draw.try_number,
                prompt_sha256=call.prompt.sha256,
                task=entry.task if entry else None,
                sample_id=entry.sample_id if entry else None,
                status=status,
                fault=fault,
                billed=given is not None,
                usage=given.usage() if given else None,
                usage_sent=status == 200 and fault != "missing_usage" and (call.stream_usage or not call.stream),
                right=given.right if given else None,
                finish_reason=given.finish_reason if given else None,
                party=call.conversation.by if call.conversation else None,
                tool_calls=len(given.tool_calls) if given else 0,
            )
        )

    def _headers(self, call: ChatCall) -> dict[str, str]:
        self._count += 1
        return {"x-request-id": f"sim-{call.request_id or self._count}"}

    def _delay_s(self, call: ChatCall) -> float:
        if not self._pace.delay_log_sd:
            return self._pace.delay_ms / 1000
        z = _NORMAL.inv_cdf(call.draw.dice(call.prompt, f"delay|{call.draw.try_number}").uniform())
        return self._pace.delay_ms / 1000 * math.exp(self._pace.delay_log_sd * z)


class _Bucket:
    """A token bucket of one second's worth of requests."""

    def __init__(self, requests_per_s: float) -> None:
        self._rate = requests_per_s
        self._size = max(1.0, requests_per_s)
        self._level = self._size
        self._at = time.monotonic()

    def take(self) -> float:
        """Take one request's worth; give the seconds to wait when there is none, else 0."""
        now = time.monotonic()
        self._level = min(self._size, self._level + (now - self._at) * self._rate)
        self._at = now
        if self._level >= 1:
            self._level -= 1
            return 0.0
        return max(0.001, round((1 - self._level) / self._rate, 3))


def _refuse_other_hosts(host: str) -> None:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise InputError(
            f"simulated models are served on this machine's loopback only, not on {host!r}",
            where="--host",
            fix="use 127.0.0.1, ::1 or localhost",
        )


def _senseless(request_id: str | None, status: int) -> BilledRequest:
    epoch, try_number = epoch_and_try(request_id)
    return BilledRequest(
        request_id=request_id,
        at=datetime.now(UTC),
        model="unknown",
        effort=None,
        epoch=epoch,
        try_number=try_number,
        prompt_sha256="",
        task=None,
        sample_id=None,
        status=status,
        fault=None,
        billed=False,
        usage=None,
        usage_sent=False,
        right=None,
        finish_reason=None,
    )


def _json(status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type=_JSON, headers=headers)


def _completion(call: ChatCall, given: Answer, usage: ChatUsage | None) -> dict[str, object]:
    message: dict[str, object] = {"role": "assistant", "content": given.text, "refusal": None}
    if given.tool_calls:
        message |= {"content": given.text or None, "tool_calls": [_whole_call(one) for one in given.tool_calls]}
    body: dict[str, object] = {
        **_envelope(call, "chat.completion"),
        "choices": [{"index": 0, "message": message, "finish_reason": given.finish_reason, "logprobs": None}],
    }
    return body if usage is None else {**body, "usage": usage}


def _envelope(call: ChatCall, kind: str) -> dict[str, object]:
    return {
        "id": f"chatcmpl-{call.prompt.sha256[:16]}-e{call.draw.epoch}-t{call.draw.try_number}",
        "object": kind,
        "created": int(time.time()),
        "model": call.model_asked,
        "system_fingerprint": FINGERPRINT,
        "service_tier": "default",
    }


async def _stream(
    request: web.BaseRequest, call: ChatCall, given: Answer, usage: ChatUsage | None
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(request)
    envelope = _envelope(call, "chat.completion.chunk")
    pieces = [given.text[at : at + _PIECE_CHARACTERS] for at in range(0, len(given.text), _PIECE_CHARACTERS)]
    deltas: list[dict[str, object]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in pieces]
    deltas += [delta for place, one in enumerate(given.tool_calls) for delta in _call_deltas(place, one)]
    events = [{**envelope, "choices": [_delta(delta, None)]} for delta in deltas]
    events.append({**envelope, "choices": [_delta({}, given.finish_reason)]})
    if call.stream_usage and usage is not None:
        events.append({**envelope, "choices": [], "usage": usage})
    for event in events:
        await response.write(b"data: " + orjson.dumps(event) + b"\n\n")
    await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    return response


def _whole_call(call: ToolCall) -> dict[str, object]:
    written: dict[str, object] = {
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
    return {"id": call.call_id, **written} if call.call_id else written


def _call_deltas(place: int, call: ToolCall) -> Iterator[dict[str, object]]:
    """A call as a stream gives it: id and name first, then its arguments piece by piece."""
    begun = {"index": place, **_whole_call(ToolCall(call_id=call.call_id, name=call.name, arguments=""))}
    yield {"tool_calls": [begun]}
    for at in range(0, len(call.arguments), _PIECE_CHARACTERS):
        piece = call.arguments[at : at + _PIECE_CHARACTERS]
        yield {"tool_calls": [{"index": place, "function": {"arguments": piece}}]}


def _delta(delta: Mapping[str, object], finish_reason: str | None) -> dict[str, object]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
