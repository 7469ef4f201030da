"""Logs of litellm, OpenRouter and llm: one call a row, costs that are stated kept apart, zeros that mean unknown."""

from __future__ import annotations

import csv
import json
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

from harness.errors import ErrorClass
from harness.imports.gateways.litellm_logs import FORMAT as LITELLM
from harness.imports.gateways.llm_logs import FORMAT as LLM
from harness.imports.gateways.openrouter_logs import FORMAT as OPENROUTER
from tests.support.foreign_logs import (
    attempts_in,
    broken_in,
    format_of,
    notes_in,
    read_one,
    sums_of,
    tokens_of,
    wanted_of,
    why_refused,
    write_json,
    write_lines,
)
from tests.support.shared_data import shared

USAGE = {
    "prompt_tokens": 304, "completion_tokens": 1000, "total_tokens": 1304,
    "prompt_tokens_details": {"cached_tokens": 128}, "completion_tokens_details": {"reasoning_tokens": 878},
}  # fmt: skip


def _payload(call_id: str = "c1", **facts: Any) -> dict[str, Any]:
    metadata = {"usage_object": USAGE, "requester_metadata": {"sample_id": "maths-1", "epoch": 1}}
    return {
        "id": "chatcmpl-1", "litellm_call_id": call_id, "call_type": "acompletion", "status": "success",
        "custom_llm_provider": "openai", "model": "o3-mini", "startTime": 1795815859.716364,
        "endTime": 1795815859.825191, "response_cost": 0.004664, "request_tags": ["User-Agent: x", "eval:starter"],
        "model_parameters": {"reasoning_effort": "low"}, "metadata": metadata, "prompt_tokens": 304,
        "completion_tokens": 1000, "total_tokens": 1304, "cache_hit": None,
        "messages": [{"role": "user", "content": "2+2?"}],
        "response": {"model": "o3-mini-2025-01-31", "choices": [{"message": {"content": "4"}}]},
        **facts,
    }  # fmt: skip


def _spend_row(call_id: str = "c1", **facts: Any) -> dict[str, Any]:
    return {
        "request_id": "chatcmpl-1", "litellm_call_id": call_id, "call_type": "acompletion", "status": "success",
        "custom_llm_provider": "openai", "model": "o3-mini", "startTime": "2026-11-27 21:44:19.716364+00:00",
        "endTime": "2026-11-27 21:44:19.825191+00:00", "spend": 0.004664, "request_tags": '["eval:starter"]',
        "prompt_tokens": 304, "completion_tokens": 1000, "total_tokens": 1304, "cache_hit": "None",
        "metadata": json.dumps({"usage_object": USAGE}), "messages": "{}", "response": "{}", **facts,
    }  # fmt: skip


def test_both_shapes_of_litellm_say_the_same_of_the_same_call(tmp_path: Path) -> None:
    payloads = write_lines(tmp_path / "payloads.jsonl", _payload())
    rows = write_json(tmp_path / "spend.json", [_spend_row()])
    assert (format_of(payloads), format_of(rows)) == ("litellm", "litellm")
    (one,), (other,) = (attempts_in(read_one(LITELLM, file, texts=True)) for file in (payloads, rows))
    assert one.identity == other.identity == "c1"
    assert list(tokens_of(one).values()) == list(tokens_of(other).values()) == [176, 128, None, None, 1000, 878]
    assert one.stated_cost_usd == other.stated_cost_usd == Decimal("0.004664")
    assert one.started_at_us == other.started_at_us == 1_795_815_859_716_364
    assert (one.cell.suite, one.cell.setting, other.cell.suite) == ("eval:starter", "low", "eval:starter")
    assert one.sample is not None
    assert (one.sample.sample_id, one.sample.epoch, one.model_served) == ("maths-1", 1, "o3-mini-2025-01-31")
    assert one.said is not None
    assert one.said.answer == "4"


def test_a_cost_of_zero_is_unknown_and_an_answer_from_the_cache_costs_nothing(tmp_path: Path) -> None:
    lines = [_payload("c1", response_cost=0.0), _payload("c2", cache_hit=True), _payload("c3", cache_hit="True")]
    unpriced, *replays = attempts_in(read_one(LITELLM, write_lines(tmp_path / "p.jsonl", *lines)))
    assert (unpriced.status, unpriced.stated_cost_usd) == ("succeeded", None)
    assert [(one.status, one.billed, one.usage, one.stated_cost_usd) for one in replays] == [
        ("reused", "no", None, None),
        ("reused", "no", None, None),
    ]


