"""Compare: the figures of the command, what moved the cost, and the samples that changed sides."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from harness.ledger import Ledger
from harness.models import parse_model
from harness.pricing.price_files import load_price_book
from harness.reports.compare.comparison import Comparison, Thresholds
from harness.reports.compare.run_comparison import compare_runs
from harness.runner import RunSpec, run_suites
from harness.view.answers.kept_comparisons import kept_comparison
from harness.view.page_values import Sources
from tests.support.command_lines import said_here
from tests.support.runs import Watcher, observing
from tests.support.viewed import viewer

TWO_MODELS = "base=first&models=sim/reasoner@low&models=sim/direct"
TWO_RUNS = "base=first&head=second&models=sim/reasoner@low&models=sim/direct"
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with two runs: one asked every sample once, the other, drawn in another order, twice."""
    path = tmp_path_factory.mktemp("two") / "two.db"
    with Ledger.open(path) as ledger:
        for run_id, names, seed, epochs in (
            ("first", ("sim/reasoner@low", "sim/direct"), 0, 1),
            ("second", ("sim/direct", "sim/reasoner@high"), 5, 2),
        ):
            spec = RunSpec(
                suites=("starter",), models=tuple(map(parse_model, names)), epochs=epochs, sample_seed=seed, limit=20
            )
            run_suites(spec, ledger=ledger, book=load_price_book(), observe=observing(Watcher()), run_id=run_id)
    return path


@pytest.fixture
def compared(two_runs: Path) -> Iterator[TestClient]:
    with Ledger.open(two_runs, create=False) as ledger:
        yield viewer(ledger)


def rows_of(client: TestClient, address: str) -> list[dict[str, str]]:
    answered = client.get(address)
    assert answered.status_code == 200, answered.text
    return list(csv.DictReader(io.StringIO(answered.text)))


def test_without_a_choice_runs_are_offered(compared: TestClient) -> None:
    page = compared.get("/compare")
    assert page.status_code == 200
    assert '<option value="second"></option>' in page.text
    assert "Choose two runs" in page.text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("base=first", "Choose a second run, or two models of this one"),
        ("run=first", "Choose a second run, or two models of this one"),
        ("base=first&head=first", "Choose two models of this run"),
        ("base=first&head=second&models=sim/direct", "Choose a second model, or none"),
    ],
)
def test_half_a_choice_says_what_is_missing(compared: TestClient, query: str, words: str) -> None:
    assert words in compared.get(f"/compare?{query}").text


def test_ticked_runs_are_compared_the_earlier_one_first(compared: TestClient) -> None:
    assert "<h1>second against first</h1>" in compared.get("/compare?run=second&run=first").text
    assert "<h1>second against first</h1>" in compared.get("/compare?run=first&run=second").text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("base=first&head=second", ("first", "second")),
        (TWO_MODELS, ("first", "--models", "sim/reasoner@low", "sim/direct")),
        ("base=first&head=second&max_cost_increase=10%25&max_score_drop=1pt",
         ("first", "second", "--max-cost-increase", "10%", "--max-score-drop", "1pt")),
    ],
)  # fmt: skip
def test_figures_are_those_of_the_command(
    compared: TestClient, two_runs: Path, query: str, words: tuple[str, ...]
) -> None:
    said = json.loads(said_here("compare", *words, "--json", "--db", str(two_runs)).stdout)
    file = rows_of(compared, f"/compare?{query}&format=csv")
    assert len(file) == len(said["rows"]) > 0
    for row, one in zip(file, said["rows"], strict=True):
        for name in ("model", "base_cost_usd", "cause", "verdict"):
            assert row[name] == one[name]
        for name in ("price_ratio", "usage_ratio"):
            assert float(row[name]) == one[name]
        assert float(row["cost_ratio_low"]) == one["cost_ratio"]["ci_low"]
    table = pq.read_table(io.BytesIO(compared.get(f"/compare?{query}&format=parquet").content))
    assert table["score_difference"].to_pylist() == [one["score_difference"]["value"] for one in said["rows"]]


def test_the_page_shows_charts_and_what_else_differs(compared: TestClient) -> None:
    page = compared.get("/compare?base=first&head=second").text
    assert "samples were drawn in another order: seed 0 before, 5 now" in page
    for name in ("score-differences", "cost-ratios", "price-and-usage"):
        assert f'id="chart-{name}"' in page
    assert "only in second: reasoner@high (simulated)" in page


