"""A report over sums equals charging attempt by attempt to the last digit, wherever a user's prices change."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.costs import cost_of
from harness.instants import from_us, to_us
from harness.ledger import AttemptOutcome, AttemptStart, CellRecord, Ledger, PlannedRecord, RunRecord
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.ledger.writing.usage_facts import usage_facts
from harness.money import add
from harness.pricing import PriceBook
from harness.pricing.price_files import load_price_book
from harness.reports.exports.attempt_exports import export_stream
from harness.reports.facts.assembly import spend_report
from harness.reports.facts.charger import usage_of_row
from harness.usage import meters, read_usage

NOON = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
LAYER = """
provider = "acme"

[[price]]
model = "long"
effective_from = "2026-01-01"
input = "1.1"
cache_read = "0.13"
output = "3.7"
reasoning = "4.3"
when = [{ over = 64000, input = "2.3", cache_read = "0.29", output = "7.1", reasoning = "8.3" }]
source = "a contract"
checked_on = 2026-11-01
confidence = "high"

[[price]]
model = "long"
effective_from = "2026-11-03T12:07:31Z"
input = "1.7"
cache_read = "0.19"
output = "5.9"
reasoning = "6.1"
when = [{ over = 64000, input = "2.9", cache_read = "0.31", output = "9.7", reasoning = "9.9" }]
source = "a contract"
checked_on = 2026-11-01
confidence = "high"

[[price]]
model = "strict"
effective_from = "2026-01-01"
input = "10"
output = "30"
source = "a contract"
checked_on = 2026-11-01
confidence = "high"

[[price]]
model = "strict"
effective_from = "2026-11-03T12:07:31Z"
input = "20"
output = "90"
source = "a contract"
checked_on = 2026-11-01
confidence = "high"

