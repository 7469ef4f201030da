"""The samples of suite `workbench`, generated: run `python -m benchmarks.workbench_samples` to write them anew.

Data flows a seed -> boxes, a wish and the calls that grant it -> the goal, which is the state that those calls lead to.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.environments.workbench import open_workbench, reference_number
from harness.messages import ToolCall
from harness.suites.sample import Sample

SUITES = Path(__file__).resolve().parents[1] / "suites"
N_SAMPLES = 20
N_BOXES = 6
COLOURS = ("red", "green", "blue", "white", "black", "amber")
THINGS = ("cube", "ring", "cup", "key", "lamp", "spring", "valve", "coin")
TOPICS = ("spare parts", "the north shelf", "last week's deliveries", "damaged stock", "tool wear")
MOST_CALLS = 8
Row = dict[str, Any]


def _call(by: str, name: str, **arguments: object) -> Row:
    return {"by": by, "name": name, "arguments": arguments}


class Bench:
    """Filled boxes, and what is wanted of them so far."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        items = [f"{colour} {thing}" for colour in COLOURS for thing in THINGS]
        self.items = dice.sample(items, 14)
        self.boxes: dict[int, list[str]] = {number: [] for number in range(1, N_BOXES + 1)}
        for item in self.items:
            self.boxes[dice.randint(1, N_BOXES)].append(item)
        self.locked: list[int] = []
        self.calls: list[Row] = []
        self.says: list[str] = []

    def box_of(self, item: str) -> int:
        return next(number for number, items in self.boxes.items() if item in items)

    def another(self, box: int) -> int:
        return self.dice.choice([number for number in self.boxes if number != box])


def _move(bench: Bench) -> str:
    item = bench.dice.choice(bench.items)
    to = bench.another(bench.box_of(item))
    bench.calls.append(_call("assistant", "move", item=item, to=to))
    return f"Put the {item} into box {to}."


def _gather(bench: Bench) -> str:
    anchor, *others = bench.dice.sample(bench.items, bench.dice.randint(4, 6))
    to = bench.box_of(anchor)
    others = [item for item in others if bench.box_of(item) != to]
    bench.calls.append(_call("assistant", "find", item=anchor))
    for item in others:
        bench.calls.append(_call("assistant", "move", item=item, to=to))
    return f"Find the box that holds the {anchor}, and put these into it as well: {', '.join(others)}."


def _count(bench: Bench) -> str:
    one, other = bench.dice.sample(sorted(bench.boxes), 2)
    counts = [len(bench.boxes[one]), len(bench.boxes[other])]
    bench.calls += [_call("assistant", "look", box=one), _call("assistant", "look", box=other)]
    bench.calls.append(_call("assistant", "compute", left=counts[0], operation="plus", right=counts[1]))
    bench.calls.append(_call("assistant", "write_note", text=f"total: {sum(counts)}"))
    return (
        f"Count the items in box {one} and in box {other} together, and write the note 'total: N', "
        "N being the number that you found."
    )


def _report(bench: Bench) -> str:
    topic = bench.dice.choice(TOPICS)
    number = reference_number(topic)
    bench.calls.append(_call("assistant", "report", topic=topic))
    bench.calls.append(_call("assistant", "write_note", text=f"report {number}"))
    bench.says.append(str(number))
    return (
        f"Ask for a report on {topic}, write the note 'report N', N being its reference number, "
        "and tell me that number."
    )


def _locked_move(bench: Bench) -> str:
    item = bench.dice.choice(bench.items)
    source = bench.box_of(item)
    to = bench.another(source)
    shut = bench.dice.choice((source, to))
    bench.locked.append(shut)
    bench.calls += [_call("user", "unlock", box=shut), _call("assistant", "move", item=item, to=to)]
    return f"You want the {item} put into box {to}. Box {shut} is locked; you unlock it when you are told so."


WISHES: tuple[Callable[[Bench], str], ...] = (_move, _gather, _count, _report)


def tool_row(number: int) -> Row:
    """One sample of task `tools`: the whole wish is said at once."""
    bench = Bench(random.Random(f"workbench tools {number}"))
    wish = WISHES[number % len(WISHES)](bench)
    return _row(f"tools-{number:02d}", bench, wish, None)


def talk_row(number: int) -> Row:
    """One sample of task `user_simulation`: the user knows the situation, and has to unlock a box."""
    bench = Bench(random.Random(f"workbench user {number}"))
    situation = [_locked_move(bench)]
    if number % 3 == 2:
        topic = bench.dice.choice(TOPICS)
        bench.calls.append(_call("assistant", "report", topic=topic))
        bench.says.append(str(reference_number(topic)))
        situation.append(f"You also want to be told the reference number of a report on {topic}.")
    scenario = " ".join(situation)
    return _row(f"user-{number:02d}", bench, scenario.split(" Box ")[0].replace("You want", "I want"), scenario)


def _row(sample_id: str, bench: Bench, request: str, scenario: str | None) -> Row:
    start = {"boxes": {str(number): sorted(items) for number, items in bench.boxes.items()}, "locked": bench.locked}
    row: Row = {
        "id": sample_id,
        "request": request,
        "difficulty": round(min(len(bench.calls), MOST_CALLS) / MOST_CALLS, 3),
        "start": start,
        **({"scenario": scenario} if scenario else {}),
    }
    return {**row, "reference": {"calls": bench.calls, "says": bench.says, "goal": _goal(row, bench.calls)}}


def _goal(row: Row, calls: list[Row]) -> Row:
    """The state that the calls lead to, by the workbench itself."""
    reference = json.dumps({"goal": row["start"]})
    metadata = {"start": row["start"], "scenario": row.get("scenario")}
    world = open_workbench(
        {}, Sample(task="workbench", sample_id=row["id"], input="", target=reference, metadata=metadata)
    )
    for number, call in enumerate(calls):
        made = ToolCall(call_id=str(number), name=call["name"], arguments=json.dumps(call["arguments"]))
        result = world.call(made, by=call["by"])
        if result.failed:
            raise ValueError(f"{row['id']}: {result.text}")
    return world.state().model_dump(mode="json")


def written() -> dict[str, str]:
    """File name -> content, as it has to lie in suites/workbench/."""
    rows = {"tools": map(tool_row, range(N_SAMPLES)), "user_simulation": map(talk_row, range(N_SAMPLES))}
    return {f"{task}.jsonl": "".join(json.dumps(row) + "\n" for row in made) for task, made in rows.items()}


def main() -> None:
    folder = SUITES / "workbench"
    folder.mkdir(exist_ok=True)
    for name, content in written().items():
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
