"""`benchtab import` from end to end: what it adds, what it does not add twice, and what it leaves when it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.app import command_line
from harness.errors import HarnessError
from harness.imports.containers.log_files import LogFile
from harness.imports.into_ledger import ImportOptions, import_unit
from harness.imports.log_formats import Format, Source, SourceFile
from harness.imports.log_records import (
    Broken,
    ImportedAttempt,
    ImportedCell,
    ImportedRun,
    ImportedSample,
    ImportedUsage,
    Noted,
    Record,
    SampleKey,
)
from harness.imports.log_units import Unit
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows, score_rows, transcript_rows
from harness.ledger.reading.batch_rows import select_rows
from harness.ledger.records import LOWER_BOUND_NOTE
from harness.pricing.price_files import load_price_book
from harness.reports.compare.comparison import Thresholds
from harness.reports.compare.run_comparison import compare_runs
from harness.reports.facts.assembly import spend_report
from harness.reports.spend import wording
from harness.reports.spend.report import SpendReport, report_object
from harness.reports.spend.spend_tables import spend_table, summary_table, totals_table
from harness.usage import Usage
from tests.support.runs import number_suite

KEY = "sk-proj-abcdefghijklmnop0123456789"


def call(number: int, **changed: object) -> dict[str, object]:
    """One line: 400 uncached, 100 cached and 50 output tokens on gpt-4o-mini, which are $0.0000975 in 2025."""
    usage = {"prompt_tokens": 500, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 100}}
    return {
        "id": f"r{number}", "provider": "openai", "model": "gpt-4o-mini", "usage": usage, "usage_kind": "openai.chat",
        "at": "2025-06-01T00:00:00Z", "run": "night", "suite": "quiz", "sample": f"q{number}", "score": number % 2,
        **changed,
    }  # fmt: skip


EACH_USD = Decimal("0.0000975")  # 400 * 0.15 + 100 * 0.075 + 50 * 0.6 micro-USD


class Shell:
    """A folder with a log and a ledger, in which the command is run."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.log = folder / "calls.jsonl"

    def write(self, *rows: object) -> None:
        self.log.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))

    def run(self, *words: str, code: int = 0) -> Any:
        """Run `benchtab import`; gives its JSON, or the error."""
        found = CliRunner().invoke(command_line(), ["import", *(words or (str(self.log),)), "--db", self.url, "--json"])
        if isinstance(found.exception, HarnessError):
            assert found.exception.exit_code == code, found.exception
            return str(found.exception)
        assert found.exit_code == code, found.output
        return json.loads(found.stdout)

    def take_in(self, read: Callable[[Source], Iterator[Record]]) -> None:
        """Import what a reader of our own gives."""
        self.write({})
        form = Format(name="t", title="T", looks_for="t", role_of=lambda _: "t", read=read)
        unit = Unit(format=form, files=(SourceFile(file=LogFile(self.log, "t"), role="t"),))
        with Ledger.open(self.url) as ledger:
            import_unit(ledger, unit, ImportOptions(now_us=1, price_book_sha256="", harness_version=""))

    def ledger(self) -> Ledger:
        return Ledger.open(self.url, create=False)

    def report(self) -> SpendReport:
        with self.ledger() as ledger:
            return spend_report(ledger, load_price_book(), [run.run_id for run in ledger.runs()])


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, str(tmp_path / "ledger.db"))


def test_a_log_is_priced_and_scored_like_a_run_of_our_own(tmp_path: Path, ledger_url: str) -> None:
    shell = Shell(tmp_path, ledger_url)
    shell.write(*(call(number) for number in range(4)))
    (run,) = shell.run()["runs"]
    assert (run["n_new"], run["n_samples"], run["cost_usd"]) == (4, 4, "0.00039")
    (row,) = shell.report().rows
    assert (row.facts.suite, row.n_correct, row.facts.solve.cost.total) == ("quiz", 2.0, 4 * EACH_USD)
    with shell.ledger() as ledger:
        assert {one.usage_source for one in attempt_rows(ledger)} == {"imported"}
        assert {one.scorer for one in score_rows(ledger)} == {"calls/score"}
        assert list(transcript_rows(ledger, run["run_id"])) == []


