"""Run against llmock, a server of several providers that fails on purpose and judges its client.

Run as `python -m benchmarks.servers [--seed 0] [--samples 16]`. For each provider and path: error statuses with and
without Retry-After, a rate limit, streams that are cut, stalled, truncated or hold a chunk that is no JSON. It holds
when the server's verdict has no error and no ignored chunk, and when our ledger agrees with the server's journal:
as many requests, and the same tokens wherever a whole answer stated them.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from llmock.journal import RequestRecord
from llmock.ratelimit import LimitSettings
from llmock.scenarios import Fail, StreamFault
from llmock.testing import LLMockServer
from llmock.verdict import judge

from benchmarks.budgets import silent
from benchmarks.generated_suite import write_suite
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import AttemptRow, attempt_rows, transcript_rows
from harness.models import parse_model
from harness.pricing.price_files import load_price_book
from harness.runner import RunSpec, SessionOptions, run_suites
from harness.runner.requests.policy import RetryLimits

KEY = "loopback-only"
TIMEOUT_S = 2.0
STALL_S = 30.0
LIMITS = RetryLimits(first_wait_s=0.05, longest_wait_s=0.4)
REQUESTS_PER_MINUTE = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One provider as one of our paths reaches it.

    Attributes:
        base: path of the address that is handed to `--base-url`.
        usage: where a whole answer states input and output tokens.
        can_stream: whether our path asks for streams.
    """

    name: str
    path: str
    model: str
    base: str
    usage: tuple[str, str]
    can_stream: bool = True


