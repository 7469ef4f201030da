"""A score of a part of a published index never looks like the whole: every form of a report says its share."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.errors import InputError
from harness.instants import to_us
from harness.ledger import Ledger
from harness.loaders.suite_files import load_suite
from harness.nightly.config import read_config
from harness.nightly.night import run_night
from harness.nightly.outputs import write_files
from harness.pricing.price_files import load_price_book
from harness.reports.facts.assembly import spend_report
from harness.reports.spend.notes import label
from tests.support.runs import Watcher, observing, run
from tests.support.small_index import MISSING, small_index
from tests.support.viewed import viewer

SHARE = "80 % of the index"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the ledger of a run of the index on two models, and of a second one."""
    folder = tmp_path_factory.mktemp("index")
    with Ledger.open(str(folder / "ledger.db")) as ledger:
        for number in (1, 2):
            run(small_index(folder), ["sim/direct", "sim/reasoner"], ledger, run_id=f"run-{number}", sample_seed=number)
    return folder


def told(measured: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments, "--db", str(measured / "ledger.db")])
    assert result.exit_code in (0, 5), result.output
    return result.output


def test_the_score_is_scaled_up_from_what_was_measured(measured: Path) -> None:
    with Ledger.open(str(measured / "ledger.db")) as ledger:
        row = spend_report(ledger, load_price_book(), ["run-1"]).rows[0]
    assert row.facts.index is not None
    assert row.facts.index.measured == 0.8
    means = {task.task: sum(task.score_sums) / sum(task.score_counts) for task in row.facts.tasks}
    assert row.score.value == pytest.approx((0.5 * means["easy"] + 0.3 * means["hard"]) / 0.8)
    assert SHARE in label(row)


@pytest.mark.parametrize("form", ["table", "md", "html"])
def test_a_report_for_people_names_the_share_and_what_is_missing(measured: Path, form: str) -> None:
    text = told(measured, "report", "run-1", "--format", form)
    assert SHARE in text
    joined = " ".join(text.split())
    assert "not the published index" in joined
    assert "Closed Evaluation (20 %: its data is private)" in joined


def test_json_and_csv_have_the_share(measured: Path) -> None:
    (first, _) = json.loads(told(measured, "report", "run-1", "--format", "json"))["rows"]
    assert first["index"]["measured_weight"] == 0.8
    assert first["index"]["is_whole"] is False
    assert first["index"]["missing"] == [{"name": "Closed Evaluation", "weight": 0.2, "why": "its data is private"}]
    header, line = told(measured, "report", "run-1", "--format", "csv").splitlines()[:2]
    assert header.split(",")[-1] == "index_weight_measured"
    assert line.split(",")[-1] == "0.8"


def test_a_comparison_says_on_which_share_its_verdict_rests(measured: Path) -> None:
    text = " ".join(told(measured, "compare", "run-1", "run-2").split())
    assert SHARE in text
    assert "verdict on 80 % of the index' weight, which is not the published index" in text
    rows = json.loads(told(measured, "compare", "run-1", "run-2", "--json"))["rows"]
    assert [row["head_index"]["measured_weight"] for row in rows] == [0.8, 0.8]


def test_pages_of_the_view_name_the_share(measured: Path) -> None:
    with Ledger.open(str(measured / "ledger.db")) as ledger:
        asked = viewer(ledger)
        for address in ("/", "/runs/run-1", "/compare?base=run-1&head=run-2"):
            page = asked.get(address)
            assert page.status_code == 200, address
            assert SHARE in page.text, address


def on(day: int) -> datetime:
    return datetime(2026, 11, day, 2, 0, tzinfo=UTC)


def test_a_night_names_the_share_in_everything_that_it_writes(tmp_path: Path) -> None:
    small_index(tmp_path)
    (tmp_path / "night.toml").write_text(
        'name = "job"\n[matrix]\nsuites = ["./small.toml"]\nmodels = ["sim/direct"]\n[run]\n'
        '[gate]\nmax_cost_increase = "10%"\nmax_score_drop = "5pt"\n'
    )
    config, book = read_config(tmp_path / "night.toml"), load_price_book()
    with Ledger.open(str(tmp_path / "ledger.db")) as ledger:
        for day in (20, 21):
            night = run_night(config, folder=tmp_path, ledger=ledger, book=book, wall_us=partial(to_us, on(day)),
                              observe=observing(Watcher()))  # fmt: skip
        write_files(night, tmp_path / "out", ledger=ledger, book=book, history=14)
    written = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "out").iterdir()}
    silent = [name for name, text in written.items() if "small" in text and SHARE not in text and '"index"' not in text]
    assert written
    assert silent == []


def test_an_index_of_which_all_is_measured_carries_no_mark(tmp_path: Path) -> None:
    whole = small_index(tmp_path, missing="", name="whole")
    with Ledger.open(str(tmp_path / "ledger.db")) as ledger:
        run(whole, ["sim/direct"], ledger)
        row = spend_report(ledger, load_price_book(), ["run-1"]).rows[0]
    assert row.facts.index is not None
    assert (row.facts.index.measured, row.facts.index.is_whole, label(row)) == (1.0, True, "direct (simulated)")


def test_weights_that_are_no_whole_with_what_is_missing_are_refused(tmp_path: Path) -> None:
    path = small_index(tmp_path, missing=MISSING.replace("1/5", "1/4"))
    with pytest.raises(InputError) as refused:
        load_suite(path)
    assert any("1.05 together, wanted 1" in one.message for one in refused.value.findings)


def test_what_is_missing_is_shown_before_anything_is_run(tmp_path: Path) -> None:
    path = small_index(tmp_path)
    shown = CliRunner().invoke(app, ["suites", "show", path])
    assert "measures 80 % of the index' weight" in " ".join(shown.output.split())
    facts: dict[str, Any] = json.loads(CliRunner().invoke(app, ["suites", "show", path, "--json"]).output)
    assert facts["measured_weight"] == 0.8
    assert Fraction(str(facts["missing"][0]["weight"])) == Fraction(1, 5)


def test_a_member_can_be_a_part_of_its_suite(tmp_path: Path) -> None:
    path = Path(small_index(tmp_path))
    text = path.read_text().replace('suite = "hard"', 'suite = "hard"\nfilters = { id = { not = ["hard-0"] } }')
    path.write_text(text)
    easy, hard = load_suite(str(path)).tasks
    assert (dict(easy.dataset.filters), dict(hard.dataset.filters)) == ({}, {"id": {"not": ["hard-0"]}})
