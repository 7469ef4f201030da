"""Ledgers whose samples are conversations: the model under test, a simulated user and tools, turn by turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.ledger import (
    AttemptOutcome,
    AttemptStart,
    CellRecord,
    Ledger,
    PlannedRecord,
    RunRecord,
    ScoreRecord,
    SuiteRecord,
    Transcript,
    UsageFacts,
)
from harness.ledger.records import Purpose, SettledStatus
from tests.support.report_ledgers import AT_US, used

SECOND_US = 1_000_000
BAG = "Where is my bag?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """One request of a conversation and what came of it.

    Attributes:
        calls: name and arguments of each; `results` = what they gave.
        took_s: from sending to the end; `pause_s` = before it was sent.
        turn: None = the one after the request before; the same again is a retry, 0 later begins anew.
        status: None = never settled.
    """

    by: Purpose = "solve"
    text: str = ""
    calls: Sequence[tuple[str, str]] = ()
    results: Sequence[str] = ()
    usage: UsageFacts = field(default_factory=lambda: used(100, 10))
    took_s: float = 1.0
    pause_s: float = 0.0
    turn: int | None = None
    status: SettledStatus | None = "succeeded"
    model: str | None = None
    reasoning: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A sample: what was said, and the score that stands at its newest answered request to the model."""

    spoken: Sequence[Spoken]
    score: float | None = 1.0
    reason: str | None = None
    rule: str | None = None
    explanation: str | None = None
    answer: str | None = None


Conversations = Mapping[tuple[str, int], Conversation]


async def add_conversations(
    ledger: Ledger,
    run_id: str,
    cells: Mapping[str, Conversations],
    *,
    suite: str = "tau",
    status: str = "complete",
    keeps_texts: bool = True,
    config: Mapping[str, Any] | None = None,
) -> None:
    """Store a run: per model (`provider/model`), per (sample, epoch), a conversation."""
    ledger.create_run(
        RunRecord(
            run_id=run_id,
            created_at_us=AT_US,
            plan_sha256="0" * 64,
            harness_version="0.1",
            price_book_sha256="1" * 64,
            suites=(SuiteRecord(name=suite, version="1", sha256="2" * 64),),
            models=tuple(cells),
            config=config or {},
        )
    )
    keys = list(dict.fromkeys(key for found in cells.values() for key in found))
    planned = [_planned(suite, sample_id, epoch, order) for order, (sample_id, epoch) in enumerate(keys)]
    planned_ids = dict(zip(keys, ledger.add_planned(run_id, planned), strict=True))
    cell_ids = ledger.add_cells(run_id, [_cell(name, suite) for name in cells])
    async with ledger.writer() as writer:
        for cell_id, (name, found) in zip(cell_ids, cells.items(), strict=True):
            for key, conversation in found.items():
                stem = f"{run_id}.c{cell_id}.p{planned_ids[key]}.e{key[1]}"
                told = _Telling(writer, stem, cell_id, planned_ids[key], name, keeps_texts)
                await told.tell(conversation)
    ledger.finish_run(run_id, status, finished_at_us=AT_US + 600 * SECOND_US)  # type: ignore[arg-type]


def _planned(suite: str, sample_id: str, epoch: int, order: int) -> PlannedRecord:
    return PlannedRecord(
        suite=suite, task="desk", sample_id=sample_id, epoch=epoch, draw_order=order, inclusion_probability=1.0,
        sample_sha256=sample_id,
    )  # fmt: skip


def _cell(name: str, suite: str) -> CellRecord:
    provider, _, model = name.partition("/")
    return CellRecord(
        suite=suite, suite_version="1", suite_sha256="2" * 64, provider=provider, model=model,
        simulated=provider == "sim",
    )  # fmt: skip


