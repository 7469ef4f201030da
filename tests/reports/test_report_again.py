"""A report that nothing has changed since is told again from a file; whatever a report rests on makes it anew."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.filled_ledger import fill
from harness.cli.terminal.kept_texts import MOST_FILES, KeptText, paragraphs_text, read_paragraphs
from harness.cli.terminal.told_again import FEWEST_ATTEMPTS
from harness.documents.table import Column, Sentences, Table
from harness.ledger import ForecastRecord, Ledger
from harness.ledger.marks.ledger_mark import _OPEN, mark_of, sqlite_mark
from harness.ledger.records import DrawRecord, InvoicedRecord
from harness.pricing.price_files import load_price_book
from harness.reports.facts.assembly import spend_report
from harness.reports.spend.report import report_object
from harness.resources import cache_folder
from tests.support.command_lines import said_here
from tests.support.kept_files import spoil_kept
from tests.support.ledger_rows import NOON_US, Filled, outcome, score, start
from tests.support.ledger_rows import fill as fill_small

BOOK = load_price_book()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger that is large enough to be told again; to be copied by whoever writes to it."""
    path = tmp_path_factory.mktemp("large") / "large.db"
    fill(path, FEWEST_ATTEMPTS + 200)
    return path


def _report(db: Path, kept: Path | str, *words: str) -> str:
    said = said_here("report", "--db", str(db), *words, BENCHTAB_CACHE=str(kept), COLUMNS="200")
    assert said.code == 0, said.stderr
    return said.stdout


def _spoil(kept: Path) -> None:
    spoil_kept(kept, lambda text: text.replace(b"bench", b"TOLD AGAIN"))


@pytest.mark.parametrize("words", [(), ("--format", "csv"), ("--as-of", "2026-09-01")])
def test_a_report_told_again_is_the_report_made_anew(large: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    made = _report(large, tmp_path, *words)
    assert len(list(tmp_path.glob("*.kept"))) == 1, "nothing was kept"
    assert _report(large, tmp_path, *words) == made
    assert _report(large, tmp_path, *words, "--recount") == made
    assert _report(large, "", *words) == made
    _spoil(tmp_path)
    assert "TOLD AGAIN" in _report(large, tmp_path, *words), "it was made anew"
    assert _report(large, tmp_path, *words, "--recount") == made
    assert _report(large, tmp_path, *words) == made, "--recount keeps what it counted"


def test_a_page_told_again_is_the_same_file(large: Path, tmp_path: Path) -> None:
    for name in ("one.html", "two.html"):
        _report(large, tmp_path / "kept", "-o", str(tmp_path / name))
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def _edit(db: Path, statement: str) -> None:
    with sqlite3.connect(db) as connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda db: _edit(db, "UPDATE runs SET status = 'partial'"),
        lambda db: _edit(
            db,
            "INSERT INTO scores (attempt_id, planned_id, cell_id, scorer, scorer_version, value_millionths,"
            " scored_at_us) SELECT attempt_id, planned_id, cell_id, scorer, '2', 0, scored_at_us FROM scores LIMIT 9",
        ),
        lambda db: shutil.copy(db, db.with_name("other")) and db.with_name("other").replace(db),
        lambda db: os.utime(db, ns=(1, 1)),
    ],
    ids=["run", "rescored", "another file of the same name", "touched"],
)
def test_a_ledger_that_changed_is_counted_again(large: Path, tmp_path: Path, change: Callable[[Path], object]) -> None:
    db = tmp_path / "ledger.db"
    shutil.copy(large, db)
    _report(db, tmp_path / "kept", "bench")
    _spoil(tmp_path / "kept")
    change(db)
    assert "TOLD AGAIN" not in _report(db, tmp_path / "kept", "bench")


def test_other_prices_are_counted_again(large: Path, tmp_path: Path) -> None:
    prices = tmp_path / "prices"
    prices.mkdir()
    row = 'provider = "openai"\n[[price]]\nmodel = "o3"\neffective_from = "2026-01-01"\ninput = "1"\noutput = "{}"\n'
    row += 'source = "a contract"\nchecked_on = 2026-11-01\nconfidence = "high"\n'
    told = []
    for usd in ("3", "4"):
        (prices / "own.toml").write_text(row.format(usd))
        os.utime(prices / "own.toml", ns=(1, 1))  # the same size and time: its content counts
        told.append(_report(large, tmp_path / "kept", "--json", "--pricing", str(prices)))
    assert told[0] != told[1]


@pytest.mark.parametrize("damage", [b"", b"benchtab\n", b"\xff\xfe", None])
def test_a_broken_file_is_as_good_as_none(large: Path, tmp_path: Path, damage: bytes | None) -> None:
    made = _report(large, tmp_path, "--json")
    (path,) = tmp_path.glob("*.kept")
    path.write_bytes(path.read_bytes()[:-7] + b"garbage" if damage is None else damage)
    assert _report(large, tmp_path, "--json") == made


def test_a_small_report_is_not_kept(tmp_path: Path, empty_ledger: Path) -> None:
    db = tmp_path / "ledger.db"
    shutil.copy(empty_ledger, db)
    with Ledger.open(db) as ledger:
        fill_small(ledger)
    _report(db, tmp_path / "kept", "run-1")
    assert not (tmp_path / "kept").exists()


