"""Batch files of providers: joined on the user's id, priced as a batch, refused where two answers could be meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ErrorClass
from harness.imports.gateways.anthropic_batch_files import FORMAT as ANTHROPIC
from harness.imports.gateways.batch_names import batch_of, item_of
from harness.imports.gateways.gemini_batch_files import FORMAT as GEMINI
from harness.imports.gateways.openai_batch_files import FORMAT as OPENAI
from harness.imports.log_records import ImportedRun, ImportedSample
from tests.support.foreign_logs import (
    attempts_in,
    broken_in,
    format_of,
    notes_in,
    read_one,
    read_units,
    sums_of,
    tokens_of,
    wanted_of,
    why_refused,
    write_json,
    write_lines,
)
from tests.support.shared_data import shared


def _usage(prompt: int = 100, cached: int = 60, output: int = 50, reasoning: int = 30) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def _request(key: str, **body: Any) -> dict[str, Any]:
    asked = {"model": "o3-mini", "reasoning_effort": "low", "messages": [{"role": "user", "content": "2+2?"}], **body}
    return {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": asked}


def _answer(key: str, usage: dict[str, Any] | None = None, finish: str = "stop", **line: Any) -> dict[str, Any]:
    body = {
        "id": f"chatcmpl-{key}",
        "object": "chat.completion",
        "created": 1_764_200_000,
        "model": "o3-mini-2025-01-31",
        "service_tier": "default",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "4"}, "finish_reason": finish}],
        "usage": usage or _usage(),
    }
    response = {"status_code": 200, "request_id": f"req_{key}", "body": body}
    return {"id": f"batch_req_{key}", "custom_id": key, "response": response, "error": None, **line}


def _job(**facts: Any) -> dict[str, Any]:
    counts = {"total": 3, "completed": 1, "failed": 2}
    usage = {"input_tokens": 100, "output_tokens": 50, "total_tokens": 150}
    job = {"id": "batch_1", "object": "batch", "input_file_id": "file-1", "created_at": 1_764_199_000}
    return {**job, "status": "expired", "request_counts": counts, "usage": usage, **facts}


def test_requests_results_and_failed_lines_are_joined_and_only_answers_are_billed(tmp_path: Path) -> None:
    expired = {"id": "batch_req_c", "custom_id": "maths/c/e1", "response": None, "error": {"code": "batch_expired"}}
    refused = {"status_code": 400, "body": {"error": {"message": "bad", "code": "invalid_value"}}}
    failed = {"id": "batch_req_b", "custom_id": "q/t/b/e0", "response": refused, "error": None}
    write_lines(tmp_path / "input.jsonl", *[_request(key) for key in ("q/t/a/e0", "q/t/b/e0", "maths/c/e1")])
    write_lines(tmp_path / "output.jsonl", _answer("q/t/a/e0", finish="length"))
    write_lines(tmp_path / "error.jsonl", expired, failed)
    write_json(tmp_path / "batch.json", _job())
    records = read_one(OPENAI, tmp_path, texts=True)
    (run,) = [one for one in records if isinstance(one, ImportedRun)]
    assert (run.key, run.status, run.created_at_us) == ("batch_1", "partial", 1_764_199_000_000_000)
    by_status = {one.status: one for one in attempts_in(records)}
    answered = by_status["succeeded"]
    assert (answered.cell.provider, answered.cell.model, answered.cell.setting) == ("openai", "o3-mini", "low")
    assert (answered.cell.suite, answered.sample and answered.sample.sample_id) == ("q", "a")
    assert tokens_of(answered) == {
        "input_uncached": 40, "cache_read": 60, "cache_write": None, "cache_write_1h": None, "output": 50,
        "reasoning": 30,
    }  # fmt: skip
    assert (answered.mode, answered.service_tier, answered.finish_reason) == ("batch", "batch", "length")
    assert answered.said is not None
    assert answered.said.answer == "4"
    assert {status: one.billed for status, one in by_status.items()} == {
        "succeeded": None, "failed": "no", "timed_out": "no",
    }  # fmt: skip
    assert by_status["timed_out"].sample is not None
    assert by_status["timed_out"].sample.epoch == 1


def test_a_count_of_cached_tokens_that_the_input_cannot_hold_is_not_made_into_a_bill(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "output.jsonl", _answer("a", _usage(prompt=96, cached=101)), _answer("b"))
    records = read_one(OPENAI, file)
    assert [one.usage and one.usage.usage.input_tokens for one in attempts_in(records)] == [None, 100]
    assert "101 cached tokens of 96 input tokens" in notes_in(records)["usage_unsure"]


def test_a_negative_count_loses_its_line_alone_and_the_file_where_there_is_no_other(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "output.jsonl", _answer("a", _usage(output=-3)), _answer("b"), "{cut")
    records = read_one(OPENAI, file)
    assert len(attempts_in(records)) == 1
    assert [text.split(" ")[0] for text in broken_in(records)] == ["output.jsonl:1", "output.jsonl:3"]
    alone = write_lines(tmp_path / "alone" / "output.jsonl", _answer("a", _usage(output=-3)))
    assert "completion_tokens is -3" in str(why_refused(OPENAI, alone))


def test_one_id_with_two_answers_is_refused_with_both_places_and_the_same_line_twice_counts_once(
    tmp_path: Path,
) -> None:
    file = write_lines(tmp_path / "output.jsonl", _answer("a"), _answer("b"), _answer("a", _usage(output=51)))
    assert why_refused(OPENAI, file).where == "output.jsonl:1 and output.jsonl:3"
    again = write_lines(tmp_path / "output.jsonl", _answer("a"), _answer("b"), _answer("a"))
    assert len(attempts_in(read_one(OPENAI, again))) == 2


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    write_lines(tmp_path / "output.jsonl", _answer("a"))
    write_lines(tmp_path / "input.jsonl", _request("b"))
    assert "none of the requests" in str(why_refused(OPENAI, tmp_path))
    (tmp_path / "input.jsonl").unlink()
    job = write_json(
        tmp_path / "batch.json", _job(request_counts={"total": 1}, usage={"input_tokens": 9, "output_tokens": 9})
    )
    assert "its lines sum to (100, 50)" in str(why_refused(OPENAI, tmp_path))
    job.unlink()
    both = write_lines(tmp_path / "output.jsonl", _answer("a", error={"code": "server_error", "message": "x"}))
    assert "both an answer and an error" in str(why_refused(OPENAI, both))
    asked = write_lines(tmp_path / "input.jsonl", _request("b"))
    assert "no results" in str(why_refused(OPENAI, asked))


def test_requests_without_a_result_are_samples_and_make_the_spend_a_lower_bound(tmp_path: Path) -> None:
    write_lines(tmp_path / "batch_7_input.jsonl", _request("a"), _request("b"))
    write_lines(tmp_path / "batch_7_output.jsonl", _answer("a"))
    records = read_one(OPENAI, tmp_path)
    assert [one.sample.sample_id for one in records if isinstance(one, ImportedSample)] == ["b"]
    assert notes_in(records)["samples_missing"] == "1 of 2 requests have no line in the files given (b)"


def test_who_served_a_batch_is_told_by_what_only_they_write(tmp_path: Path) -> None:
    azure = _answer("a", id=None)
    azure["response"]["body"]["prompt_filter_results"] = []
    groq = _answer("a")
    groq["response"]["body"]["x_groq"] = {"id": "req_1"}
    mistral = _answer("a", id="batch-7-0")
    found = []
    for number, line in enumerate((azure, groq, mistral, _answer("a"), _answer("a", id="own-1"))):
        (one,) = attempts_in(read_one(OPENAI, write_lines(tmp_path / str(number) / "output.jsonl", line)))
        found.append(one.cell.provider)
    assert found == ["azure", "groq", "mistral", "openai", "unknown"]


def test_a_filtered_prompt_of_azure_is_free_in_a_batch(tmp_path: Path) -> None:
    error = {"message": "filtered by the content management policy", "code": "content_filter", "status": 400}
    line = {"custom_id": "a", "response": {"status_code": 400, "body": {"error": error}}, "error": None}
    (one,) = attempts_in(read_one(OPENAI, write_lines(tmp_path / "error.jsonl", line)))
    assert (one.status, one.billed) == ("failed", "no")


def test_batches_of_one_folder_are_kept_apart_by_their_names(tmp_path: Path) -> None:
    for name in ("batch_1_output.jsonl", "batch_2_output.jsonl"):
        write_lines(tmp_path / name, _answer("a", id=f"batch_req_{name}"))
    write_lines(
        tmp_path / "batch_1_error.jsonl", {"custom_id": "b", "response": None, "error": {"code": "batch_expired"}}
    )
    assert [len(attempts_in(records)) for records in read_units(OPENAI, tmp_path).values()] == [2, 1]
    assert {batch_of(tmp_path / name, "") for name in ("output.jsonl", "batch.json")} == {tmp_path}


def test_a_file_of_requests_belongs_to_the_one_batch_of_its_folder(tmp_path: Path) -> None:
    write_lines(tmp_path / "requests.jsonl", _request("a"))
    write_lines(tmp_path / "batch_67_output.jsonl", _answer("a"))
    (one,) = attempts_in(read_one(OPENAI, tmp_path))
    assert one.cell.setting == "low"


def test_an_id_is_taken_apart_only_where_it_is_built_of_parts() -> None:
    suite, sample = item_of("starter/multiple_choice/maths/1/e12")
    assert (suite, (sample.task, sample.sample_id, sample.epoch)) == (
        "starter", ("multiple_choice", "maths/1", 12),
    )  # fmt: skip
    found = [item_of(key)[1] for key in ("mc_maths-1_e2", "task-7", "e5", "some-epoch-3")]
    assert [(one.sample_id, one.epoch) for one in found] == [
        ("mc_maths-1", 2),
        ("task-7", 0),
        ("e5", 0),
        ("some", 3),
    ]


def test_anthropic_results_hold_answers_and_failures_and_cache_lifetimes(tmp_path: Path) -> None:
    usage = {
        "input_tokens": 121, "cache_creation_input_tokens": 2560, "cache_read_input_tokens": 2048,
        "cache_creation": {"ephemeral_5m_input_tokens": 512, "ephemeral_1h_input_tokens": 2048},
        "output_tokens": 1502, "service_tier": "batch", "output_tokens_details": {"thinking_tokens": 1300},
    }  # fmt: skip
    message = {
        "id": "msg_1", "type": "message", "model": "claude-sonnet-4-5-20250929", "stop_reason": "max_tokens",
        "content": [{"type": "text", "text": "4"}], "usage": usage,
    }  # fmt: skip
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "bad"}}
    params = {"model": "claude-sonnet-4-5", "thinking": {"type": "enabled", "budget_tokens": 8000}, "messages": []}
    keys = ("a_e0", "b_e0", "c_e0", "d_e0")
    write_lines(tmp_path / "requests.jsonl", *[{"custom_id": key, "params": params} for key in keys])
    results = ({"type": "succeeded", "message": message}, {"type": "errored", "error": error}, {"type": "expired"},
               {"type": "canceled"})  # fmt: skip
    lines = [{"custom_id": key, "result": result} for key, result in zip(keys, results, strict=True)]
    file = write_lines(tmp_path / "results.jsonl", *lines)
    assert format_of(file) == "anthropic_batch"
    found = attempts_in(read_one(ANTHROPIC, tmp_path))
    assert [one.status for one in found] == ["succeeded", "failed", "timed_out", "cancelled"]
    assert [one.billed for one in found] == [None, "no", "no", "no"]
    assert (found[1].error_message, found[1].http_status) == ("bad", None)  # no status is stated, and none is made up
    assert found[1].error_class == ErrorClass.BAD_REQUEST
    assert list(tokens_of(found[0]).values()) == [121, 2048, 512, 2048, 1502, 1300]
    assert (found[0].cell.setting, found[0].model_served) == ("thinking=8000", "claude-sonnet-4-5-20250929")


def test_gemini_thoughts_are_output_and_an_answer_that_is_all_thought_is_billed(tmp_path: Path) -> None:
    usage = {"promptTokenCount": 96, "totalTokenCount": 2144, "thoughtsTokenCount": 2048}
    candidate = {"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}
    answer = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash", "responseId": "r"}
    failed = {"key": "k-1", "error": {"code": 13, "status": "INTERNAL"}}
    file = write_lines(tmp_path / "results.jsonl", {"key": "k-0", "response": answer}, failed)
    assert format_of(file) == "gemini_batch"
    cut, lost = attempts_in(read_one(GEMINI, file))
    assert (tokens_of(cut)["output"], tokens_of(cut)["reasoning"], cut.finish_reason) == (2048, 2048, "length")
    assert (lost.status, lost.billed, lost.cell.model) == ("failed", "no", "(not said)")


@pytest.mark.parametrize(
    "folder", ["openai_chat", "openai_responses", "azure", "groq", "mistral", "anthropic", "gemini"]
)
def test_recorded_batches_sum_to_what_they_hold(folder: str) -> None:
    expected = json.loads(shared("data/imports/batch/EXPECTED.json").read_text())["files"][folder]
    form = {"anthropic": ANTHROPIC, "gemini": GEMINI}.get(folder, OPENAI)
    records = read_one(form, shared(f"data/imports/batch/{folder}"))
    assert sums_of(records) == wanted_of(expected["models"])
    assert sum(one.finish_reason == "length" for one in attempts_in(records)) == expected["answers_cut_at_the_cap"]


def test_recorded_batches_with_one_fault_are_refused_or_flagged() -> None:
    folder = shared("data/imports/refuse")
    assert ":1 and " in str(why_refused(OPENAI, folder / "openai_batch_same_custom_id_twice.jsonl").where)
    assert "is -3" in str(why_refused(OPENAI, folder / "openai_batch_negative_tokens.jsonl"))
    flagged = read_one(OPENAI, folder / "openai_batch_more_cached_than_input.jsonl")
    assert sums_of(flagged)["o3-mini-2025-01-31"]["tokens"]["input_uncached"] is None
    assert "usage_unsure" in notes_in(flagged)