class _Telling:
    """Writes one conversation as the runner does: each request has all that was said before it."""

    def __init__(self, writer: Any, stem: str, cell_id: int, planned_id: int, name: str, keeps_texts: bool) -> None:
        self._writer, self._stem, self._cell_id, self._planned_id = writer, stem, cell_id, planned_id
        self._provider, _, self._model = name.partition("/")
        self._keeps_texts = keeps_texts
        self._seen: dict[str, list[dict[str, object]]] = {}
        self._begin()

    def _begin(self) -> None:
        self._seen = {
            "solve": [{"role": "system", "content": "Help them."}, {"role": "user", "content": BAG}],
            "user_simulator": [{"role": "system", "content": "You lost a bag."}, {"role": "assistant", "content": BAG}],
        }

    async def tell(self, conversation: Conversation) -> None:
        now_us, turn, tries, standing = AT_US, -1, dict[tuple[int, str], int](), None
        spoken = list(conversation.spoken)
        asked = [at for at, one in enumerate(spoken) if one.by == "solve"]
        last = max((at for at in asked if spoken[at].status == "succeeded"), default=asked[-1])
        for at, one in enumerate(spoken):
            turn = turn + 1 if one.turn is None else one.turn
            if turn == 0:
                self._begin()
            tries[turn, one.by] = tries.get((turn, one.by), 0) + 1
            now_us += round(one.pause_s * SECOND_US)
            attempt_id = await self._writer.send(self._start(one, turn, tries[turn, one.by], now_us, standing))
            if tries[turn, one.by] == 1:
                standing = attempt_id
            if one.status is None:
                continue
            now_us += round(one.took_s * SECOND_US)
            await self._writer.settle(
                AttemptOutcome(
                    attempt_id=attempt_id, status=one.status, finished_at_us=now_us,
                    usage=one.usage, finish_reason="tool_calls" if one.calls else "stop",
                    billed="unknown" if one.status == "succeeded" else "no",
                ),
                transcript=self._transcript(one) if one.status == "succeeded" and self._keeps_texts else None,
                score=self._score(conversation, attempt_id, now_us) if at == last else None,
            )  # fmt: skip
            if one.status == "succeeded":
                self._said(one)

    def _start(self, one: Spoken, turn: int, try_number: int, now_us: int, before: int | None) -> AttemptStart:
        role = {"solve": "", "user_simulator": ".user", "tool": ".tool", "judge": ".judge"}[one.by]
        return AttemptStart(
            request_id=f"{self._stem}.n{turn}{role}.t{try_number}",
            cell_id=self._cell_id,
            planned_id=self._planned_id,
            provider=None if one.by == "solve" else self._provider,
            model_requested=one.model or self._model,
            started_at_us=now_us,
            purpose=one.by,
            try_number=try_number,
            retry_of=before if try_number > 1 else None,
            parameters={"temperature": 0},
            turn=turn,
        )

    def _transcript(self, one: Spoken) -> Transcript:
        return Transcript(
            messages=list(self._seen.get(one.by, [{"role": "user", "content": "?"}])),
            answer=one.text,
            reasoning=one.reasoning,
            tool_calls=_calls(one),
        )

    def _said(self, one: Spoken) -> None:
        """Tell each party what was said, as it sees it."""
        if one.by not in self._seen:
            return
        calls = _calls(one)
        own: dict[str, object] = {"role": "assistant", "content": one.text}
        self._seen[one.by].append({**own, "tool_calls": calls} if calls else own)
        for number, result in enumerate(one.results):
            self._seen[one.by].append({"role": "tool", "content": result, "tool_call_id": f"call-{number}"})
        if not calls:
            (other,) = (name for name in self._seen if name != one.by)
            self._seen[other].append({"role": "user", "content": one.text})

    def _score(self, conversation: Conversation, attempt_id: int, now_us: int) -> ScoreRecord | None:
        if conversation.score is None and conversation.reason is None:
            return None
        return ScoreRecord(
            attempt_id=attempt_id,
            planned_id=self._planned_id,
            cell_id=self._cell_id,
            scorer="environment",
            scorer_version="1",
            scored_at_us=now_us,
            value_millionths=None if conversation.score is None else round(conversation.score * 1_000_000),
            reason=conversation.reason,
            rule=conversation.rule,
            explanation=conversation.explanation,
            answer=conversation.answer,
        )


def _calls(one: Spoken) -> list[dict[str, object]]:
    return [
        {"call_id": f"call-{number}", "name": name, "arguments": arguments}
        for number, (name, arguments) in enumerate(one.calls)
    ]