def test_the_same_log_twice_adds_nothing_and_a_grown_one_adds_what_is_new(tmp_path: Path, ledger_url: str) -> None:
    shell = Shell(tmp_path, ledger_url)
    shell.write(call(0), call(1))
    shell.run()
    (again,) = shell.run()["runs"]
    assert (again["n_new"], again["n_known"]) == (0, 2)
    (tmp_path / "copy.jsonl").write_text(shell.log.read_text())
    (copied,) = shell.run(str(tmp_path / "copy.jsonl"), "--run-id", again["run_id"])["runs"]
    assert copied["n_new"] == 0
    shell.write(call(0), call(1), call(2))
    (grown,) = shell.run()["runs"]
    assert (grown["run_id"], grown["n_new"], grown["n_attempts"], grown["cost_usd"]) == (
        again["run_id"], 1, 3, "0.0002925",
    )  # fmt: skip
    with shell.ledger() as ledger:
        assert len(list(score_rows(ledger))) == 3


def test_a_file_is_remembered_once_for_each_of_its_runs_with_the_counts_at_the_first(
    tmp_path: Path, ledger_url: str
) -> None:
    for name, text in (("one", "{}"), ("copy", "{}"), ("other", "[]")):
        (tmp_path / name).write_text(text)
    files = tuple(SourceFile(file=LogFile(tmp_path / name, name), role="t") for name in ("one", "copy", "other"))

    def read(source: Source) -> Iterator[Record]:
        for key in ("r1", "r2"):
            yield ImportedRun(key=key, tool="t")
            cell = ImportedCell(run=key, suite="s", provider="openai", model="gpt-4o")
            yield ImportedAttempt(cell=cell, identity=key)
        yield Broken(where="other", reason="cut")

    unit = Unit(format=Format(name="t", title="T", looks_for="t", role_of=lambda _: "t", read=read), files=files)
    with Ledger.open(ledger_url) as ledger:
        for _ in range(2):
            done = import_unit(ledger, unit, ImportOptions(now_us=1, price_book_sha256="", harness_version=""))
        query = "SELECT run_id, name, n_new, n_known, n_broken FROM imported_files ORDER BY file_id"
        stored = [tuple(row) for row in select_rows(ledger, query)]
    assert stored == [
        (run.run_id, *counts) for run in done.runs for counts in (("one", 1, 0, 1), ("other", 0, 0, 0))
    ]  # fmt: skip


def test_a_broken_line_is_named_and_counted_and_makes_the_bill_a_lower_bound(shell: Shell) -> None:
    shell.write(call(0), '{"id": "r1", "prov', call(2))
    found = shell.run()
    assert found["n_broken_lines"] == 1
    assert found["broken_lines"][0]["where"] == "calls.jsonl:2"
    assert found["runs"][0]["n_new"] == 2
    report = shell.report()
    assert report.rows[0].facts.solve.is_lower_bound
    assert any(LOWER_BOUND_NOTE in warning for warning in report.warnings)


def test_a_log_that_is_refused_at_its_end_leaves_no_row(tmp_path: Path, ledger_url: str) -> None:
    shell = Shell(tmp_path, ledger_url)
    shell.write(*(call(number) for number in range(2_500)))
    with shell.log.open("ab") as stream:
        stream.truncate(shell.log.stat().st_size + 100 * 2**20)
    said = shell.run(code=2)
    assert "longer than 64 MB" in said
    assert "calls.jsonl:2501" in said
    with shell.ledger() as ledger:
        assert ledger.runs() == []
        assert list(attempt_rows(ledger)) == []


