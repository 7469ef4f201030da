"""Mutated usage payloads through every reader and the price book: no crash, no negative charge, no silent zero.

Data flows recorded-shaped seeds -> seeded mutations -> `read_usage` -> `cost_of` -> `violations`. Run as
`python -m benchmarks.fuzz_usage --n 200000`; the exit code is 1 when anything was violated.
"""

from __future__ import annotations

import argparse
import copy
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from harness.costs import Cost, cost_of
from harness.money import add
from harness.pricing import PriceBook
from harness.pricing.price_files import load_price_book
from harness.usage import READERS, Usage, meters, read_usage

AT = datetime(2026, 2, 1, 12, tzinfo=UTC)

SEEDS: dict[str, tuple[tuple[str, str], dict[str, Any]]] = {
    "openai.chat": (
        ("openai", "gpt-5"),
        {
            "prompt_tokens": 3072,
            "completion_tokens": 1900,
            "total_tokens": 4972,
            "prompt_tokens_details": {"cached_tokens": 2048, "audio_tokens": 0, "cache_write_tokens": 100},
            "completion_tokens_details": {"reasoning_tokens": 1600, "audio_tokens": 0, "rejected_prediction_tokens": 0},
        },
    ),
    "openai.responses": (
        ("openai", "gpt-5"),
        {
            "input_tokens": 9703,
            "input_tokens_details": {"cached_tokens": 8576},
            "output_tokens": 638,
            "output_tokens_details": {"reasoning_tokens": 576},
            "total_tokens": 10341,
        },
    ),
    "anthropic.messages": (
        ("anthropic", "claude-sonnet-4-5-20250929"),
        {
            "input_tokens": 180,
            "output_tokens": 8,
            "cache_creation_input_tokens": 40,
            "cache_read_input_tokens": 500,
            "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 10},
            "output_tokens_details": {"thinking_tokens": 4},
            "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
            "service_tier": "standard",
            "inference_geo": "global",
            "speed": "standard",
            "iterations": [
                {"type": "compaction", "input_tokens": 100, "output_tokens": 82, "cache_creation_input_tokens": 55096},
                {
                    "type": "message",
                    "input_tokens": 180,
                    "output_tokens": 8,
                    "cache_creation_input_tokens": 40,
                    "cache_read_input_tokens": 500,
                },
                {
                    "type": "advisor_message",
                    "model": "claude-opus-4-5-20251101",
                    "input_tokens": 2518,
                    "output_tokens": 22,
                },
            ],
        },
    ),
    "gemini.usageMetadata": (
        ("google", "gemini-2.5-flash"),
        {
            "promptTokenCount": 294,
            "candidatesTokenCount": 230,
            "thoughtsTokenCount": 158,
            "toolUsePromptTokenCount": 605,
            "cachedContentTokenCount": 120,
            "totalTokenCount": 1287,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 200}, {"modality": "AUDIO", "tokenCount": 94}],
            "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 20}],
            "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 230}],
        },
    ),
    "gemini.interactions": (
        ("google", "gemini-2.5-flash"),
        {
            "total_input_tokens": 1000,
            "total_output_tokens": 500,
            "total_thought_tokens": 90,
            "total_cached_tokens": 400,
            "total_tool_use_tokens": 200,
            "total_tokens": 1790,
            "input_tokens_by_modality": [{"modality": "text", "tokens": 906}, {"modality": "audio", "tokens": 94}],
            "cached_tokens_by_modality": [{"modality": "text", "tokens": 400}],
            "grounding_tool_count": [{"type": "google_search", "count": 2}],
        },
    ),
    "deepseek.chat": (
        ("deepseek", "deepseek-chat"),
        {
            "prompt_tokens": 3000,
            "prompt_cache_hit_tokens": 1000,
            "prompt_cache_miss_tokens": 2000,
            "completion_tokens": 4000,
            "total_tokens": 7000,
            "completion_tokens_details": {"reasoning_tokens": 3500},
        },
    ),
    "xai.chat": (
        ("xai", "grok-4-0709"),
        {
            "prompt_tokens": 10120,
            "completion_tokens": 1499,
            "total_tokens": 14428,
            "prompt_tokens_details": {"cached_tokens": 128},
            "completion_tokens_details": {"reasoning_tokens": 2809},
            "server_side_tool_usage_details": {"web_search_calls": 1},
        },
    ),
    "openrouter.chat": (
        ("openrouter", "anthropic/claude-3.7-sonnet"),
        {
            "prompt_tokens": 3329,
            "completion_tokens": 53,
            "total_tokens": 3382,
            "prompt_tokens_details": {"cache_write_tokens": 115, "cached_tokens": 3211},
            "completion_tokens_details": {"reasoning_tokens": 20},
            "cost": Decimal("0.00219855"),
            "cost_details": {"upstream_inference_cost": Decimal("0.00219855")},
            "is_byok": False,
        },
    ),
    "mistral.chat": (
        ("mistral", "mistral-large-latest"),
        {"prompt_tokens": 70, "completion_tokens": 12, "total_tokens": 82, "num_cached_tokens": 69},
    ),
    "groq.chat": (
        ("groq", "openai/gpt-oss-120b"),
        {
            "prompt_tokens": 336,
            "completion_tokens": 96,
            "total_tokens": 432,
            "prompt_tokens_details": {"cached_tokens": 256},
            "completion_tokens_details": {"reasoning_tokens": 59},
        },
    ),
    "together.chat": (
        ("together", "deepseek-ai/DeepSeek-R1"),
        {"prompt_tokens": 10, "completion_tokens": 995, "total_tokens": 1005, "cached_tokens": 0},
    ),
    "fireworks.chat": (
        ("together", "deepseek-ai/DeepSeek-R1"),
        {"prompt_tokens": 10, "completion_tokens": 995, "total_tokens": 1005, "prompt_tokens_details": None},
    ),
    "bedrock.converse": (
        ("anthropic", "claude-sonnet-4-5-20250929"),
        {
            "inputTokens": 3,
            "outputTokens": 61,
            "totalTokens": 2435,
            "cacheReadInputTokens": 2074,
            "cacheWriteInputTokens": 297,
            "cacheDetails": [{"inputTokens": 297, "ttl": "5m"}],
        },
    ),
    "cohere.v2": (
        ("cohere", "command-r-plus-08-2024"),
        {
            "billed_units": {"input_tokens": 431, "output_tokens": 661},
            "tokens": {"input_tokens": 2190, "output_tokens": 1257},
        },
    ),
    "perplexity.chat": (
        ("perplexity", "sonar-deep-research"),
        {
            "prompt_tokens": 33,
            "completion_tokens": 7163,
            "total_tokens": 7196,
            "citation_tokens": 20016,
            "reasoning_tokens": 73997,
            "num_search_queries": 18,
        },
    ),
    "ollama.native": (("openai", "gpt-5"), {"prompt_eval_count": 26, "eval_count": 298, "eval_duration": 4535599000}),
    "image.count": (("bfl", "flux-kontext-pro"), {"images": 3}),
    "litellm.usage": (
        ("openai", "gpt-5"),
        {
            "prompt_tokens": 9614,
            "completion_tokens": 1944,
            "total_tokens": 11558,
            "prompt_tokens_details": {
                "cached_tokens": 9511,
                "cache_creation_tokens": 100,
                "cache_creation_token_details": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40},
            },
            "completion_tokens_details": {"reasoning_tokens": 900, "text_tokens": 1044},
        },
    ),
}
"""One payload of each kind, with a model that is priced: a wrong count must not come out as a cheap answer.

Kinds whose own models cost nothing (Ollama) or have no row are priced as another model here.
"""

