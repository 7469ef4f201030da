"""Uploads of HAL: calls are counted and never the operations around them; a task that did not run is not wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.imports.harnesses.hal import FORMAT
from harness.imports.log_records import Broken, ImportedSample, Record
from harness.imports.refusal import ImportRefused
from tests.support.foreign_logs import attempts_in, scores_in
from tests.support.imported import expected, expected_files, notes_of, records_of, summed
from tests.support.shared_data import shared

OPENAI = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 64},
}
CLAUDE = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 25}


def _upload(calls: Any, scores: Any = None, **members: Any) -> dict[str, Any]:
    return {
        "config": {
            "benchmark_name": "tau",
            "run_id": "tau_1",
            "agent_name": "An agent",
            "date": "2026-03-01",
            "agent_args": {"model_name": "openai/o4-mini", "reasoning_effort": "low"},
        },
        "results": {"accuracy": 0.5, "successful_tasks": ["t1"], "failed_tasks": ["t2"]},
        "raw_eval_results": {"t1": {"reward": 1.0}} if scores is None else scores,
        "raw_logging_results": calls,
        "total_cost": 0.25,
        **members,
    }


def _task(*usages: Any, model: str = "openai/o4-mini") -> dict[str, Any]:
    at = [f"2026-03-01T10:00:0{number}+00:00" for number in range(len(usages))]
    metadata = [{"usage": raw, "started_at": at[n], "ended_at": at[n]} for n, raw in enumerate(usages)]
    return {"messages": [], "call_metadata": metadata, "model": model, "call_count": len(usages)}


def _weave(number: int, output: Any, **members: Any) -> dict[str, Any]:
    at = f"2026-03-01T10:00:0{number}+00:00"
    inputs = {"model": "openai/o4-mini", "messages": [{"role": "user", "content": "Q"}]}
    return {"id": f"c{number}", "weave_task_id": "t1", "started_at": at, "inputs": inputs, "output": output, **members}


def _read(folder: Path, upload: dict[str, Any], *, texts: bool = False) -> list[Record]:
    path = folder / "tau_1_UPLOAD.json"
    path.write_text(json.dumps(upload))
    return records_of(FORMAT, path, texts=texts)


def test_each_providers_own_object_is_read_by_its_own_rule(tmp_path: Path) -> None:
    calls = {"t1": _task(OPENAI), "t2": _task(CLAUDE, model="anthropic/claude-sonnet-4-5")}
    found = summed(_read(tmp_path, _upload(calls)))
    assert (found["o4-mini"].input_uncached, found["o4-mini"].cache_read) == (36, 64)
    claude = found["claude-sonnet-4-5"]
    assert (claude.input_uncached, claude.cache_read, claude.cache_write, claude.output) == (10, 40, 25, 5)


def test_names_without_a_provider_have_none(tmp_path: Path) -> None:
    calls = {"t1": _task(OPENAI, model="o4-mini-2025-04-16"), "t2": _task(OPENAI, model="meta-llama/Llama-3")}
    found = [(one.provider, one.model) for one in attempts_in(_read(tmp_path, _upload(calls)))]
    assert found == [("unknown", "o4-mini-2025-04-16"), ("unknown", "meta-llama/Llama-3")]


def test_operations_around_calls_are_not_counted(tmp_path: Path) -> None:
    summary = {"usage": {"o4-mini": {"prompt_tokens": 100, "completion_tokens": 20}}}
    calls = [
        _weave(1, {"model": "openai/o4-mini", "usage": OPENAI}, summary=summary),
        _weave(2, {"result": "x"}, summary=summary),
    ]
    assert summed(_read(tmp_path, _upload(calls)))["o4-mini"].attempts == 1


def test_both_shapes_of_a_run_name_a_call_alike_and_score_its_last(tmp_path: Path) -> None:
    newer = _read(tmp_path, _upload({"t1": _task(OPENAI, OPENAI)}))
    answers = [_weave(number, {"model": "openai/o4-mini", "usage": OPENAI}) for number in (1, 0)]  # the newest first
    older = _read(tmp_path, _upload(answers))
    assert {one.identity for one in attempts_in(newer)} == {one.identity for one in attempts_in(older)}
    assert [score.attempt for score in scores_in(newer)] == [score.attempt for score in scores_in(older)]
    assert scores_in(newer)[0].attempt == attempts_in(newer)[-1].identity


@pytest.mark.parametrize(
    ("result", "value"),
    [
        ({"reward": 0.25}, 0.25), (True, 1.0), (0, 0.0), ({"resolved": False}, 0.0), ({"other": 1}, 1.0),
        ("Error: context length exceeded", None), ([1, 2], 1.0),
    ],
)  # fmt: skip
def test_results_of_each_shape_are_read_and_a_text_is_no_wrong_answer(
    tmp_path: Path, result: Any, value: float | None
) -> None:
    [score] = scores_in(_read(tmp_path, _upload({"t1": _task(OPENAI)}, {"t1": result})))
    assert score.value == value
    assert (score.reason is None) == (value is not None)


def test_a_task_without_calls_is_a_sample(tmp_path: Path) -> None:
    records = _read(tmp_path, _upload({"t1": _task(OPENAI)}, {"t1": {"reward": 1}, "t9": "Error"}))
    assert [one.sample.sample_id for one in records if isinstance(one, ImportedSample)] == ["t1", "t9"]


def test_a_sum_of_the_run_is_compared_and_not_added(tmp_path: Path) -> None:
    calls = {"t2": _task(CLAUDE, model="anthropic/claude-sonnet-4-5")}
    agreed = {"anthropic/claude-sonnet-4-5": {"prompt_tokens": 50, "completion_tokens": 5}}
    assert "total_differs" not in notes_of(_read(tmp_path, _upload(calls, total_usage=agreed)))
    more = {"anthropic/claude-sonnet-4-5": {"prompt_tokens": 80, "completion_tokens": 5}, "judge": {"prompt_tokens": 9}}
    note = notes_of(_read(tmp_path, _upload(calls, total_usage=more)))["total_differs"]
    assert note.lower_bound


def test_calls_without_usage_and_uploads_without_tasks_are_said(tmp_path: Path) -> None:
    records = _read(tmp_path, _upload({"t1": _task(OPENAI, None)}))
    assert [one.reason for one in records if isinstance(one, Broken)] == ["its usage is no object"]
    with pytest.raises(ImportRefused, match="accuracy and no task"):
        _read(tmp_path, _upload({}, {}))


def test_texts_are_given_only_when_asked_for(tmp_path: Path) -> None:
    output = {"model": "m", "usage": OPENAI, "choices": [{"message": {"content": "A"}}]}
    [attempt] = attempts_in(_read(tmp_path, _upload([_weave(1, output)]), texts=True))
    assert attempt.said is not None
    assert (list(attempt.said.messages), attempt.said.answer) == ([{"role": "user", "content": "Q"}], "A")
    assert [one.said for one in attempts_in(_read(tmp_path, _upload([_weave(1, output)])))] == [None]


def test_recorded_uploads_sum_to_what_was_summed_independently() -> None:
    folder = shared("data/imports/hal")
    for name, stated in expected_files(folder).items():
        records = records_of(FORMAT, folder / name)
        assert summed(records) == expected(stated["models"], str), name
        assert sum(score.value or 0 for score in scores_in(records)) == 1.0