def test_of_a_folder_what_can_be_read_is_imported_and_the_rest_is_said(shell: Shell) -> None:
    folder = shell.folder / "logs"
    folder.mkdir()
    (folder / "good.jsonl").write_text(json.dumps(call(0)))
    (folder / "README.md").write_text("not a log")
    (folder / "cut.eval").write_bytes(b"PK\x03\x04" + bytes(100))
    said = shell.run(str(folder), code=2)
    assert "without its directory" in said
    assert "README" not in said
    with shell.ledger() as ledger:
        assert len(list(attempt_rows(ledger))) == 1


def test_a_dry_run_keeps_nothing(shell: Shell) -> None:
    shell.write(call(0))
    found = shell.run(str(shell.log), "--dry-run")
    assert (found["dry_run"], found["runs"][0]["cost_usd"]) == (True, "0.0000975")
    assert not Path(shell.url).exists()


def test_one_run_id_for_several_runs_is_refused(shell: Shell) -> None:
    shell.write(call(0), call(1, run="another"))
    assert "several runs" in shell.run(str(shell.log), "--run-id", "mine", code=2)
    with shell.ledger() as ledger:
        assert ledger.runs() == []
    assert len(shell.run()["runs"]) == 2


def test_turns_of_a_trajectory_are_no_retries_and_its_models_are_told_apart(shell: Shell) -> None:
    """Every turn after the first counted as a retry, and a simulated user as solving."""
    shell.write(
        call(0, sample="task", score=1),
        {**call(1, sample="task"), "score": None},
        call(2, sample="task", purpose="user_simulator", model="gpt-4o"),
        call(3, sample="task", purpose="tool", model="gpt-4o"),
    )
    shell.run()
    report = shell.report()
    solving = next(row for row in report.rows if row.facts.model == "gpt-4o-mini")
    other = next(row for row in report.rows if row.facts.model == "gpt-4o")
    assert (solving.facts.solve.n_attempts, solving.facts.solve.n_retries, solving.n_solves) == (2, 0, 1)
    # 400 * 2.5 + 100 * 1.25 + 50 * 10 micro-USD
    assert other.facts.user_simulator.cost.total == other.facts.tool.cost.total == Decimal("0.001625")
    assert other.facts.solve.cost.total == other.facts.judge.cost.total == 0
    total = report_object(report)["groups"]["non_reasoning"]
    assert (total["user_simulator_cost_usd"], total["tool_cost_usd"]) == ("0.001625", "0.001625")


def test_replays_from_a_tools_cache_cost_nothing(shell: Shell) -> None:
    shell.write(call(0), call(1, status="reused"))
    shell.run()
    (row,) = shell.report().rows
    assert (row.facts.solve.n_attempts, row.facts.solve.n_reused) == (1, 1)
    assert row.facts.solve.cost.total == EACH_USD


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        (0.0000975, None),
        (0.000105, "cached tokens at the full rate"),  # 500 * 0.15 + 50 * 0.6 micro-USD
        (0.000195, "another tier: twice the price, as without the batch discount"),
        (0.5, "the reason is not known"),
    ],
)
def test_what_a_tool_says_it_cost_stands_beside_the_list_price_with_a_reason(
    shell: Shell, stated: float, reason: str | None
) -> None:
    shell.write(call(0, cost_usd=stated), call(1, cost_usd=stated))
    shell.run()
    report = shell.report()
    said = report.rows[0].facts.by_tool
    assert said is not None
    assert (said.usd, said.list_usd, said.reason) == (2 * Decimal(str(stated)), 2 * EACH_USD, reason)
    assert report.rows[0].facts.solve.cost.total == report.rows[0].facts.solve.cost.charged == 2 * EACH_USD
    assert any("the tool states a cost of" in note for note in spend_table(report).notes)


def test_what_a_tool_says_of_some_calls_is_not_held_against_all(shell: Shell) -> None:
    shell.write(call(0, cost_usd=1), call(1))
    shell.run()
    said = shell.report().rows[0].facts.by_tool
    assert said is not None
    assert (said.usd, said.n_attempts) == (Decimal(1), 1)
    assert said.list_usd is None


