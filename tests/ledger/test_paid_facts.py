"""What was paid for is in the books whatever else went wrong: failed answers that state usage, counts beyond any sense,
texts that a database refuses, and scorers that fail on one answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.instants import to_us
from harness.ledger import Ledger, ScoreRecord, Transcript, UsageFacts
from harness.ledger.encoding import canonical_json, read_json, storable
from harness.ledger.reading.attempt_rows import AttemptRow, attempt_row, attempt_rows, transcript_of
from harness.models import parse_model
from harness.pricing.price_files import load_price_book
from harness.runner.plan import PlannedItem
from harness.runner.pricer import Pricer
from harness.runner.requests.attempt_ends import PaidAnswer
from harness.runner.scoring.scores import AnswerScorer, CannotScore, Faults
from harness.scorers import MathCheck, ProgramCheck, Score
from harness.suites import DatasetRef, Sample, ScorerRef, Suite, Task
from harness.usage.kinds import likely_kind
from tests.support.answering import answering, chat, priced
from tests.support.ledger_rows import NOON_US, fill, outcome, start
from tests.support.runs import Watcher, number_suite, run

MODEL = "openai-compatible/m"


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_url) as opened:
        yield opened


USED = {"prompt_tokens": 20, "completion_tokens": 5000, "total_tokens": 5020}
USED_PICO = (20 * 1 + 5000 * 2) * 10**6


def _rows(ledger: Ledger) -> list[AttemptRow]:
    return list(attempt_rows(ledger))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "no"}, "usage": USED}),
        (500, {"error": {"message": "no"}, "usage": USED}),
        (200, {"id": "r", "usage": USED}),
        (200, {"id": "r", "choices": [{"message": None}], "usage": USED}),
    ],
)
def test_usage_that_a_failed_answer_states_is_stored_and_fills_the_cap(
    status: int, body: dict[str, Any], tmp_path: Path
) -> None:
    """50 failed answers of $0.01002 each under a cap of $0.02 were counted as $0 or as their small worst case."""
    with Ledger.open(tmp_path / "l.db") as ledger:
        with answering(lambda _: (status, json.dumps(body).encode())) as asked:
            ended = run(
                number_suite(tmp_path, 50, cap=100), [MODEL], ledger, book=priced(tmp_path), base_url=asked.url,
                budget_usd=Decimal("0.02"), max_attempts=2, concurrency=2,
            )  # fmt: skip
        rows = _rows(ledger)
        budget = ledger.budget("run:run-1")
    assert ended.exit_code == 3
    assert len(asked.bodies) == len(rows) <= 4  # 2 fill the cap; 2 more were in flight at most
    for row in rows:
        assert (row.input_tokens, row.output_tokens, row.charged_pico_usd) == (20, 5000, USED_PICO)
        assert row.billed == "yes"
        assert read_json(row.raw_usage) == USED
    assert budget is not None
    assert (budget.spent_pico_usd, budget.reserved_pico_usd) == (len(rows) * USED_PICO, 0)


@pytest.mark.parametrize(
    ("provider", "raw", "kind"),
    [
        ("openai", {"prompt_tokens": 1, "completion_tokens": 2}, "openai.chat"),
        ("openrouter", {"prompt_tokens": 1, "cost": 0.1}, "openrouter.chat"),
        ("fireworks_ai", {"prompt_tokens": 1}, "fireworks.chat"),
        ("openai", {"input_tokens": 1, "output_tokens": 2}, "openai.responses"),
        ("anthropic", {"input_tokens": 1, "output_tokens": 2}, "anthropic.messages"),
        ("vertex_ai", {"input_tokens": 1, "cache_read_input_tokens": 0}, "anthropic.messages"),
        ("gemini", {"promptTokenCount": 1}, "gemini.usageMetadata"),
        ("bedrock", {"inputTokens": 1, "outputTokens": 2}, "bedrock.converse"),
    ],
)
def test_a_payload_without_a_named_reader_is_read_by_its_words(provider: str, raw: dict[str, Any], kind: str) -> None:
    assert likely_kind(provider, raw) == kind


def _settled(raw: Any, kind: str = "openai.chat", model: str = "openai/o1") -> tuple[UsageFacts, int | None]:
    facts, spent = Pricer(load_price_book(), parse_model(model)).settle(
        kind,
        raw,
        finished_at_us=to_us(datetime(2026, 9, 1, tzinfo=UTC)),
        service_tier=None,
        model_served=None,
    )
    return facts, spent.charged_pico


@pytest.mark.parametrize("count", [10**10, 10**13, 10**15, 10**18, 10**25, -5, 3.5, "many", [1], {"n": 1}, True])
def test_a_count_that_no_request_can_have_is_flagged_and_not_billed(count: Any) -> None:
    facts, charged = _settled({"prompt_tokens": 20, "completion_tokens": count})
    assert charged is None
    assert facts.input_tokens is facts.output_tokens is None  # half of a usage would look like the whole bill
    assert facts.flags
    assert facts.raw_usage == {"prompt_tokens": 20, "completion_tokens": count}


@pytest.mark.parametrize("cost", [1e6, 1e7, 1e10, 1e300, Decimal("1e9")])
def test_a_stated_cost_that_no_request_can_have_is_flagged_and_not_charged(cost: Any) -> None:
    facts, charged = _settled(
        {"prompt_tokens": 20, "completion_tokens": 10, "cost": cost}, "openrouter.chat", "openrouter/openai/o1"
    )
    assert (facts.stated_cost_usd, charged) == (None, None)
    assert {name for name, _ in facts.flags} & {"cost_beyond_sense", "amount_too_large"}


def test_what_a_reader_cannot_read_is_kept_as_received() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    facts, charged = _settled({"prompt_tokens": 20, "completion_tokens": 10, "completion_tokens_details": deep})
    assert charged in (None, 20 * 15 * 10**6 + 10 * 60 * 10**6)
    assert json.loads(canonical_json(facts.raw_usage))


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 20, "completion_tokens": 10**13, "total_tokens": 10**13 + 20},
        {"prompt_tokens": 20, "completion_tokens": 10**15, "total_tokens": 10**15 + 20},
        {"prompt_tokens": 20, "completion_tokens": 10, "cost": 1e8},
        {"prompt_tokens": 10**25, "completion_tokens": 10},
    ],
)
def test_an_answer_that_states_nonsense_is_settled_and_never_bought_again(
    usage: dict[str, Any], tmp_path: Path
) -> None:
    """Its row did not fit into 64 bits: the run was aborted, and every resume paid again past --max-attempts."""
    with Ledger.open(tmp_path / "l.db") as ledger, answering(lambda _: (200, chat(usage=usage))) as asked:
        for _ in range(3):
            ended = run(
                number_suite(tmp_path, 1), [MODEL], ledger, book=priced(tmp_path), base_url=asked.url, max_attempts=2
            )
            assert ended.exit_code == 0
        (row,) = _rows(ledger)
    assert len(asked.bodies) == 1
    assert row.status == "succeeded"
    assert row.usage_flags is not None
    assert row.charged_pico_usd is None or row.charged_pico_usd < 10**9


async def test_sums_of_a_budget_stop_at_the_largest_number_instead_of_breaking_the_row(ledger: Ledger) -> None:
    filled = fill(ledger)
    scope = ("month:2026-11",)
    async with ledger.writer() as writer:
        for number in range(4):
            attempt_id = await writer.send(start(filled, number, request_id=f"r{number}", budget_scopes=scope))
            await writer.settle(outcome(attempt_id, charged_pico_usd=4 * 10**18))
    budget = ledger.budget("month:2026-11")
    assert budget is not None
    assert budget.spent_pico_usd == 2**63 - 1


ODD_TEXTS: dict[str, dict[str, Any]] = {
    "nul": {"model_served": "m\0", "service_tier": "t\0", "provider_request_id": "\0", "finish_reason": "\0"},
    "lone surrogate": {"model_served": "m\ud800", "service_tier": "\udfff", "error_message": "\ud800"},
    "three megabytes": {"model_served": "".join(map(str, range(500_000))), "service_tier": "t" * 3_000_000},
    "no text": {"model_served": ["m"], "finish_reason": {"a": 1}, "service_tier": 5},
}


@pytest.mark.parametrize("odd", ODD_TEXTS.values(), ids=ODD_TEXTS.keys())
async def test_odd_texts_of_an_answer_do_not_keep_its_row_out(odd: dict[str, Any], ledger: Ledger) -> None:
    """PostgreSQL refused NUL, and a name of 3 MB in an index: the run was aborted and the paid answer stayed open."""
    filled = fill(ledger)
    async with ledger.writer() as writer:
        attempt_id = await writer.send(start(filled))
        usage = replace(outcome(0).usage, speed=odd["service_tier"], inference_geo=odd["service_tier"])
        said = Transcript(messages=[{"role": "user", "content": "\0\ud800"}], answer="\0 \ud800")
        await writer.settle(outcome(attempt_id, usage=usage, **odd), transcript=said)
    row = attempt_row(ledger, attempt_id)
    kept = transcript_of(ledger, attempt_id)
    assert row is not None
    assert (row.status, row.output_tokens, row.charged_pico_usd) == ("succeeded", 60, 5)
    assert row.model_served is not None
    assert len(row.model_served) <= 200
    assert kept is not None
    assert kept.answer == "\0 \ud800"


async def test_a_row_that_is_refused_in_full_is_written_with_what_can_be_kept(ledger: Ledger) -> None:
    filled = fill(ledger)
    said = Transcript(messages=[{"role": "user", "content": "q"}], answer=5)  # type: ignore[arg-type]  # a broken adapter
    too_large = replace(outcome(0).usage, input_tokens=2**70)
    async with ledger.writer() as writer:
        first = await writer.send(start(filled, 0, request_id="a"))
        second = await writer.send(start(filled, 1, request_id="b", reserved_pico_usd=7, budget_scopes=("day:x",)))
        await writer.settle(outcome(first), transcript=said)
        await writer.settle(outcome(second, usage=too_large))
    rows = {row.attempt_id: row for row in attempt_rows(ledger)}
    assert (rows[first].input_tokens, rows[first].output_tokens, rows[first].charged_pico_usd) == (100, 60, 5)
    assert "transcript_not_stored" in str(rows[first].usage_flags)
    assert (rows[second].status, rows[second].input_tokens, rows[second].billed) == ("succeeded", None, "unknown")
    assert "facts_not_stored" in str(rows[second].usage_flags)
    budget = ledger.budget("day:x")
    assert budget is not None
    assert budget.spent_pico_usd == 7  # a bill that is not known counts as its worst case


def test_json_that_nests_too_deep_is_noted_and_texts_are_cut() -> None:
    deep: Any = []
    for _ in range(50_000):
        deep = [deep]
    assert "not_stored" in canonical_json({"usage": deep})
    assert storable("abcdef", 4) == "abc…"
    assert storable("abcd", 4) == "abcd"
    assert storable(None, 4) is None


# one answer's scorer


def _item(scorer: str) -> PlannedItem:
    task = Task(
        name="t",
        prompt="{question}",
        scorer=ScorerRef(name=scorer),
        dataset=DatasetRef(source="files", path="x", revision="1", local="x.jsonl", fields={"target": "a"}),
    )
    suite = Suite(name="s", version="1", title="S", tasks=(task,))
    return PlannedItem(
        suite=suite, task=task, sample=Sample(task="t", sample_id="1", input="q", target="2"), epoch=0, draw_order=0,
        inclusion_probability=1.0,
    )  # fmt: skip


class _Scores:
    def __init__(self) -> None:
        self.stored: list[ScoreRecord] = []

    async def add_score(self, score: ScoreRecord) -> None:
        self.stored.append(score)


class _Broken:
    """Checks that fail, as a broken scorer does."""

    def __init__(self, error: Exception | Score) -> None:
        self._error = error

    async def run_program(self, check: ProgramCheck) -> Score:
        return self._failed()

    async def run_math(self, check: MathCheck) -> Score:
        return self._failed()

    def _failed(self) -> Score:
        if isinstance(self._error, Score):
            return self._error
        raise self._error


def _paid(attempt_id: int) -> PaidAnswer:
    text = "\\boxed{\\sqrt{x+1}}"
    return PaidAnswer(attempt_id=attempt_id, cell_id=1, planned_id=1, text=text, finish_reason="stop", refused=False)


async def _no_judge(*_: object) -> None:
    return None


@pytest.mark.parametrize(
    "fault", [ValueError("substring not found"), RecursionError("deep"), Score(value=float("nan"))]
)
async def test_a_scorer_that_fails_leaves_its_answer_unscored_with_the_reason(fault: Exception | Score) -> None:
    """One answer with a Kelvin sign ended a run, every resume of it, and every rescoring."""
    scores, watcher = _Scores(), Watcher()
    scorer = AnswerScorer(
        writer=scores,
        checks=_Broken(fault),
        ask_judge=_no_judge,
        wall_us=lambda: NOON_US,
        on_fault=Faults(watcher.notice).score,
    )
    for attempt_id in (1, 2):
        await scorer.score(_item("math"), _paid(attempt_id))
    assert [score.reason for score in scores.stored] == ["undecided", "undecided"]
    assert "the scorer math failed" in str(scores.stored[0].explanation)
    assert len(watcher.notices) == 1  # told once, counted in the report


async def test_rescoring_keeps_the_old_score_of_an_answer_that_the_scorer_fails_on() -> None:
    def refuse(name: str, error: Exception) -> Score:
        raise CannotScore(f"{name}: {error}")

    scores = _Scores()
    scorer = AnswerScorer(
        writer=scores, checks=_Broken(KeyError("x")), ask_judge=_no_judge, wall_us=lambda: NOON_US, on_fault=refuse
    )
    with pytest.raises(CannotScore, match="math: 'x'"):
        await scorer.score(_item("math"), _paid(1))
    assert scores.stored == []