def test_rows_without_a_usage_object_have_the_counts_of_the_row_and_what_stands_beside(tmp_path: Path) -> None:
    beside = {"additional_usage_values": {"cache_read_input_tokens": 100, "cache_creation_input_tokens": 50}}
    rows = [_spend_row("c1", metadata=json.dumps(beside)), _spend_row("c2", metadata={})]
    cached, plain = attempts_in(read_one(LITELLM, write_json(tmp_path / "page.json", {"data": rows})))
    assert list(tokens_of(cached).values()) == [154, 100, 50, None, 1000, None]
    assert list(tokens_of(plain).values()) == [304, None, None, None, 1000, None]


def test_a_failed_row_has_no_tokens_and_its_class(tmp_path: Path) -> None:
    error = {"error_code": "429", "error_class": "RateLimitError", "error_message": "slow down"}
    metadata = json.dumps({"status": "failure", "error_information": error})
    row = _spend_row("c1", status="failure", spend=0.0, metadata=metadata, prompt_tokens=0, completion_tokens=0,
                     total_tokens=0)  # fmt: skip
    (one,) = attempts_in(read_one(LITELLM, write_json(tmp_path / "s.json", [row])))
    assert (one.status, one.usage, one.error_class, one.billed) == ("failed", None, ErrorClass.RATE_LIMIT, "no")


def test_rows_of_other_calls_are_left_out_and_sums_by_day_are_refused(tmp_path: Path) -> None:
    lines = [_payload("c1"), _payload("c2", call_type="aembedding"), "{cut"]
    records = read_one(LITELLM, write_lines(tmp_path / "p.jsonl", *lines))
    assert len(attempts_in(records)) == len(broken_in(records)) == 1
    assert "1 aembedding" in notes_in(records)["calls_left_out"]
    daily = write_json(tmp_path / "daily.json", [{"date": "2026-11-27", "api_requests": 3, "spend": 1.0}])
    assert "sums by day" in str(why_refused(LITELLM, daily))


def test_a_spend_table_exported_as_csv_is_read(tmp_path: Path) -> None:
    path = tmp_path / "spend.csv"
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(_spend_row()))
        writer.writeheader()
        writer.writerow(_spend_row())
    (one,) = attempts_in(read_one(LITELLM, path))
    assert (list(tokens_of(one).values())[:2], one.stated_cost_usd) == ([176, 128], Decimal("0.004664"))


EXPORT = {
    "generation_id": "gen-1", "created_at": "2025-11-27 10:40:01.713", "cost_total": "0.005731",
    "cost_web_search": "0", "cost_file_processing": "0", "byok_usage_inference": "0", "tokens_prompt": "1290",
    "tokens_completion": "980", "tokens_reasoning": "900", "tokens_cached": "90",
    "model_permaslug": "openai/o4-mini-2025-04-16", "provider_name": "OpenAI", "variant": "standard",
    "cancelled": "false", "finish_reason_normalized": "stop", "generation_time_ms": "8120",
    "time_to_first_token_ms": "640", "api_key_name": 'eval, "quoted"',
}  # fmt: skip


def _export(path: Path, *rows: dict[str, str]) -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(EXPORT))
        writer.writeheader()
        writer.writerows({**EXPORT, **row} for row in rows)
    return path


def test_a_row_of_openrouters_export_is_a_call_that_it_billed(tmp_path: Path) -> None:
    own_key = {"generation_id": "gen-2", "cost_total": "0", "byok_usage_inference": "0.0135"}
    cancelled = {"generation_id": "gen-3", "cancelled": "true", "finish_reason_normalized": "cancelled"}
    free = {"generation_id": "gen-4", "variant": "free", "cost_total": "0"}
    searched = {"generation_id": "gen-5", "cost_web_search": "0.02"}
    file = _export(tmp_path / "activity.csv", {}, own_key, cancelled, free, searched)
    assert format_of(file) == "openrouter"
    found = attempts_in(read_one(OPENROUTER, file))
    assert list(tokens_of(found[0]).values()) == [1200, 90, None, None, 980, 900]
    assert (found[0].stated_cost_usd, found[0].first_byte_us) == (Decimal("0.005731"), 640_000)
    assert (found[0].finished_at_us or 0) - (found[0].started_at_us or 0) == 8_120_000
    assert found[1].usage is not None
    assert (found[1].usage.usage.own_key, found[1].usage.usage.stated_upstream_usd) == (True, Decimal("0.0135"))
    assert "charged 0.0135 USD there" in (found[1].cost_note or "")
    assert (found[2].status, found[2].billed, found[3].cell.model) == (
        "cancelled", "yes", "openai/o4-mini-2025-04-16:free",
    )  # fmt: skip
    assert found[4].usage is not None
    assert found[4].usage.usage.is_incomplete


