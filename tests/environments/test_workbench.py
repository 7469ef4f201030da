"""The workbench: what its tools do, what end states are worth, and that its samples are what the generator makes."""

from __future__ import annotations

import json

import pytest

from benchmarks.workbench_samples import SUITES, talk_row, tool_row, written
from harness.environments.environment import Caller, Turn
from harness.environments.known_environments import environment_named
from harness.environments.workbench import OPENING, STOP, Workbench, open_workbench
from harness.errors import InputError
from harness.messages import ToolCall
from harness.suites.gold_calls import GoldCall, gold_of
from harness.suites.sample import Sample


def sample_of(row: dict[str, object]) -> Sample:
    """As the suite's fields map a row."""
    metadata: dict[str, object] = {name: row[name] for name in ("start", "scenario") if name in row}
    target = json.dumps(row["reference"])
    return Sample(task="t", sample_id=str(row["id"]), input=str(row["request"]), target=target, metadata=metadata)


def made(name: str, arguments: object, call_id: str = "1") -> ToolCall:
    written_down = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return ToolCall(call_id=call_id, name=name, arguments=written_down)


BOXES: dict[str, object] = {"boxes": {"1": ["red cube"], "2": []}, "locked": [2], "notes": []}


def small(goal: dict[str, object] | None = None, says: tuple[str, ...] = ()) -> Workbench:
    target = json.dumps({"goal": goal or BOXES, "says": says, "calls": []})
    sample = Sample(task="t", sample_id="1", input="?", target=target, metadata={"start": BOXES, "scenario": "You."})
    return open_workbench({"report_words": 5}, sample)


def play(sample: Sample, world: Workbench, leave_out: int | None = None) -> list[Turn]:
    gold = gold_of(sample)
    assert gold is not None
    turns = []
    for place, call in enumerate(gold.calls):
        if place != leave_out:
            asked = made(call.name, dict(call.arguments))
            turns.append(Turn(by=call.by, text="", calls=(asked,), results=(world.call(asked, by=call.by),)))
    return [*turns, Turn(by="assistant", text=f"Done: {', '.join(gold.says)}")]


def test_the_shipped_samples_are_what_the_generator_writes() -> None:
    for name, content in written().items():
        assert (SUITES / "workbench" / name).read_text(encoding="utf-8") == content


@pytest.mark.parametrize("number", range(20))
def test_the_gold_calls_reach_the_goal_and_each_change_left_out_misses_it(number: int) -> None:
    for row in (tool_row(number), talk_row(number)):
        sample = sample_of(row)
        world = open_workbench({}, sample)
        turns = play(sample, world)
        assert world.verdict(turns, ended="answered").value == 1
        gold = gold_of(sample)
        assert gold is not None
        for place, call in enumerate(gold.calls):
            if call.name in ("move", "write_note", "unlock"):
                world = open_workbench({}, sample)
                assert world.verdict(play(sample, world, place), ended="answered").value == 0


def test_a_goal_that_wants_something_told_is_missed_in_silence() -> None:
    world = small(says=("4711",))
    assert world.verdict([Turn(by="user", text="4711")], ended="user_stop").parts["told"] == 0
    assert world.verdict([Turn(by="assistant", text="it is 4711")], ended="user_stop").value == 1


def test_a_conversation_that_ran_into_a_limit_is_worth_nothing() -> None:
    verdict = small().verdict([], ended="max_turns")
    assert (verdict.value, verdict.explanation) == (0, "not as the goal has it: ended by max_turns")


@pytest.mark.parametrize(
    ("name", "arguments", "by", "said"),
    [
        ("fly", {}, "assistant", "there is no tool 'fly'"),
        ("unlock", {"box": 2}, "assistant", "there is no tool 'unlock'"),
        ("look", {"box": 1}, "user", "there is no tool 'look'"),
        ("look", "{", "assistant", "are not JSON"),
        ("look", "[1]", "assistant", "are list, not a JSON object"),
        ("look", {"box": "x"}, "assistant", "box"),
        ("look", {"box": 1, "shelf": 2}, "assistant", "shelf"),
        ("look", {"box": 9}, "assistant", "there is no box 9"),
        ("move", {"item": "moon", "to": 1}, "assistant", "there is no item 'moon'"),
        ("move", {"item": "red cube", "to": 2}, "assistant", "box 2 is locked"),
        ("look", "[" * 100_000, "assistant", "are not JSON"),
    ],
)
def test_a_call_that_cannot_be_carried_out_is_a_failed_result(
    name: str, arguments: object, by: Caller, said: str
) -> None:
    world = small()
    result = world.call(made(name, arguments), by=by)
    assert result.failed
    assert said in result.text
    assert world.state() == small().state()


def test_tools_do_what_they_say() -> None:
    world = small()
    assert world.call(made("unlock", {"box": 2}), by="user").text == "box 2 is unlocked"
    assert world.call(made("move", {"item": "red cube", "to": 2}), by="assistant").text.endswith("box 1 to box 2")
    assert world.call(made("find", {"item": "red cube"}), by="assistant").text == "box 2"
    assert world.call(made("look", {"box": 1}), by="assistant").text == "nothing"
    sums = made("compute", {"left": 2, "operation": "times", "right": 3.5})
    assert world.call(sums, by="assistant").text == "7"
    report = world.call(made("report", {"topic": "tools"}), by="assistant").text
    assert report.startswith("Report on tools.")
    assert len(report.split()) == 5 + 3 + 3


def test_the_scene_has_a_user_only_where_the_sample_has_a_scenario() -> None:
    talk = open_workbench({}, sample_of(talk_row(0))).scene()
    assert (talk.opening, [tool.name for tool in talk.user_tools]) == (OPENING, ["unlock"])
    assert "You want the" in (talk.user_system or "")
    alone = open_workbench({}, sample_of(tool_row(0))).scene()
    assert (alone.opening, alone.user_system, alone.user_tools) == (None, None, ())
    assert alone.tools == talk.tools


def test_only_the_user_ends_a_conversation() -> None:
    world = small()
    assert world.ended(Turn(by="user", text=f"thanks {STOP}")) == "user_stop"
    assert world.ended(Turn(by="assistant", text=STOP)) is None
    assert world.ended(Turn(by="user", text="and then?")) is None


def test_unknown_options_and_senseless_samples_are_refused() -> None:
    sample = sample_of(tool_row(0))
    with pytest.raises(InputError, match="options"):
        open_workbench({"report_word": 3}, sample)
    with pytest.raises(InputError, match="start is no state"):
        open_workbench({}, Sample(task="t", sample_id="1", input="", target='{"goal": {"boxes": {}}}'))
    with pytest.raises(InputError, match="there is no environment 'workbnch'"):
        environment_named("workbnch")


def test_references_of_both_forms_are_read() -> None:
    theirs = {"actions": [{"requestor": "user", "name": "a", "arguments": {"b": 1}, "info": None}, {"name": "c"}]}
    sample = Sample(task="t", sample_id="1", input="", target=json.dumps({**theirs, "communicate_info": ["12"]}))
    gold = gold_of(sample)
    assert gold is not None
    assert gold.calls == (
        GoldCall(by="user", name="a", arguments={"b": 1}),
        GoldCall(by="assistant", name="c", arguments={}),
    )
    assert gold.says == ("12",)
    for other in ("B", "42", '["calls"]', '{"goal": 1}'):
        assert gold_of(Sample(task="t", sample_id="1", input="", target=other)) is None
