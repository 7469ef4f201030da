"""Every Eval Ever: what its records leave out is said, and a failed request is no wrong answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.imports.harnesses.every_eval_ever import FORMAT, unit_of
from harness.imports.log_records import Broken, ImportedRun, ImportedSample, Record
from harness.imports.refusal import ImportRefused
from tests.support.foreign_logs import attempts_in, scores_in
from tests.support.imported import expected, expected_files, notes_of, records_of, summed
from tests.support.inspect_logs import usage
from tests.support.shared_data import shared


def _row(sample: str = "q1", **members: Any) -> dict[str, Any]:
    return {
        "schema_version": "0.3.0",
        "evaluation_id": "sums/m/1",
        "evaluation_name": "sums",
        "evaluation_result_id": "match:accuracy",
        "model_id": "openai/gpt-5",
        "sample_id": sample,
        "sample_hash": "ab" * 32,
        "interaction_type": "single_turn",
        "input": {"raw": "2+2?", "formatted": None, "reference": ["4"]},
        "output": {"raw": ["4"]},
        "evaluation": {"score": 1.0, "is_correct": True},
        "token_usage": usage(10, 5, 15),
        **members,
    }


def _read(folder: Path, rows: Sequence[Any], *, texts: bool = False, **about: Any) -> list[Record]:
    aggregate = {
        "schema_version": "0.3.0",
        "evaluation_id": "sums/m/1",
        "evaluation_timestamp": "1772359200.5",
        "eval_library": {"name": "inspect", "version": "inspect_ai:0.3.285"},
        "model_info": {"id": "openai/gpt-5", "inference_platform": "OpenAI"},
        "evaluation_results": [],
        "detailed_evaluation_results": {"total_rows": len(rows)},
        **about,
    }
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / "u1.json").write_text(json.dumps(aggregate))
    (folder / "u1_samples.jsonl").write_text("\n".join(lines) + "\n")
    return records_of(FORMAT, folder, texts=texts)


def test_a_record_is_a_call_of_its_evaluation(tmp_path: Path) -> None:
    records = _read(tmp_path, [_row()])
    [run] = [one for one in records if isinstance(one, ImportedRun)]
    assert (run.key, run.created_at_us) == ("sums/m/1", 1_772_359_200_500_000)
    [attempt] = attempts_in(records)
    assert (attempt.cell.suite, attempt.cell.provider, attempt.cell.model) == ("sums", "openai", "gpt-5")
    [sample] = [one for one in records if isinstance(one, ImportedSample)]
    assert (sample.target, sample.content_sha256) == ("4", "ab" * 32)


def test_both_meanings_of_total_input_give_one_bill(tmp_path: Path) -> None:
    rows = [
        _row("a", token_usage=usage(100, 20, 120, cache_read=60)),
        _row("b", token_usage=usage(40, 20, 120, cache_read=60)),
    ]
    found = [one.usage and one.usage.usage.input_tokens for one in attempts_in(_read(tmp_path, rows))]
    assert found == [100, 100]


def test_a_failed_request_is_no_wrong_answer(tmp_path: Path) -> None:
    failed = _row(error="429 slow down", token_usage=None, evaluation={"score": 0.0, "is_correct": False})
    records = _read(tmp_path, [failed])
    [attempt], [score] = attempts_in(records), scores_in(records)
    assert (attempt.status, attempt.usage, score.value) == ("failed", None, None)
    assert score.reason == "the request failed: 429 slow down"


def test_epochs_come_from_metadata_or_from_the_order(tmp_path: Path) -> None:
    rows = [_row(metadata={"epoch": "2"}), _row(metadata={"epoch": "1"}), _row("b"), _row("b")]
    found = [one.sample and (one.sample.sample_id, one.sample.epoch) for one in attempts_in(_read(tmp_path, rows))]
    assert found == [("q1", 1), ("q1", 0), ("b", 0), ("b", 1)]


def test_another_score_of_an_answer_is_no_second_request(tmp_path: Path) -> None:
    records = _read(tmp_path, [_row(), _row(evaluation_result_id="f1", evaluation={"score": 0.5})])
    assert summed(records)["gpt-5"].input_uncached == 10
    assert [(score.scorer, score.value) for score in scores_in(records)] == [("match:accuracy", 1.0), ("f1", 0.5)]


def test_what_a_converter_leaves_out_is_said_and_our_own_records_leave_nothing_out(tmp_path: Path) -> None:
    rows = [_row(metadata={"epoch": "1"}, interaction_type="multi_turn"), _row(metadata={"epoch": "2"})]
    notes = notes_of(_read(tmp_path, rows))
    assert notes.keys() == {"last_request_only", "reduced_scores", "retries_lost"}
    assert notes["last_request_only"].lower_bound
    assert not notes["reduced_scores"].lower_bound
    assert not notes_of(_read(tmp_path, rows, eval_library={"name": "benchtab", "version": "0.2"}))


def test_fewer_records_than_stated_and_broken_ones_are_said(tmp_path: Path) -> None:
    records = _read(tmp_path, [_row(), '{"evaluation_id":', {"evaluation_id": "x", "sample_id": "y"}])
    assert [one.where for one in records if isinstance(one, Broken)] == ["u1_samples.jsonl:2", "u1_samples.jsonl:3"]
    assert notes_of(records)["samples_missing"].detail == "3 records stated, 1 in the file"


def test_sums_without_records_and_other_versions_are_refused(tmp_path: Path) -> None:
    _read(tmp_path, [_row()], detailed_evaluation_results={"file_path": "data/u1_samples.jsonl"})
    with pytest.raises(ImportRefused, match=r"data/u1_samples\.jsonl, are not here"):
        records_of(FORMAT, tmp_path / "u1.json")
    with pytest.raises(ImportRefused, match=r"schema version '2\.0'"):
        _read(tmp_path, [_row(schema_version="2.0")])


def test_a_platform_that_is_not_the_maker_keeps_the_makers_name(tmp_path: Path) -> None:
    info = {"id": "openai/gpt-5", "inference_platform": "openrouter"}
    [routed] = attempts_in(_read(tmp_path, [_row()], model_info=info))
    assert (routed.cell.provider, routed.cell.model) == ("openrouter", "openai/gpt-5")
    [unknown] = attempts_in(
        _read(tmp_path, [_row()], model_info={"id": "openai/gpt-5", "inference_platform": "unknown"})
    )
    assert (unknown.cell.provider, unknown.cell.model) == ("unknown", "openai/gpt-5")


def test_texts_are_given_only_when_asked_for(tmp_path: Path) -> None:
    assert [one.said for one in attempts_in(_read(tmp_path, [_row()]))] == [None]
    [attempt] = attempts_in(_read(tmp_path, [_row()], texts=True))
    assert attempt.said is not None
    assert (list(attempt.said.messages), attempt.said.answer) == ([{"role": "user", "content": "2+2?"}], "4")


def test_recorded_evaluations_sum_to_what_was_summed_independently() -> None:
    folder = shared("data/imports/every_eval_ever")
    n_units = 0
    for name, stated in expected_files(folder).items():
        units: dict[Path, list[Path]] = {}
        for path in sorted((folder / name).rglob("*.json*")):
            units.setdefault(unit_of(path, ""), []).append(path)
        for files in units.values():
            if not any(path.suffix == ".jsonl" for path in files):
                with pytest.raises(ImportRefused, match="without records"):
                    records_of(FORMAT, *files)
                continue
            n_units += 1
            records = records_of(FORMAT, *files)
            want = expected(stated["models"], lambda model: model)
            assert list(summed(records).values()) == list(want.values()), name
            judged = sum(score.value for score in scores_in(records) if score.value is not None)
            assert judged == pytest.approx(sum(row["correct"] for row in stated["models"].values())), name
    assert n_units == 6
