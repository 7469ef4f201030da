"""Sessions of coding assistants: each answer once, whatever repeats it, with the counts of its last line."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.imports.agents.claude_code import FORMAT as CLAUDE
from harness.imports.agents.codex_sessions import FORMAT as CODEX
from harness.imports.log_records import ImportedRun
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
    write_lines,
)
from tests.support.shared_data import shared


def _line(message_id: str = "msg_1", output: int = 3, *, session: str = "s1", **facts: Any) -> dict[str, Any]:
    usage = {
        "input_tokens": 4, "cache_read_input_tokens": 12_200, "cache_creation_input_tokens": 6_930,
        "cache_creation": {"ephemeral_5m_input_tokens": 6_100, "ephemeral_1h_input_tokens": 830},
        "output_tokens": output, "service_tier": "standard",
    }  # fmt: skip
    message = {
        "id": message_id, "type": "message", "role": "assistant", "model": "claude-opus-4-5", "usage": usage,
        "content": [{"type": "text", "text": f"part {output}"}], "stop_reason": facts.pop("stop_reason", None),
        **facts.pop("message", {}),
    }  # fmt: skip
    return {
        "type": "assistant", "sessionId": session, "cwd": "/home/user/project", "version": "2.1.222",
        "requestId": f"req_{message_id}", "timestamp": "2026-09-01T10:00:04.000Z", "message": message, **facts,
    }  # fmt: skip


def test_an_answer_of_several_lines_is_counted_once_with_the_counts_of_its_last(tmp_path: Path) -> None:
    asked = {"type": "user", "sessionId": "s1", "timestamp": "2026-09-01T10:00:00Z", "message": {"content": "why?"}}
    last = _line(output=215, stop_reason="tool_use", timestamp="2026-09-01T10:00:07.000Z")
    file = write_lines(tmp_path / "s1.jsonl", {"type": "summary", "leafUuid": "a"}, asked, _line(), _line(), last)
    assert format_of(file) == "claude_code"
    records = read_one(CLAUDE, file, texts=True)
    (run,) = [one for one in records if isinstance(one, ImportedRun)]
    assert (run.name, run.tool_version) == ("project", "2.1.222")
    (answer,) = attempts_in(records)
    assert list(tokens_of(answer).values()) == [4, 12_200, 6_100, 830, 215, None]
    assert (answer.finished_at_us or 0) - (answer.started_at_us or 0) == 3_000_000
    assert (answer.cell.provider, answer.finish_reason, answer.sample) == ("anthropic", "tool_calls", None)
    assert answer.said is not None
    assert (answer.said.messages[0]["content"], answer.said.answer) == ("why?", "part 3part 3part 215")


def test_a_resumed_session_repeats_answers_that_count_once(tmp_path: Path) -> None:
    write_lines(tmp_path / "s1.jsonl", _line(), _line(output=215))
    write_lines(tmp_path / "s2.jsonl", _line(session="s2"), _line(output=215, session="s2"), _line("msg_2", 7))
    records = [one for unit in read_units(CLAUDE, tmp_path).values() for one in unit]
    assert len(attempts_in(records)) == 3
    assert sums_of(records)["claude-opus-4-5"]["tokens"]["output"] == 222


def test_lines_of_the_client_itself_are_no_model_and_say_that_tries_are_lost(tmp_path: Path) -> None:
    own = _line("own", 0, isApiErrorMessage=True, message={"model": "<synthetic>"})
    records = read_one(CLAUDE, write_lines(tmp_path / "s1.jsonl", own, _line(stop_reason="end_turn")))
    assert [one.cell.model for one in attempts_in(records)] == ["claude-opus-4-5"]
    assert "retries_lost" in notes_in(records)


def test_a_session_that_is_still_being_written_says_so(tmp_path: Path) -> None:
    done, begun = _line("msg_1", 9, stop_reason="end_turn"), _line("msg_2", 3)
    records = read_one(CLAUDE, write_lines(tmp_path / "s1.jsonl", done, begun, '{"type": "assis'))
    assert "s1.jsonl:2: its last answer was still being written" in notes_in(records)["not_finished"]
    assert [text.split(" ")[0] for text in broken_in(records)] == ["s1.jsonl:3"]


def test_lines_of_older_clients_have_their_own_names_and_the_cost_that_they_state(tmp_path: Path) -> None:
    old = {"type": "assistant", "uuid": "u1", "timestamp": "2024-12-01T10:00:30Z", "costUSD": 0.05, "inputTokens": 200,
           "outputTokens": 100, "cacheCreationInputTokens": 100, "cacheReadInputTokens": 50,
           "message": {"model": "claude-3-5-sonnet-20241022"}}  # fmt: skip
    between = _line(costUSD=0.12)
    older, newer = attempts_in(read_one(CLAUDE, write_lines(tmp_path / "s.jsonl", old, between)))
    assert list(tokens_of(older).values()) == [200, 50, 100, None, 100, None]
    assert (older.stated_cost_usd, newer.stated_cost_usd) == (Decimal("0.05"), Decimal("0.12"))
    assert older.usage is not None
    assert (older.usage.kind, older.usage.raw and older.usage.raw["inputTokens"]) == ("claude_code", 200)


def test_what_the_client_prints_as_it_runs_is_read_like_a_session(tmp_path: Path) -> None:
    begun = {"type": "system", "subtype": "init", "session_id": "s1", "model": "claude-opus-4-5"}
    printed = _line(output=9, session_id="s1")
    for name in ("sessionId", "requestId", "timestamp"):
        del printed[name]
    file = write_lines(tmp_path / "printed.jsonl", begun, printed, {"type": "result", "total_cost_usd": 0.1})
    assert format_of(file) == "claude_code"
    assert [tokens_of(one)["output"] for one in attempts_in(read_one(CLAUDE, file))] == [9]


def test_a_model_of_any_name_is_a_name_and_a_negative_count_loses_its_line(tmp_path: Path) -> None:
    odd, wrong = _line(message={"model": "__proto__"}), _line("msg_2", -5)
    records = read_one(CLAUDE, write_lines(tmp_path / "s.jsonl", odd, wrong))
    assert [one.cell.model for one in attempts_in(records)] == ["__proto__"]
    assert broken_in(records) == ["s.jsonl:2 output_tokens is -5"]


def test_answers_by_way_of_a_cloud_are_priced_there(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "s.jsonl", _line("msg_bdrk_1"), _line("msg_vrtx_1"), _line("msg_01"))
    assert [one.cell.provider for one in attempts_in(read_one(CLAUDE, file))] == ["bedrock", "vertex_ai", "anthropic"]


def _meta(**facts: Any) -> dict[str, Any]:
    payload = {"id": "33", "cwd": "/home/user/project", "cli_version": "0.153.0", "model_provider": "openai", **facts}
    return {"timestamp": "2026-09-01T11:00:00.000Z", "type": "session_meta", "payload": payload}


def _turn(model: str = "gpt-5.5", effort: str = "high") -> dict[str, Any]:
    payload = {"model": model, "effort": effort}
    return {"timestamp": "2026-09-01T11:00:00.100Z", "type": "turn_context", "payload": payload}


def _counts(given: int, cached: int, output: int, reasoning: int) -> dict[str, int]:
    return {
        "input_tokens": given, "cached_input_tokens": cached, "output_tokens": output,
        "reasoning_output_tokens": reasoning, "total_tokens": given + output,
    }  # fmt: skip


def _count(second: float, total: dict[str, int] | None, last: dict[str, int] | None) -> dict[str, Any]:
    info = {"total_token_usage": total, "last_token_usage": last, "model_context_window": 272_000}
    payload = {"type": "token_count", "info": info if total or last else None}
    return {"timestamp": f"2026-09-01T11:00:{second:06.3f}Z", "type": "event_msg", "payload": payload}


FIRST, SECOND, BOTH = _counts(9000, 1536, 420, 320), _counts(9600, 8704, 280, 160), _counts(18600, 10240, 700, 480)


def test_a_running_total_is_never_added_and_an_event_that_stands_twice_counts_once(tmp_path: Path) -> None:
    events = [_count(2, None, None), _count(9, FIRST, FIRST), _count(15, BOTH, SECOND), _count(15.2, BOTH, SECOND)]
    third = _counts(3000, 0, 1200, 1000)
    after = _count(20, _counts(21600, 10240, 1900, 1480), third)
    file = write_lines(tmp_path / "rollout.jsonl", _meta(), _turn(), *events, _turn("gpt-5.5-mini", "low"), after)
    assert format_of(file) == "codex"
    found = attempts_in(read_one(CODEX, file))
    assert [(one.cell.model, one.cell.setting) for one in found] == [
        ("gpt-5.5", "high"), ("gpt-5.5", "high"), ("gpt-5.5-mini", "low"),
    ]  # fmt: skip
    assert [list(tokens_of(one).values()) for one in found] == [
        [7464, 1536, None, None, 420, 320], [896, 8704, None, None, 280, 160], [3000, 0, None, None, 1200, 1000],
    ]  # fmt: skip


def test_a_total_without_the_last_request_gives_it_by_difference(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "rollout.jsonl", _meta(), _turn(), _count(9, FIRST, None), _count(15, BOTH, None))
    found = attempts_in(read_one(CODEX, file))
    assert [tokens_of(one)["output"] for one in found] == [420, 280]


@pytest.mark.parametrize(
    "origin", [{"forked_from_id": "11"}, {"source": {"subagent": {"thread_spawn": {"parent_thread_id": "11"}}}}]
)
def test_a_fork_does_not_bill_what_its_parent_had_used(tmp_path: Path, origin: dict[str, Any]) -> None:
    replayed = [_count(0.3, FIRST, FIRST), _count(0.4, BOTH, SECOND), _count(4, BOTH, SECOND)]
    own = _count(9, _counts(19600, 11240, 750, 480), _counts(1000, 1000, 50, 0))
    file = write_lines(tmp_path / "fork.jsonl", _meta(**origin), _turn(), *replayed, own)
    found = attempts_in(read_one(CODEX, file))
    assert [list(tokens_of(one).values()) for one in found] == [[0, 1000, None, None, 50, 0]]


def test_a_session_that_begins_with_the_total_of_another_leaves_it_out_and_says_so(tmp_path: Path) -> None:
    own = _count(20, _counts(19600, 10240, 750, 480), _counts(1000, 0, 50, 0))
    records = read_one(CODEX, write_lines(tmp_path / "resumed.jsonl", _meta(), _turn(), _count(9, BOTH, SECOND), own))
    assert [tokens_of(one)["output"] for one in attempts_in(records)] == [50]
    assert "output_tokens 700" in notes_in(records)["total_differs"]


def test_requests_whose_lines_are_lost_make_the_spend_a_lower_bound(tmp_path: Path) -> None:
    aborted = {"timestamp": "2026-09-01T11:00:30Z", "type": "event_msg", "payload": {"type": "turn_aborted"}}
    third = _count(20, _counts(19600, 10240, 750, 480), _counts(1000, 0, 50, 0))
    lines = [_meta(), _turn(), _count(9, FIRST, FIRST), '{"timestamp": "2026', third, aborted]
    records = read_one(CODEX, write_lines(tmp_path / "rollout.jsonl", *lines))
    assert "output_tokens 280" in notes_in(records)["samples_missing"]
    assert {"samples_missing", "not_finished"} <= notes_in(records).keys()
    assert len(broken_in(records)) == 1


def test_more_cached_than_input_leaves_the_tokens_unknown(tmp_path: Path) -> None:
    wrong = _counts(10, 11, 5, 0)
    (one,) = attempts_in(read_one(CODEX, write_lines(tmp_path / "r.jsonl", _meta(), _turn(), _count(9, wrong, wrong))))
    assert tokens_of(one)["input_uncached"] is None


def test_a_session_before_token_counts_is_refused(tmp_path: Path) -> None:
    first = {"id": "1", "timestamp": "2025-06-01T00:00:00Z", "instructions": None}
    file = write_lines(tmp_path / "rollout.jsonl", first, {"type": "message", "role": "user", "content": []})
    assert "no token counts" in str(why_refused(CODEX, file))


def test_recorded_sessions_sum_to_what_they_hold() -> None:
    folder = shared("data/imports/claude_code_codex")
    expected = json.loads((folder / "EXPECTED.json").read_text())["files"]
    for name, wanted in expected.items():
        units = [one for form in (CLAUDE, CODEX) for one in read_units(form, folder / name).values()]
        assert sums_of(record for unit in units for record in unit) == wanted_of(wanted["models"]), name
