"""Results of promptfoo in each of its forms: replays cost nothing, errors are not wrong, graders are paid."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.imports.containers.log_files import LogFile
from harness.imports.harnesses.asked_models import Asked, coloned
from harness.imports.harnesses.promptfoo.promptfoo_results import FORMAT
from harness.imports.harnesses.promptfoo.promptfoo_rows import usage_of
from harness.imports.known_formats import recognised
from harness.imports.log_peeks import peek
from harness.imports.log_records import Broken, ImportedRun, Noted, Record
from harness.imports.refusal import ImportRefused
from tests.support.foreign_logs import attempts_in, scores_in
from tests.support.imported import Summed, expected, expected_files, notes_of, records_of, summed
from tests.support.shared_data import shared

DATE = "Sun, 01 Mar 2026 10:00:02 GMT"


def _row(number: int, question: str = "What?", **members: Any) -> dict[str, Any]:
    return {
        "id": f"r{number}",
        "testIdx": number,
        "promptIdx": 0,
        "promptId": "p1",
        "provider": {"id": "openai:chat:gpt-5", "label": "mine"},
        "testCase": {
            "description": f"case of {question}", "vars": {"q": question}, "assert": [{"type": "equals", "value": "4"}],
        },
        "prompt": {"raw": question},
        "response": {
            "output": "4",
            "finishReason": "stop",
            "cached": False,
            "tokenUsage": {
                "total": 130, "prompt": 100, "completion": 30, "numRequests": 1, "completionDetails": {"reasoning": 20},
            },
            "metadata": {"http": {"status": 200, "headers": {"date": DATE}}},
        },
        "latencyMs": 1500,
        "cost": 0,
        "score": 1,
        "success": True,
        "failureReason": 0,
        "namedScores": {},
        "gradingResult": {"reason": "All assertions passed", "tokensUsed": {"total": 0, "prompt": 0, "completion": 0}},
        **members,
    }  # fmt: skip


def _export(rows: Sequence[Mapping[str, Any]], **members: Any) -> dict[str, Any]:
    results = {
        "version": 3,
        "timestamp": "2026-03-01T10:00:00Z",
        "prompts": [],
        "results": rows,
        "stats": {"successes": len(rows)},
    }
    config = {"description": "sums", "providers": [{"id": "openai:chat:gpt-5", "label": "mine", "config": {}}]}
    return {
        "evalId": "eval-1",
        "results": results,
        "config": config,
        "metadata": {"promptfooVersion": "0.121.20"},
        **members,
    }


def _read(folder: Path, *rows: Mapping[str, Any], texts: bool = False, **members: Any) -> list[Record]:
    path = folder / "out.json"
    path.write_text(json.dumps(_export(rows, **members)))
    return records_of(FORMAT, path, texts=texts)


def test_a_row_is_a_call_with_the_time_of_its_answer(tmp_path: Path) -> None:
    [attempt] = attempts_in(_read(tmp_path, _row(0)))
    assert (attempt.cell.provider, attempt.cell.model, attempt.cell.suite) == ("openai", "gpt-5", "sums")
    assert (attempt.identity, attempt.started_at_us, attempt.finished_at_us) == (
        "r0",
        1_772_359_200_500_000,
        1_772_359_202_000_000,
    )
    assert (attempt.stated_cost_usd, attempt.finish_reason) == (None, "stop")
    assert attempt.usage is not None
    assert (attempt.usage.usage.output_tokens, attempt.usage.usage.reasoning_tokens) == (30, 20)


def test_an_answer_of_promptfoos_own_cache_is_no_spend(tmp_path: Path) -> None:
    copy = {
        "output": "4",
        "cached": True,
        "tokenUsage": {"cached": 152, "total": 152},
        "metadata": {"http": {"headers": {"date": DATE}}},
    }
    [attempt] = attempts_in(_read(tmp_path, _row(0, response=copy, cost=0.5)))
    assert (attempt.status, attempt.usage, attempt.stated_cost_usd, attempt.started_at_us) == (
        "reused",
        None,
        None,
        None,
    )


def test_a_failed_call_is_not_a_wrong_answer_and_a_failed_assertion_is_no_failed_call(tmp_path: Path) -> None:
    response = {"error": "API error: 500 Internal Server Error", "metadata": {"http": {"status": 500}}}
    failed = _row(0, response=response, error="API error: 500", failureReason=2, score=0)
    late = _row(1, response=None, error="Evaluation timed out after 5000ms", failureReason=2, score=0)
    wrong = _row(2, error="Expected output to contain", failureReason=1, score=0)
    records = _read(tmp_path, failed, late, wrong)
    found = [(one.status, one.http_status, one.usage is None) for one in attempts_in(records)]
    assert found == [("failed", 500, True), ("timed_out", None, True), ("succeeded", None, False)]
    assert [(score.value, score.reason is None) for score in scores_in(records)] == [
        (None, False),
        (None, False),
        (0.0, True),
    ]


def test_equal_cases_are_epochs_and_different_ones_of_one_description_are_not(tmp_path: Path) -> None:
    other = _row(2)
    other["testCase"] = {**other["testCase"], "vars": {"q": "Another?"}}
    samples = [one.sample for one in attempts_in(_read(tmp_path, _row(0), _row(1), other))]
    assert [(one.sample_id.partition("#")[0], one.epoch) for one in samples if one] == [
        ("case of What?", 0), ("case of What?", 1), ("case of What?", 0),
    ]  # fmt: skip
    assert len({one.sample_id for one in samples if one}) == 2


def test_several_prompts_are_tasks_and_labels_tell_one_model_apart(tmp_path: Path) -> None:
    other: dict[str, Any] = {"provider": {"id": "openai:chat:gpt-5", "label": "warm"}}
    records = _read(tmp_path, _row(0), _row(1, promptId="p2", promptIdx=1), _row(2, **other))
    assert [one.sample and one.sample.task for one in attempts_in(records)] == ["prompt-p1", "prompt-p2", "prompt-p1"]
    assert [one.cell.setting for one in attempts_in(records)] == ["mine", "mine", "warm"]


def test_only_settings_that_were_passed_through_are_said_to_be_sent(tmp_path: Path) -> None:
    def config(own: Mapping[str, object]) -> dict[str, Any]:
        return {"providers": [{"id": "openai:chat:gpt-5", "label": "mine", "config": own}]}

    sent = _read(tmp_path, _row(0), config=config({"passthrough": {"reasoning_effort": "low"}}))
    assert [one.cell.setting for one in attempts_in(sent)] == ["low"]
    assert "settings_unsure" not in notes_of(sent)
    unsure = _read(tmp_path, _row(0), config=config({"reasoning_effort": "low"}))
    assert [one.cell.setting for one in attempts_in(unsure)] == [None]
    assert "'low' was configured" in notes_of(unsure)["settings_unsure"].detail


def test_graders_are_a_second_paid_model(tmp_path: Path) -> None:
    tokens = {"total": 60, "prompt": 50, "completion": 10, "completionDetails": {"reasoning": 0}}
    part = {"assertion": {"type": "llm-rubric", "provider": "anthropic:messages:claude-sonnet-4-5"}}
    named = _row(0, gradingResult={"tokensUsed": tokens, "componentResults": [part]})
    unnamed = _row(1, gradingResult={"tokensUsed": tokens, "componentResults": [{"assertion": {"type": "llm-rubric"}}]})
    copied = _row(2, gradingResult={"tokensUsed": {"total": 60, "cached": 60, "prompt": 0, "completion": 0}})
    judges = [one for one in attempts_in(_read(tmp_path, named, unnamed, copied)) if one.purpose == "judge"]
    assert [(one.provider, one.model, one.status) for one in judges] == [
        ("anthropic", "claude-sonnet-4-5", "succeeded"), ("unknown", "(not said)", "succeeded"),
        ("unknown", "(not said)", "reused"),
    ]  # fmt: skip
    assert judges[0].usage is not None
    assert (judges[0].usage.usage.input_tokens, judges[0].usage.usage.reasoning_tokens) == (50, None)


CACHED = {"cacheReadInputTokens": 60}


@pytest.mark.parametrize(
    ("provider", "counts", "details", "read"),
    [
        ("openai", (100, 30, 130), CACHED, (100, 60, 30, None)),
        ("anthropic", (160, 30, 190), CACHED, (160, 60, 30, None)),
        ("opencode", (100, 30, 190), CACHED, (160, 60, 30, None)),
        ("google", (100, 30, 180), {"reasoning": 50}, (100, 40, 80, 50)),
    ],
)
def test_each_providers_counts_are_read_by_their_total(
    provider: str, counts: tuple[int, int, int], details: dict[str, Any], read: tuple[int | None, ...]
) -> None:
    raw: dict[str, Any] = {
        **dict(zip(("prompt", "completion", "total"), counts, strict=True)),
        "completionDetails": details,
        "cached": 40,
    }
    found = usage_of(raw, provider, "here")
    assert found is not None
    usage = found.usage
    assert (usage.input_tokens, usage.cache_read_tokens, usage.output_tokens, usage.reasoning_tokens) == read
    assert found.raw == raw
    assert not usage.flags


def test_a_cost_of_zero_is_unknown_and_another_is_kept_beside(tmp_path: Path) -> None:
    costs = [one.stated_cost_usd for one in attempts_in(_read(tmp_path, _row(0, cost=0), _row(1, cost=0.00042)))]
    assert costs == [None, Decimal("0.00042")]


def test_all_forms_name_a_call_alike(tmp_path: Path) -> None:
    rows = [_row(0), _row(1)]
    (tmp_path / "out.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    _write_database(tmp_path / "promptfoo.db", rows)
    found = [attempts_in(records_of(FORMAT, tmp_path / name)) for name in ("out.jsonl", "promptfoo.db")]
    found.append(attempts_in(_read(tmp_path, *rows)))
    assert [[one.identity for one in calls] for calls in found] == [["r0", "r1"]] * 3
    assert [[one.sample for one in calls] for calls in found] == [[one.sample for one in found[0]]] * 3


def _write_database(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = {
        "test_case": "testCase", "prompt": "prompt", "provider": "provider", "response": "response",
        "grading_result": "gradingResult", "named_scores": "namedScores", "metadata": "testCase", "id": "id",
        "prompt_idx": "promptIdx", "test_idx": "testIdx", "prompt_id": "promptId", "latency_ms": "latencyMs",
        "error": "error", "score": "score", "failure_reason": "failureReason",
    }  # fmt: skip
    with sqlite3.connect(path) as opened:
        opened.execute("CREATE TABLE evals (id, created_at, description, results, config, is_redteam)")
        opened.execute(f"CREATE TABLE eval_results (eval_id, cost, created_at, {', '.join(columns)})")
        for key, results, is_redteam in (("eval-1", "{}", 0), ("attacks", "{}", 1), ("old", '{"results": []}', 0)):
            values = (key, 1_772_359_200_000, None, results, json.dumps({"description": key}), is_redteam)
            opened.execute("INSERT INTO evals VALUES (?, ?, ?, ?, ?, ?)", values)
        for row in rows:
            own = [row.get(name) for name in columns.values()]
            stored = [json.dumps(value) if isinstance(value, dict) else value for value in own]
            marks = ", ".join("?" * (len(stored) + 3))
            opened.execute(
                f"INSERT INTO eval_results VALUES ({marks})", ["eval-1", None, "2026-03-01 10:00:02", *stored]
            )
    opened.close()


def test_a_database_gives_each_evaluation_and_says_which_it_leaves_out(tmp_path: Path) -> None:
    _write_database(tmp_path / "promptfoo.db", [_row(0)])
    records = records_of(FORMAT, tmp_path / "promptfoo.db")
    assert [one.key for one in records if isinstance(one, ImportedRun)] == ["eval-1"]
    reasons = {one.where: one.reason for one in records if isinstance(one, Broken)}
    assert "red-team" in reasons["promptfoo.db: evaluation attacks"]
    assert "version 2" in reasons["promptfoo.db: evaluation old"]


def test_what_is_no_benchmark_or_of_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="version 99: versions 3 and 4 are read"):
        _read(tmp_path, results={"version": 99, "results": []})
    with pytest.raises(ImportRefused, match="red-team"):
        _read(tmp_path, config={"redteam": {"plugins": ["pii"]}})
    csv = tmp_path / "out.csv"
    csv.write_text("Description,q,[mine] prompt,Status,Score,Named Scores,Grader Reason,Comment\na,b,c,PASS,1,,,\n")
    with pytest.raises(ImportRefused, match="no tokens") as refused:
        records_of(FORMAT, csv)
    assert "as JSON" in str(refused.value)


def test_missing_and_broken_rows_and_lost_retries_are_said(tmp_path: Path) -> None:
    results = {"version": 3, "results": [_row(0), {"id": "x"}], "stats": {"successes": 5, "failures": 0, "errors": 1}}
    records = _read(tmp_path, results=results)
    assert [one.where for one in records if isinstance(one, Broken)] == ["out.json: result 2"]
    assert notes_of(records)["samples_missing"].detail == "6 results stated, 1 in the export"
    assert [one.name for one in records if isinstance(one, Noted) and one.lower_bound] == [
        "samples_missing",
        "retries_lost",
    ]


def test_texts_are_given_only_when_asked_for(tmp_path: Path) -> None:
    chat = {"raw": '[{"role": "system", "content": "Be short."}, {"role": "user", "content": "2+2?"}]'}
    assert [one.said for one in attempts_in(_read(tmp_path, _row(0, prompt=chat)))] == [None]
    [attempt] = attempts_in(_read(tmp_path, _row(0, prompt=chat), texts=True))
    assert attempt.said is not None
    assert [one["role"] for one in attempt.said.messages] == ["system", "user"]
    assert attempt.said.answer == "4"


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("openai:chat:gpt-5", Asked("openai", "gpt-5")),
        ("openai:gpt-5", Asked("openai", "gpt-5")),
        ("anthropic:messages:claude-x", Asked("anthropic", "claude-x")),
        ("openrouter:anthropic/claude-x", Asked("openrouter", "anthropic/claude-x")),
        ("vertex:gemini-2.5-pro", Asked("google", "gemini-2.5-pro")),
        ("bedrock:us.anthropic.claude-x-v1:0", Asked("bedrock", "us.anthropic.claude-x-v1:0")),
        ("ollama:chat:llama3.1:8b", Asked("ollama", "llama3.1:8b")),
        ("file://custom.py", Asked("unknown", "file://custom.py")),
        ("https://mine.example/ask", Asked("unknown", "https://mine.example/ask")),
        ("echo", Asked("unknown", "echo")),
    ],
)
def test_names_of_providers_are_read(name: str, asked: Asked) -> None:
    assert coloned(name) == asked


def test_recorded_exports_sum_to_what_was_summed_independently() -> None:
    folder = shared("data/imports/promptfoo")
    for name, stated in expected_files(folder).items():
        path = folder / name
        assert recognised(peek(LogFile(path, name)))[0] is FORMAT
        records = records_of(FORMAT, path)
        want: dict[str, Summed] = {}
        for evaluation in stated.get("evals", {name: stated}).values():
            want.update(expected(evaluation["models"], str))
        assert summed(records) == want, name
        assert [one for one in records if isinstance(one, Broken)] == []
    refused = shared("data/imports/refuse")
    for name in ("promptfoo_version_99.json", "promptfoo_no_tokens.csv"):
        assert recognised(peek(LogFile(refused / name, name)))[0] is FORMAT
        with pytest.raises(ImportRefused):
            records_of(FORMAT, refused / name)
