"""Langfuse: kinds of tokens exclude each other, wrappers repeat what is in them, and pages come all or not at all."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.imports.harnesses.langfuse import FORMAT
from harness.imports.harnesses.langfuse_usage import usage_of
from harness.imports.log_records import Broken, ImportedRun, Record
from harness.imports.refusal import ImportRefused
from tests.support.foreign_logs import attempts_in, scores_in
from tests.support.imported import expected, expected_files, notes_of, records_of, summed
from tests.support.shared_data import shared

DETAILS = {"input": 266, "input_cached_tokens": 1024, "output": 28, "output_reasoning_tokens": 384, "total": 1702}


def _row(own: str = "o1", **members: Any) -> dict[str, Any]:
    return {
        "id": own,
        "traceId": "t1",
        "type": "GENERATION",
        "startTime": "2026-03-01T10:00:00.000Z",
        "completionStartTime": "2026-03-01T10:00:01.000Z",
        "endTime": "2026-03-01T10:00:03.000Z",
        "model": "o4-mini",
        "modelParameters": {"reasoning_effort": "low"},
        "input": "Q",
        "output": "A",
        "metadata": {},
        "level": "DEFAULT",
        "parentObservationId": None,
        "usageDetails": DETAILS,
        "costDetails": {"total": 0.002387},
        **members,
    }


def _score(**members: Any) -> dict[str, Any]:
    return {
        "id": "s1",
        "traceId": "t1",
        "observationId": None,
        "name": "correct",
        "value": 1,
        "dataType": "NUMERIC",
        **members,
    }


def _page(path: Path, rows: list[dict[str, Any]], page: int = 1, n_pages: int = 1) -> None:
    path.write_text(json.dumps({"data": rows, "meta": {"page": page, "limit": 50, "totalPages": n_pages}}))


def _read(
    folder: Path, *rows: dict[str, Any], scores: tuple[dict[str, Any], ...] = (), texts: bool = False
) -> list[Record]:
    _page(folder / "observations.json", list(rows))
    if scores:
        _page(folder / "scores.json", list(scores))
    return records_of(FORMAT, folder, texts=texts)


def test_a_generation_is_a_call_whose_kinds_exclude_each_other(tmp_path: Path) -> None:
    [attempt] = attempts_in(_read(tmp_path, _row()))
    assert attempt.usage is not None
    usage = attempt.usage.usage
    assert (usage.input_tokens, usage.cache_read_tokens, usage.output_tokens, usage.reasoning_tokens) == (
        1290,
        1024,
        412,
        384,
    )
    assert (attempt.stated_cost_usd, attempt.first_byte_us, attempt.cell.setting) == (
        Decimal("0.002387"),
        1_000_000,
        "low",
    )
    assert (attempt.identity, attempt.sample and attempt.sample.sample_id, attempt.cell.provider) == (
        "o1",
        "t1",
        "unknown",
    )


@pytest.mark.parametrize(
    ("details", "counts"),
    [
        (
            {"input": 120, "cache_read_input_tokens": 2048, "input_cache_creation": 512, "output": 640, "total": 3320},
            (2680, 2048, 512),
        ),
        (
            {"input": 120, "input_cache_read": 20, "cache_creation_input_tokens": 10, "output": 1, "total": 121},
            (120, 20, 10),
        ),
        ({"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}, (7, None, None)),
    ],
)  # fmt: skip
def test_names_of_kinds_by_each_sdk_are_read(details: dict[str, Any], counts: tuple[int | None, ...]) -> None:
    found = usage_of({"usageDetails": details}, "here")
    assert found is not None
    usage = found.usage
    assert (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_5m_tokens) == counts
    assert found.raw == details


def test_a_kind_that_is_not_known_makes_the_bill_partial_and_zeros_are_unknown() -> None:
    audio = usage_of({"usageDetails": {"input": 10, "input_audio": 5, "output": 1, "total": 16}}, "here")
    assert audio is not None
    assert audio.usage.is_incomplete
    assert usage_of({"usageDetails": {}, "usage": {"input": 0, "output": 0, "total": 0}}, "here") is None
    old = usage_of({"usage": {"input": 10, "output": 2, "total": 12, "unit": "TOKENS"}}, "here")
    assert old is not None
    assert (old.usage.input_tokens, old.usage.output_tokens) == (10, 2)


def test_a_generation_around_another_is_not_counted_twice(tmp_path: Path) -> None:
    outer, span = _row("outer"), _row("span", type="SPAN", parentObservationId="outer", usageDetails={})
    records = _read(tmp_path, outer, span, _row("inner", parentObservationId="span"))
    assert [one.identity for one in attempts_in(records)] == ["inner"]
    assert "1 generations only wrap" in notes_of(records)["wrappers_left_out"].detail


def test_a_loop_among_parents_ends(tmp_path: Path) -> None:
    rows = [_row("a", parentObservationId="b", type="SPAN"), _row("b", parentObservationId="a", type="SPAN")]
    assert len(attempts_in(_read(tmp_path, *rows, _row("c", parentObservationId="a")))) == 1


def test_a_failed_call_has_no_tokens_and_an_unpriced_one_no_cost(tmp_path: Path) -> None:
    failed = _row(level="ERROR", statusMessage="429", usageDetails={}, costDetails={})
    [attempt] = attempts_in(_read(tmp_path, failed))
    assert (attempt.status, attempt.error_message, attempt.usage, attempt.stated_cost_usd) == (
        "failed",
        "429",
        None,
        None,
    )


def test_scores_stand_at_their_observation_or_at_the_last_call_of_the_trace(tmp_path: Path) -> None:
    newest_first = [_row("late", startTime="2026-03-01T10:05:00Z"), _row("early")]
    scores = (
        _score(),
        _score(observationId="early", value=0.5),
        _score(traceId="gone"),
        _score(value="good", dataType="CATEGORICAL"),
    )
    records = _read(tmp_path, *newest_first, scores=scores)
    found = [(score.attempt, score.value, score.reason) for score in scores_in(records)]
    assert found == [("late", 1.0, None), ("early", 0.5, None), ("late", None, "no number: good")]
    assert "1 scores" in notes_of(records)["scores_unplaced"].detail


def test_a_run_keeps_its_name_while_its_export_grows(tmp_path: Path) -> None:
    def key(*rows: dict[str, Any]) -> list[str]:
        return [one.key for one in _read(tmp_path, *rows) if isinstance(one, ImportedRun)]

    assert key(_row()) == key(_row("o2", startTime="2026-03-02T10:00:00Z"), _row()) == ["traces from o1"]
    assert key(_row(projectId="p1")) == ["p1"]


def test_a_missing_page_refuses_all(tmp_path: Path) -> None:
    _page(tmp_path / "one.json", [_row()], page=1, n_pages=3)
    _page(tmp_path / "three.json", [_row("o3")], page=3, n_pages=3)
    with pytest.raises(ImportRefused, match="3 pages, and not all are here: 2 missing"):
        records_of(FORMAT, tmp_path)
    _page(tmp_path / "two.json", [_row("o2")], page=2, n_pages=3)
    assert len(attempts_in(records_of(FORMAT, tmp_path))) == 3


def test_scores_alone_are_refused(tmp_path: Path) -> None:
    _page(tmp_path / "scores.json", [_score()])
    with pytest.raises(ImportRefused, match="without the observations"):
        records_of(FORMAT, tmp_path)


def test_all_forms_give_the_same_calls_and_one_row_is_counted_once(tmp_path: Path) -> None:
    other = {
        "traceId": "trace_id",
        "usageDetails": "usage_details",
        "costDetails": "cost_details",
        "model": "provided_model_name",
    }
    snake = {other.get(name, name): value for name, value in _row().items()}
    (tmp_path / "blob.jsonl").write_text(json.dumps(snake) + "\n{\n" + json.dumps(_row()) + "\n")
    (tmp_path / "list.json").write_text(json.dumps([_row()]))
    with (tmp_path / "table.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, _row())
        writer.writeheader()
        writer.writerow(
            {name: json.dumps(value) if isinstance(value, dict) else value for name, value in _row().items()}
        )
    sums = [summed(records_of(FORMAT, tmp_path / name)) for name in ("blob.jsonl", "list.json", "table.csv")]
    assert sums == [summed(_read(tmp_path, _row()))] * 3
    broken = [one.where for one in records_of(FORMAT, tmp_path / "blob.jsonl") if isinstance(one, Broken)]
    assert broken == ["blob.jsonl:2"]


def test_texts_are_given_only_when_asked_for(tmp_path: Path) -> None:
    asked = {"messages": [{"role": "user", "content": "2+2?"}]}
    row = _row(input=asked, output={"role": "assistant", "content": "4"})
    assert [one.said for one in attempts_in(_read(tmp_path, row))] == [None]
    [attempt] = attempts_in(_read(tmp_path, row, texts=True))
    assert attempt.said is not None
    assert (list(attempt.said.messages), attempt.said.answer) == ([{"role": "user", "content": "2+2?"}], "4")


def test_recorded_exports_sum_to_what_was_summed_independently() -> None:
    folder = shared("data/imports/langfuse")
    for name, stated in expected_files(folder).items():
        records = records_of(FORMAT, *[folder / part for part in name.split(" + ")])
        assert summed(records) == expected(stated["models"], str), name
        judged = sum(score.value or 0 for score in scores_in(records))
        assert judged == sum(row["correct"] or 0 for row in stated["models"].values()), name