def test_tokens_that_a_log_lacks_are_unknown_or_estimated_and_marked(shell: Shell) -> None:
    said = {"messages": [{"role": "user", "content": "What is two and two?"}], "answer": "It is four."}
    shell.write(call(0, usage=None, **said))
    shell.run()
    (row,) = shell.report().rows
    assert (row.facts.solve.is_unpriced, row.facts.solve.n_unknown_usage) == (True, 1)
    guessed = Shell(shell.folder, str(shell.folder / "guessed.db"))
    guessed.run(str(shell.log), "--estimate")
    report = guessed.report()
    assert report.rows[0].facts.solve.n_estimated == 1
    assert 0 < report.rows[0].facts.solve.tokens.output_tokens < 10
    assert any("counted from texts: an estimate" in note for note in spend_table(report).notes)
    with guessed.ledger() as ledger:
        assert next(attempt_rows(ledger)).usage_source == "estimated"


def test_prompts_are_kept_on_demand_alone_and_without_foreign_keys(shell: Shell) -> None:
    """A log holds keys that were never in this process' environment."""
    shell.write(call(0, messages=[{"role": "user", "content": f"use {KEY}"}], answer=f"I used {KEY}"))
    (run,) = shell.run(str(shell.log), "--transcripts")["runs"]
    with shell.ledger() as ledger:
        (said,) = transcript_rows(ledger, run["run_id"])
    assert said.answer == "I used [redacted]"
    assert KEY.encode() not in Path(shell.url).read_bytes()


def test_an_imported_run_compares_with_another_by_sample_whatever_its_version(shell: Shell) -> None:
    shell.write(*(call(number) for number in range(6)))
    (base,) = shell.run()["runs"]
    shell.write(*(call(number, id=f"b{number}", run="later", suite="other", score=1) for number in range(6)))
    (head,) = shell.run(str(shell.log), "--suite", "quiz/quiz")["runs"]
    with shell.ledger() as ledger:
        made = compare_runs(ledger, load_price_book(), base["run_id"], head["run_id"], Thresholds())
    (row,) = made.rows
    assert row.n_common == 6
    assert row.score_difference.value == pytest.approx(0.5)


def test_an_own_run_is_never_added_to(shell: Shell) -> None:
    shell.write(call(0))
    shell.run()
    shell.write(call(9, run="another"))
    with shell.ledger() as ledger:
        (first,) = ledger.runs()
    assert "is not this log's" in shell.run(str(shell.log), "--run-id", first.run_id, code=2)


def test_an_imported_run_does_not_go_on_and_says_why(shell: Shell) -> None:
    """`run --resume` ended in a traceback: its options have no suites."""
    shell.write(call(0))
    (run,) = shell.run()["runs"]
    found = CliRunner().invoke(command_line(), ["run", "--resume", run["run_id"], "--db", shell.url])
    assert isinstance(found.exception, HarnessError)
    assert "was not made by benchtab run" in str(found.exception)
    assert "import its log again" in str(found.exception)


def test_a_new_run_of_an_imported_runs_name_is_told_to_take_another(shell: Shell) -> None:
    """It said that the run had asked something else, and advised to resume it, which cannot be."""
    shell.write(call(0))
    (run,) = shell.run()["runs"]
    words = [
        "run",
        number_suite(shell.folder / "own", 1),
        "--model",
        "sim/direct",
        "--run-id",
        run["run_id"],
        "--db",
        shell.url,
    ]
    found = CliRunner().invoke(command_line(), words)
    assert isinstance(found.exception, HarnessError)
    assert "was not made by benchtab run" in str(found.exception)
    assert "name another id" in str(found.exception)
    assert "--resume" not in str(found.exception)


def test_imported_calls_of_simulated_models_never_look_real(shell: Shell) -> None:
    shell.write(call(0, provider="sim", model="direct"))
    shell.run()
    assert shell.report().rows[0].facts.mark == "simulated"


