"""Simulated books: what was asked of two providers over some days, written to a ledger as runs write it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from harness.instants import DAY_US
from harness.ledger import (
    NO_USAGE,
    AttemptOutcome,
    AttemptStart,
    CellRecord,
    Ledger,
    PlannedRecord,
    RunRecord,
    SuiteRecord,
    UsageFacts,
)

START_US = 1_790_812_800_000_000  # 2026-10-01T00:00Z
N_DAYS = 4
MILLION = Decimal(1_000_000)

RATES: Mapping[str, Mapping[str, Decimal]] = {
    "gpt-5-mini": {"input": Decimal("0.25"), "cache_read": Decimal("0.025"), "output": Decimal(2)},
    "o4-mini": {"input": Decimal("1.1"), "cache_read": Decimal("0.275"), "output": Decimal("4.4")},
    "claude-sonnet-4-5-20250929": {
        "input": Decimal(3), "cache_read": Decimal("0.3"), "cache_write": Decimal("3.75"),
        "cache_write_1h": Decimal(6), "output": Decimal(15),
    },
    "claude-haiku-4-5-20251001": {
        "input": Decimal(1), "cache_read": Decimal("0.1"), "cache_write": Decimal("1.25"),
        "cache_write_1h": Decimal(2), "output": Decimal(5),
    },
}  # fmt: skip
"""USD per million tokens, as published: written here again, so that the price book is not its own judge."""
HALF_PRICE = frozenset({"batch", "flex"})
MODELS = {
    "openai": ("gpt-5-mini", "o4-mini"),
    "anthropic": ("claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001"),
    "openrouter": ("openai/o4-mini-2025-04-16",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, as it was billed.

    Attributes:
        number: its place in the ledger; None = somebody else's.
        is_known: False = no answer came to the ledger, and it was billed all the same.
    """

    model: str
    tier: str
    at_us: int
    tokens: Mapping[str, int]
    number: int | None = None
    is_known: bool = True
    request_id: str = ""


def usd_of(call: Call, meter: str | None = None) -> Decimal:
    """Price a call, or one of its meters."""
    rates = RATES[call.model.rpartition("/")[2].removesuffix("-2025-04-16")]
    factor = Decimal("0.5") if call.tier in HALF_PRICE else Decimal(1)
    counts = call.tokens.items() if meter is None else [(meter, call.tokens.get(meter, 0))]
    return sum((rates[name] * count * factor / MILLION for name, count in counts if count), Decimal(0))


def draw_calls(rng: random.Random, provider: str, n_calls: int) -> list[Call]:
    """Draw calls of a provider's models over some days, never within a minute of midnight."""
    tiers = {"openai": ("standard", "standard", "batch"), "anthropic": ("standard", "standard", "batch"),
             "openrouter": ("standard",)}[provider]  # fmt: skip
    calls = []
    for _ in range(n_calls):
        day = rng.randrange(N_DAYS)
        at_us = START_US + day * DAY_US + rng.randrange(60_000_000, DAY_US - 60_000_000)
        model = rng.choice(MODELS[provider])
        calls.append(Call(model=model, tier=rng.choice(tiers), at_us=at_us, tokens=_tokens(rng, provider)))
    calls.sort(key=lambda call: call.at_us)
    return [replace(call, number=number, request_id=f"gen-{number}") for number, call in enumerate(calls)]


def _tokens(rng: random.Random, provider: str) -> Mapping[str, int]:
    counts = {"input": rng.randrange(50, 5_000), "cache_read": rng.choice((0, 0, rng.randrange(128, 4_096))),
              "output": max(1, int(rng.lognormvariate(6, 1)))}  # fmt: skip
    if provider == "anthropic":
        counts |= {"cache_write": rng.choice((0, rng.randrange(1_024, 9_000))),
                   "cache_write_1h": rng.choice((0, 0, 0, rng.randrange(1_024, 9_000)))}  # fmt: skip
    return counts


async def write_ledger(ledger: Ledger, provider: str, calls: Sequence[Call]) -> dict[int, int]:
    """Store calls as a run's attempts; gives attempt ids by the calls' numbers."""
    run_id = f"{provider}-run"
    ledger.create_run(
        RunRecord(
            run_id=run_id, created_at_us=START_US, plan_sha256="", harness_version="0", price_book_sha256="",
            suites=(SuiteRecord(name="books", version="1", sha256=""),), models=tuple(MODELS[provider]),
        )
    )  # fmt: skip
    cells = ledger.add_cells(run_id, [
        CellRecord(suite="books", suite_version="1", suite_sha256="", provider=provider, model=model)
        for model in MODELS[provider]
    ])  # fmt: skip
    cell_of = dict(zip(MODELS[provider], cells, strict=True))
    planned = ledger.add_planned(run_id, [
        PlannedRecord(suite="books", task="calls", sample_id=str(number), epoch=0, draw_order=number,
                      inclusion_probability=1.0, sample_sha256=str(number))
        for number in range(len(calls))
    ])  # fmt: skip
    ids: dict[int, int] = {}
    async with ledger.writer() as writer:
        for call, planned_id in zip(calls, planned, strict=True):
            assert call.number is not None
            start = AttemptStart(
                request_id=f"{run_id}.{call.number}", cell_id=cell_of[call.model], planned_id=planned_id,
                model_requested=call.model, started_at_us=call.at_us - 5_000_000,
                mode="batch" if call.tier == "batch" else None,
                service_tier=None if call.tier == "batch" else call.tier,
                reserved_input_tokens=20_000, reserved_output_tokens=100_000,
            )  # fmt: skip
            ids[call.number] = attempt_id = await writer.send(start)
            await writer.settle(_outcome(attempt_id, call))
    ledger.finish_run(run_id, "complete", finished_at_us=START_US + N_DAYS * DAY_US)
    return ids


def _outcome(attempt_id: int, call: Call) -> AttemptOutcome:
    if not call.is_known:
        return AttemptOutcome(attempt_id=attempt_id, status="timed_out", finished_at_us=call.at_us, usage=NO_USAGE)
    counts = call.tokens
    usage = UsageFacts(
        input_tokens=counts["input"], cache_read_tokens=counts["cache_read"],
        cache_write_5m_tokens=counts.get("cache_write", 0), cache_write_1h_tokens=counts.get("cache_write_1h", 0),
        output_tokens=counts["output"], reasoning_tokens=0, usage_kind="openai.chat", usage_source="provider",
    )  # fmt: skip
    return AttemptOutcome(
        attempt_id=attempt_id, status="succeeded", finished_at_us=call.at_us, usage=usage, billed="yes",
        provider_request_id=call.request_id, model_served=call.model,
        service_tier=None if call.tier == "batch" else call.tier,
    )  # fmt: skip
