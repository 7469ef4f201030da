"""The simulated server's own books: one row per request that it saw, and sums over what it billed.

Data flows served request -> `BilledRequest` -> JSON line and running sums. Tests hold them against the ledger, so
nothing here is shared with the code that fills the ledger.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import orjson

from harness.simulation.simulated_models import ChatUsage

_FLUSH_EVERY_ROWS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledRequest:
    """What the server did with one request.

    Attributes:
        request_id: the client's id (`X-Client-Request-Id`), None when it sent none.
        at: when the request was served, UTC.
        model, effort: who answered; effort is None for a model that takes none.
        epoch, try_number: as read from the request id.
        prompt_sha256: digest of the last user message; empty for a request that made no sense.
        task, sample_id: which item that is, None when the key does not know it.
        status: HTTP status that was sent, None when no answer was sent.
        fault: what went wrong on purpose, None for a good answer.
        billed: whether the request is billed; also true for answers that never reached the client.
        usage: what is billed, None when nothing is.
        usage_sent: whether the client was told the usage.
        right: whether the answer is right, None when nothing was answered or the prompt is not known; of a
            conversation only in its last message, and as the model meant it: some ends are reached by doing nothing.
        finish_reason: `stop`, `length` or `tool_calls`, None when nothing was answered.
        party: who the model is in a conversation, `assistant` or `user`; None for a request that stands alone.
        tool_calls: how many calls the answer holds.
    """

    request_id: str | None
    at: datetime
    model: str
    effort: str | None
    epoch: int
    try_number: int
    prompt_sha256: str
    task: str | None
    sample_id: str | None
    status: int | None
    fault: str | None
    billed: bool
    usage: ChatUsage | None
    usage_sent: bool
    right: bool | None
    finish_reason: str | None
    party: str | None = None
    tool_calls: int = 0


class BillingLog:
    """Keep the books: sums in memory, rows in a file if one is given.

    Rows are written in blocks; `flush` and `close` write what is left.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._file: BinaryIO | None = path.open("ab") if path else None
        self._waiting: list[bytes] = []
        self._statuses: Counter[int | None] = Counter()
        self._sums: defaultdict[tuple[str, str | None], dict[str, int]] = defaultdict(_ZEROS.copy)

    def add(self, row: BilledRequest) -> None:
        """Enter one request."""
        _count(self._sums[row.model, row.effort], row)
        self._statuses[row.status] += 1
        if self._file is not None:
            self._waiting.append(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
            if len(self._waiting) >= _FLUSH_EVERY_ROWS:
                self.flush()

    def sums(self) -> dict[str, object]:
        """Give the sums over all requests, by status sent and by model and effort."""
        everything = {name: sum(sums[name] for sums in self._sums.values()) for name in _ZEROS}
        models = {f"{model}@{effort}" if effort else model: sums for (model, effort), sums in self._sums.items()}
        statuses = {"none" if status is None else str(status): count for status, count in self._statuses.items()}
        return {**everything, "by_status": statuses, "by_model": models}

    def flush(self) -> None:
        """Write the rows that wait."""
        if self._file is not None and self._waiting:
            self._file.write(b"".join(self._waiting))
            self._file.flush()
            self._waiting.clear()

    def close(self) -> None:
        """Write what waits and close the file; safe to call twice."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None


_ZEROS = dict.fromkeys(
    (
        "requests",
        "billed_requests",
        "right_answers",
        "prompt_tokens",
        "completion_tokens",
        "input_tokens",
        "cache_read_tokens",
        "output_tokens",
        "reasoning_tokens",
        "unseen_requests",
        "unseen_prompt_tokens",
        "unseen_completion_tokens",
        "tool_calls",
    ),
    0,
)
"""Sums that are always there. `input`, `cache_read`, `output` and `reasoning` are disjoint; `unseen_*` is the part
of the bill that the client was not told about (answers lost on their way, answers without usage)."""


def _count(sums: dict[str, int], row: BilledRequest) -> None:
    sums["requests"] += 1
    sums["right_answers"] += bool(row.right and row.status == 200)
    if not row.billed or row.usage is None:
        return
    prompt, completion = row.usage["prompt_tokens"], row.usage["completion_tokens"]
    cached = row.usage["prompt_tokens_details"]["cached_tokens"]
    reasoning = row.usage["completion_tokens_details"]["reasoning_tokens"]
    sums["billed_requests"] += 1
    sums["tool_calls"] += row.tool_calls
    sums["prompt_tokens"] += prompt
    sums["completion_tokens"] += completion
    sums["input_tokens"] += prompt - cached
    sums["cache_read_tokens"] += cached
    sums["output_tokens"] += completion - reasoning
    sums["reasoning_tokens"] += reasoning
    if not row.usage_sent:
        sums["unseen_requests"] += 1
        sums["unseen_prompt_tokens"] += prompt
        sums["unseen_completion_tokens"] += completion
