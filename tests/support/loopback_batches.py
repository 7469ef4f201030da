"""A batch server on loopback for tests: OpenAI's files and batches, Anthropic's message batches, results shuffled.

Its books (`Batches`) outlive the server, so that a test can stop it and start it again. Data flows lines submitted ->
kept -> after `finish` answered in another order, except the custom ids that the test lets fail or expire.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Container
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.support.loopback import ANTHROPIC_ANSWER, CHAT_ANSWER, RESPONSES_ANSWER


class Batches:
    """What was handed over, and what becomes of it.

    Attributes:
        refusals: statuses with which the next hand-overs are refused.
        lost_answers: so many hand-overs are taken and the connection dropped instead of answering.
        cut_results: so many readings of results end in the middle.
        failure: why every batch fails as a whole (OpenAI).
        sums: answer "What is 3 + 4?" with the right number.
        held: hand-overs are taken and answered only when this is set; None = at once.
        taken, looked: set when something was handed over, and when somebody asked how far it is.
        tokens: input and output tokens of an answer, by its question; None = the fixed usage.
        looks_needed: how often a batch is asked for before it has ended.
        watch: told what just happened, before it is answered: uploaded, taken, looked, half (of the results).
        spoil: given what is answered (upload, create, list, poll, results, errors) and the body; gives what is sent
            in its place.
    """

    def __init__(self) -> None:
        self.url = ""
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.fails: set[str] = set()
        self.expires: Container[str] = set()
        self.finished = False
        self.refusals: list[int] = []
        self.lost_answers = 0
        self.cut_results = 0
        self.failure: str | None = None
        self.sums = False
        self.held: asyncio.Event | None = None
        self.taken = asyncio.Event()
        self.looked = asyncio.Event()
        self.tokens: Callable[[str], tuple[int, int]] | None = None
        self.looks_needed = 0
        self.looks: Counter[str] = Counter()
        self.watch: Callable[[str], Awaitable[None]] | None = None
        self.spoil: Callable[[str, bytes], bytes | web.Response] | None = None

    @property
    def asked(self) -> Counter[str]:
        """How often each question was handed over, over all batches."""
        return Counter(_question(line) for batch in self.batches.values() for line in batch["lines"])

    def lines_of(self, batch_id: str) -> list[dict[str, Any]]:
        """The lines of a batch in a shuffled order."""
        lines: list[dict[str, Any]] = list(self.batches[batch_id]["lines"])
        random.Random(batch_id).shuffle(lines)
        return lines

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve both dialects by address."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append((request.method, request.path, headers))
        parts = request.path.strip("/").split("/")
        is_anthropic = parts[:3] == ["v1", "messages", "batches"]
        hands_over = request.method == "POST" and parts[-1] == "batches"
        if hands_over and self.refusals:
            error = {"type": "refused", "message": "not now"}
            return web.json_response({"error": error}, status=self.refusals.pop(0), headers={"Retry-After": "0"})
        answer = await (self._anthropic(request, parts[3:]) if is_anthropic else self._openai(request, parts[1:]))
        (self.taken if hands_over else self.looked if request.method == "GET" else asyncio.Event()).set()
        if self.watch is not None and request.path.split("/")[-1] != "content" and parts[-1] != "results":
            uploads = request.method == "POST" and parts[-1] == "files"
            await self.watch("uploaded" if uploads else "taken" if hands_over else "looked")
        if hands_over and self.held is not None:
            await self.held.wait()
        if hands_over and self.lost_answers:
            self.lost_answers -= 1
            assert request.transport is not None
            request.transport.close()
        return self._spoilt(request, parts, answer)

    def _spoilt(self, request: web.Request, parts: list[str], answer: web.StreamResponse) -> web.StreamResponse:
        if self.spoil is None or not isinstance(answer, web.Response) or not isinstance(answer.body, bytes):
            return answer
        if parts[-1] in ("content", "results"):
            return answer  # spoilt by `_results`
        if request.method == "POST":
            what = "upload" if parts[-1] == "files" else "create"
        else:
            what = "list" if parts[-1] == "batches" else "poll"
        sent = self.spoil(what, answer.body)
        return sent if isinstance(sent, web.Response) else web.Response(body=sent, status=answer.status)

    async def _results(self, request: web.Request, rows: list[dict[str, Any]]) -> web.StreamResponse:
        """JSON Lines, sometimes cut in the middle."""
        body = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        if self.spoil is not None:
            sent = self.spoil("errors" if "/err-" in request.path else "results", body)
            if isinstance(sent, web.Response):
                return sent
            body = sent
        if self.watch is not None and rows:
            response = web.StreamResponse(headers={"Content-Length": str(len(body))})
            await response.prepare(request)
            with contextlib.suppress(ConnectionError):  # the client may be gone by now
                await response.write(body[: len(body) // 2])
                await self.watch("half")
                await response.write(body[len(body) // 2 :])
            return response
        if not self.cut_results or len(rows) < 2:
            return web.Response(body=body)
        self.cut_results -= 1
        response = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        assert request.transport is not None
        request.transport.close()
        return response

    def _text(self, line: dict[str, Any]) -> str | None:
        """The right answer to a sum; None = the fixed answer."""
        found = re.search(r"What is (\d+) \+ (\d+)", _question(line))
        return str(int(found[1]) + int(found[2])) if self.sums and found else None

    async def _openai(self, request: web.Request, parts: list[str]) -> web.StreamResponse:
        match request.method, parts:
            case "POST", ["files"]:
                form = await request.post()
                uploaded = form["file"]
                assert isinstance(uploaded, web.FileField)
                assert form["purpose"] == "batch"
                file_id = f"file-{len(self.files)}"
                self.files[file_id] = uploaded.file.read()
                return web.json_response({"id": file_id, "purpose": "batch"})
            case "POST", ["batches"]:
                body = await request.json()
                lines = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
                assert {line["url"] for line in lines} == {body["endpoint"]}
                batch_id = f"batch_{len(self.batches)}"
                self.batches[batch_id] = {"lines": lines, "metadata": body["metadata"]}
                return web.json_response(self._openai_state(batch_id))
            case "GET", ["batches"]:
                return web.json_response({"data": [self._openai_state(each) for each in self.batches]})
            case "GET", ["batches", batch_id] if batch_id in self.batches:
                return web.json_response(self._openai_state(batch_id))
            case "GET", ["files", file_id, "content"]:
                kind, _, batch_id = file_id.partition("-")
                rows = [row for row in self._openai_rows(batch_id) if self._is_error(row) == (kind == "err")]
                return await self._results(request, rows)
        return web.json_response({"error": {"message": "no such thing"}}, status=404)

    def _openai_state(self, batch_id: str) -> dict[str, Any]:
        batch = self.batches[batch_id]
        total = len(batch["lines"])
        finished = self._has_ended(batch_id)
        done = total if finished and self.failure is None else 0
        state: dict[str, Any] = {"id": batch_id, "status": "completed" if finished else "in_progress"}
        if self.failure is not None:
            state |= {"status": "failed", "errors": {"data": [{"message": self.failure}]}}
        state |= {"metadata": batch["metadata"], "request_counts": {"total": total, "completed": done, "failed": 0}}
        if finished and self.failure is None:
            state |= {"output_file_id": f"out-{batch_id}", "error_file_id": f"err-{batch_id}"}
        return state

    def _has_ended(self, batch_id: str) -> bool:
        self.looks[batch_id] += 1
        return self.finished and self.looks[batch_id] > self.looks_needed

    def _openai_rows(self, batch_id: str) -> list[dict[str, Any]]:
        rows = []
        for line in self.lines_of(batch_id):
            row: dict[str, Any] = {"id": f"r_{line['custom_id']}", "custom_id": line["custom_id"], "error": None}
            answer = RESPONSES_ANSWER if line["url"].endswith("responses") else CHAT_ANSWER
            if answer is CHAT_ANSWER and (text := self._text(line)) is not None:
                choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
                answer = {**CHAT_ANSWER, "choices": [choice]}
                if self.tokens is not None:
                    n_input, n_output = self.tokens(_question(line))
                    answer["usage"] = {"prompt_tokens": n_input, "completion_tokens": n_output}
                    answer["usage"]["total_tokens"] = n_input + n_output
            row["response"] = {"status_code": 200, "request_id": f"req-{line['custom_id']}", "body": answer}
            if line["custom_id"] in self.fails:
                row["response"] |= {"status_code": 400, "body": {"error": {"code": "content_filter", "message": "no"}}}
            if line["custom_id"] in self.expires:
                row |= {"response": None, "error": {"code": "batch_expired", "message": "not within 24h"}}
            rows.append(row)
        return rows

    @staticmethod
    def _is_error(row: dict[str, Any]) -> bool:
        return row["response"] is None or row["response"]["status_code"] != 200

    async def _anthropic(self, request: web.Request, parts: list[str]) -> web.StreamResponse:
        assert request.headers["anthropic-version"] == "2023-06-01"
        if request.method == "POST":
            batch_id = f"msgbatch_{len(self.batches)}"
            begun = datetime.now(UTC).isoformat()
            self.batches[batch_id] = {"lines": (await request.json())["requests"], "created_at": begun}
            return web.json_response(self._anthropic_state(batch_id))
        if not parts:
            return web.json_response({"data": [self._anthropic_state(each) for each in reversed(self.batches)]})
        batch_id, *rest = parts
        if rest == ["results"]:
            return await self._results(request, [self._anthropic_row(line) for line in self.lines_of(batch_id)])
        return web.json_response(self._anthropic_state(batch_id))

    def _anthropic_state(self, batch_id: str) -> dict[str, Any]:
        total = len(self.batches[batch_id]["lines"])
        finished = self._has_ended(batch_id)
        counts = {"processing": 0 if finished else total, "succeeded": total if finished else 0}
        state = "ended" if finished else "in_progress"
        begun = self.batches[batch_id]["created_at"]
        return {"id": batch_id, "processing_status": state, "request_counts": counts, "created_at": begun}

    def _anthropic_row(self, line: dict[str, Any]) -> dict[str, Any]:
        custom_id = line["custom_id"]
        result: dict[str, Any] = {"type": "succeeded", "message": ANTHROPIC_ANSWER}
        if (text := self._text(line)) is not None:
            result["message"] = {**ANTHROPIC_ANSWER, "content": [{"type": "text", "text": text}]}
            if self.tokens is not None:
                n_input, n_output = self.tokens(_question(line))
                result["message"]["usage"] = {"input_tokens": n_input, "output_tokens": n_output}
        if custom_id.partition("-")[0] in self.fails:
            error = {"type": "invalid_request_error", "message": "prompt is too long: 250000 tokens > 200000"}
            result = {"type": "errored", "error": {"type": "error", "error": error}}
        if custom_id.partition("-")[0] in self.expires:
            result = {"type": "expired"}
        return {"custom_id": custom_id, "result": result}


def _question(line: dict[str, Any]) -> str:
    """The last message of a line, in either dialect."""
    body = line["params"] if "params" in line else line["body"]
    content = (body.get("messages") or body["input"])[-1]["content"]
    return content if isinstance(content, str) else str(content[0]["text"])


@asynccontextmanager
async def serve_batches(books: Batches, *, port: int = 0) -> AsyncIterator[Batches]:
    """Serve the books on a loopback port, one that the system chooses by default."""
    application = web.Application(client_max_size=2**28)
    application.router.add_route("*", "/{path:.*}", books.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    host, given = runner.addresses[0][:2]
    books.url = f"http://{host}:{given}"
    try:
        yield books
    finally:
        await runner.cleanup()
