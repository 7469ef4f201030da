"""Outputs of lm-evaluation-harness: requests are counted once whatever filters there are, and no token is made up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.imports.harnesses.asked_models import provider_at
from harness.imports.harnesses.lm_eval import FORMAT, unit_of
from harness.imports.log_records import Broken, ImportedRun, Noted, Record
from harness.imports.refusal import ImportRefused
from tests.support.foreign_logs import attempts_in, scores_in
from tests.support.imported import expected, expected_files, notes_of, records_of, summed
from tests.support.shared_data import shared

DATE = "2026-03-01T10-00-00.123456"


def _row(document: int, resps: Sequence[object], filter_name: str = "strict", **values: object) -> dict[str, Any]:
    chat = json.dumps([{"role": "user", "content": f"Question {document}"}])
    return {
        "doc_id": document,
        "doc": {},
        "target": "A",
        "arguments": {"gen_args_0": {"arg_0": [chat], "arg_1": {"temperature": 0}}},
        "resps": resps,
        "filtered_resps": ["A"],
        "filter": filter_name,
        "metrics": ["exact_match"],
        "exact_match": 1.0,
        **values,
    }


def _write(folder: Path, rows: Sequence[object], task: str = "my_task", **results: Any) -> Path:
    whole = {
        "results": {task: {"exact_match,strict": 1.0}},
        "configs": {task: {"generation_kwargs": {"temperature": 0}}},
        "versions": {task: 2.0},
        "n-samples": {task: {"original": 9, "effective": len({json.dumps(row) for row in rows})}},
        "config": {"model": "openai-chat-completions", "model_args": "model=gpt-5,num_concurrent=1", "gen_kwargs": {}},
        "lm_eval_version": "0.4.13",
        "model_source": "openai-chat-completions",
        "model_name": "gpt-5",
        "date": 1772359200.5,
        "total_evaluation_time_seconds": "12.5",
    }
    (folder / f"results_{DATE}.json").write_text(json.dumps({**whole, **results}))
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / f"samples_{task}_{DATE}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def _read(folder: Path, rows: Sequence[object], **results: Any) -> list[Record]:
    return records_of(FORMAT, _write(folder, rows, **results))


def test_a_document_under_two_filters_is_one_request_and_the_first_filters_score_counts(tmp_path: Path) -> None:
    rows = [_row(0, [["A"]]), _row(0, [["A"]], "flexible", exact_match=0.0)]
    records = _read(tmp_path, rows)
    [attempt] = attempts_in(records)
    assert (attempt.cell.provider, attempt.cell.model, attempt.cell.suite) == ("openai", "gpt-5", "my_task")
    assert (attempt.cell.suite_version, attempt.usage) == ("2.0", None)
    found = [(score.scorer, score.value) for score in scores_in(records)]
    assert found == [("exact_match,flexible", 0.0), ("exact_match,strict", 1.0)]


def test_repeats_are_epochs_with_one_score_together(tmp_path: Path) -> None:
    records = _read(tmp_path, [_row(0, [["A", "B", "A"]])])
    assert [one.sample and one.sample.epoch for one in attempts_in(records)] == [0, 1, 2]
    first, *others = scores_in(records)
    assert first.value == 1.0
    assert [(score.value, score.reason) for score in others] == [
        (None, "scored together: 3 answers have one score"), (None, "scored together: 3 answers have one score"),
    ]  # fmt: skip


def test_each_option_of_a_multiple_choice_is_a_request(tmp_path: Path) -> None:
    records = _read(tmp_path, [_row(0, [[["-1.2", "False"]], [["-0.3", "True"]]])])
    assert len(attempts_in(records)) == 2
    assert {one.sample and one.sample.epoch for one in attempts_in(records)} == {0}
    assert len(scores_in(records)) == 1


def test_metrics_that_only_an_aggregation_understands_have_no_value(tmp_path: Path) -> None:
    rows = [
        _row(0, [["A"]], metrics=["f1", "bleu", "word_perplexity"], f1=[0, 1], bleu=31.5, word_perplexity=float("nan"))
    ]
    found = {score.scorer: (score.value, score.reason) for score in scores_in(_read(tmp_path, rows))}
    assert {scorer: value for scorer, (value, _) in found.items()} == {
        "f1,strict": None, "bleu,strict": None, "word_perplexity,strict": None,
    }  # fmt: skip
    assert "aggregation" in (found["f1,strict"][1] or "")
    assert "scale from 0 to 1" in (found["bleu,strict"][1] or "")


def test_texts_are_given_only_when_asked_for(tmp_path: Path) -> None:
    folder = _write(tmp_path, [_row(0, [["Answer: A"]])])
    assert [one.said for one in attempts_in(records_of(FORMAT, folder))] == [None]
    [attempt] = attempts_in(records_of(FORMAT, folder, texts=True))
    assert attempt.said is not None
    assert (list(attempt.said.messages), attempt.said.answer) == (
        [{"role": "user", "content": "Question 0"}],
        "Answer: A",
    )


def test_missing_documents_and_lost_retries_are_said(tmp_path: Path) -> None:
    stated = {"my_task": {"effective": 5}, "other_task": {"effective": 3}}
    records = _read(tmp_path, [_row(0, [["A"]])], **{"n-samples": stated})
    missing = [one.detail for one in records if isinstance(one, Noted) and one.name == "samples_missing"]
    assert [detail.partition(";")[0] for detail in missing] == [
        "my_task: 5 documents stated, 1 in the samples", "other_task: 3 documents stated, 0 in the samples",
    ]  # fmt: skip
    assert notes_of(records)["retries_lost"].lower_bound
    assert [one.status for one in records if isinstance(one, ImportedRun)] == ["complete", "partial"]


def test_a_broken_row_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    records = _read(tmp_path, [_row(0, [["A"]]), '{"doc_id": ', _row(1, [["A"]])])
    [broken] = [one for one in records if isinstance(one, Broken)]
    assert broken.where == f"samples_my_task_{DATE}.jsonl:2"
    assert len(attempts_in(records)) == 2


def test_the_arguments_of_older_versions_name_model_and_address(tmp_path: Path) -> None:
    arguments = "model=m,base_url=https://api.deepseek.com/v1/chat/completions,timeout=6"
    config = {"model": "local-chat-completions", "model_args": arguments, "gen_kwargs": {"reasoning_effort": "low"}}
    [attempt] = attempts_in(_read(tmp_path, [_row(0, [["A"]])], config=config, model_name=None, model_source=None))
    assert (attempt.cell.provider, attempt.cell.model, attempt.cell.setting) == ("deepseek", "m", "low")


def test_half_of_a_run_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    folder = _write(tmp_path, [_row(0, [["A"]])])
    with pytest.raises(ImportRefused, match="without samples"):
        records_of(FORMAT, folder / f"results_{DATE}.json")
    with pytest.raises(ImportRefused, match="without the results"):
        records_of(FORMAT, folder / f"samples_my_task_{DATE}.jsonl")


def test_files_of_one_date_belong_together_whatever_the_task_is_called() -> None:
    units = [
        unit_of(Path("out/m") / name, "samples")
        for name in (f"results_{DATE}.json", f"samples_a_b_c_{DATE}.jsonl", f"mine_{DATE}.json", "results_old.json")
    ]
    assert units == [Path("out/m") / DATE, Path("out/m") / DATE, Path("out/m") / DATE, Path("out/m")]


def test_addresses_name_their_provider() -> None:
    assert provider_at("https://api.openai.com/v1/chat/completions") == "openai"
    assert provider_at("https://mine.openai.azure.com/openai/deployments/x") == "azure"
    assert provider_at("http://127.0.0.1:8000/v1") is None
    assert provider_at(None) is None


def test_recorded_runs_sum_to_what_was_summed_independently() -> None:
    folder = shared("data/imports/lm_eval")
    for name, stated in expected_files(folder).items():
        records = records_of(FORMAT, folder / name)
        assert summed(records) == expected(stated["models"], str), name
        primary: dict[str, float] = {}
        for score in scores_in(records):
            if score.value is not None:
                primary[score.attempt] = score.value
        assert sum(primary.values()) == sum(row["correct"] for row in stated["models"].values()), name
