"""The index of a run's samples: its numbers are those of the export, it grows with the run, and it is kept."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.ledger import AttemptOutcome, AttemptStart, Ledger, Transcript
from harness.ledger.reading.viewed.said_beginnings import said_beginnings
from harness.pricing import PriceBook
from harness.reports.exports.sample_export import sample_stream
from harness.view.answers.index_building import built_index, extend, is_extendable
from harness.view.answers.kept_index import keep, kept
from harness.view.answers.listed_samples import Listed, asked_text, listed
from harness.view.answers.run_indexes import RunIndexes
from harness.view.answers.sample_choice import part_in_order, place_in_order
from harness.view.answers.sample_index import IS_THERE, SampleIndex
from tests.support.kept_files import spoil_kept
from tests.support.odd_samples import BOOK, ids_of, invoiced
from tests.support.report_ledgers import AT_US, Try, add_attempt, add_run, many, used


def shown(index: SampleIndex, ledger: Ledger) -> list[Listed]:
    return listed(index, ledger, np.flatnonzero(index.has(IS_THERE)))


SAME = (
    "cost_usd", "cost_is_lower_bound", "judge_cost_usd", "judge_cost_is_lower_bound", "reason", "score", "attempt_id",
    "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "n_attempts",
    "n_retries", "duration_s", "time_to_first_byte_s", "answer",
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
    whole = place.read_bytes()
    place.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert kept(odd, "r1", BOOK.sha256, folder) is None
    keep(index, odd, BOOK.sha256, folder)
    assert [found.name for found in folder.iterdir()] == [place.name]
    assert kept(odd, "r1", BOOK.sha256, folder) is not None
    spoil_kept(folder, lambda _: b'{"told": [], "kinds": []}')
    assert kept(odd, "r1", BOOK.sha256, folder) is None


def test_an_empty_name_of_the_cache_folder_keeps_and_reads_no_index(
    odd: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BENCHTAB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".cache" / "benchtab" / "answers"
    keep(built_index(odd, BOOK, "r1"), odd, BOOK.sha256, folder)
    spoil_kept(folder, lambda told: told.replace(b'"reasons":["', b'"reasons":["kept'))
    with RunIndexes().of(odd, BOOK, "r1", is_patient=True) as index:
        assert index.reasons[0] == "kept"
    monkeypatch.setenv("BENCHTAB_CACHE", "")
    with RunIndexes().of(odd, BOOK, "r1", is_patient=True) as index:
        assert index.reasons[0] == ""


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


async def test_texts_of_any_length_are_read_no_further_than_they_are_shown(ledger: Ledger) -> None:
    """Twenty megabytes of an answer that packs to nothing, and a prompt that is cut in the middle of its JSON."""
    await add_run(ledger, "r1", {"sim/direct": {("long", 0): [Try()]}})
    filled = Transcript(messages=[{"role": "user", "content": 'Say "x" ' + "é" * 100_000}], answer="y" * 20_000_000)
    cell, planned = ledger.cells("r1")[0].cell_id or 0, ledger.planned("r1")[0].planned_id or 0
    async with ledger.writer() as writer:
        start = AttemptStart(request_id="more", cell_id=cell, planned_id=planned, model_requested="direct",
                             started_at_us=AT_US, parameters={})  # fmt: skip
        number = await writer.send(start)
        ended = AttemptOutcome(attempt_id=number, status="succeeded", finished_at_us=AT_US + 1, usage=used(1, 1))
        await writer.settle(ended, transcript=filled)
    said = said_beginnings(ledger, [number], most_bytes=1001)[number]
    assert said.answer == "y" * 1001
    assert asked_text(said.prompt).startswith('Say "x" ééé')
    assert said.reasoning is None
    (row,) = shown(built_index(ledger, BOOK, "r1"), ledger)
    assert row.values["question"].startswith('Say "x" éé')