WRONG: tuple[Any, ...] = (
    None,
    -1,
    -(10**9),
    0,
    1,
    7,
    10**6,
    10**15,
    10**15 + 1,
    10**30,
    2**63,
    10**4000,
    True,
    False,
    "",
    "12",
    "NaN",
    "-3",
    1.5,
    12.0,
    float("nan"),
    float("inf"),
    float("-inf"),
    Decimal("3.0"),
    Decimal("0.1"),
    Decimal("NaN"),
    Decimal("-Infinity"),
    Decimal("1e999999"),
    Decimal("1e-999999"),
    [],
    [1, 2],
    [None],
    [[{}]],
    {},
    {"tokens": 5},
    {"cached_tokens": {"cached_tokens": -4}},
    "\ud800",
    "\x00" * 3,
    b"12",
)


@dataclass(slots=True)
class Tally:
    """What happened to the mutated payloads."""

    outcomes: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


def mutate(random_numbers: random.Random, seed: Mapping[str, Any]) -> Any:
    """Change one to four places of a payload: wrong values, missing, renamed, duplicated and nested fields."""
    payload: Any = copy.deepcopy(dict(seed))
    for _ in range(random_numbers.choice((1, 1, 1, 2, 2, 3, 4))):
        places = list(_places(payload))
        if not places:
            return random_numbers.choice(WRONG)
        holder, key = random_numbers.choice(places)
        _change(random_numbers, holder, key)
    return payload if random_numbers.random() > 0.005 else random_numbers.choice(WRONG)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a nested payload."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _places(inner)


