"""A later session goes on at the last turn that has its answer, where that can be played again; else anew."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.environments.known_environments import ENVIRONMENTS, KnownEnvironment
from harness.environments.workbench import Workbench, WorkbenchOptions
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows, score_rows
from harness.messages import ToolCall
from harness.providers.base import Response
from harness.runner.requests.item_questions import calls_json, signed_of_json
from harness.secrets import learn
from harness.suites.sample import Sample
from tests.support.answering import PRICE
from tests.support.conversing import MODEL, Body, Says, Script, bench_suite, converse, mover, parties
from tests.support.plugged import plugged

LOOK = Says(calls=[("look", {"box": 1})])
REFUSED = Says(status=401)


def own(body: Body) -> int:
    return sum(message["role"] == "assistant" for message in body["messages"])


def stored(ledger: Ledger) -> list[str]:
    """Every request of a run with one sample: its place in the conversation, its try and what became of it."""
    rows = list(attempt_rows(ledger, ["run-1"]))
    return [f"{row.request_id.split('.e0.')[1]} {row.status}" for row in rows]


def refused_once_at(turn: int, then: Script = mover) -> Script:
    """A script whose key is refused once at a turn: the session ends there."""
    is_refused: list[bool] = []

    def says(body: Body) -> Says:
        if own(body) == turn and not is_refused:
            is_refused.append(True)
            return REFUSED
        return then(body)

    return says


def in_two_sessions(folder: Path, script: Script, suite: str | None = None, **options: Any) -> tuple[list[str], int]:
    """Run one sample in two sessions; give its requests and its score in millionths."""
    suite = suite or bench_suite(folder / "s")
    with Ledger.open(folder / "l.db") as ledger, parties(script) as asked:
        first = converse(suite, asked, ledger, folder, **options)
        assert first.status == "partial"
        second = converse(suite, asked, ledger, folder, **options)
        assert second.status == "complete"
        assert not second.models[0].n_failed
        (score,) = score_rows(ledger, ["run-1"])
        assert score.value_millionths is not None
        return stored(ledger), score.value_millionths


def test_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    requests, score = in_two_sessions(tmp_path, refused_once_at(1))
    assert requests == ["n0.t1 succeeded", "n1.t1 failed", "n1.t2 succeeded"]
    assert score == 1_000_000


def test_without_transcripts_a_conversation_begins_anew(tmp_path: Path) -> None:
    requests, score = in_two_sessions(tmp_path, refused_once_at(1), keep_transcripts=False)
    assert requests == ["n0.t1 succeeded", "n1.t1 failed", "n0.t2 succeeded", "n1.t2 succeeded"]
    assert score == 1_000_000


class Forgetful(Workbench):
    """A workbench that nobody can play again."""

    is_replayable = False


class Moody(Workbench):
    """A workbench that answers otherwise each time that it is opened, whatever it says of itself."""

    opened = 0

    def __init__(self, options: WorkbenchOptions, sample: Sample) -> None:
        super().__init__(options, sample)
        Moody.opened += 1
        self._number = Moody.opened

    def call(self, call: ToolCall, *, by: Any) -> Any:
        result = super().call(call, by=by)
        return dataclasses.replace(result, text=f"{result.text} (bench {self._number})")


@contextmanager
def bench_named(name: str, kind: Callable[[WorkbenchOptions, Sample], Workbench]) -> Iterator[None]:
    def make(options: Mapping[str, object], sample: Sample) -> Workbench:
        return kind(WorkbenchOptions.model_validate(options), sample)

    with plugged(ENVIRONMENTS, name, KnownEnvironment(make=make, foreign=False)):
        yield


@pytest.mark.parametrize("kind", [Forgetful, Moody])
def test_what_does_not_come_out_as_it_did_is_begun_anew(kind: type[Workbench], tmp_path: Path) -> None:
    def steps(body: Body) -> Says:
        calls = [call["function"]["name"] for one in body["messages"] for call in one.get("tool_calls", ())]
        return (
            LOOK
            if not calls
            else Says(calls=[("move", {"item": "cup 0", "to": 2})])
            if len(calls) == 1
            else mover(body)
        )

    suite = Path(bench_suite(tmp_path / "s"))
    suite.write_text(suite.read_text().replace('"workbench"', '"odd"'))
    with bench_named("odd", kind):
        requests, score = in_two_sessions(tmp_path, refused_once_at(2, steps), str(suite))
    again = ["n0.t2 succeeded", "n1.t2 succeeded", "n2.t2 succeeded"]
    assert requests == ["n0.t1 succeeded", "n1.t1 succeeded", "n2.t1 failed", *again]
    assert score == 1_000_000


def test_limits_count_what_earlier_sessions_used(tmp_path: Path) -> None:
    suite = bench_suite(tmp_path / "s", solver="max_turns = 3")
    requests, score = in_two_sessions(tmp_path, refused_once_at(2, lambda _: LOOK), suite)
    assert requests == ["n0.t1 succeeded", "n1.t1 succeeded", "n2.t1 failed", "n2.t2 succeeded"]
    assert score == 0


def test_a_turn_that_fails_for_good_fails_its_sample_and_tries_are_counted_by_turn(tmp_path: Path) -> None:
    is_down = [True]

    def script(body: Body) -> Says:
        return Says(status=500) if own(body) == 1 and is_down[0] else mover(body)

    suite = bench_suite(tmp_path / "s")
    with Ledger.open(tmp_path / "l.db") as ledger, parties(script) as asked:
        first = converse(suite, asked, ledger, tmp_path, max_attempts=2)
        assert (first.status, first.models[0].n_failed) == ("failed", 1)
        failed = ["n0.t1 succeeded", "n1.t1 failed", "n1.t2 failed"]
        assert stored(ledger) == failed
        again = converse(suite, asked, ledger, tmp_path, max_attempts=2)
        assert (again.status, again.models[0].n_failed) == ("failed", 1)
        assert stored(ledger) == failed  # it is given up
        is_down[0] = False
        last = converse(suite, asked, ledger, tmp_path, max_attempts=2, retry_failed=True)
        assert (last.status, last.models[0].n_failed) == ("complete", 0)
        assert stored(ledger) == [*failed, "n1.t3 succeeded"]


def test_an_environment_that_cannot_be_opened_for_a_while_costs_no_answered_turn(tmp_path: Path) -> None:
    falls_over: list[bool] = []

    class Absent(Workbench):
        def __init__(self, options: WorkbenchOptions, sample: Sample) -> None:
            if falls_over:
                raise RuntimeError("not installed here")
            super().__init__(options, sample)

    suite = Path(bench_suite(tmp_path / "s"))
    suite.write_text(suite.read_text().replace('"workbench"', '"odd"'))
    with (
        bench_named("odd", Absent),
        Ledger.open(tmp_path / "l.db") as ledger,
        parties(refused_once_at(1)) as asked,
    ):
        converse(str(suite), asked, ledger, tmp_path)
        falls_over.append(True)
        assert converse(str(suite), asked, ledger, tmp_path).models[0].n_failed == 1
        falls_over.clear()
        assert converse(str(suite), asked, ledger, tmp_path, retry_failed=True).status == "complete"
        assert stored(ledger) == ["n0.t1 succeeded", "n1.t1 failed", "n1.t2 failed", "n1.t3 succeeded"]


def test_a_killed_run_goes_on_and_asks_the_open_request_again(tmp_path: Path) -> None:
    """What was in flight may have been billed: it stays in the books, and its turn is tried once more."""
    suite, hangs, goes_on = bench_suite(tmp_path / "s"), threading.Event(), threading.Event()

    def script(body: Body) -> Says:
        if own(body) == 1 and not hangs.is_set():
            hangs.set()
            goes_on.wait(30)
        return mover(body)

    (tmp_path / "prices").mkdir()
    (tmp_path / "prices" / "m.toml").write_text(PRICE)
    words = [
        "run",
        suite,
        "-m",
        MODEL,
        "--run-id",
        "run-1",
        "--db",
        str(tmp_path / "l.db"),
        "--max-usd-per-sample",
        "1",
    ]
    with parties(script) as asked:
        words += ["--base-url", asked.url, "--pricing", str(tmp_path / "prices"), "-q"]
        process = subprocess.Popen([sys.executable, "-m", "harness", *words], stdout=subprocess.DEVNULL)
        try:
            assert hangs.wait(30)
        finally:
            process.kill()
            process.wait()
            goes_on.set()
        with Ledger.open(tmp_path / "l.db") as ledger:
            assert stored(ledger) == ["n0.t1 succeeded", "n1.t1 sent"]
            done = subprocess.run([sys.executable, "-m", "harness", *words], stdout=subprocess.DEVNULL, check=False)
            assert done.returncode == 0
            assert stored(ledger) == ["n0.t1 succeeded", "n1.t1 sent", "n1.t2 succeeded"]
            (score,) = score_rows(ledger, ["run-1"])
            assert score.value_millionths == 1_000_000
            (own_budget,) = (
                one for scope, one in ledger.budgets(of_samples=True).items() if scope.startswith("sample:")
            )
            assert own_budget.reserved_pico_usd > 0  # of the request whose bill nobody knows


def test_signed_parts_are_kept_with_the_calls_that_need_them() -> None:
    calls = [ToolCall(call_id="a", name="look", arguments="{}"), ToolCall(call_id="b", name="look", arguments="{}")]
    signed = ({"type": "thinking", "thinking": "hm", "signature": "c2ln"},)
    stored_calls = json.loads(json.dumps(calls_json(calls, signed)))
    assert signed_of_json(stored_calls) == signed
    assert [call["name"] for call in stored_calls] == ["look", "look"]
    assert signed_of_json(calls_json(calls)) == ()


def test_keys_in_calls_are_masked_and_signed_parts_that_hold_one_are_dropped() -> None:
    key = "sk-" + "q7" * 20
    learn(key)
    call = ToolCall(call_id="a", name="look", arguments=json.dumps({"key": key}))
    answer = Response(
        text="", finish_reason="stop", usage_kind="openai.chat", raw_usage=None, tool_calls=(call,),
        signed=({"thinking": key},),
    )  # fmt: skip
    assert key not in answer.tool_calls[0].arguments
    assert answer.signed == ()