def test_a_generation_is_billed_by_its_native_counts_and_tells_of_fallbacks(tmp_path: Path) -> None:
    generation = {
        "id": "gen-1", "model": "openai/o4-mini", "created_at": "2025-11-27T10:40:09.1+00:00", "total_cost": 0.0013706,
        "tokens_prompt": 1288, "tokens_completion": 52, "native_tokens_prompt": 1310, "native_tokens_completion": 200,
        "native_tokens_reasoning": 150, "native_tokens_cached": 1152, "is_byok": False, "cancelled": False,
        "generation_time": 3010, "latency": 410, "finish_reason": "stop", "provider_name": "OpenAI",
        "provider_responses": [{"status": 429}, {"status": 200}],
    }  # fmt: skip
    (one,) = attempts_in(read_one(OPENROUTER, write_json(tmp_path / "generation.json", {"data": generation})))
    assert list(tokens_of(one).values()) == [158, 1152, None, None, 200, 150]
    assert (one.hidden_retries, one.stated_cost_usd, one.identity) == (1, Decimal("0.0013706"), "gen-1")


def test_daily_sums_of_openrouter_are_no_run(tmp_path: Path) -> None:
    day = {"date": "2025-11-27", "model_permaslug": "m", "requests": 4, "usage": 0.03, "prompt_tokens": 1}
    assert "sums by day" in str(why_refused(OPENROUTER, write_json(tmp_path / "activity.json", {"data": [day]})))
    (tmp_path / "spend.csv").write_text("Model,Spend\nopenai/o4-mini,1.5\n")
    assert "reconcile" in str(why_refused(OPENROUTER, tmp_path / "spend.csv"))


def _database(path: Path, table: str, *rows: tuple[str, str, int | None, int | None, str | None]) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(
            f"CREATE TABLE {table} (id TEXT, model TEXT, resolved_model TEXT, options_json TEXT, input_tokens INTEGER,"
            " output_tokens INTEGER, token_details TEXT, duration_ms INTEGER, datetime_utc TEXT, response_json TEXT)"
        )
        for key, model, given, output, details in rows:
            values = (key, model, None, None, given, output, details, 206, "2026-11-27T21:50:45+00:00", "{}")
            connection.execute(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    connection.close()


def test_an_upgraded_database_of_llm_has_calls_in_two_tables(tmp_path: Path) -> None:
    path = tmp_path / "logs.db"
    chat = json.dumps({"prompt_tokens_details": {"cached_tokens": 128}})
    _database(path, "responses", ("01a", "gpt-4o", 304, 297, chat))
    _database(path, "turns", ("01b", "gpt-4o", 10, 5, None), ("01c", "gpt-4o", None, None, None))
    assert format_of(path) == "llm"
    found = attempts_in(read_one(LLM, path))
    assert [list(tokens_of(one).values()) for one in found] == [
        [176, 128, None, None, 297, None], [10, None, None, None, 5, None], [None] * 6,
    ]  # fmt: skip
    assert found[2].usage is None
    assert found[0].cell.provider == "unknown"


def test_details_keep_the_meaning_that_their_provider_gives_them(tmp_path: Path) -> None:
    claude = json.dumps({"cache_read_input_tokens": 1000, "cache_creation_input_tokens": 200})
    gemini = json.dumps({"thoughtsTokenCount": 90, "candidatesTokenCount": 10, "cachedContentTokenCount": 40})
    responses = json.dumps({"output_tokens_details": {"reasoning_tokens": 90}})
    rows = (("1", "anthropic/claude-sonnet-4-0", 50, 100, claude), ("2", "gemini/gemini-2.5-flash", 50, 100, gemini),
            ("3", "gpt-5-mini", 50, 100, responses))  # fmt: skip
    _database(tmp_path / "logs.db", "turns", *rows)
    found = attempts_in(read_one(LLM, tmp_path / "logs.db"))
    assert [list(tokens_of(one).values()) for one in found] == [
        [50, 1000, 200, None, 100, None], [10, 40, None, None, 100, 90], [50, None, None, None, 100, 90],
    ]  # fmt: skip
    assert [one.cell.provider for one in found] == ["anthropic", "gemini", "unknown"]


def test_a_database_before_tokens_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "logs.db") as connection:
        connection.execute("CREATE TABLE responses (id TEXT, model TEXT, datetime_utc TEXT, duration_ms INTEGER)")
    connection.close()
    assert "kept no tokens" in str(why_refused(LLM, tmp_path / "logs.db"))


def test_recorded_logs_of_gateways_sum_to_what_they_hold() -> None:
    for folder, form in (("litellm", LITELLM), ("openrouter", OPENROUTER), ("llm_logs", LLM)):
        data = shared(f"data/imports/{folder}")
        for name, wanted in json.loads((data / "EXPECTED.json").read_text())["files"].items():
            if name == "activity_api.json":
                assert "sums by day" in str(why_refused(form, data / name))
            else:
                assert sums_of(read_one(form, data / name)) == wanted_of(wanted["models"]), name