CHAT = ("usage.prompt_tokens", "usage.completion_tokens")
MESSAGES = ("usage.input_tokens", "usage.output_tokens")
TARGETS = (
    Target(name="openai", path="direct", model="openai-compatible/gpt-4o", base="/v1", usage=CHAT),
    Target(name="responses", path="direct", model="openai/o1-pro", base="/v1", usage=MESSAGES, can_stream=False),
    Target(name="mistral", path="direct", model="openai-compatible/mistral-small", base="/mistral/v1", usage=CHAT),
    Target(name="xai", path="direct", model="openai-compatible/grok-4", base="/xai/v1", usage=CHAT),
    Target(name="openai", path="litellm", model="openai/gpt-4o", base="/v1", usage=CHAT),
    Target(
        name="anthropic",
        path="litellm",
        model="anthropic/claude-3-7-sonnet-20250219",
        base="/anthropic",
        usage=MESSAGES,
    ),
    Target(
        name="gemini",
        path="litellm",
        model="google/gemini-2.5-flash",
        base="/gemini/v1beta",
        usage=("usageMetadata.promptTokenCount", "usageMetadata.candidatesTokenCount"),
    ),
    Target(name="mistral", path="litellm", model="mistral/mistral-small-latest", base="/mistral/v1", usage=CHAT),
    Target(name="xai", path="litellm", model="xai/grok-4", base="/xai/v1", usage=CHAT),
    Target(
        name="cohere",
        path="litellm",
        model="cohere/command-a-03-2025",
        base="/cohere/v2/chat",
        usage=("usage.billed_units.input_tokens", "usage.billed_units.output_tokens"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one run met; `wrong` says in words what does not hold."""

    target: Target
    kind: str
    n_requests: int
    n_faults: int
    n_answered: int
    tokens: tuple[int, int]
    warnings: tuple[str, ...]
    wrong: tuple[str, ...]


def faults(kind: str, draw: random.Random) -> list[Fail | StreamFault]:
    """The faults of one run, in a drawn order."""
    if kind == "statuses":
        found: list[Fail | StreamFault] = [Fail(status) for status in (500, 502, 503, 504, 529, 408, 429, 400)]
        found += [Fail(429, retry_after=draw.choice((0.2, 0.5))) for _ in range(2)]
    else:
        kinds: Sequence[Any] = ("disconnect", "truncate", "malformed", "disconnect", "truncate", "malformed", "stall")
        found = [StreamFault(each, after_chunks=draw.randint(1, 4), stall_seconds=STALL_S) for each in kinds]
        found.append(Fail(429, retry_after=0.2))
    draw.shuffle(found)
    return found


def meet(server: LLMockServer, target: Target, kind: str, *, suite: Path, folder: Path, seed: int) -> Outcome:
    """Run the suite against one target with one kind of fault and hold both sides' books against each other."""
    state = server.state
    state.reset()
    state.limiter.configure(LimitSettings(rpm=REQUESTS_PER_MINUTE if kind == "rate limit" else None))
    if kind == "rate limit":
        # a key goes only to the host that it is for, so that none, or a word in its place, is sent here
        for key in (f"{scheme}{word}" for scheme in ("", "Bearer ", "bearer ") for word in (KEY, "not-needed", "")):
            for _ in range(REQUESTS_PER_MINUTE - 1):  # the bucket is full at first: leave room for one
                state.limiter.admit("openai" if target.name == "responses" else target.name, key, 0)
    else:
        state.scenarios.add(*faults(kind, random.Random(f"{seed}-{target.name}-{target.path}-{kind}")))
    run_id = f"{target.name}-{target.path}-{kind}".replace(" ", "-")
    spec = RunSpec(
        suites=(str(suite),),
        models=(parse_model(target.model),),
        base_url=server.url + target.base,
        concurrency=16 if kind == "rate limit" else 4,
        timeout_s=TIMEOUT_S,
        max_attempts=8,
        max_output_tokens=400,
        stream=kind == "streams",
        sample_seed=seed,
    )
    with Ledger.open(folder / "ledger.db") as ledger:
        run_suites(
            spec,
            ledger=ledger,
            book=load_price_book(),
            run_id=run_id,
            observe=silent,
            session=SessionOptions(limits=LIMITS),
        )
        rows = list(attempt_rows(ledger, [run_id]))
        empty = sum(not kept.answer for kept in transcript_rows(ledger, run_id))
    n_samples = len({row.sample_id for row in rows})
    records = state.journal.records(wait=5.0)
    state.scenarios.clear()
    state.limiter.configure(LimitSettings())
    outcome = _compare(server, target, kind, rows, records, n_samples=n_samples)
    return replace(outcome, wrong=(*outcome.wrong, *_unequal("answers without their text", 0, empty)))


def _compare(
    server: LLMockServer,
    target: Target,
    kind: str,
    rows: list[AttemptRow],
    records: list[RequestRecord],
    *,
    n_samples: int,
) -> Outcome:
    # A stream that was sent to its end counts as answered there, although a chunk in it could not be read: only as a
    # failed one is its retry told from a new call.
    judged = [
        replace(record, completed=False) if (record.fault or "").startswith("stream:malformed") else record
        for record in records
    ]
    verdict = judge(judged)
    answered = [row for row in rows if row.status == "succeeded"]
    whole = [record for record in records if record.status == 200 and record.fault is None and record.completed]
    stated = _stated(server, target, whole)
    ours = (sum(row.input_tokens or 0 for row in answered), sum(row.output_tokens or 0 for row in answered))
    refused = sum(record.status >= 400 for record in records)
    noted = sum((row.http_status or 0) >= 400 for row in rows)
    wrong = [f"{finding.code}: {finding.title}" for finding in verdict.errors]
    wrong += [finding.title for finding in verdict.warnings if finding.code == "malformed_chunk_ignored"]
    refused_for_good = 1 if kind == "statuses" else 0  # the 400
    if verdict.faults == 0:
        wrong.append("the server never failed: nothing was shown")
    wrong += _unequal("samples with an answer", n_samples - refused_for_good, len(answered))
    wrong += _unequal("requests", len(records), len(rows)) + _unequal("whole answers", len(whole), len(answered))
    wrong += _unequal("error statuses", refused, noted) + _unequal("tokens", stated, ours)
    return Outcome(
        target=target,
        kind=kind,
        n_requests=len(records),
        n_faults=verdict.faults,
        n_answered=len(answered),
        tokens=ours,
        warnings=tuple(sorted({finding.code for finding in verdict.warnings})),
        wrong=tuple(wrong),
    )


def _unequal(what: str, theirs: object, ours: object) -> list[str]:
    return [] if theirs == ours else [f"{what}: server {theirs}, ledger {ours}"]


def _stated(server: LLMockServer, target: Target, records: list[RequestRecord]) -> tuple[int, int]:
    """What the server states for these requests: it answers the same request alike, so each is asked again, whole.

    A chat stream states its usage only where it was asked for; litellm does not ask Mistral, which states it unasked.
    """
    sums = [0, 0]
    for record in records:
        asked = (record.body.get("stream_options") or {}).get("include_usage")
        if record.stream and target.usage is CHAT and not asked:
            continue
        path = record.path.replace(":streamGenerateContent", ":generateContent")
        body = {name: value for name, value in record.body.items() if name not in ("stream", "stream_options")}
        answer = httpx.post(server.url + path, json=body, trust_env=False).raise_for_status().json()
        for place, names in enumerate(target.usage):
            value = answer
            for name in names.split("."):
                value = value[name]
            sums[place] += int(value)
    return sums[0], sums[1]


def meet_all(targets: Sequence[Target], *, samples: int, seed: int) -> Iterator[Outcome]:
    """Meet every target with every kind of fault that it has."""
    for name in ("OPENAI", "ANTHROPIC", "GEMINI", "MISTRAL", "XAI", "COHERE", "OPENAI_COMPATIBLE"):
        os.environ[f"{name}_API_KEY"] = KEY
    with tempfile.TemporaryDirectory(prefix="benchtab-servers-") as name, LLMockServer() as server:
        folder = Path(name)
        suite = write_suite(folder, samples)
        for target in targets:
            for kind in ("statuses", "rate limit", *(["streams"] if target.can_stream else [])):
                yield meet(server, target, kind, suite=suite, folder=folder, seed=seed)


def show(outcome: Outcome) -> None:
    """Print one line of the table, and what does not hold below it."""
    said = "holds" if not outcome.wrong else "FAILS"
    tokens = f"{outcome.tokens[0]} + {outcome.tokens[1]}"
    print(
        f"{outcome.target.name:<10} {outcome.target.path:<8} {outcome.kind:<11} {outcome.n_requests:>8}"
        f" {outcome.n_faults:>6} {outcome.n_answered:>8} {tokens:>14}  {said:<5} {', '.join(outcome.warnings)}",
        flush=True,
    )
    for line in outcome.wrong:
        print(f"    {line}")


def main() -> None:
    """Print the table and end with 1 when something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started_s = time.monotonic()
    print(
        f"{'provider':<10} {'path':<8} {'faults':<11} {'requests':>8} {'faulty':>6} {'answers':>8}"
        f" {'tokens in + out':>14}  verdict, books; warnings"
    )
    outcomes = []
    for outcome in meet_all(TARGETS, samples=arguments.samples, seed=arguments.seed):
        show(outcome)
        outcomes.append(outcome)
    failed = sum(bool(outcome.wrong) for outcome in outcomes)
    print(f"{len(outcomes)} runs, {failed} of them do not hold ({time.monotonic() - started_s:.0f} s)")
    raise SystemExit(1 if failed or not outcomes else 0)


if __name__ == "__main__":
    main()