def test_a_run_without_any_call_in_its_log_costs_an_unknown_amount(shell: Shell) -> None:
    """A cut log whose run was paid for showed $0.00."""
    cell = ImportedCell(run="cut", suite="s", provider="openai", model="gpt-4o")

    def read(source: Source) -> Iterator[Record]:
        yield ImportedRun(key="cut", tool="t", status="partial")
        yield ImportedSample(cell=cell, sample=SampleKey(sample_id="q1"))
        yield Noted(run="cut", name="samples_missing", detail="80 stated, 1 here", lower_bound=True)

    shell.take_in(read)
    (row,) = shell.report().rows
    assert wording.whole(row.facts.solve) == "unknown"


@pytest.mark.parametrize(("retries_are_lost", "said"), [(True, "about $0.00"), (False, "<= $0.00")])
def test_a_log_without_cached_tokens_is_no_lower_bound(shell: Shell, retries_are_lost: bool, said: str) -> None:
    """A bill whose cached tokens counted as fresh ones, and whose retries were lost, was written with >=."""
    cell = ImportedCell(run="r", suite="s", provider="openai", model="gpt-4o")
    usage = ImportedUsage(usage=Usage(input_tokens=10, output_tokens=10), raw={}, kind="t")

    def read(source: Source) -> Iterator[Record]:
        yield ImportedRun(key="r", tool="t", created_at_us=1_764_240_009_000_000)
        yield ImportedAttempt(cell=cell, identity="a", usage=usage)
        yield Noted(run="r", name="cached_dropped", detail="counted as fresh input", upper_bound=True)
        if retries_are_lost:
            yield Noted(run="r", name="retries_lost", detail="of the last try alone", lower_bound=True)

    shell.take_in(read)
    (row,) = shell.report().rows
    assert wording.whole(row.facts.solve).startswith(said)
    assert "does not tell cached tokens from fresh ones" in wording.coverage(row.facts.solve)


def test_retries_name_what_they_repeat_also_within_one_batch_of_records(shell: Shell) -> None:
    cell = ImportedCell(run="r", suite="s", provider="openai", model="gpt-4o")

    def read(source: Source) -> Iterator[Record]:
        yield ImportedRun(key="r", tool="t")
        sample = SampleKey(sample_id="q1")
        yield ImportedAttempt(cell=cell, identity="a", sample=sample, status="failed", hidden_retries=2)
        yield ImportedAttempt(cell=cell, identity="b", sample=sample, retry_of="a", try_number=2)

    shell.take_in(read)
    with Ledger.open(shell.url) as ledger:
        first, second = attempt_rows(ledger)
        (run,) = ledger.runs()
    assert (second.retry_of, second.try_number) == (first.attempt_id, 2)
    assert run.warnings[0].startswith(f"{LOWER_BOUND_NOTE}retries_lost: 2 further requests")


def test_keys_in_ids_names_settings_and_usages_of_a_log_are_not_stored(shell: Shell) -> None:
    opaque = "Bearer 1f4e5d6c7b8a9f0e1d2c3b4a"
    shell.write(*(
        call(
            number,
            id=f"r{number}-{KEY}",
            run=f"night {KEY}",
            suite=f"quiz-{KEY}",
            sample=f"q{number}-{KEY}",
            setting=f"key={KEY}",
            model_served=f"gpt-4o-mini?{KEY}",
            service_tier=KEY,
            scorer=f"judged by {KEY}",
            usage={"prompt_tokens": 500, "completion_tokens": 50, "note": KEY, "headers": {"Authorization": opaque}},
            messages=[{"role": "user", "content": f"curl -H 'Authorization: {opaque}' https://me:hunter-22@host/x"}],
            answer="done",
        )
        for number in range(3)
    ), f'{{"id": "{KEY}"}}')  # fmt: skip
    done = shell.run(str(shell.log), "--transcripts")
    with shell.ledger() as ledger:
        texts = [str(row) for row in transcript_rows(ledger, done["runs"][0]["run_id"])]
        stored = [str(row) for row in (*ledger.runs(), *attempt_rows(ledger), *score_rows(ledger))]
    assert done["runs"][0]["n_samples"] == 3  # ids that held the same key are different ones still
    assert (len(texts), len(stored)) == (3, 7)
    for text in (*texts, *stored, str(done)):
        assert not [secret for secret in (KEY, opaque, "hunter-22") if secret in text]


