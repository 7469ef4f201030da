"""Runs of EvalScope: predictions are calls, reviews their scores, and the folder gives day and address."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.imports.harnesses.evalscope import FORMAT, unit_of
from harness.imports.log_records import Broken, ImportedRun, Record
from harness.imports.refusal import ImportRefused
from tests.support.foreign_logs import attempts_in, scores_in
from tests.support.imported import expected, expected_files, notes_of, records_of, summed
from tests.support.inspect_logs import usage
from tests.support.shared_data import shared

CONFIG = """agent_config: null
api_key: '**********'
api_url: https://api.deepseek.com/v1
evalscope_version: 1.14.1
generation_config:
  reasoning_effort: high
model_id: m
use_cache: null
work_dir: ./outputs/20260301_100000
"""


def _prediction(index: int, counts: dict[str, Any] | None, **output: Any) -> dict[str, Any]:
    message = {"id": f"msg{index}", "role": "assistant", "content": "A"}
    choices = [{"message": message, "stop_reason": "stop"}]
    answered = {"id": "chatcmpl-1", "model": "m-2026", "choices": choices, "usage": counts, "error": None, **output}
    return {"index": index, "model": "m", "model_output": answered, "messages": [{"role": "user", "content": "Q"}]}


def _review(index: int, sample: int, repeat: int, status: str = "success", **value: float) -> dict[str, Any]:
    score = {"value": value, "status": status}
    judged = {"score": score, "sample_id": index, "group_id": sample, "generation_index": repeat}
    return {"index": index, "target": ["A"], "sample_score": judged}


def _write(folder: Path, predictions: Sequence[Any], reviews: Sequence[Any] = (), **report: Any) -> Path:
    for kind, rows in (("predictions", predictions), ("reviews", reviews)):
        (folder / kind / "m").mkdir(parents=True, exist_ok=True)
        text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
        (folder / kind / "m" / "general_mcq_hard.jsonl").write_text(text)
    (folder / "configs").mkdir(exist_ok=True)
    (folder / "configs" / "task_config.yaml").write_text(report.pop("config", CONFIG))
    (folder / "reports" / "m").mkdir(parents=True, exist_ok=True)
    about = {"dataset_name": "general_mcq", "model_name": "m", "metrics": [], **report}
    (folder / "reports" / "m" / "general_mcq.json").write_text(json.dumps(about))
    return folder


def _read(folder: Path, predictions: Sequence[Any], reviews: Sequence[Any] = (), **report: Any) -> list[Record]:
    return records_of(FORMAT, _write(folder, predictions, reviews, **report))


def test_a_prediction_is_a_call_and_its_review_names_sample_and_repeat(tmp_path: Path) -> None:
    predictions = [_prediction(0, usage(10, 5, 15)), _prediction(1, usage(10, 7, 17))]
    records = _read(tmp_path, predictions, [_review(0, 3, 0, acc=1.0), _review(1, 3, 1, acc=0.0)])
    first, second = attempts_in(records)
    assert (first.cell.suite, first.cell.provider, first.cell.model) == ("general_mcq", "deepseek", "m")
    assert (first.cell.setting, first.model_served, first.finish_reason) == ("high", "m-2026", "stop")
    assert first.sample is not None
    assert second.sample is not None
    assert [(one.sample_id, one.task, one.epoch) for one in (first.sample, second.sample)] == [
        ("3", "hard", 0), ("3", "hard", 1),
    ]  # fmt: skip
    assert first.identity != second.identity
    assert [score.value for score in scores_in(records)] == [1.0, 0.0]
    [run] = [one for one in records if isinstance(one, ImportedRun)]
    assert (run.created_at_us, run.tool_version) == (1_772_359_200_000_000, "1.14.1")


def test_cached_tokens_are_inside_or_beside_as_the_total_says(tmp_path: Path) -> None:
    rows = [_prediction(0, usage(100, 20, 120, cache_read=60)), _prediction(1, usage(40, 20, 120, cache_read=60))]
    assert [one.usage and one.usage.usage.input_tokens for one in attempts_in(_read(tmp_path, rows))] == [100, 100]


def test_an_agents_calls_are_their_sum_and_not_the_last_one(tmp_path: Path) -> None:
    row = {**_prediction(0, usage(10, 5, 15)), "agent_trace": {"total_usage": usage(300, 50, 350), "events": []}}
    assert summed(_read(tmp_path, [row]))["m"].input_uncached == 300


def test_failed_answers_and_unusable_reviews_have_no_value(tmp_path: Path) -> None:
    failed = _prediction(0, None, error="connection lost", choices=[])
    records = _read(tmp_path, [failed], [_review(0, 0, 0, status="unavailable")])
    assert [(one.status, one.error_message) for one in attempts_in(records)] == [("failed", "connection lost")]
    assert [(score.value, score.reason) for score in scores_in(records)] == [(None, "review: unavailable")]


def test_the_main_score_comes_last(tmp_path: Path) -> None:
    review = _review(0, 0, 0, f1=0.5, acc=1.0)
    assert [one.scorer for one in scores_in(_read(tmp_path, [_prediction(0, None)], [review]))] == ["acc", "f1"]
    review["sample_score"]["score"]["main_score_name"] = "acc"
    assert [one.scorer for one in scores_in(_read(tmp_path, [_prediction(0, None)], [review]))] == ["f1", "acc"]


def test_what_the_tool_loses_is_said(tmp_path: Path) -> None:
    review = _review(0, 0, 0, acc=1.0)
    review["sample_score"]["score"]["judge_summary"] = {"judge_models": ["j"]}
    config = CONFIG.replace("use_cache: null", "use_cache: ./outputs/older")
    summary = {"requested": 4}
    records = _read(tmp_path, [_prediction(0, usage(1, 1, 2)), "{"], [review], config=config, execution_summary=summary)
    assert {name: note.lower_bound for name, note in notes_of(records).items()} == {
        "samples_missing": True, "reused_unsure": False, "judges_lost": True, "retries_lost": True,
    }  # fmt: skip
    assert [one.status for one in records if isinstance(one, ImportedRun)] == ["complete", "partial"]
    assert [one.where for one in records if isinstance(one, Broken)] == ["general_mcq_hard.jsonl:2"]


def test_reviews_without_predictions_are_refused(tmp_path: Path) -> None:
    _write(tmp_path, [], [_review(0, 0, 0, acc=1.0)])
    with pytest.raises(ImportRefused, match="without predictions"):
        records_of(FORMAT, tmp_path / "reviews")


def test_all_of_a_working_folder_belongs_together() -> None:
    folder = Path("outputs/20260301_100000")
    paths = ["predictions/m/b.jsonl", "reviews/m/b.jsonl", "reports/m/b.json"]
    assert {unit_of(folder / path, "") for path in paths} == {folder}
    assert unit_of(folder / "configs/task_config.yaml", "config") == folder


def test_recorded_runs_sum_to_what_was_summed_independently() -> None:
    folder = shared("data/imports/evalscope")
    for name, stated in expected_files(folder).items():
        records = records_of(FORMAT, folder / name)
        assert summed(records) == expected(stated["models"], str), name
        assert len([score for score in scores_in(records) if score.value is not None]) == 8
