"""Run folders of HELM: options and perturbations are requests; its cache costs nothing; its counts are not taken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.imports.harnesses.helm import FORMAT
from harness.imports.log_records import Broken, Record
from harness.imports.refusal import ImportRefused
from tests.support.foreign_logs import attempts_in, scores_in
from tests.support.imported import expected, expected_files, notes_of, records_of, summed
from tests.support.shared_data import shared


def _state(own_id: str, **members: Any) -> dict[str, Any]:
    result = {
        "success": True,
        "cached": False,
        "completions": [{"text": "B"}],
        "request_time": 1.5,
        "request_datetime": 1772359200,
    }
    request = {
        "model": "openai/gpt-4o",
        "model_deployment": "azure/gpt-4o",
        "prompt": "Q",
        "temperature": 0.0,
        "max_tokens": 5,
    }
    state: dict[str, Any] = {
        "instance": {"id": own_id, "input": {"text": "Q"}},
        "train_trial_index": 0,
        "request": request,
        "result": result,
    }
    for name, value in members.items():
        state[name] = {**state[name], **value} if isinstance(value, dict) else value
    return state


def _stats(instance: str, **means: float) -> dict[str, Any]:
    stats = [{"name": {"name": name, "split": "test"}, "count": 1, "mean": mean} for name, mean in means.items()]
    return {"instance_id": instance, "train_trial_index": 0, "stats": stats}


def _write(folder: Path, states: Sequence[Any], instances: Sequence[Any] = ()) -> Path:
    adapter = {"method": "multiple_choice_joint", "model": "openai/gpt-4o"}
    spec = {
        "name": "mmlu:subject=law,model=openai_gpt-4o",
        "scenario_spec": {},
        "adapter_spec": adapter,
        "metric_specs": [{"args": {"names": ["quasi_exact_match", "f1_score"]}}],
    }
    (folder / "run_spec.json").write_text(json.dumps(spec))
    (folder / "scenario_state.json").write_text(json.dumps({"adapter_spec": adapter, "request_states": states}))
    (folder / "per_instance_stats.json").write_text(json.dumps(instances))
    (folder / "scenario.json").write_text(json.dumps({"name": "mmlu", "definition_path": "x"}))
    (folder / "stats.json").write_text(json.dumps([{"name": {"name": "f1_score"}, "count": 1, "sum_squared": 1}]))
    return folder


def _read(folder: Path, states: Sequence[Any], instances: Sequence[Any] = (), *, texts: bool = False) -> list[Record]:
    return records_of(FORMAT, _write(folder, states, instances), texts=texts)


def test_a_state_is_a_request_without_tokens(tmp_path: Path) -> None:
    [attempt] = attempts_in(_read(tmp_path, [_state("id1")], [_stats("id1", num_prompt_tokens=300)]))
    assert (attempt.cell.suite, attempt.cell.suite_version) == ("mmlu", "subject=law")
    assert (attempt.cell.provider, attempt.cell.model, attempt.usage) == ("azure", "gpt-4o", None)
    assert (attempt.started_at_us, attempt.finished_at_us) == (1_772_359_200_000_000, 1_772_359_201_500_000)
    assert attempt.parameters == {"temperature": 0.0, "max_tokens": 5}


def test_an_answer_of_helms_own_cache_is_no_spend_and_a_failure_is_one(tmp_path: Path) -> None:
    cached = _state("id1", result={"cached": True})
    failed = _state("id2", result={"success": False, "error": "overloaded", "completions": []})
    found = [(one.status, one.error_message) for one in attempts_in(_read(tmp_path, [cached, failed]))]
    assert found == [("reused", None), ("failed", "overloaded")]


def test_options_trials_and_perturbations_are_told_apart(tmp_path: Path) -> None:
    states = [
        _state("id1", reference_index=0, request_mode="original"),
        _state("id1", reference_index=1, request_mode="original"),
        _state("id1", train_trial_index=1),
        _state("id1", instance={"perturbation": {"name": "typos", "prob": 0.1}}),
    ]
    found = attempts_in(_read(tmp_path, states))
    assert len({one.identity for one in found}) == 4
    assert [(one.sample.task, one.sample.epoch) for one in found if one.sample] == [
        (None, 0), (None, 0), (None, 1), ("name=typos,prob=0.1", 0),
    ]  # fmt: skip


def test_the_metrics_that_the_run_asked_for_are_scores_and_its_first_one_is_last(tmp_path: Path) -> None:
    stats = _stats("id1", num_prompt_tokens=300, f1_score=0.5, exact_match=0.0, quasi_exact_match=1.0, logprob=-3.5)
    perturbed = {**_stats("id1", quasi_exact_match=0.0), "perturbation": {"name": "typos"}}
    scores = scores_in(_read(tmp_path, [_state("id1")], [stats, perturbed]))
    assert [(one.scorer, one.value) for one in scores] == [
        ("exact_match", 0.0),
        ("f1_score", 0.5),
        ("quasi_exact_match", 1.0),
    ]


def test_texts_are_given_only_when_asked_for(tmp_path: Path) -> None:
    state = _state("id1", result={"completions": [{"text": "B", "thinking": {"text": "so"}}]})
    assert [one.said for one in attempts_in(_read(tmp_path, [state]))] == [None]
    [attempt] = attempts_in(_read(tmp_path, [state], texts=True))
    assert attempt.said is not None
    assert (attempt.said.answer, attempt.said.reasoning) == ("B", "so")


def test_a_part_of_a_folder_is_refused_and_a_broken_state_is_named(tmp_path: Path) -> None:
    records = _read(tmp_path, [_state("id1"), {"instance": None}])
    assert [one.where for one in records if isinstance(one, Broken)] == ["scenario_state.json: request 2"]
    assert notes_of(records)["retries_lost"].lower_bound
    with pytest.raises(ImportRefused, match=r"without scenario_state\.json"):
        records_of(FORMAT, tmp_path / "per_instance_stats.json", tmp_path / "stats.json")


def test_a_model_without_a_deployment_was_served_by_its_maker(tmp_path: Path) -> None:
    old = _state("id1", request={"model_deployment": None})
    [attempt] = attempts_in(_read(tmp_path, [old]))
    assert (attempt.cell.provider, attempt.cell.model) == ("openai", "gpt-4o")


def test_recorded_folders_sum_to_what_was_summed_independently() -> None:
    folder = shared("data/imports/helm")
    for name, stated in expected_files(folder).items():
        records = records_of(FORMAT, folder / name)
        want = expected(stated["models"], lambda model: model.rpartition("/")[2])
        assert summed(records) == want, name
        matched = [score.value for score in scores_in(records) if score.scorer == "exact_match"]
        assert sum(value or 0 for value in matched) == sum(row["correct"] for row in stated["models"].values())
