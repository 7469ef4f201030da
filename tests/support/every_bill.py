"""A ledger with an attempt of every kind of bill, each for a sample of its own: all that can be explained of costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.instants import to_us
from harness.ledger import (
    AttemptOutcome,
    AttemptStart,
    CellRecord,
    Ledger,
    PlannedRecord,
    RunRecord,
    ScoreRecord,
    Transcript,
)
from harness.ledger.records import InvoicedRecord
from harness.ledger.writing.usage_facts import usage_facts
from harness.usage import meters, read_usage
from tests.support.price_cases import utc

AT_US = to_us(utc("2026-11-01T12:00:00Z"))
ANSWER = "The sum is $\\frac{1}{2}$: <script>alert(1)</script> \u202etxet\n\n```python\nprint('<b>')\n```\n"
REASONING = "First I add, then I check."
QUESTION = "What is 1/4 + 1/4? <img src=x onerror=alert(1)>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """One sample with one attempt.

    Attributes:
        kind: of its bill, as it is told.
        payload: None = no usage is known.
    """

    sample_id: str
    kind: str
    model: str = "openai/o3"
    usage_kind: str = "openai.chat"
    payload: dict[str, Any] | None = None
    status: str = "succeeded"
    outcome: dict[str, Any] = field(default_factory=dict)
    start: dict[str, Any] = field(default_factory=dict)
    billed_pico_usd: int | None = None


def _chat(prompt: int, completion: int, *, cached: int = 0, reasoning: int = 0, **others: Any) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
        **others,
    }


_CLAUDE, _ANTHROPIC = "anthropic/claude-sonnet-4-5", "anthropic.messages"
_WRITTEN = {"ephemeral_5m_input_tokens": 700, "ephemeral_1h_input_tokens": 300}
EVERY: tuple[Billed, ...] = (
    Billed(sample_id="plain", kind="charged", payload=_chat(100, 50)),
    Billed(sample_id="cached", kind="charged", payload=_chat(2000, 900, cached=1200, reasoning=700)),
    Billed(
        sample_id="cache-write", kind="charged", model=_CLAUDE, usage_kind=_ANTHROPIC,
        payload={"input_tokens": 10, "output_tokens": 20, "cache_creation_input_tokens": 1000,
                 "cache_read_input_tokens": 5, "cache_creation": _WRITTEN},
    ),
    Billed(sample_id="long", kind="charged", model="google/gemini-2.5-pro", payload=_chat(250_000, 20)),
    Billed(sample_id="batch", kind="charged", payload=_chat(100, 50), start={"mode": "batch"}),
    Billed(sample_id="flex", kind="charged", payload=_chat(100, 50), outcome={"service_tier": "flex"}),
    Billed(sample_id="priority", kind="charged", payload=_chat(100, 50), outcome={"service_tier": "priority"}),
    Billed(sample_id="searches", kind="charged", model=_CLAUDE, usage_kind=_ANTHROPIC,
           payload={"input_tokens": 100, "output_tokens": 20, "server_tool_use": {"web_search_requests": 3}}),
    Billed(sample_id="stated", kind="stated", model="openrouter/openai/gpt-oss-120b", usage_kind="openrouter.chat",
           payload=_chat(100, 50, cost=0.00071)),
    Billed(sample_id="stated-alone", kind="stated", model="openrouter/acme/mystery", usage_kind="openrouter.chat",
           payload=_chat(100, 50, cost=0.0123)),
    Billed(sample_id="free", kind="free", model="ollama/llama3", payload=_chat(100, 50)),
    Billed(sample_id="unpriced", kind="unpriced", model="openai/mystery-9", payload=_chat(100, 50),
           start={"reserved_pico_usd": 5_000_000}),
    Billed(sample_id="open", kind="open", status="sent", start={"reserved_pico_usd": 7_000_000}),
    Billed(sample_id="unknown", kind="usage unknown", status="timed_out", start={"reserved_pico_usd": 8_000_000}),
    Billed(sample_id="refused", kind="not billed", status="failed",
           outcome={"billed": "no", "error_class": "rate_limited", "error_message": "slow <b>down</b>",
                    "http_status": 429}),
    Billed(sample_id="invoiced", kind="invoiced", status="sent", billed_pico_usd=123_456_789),
    Billed(sample_id="reused", kind="reused", status="reused", payload=_chat(100, 50)),
)  # fmt: skip
RETRIED = "retried"
"""A sample that failed, was asked again, judged, and scored twice."""


async def add_every_bill(ledger: Ledger) -> None:
    """Store a run `every` of all of them, and a sample that was retried."""
    ledger.create_run(
        RunRecord(run_id="every", created_at_us=AT_US, plan_sha256="", harness_version="0", price_book_sha256="")
    )
    names = list(dict.fromkeys(each.model for each in EVERY))
    records = [
        CellRecord(suite="s", suite_version="1", suite_sha256="", provider=name.partition("/")[0],
                   model=name.partition("/")[2])
        for name in names
    ]  # fmt: skip
    cells = dict(zip(names, ledger.add_cells("every", records), strict=True))
    samples = [*(each.sample_id for each in EVERY), RETRIED]
    planned = ledger.add_planned(
        "every",
        [
            PlannedRecord(suite="s", task="t", sample_id=sample, epoch=0, draw_order=order, inclusion_probability=1.0,
                          sample_sha256=sample, reference="1/2")
            for order, sample in enumerate(samples)
        ],
    )  # fmt: skip
    async with ledger.writer() as writer:
        for each, planned_id in zip(EVERY, planned, strict=False):
            await add_billed(writer, each, cells[each.model], planned_id)
        await _retried(writer, cells["openai/o3"], planned[-1])
    told = [
        InvoicedRecord(attempt_id=number, source="an account", recorded_at_us=AT_US, billed_pico_usd=billed)
        for number, billed in enumerate((each.billed_pico_usd for each in EVERY), 1)
        if billed is not None
    ]
    ledger.add_invoiced(told)
    ledger.finish_run("every", "complete", finished_at_us=AT_US + 10**9)


async def add_billed(writer: Any, each: Billed, cell_id: int, planned_id: int, **start: Any) -> int:
    """Send and settle one attempt; gives its id."""
    started = AttemptStart(
        request_id=f"every.{each.sample_id}.{start.get('try_number', 1)}.{start.get('purpose', 'solve')}",
        cell_id=cell_id,
        planned_id=planned_id,
        model_requested=each.model.partition("/")[2],
        started_at_us=AT_US,
        parameters={"temperature": 0},
        **{**each.start, **start},
    )
    facts: dict[str, Any] = {}
    if each.payload is not None:
        usage = read_usage(each.usage_kind, each.payload)
        facts["usage"] = usage_facts(usage, meters(usage), raw_usage=each.payload, usage_kind=each.usage_kind)
    said = Transcript(messages=[{"role": "user", "content": QUESTION}], answer=ANSWER, reasoning=REASONING)
    if each.status == "reused":
        outcome = AttemptOutcome(attempt_id=0, status="reused", finished_at_us=AT_US, **facts)
        reused: int = await writer.reuse(started, outcome, said)
        return reused
    attempt_id: int = await writer.send(started)
    if each.status != "sent":
        outcome = AttemptOutcome(
            attempt_id=attempt_id,
            status=each.status,  # type: ignore[arg-type]
            finished_at_us=AT_US + 2_500_000,
            first_byte_us=400_000,
            provider_request_id=f"req-{each.sample_id}",
            **{"finish_reason": "stop", **facts, **each.outcome},
        )
        await writer.settle(outcome, transcript=said if each.status == "succeeded" else None)
    return attempt_id


async def _retried(writer: Any, cell_id: int, planned_id: int) -> None:
    failed = Billed(sample_id=RETRIED, kind="not billed", status="failed", outcome={"billed": "no"})
    first = await add_billed(writer, failed, cell_id, planned_id)
    good = Billed(sample_id=RETRIED, kind="charged", payload=_chat(100, 50, reasoning=20))
    second = await add_billed(writer, good, cell_id, planned_id, try_number=2, retry_of=first)
    judge = Billed(sample_id=RETRIED, kind="charged", model=_CLAUDE, usage_kind=_ANTHROPIC,
                   payload={"input_tokens": 300, "output_tokens": 3})  # fmt: skip
    await add_billed(writer, judge, cell_id, planned_id, purpose="judge", provider="anthropic")
    for version, value in (("1", 0), ("2", 1_000_000)):
        score = ScoreRecord(
            attempt_id=second, planned_id=planned_id, cell_id=cell_id, scorer="math", scorer_version=version,
            scored_at_us=AT_US + 3_000_000, value_millionths=value, answer="1/2", rule="boxed",
        )  # fmt: skip
        await writer.add_score(score)
