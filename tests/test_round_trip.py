"""What leaves in files is what the report says: every total, recomputed by pandas and DuckDB, to the last digit."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

import harness
from harness.ledger import Ledger
from harness.pricing.price_files import load_price_book
from harness.reports.facts.assembly import spend_report
from harness.reports.spend.report import SpendReport
from tests.support.runs import number_suite, run

MODELS = ["sim/reasoner@high", "sim/reasoner@low", "sim/direct", "sim/flaky"]
TABLES = ("attempts", "charges", "scores")
WRONG = ("no_answer", "refused", "truncated")
"""Reasons for having no score that count as wrong: the model answered, and the answer holds none."""
CELL = "model, coalesce(setting, '')"

Totals = dict[Any, dict[str, Any]]  # keyed by model and setting


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with two runs, repeats, retries, lost usage and cut answers, exported both ways."""
    folder = tmp_path_factory.mktemp("round-trip")
    suite = number_suite(folder / "suite", 60, cap=4096)
    with Ledger.open(folder / "ledger.db") as ledger:
        run(suite, MODELS, ledger, run_id="one", epochs=2)
        run(suite, MODELS[2:], ledger, run_id="two", limit=20)
    for table in TABLES:
        for ending in ("parquet", "csv"):
            assert harness.export(table, folder / f"{table}.{ending}", db=folder / "ledger.db") > 0
    return folder


@pytest.fixture(scope="module")
def report(folder: Path) -> SpendReport:
    with Ledger.open(folder / "ledger.db", create=False) as ledger:
        return spend_report(ledger, load_price_book())


@pytest.fixture(scope="module")
def expected(report: SpendReport) -> Totals:
    found: Totals = {}
    for row in report.rows:
        spend = row.facts.solve
        tokens, cost = spend.tokens, spend.cost
        found[row.facts.model, row.facts.setting or ""] = {
            "n_attempts": spend.n_attempts,
            "n_failed": spend.n_failed_attempts,
            "n_unknown": spend.n_unknown_usage,
            "n_retries": spend.n_retries,
            "input_tokens": tokens.input_tokens,
            "cache_read_tokens": tokens.cache_read_tokens,
            "cache_write_tokens": tokens.cache_write_tokens,
            "output_tokens": tokens.output_tokens,
            "reasoning_tokens": tokens.reasoning_tokens,
            "input": cost.input,
            "cache_read": cost.cache_read,
            "output": cost.output,
            "reasoning": cost.reasoning,
            "answer": cost.answer,
            "total": cost.total,
            "n_correct": row.n_correct,
            "n_scored": row.n_solves - row.n_unscored,
        }
    return found


def test_the_ledger_has_the_cases_that_make_totals_hard(expected: Totals) -> None:
    flaky = expected["flaky", ""]
    assert flaky["n_failed"] > 0
    assert flaky["n_unknown"] > 0
    assert flaky["n_retries"] > 0
    assert all(cell["total"] > 0 for cell in expected.values())


def differences(found: Totals, expected: Totals) -> list[tuple[Any, ...]]:
    """List cell, total, what was recomputed and what the report says, wherever they differ in any digit."""
    assert found.keys() == expected.keys()
    return [
        (cell, name, found[cell].get(name), value)
        for cell, totals in expected.items()
        for name, value in totals.items()
        if name not in found[cell] or found[cell][name] != value
    ]


ATTEMPTS = f"""
    SELECT {CELL}, count(*) AS n_attempts,
        count(*) FILTER (status IN ('failed', 'timed_out', 'cancelled')) AS n_failed,
        count(*) FILTER (input_tokens IS NULL AND billed <> 'no') AS n_unknown,
        count(retry_of) AS n_retries,
        coalesce(sum(input_tokens), 0) AS input_tokens,
        coalesce(sum(cache_read_tokens), 0) AS cache_read_tokens,
        coalesce(sum(cache_write_5m_tokens), 0) + coalesce(sum(cache_write_1h_tokens), 0) AS cache_write_tokens,
        coalesce(sum(output_tokens), 0) AS output_tokens,
        CASE WHEN count(*) FILTER (output_tokens IS NOT NULL AND reasoning_tokens IS NULL) = 0
            THEN coalesce(sum(reasoning_tokens), 0) END AS reasoning_tokens
    FROM attempts WHERE purpose = 'solve' AND status <> 'reused' GROUP BY ALL
"""
CHARGES = f"""
    SELECT {CELL},
        coalesce(sum(usd) FILTER (meter = 'input'), 0) AS input,
        coalesce(sum(usd) FILTER (meter = 'cache_read'), 0) AS cache_read,
        coalesce(sum(usd) FILTER (meter IN ('output', 'reasoning')), 0) AS output,
        coalesce(sum(usd) FILTER (meter = 'reasoning'), 0) AS reasoning,
        coalesce(sum(usd) FILTER (meter = 'output'), 0) AS answer,
        sum(usd) AS total
    FROM charges WHERE purpose = 'solve' GROUP BY ALL
"""
SCORES = f"""
    SELECT {CELL}, sum(score) AS n_correct, count(*) FILTER (score IS NOT NULL OR reason IN {WRONG}) AS n_scored
    FROM scores WHERE is_newest GROUP BY ALL
"""


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_duckdb_recomputes_every_total_to_the_last_digit(folder: Path, expected: Totals, ending: str) -> None:
    database = duckdb.connect()
    for table in TABLES:
        database.execute(f"CREATE VIEW {table} AS SELECT * FROM {_source(folder, table, ending)}")
    found: Totals = {}
    for query in (ATTEMPTS, CHARGES, SCORES):
        answer = database.execute(query)
        names = [column[0] for column in answer.description or ()]
        for row in answer.fetchall():
            found.setdefault((row[0], row[1]), {}).update(zip(names[2:], row[2:], strict=True))
    assert differences(found, expected) == []


