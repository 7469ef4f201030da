"""The package's own run: its Orchestrator with a scripted agent and user, its environment, its grading.

A program: the first line on stdin names domain and scripts, each task is a line on stdout. Nothing of ours is used but
the scripts, and nothing of the package is changed.
"""

from __future__ import annotations

import gc
import json
import sys
from typing import Any

from loguru import logger

from benchmarks.tau2.scripts import SCRIPTS, Move, Script

logger.disable("tau2")

from tau2.agent.llm_agent import LLMAgent  # noqa: E402
from tau2.data_model.message import AssistantMessage, ToolCall, ToolMessage, UserMessage  # noqa: E402
from tau2.data_model.tasks import Task  # noqa: E402
from tau2.evaluator.evaluator import EvaluationType, evaluate_simulation  # noqa: E402
from tau2.orchestrator.orchestrator import Orchestrator  # noqa: E402
from tau2.registry import registry  # noqa: E402
from tau2.user.user_simulator import UserSimulator  # noqa: E402

MAX_STEPS = 100


def _message(kind: Any, move: Move, number: int) -> Any:
    calls = [
        ToolCall(id=f"{number}.{place}", name=name, arguments=arguments, requestor=move.by)
        for place, (name, arguments) in enumerate(move.calls)
    ]
    return kind(role=move.by, content=move.text or None, tool_calls=calls or None, cost=0.0)


class _Agent(LLMAgent):
    script: Script
    said = 0

    def generate_next_message(self, message: Any, state: Any) -> Any:  # noqa: ARG002
        self.said += 1
        return _message(AssistantMessage, self.script.next_move("assistant"), self.said), state


class _User(UserSimulator):
    script: Script
    said = 0

    def generate_next_message(self, message: Any, state: Any) -> Any:  # noqa: ARG002
        self.said += 1
        return _message(UserMessage, self.script.next_move("user"), 1000 + self.said), state


def play(domain: str, row: dict[str, Any], moves: list[Move]) -> dict[str, Any]:
    """Run one script on one task; what the package raises is a result too."""
    task = Task.model_validate(row)
    environment = registry.get_env_constructor(domain)()
    user_tools = environment.get_user_tools() if environment.user_tools is not None else None
    agent = _Agent(tools=environment.get_tools(), domain_policy=environment.get_policy())
    user = _User(tools=user_tools, instructions=str(task.user_scenario))
    agent.script = user.script = Script(moves)
    orchestrator = Orchestrator(domain, agent, user, environment, task, max_steps=MAX_STEPS)
    played: dict[str, Any] = {"prompts": [agent.system_prompt, user.system_prompt]}
    played["tools"] = [[tool.openai_schema["function"] for tool in tools or []] for tools in (agent.tools, user_tools)]
    try:
        run = orchestrator.run()
        results = [[m.content or "", m.error] for m in run.messages if isinstance(m, ToolMessage)]
        played |= {"opening": run.messages[0].content, "ended": run.termination_reason.value, "results": results}
        reward = evaluate_simulation(run, task, EvaluationType.ALL, False, domain)
    except Exception as error:  # noqa: BLE001 - whatever it raises is compared
        return {**played, "raised": f"{type(error).__name__}: {error}"}
    parts = {basis.value.lower(): value for basis, value in (reward.reward_breakdown or {}).items()}
    return {**played, "reward": reward.reward, "parts": parts}


def main() -> None:
    gc.set_threshold(100_000, 20, 50)
    asked = json.loads(sys.stdin.readline())
    domain = asked["domain"]
    for task in registry.get_tasks_loader(domain)("base"):
        row = task.model_dump(mode="json")
        if asked["tasks"] is None or task.id in asked["tasks"]:
            played = {name: play(domain, row, SCRIPTS[name](row)) for name in asked["scripts"]}
            sys.stdout.write(json.dumps({"id": task.id, "played": played}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
