"""Simulated models call tools and play users: as the reference says when they are able, always the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.workbench_samples import talk_row, tool_row
from harness.environments.environment import Caller, Scene, Turn
from harness.environments.workbench import open_workbench
from harness.errors import ProviderError
from harness.messages import Message, ToolCall, ToolSpec
from harness.models import ModelSpec, parse_model
from harness.providers.base import Provider, Request, Response
from harness.providers.openai_compatible import OpenAICompatibleProvider
from harness.providers.simulated import SimulatedProvider
from harness.simulation import MODELS, AnswerKey, Draw, epoch_and_try
from harness.simulation.server import SimulationServer
from harness.simulation.simulated_agents import ASKS, DONE, plan_of
from harness.simulation.simulated_answers import entry_of
from harness.simulation.simulated_conversations import message_tokens, tool_tokens
from harness.simulation.simulated_misconduct import FAN_OUT_CALLS, UNKNOWN_TOOL
from harness.simulation.simulated_scripts import script_of
from harness.suites.sample import Sample, sample_mark


def sample_of(row: dict[str, object], name: str) -> Sample:
    metadata: dict[str, object] = {one: row[one] for one in ("start", "scenario") if one in row}
    target = json.dumps(row["reference"])
    request = str(row["request"])
    return Sample(task=name, sample_id=str(row["id"]), input=request, target=target, metadata=metadata)


TALKS = [sample_of(talk_row(number), "talk") for number in range(20)]
TOOLS = [sample_of(tool_row(number), "tools") for number in range(20)]
KEY = AnswerKey.from_samples((sample, "environment") for sample in (*TALKS, *TOOLS))
Make = Callable[[str], Provider]


def in_process(model: str) -> Provider:
    return SimulatedProvider(parse_model(model), key=KEY)


@asynccontextmanager
async def over_http(*, stream: bool = False, log: Path | None = None) -> AsyncIterator[Make]:
    made: list[OpenAICompatibleProvider] = []
    async with SimulationServer(KEY, billing_log=log) as server:

        def make(model: str) -> Provider:
            spec = parse_model(http_name(model))
            made.append(OpenAICompatibleProvider(spec, base_url=server.url, concurrency=2, stream=stream))
            return made[-1]

        yield make
        for one in made:
            await one.aclose()


def http_name(model: str) -> str:
    name, _, setting = model.removeprefix("sim/").partition("@")
    return f"openai-compatible/sim-{name}" + (f"@{setting}" if setting else "")


@dataclass
class Talk:
    """A conversation that a test drives, and everything that was asked and answered in it."""

    sample: Sample
    make: Make = in_process
    model: str = "sim/reasoner"
    turns: list[Turn] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)
    ended: str = "max_turns"
    marked: bool = True

    def spec(self, name: str) -> ModelSpec:
        return parse_model(name if self.make is in_process else http_name(name))

    async def run(self, most: int = 60) -> Talk:
        world = open_workbench({"report_words": 5}, self.sample)
        scene = world.scene()
        providers = {"assistant": self.make(self.model), "user": self.make("sim/user")}
        heard = heard_at_first(self.sample, scene)
        by: Caller = "user" if scene.user_system else "assistant"
        while len(self.asked) < most:
            said = await self.ask(providers[by], by, heard[by], scene)
            heard[by].append(Message(role="assistant", content=said.text, tool_calls=said.tool_calls))
            results = tuple(world.call(call, by=by) for call in said.tool_calls)
            for call, result in zip(said.tool_calls, results, strict=True):
                heard[by].append(Message(role="tool", content=result.text, tool_call_id=call.call_id))
            turn = Turn(by=by, text=said.text, calls=said.tool_calls, results=results)
            self.turns.append(turn)
            if ended := world.ended(turn) or ("answered" if not said.tool_calls and not scene.user_system else None):
                self.ended = ended
                break
            if not said.tool_calls:
                by = "assistant" if by == "user" else "user"
                heard[by].append(Message(role="user", content=said.text))
        self.world = world
        return self

    async def ask(self, provider: Provider, by: Caller, heard: Sequence[Message], scene: Scene) -> Response:
        mark = f".s{sample_mark(self.sample.task, self.sample.sample_id)}" if self.marked else ""
        request = Request(
            request_id=f"r.c1.p1{mark}.e0.n{len(self.asked)}{'.user' if by == 'user' else ''}.t1",
            model=self.spec("sim/user" if by == "user" else self.model),
            messages=tuple(heard),
            tools=scene.user_tools if by == "user" else scene.tools,
        )
        self.asked.append(request)
        self.answers.append(await provider.send(provider.prepare(request), timeout_s=10))
        return self.answers[-1]

    @property
    def solved(self) -> bool:
        return self.world.verdict(self.turns, ended=self.ended).value == 1

    def said(self) -> list[tuple[object, ...]]:
        return [(one.text, one.tool_calls, one.finish_reason, one.raw_usage) for one in self.answers]


def heard_at_first(sample: Sample, scene: Scene) -> dict[Caller, list[Message]]:
    if scene.opening is None or scene.user_system is None:
        return {"assistant": [Message(role="user", content=sample.input)], "user": []}
    return {
        "assistant": [Message(role="assistant", content=scene.opening)],
        "user": [Message(role="system", content=scene.user_system), Message(role="user", content=scene.opening)],
    }


async def again(talk: Talk, place: int, **changed: object) -> Response:
    request = replace(talk.asked[place], **changed)  # type: ignore[arg-type]
    provider = talk.make(request.model.name if talk.make is not in_process else f"sim/{request.model.model}")
    return await provider.send(provider.prepare(request), timeout_s=10)


def usage_of(response: Response) -> tuple[int, int, int]:
    usage = response.raw_usage
    assert usage is not None
    details = usage["prompt_tokens_details"]
    assert isinstance(details, dict)
    return int(str(usage["prompt_tokens"])), int(details["cached_tokens"]), int(str(usage["completion_tokens"]))


async def talks(model: str, samples: Sequence[Sample], make: Make = in_process) -> list[Talk]:
    return [await Talk(sample, make, model).run() for sample in samples]


def meant_right(model: str, sample: Sample) -> bool:
    found = script_of(sample, entry_of(sample, "environment"))
    assert found is not None
    spec = parse_model(model)
    draw = Draw(seed=0, model=MODELS[spec.model], effort=spec.setting or "medium")  # type: ignore[arg-type]
    return plan_of(found[0], draw).outcome == "right"


@pytest.mark.parametrize("model", ["sim/reasoner@high", "sim/reasoner@low", "sim/direct"])
async def test_a_sample_is_solved_exactly_when_the_model_was_able_to(model: str) -> None:
    for samples in (TALKS, TOOLS):
        for talk in await talks(model, samples):
            assert talk.solved == meant_right(model, talk.sample)
            assert talk.ended in ("answered", "user_stop")


async def test_a_model_that_is_able_to_more_solves_more_and_every_way_to_err_occurs() -> None:
    samples = [replace(one, task=f"{one.task}{copy}") for copy in range(15) for one in TALKS]
    right = {
        model: sum(meant_right(model, sample) for sample in samples)
        for model in ("sim/reasoner@high", "sim/reasoner@medium", "sim/reasoner@low", "sim/direct")
    }
    assert list(right.values()) == sorted(right.values(), reverse=True)
    assert right["sim/reasoner@high"] > 1.3 * right["sim/direct"] > 0


@pytest.mark.parametrize("stream", [False, True])
async def test_the_same_conversation_in_this_process_and_over_http(stream: bool) -> None:
    async with over_http(stream=stream) as make:
        for model in ("sim/reasoner@low", "sim/direct", "sim/fanout", "sim/garbler"):
            for sample in (TALKS[3], TOOLS[4]):
                here, there = Talk(sample, in_process, model), Talk(sample, make, model)
                await asyncio.gather(here.run(12), there.run(12))
                assert here.said() == there.said()


async def test_a_turn_that_is_asked_again_is_answered_the_same_whatever_the_try_and_the_run() -> None:
    talk = await Talk(TALKS[5]).run()
    for place, answer in enumerate(talk.answers):
        name = talk.asked[place].request_id.removesuffix("t1").replace("r.c1.p1", "other.c9.p9") + "t7"
        repeated = await again(talk, place, request_id=name)
        assert (repeated.text, repeated.tool_calls, repeated.raw_usage) == (
            answer.text,
            answer.tool_calls,
            answer.raw_usage,
        )


async def test_what_a_call_is_named_by_changes_nothing_about_the_next_turn() -> None:
    """Client libraries make up ids, at random, for calls that came without one."""
    talk = await Talk(TOOLS[5]).run()
    names = {call.call_id: f"other-{call.call_id[::-1]}" for turn in talk.turns for call in turn.calls}
    assert names
    for place, answer in enumerate(talk.answers):
        renamed = tuple(
            replace(
                one,
                tool_calls=tuple(replace(call, call_id=names[call.call_id]) for call in one.tool_calls),
                tool_call_id=names.get(one.tool_call_id or ""),
            )
            for one in talk.asked[place].messages
        )
        repeated = await again(talk, place, messages=renamed)
        assert (repeated.text, repeated.tool_calls, repeated.raw_usage) == (
            answer.text,
            answer.tool_calls,
            answer.raw_usage,
        )


async def test_the_cache_holds_what_the_party_sent_before_and_the_share_grows() -> None:
    talk = await Talk(TOOLS[5], model="sim/direct").run()
    usages = [usage_of(one) for one in talk.answers]
    assert len(usages) > 3
    for (before, *_), (prompt, cached, _) in pairwise(usages):
        assert cached == before // 64 * 64 < prompt
    shares = [cached / prompt for prompt, cached, _ in usages]
    assert shares[-1] > shares[0]


async def test_tools_and_calls_count_as_input_and_calls_as_output() -> None:
    talk = await Talk(TOOLS[5], model="sim/direct").run()
    for request, answer in zip(talk.asked, talk.answers, strict=True):
        prompt, _, completion = usage_of(answer)
        assert prompt == 3 + sum(map(message_tokens, request.messages)) + sum(map(tool_tokens, request.tools))
        assert (
            completion
            == message_tokens(Message(role="assistant", content=answer.text, tool_calls=answer.tool_calls)) - 4
        )


async def test_a_user_does_what_it_is_asked_tells_the_result_and_ends() -> None:
    talk = await Talk(TALKS[2], model="sim/reasoner@high").run()
    users = [turn for turn in talk.turns if turn.by == "user"]
    assert f"case is {sample_mark('talk', TALKS[2].sample_id)}." in users[0].text
    for before, turn in pairwise(talk.turns):
        if before.by == "assistant" and before.text.startswith(ASKS.partition("{")[0]):
            assert turn.by == "user"
            assert turn.calls
    assert users[-1].text.endswith("###STOP###")
    assert any(DONE in turn.text for turn in talk.turns if turn.by == "assistant")


@pytest.mark.parametrize("model", ["sim/reasoner@low", "sim/direct", "sim/flaky"])
async def test_any_model_plays_a_user_where_the_request_says_so(model: str) -> None:
    talk = await Talk(TALKS[2], model="sim/reasoner@high").run()
    for place, request in enumerate(talk.asked):
        if ".user." in request.request_id:
            spec = parse_model(model)
            for number in range(1, 20):
                asked = replace(request, model=spec, request_id=f"{request.request_id.removesuffix('1')}{number}")
                provider = in_process(model)
                try:
                    said = await provider.send(provider.prepare(asked), timeout_s=1)
                except ProviderError:
                    continue
                if said.finish_reason != "length":
                    break
            assert (said.text, said.tool_calls) == (talk.answers[place].text, talk.answers[place].tool_calls)


async def test_samples_that_share_every_word_are_told_apart_by_the_mark_of_their_requests() -> None:
    """A benchmark may give the same scenario to tasks whose worlds differ."""
    twins = [
        replace(TALKS[0], sample_id=name, target=json.dumps({"calls": [{"name": name, "arguments": {}}]}))
        for name in ("one", "two")
    ]
    key = AnswerKey.from_samples((twin, "environment") for twin in twins)
    provider = SimulatedProvider(parse_model("sim/reasoner@high"), key=key)
    tools = tuple(ToolSpec(name=name, description="", parameters={}) for name in ("one", "two"))
    asked = Request(
        request_id="",
        model=parse_model("sim/reasoner@high"),
        messages=(Message(role="user", content=TALKS[0].input),),
        tools=tools,
    )
    for twin in twins:
        marked = replace(asked, request_id=f"r.c1.p1.s{sample_mark('talk', twin.sample_id)}.e0.n0.t1")
        assert provider.prepare(marked).payload[1].script.gold.calls[0].name == twin.sample_id
    unmarked = provider.prepare(replace(asked, request_id="r.c1.p1.e0.n0.t1"))
    assert unmarked.payload[1].script is None
    case = Message(role="user", content=f"Hello. My case is {sample_mark('talk', 'two')}.")
    told = provider.prepare(replace(asked, request_id="", messages=(case,)))
    assert told.payload[1].script.gold.calls[0].name == "two"


async def test_without_marks_a_scenario_that_is_the_only_one_of_its_kind_is_enough() -> None:
    talk = await Talk(TALKS[7], model="sim/reasoner@high", marked=False).run()
    assert talk.solved == meant_right("sim/reasoner@high", TALKS[7])


async def test_a_cut_message_holds_no_call_and_uses_all_of_the_cap() -> None:
    talk = await Talk(TOOLS[5]).run(1)
    cut = await again(talk, 0, max_output_tokens=3)
    assert (cut.finish_reason, cut.tool_calls, usage_of(cut)[2]) == ("length", (), 3)


async def test_a_looper_makes_the_same_call_for_ever() -> None:
    talk = await Talk(TOOLS[1], model="sim/looper").run(25)
    calls = [call for turn in talk.turns for call in turn.calls]
    assert len(calls) == 25
    assert len({(call.name, call.arguments) for call in calls}) == 1
    assert len({call.call_id for call in calls}) == 25


async def test_a_fan_out_is_64_calls_in_one_message() -> None:
    talk = await Talk(TOOLS[1], model="sim/fanout").run()
    counts = [len(turn.calls) for turn in talk.turns]
    assert counts[0] == FAN_OUT_CALLS == 64
    assert set(counts) == {64, 0}
    assert len({call.call_id for call in talk.turns[0].calls}) == 64


def is_object(call: ToolCall) -> bool:
    try:
        return isinstance(json.loads(call.arguments), dict)
    except ValueError:
        return False


async def test_a_garbler_spoils_calls_in_every_way_and_still_comes_to_an_end() -> None:
    found = await talks("sim/garbler", [*TALKS, *TOOLS])
    messages = [turn.calls for talk in found for turn in talk.turns if turn.by == "assistant" and turn.calls]
    assert all(talk.ended in ("answered", "user_stop") for talk in found)
    assert any(not is_object(call) and call.arguments.endswith(",") for calls in messages for call in calls)
    assert any(not is_object(call) and call.arguments.startswith("[") for calls in messages for call in calls)
    assert any(call.name == UNKNOWN_TOOL for calls in messages for call in calls)
    assert any(call.call_id == "call_0" for calls in messages for call in calls)
    assert any(len({call.call_id for call in calls}) < len(calls) for calls in messages)
    spoilt = sum(not all(is_object(call) and call.name != UNKNOWN_TOOL for call in calls) for calls in messages)
    assert 0.35 < spoilt / len(messages) < 0.65


async def test_a_garbler_calls_tools_where_none_are_offered() -> None:
    provider = in_process("sim/garbler")
    asked = [
        Request(
            request_id="r.e0.t1", model=parse_model("sim/garbler"), messages=(Message(role="user", content=f"{n}?"),)
        )
        for n in range(60)
    ]
    answers = [await provider.send(provider.prepare(one), timeout_s=1) for one in asked]
    assert 15 < sum(bool(one.tool_calls) for one in answers) < 45
    assert all(one.tool_calls or one.text for one in answers)


async def test_flaky_fails_in_every_turn_at_its_rates_and_a_retry_gets_the_turn() -> None:
    talk = await Talk(TALKS[5]).run()
    failed = 0
    for place in range(len(talk.asked)):
        for number in range(1, 61):
            name = talk.asked[place].request_id.removesuffix("1") + str(number)
            try:
                await again(talk, place, request_id=name, model=parse_model("sim/flaky"))
            except ProviderError:
                failed += 1
    share = failed / (60 * len(talk.asked))
    assert 0.25 < share < 0.35  # 0.30 of the tries get no answer at all


@pytest.mark.parametrize(
    ("request_id", "found"),
    [
        ("r.c1.p2.e3.t4", (3, 4)),
        ("r.c1.p2.e3.n17.t4", (3, 4)),
        ("r.c1.p2.s0123456789ab.e3.n0.user.t12", (3, 12)),
        ("r.c1.p2.e3.user.t4", (0, 0)),
    ],
)
def test_epoch_and_try_are_read_from_the_ids_of_turns(request_id: str, found: tuple[int, int]) -> None:
    assert epoch_and_try(request_id) == found