def test_a_provider_that_the_log_does_not_name_is_given_by_hand_and_said(shell: Shell) -> None:
    shell.write(call(1, provider="unknown"), call(2, provider="anthropic"))
    done = shell.run(str(shell.log), "--provider", "openai")
    with shell.ledger() as ledger:
        asked = {row.sample_id: row.provider for row in attempt_rows(ledger)}
        (run,) = ledger.runs()
    assert asked == {"q1": "openai", "q2": "anthropic"}
    assert done["runs"][0]["cost_usd"] == str(EACH_USD)
    assert any(warning.startswith("provider_given: ") and "'openai'" in warning for warning in run.warnings)


def test_a_misspelt_provider_is_refused_for_it_would_never_have_a_price(shell: Shell) -> None:
    shell.write(call(1, provider="unknown"))
    assert "similar: openai" in shell.run(str(shell.log), "--provider", "opnai", code=2)


def test_tokens_that_no_call_states_are_not_zero(shell: Shell) -> None:
    shell.write(call(1, usage=None))
    (row,) = shell.run()["runs"]
    report = shell.report()
    assert (row["input_tokens"], row["output_tokens"], row["cost_usd"]) == (None, None, None)
    summary, totals = summary_table(report), totals_table(report)
    (said,) = [dict(zip([one.name for one in summary.columns], cells, strict=True)) for cells in summary.rows]
    assert (said["tokens_in"], said["tokens_out"], said["cost"]) == (wording.NOT_KNOWN, wording.NOT_KNOWN, "unknown")
    (group,) = [dict(zip([one.name for one in totals.columns], cells, strict=True)) for cells in totals.rows]
    assert (group["output_tokens"], group["cost_usd"]) == (wording.NOT_KNOWN, "unknown")


def test_cached_tokens_of_which_no_call_says_anything_are_not_zero(tmp_path: Path, ledger_url: str) -> None:
    shell = Shell(tmp_path, ledger_url)
    silent = {"prompt_tokens": 500, "completion_tokens": 50}
    none_read = {**silent, "prompt_tokens_details": {"cached_tokens": 0}}
    both = {"input_tokens": 5, "output_tokens": 5, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 7}
    shell.write(
        call(1, run="silent", usage=silent),
        call(2, run="none read", usage=silent),
        call(3, run="none read", usage=none_read),
        call(4, run="read", usage=silent),
        call(5, run="read"),
        call(6, run="written", provider="anthropic", model="claude-3-haiku", usage=both, usage_kind=None),
        call(7, run="failed", usage=None, status="failed"),
    )
    runs = shell.run()["runs"]
    assert [(run["cache_read_tokens"], run["cache_write_tokens"]) for run in runs] == [
        (None, None), (0, None), (100, None), (0, 7), (None, None),
    ]  # fmt: skip


def test_cut_answers_of_calls_without_samples_are_counted_among_the_calls(shell: Shell) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10, "cost": 0.00001}
    choice = {"finish_reason": "length", "message": {"content": ""}}
    reply = {
        "id": "gen-1764240009-a",
        "object": "chat.completion",
        "created": 1764240009,
        "model": "openai/gpt-4o-mini",
        "provider": "OpenAI",
        "choices": [choice],
        "usage": usage,
    }
    shell.log = shell.folder / "reply.json"
    shell.log.write_text(json.dumps(reply))
    shell.run(str(shell.log), "--format", "openrouter")
    (cut,) = [note for note in spend_table(shell.report()).notes if "cut at the output cap" in note]
    assert "1 of 1 answers cut" in cut
