"""Failed samples: counted with their causes, asked again on resume, and never taken for a run that went well."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ErrorClass, InputError, MissingKeyError
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.ledger.reading.causes import FailureCause, joined, told
from harness.models import parse_model
from harness.pricing.price_files import load_price_book
from harness.reports.facts.assembly import spend_report
from harness.reports.ledgers import run_detail
from harness.reports.spend.report import report_object
from harness.reports.spend.spend_tables import notes
from harness.runner import RunResult
from harness.runner.endings import ending_lines
from harness.runner.failed_samples import HOPELESS, parse_max_failed, too_many_failed
from tests.support.loopback import Loopback, Reply, serve
from tests.support.runs import Watcher, number_suite, run, suite_file

BAD_REQUEST = Reply(status=400, body={"error": {"message": "Unsupported parameter: 'max_tokens'"}})
SERVER_ERROR = Reply(status=500, body={"error": {"message": "oops"}})
BAD_KEY = Reply(status=401, body={"error": {"message": "Incorrect API key"}})


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


async def _ask(server: Loopback, suite: str, ledger: Ledger, **options: Any) -> RunResult:
    chosen = {"max_attempts": 2, "concurrency": 1, "base_url": f"{server.url}/v1", **options}
    return await asyncio.to_thread(lambda: run(suite, ["openai-compatible/m"], ledger, **chosen))


# a run that failed is not complete


async def test_a_run_in_which_every_request_failed_is_not_complete(ledger: Ledger, tmp_path: Path) -> None:
    async with serve() as server:
        server.always = SERVER_ERROR
        result = await _ask(server, number_suite(tmp_path, 3), ledger)
    assert (result.status, result.exit_code) == ("failed", 1)
    stored = ledger.run("run-1")
    assert stored is not None
    assert stored.status == "failed"
    with pytest.raises(InputError, match="no complete run"):
        spend_report(ledger, load_price_book())


@pytest.mark.parametrize(("share", "status"), [(0.25, "complete"), (0.2, "failed"), (0.0, "failed"), (1.0, "complete")])
async def test_the_share_that_may_fail_decides(share: float, status: str, ledger: Ledger, tmp_path: Path) -> None:
    async with serve() as server:
        server.answer_with(BAD_REQUEST)
        result = await _ask(server, number_suite(tmp_path, 4), ledger, max_failed=share)
    assert (result.status, result.exit_code) == (status, 0 if status == "complete" else 1)


async def test_a_dead_model_is_not_outweighed_by_those_that_answer(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 4)
    async with serve() as server:
        server.always = BAD_REQUEST
        result = await asyncio.to_thread(
            lambda: run(
                suite,
                ["openai-compatible/m", *(f"sim/{name}" for name in ("direct", "reasoner", "reasoner@low"))],
                ledger,
                base_url=f"{server.url}/v1",
                max_failed=0.3,
            )
        )
    assert (result.status, result.exit_code) == ("failed", 1)


def test_a_share_of_samples_is_read_and_slips_are_refused() -> None:
    assert [parse_max_failed(text) for text in ("5%", "0.05", "0", "100%", " 12.5 % ", ".5", "1")] == [
        0.05, 0.05, 0.0, 1.0, 0.125, 0.5, 1.0,
    ]  # fmt: skip
    for bad in ("5", "101%", "-1%", "nan", "inf", "1e-2", "1_0%", "٥%", "", "%", "five", "9" * 400):
        with pytest.raises(InputError, match="share") as caught:
            parse_max_failed(bad)
        assert caught.value.exit_code == 2


def test_a_share_is_met_exactly_without_rounding_errors() -> None:
    assert not too_many_failed(1, 10, 0.1)
    assert not too_many_failed(7, 100, 0.07)
    assert too_many_failed(8, 100, 0.07)


# causes are told


async def test_the_cause_is_told_wherever_the_failures_are_counted(ledger: Ledger, tmp_path: Path) -> None:
    async with serve() as server:
        server.always = SERVER_ERROR
        result = await _ask(server, number_suite(tmp_path, 3), ledger)
    assert "  6 x HTTP 500: oops" in ending_lines(result)
    report = spend_report(ledger, load_price_book(), ["run-1"])
    assert any("6 of 6 requests failed: 6 x HTTP 500: oops" in note for note in notes(report))
    cause = {"purpose": "solve", "error_class": "server_error", "message": "HTTP 500: oops", "n_attempts": 6}
    assert report_object(report)["rows"][0]["failure_causes"] == [cause]
    assert run_detail(ledger, "run-1")["failure_causes"] == [cause]


def _cause(message: str, n_attempts: int = 1, **more: Any) -> FailureCause:
    values: dict[str, Any] = {"cell_id": 1, "purpose": "solve", "error_class": "rate_limit"} | more
    return FailureCause(message=message, n_attempts=n_attempts, **values)


def test_messages_that_differ_in_numbers_and_ids_are_one_cause() -> None:
    found = joined(
        [
            _cause("HTTP 429: limit 500, used 499, asked 12 (req_0aF3b)", 2),
            _cause("HTTP 429: limit 500, used 498, asked 77 (req_99ZZq)", 3),
            _cause("HTTP 429: you are too fast"),
        ]
    )
    assert told(found) == ["5 x HTTP 429: limit 500, used …, asked … (…)", "1 x HTTP 429: you are too fast"]


def test_addresses_and_statuses_that_all_share_are_kept() -> None:
    message = "no connection to 127.0.0.1:9999: refused"
    assert told(joined([_cause(message, 30), _cause(message, 6)])) == [f"36 x {message}"]


def test_causes_of_different_classes_and_purposes_stay_apart_and_the_rest_is_counted() -> None:
    words = ("alpha", "beta", "gamma", "delta")
    found = joined([_cause(word, 9 - n, purpose="judge" if n == 0 else "solve") for n, word in enumerate(words)])
    assert told(found, most=2) == ["9 x judge: alpha", "8 x beta", "13 x 2 other causes"]
    assert len(joined([_cause("same"), _cause("same", error_class="timeout")])) == 2


# a model that only fails is given up


async def test_a_model_that_only_fails_is_stopped_early_and_the_others_go_on(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 60)
    async with serve() as server:
        server.always = SERVER_ERROR
        result = await asyncio.to_thread(
            lambda: run(
                suite,
                ["openai-compatible/m", "sim/direct"],
                ledger,
                base_url=f"{server.url}/v1",
                max_attempts=2,
                concurrency=2,
            )
        )
        n_seen = len(server.seen)
    dead, alive = result.models
    assert HOPELESS * 2 <= n_seen < 40
    assert "oops" in str(dead.stopped_by)
    assert (alive.n_failed, alive.n_left, alive.stopped_by) == (0, 0, None)
    assert dead.n_to_ask == 60
    assert (result.status, result.exit_code) == ("partial", 1)
    assert "run run-1 is partial: 60 samples have no answer; go on with:" in ending_lines(result)


async def test_one_answer_keeps_a_model_going(ledger: Ledger, tmp_path: Path) -> None:
    async with serve() as server:
        server.answer_with(Reply(), *[BAD_REQUEST] * 25)
        result = await _ask(server, number_suite(tmp_path, 30), ledger)
    assert result.models[0].stopped_by is None
    assert (result.models[0].n_failed, result.models[0].n_left) == (25, 0)


async def test_an_answer_of_an_earlier_session_keeps_a_model_going_or_the_rest_could_never_end(
    ledger: Ledger, tmp_path: Path
) -> None:
    suite = number_suite(tmp_path, 30)
    async with serve() as server:
        server.answer_with(Reply())
        server.always = BAD_REQUEST
        await _ask(server, suite, ledger)
        again = await _ask(server, suite, ledger, retry_failed=True)
    assert (again.status, again.models[0].n_failed, again.models[0].stopped_by) == ("failed", 29, None)


# failed samples are asked again


async def test_failed_samples_are_asked_again_when_the_run_goes_on(ledger: Ledger, tmp_path: Path) -> None:
    """Half an outage: what failed while the server was away is asked once it is back."""
    suite = number_suite(tmp_path, 6)
    async with serve() as server:
        server.answer_with(Reply(), *[BAD_REQUEST] * 3)
        first = await _ask(server, suite, ledger)
        assert (first.status, first.models[0].n_failed) == ("failed", 3)
        spent_before = len(list(attempt_rows(ledger)))
        kept = await _ask(server, suite, ledger)
        assert (kept.status, kept.exit_code) == ("failed", 1)
        assert kept.models[0].n_failed == 3
        assert kept.resume_command == "benchtab run --resume run-1"
        assert len(list(attempt_rows(ledger))) == spent_before, "the same command again sends nothing"
        again = await _ask(server, suite, ledger, retry_failed=True)
    assert (again.status, again.exit_code, again.resume_command) == ("complete", 0, None)
    rows = list(attempt_rows(ledger))
    assert len(rows) == spent_before + 3, "earlier attempts and their spend stay"
    assert len({row.request_id for row in rows}) == len(rows)


async def test_a_new_session_gives_failed_samples_all_their_tries(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 1)
    async with serve() as server:
        server.always = SERVER_ERROR
        await _ask(server, suite, ledger, max_attempts=3)
        server.always = Reply()
        server.answer_with(SERVER_ERROR, SERVER_ERROR)
        again = await _ask(server, suite, ledger, max_attempts=3, retry_failed=True)
    assert again.status == "complete"
    assert [row.try_number for row in attempt_rows(ledger)] == [1, 2, 3, 4, 5, 6]


async def test_a_complete_run_asks_its_few_failed_samples_again(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 4)
    async with serve() as server:
        server.answer_with(BAD_REQUEST)
        first = await _ask(server, suite, ledger, max_failed=0.5)
        assert (first.status, first.resume_command) == ("complete", "benchtab run --resume run-1")
        again = await _ask(server, suite, ledger, max_failed=0.5, retry_failed=True)
        assert (again.status, again.resume_command) == ("complete", None)
        n_seen = len(server.seen)
        await _ask(server, suite, ledger, max_failed=0.5, retry_failed=True)
        assert len(server.seen) == n_seen == 5


async def test_a_complete_run_of_an_earlier_version_that_failed_is_told_so(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 2)
    async with serve() as server:
        server.always = BAD_REQUEST
        await _ask(server, suite, ledger)
        ledger.finish_run("run-1", "complete")
        again = await _ask(server, suite, ledger)
    assert (again.status, again.exit_code) == ("failed", 1)


async def test_a_refused_key_leaves_every_sample_to_ask(ledger: Ledger, tmp_path: Path) -> None:
    """Not "0 samples left" beside a command that goes on."""
    async with serve() as server:
        server.always = BAD_KEY
        result = await _ask(server, number_suite(tmp_path, 5), ledger)
    assert "run run-1 is partial: 5 samples have no answer; go on with:" in ending_lines(result)


# refused before anything is stored


@pytest.mark.parametrize(
    "name", ["openai/gpt-4o@high", "sim/dirct", "openia/x", "openrouter/meta-llama/llama-3.3-70b-instruct@high"]
)
def test_refused_commands_leave_no_run_behind(
    name: str, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("OPENROUTER_API_KEY", "none")
    with pytest.raises(InputError):
        run(number_suite(tmp_path, 2), ["sim/direct", name], ledger)
    assert ledger.runs() == []


def test_a_missing_key_is_refused_before_the_run_exists(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MISTRAL_API_KEY", raising=False)
    with pytest.raises(MissingKeyError, match="MISTRAL_API_KEY"):
        run(number_suite(tmp_path, 2), ["mistral/mistral-large-latest"], ledger)
    assert ledger.runs() == []


def test_a_missing_key_of_a_judge_is_found_before_the_models_are_paid(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MISTRAL_API_KEY", raising=False)
    rows = [{"id": "q", "question": "Capital?", "answer": "Paris"}]
    prompt = "{question} Reference: {reference} Reply: {reply}"
    suite = suite_file(tmp_path, rows, scorer="judge", options=f', options = {{ prompt = "{prompt}" }}')
    watcher = Watcher()
    with pytest.raises(MissingKeyError, match="MISTRAL_API_KEY"):
        run(suite, ["sim/direct"], ledger, judge=parse_model("mistral/mistral-large-latest"), watcher=watcher)
    assert (ledger.runs(), watcher.sent) == ([], 0)


@pytest.mark.parametrize("bad", ["a\nb", "a\x1b[31m", "", " ", "a\tb", "a\x00b", "x" * 201, "a\u2028b", "räuber", "a "])
def test_a_run_id_that_no_header_can_carry_is_refused(bad: str, ledger: Ledger, tmp_path: Path) -> None:
    if not bad:
        bad = "\r"
    with pytest.raises(InputError, match="not a name for a run"):
        run(number_suite(tmp_path, 1), ["sim/direct"], ledger, run_id=bad)
    assert ledger.runs() == []


def test_what_differs_from_the_stored_run_is_named(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 3)
    run(suite, ["sim/direct"], ledger, limit=2, temperature=0.5)
    with pytest.raises(InputError, match="asked something else") as caught:
        run(suite, ["sim/reasoner"], ledger, limit=3, temperature=0.5)
    said = str(caught.value)
    assert "--limit: 3 now, 2 in the run" in said
    assert "--model: sim/reasoner now, sim/direct in the run" in said
    assert "--temperature" not in said


def test_changed_data_of_a_stored_run_are_named(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 3)
    run(suite, ["sim/direct"], ledger)
    number_suite(tmp_path, 4)
    with pytest.raises(InputError, match="asked something else") as caught:
        run(suite, ["sim/direct"], ledger)
    assert "task mine/questions: its samples are others than in the run" in str(caught.value)


def test_every_class_of_error_can_be_told() -> None:
    assert told([_cause("", error_class=ErrorClass.TIMEOUT)]) == ["1 x timeout"]