def _source(folder: Path, table: str, ending: str) -> str:
    """CSV says nothing about types: dollars are read as exact decimals, as the Parquet file has them."""
    if ending == "parquet":
        return f"'{folder / table}.parquet'"
    money = {"charges": ("usd", "usd_per_unit"), "attempts": ("reserved_usd", "stated_cost_usd"), "scores": ()}[table]
    kinds = dict.fromkeys(money, "DECIMAL(38, 18)")
    if table == "attempts":  # columns that may be empty throughout say nothing of their type
        kinds |= dict.fromkeys((f"cache_write_{life}_tokens" for life in ("5m", "1h")), "BIGINT")
    types = ", ".join(f"'{name}': '{kind}'" for name, kind in kinds.items())
    return f"read_csv('{folder / table}.csv', sample_size=-1" + (f", types={{{types}}})" if types else ")")


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_pandas_recomputes_every_total_to_the_last_digit(folder: Path, expected: Totals, ending: str) -> None:
    frames = {table: _frame(folder, table, ending) for table in TABLES}
    assert differences(_with_pandas(frames), expected) == []


def _frame(folder: Path, table: str, ending: str) -> pd.DataFrame:
    path = folder / f"{table}.{ending}"
    if ending == "parquet":
        return pd.read_parquet(path, dtype_backend="pyarrow")
    money = {"usd": Decimal} if table == "charges" else {}
    converters = {name: lambda text: Decimal(text) if text else None for name in money}
    return pd.read_csv(path, converters=converters, keep_default_na=True, low_memory=False)


def _with_pandas(frames: Mapping[str, pd.DataFrame]) -> Totals:
    found: Totals = {}
    for frame in frames.values():
        frame["setting"] = frame.setting.astype(object).where(frame.setting.notna(), "")
    attempts = frames["attempts"]
    sent = attempts[(attempts.purpose == "solve") & (attempts.status != "reused")]
    for key, cell in sent.groupby(["model", "setting"]):
        not_itemised = (cell.output_tokens.notna() & cell.reasoning_tokens.isna()).any()
        found[key] = {
            "n_attempts": len(cell),
            "n_failed": int(cell.status.isin(["failed", "timed_out", "cancelled"]).sum()),
            "n_unknown": int((cell.input_tokens.isna() & (cell.billed != "no")).sum()),
            "n_retries": int(cell.retry_of.notna().sum()),
            "input_tokens": int(cell.input_tokens.sum()),
            "cache_read_tokens": int(cell.cache_read_tokens.sum()),
            "cache_write_tokens": int(cell.cache_write_5m_tokens.sum() + cell.cache_write_1h_tokens.sum()),
            "output_tokens": int(cell.output_tokens.sum()),
            "reasoning_tokens": None if not_itemised else int(cell.reasoning_tokens.sum()),
        }
    charges = frames["charges"]
    for key, cell in charges[charges.purpose == "solve"].groupby(["model", "setting"]):
        by_meter = {meter: sum(part.usd, Decimal(0)) for meter, part in cell.groupby("meter")}
        reasoning, answer = by_meter.get("reasoning", Decimal(0)), by_meter.get("output", Decimal(0))
        found[key] |= {
            "input": by_meter.get("input", Decimal(0)),
            "cache_read": by_meter.get("cache_read", Decimal(0)),
            "output": reasoning + answer,
            "reasoning": reasoning,
            "answer": answer,
            "total": sum(by_meter.values(), Decimal(0)),
        }
    scores = frames["scores"]
    for key, cell in scores[scores.is_newest.astype(bool)].groupby(["model", "setting"]):
        scored = cell.score.notna() | cell.reason.isin(WRONG)
        found[key] |= {"n_correct": float(cell.score.sum()), "n_scored": int(scored.sum())}
    return found


def test_group_totals_are_the_sums_of_the_exported_charges(folder: Path, report: SpendReport) -> None:
    whole = duckdb.connect().execute(f"SELECT sum(usd) FROM '{folder / 'charges'}.parquet'").fetchall()[0][0]
    assert sum(group.solve.cost.total for group in report.groups) == whole
    assert sum(row.facts.solve.cost.total for row in report.rows) == whole


def test_dollars_are_decimal128_in_parquet(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.read_schema(folder / "charges.parquet")
    assert schema.field("usd").type == schema.field("usd_per_unit").type == pa.decimal128(38, 18)
