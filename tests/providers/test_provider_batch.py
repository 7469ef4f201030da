"""Batch interfaces: one result a line in any order, failed and expired lines named, all found after a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from harness.errors import ErrorClass, InputError, ProviderError
from harness.messages import ImagePart, Message
from harness.models import ModelSpec, parse_model
from harness.providers import make_batch_provider
from harness.providers.base import Request, Response
from harness.providers.batch_api.batch_results import BatchResult
from harness.providers.batch_api.batches import (
    BatchHandle,
    BatchLine,
    BatchProvider,
    BatchSearch,
    SoughtBatch,
    new_key,
)
from harness.providers.endpoints import Endpoint
from tests.support.loopback import ANTHROPIC_ANSWER, CHAT_ANSWER, RESPONSES_ANSWER
from tests.support.loopback_batches import Batches, serve_batches

OPENAI, RESPONSES = parse_model("openai/gpt-4o"), parse_model("openai/o1-pro")
CLAUDE = parse_model("anthropic/claude-3-7-sonnet-20250219@thinking=2000")
USAGE = {
    OPENAI: ("openai.chat", CHAT_ANSWER["usage"]),
    RESPONSES: ("openai.responses", RESPONSES_ANSWER["usage"]),
    CLAUDE: ("anthropic.messages", ANTHROPIC_ANSWER["usage"]),
}


@pytest.fixture
async def books() -> AsyncIterator[Batches]:
    async with serve_batches(Batches()) as served:
        yield served


def provider_for(spec: ModelSpec, books: Batches) -> BatchProvider:
    return make_batch_provider(spec, Endpoint(url=books.url + ("/v1" if spec.provider == "openai" else "")))


def lines_for(provider: BatchProvider, spec: ModelSpec, count: int) -> list[BatchLine]:
    messages = (Message(role="system", content="Be brief."), Message(role="user", content="2+2?"))
    return [
        BatchLine(
            custom_id=f"a{number}",
            prepared=provider.prepare(
                Request(request_id=f"r{number}", model=spec, messages=messages, max_output_tokens=4000)
            ),
        )
        for number in range(count)
    ]


async def collected(provider: BatchProvider, handle: BatchHandle) -> list[BatchResult]:
    return [result async for result in provider.collect(handle) if isinstance(result, BatchResult)]


@pytest.mark.parametrize("spec", [OPENAI, RESPONSES, CLAUDE], ids=str)
async def test_results_are_joined_by_custom_id_in_any_order(books: Batches, spec: ModelSpec) -> None:
    provider = provider_for(spec, books)
    handle = await provider.submit(lines_for(provider, spec, 50), key="run-1")
    assert (await provider.poll(handle)).status == "in_progress"
    books.finished = True
    assert (await provider.poll(handle)).status == "ended"
    results = await collected(provider, handle)
    await provider.aclose()
    ids = [result.custom_id for result in results]
    assert sorted(ids) == sorted(f"a{number}" for number in range(50))
    assert ids != [f"a{number}" for number in range(50)]
    for result in results:
        assert isinstance(result.outcome, Response)
        assert (result.outcome.usage_kind, result.outcome.raw_usage) == USAGE[spec]
        assert (result.outcome.text, result.outcome.reasoning_text) == ("The answer is 4.", "2 and 2")


@pytest.mark.parametrize(
    ("spec", "failed_as"), [(OPENAI, ErrorClass.CONTENT_FILTER), (CLAUDE, ErrorClass.CONTEXT_TOO_LONG)], ids=str
)
async def test_failed_and_expired_lines_are_named_and_the_others_kept(
    books: Batches, spec: ModelSpec, failed_as: ErrorClass
) -> None:
    provider = provider_for(spec, books)
    handle = await provider.submit(lines_for(provider, spec, 10), key="run-1")
    books.fails, books.expires, books.finished = {"a3"}, {"a7"}, True
    results = {result.custom_id: result.outcome for result in await collected(provider, handle)}
    await provider.aclose()
    failed, expired = results["a3"], results["a7"]
    assert isinstance(failed, ProviderError)
    assert failed.error_class is failed_as
    assert isinstance(expired, ProviderError)
    assert (expired.error_class, expired.billed) == (ErrorClass.TIMEOUT, "no")
    assert sum(isinstance(outcome, Response) for outcome in results.values()) == 8


@pytest.mark.parametrize("spec", [OPENAI, CLAUDE], ids=str)
async def test_a_batch_survives_a_restart_of_both_sides(spec: ModelSpec) -> None:
    books = Batches()
    async with serve_batches(books):
        first = provider_for(spec, books)
        stored = (await first.submit(lines_for(first, spec, 20), key="run-1")).as_json()
        await first.aclose()
    books.finished = True
    async with serve_batches(books):
        second = provider_for(spec, books)
        handle = BatchHandle.from_json(stored)
        assert (await second.poll(handle)).n_done == 20
        assert len(await collected(second, handle)) == 20
        await second.aclose()
    assert len(books.batches) == 1


@pytest.mark.parametrize("spec", [OPENAI, CLAUDE], ids=str)
async def test_a_process_killed_before_it_stored_the_handle_finds_its_batch(books: Batches, spec: ModelSpec) -> None:
    provider = provider_for(spec, books)
    sought, other = _sought(new_key()), _sought(new_key())
    assert provider.finds(sought.key)
    assert await provider.find(sought) == BatchSearch()
    handle = await provider.submit(lines_for(provider, spec, 3), key=sought.key)
    books.finished = True
    assert (await provider.find(sought)).handle == handle
    assert await provider.find(other) == BatchSearch()
    await provider.aclose()


async def test_anthropics_batch_cannot_be_told_from_others_before_it_has_ended(books: Batches) -> None:
    provider = provider_for(CLAUDE, books)
    sought = _sought(new_key())
    await provider.submit(lines_for(provider, CLAUDE, 3), key=sought.key)
    assert await provider.find(sought) == BatchSearch(is_open=True)
    assert await provider.find(replace(sought, n_lines=4)) == BatchSearch()
    later = replace(sought, since=datetime.now(UTC) + timedelta(days=1))
    assert await provider.find(later) == BatchSearch()
    await provider.aclose()


def test_a_batch_that_version_0_1_handed_to_anthropic_cannot_be_found(books: Batches) -> None:
    assert not provider_for(CLAUDE, books).finds("0123456789abcdef0123456789abcdef")


def _sought(key: str) -> SoughtBatch:
    return SoughtBatch(key=key, n_lines=3, since=datetime.now(UTC))


async def test_lines_carry_what_was_prepared(books: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret-000001")
    provider = provider_for(CLAUDE, books)
    lines = lines_for(provider, CLAUDE, 1)
    await provider.submit(lines, key="k")
    await provider.aclose()
    (sent,) = books.batches["msgbatch_0"]["lines"]
    assert sent["params"] == {
        "model": "claude-3-7-sonnet-20250219",
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "2+2?"}],
        "max_tokens": 4000,
        "thinking": {"type": "enabled", "budget_tokens": 2000},
    }
    assert books.seen[0][2]["x-api-key"] == "sk-ant-secret-000001"
    assert "secret" not in repr(lines)


async def test_an_image_travels_in_anthropics_form(books: Batches) -> None:
    provider = provider_for(CLAUDE, books)
    content = ("what?", ImagePart(media_type="image/png", data=b"\x89PNG"))
    request = Request(
        request_id="r", model=CLAUDE, messages=(Message(role="user", content=content),), max_output_tokens=4000
    )
    assert provider.prepare(request).payload["messages"][0]["content"] == [
        {"type": "text", "text": "what?"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}},
    ]


@pytest.mark.parametrize("custom_id", ["run.1.2.e0.t0", "", "x" * 65])
async def test_an_id_that_a_provider_would_refuse_is_refused_here(books: Batches, custom_id: str) -> None:
    provider = provider_for(OPENAI, books)
    line = BatchLine(custom_id=custom_id, prepared=lines_for(provider, OPENAI, 1)[0].prepared)
    with pytest.raises(InputError):
        await provider.submit([line], key="k")
    with pytest.raises(InputError):
        await provider.submit(lines_for(provider, OPENAI, 1) * 2, key="k")
    await provider.aclose()
    assert books.seen == []


async def test_an_unknown_batch_is_a_failure_with_a_class(books: Batches) -> None:
    provider = provider_for(OPENAI, books)
    with pytest.raises(ProviderError) as caught:
        await provider.poll(BatchHandle(provider="openai", batch_id="batch_gone", n_lines=1))
    await provider.aclose()
    assert caught.value.error_class is ErrorClass.NOT_FOUND


def test_a_provider_without_batches_is_refused() -> None:
    with pytest.raises(InputError, match="no batch interface"):
        make_batch_provider(parse_model("xai/grok-4"), Endpoint())


def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(InputError, match="ANTHROPIC_API_KEY"):
        make_batch_provider(CLAUDE, Endpoint())
