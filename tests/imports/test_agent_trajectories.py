"""Trajectories of agents: all paid calls and no sum beside its parts, both models of a conversation, rewards."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.imports.agents.claude_code import FORMAT as CLAUDE
from harness.imports.agents.harbor_jobs import FORMAT as HARBOR
from harness.imports.agents.harbor_jobs import RAW
from harness.imports.agents.litellm_names import named
from harness.imports.agents.mini_swe_agent import FORMAT as MINI
from harness.imports.agents.tau2_bench import FORMAT as TAU2
from harness.imports.log_records import ImportedAttempt, ImportedRun, ImportedSample
from tests.support.foreign_logs import (
    attempts_in,
    format_of,
    notes_in,
    read_one,
    read_units,
    scores_in,
    sums_of,
    tokens_of,
    wanted_of,
    why_refused,
    write_json,
    write_lines,
)
from tests.support.shared_data import shared


def _asked(call: ImportedAttempt) -> str:
    return f"{call.provider or call.cell.provider}/{call.model or call.cell.model}"


def _by_role(call: ImportedAttempt) -> str:
    return _asked(call) + ("#user simulator" if call.purpose == "user_simulator" else "")


# mini-swe-agent


def _response(number: int, **usage: Any) -> dict[str, Any]:
    counts = {"prompt_tokens": 800, "completion_tokens": 81, "total_tokens": 881,
              "prompt_tokens_details": {"cached_tokens": 640}, **usage}  # fmt: skip
    choice = {"finish_reason": "stop", "index": 0, "message": {"role": "assistant", "content": f"answer {number}"}}
    return {"id": f"chatcmpl-{number}", "created": 1795815169, "model": "gpt-5-mini-2025-08-07",
            "object": "chat.completion", "choices": [choice], "usage": counts}  # fmt: skip


def _trajectory(*messages: dict[str, Any], calls: int = 2, **facts: Any) -> dict[str, Any]:
    config = {"model": {"model_name": "openai/gpt-5-mini", "model_kwargs": {"reasoning_effort": "low"}}}
    info = {"model_stats": {"instance_cost": 0.2, "api_calls": calls}, "config": config, "mini_version": "2.4.6"}
    return {"info": info, "messages": list(messages), "trajectory_format": "mini-swe-agent-1.1", **facts}


def _said(role: str, number: int, cost: float = 0.1) -> dict[str, Any]:
    extra = {"response": _response(number), "cost": cost, "timestamp": 1795815169.5 + number}
    return {"role": role, "content": "x", "extra": extra}


def test_a_reply_that_broke_the_agents_format_was_paid_and_counts(tmp_path: Path) -> None:
    broke = _said("user", 2)
    broke["extra"]["interrupt_type"] = "FormatError"
    document = _trajectory(
        {"role": "user", "content": "fix it"}, _said("assistant", 1), broke, _said("assistant", 3, 0.0)
    )
    file = write_json(tmp_path / "repo-1" / "repo-1.traj.json", document)
    assert format_of(file) == "mini_swe_agent"
    records = read_one(MINI, file, texts=True)
    found = attempts_in(records)
    assert [one.stated_cost_usd for one in found] == [Decimal("0.1"), Decimal("0.1"), None]  # 0 means unknown
    assert {one.sample.sample_id for one in found if one.sample} == {"repo-1"}
    assert list(tokens_of(found[0]).values()) == [160, 640, None, None, 81, None]
    assert (_asked(found[0]), found[0].cell.setting) == ("openai/gpt-5-mini", "low")
    assert found[0].said is not None
    assert (found[0].said.messages[0]["content"], found[0].said.answer) == ("fix it", "answer 1")


def test_calls_that_were_counted_and_are_not_there_are_said(tmp_path: Path) -> None:
    file = write_json(tmp_path / "a.traj.json", _trajectory(_said("assistant", 1), calls=3, instance_id="repo-1"))
    records = read_one(MINI, file)
    assert notes_in(records)["calls_missing"] == "repo-1: 3 calls counted, 1 in the trajectory"


def test_a_message_of_the_responses_interface_is_its_own_response(tmp_path: Path) -> None:
    usage = {"input_tokens": 100, "output_tokens": 50, "input_tokens_details": {"cached_tokens": 60},
             "output_tokens_details": {"reasoning_tokens": 30}}  # fmt: skip
    message = {"object": "response", "id": "resp_1", "model": "gpt-5", "status": "completed", "output": [],
               "usage": usage, "extra": {"cost": 0.1, "timestamp": 1795815169.5}}  # fmt: skip
    (one,) = attempts_in(read_one(MINI, write_json(tmp_path / "a.traj.json", _trajectory(message))))
    assert list(tokens_of(one).values()) == [40, 60, None, None, 50, 30]


def test_all_trajectories_of_an_output_folder_are_one_run(tmp_path: Path) -> None:
    for name in ("repo-1", "repo-2"):
        write_json(tmp_path / name / f"{name}.traj.json", _trajectory(_said("assistant", len(name)), instance_id=name))
    write_json(
        tmp_path / "preds.json", {"repo-1": {"model_name_or_path": "m", "instance_id": "repo-1", "model_patch": ""}}
    )
    records = read_one(MINI, tmp_path)
    assert len([one for one in records if isinstance(one, ImportedRun)]) == 1
    assert {one.sample.sample_id for one in attempts_in(records) if one.sample} == {"repo-1", "repo-2"}


def test_trajectories_without_calls_or_of_another_version_are_refused(tmp_path: Path) -> None:
    bare = write_json(tmp_path / "bare.traj.json", [{"role": "user", "content": "x"}])
    assert "no model, usage or cost" in str(why_refused(MINI, bare))
    newer = write_json(tmp_path / "new.traj.json", _trajectory(trajectory_format="mini-swe-agent-9"))
    assert "read are mini-swe-agent-1" in str(why_refused(MINI, newer))
    alone = write_json(tmp_path / "p" / "preds.json", {"a": {"model_name_or_path": "m", "model_patch": ""}})
    assert "predictions and no calls" in str(why_refused(MINI, alone))


def test_names_for_litellm_say_who_is_asked() -> None:
    names = ("anthropic/claude-opus-4-5", "gpt-4.1", "openai:gpt-realtime-2", "o3", "claude-opus-4-5", "mine", None)
    assert [named(name)[0] for name in names] == [
        "anthropic", "openai", "openai", "openai", "anthropic", "unknown", "unknown",
    ]  # fmt: skip


# tau2-bench


def _turn(role: str, number: int, usage: dict[str, int] | None = None, **facts: Any) -> dict[str, Any]:
    at = f"2026-11-27T21:38:{number:02}.5"
    return {"role": role, "content": f"turn {number}", "usage": usage, "cost": 0.0 if usage is None else 0.001,
            "timestamp": at, "raw_data": None, **facts}  # fmt: skip


def _results(*simulations: dict[str, Any]) -> dict[str, Any]:
    agent = {"llm": "openai/gpt-4.1-mini", "llm_args": {"temperature": 0.0}}
    info = {"num_trials": 2, "agent_info": agent, "user_info": {"llm": "openai/gpt-4.1"}, "seed": 300,
            "environment_info": {"domain_name": "retail"}, "git_commit": "abc"}  # fmt: skip
    return {"timestamp": "2026-11-27T21:38:00", "info": info, "tasks": [{"id": "7"}], "simulations": list(simulations)}


def _simulation(*messages: dict[str, Any], **facts: Any) -> dict[str, Any]:
    ended = {"termination_reason": "user_stop", "end_time": "2026-11-27T21:39:00"}
    return {"id": "s1", "task_id": "7", "trial": 1, "messages": list(messages), "reward_info": {"reward": 1.0},
            **ended, **facts}  # fmt: skip


def test_a_conversation_has_two_paid_models_and_a_greeting_that_nobody_paid(tmp_path: Path) -> None:
    counts = {"prompt_tokens": 500, "completion_tokens": 15}
    talk = (_turn("assistant", 0), _turn("user", 1, counts), _turn("tool", 2), _turn("assistant", 3, counts))
    file = write_json(tmp_path / "run.json", _results(_simulation(*talk)))
    assert format_of(file) == "tau2"
    records = read_one(TAU2, file)
    user, agent = attempts_in(records)
    assert (user.purpose, _asked(user)) == ("user_simulator", "openai/gpt-4.1")
    assert (agent.purpose, _asked(agent)) == ("solve", "openai/gpt-4.1-mini")
    assert agent.sample is not None
    assert (agent.sample.task, agent.sample.sample_id, agent.sample.epoch) == ("retail", "7", 1)
    assert list(tokens_of(agent).values()) == [500, None, None, None, 15, None]
    (score,) = scores_in(records)
    assert (score.attempt, score.value, score.scorer) == (agent.identity, 1.0, "reward")
    assert {"cached_dropped", "samples_missing", "retries_lost"} <= notes_in(records).keys()


def test_the_raw_answers_usage_is_taken_where_it_is_kept(tmp_path: Path) -> None:
    raw = {"model": "gpt-4.1-mini-2025", "usage": {"prompt_tokens": 500, "completion_tokens": 15, "total_tokens": 515,
           "prompt_tokens_details": {"cached_tokens": 384}}}  # fmt: skip
    turn = _turn("assistant", 1, {"prompt_tokens": 500, "completion_tokens": 15}, raw_data=raw)
    records = read_one(TAU2, write_json(tmp_path / "run.json", _results(_simulation(turn))))
    (one,) = attempts_in(records)
    assert list(tokens_of(one).values())[:2] == [116, 384]
    assert "cached_dropped" not in notes_in(records)


def test_simulations_in_files_of_their_own_belong_to_the_header_above_them(tmp_path: Path) -> None:
    header = _results()
    del header["simulations"]
    write_json(tmp_path / "results.json", header)
    voice = {"id": "s2", "task_id": "8", "trial": 0, "ticks": [], "termination_reason": "user_stop"}
    counts = {"prompt_tokens": 500, "completion_tokens": 15}
    write_json(tmp_path / "simulations" / "s1.json", _simulation(_turn("assistant", 1, counts)))
    write_json(tmp_path / "simulations" / "s2.json", voice)
    records = read_one(TAU2, tmp_path)
    assert [one.sample.sample_id for one in attempts_in(records) if one.usage and one.sample] == ["7"]
    assert [one.sample.sample_id for one in attempts_in(records) if not one.usage and one.sample] == ["8"]
    assert "1 simulations have no usage" in notes_in(records)["usage_missing"]
    (tmp_path / "results.json").unlink()
    assert "without their results.json" in str(why_refused(TAU2, tmp_path))


# Harbor


def _trial(
    name: str = "t__1", given: int | None = 3000, cached: int = 1000, output: int = 90, **facts: Any
) -> dict[str, Any]:
    result = {"n_input_tokens": given, "n_cache_tokens": cached, "n_output_tokens": output, "cost_usd": 0.05}
    return {
        "schema_version": 1, "id": f"id-{name}", "task_name": "hello", "trial_name": name, "source": "bench",
        "task_checksum": "00", "started_at": "2026-11-27T21:40:00Z", "finished_at": "2026-11-27T21:49:05Z",
        "config": {"agent": {"model_name": "anthropic/claude-opus-4-5"}},
        "agent_info": {"name": "claude-code", "model_info": {"name": "claude-opus-4-5", "provider": "anthropic"}},
        "agent_result": None if given is None else result, "verifier_result": {"rewards": {"reward": 1.0}}, **facts,
    }  # fmt: skip


def _step(number: int, given: int, cached: int, output: int, **facts: Any) -> dict[str, Any]:
    metrics = {"prompt_tokens": given, "cached_tokens": cached, "completion_tokens": output, "cost_usd": 0.025,
               "extra": facts.pop("extra", {})}  # fmt: skip
    return {"step_id": number, "timestamp": f"2026-11-27T21:41:{number:02}Z", "source": "agent", "message": "x",
            "model_name": "claude-opus-4-5", "metrics": metrics, **facts}  # fmt: skip


def _atif(*steps: dict[str, Any], **facts: Any) -> dict[str, Any]:
    final = {"total_prompt_tokens": 3000, "total_cached_tokens": 1000, "total_completion_tokens": 90,
             "total_cost_usd": 0.05}  # fmt: skip
    agent = {"name": "claude-code", "version": "2", "model_name": "claude-opus-4-5"}
    return {"schema_version": "ATIF-v1.7", "session_id": "s1", "agent": agent, "steps": list(steps),
            "final_metrics": final, **facts}  # fmt: skip


WRITTEN = {"cache_creation_input_tokens": 500,
           "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 300}}  # fmt: skip


def test_steps_that_add_up_to_the_total_are_calls_with_their_own_models_and_lifetimes(tmp_path: Path) -> None:
    write_json(tmp_path / "t__1" / "result.json", _trial())
    other = _step(3, 1000, 0, 40, model_name="claude-haiku-4-5")
    copied = _step(1, 9, 0, 9, is_copied_context=True)
    write_json(
        tmp_path / "t__1" / "agent" / "trajectory.json", _atif(copied, _step(2, 2000, 1000, 50, extra=WRITTEN), other)
    )
    records = read_one(HARBOR, tmp_path)
    found = attempts_in(records)
    assert [_asked(one) for one in found] == ["anthropic/claude-opus-4-5", "anthropic/claude-haiku-4-5"]
    assert [list(tokens_of(one).values()) for one in found] == [
        [500, 1000, 200, 300, 50, None], [1000, 0, None, None, 40, None],
    ]  # fmt: skip
    assert [one.stated_cost_usd for one in found] == [Decimal("0.025"), Decimal("0.025")]
    assert [(one.attempt, one.value) for one in scores_in(records)] == [(found[0].identity, 1.0)]


def test_where_steps_do_not_add_up_the_total_is_counted_and_the_difference_is_said(tmp_path: Path) -> None:
    write_json(tmp_path / "t__1" / "result.json", _trial())
    write_json(tmp_path / "t__1" / "agent" / "trajectory.json", _atif(_step(1, 2000, 1000, 50)))
    records = read_one(HARBOR, tmp_path)
    (one,) = attempts_in(records)
    assert list(tokens_of(one).values()) == [2000, 1000, None, None, 90, None]
    assert one.stated_cost_usd == Decimal("0.05")
    assert one.usage is not None
    assert one.usage.usage.context_tokens == 2000  # the largest prompt that is known, not the sum of all
    assert "steps hold (input, output) tokens (2000, 50)" in notes_in(records)["total_differs"]


def test_a_total_by_models_is_a_call_for_each(tmp_path: Path) -> None:
    usage = {"claude-opus-4-5": {"n_input_tokens": 2000, "n_cache_tokens": 1000, "n_output_tokens": 50},
             "claude-haiku-4-5": {"n_input_tokens": 1000, "n_cache_tokens": 0, "n_output_tokens": 40}}  # fmt: skip
    trial = _trial()
    trial["agent_result"]["model_usage"] = usage
    records = read_one(HARBOR, write_json(tmp_path / "t__1" / "result.json", trial))
    assert {_asked(one): tokens_of(one)["output"] for one in attempts_in(records)} == {
        "anthropic/claude-opus-4-5": 50, "anthropic/claude-haiku-4-5": 40,
    }  # fmt: skip


def test_trials_of_one_task_are_its_epochs_and_one_that_never_ran_has_no_calls(tmp_path: Path) -> None:
    failed = {"exception_type": "EnvironmentStartError"}
    write_json(tmp_path / "t__1" / "result.json", _trial())
    write_json(tmp_path / "t__2" / "result.json", _trial("t__2", started_at="2026-11-27T22:00:00Z"))
    never = _trial("t__3", None, started_at="2026-11-27T23:00:00Z", verifier_result=None, exception_info=failed)
    write_json(tmp_path / "t__3" / "result.json", never)
    records = read_one(HARBOR, tmp_path)
    assert [one.sample.epoch for one in attempts_in(records) if one.sample] == [0, 1]
    assert [one.sample.epoch for one in records if isinstance(one, ImportedSample)] == [0, 1, 2]
    assert len(scores_in(records)) == 2


def test_a_failed_trial_keeps_its_tokens_and_an_invalid_reward_is_no_score(tmp_path: Path) -> None:
    trial = _trial(exception_info={"exception_type": "AgentTimeoutError"}, reward_valid=False)
    records = read_one(HARBOR, write_json(tmp_path / "t__1" / "result.json", trial))
    assert len(attempts_in(records)) == 1
    (score,) = scores_in(records)
    assert (score.value, score.reason) == (None, "not valid: AgentTimeoutError")


def test_what_an_agent_logged_inside_of_a_trial_is_not_counted_again(tmp_path: Path) -> None:
    write_json(tmp_path / "t__1" / "result.json", _trial())
    message = {"id": "m", "model": "claude-opus-4-5", "usage": {"input_tokens": 5, "output_tokens": 5}}
    line = {"type": "assistant", "sessionId": "s", "requestId": "r", "message": message}
    session = write_lines(tmp_path / "t__1" / "agent" / "sessions" / "s.jsonl", line)
    assert format_of(session) == "harbor"
    assert len(attempts_in(read_one(HARBOR, tmp_path))) == 1
    assert read_units(CLAUDE, tmp_path, first=[HARBOR]) == {}
    assert "agent's own log" in str(why_refused(HARBOR, session))


def test_a_job_whose_sums_its_trials_do_not_have_is_refused(tmp_path: Path) -> None:
    stats = {"n_completed_trials": 2, "n_input_tokens": 6000, "n_output_tokens": 180}
    write_json(tmp_path / "result.json", {"id": "j", "stats": stats, "n_total_trials": 2})
    write_json(tmp_path / "t__1" / "result.json", _trial())
    assert "1 trials are missing" in str(why_refused(HARBOR, tmp_path))
    write_json(tmp_path / "t__2" / "result.json", _trial("t__2"))
    (run,) = [one for one in read_one(HARBOR, tmp_path) if isinstance(one, ImportedRun)]
    assert run.key == "j"
    write_json(tmp_path / "t__2" / "result.json", _trial("t__2", output=91))
    assert "sum to 181" in str(why_refused(HARBOR, tmp_path))


@pytest.mark.parametrize("version", ["ATIF-v2.0", "ATIF-v1"])
def test_unknown_versions_are_refused(tmp_path: Path, version: str) -> None:
    file = write_json(tmp_path / "trajectory.json", _atif(_step(1, 1, 0, 1), schema_version=version))
    assert "read is ATIF-v1.x" in str(why_refused(HARBOR, file))
    newer = write_json(tmp_path / "t" / "result.json", _trial(schema_version=2))
    assert "read is version 1" in str(why_refused(HARBOR, newer))


def test_a_trajectory_alone_is_a_run_and_its_subagents_are_in_its_total(tmp_path: Path) -> None:
    inner = _atif(_step(1, 1000, 0, 40, model_name="claude-haiku-4-5"), trajectory_id="sub")
    file = write_json(tmp_path / "trajectory.json", _atif(_step(1, 2000, 1000, 50), subagent_trajectories=[inner]))
    records = read_one(HARBOR, file)
    assert [_asked(one) for one in attempts_in(records)] == ["anthropic/claude-opus-4-5", "anthropic/claude-haiku-4-5"]
    assert "total_differs" not in notes_in(records)


# recorded data


def test_recorded_trajectories_sum_to_what_they_hold() -> None:
    for folder, form, name_of in (("mini_swe_agent", MINI, _asked), ("tau2", TAU2, _by_role)):
        data = shared(f"data/imports/{folder}")
        for name, wanted in json.loads((data / "EXPECTED.json").read_text())["files"].items():
            models = {key: value for key, value in wanted["models"].items() if value.get("attempts")}
            if "note" in wanted and folder == "mini_swe_agent":
                assert why_refused(form, data / name).where == name
            elif models:
                assert sums_of(read_one(form, data / name), name_of) == wanted_of(models), name
            else:  # voice: a conversation stands for calls of which the log says nothing
                assert [one.usage for one in attempts_in(read_one(form, data / name))] == [None], name


def test_a_recorded_job_sums_to_its_trials_totals() -> None:
    data = shared("data/imports/harbor_atif")
    expected = json.loads((data / "EXPECTED.json").read_text())["files"]
    wanted: dict[str, int] = dict.fromkeys(("input", "cache_read", "output"), 0)
    for trial in expected.values():
        for model in trial.get("trial_result", {}).values():
            for name, kept in (("input_uncached", "input"), ("cache_read", "cache_read"), ("output", "output")):
                wanted[kept] += model["tokens"][name] or 0
    records = read_one(HARBOR, data)
    found = [tokens_of(one) for one in attempts_in(records)]
    input_names = ("input_uncached", "cache_write", "cache_write_1h")  # a trial's total has cache writes in its input
    assert sum(one[name] or 0 for one in found for name in input_names) == wanted["input"]
    assert sum(one["cache_read"] or 0 for one in found) == wanted["cache_read"]
    assert sum(one["output"] or 0 for one in found) == wanted["output"]
    steps = expected["jobs/2026-11-27__21-40-00/hello-file__claude"]["steps_summed"]
    sums = sums_of(records, lambda call: call.model or call.cell.model)
    for model, step_sums in steps.items():
        tokens = sums[model]["tokens"]
        assert (tokens["cache_write"] or 0) + (tokens["cache_write_1h"] or 0) == step_sums["tokens"]["cache_write"]
        assert tokens["output"] == step_sums["tokens"]["output"]
    assert len(scores_in(records)) == 4


@pytest.mark.parametrize("name", ["result.json", "result.json.gz", "result"])
def test_an_agents_own_log_in_a_packed_trial_is_not_counted_beside_the_trial(tmp_path: Path, name: str) -> None:
    trial = tmp_path / "job" / "task__agent"
    session = trial / "agent" / "sessions" / "session.jsonl"
    session.parent.mkdir(parents=True)
    (trial / name).touch()
    session.write_text("{}\n")
    assert HARBOR.unit_of(session, RAW) == trial.parent