[[price]]
model = "plain"
effective_from = "2026-01-01"
input = "0.7"
output = "1.9"
source = "a contract"
checked_on = 2026-11-01
confidence = "high"
"""


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_url) as opened:
        yield opened


@pytest.fixture
def book(tmp_path: Path) -> PriceBook:
    layer = tmp_path / "pricing"
    layer.mkdir()
    (layer / "acme.toml").write_text(LAYER, encoding="utf-8")
    return load_price_book(layer)


def payload(rng: random.Random) -> tuple[str, dict[str, Any]]:
    """Payloads of prompts on both sides of 64,000 tokens; Anthropic's longest call is less than its sum."""
    size = rng.choice((700, 63_999, 64_000, 64_001, 90_000))
    output = rng.randrange(10, 5000)
    if rng.random() < 0.3:
        calls = [{"type": "message", "input_tokens": part, "output_tokens": 7} for part in (size - 1000, 1000)]
        return "anthropic.messages", {"input_tokens": size, "output_tokens": 14, "iterations": calls}
    details = {"reasoning_tokens": output // 3}
    cached = {"cached_tokens": rng.randrange(0, size)}
    return "openai.chat", {
        "prompt_tokens": size,
        "completion_tokens": output,
        "total_tokens": size + output,
        "prompt_tokens_details": cached,
        "completion_tokens_details": details,
    }


async def fill(ledger: Ledger, n: int = 120) -> None:
    """One model and its judge over the minutes around the change of price at 12:07:31."""
    rng = random.Random(5)
    ledger.create_run(
        RunRecord(run_id="r", created_at_us=to_us(NOON), plan_sha256="", harness_version="0", price_book_sha256="")
    )
    cells = ledger.add_cells(
        "r",
        [
            CellRecord(suite="s", suite_version="1", suite_sha256="", provider="acme", model=model)
            for model in ("long", "plain")
        ],
    )
    planned = ledger.add_planned(
        "r",
        [
            PlannedRecord(suite="s", task="t", sample_id=f"{number}", epoch=0, draw_order=number,
                          inclusion_probability=1.0, sample_sha256="")
            for number in range(n)
        ],
    )  # fmt: skip
    async with ledger.writer() as writer:
        for number in range(n):
            for cell, model in zip(cells, ("long", "plain"), strict=True):
                await attempt(writer, rng, f"s{number}", cell, planned[number], model, "solve")
            await attempt(writer, rng, f"j{number}", cells[1], planned[number], "strict", "judge")
    ledger.finish_run("r", "complete", finished_at_us=to_us(NOON) + 10**9)


async def attempt(
    writer: Any, rng: random.Random, name: str, cell: int, planned: int, model: str, purpose: str
) -> None:
    attempt_id = await writer.send(
        AttemptStart(
            request_id=f"{name}.{cell}",
            cell_id=cell,
            planned_id=planned,
            model_requested=model,
            started_at_us=to_us(NOON),
            purpose=purpose,  # type: ignore[arg-type]
            parameters={},
        )
    )
    kind, raw = payload(rng)
    usage = read_usage(kind, raw)
    change_us = to_us(datetime(2026, 11, 3, 12, 7, 31, tzinfo=UTC))
    at_us = rng.choice((change_us - 1, change_us, to_us(NOON) + rng.randrange(900) * 1_000_000))
    await writer.settle(
        AttemptOutcome(
            attempt_id=attempt_id,
            status=rng.choice(("succeeded", "succeeded", "failed")),
            finished_at_us=at_us,
            usage=usage_facts(usage, meters(usage), raw_usage=raw, usage_kind=kind),
            finish_reason=rng.choice(("stop", "stop", "length")),
            model_served=rng.choice((model, None, f"{model}-2026-11-01")),
        )
    )


def one_by_one(ledger: Ledger, book: PriceBook, purpose: str) -> dict[str, tuple[Decimal, Decimal]]:
    """Charge each attempt with `cost_of`: total and wasted dollars by model."""
    amounts: dict[str, list[tuple[Decimal, bool]]] = {}
    for row in attempt_rows(ledger):
        if row.purpose == purpose:
            cost = cost_of(
                book,
                usage_of_row(row),
                provider=row.provider_asked,
                model=row.model_requested,
                at=from_us(row.finished_at_us or 0),
                served_model=row.model_served,
            )
            assert cost.list_usd is not None
            wasted = row.status == "failed" or row.finish_reason == "length"
            amounts.setdefault(row.model, []).append((cost.list_usd, wasted))
    return {
        model: (add(usd for usd, _ in found), add(usd for usd, wasted in found if wasted))
        for model, found in amounts.items()
    }


async def test_a_price_change_inside_a_quarter_hour_or_a_context_bucket_is_charged_exactly(
    ledger: Ledger, book: PriceBook
) -> None:
    await fill(ledger)
    rows = {row.facts.model: row.facts for row in spend_report(ledger, book).rows}
    for model, (total, wasted) in one_by_one(ledger, book, "solve").items():
        assert rows[model].solve.cost.total == total
        assert rows[model].solve.wasted_usd == wasted
        costs = [cost for task in rows[model].tasks for cost in task.costs_usd]
        assert sum(cost for cost in costs if cost is not None) == pytest.approx(float(total), rel=1e-12)
        tokens = sum(tokens or 0 for task in rows[model].tasks for tokens in task.output_tokens)
        assert tokens == rows[model].solve.tokens.output_tokens


async def test_a_judge_is_charged_at_its_own_price_not_at_that_of_the_model_it_judges(
    ledger: Ledger, book: PriceBook
) -> None:
    await fill(ledger)
    (row,) = [row for row in spend_report(ledger, book).rows if row.facts.model == "plain"]
    assert row.facts.judge.cost.total == one_by_one(ledger, book, "judge")["plain"][0]
    assert row.facts.judge.n_unpriced_attempts == 0


async def test_exported_charges_add_up_to_the_report(ledger: Ledger, book: PriceBook) -> None:
    await fill(ledger)
    stream = export_stream(ledger, "charges", book=book)
    names = [column.name for column in stream.columns]
    found: dict[tuple[str, str], list[Decimal]] = {}
    for columns in stream.batches:
        batch = dict(zip(names, columns, strict=True))
        for key in zip(batch["model"], batch["purpose"], batch["usd"], strict=True):
            found.setdefault((key[0], key[1]), []).append(key[2])
    for row in spend_report(ledger, book).rows:
        assert add(found[row.facts.model, "solve"]) == row.facts.solve.cost.total
        if row.facts.judge.n_attempts:
            assert add(found[row.facts.model, "judge"]) == row.facts.judge.cost.total


async def test_another_instant_or_batch_rates_are_charged_exactly_too(ledger: Ledger, book: PriceBook) -> None:
    await fill(ledger, 40)
    at = datetime(2026, 11, 20, tzinfo=UTC)
    rows = {row.facts.model: row.facts for row in spend_report(ledger, book, as_of=at).rows}
    amounts = [
        cost_of(book, usage_of_row(row), provider="acme", model="long", at=at, served_model=row.model_served).list_usd
        for row in attempt_rows(ledger)
        if row.model == "long"
    ]
    assert rows["long"].solve.cost.total == add(filter(None, amounts))
