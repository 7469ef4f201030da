"""Logs of Inspect AI: what was paid is counted once, what is missing is said, and what was not said stays unknown."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from harness.imports.containers.log_files import LogFile
from harness.imports.harnesses.asked_models import Asked, slashed
from harness.imports.harnesses.inspect_ai.inspect_log import FORMAT
from harness.imports.known_formats import recognised
from harness.imports.log_peeks import peek
from harness.imports.log_records import Broken, ImportedRun, ImportedSample, Record
from harness.imports.refusal import ImportRefused
from tests.support.foreign_logs import attempts_in, scores_in
from tests.support.imported import expected, expected_files, notes_of, records_of, summed
from tests.support.inspect_logs import Log, call, log, sample, usage, write_archive, write_document
from tests.support.shared_data import shared


def _records(folder: Path, content: Log, *, texts: bool = False) -> list[Record]:
    return records_of(FORMAT, write_document(folder, content), texts=texts)


def _last_run(records: list[Record]) -> ImportedRun:
    return [one for one in records if isinstance(one, ImportedRun)][-1]


def test_a_call_is_an_attempt_with_its_time_its_models_and_its_setting(tmp_path: Path) -> None:
    answer = {"id": "resp_1", "model": "gpt-5-2025-08-07", "service_tier": "flex"}
    request = {"model": "gpt-5", "messages": [], "reasoning_effort": "high", "extra_headers": {"x": "y"}}
    event = call(usage(10, 5, 15), "u1", call={"request": request, "response": answer}, retries=2)
    [attempt] = attempts_in(_records(tmp_path, log(sample([event], epoch=2))))
    assert (attempt.cell.provider, attempt.cell.model, attempt.cell.setting) == ("openai", "gpt-5", "high")
    assert (attempt.cell.suite, attempt.model, attempt.model_served) == ("arithmetic", None, "gpt-5-2025-08-07")
    assert (attempt.started_at_us, attempt.finished_at_us) == (1_772_355_600_000_000, 1_772_355_602_500_000)
    assert (attempt.identity, attempt.sample and attempt.sample.epoch) == ("u1", 1)
    assert (attempt.hidden_retries, attempt.service_tier, attempt.finish_reason) == (2, "flex", "stop")
    assert attempt.parameters == {"reasoning_effort": "high"}
    assert attempt.said is None


def test_a_replay_from_the_tools_cache_is_no_spend(tmp_path: Path) -> None:
    [attempt] = attempts_in(_records(tmp_path, log(sample([call(usage(10, 5, 15), "u1", cache="read")]))))
    assert (attempt.status, attempt.usage, attempt.stated_cost_usd) == ("reused", None, None)


def test_tries_of_a_sample_that_were_repeated_are_paid_and_its_score_is_of_the_last(tmp_path: Path) -> None:
    failed = {"message": "solver raised", "events": [call(usage(7, 3, 10), "u0")]}
    records = _records(tmp_path, log(sample([call(usage(10, 5, 15), "u1")], error_retries=[failed])))
    assert sorted(one.identity for one in attempts_in(records)) == ["u0", "u1"]
    assert [score.attempt for score in scores_in(records)] == ["u1"]


@pytest.mark.parametrize("has_ids", [True, False])
def test_a_retried_log_is_the_same_run_and_adds_only_its_own_calls(tmp_path: Path, has_ids: bool) -> None:
    def event(number: int) -> Log:
        counts, at = usage(10, 5, 15), f"2026-03-01T10:00:0{number}+00:00"
        return call(counts, f"u{number}" if has_ids else None, timestamp=at)

    failed = sample([event(2)], 2, scores={}, error={"message": "boom"})
    first, second = log(sample([event(1)]), failed), log(sample([event(1)]), sample([event(3)], 2))
    for content, own in ((first, "E1"), (second, "E2")):
        content["eval"] |= {"task_id": "T1", "eval_id": own, "run_id": own}
    earlier, later = (_records(tmp_path, content) for content in (first, second))
    assert _last_run(earlier).key == _last_run(later).key
    assert len({one.identity for one in attempts_in([*earlier, *later])}) == 3


def test_the_same_event_in_two_places_is_one_call(tmp_path: Path) -> None:
    event = call(usage(10, 5, 15), "u1")
    records = _records(tmp_path, log(sample([event], error_retries=[{"message": "x", "events": [event]}])))
    assert len(attempts_in(records)) == 1


@pytest.mark.parametrize(
    ("error", "status", "http_status"),
    [
        ("AttemptTimeoutError(\"attempt_timeout '3' exceeded.\")", "timed_out", None),
        ("RuntimeError('model call cancelled')", "cancelled", None),
        ("Cancelled by limit", "cancelled", None),
        ("Error code: 429 - slow down", "failed", 429),
    ],
)
def test_a_failed_call_says_how_and_its_tokens_stay_unknown(
    tmp_path: Path, error: str, status: str, http_status: int | None
) -> None:
    [attempt] = attempts_in(_records(tmp_path, log(sample([call(None, "u1", error=error)]))))
    assert (attempt.status, attempt.http_status, attempt.usage) == (status, http_status, None)
    assert attempt.error_message == error


def test_a_call_in_flight_when_the_run_was_killed_may_be_billed(tmp_path: Path) -> None:
    event = call(None, "u1", pending=True, completed=None)
    [attempt] = attempts_in(_records(tmp_path, log(sample([event]))))
    assert (attempt.status, attempt.usage) == ("cancelled", None)


def test_judges_are_told_apart_by_role_by_span_and_by_step(tmp_path: Path) -> None:
    counts = usage(10, 5, 15)
    events = [
        call(counts, "solves", span_id="s0"),
        {"event": "span_begin", "id": "s1", "type": "scorers", "parent_id": None},
        {"event": "span_begin", "id": "s2", "type": "other", "parent_id": "s1"},
        call(counts, "in_span", span_id="s2"),
        {"event": "step", "action": "begin", "type": "scorer"},
        call(counts, "in_step"),
        {"event": "step", "action": "end", "type": "scorer"},
        call(counts, "by_role", role="grader", model="anthropic/claude-sonnet-4-5"),
        call(counts, "user", role="user_simulator", model="openai/gpt-5-mini"),
        call(counts, "helper", role="summarizer", model="openai/gpt-5-mini"),
    ]
    records = _records(tmp_path, log(sample(events)))
    found = {one.identity: one.purpose for one in attempts_in(records)}
    assert found == {
        "solves": "solve", "in_span": "judge", "in_step": "judge", "by_role": "judge", "user": "user_simulator",
        "helper": "tool",
    }  # fmt: skip
    [judge] = [one for one in attempts_in(records) if one.identity == "by_role"]
    assert (judge.provider, judge.model) == ("anthropic", "claude-sonnet-4-5")
    assert [score.attempt for score in scores_in(records)] == ["solves"]


def test_events_inside_events_of_old_logs_are_counted(tmp_path: Path) -> None:
    inner = {"event": "tool", "events": [call(usage(1, 2, 3)), {"event": "subtask", "events": [call(usage(4, 5, 9))]}]}
    old = sample([])
    del old["events"]
    records = _records(tmp_path, log({**old, "transcript": {"events": [call(usage(10, 5, 15)), inner]}}))
    assert summed(records)["gpt-5"].input_uncached == 10 + 1 + 4
    at = "2026-03-01T10:00:00+01:00"
    assert [one.identity for one in attempts_in(records)] == [f"E1/openai/gpt-5/1/1/{n}@{at}" for n in (1, 2, 3)]


def test_a_sample_without_its_calls_is_counted_by_its_sums_and_that_is_said(tmp_path: Path) -> None:
    sums = {"openai/gpt-5": usage(100, 50, 150), "anthropic/claude-sonnet-4-5": usage(20, 10, 30)}
    records = _records(tmp_path, log(sample([], model_usage=sums)))
    assert {name: sums.input_uncached for name, sums in summed(records).items()} == {
        "gpt-5": 100,
        "claude-sonnet-4-5": 20,
    }
    assert "calls_not_itemised" in notes_of(records)
    assert len(scores_in(records)) == 1


def test_the_usage_of_a_last_call_is_no_usage_of_its_sample(tmp_path: Path) -> None:
    output = {"choices": [{"message": {}}], "usage": usage(1885, 21, 1906)}
    records = _records(tmp_path, log(sample([], output=output)))
    [attempt] = attempts_in(records)
    assert attempt.usage is not None
    assert attempt.usage.usage.is_missing
    assert attempt.usage.raw == output["usage"]
    assert notes_of(records)["calls_not_itemised"].lower_bound
    assert [score.attempt for score in scores_in(records)] == [attempt.identity]


def test_a_log_that_leaves_its_version_out_is_of_the_present_one(tmp_path: Path) -> None:
    content = log(sample([call(usage(10, 5, 15))]))
    del content["version"]
    path = write_document(tmp_path, content)
    assert recognised(peek(LogFile(path, path.name)))[0] is FORMAT
    assert len(attempts_in(records_of(FORMAT, path))) == 1


def test_missing_samples_are_said_and_never_scaled(tmp_path: Path) -> None:
    records = _records(tmp_path, log(sample([call(usage(10, 5, 15))]), results={"total_samples": 80}))
    note = notes_of(records)["samples_missing"]
    assert note.lower_bound
    assert "80 samples stated, 1 in the file" in note.detail
    assert _last_run(records).status == "partial"


def test_a_sum_of_the_log_is_compared_with_its_calls_and_not_added(tmp_path: Path) -> None:
    stats = {"model_usage": {"openai/gpt-5": usage(30, 5, 35)}}
    records = _records(tmp_path, log(sample([call(usage(10, 5, 15))]), stats=stats))
    note = notes_of(records)["total_differs"]
    assert note.lower_bound
    assert "input_tokens 30 stated, 10 in its calls" in note.detail
    assert summed(records)["gpt-5"].input_uncached == 10


def test_scores_that_are_no_numbers_have_a_reason(tmp_path: Path) -> None:
    scores = {
        "first": {"value": "P"}, "text": {"value": "good"}, "wide": {"value": 7.5}, "none": {"value": float("nan")},
        "parts": {"value": {"a": True, "b": None}},
    }  # fmt: skip
    found = scores_in(_records(tmp_path, log(sample([call(usage(1, 1, 2))], scores=scores))))
    assert [(score.scorer, score.value) for score in found] == [
        ("parts/b", None), ("parts/a", 1.0), ("none", None), ("wide", None), ("text", None), ("first", 0.5),
    ]  # fmt: skip
    assert [score.reason is None for score in found] == [score.value is not None for score in found]


def test_a_sample_that_ended_in_an_error_is_not_wrong(tmp_path: Path) -> None:
    failed = sample([call(None, "u1", error="x")], scores={}, error={"message": "no answer"})
    [score] = scores_in(_records(tmp_path, log(failed)))
    assert score.value is None
    assert score.reason == "the sample ended in an error: no answer"


def test_a_cost_that_charges_cached_tokens_twice_is_kept_beside_and_explained(tmp_path: Path) -> None:
    counts = {**usage(100, 20, 120, cache_read=50), "total_cost": 0.1}
    [attempt] = attempts_in(_records(tmp_path, log(sample([call(counts)]), version="0.3.180")))
    assert attempt.stated_cost_usd == Decimal("0.1")
    assert "a second time" in (attempt.cost_note or "")
    [newer] = attempts_in(_records(tmp_path, log(sample([call(counts)]), version="0.3.285")))
    assert "a second time" not in (newer.cost_note or "")


@pytest.mark.parametrize("in_chunks", [False, True])
def test_an_archive_gives_what_a_document_gives(tmp_path: Path, in_chunks: bool) -> None:
    content = log(sample([call(usage(10, 5, 15), f"u{n}") for n in range(12)]), sample([call(usage(1, 1, 2), "v")], 2))
    assert records_of(FORMAT, write_archive(tmp_path, content, in_chunks=in_chunks)) == _records(tmp_path, content)


def test_a_killed_run_gives_its_finished_samples(tmp_path: Path) -> None:
    content = log(sample([call(usage(10, 5, 15), "u1")]))
    records = records_of(FORMAT, write_archive(tmp_path, content, is_killed=True))
    assert len(attempts_in(records)) == 1
    assert notes_of(records)["not_finished"].lower_bound
    assert _last_run(records).status == "partial"


def test_texts_are_resolved_and_given_only_when_asked_for(tmp_path: Path) -> None:
    event = call(usage(10, 5, 15), "u1", input=[], input_refs=[[0, 1]])
    event["output"]["choices"][0]["message"]["content"] = [
        {"type": "reasoning", "reasoning": "so"}, {"type": "text", "text": "attachment://d1"},
    ]  # fmt: skip
    kept: Log = {
        "events_data": {
            "messages": [{"role": "user", "content": "attachment://d0"}, {"role": "user", "content": "no"}]
        },
        "attachments": {"d0": "What is it?", "d1": "It is 4."},
    }
    content = log(sample([event], **kept))
    [attempt] = attempts_in(_records(tmp_path, content, texts=True))
    assert attempt.said is not None
    assert list(attempt.said.messages) == [{"role": "user", "content": "What is it?"}]
    assert (attempt.said.answer, attempt.said.reasoning) == ("It is 4.", "so")
    assert records_of(FORMAT, write_archive(tmp_path, content), texts=True) == _records(tmp_path, content, texts=True)


def test_a_log_without_samples_is_refused_with_its_own_sums(tmp_path: Path) -> None:
    stats = {"model_usage": {"openai/gpt-5": usage(192, 6, 198)}}
    with pytest.raises(ImportRefused, match=r"no sample \(status 'cancelled'\).*openai/gpt-5 198 tokens"):
        _records(tmp_path, log(status="cancelled", stats=stats))


def test_an_unknown_version_is_refused_with_those_that_are_read(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="version 99: versions 1 and 2 are read"):
        _records(tmp_path, log(version="1.0.0") | {"version": 99})


def test_a_sample_without_calls_is_kept_with_its_target(tmp_path: Path) -> None:
    records = _records(tmp_path, log(sample([], target=["4", "four"], scores={})))
    [kept] = [one for one in records if isinstance(one, ImportedSample)]
    assert (kept.target, kept.sample.sample_id, attempts_in(records)) == ("4\nfour", "1", [])


@pytest.mark.parametrize(
    ("name", "provider", "model"),
    [
        ("openai/gpt-5", "openai", "gpt-5"),
        ("openai/azure/gpt-4o-mini", "azure", "gpt-4o-mini"),
        ("openai-api/sim/m-1", "sim", "m-1"),
        ("anthropic/bedrock/claude-x", "bedrock", "claude-x"),
        ("openrouter/anthropic/claude-x", "openrouter", "anthropic/claude-x"),
        ("grok/grok-4", "xai", "grok-4"),
        ("together/meta-llama/Llama-3", "together", "meta-llama/Llama-3"),
        ("llama3.1", "unknown", "llama3.1"),
    ],
)
def test_names_of_models_are_told_apart_from_who_serves_them(name: str, provider: str, model: str) -> None:
    assert slashed(name) == Asked(provider, model)


def test_recorded_logs_sum_to_what_was_summed_independently() -> None:
    folder = shared("data/imports/inspect")
    for name, stated in expected_files(folder).items():
        path = folder / name
        assert recognised(peek(LogFile(path, name)))[0] is FORMAT
        if not stated["samples_in_file"]:
            with pytest.raises(ImportRefused, match="holds no sample"):
                records_of(FORMAT, path)
            continue
        records = records_of(FORMAT, path)
        want = expected(stated["models"], lambda model: slashed(model).model)
        got = summed(records)
        assert got == {model: sums for model, sums in want.items() if model in got}, name
        assert all(sums.attempts == 0 for model, sums in want.items() if model not in got), name
        judged = [score.value for score in scores_in(records) if score.value is not None]
        assert sum(judged) == sum(row["correct"] or 0 for row in stated["models"].values()), name
        assert [one for one in records if isinstance(one, Broken)] == []


def test_recorded_logs_that_are_broken_are_refused_or_their_tokens_left_unknown() -> None:
    folder = shared("data/imports/refuse")
    with pytest.raises(ImportRefused, match="cut or broken"):
        records_of(FORMAT, folder / "inspect_cut_zip.eval")
    records = records_of(FORMAT, folder / "inspect_total_fits_neither_rule.json")
    [attempt] = attempts_in(records)
    assert attempt.usage is not None
    assert attempt.usage.usage.is_missing
    assert notes_of(records)["usage_unsure"].lower_bound