def test_price_of_another_model_is_not_called_usage(compared: TestClient) -> None:
    """Two models once were split at the prices of one of them: a dearer model seemed to use more, at equal prices."""
    (row,) = rows_of(compared, f"/compare?{TWO_MODELS}&format=csv")
    assert float(row["price_ratio"]) == pytest.approx(0.2)  # 0.4, 0.1 and 1.6 instead of 2, 0.5 and 8
    before, now = float(row["base_cost_per_task_usd"]), float(row["head_cost_per_task_usd"])
    assert float(row["price_ratio"]) * float(row["usage_ratio"]) == pytest.approx(now / before)
    assert row["cause"] == "price and usage"
    assert float(row["by_usage_usd"]) + float(row["by_price_usd"]) == pytest.approx(now - before)


def verdicts(database: Path) -> dict[tuple[str, str, str, str], str]:
    """What the export of samples says became of each: right, wrong, no answer, no score."""
    output = database.with_name("samples.csv")
    done = said_here("export", "samples", "-o", str(output), "--db", str(database))
    assert done.code == 0, done.stderr
    found = {}
    for row in csv.DictReader(output.open(encoding="utf-8")):
        side = "no score" if row["score"] == "" else "right" if float(row["score"]) >= 1 else "wrong"
        side = "no answer" if side == "wrong" and row["reason"] else side
        key = (row["run_id"], f"{row['model']}{'@' + row['setting'] if row['setting'] else ''}")
        found[(*key, row["sample_id"], row["epoch"])] = side
    return found


@pytest.mark.parametrize(("query", "runs"), [(TWO_MODELS, ("first", "first")), (TWO_RUNS, ("first", "second"))])
def test_samples_that_changed_sides_are_those_of_the_export(
    compared: TestClient, two_runs: Path, query: str, runs: tuple[str, str]
) -> None:
    sides = verdicts(two_runs)
    expected = {
        (sample, repeat): (side, now)
        for (run, model, sample, repeat), side in sides.items()
        if (run, model) == (runs[0], "reasoner@low")
        and (now := sides.get((runs[1], "direct", sample, repeat), side)) != side
    }
    file = rows_of(compared, f"/compare/samples?{query}&format=csv")
    assert {(row["sample"], row["repeat"]): (row["before"], row["now"]) for row in file} == expected
    assert len(file) == len(expected) > 5
    counted = rows_of(compared, f"/compare?{query}&format=csv&table=sides")
    assert {row["direction"]: int(row["n"]) for row in counted} == Counter(
        f"{before}, now {now}" for before, now in expected.values()
    )


def test_changed_samples_are_chosen_and_open_on_both_sides(compared: TestClient) -> None:
    address = f"/compare/samples?{TWO_RUNS}&direction=right-wrong&task=math"
    file = rows_of(compared, f"{address}&format=csv")
    assert {(row["before"], row["now"], row["task"]) for row in file} == {("right", "wrong", "math")}
    page = compared.get(address).text
    links = re.findall(r'<a href="(/runs/(first|second)/samples/[^"]+)">(right|wrong)</a>', page)
    assert [(run, side) for _, run, side in links] == [("first", "right"), ("second", "wrong")] * len(file)
    for link, _, _ in links[:2]:
        assert file[0]["sample"] in compared.get(link).text


def test_no_changed_samples_are_said_to_be_none(compared: TestClient) -> None:
    assert "None that are chosen here" in compared.get(f"/compare/samples?{TWO_RUNS}&direction=no-thing").text


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        (f"/compare?base={quote(HOSTILE)}&head=second", 404, f"there is no run '{HOSTILE}'"),
        (f"/compare?base=first&models={quote(HOSTILE)}&models=sim/direct", 400, f"run first has no model '{HOSTILE}'"),
        (f"/compare?base=first&head=second&max_score_drop={quote(HOSTILE)}", 400, "not a threshold"),
        ("/compare/samples", 404, "choose two runs"),
        (f"/compare/samples?base=first&models={quote(HOSTILE)}&models=sim/direct", 400, "has no model"),
    ],
)
def test_what_cannot_be_compared_is_told_as_text(compared: TestClient, address: str, status: int, words: str) -> None:
    page = compared.get(address)
    assert page.status_code == status
    assert words in unescape(page.text)
    assert HOSTILE not in page.text


def test_a_comparison_is_made_again_only_when_its_ledger_changed(two_runs: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    copy.write_bytes(two_runs.read_bytes())
    made = list[Comparison]()
    runs, book = ("first", "second"), load_price_book()
    with Ledger.open(copy, create=False) as ledger:
        sources = Sources(ledger=ledger, book=book)

        def make() -> Comparison:
            made.append(compare_runs(ledger, book, *runs, Thresholds()))
            return made[-1]

        assert kept_comparison(sources, runs, "", make) is kept_comparison(sources, runs, "", make)
        spec = RunSpec(suites=("starter",), models=(parse_model("sim/direct"),), limit=1)
        run_suites(spec, ledger=ledger, book=book, observe=observing(Watcher()), run_id="third")
        kept_comparison(sources, runs, "", make)
    assert len(made) == 2
