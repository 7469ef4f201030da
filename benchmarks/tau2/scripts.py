"""What scripted agents and users say and call, for any task of tau2-bench. Pure.

Data flows a task as the package stores it -> scripts by name; a script is a list of moves. Both sides ask it for the
next move of the party whose turn it is, and a party that is not up says a filler.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Task = Mapping[str, Any]
STOP, TRANSFER, OUT_OF_SCOPE = "###STOP###", "###TRANSFER###", "###OUT-OF-SCOPE###"
N_RANDOM_CALLS = 12


@dataclass(slots=True)
class Move:
    """One message: who sends it, its text, its calls as (name, arguments)."""

    by: str
    text: str = ""
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


class Script:
    """Moves that are still to come."""

    def __init__(self, moves: Sequence[Move]) -> None:
        self._moves = list(moves)

    def next_move(self, by: str) -> Move:
        """The move of a party whose turn it is; the user ends a conversation whose script is over."""
        if self._moves and self._moves[0].by == by:
            return self._moves.pop(0)
        if self._moves or by == "assistant":
            return Move(by, "Go on.")
        return Move(by, STOP)


def gold_actions(task: Task) -> list[dict[str, Any]]:
    """What the task's criteria list as its solution."""
    return list(task["evaluation_criteria"].get("actions") or [])


def _by(action: Mapping[str, Any]) -> str:
    return str(action.get("requestor") or "assistant")


def _move(action: Mapping[str, Any]) -> Move:
    return Move(_by(action), calls=[(action["name"], dict(action["arguments"]))])


def _told(task: Task) -> list[Move]:
    says = task["evaluation_criteria"].get("communicate_info") or []
    return [Move("assistant", f"For your information: {', '.join(says)}.")] if says else []


def gold(task: Task) -> list[Move]:
    """The listed solution, and what has to be told."""
    return [*map(_move, gold_actions(task)), *_told(task)]


