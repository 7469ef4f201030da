"""What parties do that no suite foresees: every call gets its result, nothing ends a run, refusals count as answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.environments.known_environments import ENVIRONMENTS, KnownEnvironment
from harness.environments.workbench import Workbench, WorkbenchOptions
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows, score_rows
from harness.models import parse_model
from harness.suites.sample import Sample
from tests.support.conversing import STOP, Body, Says, Script, bench_suite, converse, in_order, mover, parties
from tests.support.plugged import plugged

MOVE = ("move", {"item": "cup 0", "to": 2})
DONE = Says(text="Done.")


def raw(call_id: object, name: object, arguments: object) -> Body:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def talk(folder: Path, script: Script, **suite: Any) -> tuple[str | None, int | None, list[Body], list[str]]:
    """Run one sample; give the rule and value of its score, what was sent, and what became of each request."""
    with Ledger.open(folder / "l.db") as ledger, parties(script) as asked:
        result = converse(bench_suite(folder / "s", **suite), asked, ledger, folder, max_attempts=2)
        scores = list(score_rows(ledger, ["run-1"]))
        rows = [f"{row.request_id.split('.e0.')[1]} {row.status}" for row in attempt_rows(ledger, ["run-1"])]
        if not scores:
            assert (result.status, result.models[0].n_failed) == ("failed", 1)
            return None, None, asked.bodies, rows
        assert (result.status, result.exit_code) == ("complete", 0)
        return scores[0].rule, scores[0].value_millionths, asked.bodies, rows


def results(body: Body) -> list[str]:
    return [one["content"] for one in body["messages"] if one["role"] == "tool"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (raw("a", "move", "not JSON"), "not JSON"),
        (raw("a", "move", "[1, 2]"), "not a JSON object"),
        (raw("a", "move", '{"item": 3}'), "item"),
        (raw("a", "fly", "{}"), "no tool 'fly'"),
        (raw("a", "unlock", '{"box": 1}'), "no tool 'unlock'"),
        (raw("a", "look", ""), "box"),
        (raw(None, "look", '{"box": 1}'), "cup 0"),
        (raw("a", "move", {"item": "nothing", "to": 2}), "no item"),
    ],
)
def test_a_call_that_cannot_be_made_is_answered_and_the_model_goes_on(call: Body, said: str, tmp_path: Path) -> None:
    rule, value, bodies, _ = talk(tmp_path, in_order(Says(raw_calls=[call]), Says(calls=[MOVE]), DONE))
    assert said in results(bodies[1])[0]
    assert (rule, value) == ("ended:answered", 1_000_000)


def test_every_one_of_64_calls_in_a_message_gets_its_result(tmp_path: Path) -> None:
    calls = [raw(["x", "", "y"][place % 3], "look", '{"box": 1}') for place in range(63)] + [raw("z", *_move())]
    rule, value, bodies, _ = talk(tmp_path, in_order(Says(raw_calls=calls), DONE))
    asked = [call["id"] for call in bodies[1]["messages"][-65]["tool_calls"]]
    answered = [one["tool_call_id"] for one in bodies[1]["messages"][-64:]]
    assert asked == answered
    assert len(set(asked)) == 64
    assert (rule, value) == ("ended:answered", 1_000_000)


def _move() -> tuple[str, str]:
    return "move", '{"item": "cup 0", "to": 2}'


def test_a_model_that_says_nothing_twice_is_asked_no_more(tmp_path: Path) -> None:
    rule, value, bodies, _ = talk(tmp_path, lambda _: Says())
    assert (rule, value, len(bodies)) == ("ended:said nothing", 0, 2)


def test_an_empty_message_cut_at_its_cap_is_a_turn_like_any_other(tmp_path: Path) -> None:
    """A model that thought up to its cap is asked once more; what it said before a cut stands."""
    said: list[Says] = [Says(finish="length"), Says(calls=[MOVE]), Says(text="It is do", finish="length")]
    rule, value, bodies, _ = talk(tmp_path, lambda _: said.pop(0))
    assert (rule, value, len(bodies)) == ("ended:answered", 1_000_000, 3)


def test_a_refusal_is_an_answer_and_the_end_state_counts(tmp_path: Path) -> None:
    rule, value, _, _ = talk(tmp_path, in_order(Says(refusal="I must not.", text="I must not.")))
    assert (rule, value) == ("ended:answered", 0)


def test_an_answer_that_a_filter_kept_back_fails_its_sample_as_ever(tmp_path: Path) -> None:
    rule, _, _, rows = talk(
        tmp_path, lambda body: Says(status=400) if len(body["messages"]) > 2 else Says(calls=[MOVE])
    )
    assert (rule, rows) == (None, ["n0.t1 succeeded", "n1.t1 failed"])


def test_a_user_and_a_model_talk_and_each_request_says_whose_it_was(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger, parties(mover) as asked:
        suite = bench_suite(tmp_path / "s", kind="user_simulation", solver='user_model = "openai-compatible/u"')
        result = converse(suite, asked, ledger, tmp_path)
        assert result.status == "complete"
        rows = list(attempt_rows(ledger, ["run-1"]))
        told = [(row.request_id.split(".e0.")[1], row.purpose, row.model_requested) for row in rows]
        assert told == [
            ("n0.user.t1", "user_simulator", "u"),
            ("n1.t1", "solve", "m"),
            ("n2.t1", "solve", "m"),
            ("n3.user.t1", "user_simulator", "u"),
        ]
        (score,) = score_rows(ledger, ["run-1"])
        assert (score.rule, score.value_millionths) == ("ended:user_stop", 1_000_000)
        assert score.attempt_id == rows[2].attempt_id  # the model's newest answer, not the user's
        assert [tool["function"]["name"] for tool in asked.bodies[0]["tools"]] == ["unlock"]


def test_the_user_that_the_run_names_wins_over_the_suites(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger, parties(mover) as asked:
        suite = bench_suite(tmp_path / "s", kind="user_simulation", solver='user_model = "openai/nobody"')
        result = converse(suite, asked, ledger, tmp_path, user_model=parse_model("openai-compatible/u"))
        assert result.status == "complete"


def with_user(folder: Path, script: Script, more: str = "") -> tuple[str | None, int | None, list[Body], list[str]]:
    solver = f'user_model = "openai-compatible/u"{more}'
    return talk(folder, script, kind="user_simulation", solver=solver)


def test_a_user_who_ends_it_at_once_leaves_a_sample_that_is_scored(tmp_path: Path) -> None:
    rule, value, bodies, rows = with_user(tmp_path, lambda _: Says(text=STOP))
    assert (rule, value, len(bodies)) == ("ended:user_stop", 0, 1)
    assert rows == ["n0.user.t1 succeeded", "n1.t1 cancelled"]


def test_a_user_who_calls_tools_for_ever_ends_at_the_turns(tmp_path: Path) -> None:
    unlock = Says(calls=[("unlock", {"box": 1})])
    rule, value, bodies, _ = with_user(tmp_path, lambda _: unlock, ", max_turns = 3")
    assert (rule, value, len(bodies)) == ("limit:turns", 0, 3)


def test_a_user_who_fails_for_good_fails_the_sample(tmp_path: Path) -> None:
    rule, _, _, rows = with_user(tmp_path, lambda body: Says(status=500) if body["model"] == "u" else DONE)
    assert (rule, rows) == (None, ["n0.user.t1 failed", "n0.user.t2 failed"])


class Broken(Workbench):
    """A workbench whose tools fall over, or whose verdict does."""

    what = "call"

    def __init__(self, options: WorkbenchOptions, sample: Any) -> None:
        super().__init__(options, sample)
        if self.what == "open":
            raise RuntimeError("the bench fell over")

    def call(self, call: Any, *, by: Any) -> Any:
        if self.what == "call":
            raise RuntimeError("the bench fell over")
        return super().call(call, by=by)

    def verdict(self, turns: Any, *, ended: str) -> Any:
        raise RuntimeError("the bench fell over")


@contextmanager
def broken(what: str, folder: Path) -> Iterator[str]:
    """Give a suite whose environment falls over."""

    class Kind(Broken):
        pass

    Kind.what = what

    def make(given: Mapping[str, object], sample: Sample) -> Workbench:
        return Kind(WorkbenchOptions.model_validate(given), sample)

    suite = Path(bench_suite(folder / "s"))
    suite.write_text(suite.read_text().replace('"workbench"', '"broken"'))
    with plugged(ENVIRONMENTS, "broken", KnownEnvironment(make=make, foreign=False)):
        yield str(suite)


@pytest.mark.parametrize("what", ["open", "call"])
def test_an_environment_that_fails_fails_its_sample_and_costs_nothing_more(what: str, tmp_path: Path) -> None:
    kind = type("Kind", (Broken,), {"what": what})
    suite = Path(bench_suite(tmp_path / "s"))
    suite.write_text(suite.read_text().replace('"workbench"', '"broken"'))
    known = KnownEnvironment(
        make=lambda given, sample: kind(WorkbenchOptions.model_validate(given), sample), foreign=False
    )
    with (
        plugged(ENVIRONMENTS, "broken", known),
        Ledger.open(tmp_path / "l.db") as ledger,
        parties(mover) as asked,
    ):
        result = converse(str(suite), asked, ledger, tmp_path)
        assert (result.status, result.models[0].n_failed) == ("failed", 1)
        last = list(attempt_rows(ledger, ["run-1"]))[-1]
        assert (last.status, last.error_class, last.billed) == ("failed", "internal", "no")
        assert "the bench fell over" in (last.error_message or "")


def test_an_environment_that_cannot_judge_leaves_its_sample_undecided(tmp_path: Path) -> None:
    kind = type("Kind", (Broken,), {"what": "verdict"})
    suite = Path(bench_suite(tmp_path / "s"))
    suite.write_text(suite.read_text().replace('"workbench"', '"broken"'))
    known = KnownEnvironment(
        make=lambda given, sample: kind(WorkbenchOptions.model_validate(given), sample), foreign=False
    )
    with plugged(ENVIRONMENTS, "broken", known), Ledger.open(tmp_path / "l.db") as ledger, parties(mover) as asked:
        converse(str(suite), asked, ledger, tmp_path)
        (score,) = score_rows(ledger, ["run-1"])
        assert (score.reason, score.value_millionths) == ("undecided", None)
        assert "the bench fell over" in (score.explanation or "")
