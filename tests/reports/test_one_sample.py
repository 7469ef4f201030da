"""One sample explains its cost to the last digit of the report and of the exports, whatever kind of bill it has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.documents.table import Verbatim
from harness.ledger import NO_USAGE, Ledger, PlannedRecord
from harness.ledger.reading.viewed.long_texts import beginning_of, text_pieces
from harness.money import add
from harness.pricing.price_files import load_price_book
from harness.rendering.markdown import to_markdown
from harness.reports.exports.attempt_exports import export_stream
from harness.reports.exports.sample_export import sample_stream
from harness.reports.facts.assembly import spend_report
from harness.reports.samples.attempt_bills import what_if_usd
from harness.reports.samples.attempt_times import time_line
from harness.reports.samples.one_sample import OneSample, one_sample
from harness.reports.samples.sample_tables import bills_table, cost_sentences, lines_table, prices_table, scores_table
from tests.support.every_bill import ANSWER, EVERY, QUESTION, REASONING, RETRIED, Billed, add_every_bill
from tests.support.report_ledgers import AT_US, Try, add_run, used

BOOK = load_price_book()


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def ledger(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    path = str(tmp_path_factory.mktemp("every") / "ledger.db")
    with Ledger.open(path if request.param == "sqlite" else request.getfixturevalue("new_postgres_url")()) as opened:
        asyncio.run(add_every_bill(opened))
        yield opened


def sample_of(ledger: Ledger, sample_id: str) -> OneSample:
    planned = next(one for one in ledger.planned("every") if one.sample_id == sample_id)
    for cell in ledger.cells("every"):
        assert cell.cell_id is not None
        assert planned.planned_id is not None
        found = one_sample(ledger, BOOK, cell.cell_id, planned.planned_id)
        assert found is not None
        if found.attempts:
            return found
    raise AssertionError(sample_id)


def exported_lines(ledger: Ledger, attempt_id: int) -> list[tuple[object, ...]]:
    stream = export_stream(ledger, "charges", book=BOOK)
    names = [column.name for column in stream.columns]
    rows = [dict(zip(names, row, strict=True)) for batch in stream.batches for row in zip(*batch, strict=True)]
    wanted = ("meter", "quantity", "usd_per_unit", "usd", "price_model")
    return sorted(tuple(row[name] for name in wanted) for row in rows if row["attempt_id"] == attempt_id)


@pytest.mark.parametrize("case", EVERY, ids=lambda case: case.sample_id)
def test_every_kind_of_bill_is_the_export_s_and_the_report_s_to_the_digit(ledger: Ledger, case: Billed) -> None:
    found = sample_of(ledger, case.sample_id)
    (attempt,) = found.attempts
    bill = attempt.bill
    assert bill.kind == case.kind
    lines = sorted((line.meter, line.quantity, line.usd_per_unit, line.usd, line.price_model) for line in bill.lines)
    assert lines == exported_lines(ledger, attempt.row.attempt_id)
    stream = sample_stream(ledger, BOOK)
    names = [column.name for column in stream.columns]
    rows = [dict(zip(names, row, strict=True)) for batch in stream.batches for row in zip(*batch, strict=True)]
    row = next(row for row in rows if row["attempt_id"] == attempt.row.attempt_id)
    assert found.standing.solve.known_usd == row["cost_usd"]
    assert found.standing.solve.is_lower_bound == row["cost_is_lower_bound"]


def test_samples_add_up_to_the_report_to_the_digit(ledger: Ledger) -> None:
    samples = [sample_of(ledger, sample_id) for sample_id in (*(each.sample_id for each in EVERY), RETRIED)]
    report = spend_report(ledger, BOOK, ["every"])
    solved = add(one.standing.solve.cost.total for one in samples)
    assert solved == add(row.facts.solve.cost.total for row in report.rows) > 0
    judged = add(one.standing.judge.cost.total for one in samples)
    assert judged == add(row.facts.judge.cost.total for row in report.rows) > 0


@pytest.mark.parametrize("question", ["batch", "no-cache"])
def test_what_if_is_the_report_s_to_the_digit(ledger: Ledger, question: str) -> None:
    names = ("plain", "cached", "batch", "flex", "priority", "invoiced", RETRIED)
    solving = [
        [each.bill for each in sample_of(ledger, name).attempts if each.row.purpose == "solve"] for name in names
    ]
    report = spend_report(ledger, BOOK, ["every"], what_if=question)
    row = next(row for row in report.rows if (row.facts.provider, row.facts.model) == ("openai", "o3"))
    asked = [what_if_usd(bills, question) for bills in solving]
    assert add(usd for usd in asked if usd is not None) == row.facts.solve.cost.total
    assert None not in asked


def test_a_bill_names_its_price_row_what_held_for_it_and_who_says_so(ledger: Ledger) -> None:
    (row,) = prices_table([sample_of(ledger, "flex")]).rows
    assert row[1] == "openai/o3"
    assert "tier flex" in row[4]
    assert row[6]  # a source
    assert row[7].startswith("202")  # the day it was checked
    (row,) = prices_table([sample_of(ledger, "long")]).rows
    assert "prompt of 200,001 tokens or more" in row[4]


def test_what_is_not_known_is_bounded_by_what_was_reserved(ledger: Ledger) -> None:
    for sample_id, bound in (("open", "0.000007"), ("unknown", "0.000008"), ("unpriced", "0.000005")):
        (attempt,) = sample_of(ledger, sample_id).attempts
        assert (attempt.bill.usd, attempt.bill.bound_usd) == (None, Decimal(bound))
    (invoiced,) = sample_of(ledger, "invoiced").attempts
    assert invoiced.bill.usd == Decimal("0.000123456789")
    assert invoiced.told[-1].source == "an account"


def test_what_a_conversation_would_cost_as_a_batch_is_not_told_for_it_cannot_be_one(ledger: Ledger) -> None:
    single = sample_of(ledger, "long")
    assert any(sentence.startswith("the same as a batch") for sentence in cost_sentences(single))
    turns = [replace(one, row=replace(one.row, turn=0)) for one in single.attempts]
    assert not any("batch" in sentence for sentence in cost_sentences(replace(single, attempts=tuple(turns))))


def test_an_amount_that_a_provider_states_stands_beside_the_list_price(ledger: Ledger) -> None:
    (attempt,) = sample_of(ledger, "stated").attempts
    assert attempt.bill.charged_usd == Decimal("0.00071")
    assert attempt.bill.usd == attempt.bill.list_usd == Decimal("0.000045")
    assert any("states 0.00071 USD" in note for note in attempt.bill.notes)
    found = sample_of(ledger, "stated")
    assert list(cost_sentences(found)) == ["solving: $0.000045 at list price; charged as stated: $0.00071"]
    assert Decimal("0.00071") in bills_table([found]).rows[0]


def test_the_newest_score_counts_and_the_others_stay_to_be_seen(ledger: Ledger) -> None:
    found = sample_of(ledger, RETRIED)
    assert found.verdict == "right"
    assert [(row[4], row[5], row[6], row[-1]) for row in scores_table([found]).rows] == [
        ("math", "1", 0.0, False),
        ("math", "2", 1.0, True),
    ]


def test_attempts_of_every_purpose_come_in_the_order_sent_with_their_times(ledger: Ledger) -> None:
    found = sample_of(ledger, RETRIED)
    assert [(each.row.purpose, each.row.try_number, each.row.status) for each in found.attempts] == [
        ("solve", 1, "failed"), ("solve", 2, "succeeded"), ("judge", 1, "succeeded"),
    ]  # fmt: skip
    assert found.attempts[1].row.retry_of == found.attempts[0].row.attempt_id
    drawn = time_line([each.row for each in found.attempts])
    assert drawn is not None
    assert [(bar.start, bar.width, bar.waited) for bar in drawn.bars] == [(0.0, 100.0, 16.0)] * 3
    assert "first byte 0.40 s later; failed 2.50 s after sending" in drawn.bars[0].words


def test_texts_are_read_from_their_beginning(ledger: Ledger) -> None:
    found = sample_of(ledger, "plain")
    assert found.said is not None
    assert found.said.messages is not None
    assert found.said.messages[0].parts[0].text == QUESTION
    assert found.said.reasoning is not None
    assert (found.said.reasoning.text, found.said.reasoning.is_whole) == (REASONING, True)
    attempt_id = found.attempts[0].row.attempt_id
    cut = beginning_of(ledger, attempt_id, "answer", most_bytes=10)
    assert cut is not None
    assert (cut.text, cut.n_bytes, cut.is_whole) == (ANSWER[:10], len(ANSWER.encode()), False)
    assert "".join(text_pieces(ledger, attempt_id, "answer")) == ANSWER
    assert list(text_pieces(ledger, 10_000, "answer")) == []


def test_lines_have_no_total_where_several_answers_stand_in_one_table(ledger: Ledger) -> None:
    one, other = sample_of(ledger, "plain"), sample_of(ledger, "cached")
    assert lines_table([one]).notes[0] == "solving: $0.0006"
    assert lines_table([one, other]).notes == ()


def test_a_sample_of_another_run_s_cell_is_none(ledger: Ledger, tmp_path: Path) -> None:
    assert one_sample(ledger, BOOK, 1, 10_000) is None
    assert one_sample(ledger, BOOK, 10_000, 1) is None


# on the command line


@pytest.fixture(scope="module")
def every_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("told") / "ledger.db"
    with Ledger.open(path) as opened:
        asyncio.run(add_every_bill(opened))
    return path


def told(path: Path, *words: str, code: int = 0) -> str:
    found = CliRunner(env={"COLUMNS": "80", "BENCHTAB_CACHE": str(path.parent)}).invoke(
        app, ["report", *words, "--db", str(path)]
    )
    assert found.exit_code == code, found.output
    return str(found.stdout if code == 0 else found.exception)


def told_object(path: Path, *words: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(told(path, *words, "--json"))
    return read


def test_a_sample_in_a_terminal_says_all_of_it_within_its_width(every_path: Path) -> None:
    text = told(every_path, "--sample", f"t/{RETRIED}")
    for shown in ("reference: 1/2", "solving: $0.0006", "its judge: $0.000945", "right", "Asked", QUESTION, REASONING,
                  "How this cost came about", "openai/o3", "checked on 202", "What each attempt cost"):  # fmt: skip
        assert shown in text, shown
    assert "\\u202etxet" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_charges_of_a_sample_in_json_add_up_to_its_cost(every_path: Path) -> None:
    (answer,) = told_object(every_path, "--sample", "cached")["answers"]
    charged = [line for attempt in answer["attempts"] for line in attempt["charges"]]
    assert add(Decimal(line["usd"]) for line in charged) == Decimal(answer["usd"])
    assert [line["meter"] for line in charged] == ["input", "cache_read", "reasoning", "output"]
    assert answer["attempts"][0]["raw_usage"]["prompt_tokens"] == 2000
    assert answer["reply"] == ANSWER


@pytest.mark.parametrize(
    "name", ["plain", "t/plain", "attempt:1", "planned:1", "every.plain.1.solve", "req-plain", "1"]
)
def test_a_sample_is_found_by_every_name_of_it(every_path: Path, name: str) -> None:
    assert told_object(every_path, "--sample", name)["sample_id"] == "plain"


def test_a_number_that_means_several_things_says_so(every_path: Path) -> None:
    assert told_object(every_path, "--sample", "1")["notes"] == ["1 is also planned:1, of t/plain in run every"]


def test_a_name_of_nothing_lists_similar_ones(every_path: Path) -> None:
    error = told(every_path, "--sample", "cach", code=1)
    assert "there is no sample, attempt or request 'cach'; similar: t/cached, t/cache-write" in error
    error = told(every_path, "--sample", "plain", "--model", "openai/o9", code=1)
    assert "no model openai/o9 was asked t/plain" in error
    assert "openai/o3" in error


def test_an_id_in_several_tasks_or_runs_says_which(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as opened:
        asyncio.run(add_run(opened, "old", {"openai/o3": {("q1", 0): [Try()], ("q1", 1): [Try()]}}))
        cells = {"openai/o3": {("q1", 0): [Try()]}, "openai/o1": {("q1", 0): [Try()]}}
        asyncio.run(add_run(opened, "new", cells, at_us=AT_US + 1))
        opened.add_planned("new", [PlannedRecord(suite="starter", task="more", sample_id="q1", epoch=0, draw_order=9,
                                                 inclusion_probability=1.0, sample_sha256="")])  # fmt: skip
    assert [one["epoch"] for one in told_object(path, "old", "--sample", "q1")["answers"]] == [0, 1]
    assert "'q1' is a sample of several tasks: questions/q1" in told(path, "--sample", "q1", code=1)
    both = told_object(path, "--sample", "questions/q1")
    assert both["run_id"] == "new"
    assert both["notes"] == ["also in runs old: name one to see it there"]
    assert [one["model"] for one in both["answers"]] == ["openai/o3", "openai/o1"]
    (one,) = told_object(path, "--sample", "questions/q1", "--model", "openai/o1")["answers"]
    assert one["model"] == "openai/o1"


def test_the_dearest_samples_are_those_of_the_export_in_its_digits(every_path: Path) -> None:
    found = told_object(every_path, "--dearest", "3")["dearest"]
    with Ledger.open(every_path) as opened:
        stream = sample_stream(opened, BOOK)
        names = [column.name for column in stream.columns]
        rows = [dict(zip(names, row, strict=True)) for batch in stream.batches for row in zip(*batch, strict=True)]
    costs = sorted((row["cost_usd"] for row in rows if row["cost_usd"] is not None), reverse=True)
    assert [Decimal(one["usd"]) for one in found] == costs[:3]
    assert found[0]["sample_id"] == "long"
    assert told_object(every_path, "--sample", found[0]["open"])["sample_id"] == "long"
    assert found[0]["address"].startswith("/runs/every/samples/")


def test_a_dear_sample_of_which_something_is_not_known_costs_at_least_that(tmp_path: Path) -> None:
    known = Try(usage=used(1000, 100))
    lost = Try(status="timed_out", usage=NO_USAGE, score=None)
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        asyncio.run(add_run(ledger, "r1", {"openai/o3": {("sure", 0): [known], ("partly", 0): [lost, known]}}))
    found = {one["sample_id"]: one["usd_is_lower_bound"] for one in told_object(path, "--dearest", "9")["dearest"]}
    assert found == {"sure": False, "partly": True}
    header, *rows = told(path, "--dearest", "9", "--format", "csv").splitlines()
    assert header.endswith(",usd_is_lower_bound")
    assert {row.rpartition(",")[2] for row in rows} == {"true", "false"}
    assert told(path, "--dearest", "9").count(">= 0.00") == 1


def test_the_dearest_samples_fit_a_terminal_and_a_file(every_path: Path, tmp_path: Path) -> None:
    text = told(every_path, "--dearest", "30")
    assert max(map(len, text.splitlines())) <= 80
    assert "samples that cost anything" in text
    assert told(every_path, "--dearest", "2", "--format", "md").startswith("### The 2 dearest samples")
    assert told(every_path, "--dearest", "2", "--format", "csv").startswith("usd,model,task,sample_id")
    told(every_path, "--dearest", "2", "-o", str(tmp_path / "dear.parquet"))
    assert (tmp_path / "dear.parquet").read_bytes()[:4] == b"PAR1"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--dearest", "0"], "0 samples cannot be listed"),
        (["--sample", "plain", "--dearest", "2"], "--sample and --dearest do not go together"),
        (["--sample", "plain", "--what-if", "batch"], "--sample and --what-if do not go together"),
        (["--sample", "plain", "--format", "html"], "samples have no page as a file"),
        (["--model", "openai/o3"], "--model chooses among samples"),
        (["nowhere", "--sample", "plain"], "there is no run nowhere"),
    ],
)
def test_what_does_not_go_together_is_refused(every_path: Path, words: list[str], what: str) -> None:
    assert what in told(every_path, *words, code=1)


def test_a_text_in_markdown_cannot_end_its_fence() -> None:
    written = to_markdown([Verbatim(title="Answer", text="````\n# not a heading\n")])
    assert written.splitlines()[2] == "`````text"
    assert written.splitlines().count("`````") == 1
