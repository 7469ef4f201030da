"""A log held against a bill: what a tool does not record is named, and every planted fault is found."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from benchmarks.foreign_harnesses.bills import (
    Bill,
    Call,
    Counts,
    Held,
    billed,
    hold,
    hold_bound,
    hold_estimate,
    hold_report,
)
from benchmarks.foreign_harnesses.relay import numbering

USED = Counts(asked=200, cached=64, output=500, reasoning=400)
LESS = Counts(asked=210, cached=0, output=90, reasoning=0)


def _price(row: Mapping[str, Any]) -> Decimal:
    return Decimal(row["usage"]["completion_tokens"]) / 1000


def _bill(
    prompt: str, counts: Counts | None = USED, *, status: int | None = 200, usage_sent: bool | None = None
) -> Bill:
    usage = counts and {
        "prompt_tokens": counts.asked,
        "completion_tokens": counts.output,
        "total_tokens": counts.asked + counts.output,
        "prompt_tokens_details": {"cached_tokens": counts.cached},
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning},
    }
    row = {
        "prompt_sha256": prompt,
        "status": status,
        "billed": counts is not None,
        "usage": usage,
        "usage_sent": status == 200 if usage_sent is None else usage_sent,
    }
    return billed(row, _price)


def _call(
    prompt: str,
    counts: Counts | None = USED,
    *,
    reused: bool = False,
    failed: bool = False,
    estimated: bool = False,
) -> Call:
    return Call(
        name=f"{prompt} call", prompt_sha256=prompt, reused=reused, failed=failed, counts=counts, estimated=estimated
    )


BILLS = (
    _bill("a"),
    _bill("a", LESS),
    _bill("b", None, status=429),
    _bill("b", USED, status=None),
    _bill("b", LESS),
    _bill("c", USED, usage_sent=False),
    _bill("d", USED, status=None),
    _bill("e", None, status=500),
)
CALLS = (
    _call("a", LESS),
    _call("a"),
    _call("a", reused=True),
    _call("b", LESS),
    _call("c", None),
    _call("d", None, failed=True),
    _call("e", None, failed=True),
)
"""All that a tool with counts can say of those requests: retries are lost, failed calls are known without tokens."""


def test_what_a_tool_does_not_record_is_named_and_nothing_is_wrong() -> None:
    held = hold(BILLS, CALLS)
    assert held.wrong == []
    assert {reason: part.n_requests for reason, part in held.parts.items()} == {
        "known": 3, "untold": 1, "lost": 2, "refused": 2,
    }  # fmt: skip
    assert held.parts["known"].counts == USED + LESS + LESS
    assert held.parts["lost"].usd == Decimal(1)
    assert (held.n_calls, held.n_replays) == (6, 1)
    assert held.total.usd == sum(part.usd for part in held.parts.values())


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("a token too many", (_call("a", replace(LESS, output=91)), *CALLS[1:])),
        ("cached tokens counted twice", (CALLS[0], _call("a", replace(USED, asked=264)), *CALLS[2:])),
        ("cached tokens lost", (CALLS[0], _call("a", replace(USED, cached=0)), *CALLS[2:])),
        ("reasoning beside the output", (CALLS[0], _call("a", replace(USED, output=100)), *CALLS[2:])),
        ("reasoning lost", (CALLS[0], _call("a", replace(USED, reasoning=0)), *CALLS[2:])),
        ("an answer lost", CALLS[1:]),
        ("an answer twice", (*CALLS, CALLS[0])),
        ("a replay as if it was sent", (*CALLS[:2], _call("a"), *CALLS[3:])),
        ("an answer of another prompt", (_call("b", USED), *CALLS[1:])),
        ("tokens dropped that were told", (_call("a", None), *CALLS[1:])),
        ("tokens of an answer that never arrived", (*CALLS[:5], _call("d"), CALLS[6])),
        ("zero for unknown", (*CALLS[:4], _call("c", Counts()), *CALLS[5:])),
        ("an answer as a failure", (_call("a", None, failed=True), *CALLS[1:])),
        ("a failure of nothing that was sent", (*CALLS, _call("f", None, failed=True))),
    ],
)
def test_a_planted_fault_is_found(name: str, calls: Sequence[Call]) -> None:
    assert hold(BILLS, calls).wrong, name


def test_a_report_that_differs_by_a_token_or_a_tiny_part_of_a_cent_is_found() -> None:
    known = hold(BILLS, CALLS).parts["known"]

    def wrong(counts: Counts, usd: Decimal) -> list[str]:
        held = hold(BILLS, CALLS)
        hold_report(held, counts, usd)
        return held.wrong

    assert wrong(known.counts, known.usd) == []
    assert "the report says" in wrong(replace(known.counts, cached=known.counts.cached + 1), known.usd)[0]
    assert "$" in wrong(known.counts, known.usd + Decimal("1e-12"))[0]


def test_a_cost_that_is_no_lower_bound_although_answers_were_lost_is_found() -> None:
    held, whole = hold(BILLS, CALLS), hold(BILLS[:2], CALLS[:2])
    hold_bound(held, True)
    hold_bound(whole, False)
    assert held.wrong == whole.wrong == []
    hold_bound(held, False)
    assert "answers that never arrived" in held.wrong[0]


def _estimated(asked: int, output: int) -> Held:
    calls = [_call("a", Counts(asked=asked, output=output), estimated=True)]
    return hold([_bill("a"), _bill("a", USED, status=None)], calls, logs_tokens=False)


def test_a_tool_without_counts_has_requests_and_no_tokens() -> None:
    held = hold(BILLS[:2], [_call("a", None), _call("a", None)], logs_tokens=False)
    assert held.wrong == []
    assert held.parts["unlogged"].counts == USED + LESS
    assert hold(BILLS[:2], [_call("a", None)], logs_tokens=False).wrong


@pytest.mark.parametrize(
    ("asked", "output", "n_marked", "usd", "told"),
    [
        (190, 90, 1, "0.09", None),
        (260, 90, 1, "0.09", "in: 260 tokens estimated, 200 billed"),
        (190, 500, 1, "0.09", "answers: 500 tokens estimated, 100 billed"),
        (190, 90, 0, "0.09", "marks 0 of 1"),
        (190, 90, 1, "1.01", "$1.01 estimated"),
    ],
)
def test_an_estimate_is_within_its_margins_marked_and_not_above_the_bill(
    asked: int, output: int, n_marked: int, usd: str, told: str | None
) -> None:
    held = _estimated(asked, output)
    hold_estimate(held, n_marked, Decimal(usd))
    assert [told in line for line in held.wrong] == [True] if told else held.wrong == []


class _Upstream(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if body == b"drop":
            return
        answer = self.headers["X-Client-Request-Id"].encode()
        self.send_response(429 if body == b"refuse" else 200)
        self.send_header("Retry-After", "0.05")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_the_relay_numbers_repeats_and_passes_on_refusals_and_drops() -> None:
    with HTTPServer(("127.0.0.1", 0), _Upstream) as upstream:
        thread = threading.Thread(target=upstream.serve_forever, daemon=True)
        thread.start()
        with numbering(f"http://127.0.0.1:{upstream.server_address[1]}/v1") as url:
            connection = http.client.HTTPConnection(urlsplit(url).netloc)

            def ask(body: str) -> tuple[int, str, str | None]:
                connection.request("POST", "/v1/chat/completions", body)
                answer = connection.getresponse()
                return answer.status, answer.read().decode(), answer.headers["Retry-After"]

            assert ask("one") == (200, "q1.e0.t0", "0.05")
            assert ask("two") == (200, "q2.e0.t0", "0.05")
            assert ask("one") == (200, "q3.e1.t1", "0.05")
            assert ask("refuse") == (429, "q4.e0.t0", "0.05")
            with pytest.raises(http.client.RemoteDisconnected):
                ask("drop")
            connection.close()
        upstream.shutdown()
        thread.join()
