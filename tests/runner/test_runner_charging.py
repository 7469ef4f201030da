"""The runner's own pricing, which moves reservations to spending, says the same as the cost engine."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from harness.costs import cost_of
from harness.instants import to_us
from harness.models import parse_model
from harness.money import to_pico_ceiling
from harness.pricing.price_files import load_price_book
from harness.runner.pricer import Pricer
from harness.usage import read_usage

BOOK = load_price_book()


def _payload(draw: random.Random, size: int) -> dict[str, object]:
    prompt, reasoning, answer = draw.randrange(1, size), draw.choice([0, draw.randrange(1, 9000)]), draw.randrange(500)
    cached = draw.choice([0, 0, draw.randrange(prompt)])
    return {
        "prompt_tokens": prompt,
        "completion_tokens": reasoning + answer,
        "total_tokens": prompt + reasoning + answer,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


@pytest.mark.parametrize("name", ["openai/o1", "openai/gpt-5.4", "deepseek/deepseek-v4-pro", "openai/no-such-model"])
def test_remembered_rates_give_the_same_dollars_as_the_cost_engine(name: str) -> None:
    spec, draw = parse_model(name), random.Random(name)
    pricer = Pricer(BOOK, spec)
    moment = datetime(2026, 9, 1, 0, 59, 58, tzinfo=UTC)
    for step in range(400):
        at = moment + timedelta(milliseconds=20 * step)
        raw = _payload(draw, 400_000 if step % 10 == 0 else 3000)
        tier = draw.choice([None, None, "default", "flex"])
        facts, spent = pricer.settle(
            "openai.chat",
            raw,
            finished_at_us=to_us(at),
            service_tier=tier,
            model_served=draw.choice([None, spec.model]),
        )
        usage = read_usage("openai.chat", raw)
        cost = cost_of(BOOK, usage, provider=spec.provider, model=spec.model, at=at, service_tier=tier)
        assert spent.usd == cost.usd
        assert spent.charged_pico == (None if cost.usd is None else to_pico_ceiling(cost.usd))
        assert facts.output_tokens == raw["completion_tokens"]


def test_a_reservation_is_never_below_what_the_request_then_costs() -> None:
    draw = random.Random(1)
    for name in ("openai/o1", "openai/gpt-5.4", "deepseek/deepseek-v4-pro", "sim/reasoner"):
        spec = parse_model(name)
        pricer = Pricer(BOOK, spec)
        for _ in range(200):
            raw = _payload(draw, 400_000)
            started = datetime(2026, 9, 1, tzinfo=UTC) + timedelta(minutes=draw.randrange(10_000))
            reserved = pricer.reservation_pico(int(str(raw["prompt_tokens"])), 10_000, to_us(started))
            finished = started + timedelta(seconds=draw.randrange(3600))
            _, spent = pricer.settle(
                "openai.chat", raw, finished_at_us=to_us(finished), service_tier=None, model_served=None
            )
            assert reserved is not None
            assert spent.charged_pico is not None
            assert spent.charged_pico <= reserved


def test_an_answer_without_its_output_count_does_not_make_the_next_one_unpriced() -> None:
    pricer = Pricer(BOOK, parse_model("openai/o1"))
    at_us = to_us(datetime(2026, 9, 1, tzinfo=UTC))

    def charged(raw: dict[str, object]) -> int | None:
        _, spent = pricer.settle("openai.chat", raw, finished_at_us=at_us, service_tier=None, model_served=None)
        return spent.charged_pico

    assert charged({"prompt_tokens": 10}) is None
    assert charged({"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 10}) == 10 * 15_000_000
    assert charged({"prompt_tokens": 30, "completion_tokens": 0, "total_tokens": 30}) == 30 * 15_000_000