def gold_without_one(task: Task) -> list[Move]:
    """One action of the solution is left out."""
    moves = [_move(action) for action in gold_actions(task)]
    return [*moves[: len(moves) // 2], *moves[len(moves) // 2 + 1 :], *_told(task)]


def gold_untold(task: Task) -> list[Move]:
    """The solution, of which the user is told nothing."""
    return [_move(action) for action in gold_actions(task)]


def gold_at_once(task: Task) -> list[Move]:
    """All calls of a party in one message, with words beside them that nobody hears."""
    moves: list[Move] = []
    for action in gold_actions(task):
        if not moves or moves[-1].by != _by(action):
            moves.append(Move(_by(action), "One moment."))
        moves[-1].calls.append((action["name"], dict(action["arguments"])))
    return [*moves, *_told(task)]


def gold_twice(task: Task) -> list[Move]:
    """Each action of the solution is done twice."""
    return [_move(action) for action in gold_actions(task) for _ in range(2)] + _told(task)


def nothing(task: Task) -> list[Move]:  # noqa: ARG001
    """The user says goodbye at once."""
    return []


def wrong_arguments(task: Task) -> list[Move]:
    """Arguments that do not exist, are missing, of another type, or would name something of the program's own."""
    moves = []
    for place, action in enumerate(gold_actions(task)):
        arguments = dict(action["arguments"])
        names = sorted(arguments)
        kind = place % 4
        if kind == 0 and names:
            arguments[names[0]] = f"{arguments[names[0]]}x"
        elif kind == 1 and names:
            del arguments[names[-1]]
        elif kind == 2 and names:
            arguments[names[-1]] = {"nested": [None, 1.5, "\u00fc\u4e16"]}
        else:
            arguments |= {"requestor": "user", "tool_name": "think"}
        moves.append(Move(_by(action), calls=[(action["name"], arguments)]))
    return [*moves, *_told(task)]


def errors(task: Task) -> list[Move]:
    """Unknown tools, until there are too many errors."""
    return [*gold(task)[:2], *(Move("assistant", calls=[("no_such_tool", {"n": n})] * 3) for n in range(5))]


def errors_below_limit(task: Task) -> list[Move]:
    """Nine errors of both parties, and the solution."""
    wrong = [("no_such_tool", {})]
    return [Move("user", calls=wrong * 4), Move("assistant", calls=wrong * 5), *gold(task)]


def swapped_parties(task: Task) -> list[Move]:
    """The agent calls the user's tools, and the user the agent's."""
    moves = gold(task)
    for move in moves:
        if move.calls:
            move.by = "user" if move.by == "assistant" else "assistant"
    return moves


def transfer(task: Task) -> list[Move]:
    """The agent hands over to a person after half of the solution, and the user is gone."""
    moves = gold(task)
    handed = Move("assistant", calls=[("transfer_to_human_agents", {"summary": "cannot be done"})])
    return [*moves[: len(moves) // 2], handed, Move("user", TRANSFER)]


def out_of_scope(task: Task) -> list[Move]:
    """The scenario does not say how to go on."""
    return [*gold(task), Move("user", f"I cannot tell. {OUT_OF_SCOPE}")]


def agent_stops(task: Task) -> list[Move]:
    """The agent says the user's word, which ends nothing."""
    return [*gold(task), Move("assistant", STOP), Move("user", "And now?"), Move("assistant", "Goodbye.")]


def endless(task: Task) -> list[Move]:
    """They talk until the steps are used up."""
    return [*gold(task), *(Move(by, "Well...") for _ in range(80) for by in ("user", "assistant"))]


def stop_at_the_last_step(task: Task) -> list[Move]:
    """The user stops with the last step that there is: calls take two steps each, so half of the tasks hit it."""
    moves = gold(task)
    talk = [Move(by, "Well...") for _ in range(80) for by in ("user", "assistant")]
    used = sum(1 + bool(move.calls) for move in moves) + 1
    return [*moves, *talk[: max(0, 99 - used)], Move("user", STOP)]


def random_calls(task: Task) -> list[Move]:
    """Tools of both parties drawn at random, with arguments that the solution and the start use somewhere."""
    dice = random.Random(f"random calls {task['id']}")
    started = (task.get("initial_state") or {}).get("initialization_actions") or []
    actions = gold_actions(task)
    pool: dict[str, list[Any]] = {"phone_number": ["555-123-2002"], "customer_id": ["C1001"], "line_id": ["L1002"]}
    pool |= {"gb_amount": [2.0], "limit": [3], "id": ["C1001", "B1001", "D1002"], "app_name": ["messaging"]}
    for action in [*started, *actions]:
        for name, value in action["arguments"].items():
            pool.setdefault(name, []).append(value)
    moves = []
    for _ in range(N_RANDOM_CALLS):
        by, name, wanted = dice.choice(_tools_of(task))
        arguments = {one: dice.choice(pool.get(one, ["0"])) for one in wanted}
        moves.append(Move(by, calls=[(name, arguments)]))
    return moves


def _tools_of(task: Task) -> list[tuple[str, str, tuple[str, ...]]]:
    known = {(_by(action), action["name"], tuple(sorted(action["arguments"]))) for action in gold_actions(task)}
    listed = USUAL_TOOLS if (task.get("initial_state") or {}).get("initialization_actions") else ()
    return sorted({*known, *listed, ("assistant", "calculate", ("expression",))})


USUAL_TOOLS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("assistant", "get_customer_by_phone", ("phone_number",)),
    ("assistant", "get_customer_by_id", ("customer_id",)),
    ("assistant", "get_details_by_id", ("id",)),
    ("assistant", "get_bills_for_customer", ("customer_id", "limit")),
    ("assistant", "get_data_usage", ("customer_id", "line_id")),
    ("assistant", "enable_roaming", ("customer_id", "line_id")),
    ("assistant", "disable_roaming", ("customer_id", "line_id")),
    ("assistant", "suspend_line", ("customer_id", "line_id")),
    ("assistant", "resume_line", ("customer_id", "line_id")),
    ("user", "check_status_bar", ()),
    ("user", "check_network_status", ()),
    ("user", "run_speed_test", ()),
    ("user", "toggle_airplane_mode", ()),
    ("user", "toggle_data", ()),
    ("user", "toggle_roaming", ()),
    ("user", "reboot_device", ()),
    ("user", "reseat_sim_card", ()),
    ("user", "check_app_status", ("app_name",)),
    ("user", "make_payment", ()),
    ("user", "check_payment_request", ()),
)
"""Of telecom, whose parties both act."""

SCRIPTS: dict[str, Callable[[Task], list[Move]]] = {
    made.__name__: made
    for made in (
        gold,
        gold_without_one,
        gold_untold,
        gold_at_once,
        gold_twice,
        nothing,
        wrong_arguments,
        errors,
        errors_below_limit,
        swapped_parties,
        transfer,
        out_of_scope,
        agent_stops,
        endless,
        stop_at_the_last_step,
        random_calls,
    )
}