def _change(random_numbers: random.Random, holder: Any, key: Any) -> None:
    action = random_numbers.randrange(6)
    if action == 0:
        del holder[key]
    elif action == 1 and isinstance(holder[key], int):
        holder[key] = max(0, holder[key] + random_numbers.choice((-1, 1, 10, -(10**4), 10**7)))
    elif action == 2:
        holder[key] = {"value": holder[key]}
    elif action == 3 and isinstance(holder, dict):
        holder[random_numbers.choice(("unknown", 5, "cost", "total_tokens"))] = holder.pop(key)
    else:
        holder[key] = copy.deepcopy(random_numbers.choice(WRONG))


def violations(raw: Any, usage: Usage, cost: Cost) -> Iterator[str]:
    """List what must never be: negative quantities, charges that do not add up, a zero that nobody stated."""
    quantities = meters(usage)
    if any(quantity < 0 for quantity in quantities.values()):
        yield f"negative meter {quantities}"
    if any(line.usd < 0 or line.quantity < 0 for line in cost.lines):
        yield f"negative charge {cost.lines}"
    tokens = sum(quantity for meter, quantity in quantities.items() if meter not in usage.fees)
    if not usage.is_missing and tokens != (usage.input_tokens or 0) + (usage.output_tokens or 0):
        yield f"meters hold {tokens} tokens, usage {usage.input_tokens} + {usage.output_tokens}"
    if usage.is_missing and not usage.flags:
        yield "unknown totals without a flag"
    if usage.is_missing and cost.list_usd is not None:
        yield f"unknown totals priced at {cost.list_usd}"
    if cost.list_usd is not None and cost.list_usd != add(line.usd for line in cost.lines):
        yield f"lines do not sum to {cost.list_usd}"
    if cost.usd is not None and cost.usd < 0:
        yield f"negative cost {cost.usd}"
    if cost.list_usd == 0 and not usage.flags and raw:
        yield "a zero without a flag"
    if cost.usd == 0 and usage.stated_cost_usd is None and not usage.flags:
        yield "a zero that nobody stated"


def check(tally: Tally, book: PriceBook, kind: str, raw: Any) -> None:
    """Read and price one payload, and note what it led to."""
    (provider, model), _ = SEEDS[kind]
    try:
        usage = read_usage(kind, raw)
        cost = cost_of(book, usage, provider=provider, model=model, at=AT)
        found = list(violations(raw, usage, cost))
    except Exception as error:  # noqa: BLE001 - a crash of any kind is what this looks for
        found = [f"{type(error).__name__}: {error}"]
        tally.outcomes["crash"] += 1
    else:
        state = "unknown" if usage.is_missing else "flagged" if usage.flags else "clean"
        tally.outcomes[f"{state}, {cost.status}"] += 1
        tally.flags.update({flag.name for flag in usage.flags})
    tally.violations += [f"{kind}: {text} <- {raw!r:.600}" for text in found]


def run(number: int, *, seed: int, book: PriceBook) -> Tally:
    """Check `number` mutated payloads, the kinds in turn."""
    random_numbers = random.Random(seed)
    tally = Tally()
    kinds: Sequence[str] = sorted(SEEDS)
    for index in range(number):
        kind = kinds[index % len(kinds)]
        check(tally, book, kind, mutate(random_numbers, SEEDS[kind][1]))
    return tally


def main() -> int:
    """Run the fuzz and print its counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20_000, help="how many mutated payloads")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if missing := set(READERS) - set(SEEDS):
        print(f"no seed for {sorted(missing)}", file=sys.stderr)
        return 2
    started = time.perf_counter()
    tally = run(arguments.n, seed=arguments.seed, book=load_price_book())
    seconds = time.perf_counter() - started
    print(f"{arguments.n} mutated payloads of {len(SEEDS)} kinds, seed {arguments.seed}, {seconds:.1f} s")
    for outcome, count in tally.outcomes.most_common():
        print(f"  {count:>8}  {outcome}")
    print(f"flags: {', '.join(f'{name} {count}' for name, count in tally.flags.most_common())}")
    print(f"violations (crash, negative charge, silent zero, lost token): {len(tally.violations)}")
    for violation in tally.violations[:10]:
        print(f"  {violation}")
    return 1 if tally.violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
