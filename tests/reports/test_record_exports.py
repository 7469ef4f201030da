"""Exports that other tools read say what the report says: Every Eval Ever, OTLP spans, FOCUS cost rows."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from harness.errors import InputError
from harness.ledger import NO_USAGE, Ledger
from harness.pricing import Price, PriceBook
from harness.rendering.export_files import export_table
from harness.reports.exports.focus_columns import FOCUS
from harness.reports.facts.assembly import spend_report
from harness.reports.facts.report_facts import CellFacts
from harness.usage.values import Meter
from tests.support.report_ledgers import Try, add_run, many, used

BOOK = PriceBook(
    rows=(
        Price(
            provider="sim",
            model="reasoner",
            rates={Meter.INPUT: Decimal("2.1"), Meter.CACHE_READ: Decimal("0.53"), Meter.OUTPUT: Decimal("8.7")},
        ),
        Price(provider="google", model="direct", rates={Meter.INPUT: Decimal("0.4"), Meter.OUTPUT: Decimal("1.6")}),
    )
)
REQUIRED = {
    "schema_version", "evaluation_id", "model_id", "evaluation_name", "sample_id", "interaction_type", "input",
    "answer_attribution", "evaluation", "output",
}  # fmt: skip
"""Of an instance record of schema 0.3.0 with one exchange (instance_level_eval.schema.json of every-eval-ever)."""


@pytest.fixture
async def ledger(ledger_url: str) -> Any:
    with Ledger.open(ledger_url) as opened:
        odd = {
            ("cached", 0): [Try(usage=used(600, 900, 700, cached=400))],
            ("cached", 1): [Try(usage=used(500, 800, 600, cached=500), score=0.5)],
            ("retried", 0): [Try(status="failed", usage=used(50, 5), score=None), Try(usage=used(70, 7))],
            ("lost", 0): [Try(status="timed_out", usage=NO_USAGE, score=None, reserved_pico_usd=10**9)],
            ("mute", 0): [Try(usage=used(10, 3), score=None, reason="no_answer")],
            ("stated", 0): [Try(usage=replace(used(10, 20), stated_cost_usd=Decimal("0.0001")))],
            ("open", 0): [Try(status=None)],
            ("reused", 0): [Try(status="reused", usage=used(1000, 1000))],
        }
        await add_run(opened, "r1", {"sim/reasoner@high": {**many(9, 0.8, 900, reasoning=80), **odd},
                                     "google/direct": many(9, 0.6, 90)})  # fmt: skip
        await add_run(opened, "r2", {"acme/unpriced": many(5, 0.5, 10)})
        yield opened


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if not path.name.startswith("ledger.db")]


def facts(ledger: Ledger, run_ids: Sequence[str] | None = None) -> dict[str, CellFacts]:
    return {row.facts.name: row.facts for row in spend_report(ledger, BOOK, run_ids).rows}


async def test_instance_records_hold_every_token_and_score_of_the_report(ledger: Ledger, tmp_path: Path) -> None:
    """Retries are in the sums; all input counts as input, as the schema says; a failed request is no wrong answer."""
    n_records = export_table(ledger, BOOK, "eee", tmp_path / "all.jsonl")
    records = lines(tmp_path / "all.jsonl")
    assert n_records == len(records) == 9 + 8 + 9 + 5
    assert all(record.keys() >= REQUIRED for record in records)
    for name, cell in facts(ledger).items():
        of_cell = [record for record in records if record["model_id"] == name.partition("@")[0]]
        counts = [record["token_usage"] for record in of_cell if record["token_usage"]]
        tokens = cell.solve.tokens
        assert sum(count["output_tokens"] for count in counts) == tokens.output_tokens
        assert sum(count["input_tokens_cache_read"] for count in counts) == tokens.cache_read_tokens
        all_input = tokens.input_tokens + tokens.cache_read_tokens + tokens.cache_write_tokens
        assert sum(count["input_tokens"] for count in counts) == all_input
        assert all(count["total_tokens"] == count["input_tokens"] + count["output_tokens"] for count in counts)
    by_id = {(record["sample_id"], record["metadata"]["epoch"]): record for record in records}
    assert by_id["cached", "1"]["metadata"]["cost_usd"] == "0.009302"  # (600*2.1 + 400*0.53 + 900*8.7) millionths
    assert (by_id["retried", "1"]["token_usage"]["input_tokens"], by_id["retried", "1"]["metadata"]["n_attempts"]) == (
        120,
        "2",
    )
    assert by_id["cached", "2"]["evaluation"] == {"score": 0.5, "is_correct": False, "num_turns": 1}
    assert (by_id["lost", "1"]["error"], by_id["lost", "1"]["token_usage"]) == ("timed_out", None)
    assert by_id["mute", "1"]["error"] is None
    assert by_id["mute", "1"]["evaluation"]["score"] == 0.0
    assert by_id["reused", "1"]["token_usage"] is None


async def test_a_folder_of_records_holds_an_aggregate_with_their_digest(ledger: Ledger, tmp_path: Path) -> None:
    export_table(ledger, BOOK, "eee", tmp_path / "store", ["r1"])
    aggregates = sorted((tmp_path / "store").glob("data/*/*/*/*.json"))
    assert [path.parent.relative_to(tmp_path / "store").as_posix() for path in aggregates] == [
        "data/starter/google/direct", "data/starter/sim/reasoner",
    ]  # fmt: skip
    for path in aggregates:
        aggregate = json.loads(path.read_text())
        told = aggregate["detailed_evaluation_results"]
        content = (tmp_path / "store" / told["file_path"]).read_bytes()
        records = [json.loads(line) for line in content.splitlines()]
        assert told["checksum"] == hashlib.sha256(content).hexdigest()
        assert told["total_rows"] == len(records)
        assert {record["evaluation_id"] for record in records} == {aggregate["evaluation_id"]}
        scored = [record["evaluation"]["score"] for record in records if record["error"] is None]
        assert aggregate["evaluation_results"][0]["score_details"]["score"] == pytest.approx(sum(scored) / len(scored))


def spans_of(path: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for resource in json.loads(path.read_text())["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                yield span, {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


async def test_spans_count_cached_input_inside_and_are_one_a_request(ledger: Ledger, tmp_path: Path) -> None:
    n_spans = export_table(ledger, BOOK, "otlp", tmp_path / "traces.json", ["r1"])
    spans = list(spans_of(tmp_path / "traces.json"))
    assert n_spans == len(spans) == len({span["spanId"] for span, _ in spans})
    requests = [(span, named) for span, named in spans if "gen_ai.operation.name" in named]
    assert len(requests) == 9 + 8 + 9  # the reused answer was no request; the retried one were two
    samples = {span["spanId"]: named["sample.id"] for span, named in spans if "sample.id" in named}
    cached, usage = next((s, n) for s, n in requests if samples[s["parentSpanId"]] == "cached")
    assert (usage["gen_ai.usage.input_tokens"], usage["gen_ai.usage.cache_read.input_tokens"]) == ("1000", "400")
    assert (usage["gen_ai.usage.output_tokens"], usage["gen_ai.usage.reasoning.output_tokens"]) == ("900", "700")
    assert (usage["benchtab.cost_usd"], cached["kind"], cached["status"]) == ("0.009302", 3, {"code": 0})
    assert {n["gen_ai.provider.name"] for _, n in requests} == {"sim", "gcp.gemini"}
    for name, error in (("lost", "timed_out"), ("open", "unanswered")):
        failed, named = next((s, n) for s, n in requests if samples[s["parentSpanId"]] == name)
        assert (failed["status"]["code"], named["error.type"]) == (2, error)
        assert "gen_ai.usage.input_tokens" not in named
        assert "benchtab.cost_usd" not in named
    export_table(ledger, BOOK, "otlp", tmp_path / "again.json", ["r1"])
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "traces.json").read_bytes()
    export_table(ledger, BOOK, "otlp", tmp_path / "lines.jsonl", ["r1"])
    assert [len(each["resourceSpans"]) for each in lines(tmp_path / "lines.jsonl")] == [1]


async def test_cost_rows_add_up_to_the_report_and_to_what_providers_state(ledger: Ledger, tmp_path: Path) -> None:
    told: list[str] = []
    export_table(ledger, BOOK, "focus", tmp_path / "costs.csv", tell=told.append)
    with (tmp_path / "costs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [column.name for column in FOCUS]
    for name in ("sim/reasoner", "google/direct"):
        cost = next(cell.solve.cost for cell in facts(ledger).values() if cell.name.startswith(name))
        of_model = [row for row in rows if row["SkuId"] == name]
        assert sum(Decimal(row["ListCost"]) for row in of_model) == cost.total
        assert sum(Decimal(row["BilledCost"]) for row in of_model) == cost.charged
        for row in of_model:
            assert Decimal(row["ListUnitPrice"]) * Decimal(row["PricingQuantity"]) == Decimal(row["ListCost"])
    assert not [row for row in rows if "unpriced" in row["SkuId"]]
    assert told == [
        "5 attempts are not, or not wholly, in these rows: no price is known for them",
        "2 attempts may be billed by an amount that is not known: they are in no row",
    ]
    assert all("." in row[name] for row in rows for name in ("BilledCost", "ListCost", "PricingQuantity"))
    assert {(row["ChargePeriodStart"], row["BillingPeriodEnd"]) for row in rows} == {
        ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")
    }
    export_table(ledger, BOOK, "focus", tmp_path / "costs.parquet")
    assert str(pq.read_schema(tmp_path / "costs.parquet").field("BilledCost").type) == "decimal128(38, 18)"


async def test_a_cost_that_is_only_stated_is_an_adjustment(ledger_url: str, tmp_path: Path) -> None:
    """Without a list price there is no rate for a usage row; the dollars are not lost."""
    with Ledger.open(ledger_url) as ledger:
        usage = replace(used(10, 20), stated_cost_usd=Decimal("0.07"))
        await add_run(ledger, "r1", {"acme/unpriced": {("a", 0): [Try(usage=usage)]}})
        export_table(ledger, BOOK, "focus", tmp_path / "costs.csv")
    with (tmp_path / "costs.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["ChargeCategory"], row["BilledCost"], row["ListUnitPrice"]) == ("Adjustment", "0.07", "")


@pytest.mark.parametrize(("table", "output"), [("eee", "x.csv"), ("otlp", "x.parquet"), ("otlp", "folder")])
async def test_records_go_only_to_files_of_their_format(
    ledger: Ledger, tmp_path: Path, table: str, output: str
) -> None:
    with pytest.raises(InputError, match="is not written to"):
        export_table(ledger, BOOK, table, tmp_path / output)
    assert left(tmp_path) == []


async def test_an_unknown_run_is_refused_and_no_empty_file_is_left(ledger: Ledger, tmp_path: Path) -> None:
    for table, output in (("charges", "x.csv"), ("focus", "y.csv"), ("eee", "z.jsonl")):
        with pytest.raises(InputError, match="there is no run r9"):
            export_table(ledger, BOOK, table, tmp_path / output, ["r9"])
    assert left(tmp_path) == []
