"""Samples of a run: the index equals the export, filters and orders choose what they say, pages walk along the list."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.ledger import NO_USAGE, Ledger
from harness.ledger.reading.batch_rows import select_rows
from harness.ledger.records import InvoicedRecord
from harness.pricing import Price, PriceBook
from harness.reports.exports.sample_export import sample_stream
from harness.usage.values import Meter
from harness.view.answers.index_building import built_index, extend, is_extendable
from harness.view.answers.kept_index import keep, kept
from harness.view.answers.listed_samples import Listed, listed
from harness.view.answers.sample_choice import part_in_order, place_in_order
from harness.view.answers.sample_index import IS_THERE, SampleIndex
from tests.support.report_ledgers import AT_US, Try, add_attempt, add_run, many, used

ODD_RATE = Decimal("0.0000007")
"""Dollars per million tokens that are no whole picodollars per token."""
BOOK = PriceBook(
    rows=(
        Price(
            provider="sim",
            model="reasoner",
            rates={Meter.INPUT: Decimal("2.1"), Meter.CACHE_READ: Decimal("0.53"), Meter.OUTPUT: Decimal("8.7")},
        ),
        Price(provider="sim", model="direct", rates={Meter.INPUT: ODD_RATE, Meter.OUTPUT: Decimal("1.6")}),
    )
)
ODD = {
    ("silent", 0): [Try(score=None, reason="no_answer")],
    ("cut", 0): [Try(score=None, reason="truncated", finish_reason="length")],
    ("unclear", 0): [Try(score=None, reason="undecided")],
    ("failed", 0): [Try(status="failed", usage=NO_USAGE, score=None, billed="no")],
    ("lost", 0): [Try(status="timed_out", usage=NO_USAGE, score=None), Try(usage=used(7, 9, 3, cached=5), score=0.0)],
    ("won", 0): [Try(score=0.25), Try(status="failed", usage=NO_USAGE, score=None)],
    ("stated", 0): [Try(usage=replace(used(10, 20), stated_cost_usd=Decimal("0.00001")), score=0.5)],
    ("judged", 0): [Try(), Try(purpose="judge", usage=used(30, 4)), Try(purpose="user_simulator", usage=used(3, 4))],
    ("reused", 0): [Try(status="reused", usage=used(50, 60))],
    ("vague", 0): [Try(usage=used(50, 60, None)), Try(usage=used(5, 6, 2))],
    ("open", 0): [Try(status=None)],
    ("billed", 0): [Try(status=None)],
    ("again", 1): [Try()],
}


async def odd_run(ledger: Ledger) -> None:
    """A run with everything that can become of a sample, beside another run."""
    cells = {
        "sim/reasoner@high": {**many(20, 0.8, 900, reasoning=80), **ODD},
        "sim/direct": {**many(20, 0.6, 90), **dict(list(ODD.items())[::2])},
        "acme/unpriced": many(5, 0.5, 10),
    }
    await add_run(ledger, "r1", cells)
    await add_run(ledger, "r2", {"sim/direct": many(5, 0.5, 10)})
    ledger.add_invoiced([invoiced(number, 1_234_567) for number in ids_of(ledger, "billed")])


def ids_of(ledger: Ledger, sample_id: str) -> list[int]:
    query = "SELECT attempt_id FROM attempts JOIN planned_samples USING (planned_id) WHERE sample_id = :sample_id"
    return [row.attempt_id for row in select_rows(ledger, query, sample_id=sample_id)]


def invoiced(attempt_id: int, pico_usd: int) -> InvoicedRecord:
    return InvoicedRecord(attempt_id=attempt_id, source="a bill", recorded_at_us=AT_US, billed_pico_usd=pico_usd)


@pytest.fixture
async def odd(ledger_url: str) -> Any:
    with Ledger.open(ledger_url) as opened:
        await odd_run(opened)
        yield opened


def shown(index: SampleIndex, ledger: Ledger) -> list[Listed]:
    return listed(index, ledger, np.flatnonzero(index.has(IS_THERE)))


SAME = (
    "cost_usd", "judge_cost_usd", "reason", "score", "attempt_id", "input_tokens", "cache_read_tokens",
    "cache_write_tokens", "output_tokens", "reasoning_tokens", "n_attempts", "n_retries", "duration_s",
    "time_to_first_byte_s", "answer",
)  # fmt: skip


def assert_equals_export(index: SampleIndex, ledger: Ledger, book: PriceBook = BOOK) -> None:
    stream = sample_stream(ledger, book, [index.run_id])
    names = [column.name for column in stream.columns]
    exported: dict[tuple[object, ...], dict[str, Any]] = {}
    for columns in stream.batches:
        for values in zip(*columns, strict=True):
            row = dict(zip(names, values, strict=True))
            model = f"{row['provider']}/{row['model']}{'@' + row['setting'] if row['setting'] else ''}"
            exported[row["suite"], row["task"], row["sample_id"], row["epoch"], model] = row
    mine = {tuple(one.values[name] for name in ("suite", "task", "sample_id", "epoch", "model")): one.values
            for one in shown(index, ledger)}  # fmt: skip
    assert mine.keys() == exported.keys()
    for key, row in exported.items():
        assert {name: mine[key][name] for name in SAME} == {name: row[name] for name in SAME}, key
    every = np.flatnonzero(index.has(IS_THERE))
    assert index.total_usd("cost", every) == sum(row["cost_usd"] or Decimal(0) for row in exported.values())


async def test_every_number_of_the_index_is_that_of_the_samples_export(odd: Ledger) -> None:
    """Judges, retries, failures, reused answers, bills told later, stated costs, odd rates, unpriced models."""
    index = built_index(odd, BOOK, "r1")
    assert index.beyond  # the odd rate
    assert_equals_export(index, odd)
    assert_equals_export(built_index(odd, BOOK, "r2"), odd)


async def test_an_index_that_is_extended_equals_one_that_is_read_anew(odd: Ledger) -> None:
    """What was under way is settled, retried and scored again; bills are told; other runs change nothing."""
    index = built_index(odd, BOOK, "r1")
    assert not extend(index, odd, BOOK)
    version = index.version
    (cell, *_), planned = odd.cells("r1"), odd.planned("r1")
    by_name = {one.sample_id: one.planned_id or 0 for one in planned}
    async with odd.writer() as writer:
        for name, tries in (("silent", [Try()]), ("open", [Try(score=0.0)]), ("q0003", [Try(purpose="judge")])):
            for number, attempt in enumerate(tries, 7):
                request = f"more.{name}.{number}"
                await add_attempt(writer, attempt, request, cell.cell_id or 0, by_name[name], "sim/reasoner@high",
                                  number, None, AT_US + 9_000_000)  # fmt: skip
    odd.add_invoiced([invoiced(number, 99) for number in ids_of(odd, "lost")])
    await add_run(odd, "r3", {"sim/direct": many(5, 0.5, 10)})
    assert is_extendable(index, odd)
    assert extend(index, odd, BOOK)
    assert index.version > version
    assert_equals_export(index, odd)
    assert not extend(index, odd, BOOK)


def test_a_kept_index_is_read_again_and_foreign_or_broken_ones_are_not(odd: Ledger, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    index = built_index(odd, BOOK, "r1")
    keep(index, odd, BOOK.sha256, folder)
    again = kept(odd, "r1", BOOK.sha256, folder)
    assert again is not None
    assert_equals_export(again, odd)
    other = PriceBook(rows=BOOK.rows[:1])
    assert kept(odd, "r1", other.sha256, folder) is None
    assert kept(odd, "r2", BOOK.sha256, folder) is None
    (place,) = folder.iterdir()
    cost = place / "cost"
    cost.write_bytes(bytes(reversed(cost.read_bytes())))
    assert kept(odd, "r1", BOOK.sha256, folder) is None
    keep(index, odd, BOOK.sha256, folder)
    assert [found.name for found in folder.iterdir()] == [place.name]
    assert kept(odd, "r1", BOOK.sha256, folder) is not None
    (place / "index.json").write_text('{"form": []')
    assert kept(odd, "r1", BOOK.sha256, folder) is None


def test_rows_that_are_equal_stay_as_planned_and_unknown_ones_stand_last() -> None:
    """A part of the order is what sorting everything gives there, wherever it is cut."""
    rng = random.Random(5)
    for n, different in ((1000, 3), (1000, 900), (40, 40), (1000, 1)):
        keys = np.array([float(rng.randrange(different)) for _ in range(n)])
        keys[::7] = np.inf
        whole = np.argsort(keys, kind="stable")
        for start in (0, 1, n // 3, n - 5):
            assert part_in_order(keys, n, start, start + 5).tolist() == whole[start : start + 5].tolist()
        assert [place_in_order(keys, int(at)) for at in whole[:20]] == list(range(min(20, n)))