def test_the_oldest_texts_make_room(tmp_path: Path) -> None:
    for number in range(MOST_FILES + 3):
        kept = KeptText.of(tmp_path, {"number": number})
        kept.write(str(number))
        os.utime(kept.file.path, ns=(number, number))
    KeptText.of(tmp_path, {"number": -1}).write("newest")
    assert len(list(tmp_path.iterdir())) == MOST_FILES
    assert KeptText.of(tmp_path, {"number": -1}).read() == "newest"
    assert KeptText.of(tmp_path, {"number": 0}).read() is None


def test_texts_are_kept_where_caches_belong(tmp_path: Path) -> None:
    assert cache_folder({"BENCHTAB_CACHE": "", "HOME": "/home/a"}) is None
    assert cache_folder({"BENCHTAB_CACHE": "/mine"}) == Path("/mine")
    assert cache_folder({"XDG_CACHE_HOME": "/caches", "HOME": "/home/a"}) == Path("/caches/benchtab")
    assert cache_folder({"XDG_CACHE_HOME": "not/absolute", "HOME": "/home/a"}) == Path("/home/a/.cache/benchtab")
    assert cache_folder({}) is None
    file = tmp_path / "file"
    file.write_text("")
    KeptText.of(file, {}).write("nowhere")
    assert KeptText.of(file, {}).read() is None


def test_paragraphs_come_back_as_they_were() -> None:
    table = Table(
        name="t", title="T", columns=(Column(name="a", kind="integer", drops=2), Column(name="b", whole=True)),
        rows=[(1, None), (2.5, "x\u202e\n")], notes=("n",),
    )  # fmt: skip
    told = paragraphs_text([Sentences(title="S", lines=("one", "two")), table])
    assert told is not None
    assert read_paragraphs(told) == [Sentences(title="S", lines=("one", "two")), table]
    assert paragraphs_text([replace(table, rows=[(object(), "b")])]) is None


def _mark(ledger: Ledger) -> str:
    with ledger.reading() as connection:
        return mark_of(
            lambda query: connection.exec_driver_sql(query).fetchall(), counted=ledger.engine.dialect.name != "sqlite"
        )


async def _change(ledger: Ledger, filled: Filled, chance: random.Random, sent: list[int], number: int) -> str:
    """Do one of the things that happen to a ledger; says which."""
    done = chance.choice(["send", "send", "settle", "score", "invoice", "draw", "forecast", "run"])
    if done in ("settle", "score", "invoice") and not sent:
        done = "send"
    async with ledger.writer() as writer:
        if done == "send":
            sent.append(await writer.send(replace(start(filled, number), request_id=f"more-{number}")))
        elif done == "settle":
            await writer.settle(outcome(sent.pop(chance.randrange(len(sent)))))
        elif done == "score":
            await writer.add_score(score(filled, sent[0], value_millionths=chance.randrange(1_000_000)))
    if done == "invoice":
        ledger.add_invoiced([InvoicedRecord(attempt_id=sent[-1], source="bill", recorded_at_us=number)])
    elif done == "draw":
        ledger.add_draws([_draw(filled, filled.planned[number])])
    elif done == "forecast":
        ledger.add_forecasts([_forecast(filled, number)])
    elif done == "run":
        ledger.finish_run(filled.run_id, "partial", finished_at_us=NOON_US + number)
    return done


def _draw(filled: Filled, planned_id: int) -> DrawRecord:
    return DrawRecord(
        cell_id=filled.cells[0], planned_id=planned_id, wave=1, stratum="s", draw_order=1, inclusion_probability=0.5
    )


def _forecast(filled: Filled, number: int) -> ForecastRecord:
    return ForecastRecord(
        run_id=filled.run_id, made_at_us=number, wave=0, basis={}, level=0.9, spent_pico_usd=0,
        expected_pico_usd=1, low_pico_usd=0, high_pico_usd=2,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_to_a_ledger_changes_its_mark_and_looking_at_it_does_not(ledger_url: str, seed: int) -> None:
    chance, sent, seen = random.Random(seed), list[int](), set[str]()
    with Ledger.open(ledger_url) as ledger:
        filled = fill_small(ledger, n_samples=30)
        for number in range(20):
            mark = _mark(ledger)
            assert mark not in seen
            seen.add(mark)
            told = report_object(spend_report(ledger, BOOK, ["run-1"]))
            assert (_mark(ledger), report_object(spend_report(ledger, BOOK, ["run-1"]))) == (mark, told)
            done = asyncio.run(_change(ledger, filled, chance, sent, number))
            assert _mark(ledger) != mark, done


def test_a_file_has_the_same_mark_after_it_was_read_and_another_after_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        filled = fill_small(ledger)
    mark = sqlite_mark(path)
    with Ledger.open(path, create=False) as ledger:
        spend_report(ledger, BOOK, ["run-1"])
        assert sqlite_mark(path) == mark
    assert sqlite_mark(path) == mark
    with Ledger.open(path) as ledger:

        async def send() -> None:
            async with ledger.writer() as writer:
                await writer.send(start(filled))

        asyncio.run(send())
        assert sqlite_mark(path) != mark, "what is in the log beside the file counts"
    assert sqlite_mark(tmp_path / "nothing.db") is None
    (tmp_path / "text.db").write_text("no ledger")
    assert sqlite_mark(tmp_path / "text.db") is None
    assert not (tmp_path / "nothing.db").exists()


def test_open_attempts_are_counted_by_their_index(ledger: Ledger) -> None:
    with ledger.reading() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {_OPEN}").fetchall()
    assert "ix_attempts_bill_unknown" in str(plan)
