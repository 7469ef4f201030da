"""Ledgers of runs that were asked in waves, filled through the real planner; only the answers are made up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.instants import to_us
from harness.ledger import (
    AttemptOutcome,
    AttemptStart,
    CellRecord,
    Ledger,
    PlannedRecord,
    RunRecord,
    ScoreRecord,
    SuiteRecord,
    TaskRecord,
    UsageFacts,
    Writer,
)
from harness.models import ModelSpec, parse_model
from harness.precision import Draw, next_wave, pilot
from harness.waves.bank_rows import bank_source, frozen
from harness.waves.design_record import DESIGN, CellDesign, RunDesign
from harness.waves.designed_run import DesignedRun, read_design
from harness.waves.frame import divided, task_frames
from harness.waves.states import CellStates, cell_states, wave_draws
from tests.support.report_ledgers import AT

AT_US = to_us(AT)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlan:
    """A task of a made-up suite; `group` samples make a unit."""

    name: str
    n_items: int
    repeats: int = 1
    weight: float | None = None
    group: int = 1

    @property
    def unit_sizes(self) -> tuple[int, ...]:
        """How many samples each unit holds."""
        full, rest = divmod(self.n_items, self.group)
        return (self.group,) * full + ((rest,) if rest else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a model answers to one sample: its score, or the reason why there is none, and its length."""

    score: float | None = 1.0
    reason: str | None = None
    output_tokens: int = 100
    failed: bool = False
    given_up: bool = False


Answers = Callable[[str, str, str, int], Told]
"""Model, task, sample id, epoch."""


def drawn_by_lot(right: Mapping[str, float], *, tokens: Mapping[str, int] | None = None, seed: int = 1) -> Answers:
    """Answers whose probability of being right lies around each model's own, sample by sample."""

    def answer(model: str, task: str, sample: str, epoch: int) -> Told:
        ease = random.Random(f"{seed}/{task}/{sample}").uniform(-0.3, 0.3)
        lot = random.Random(f"{seed}/{model}/{task}/{sample}/{epoch}")
        score = float(lot.random() < min(0.98, max(0.02, right[model] + ease)))
        typical = (tokens or {}).get(model, 100)
        return Told(score=score, output_tokens=max(1, int(typical * lot.lognormvariate(0, 0.4))))

    return answer


@dataclass(kw_only=True)
class WaveRun:
    """A run that is stored and can be asked, wave by wave or as a whole."""

    ledger: Ledger
    run_id: str
    models: tuple[str, ...]
    tasks: tuple[TaskPlan, ...]
    answers: Answers
    suite: str = "made_up"
    n_sent: int = 0
    planned: dict[int, tuple[str, str, int]] = field(default_factory=dict)
    cells: dict[str, int] = field(default_factory=dict)

    @property
    def record(self) -> SuiteRecord:
        """The suite as its run stores it."""
        return SuiteRecord(
            name=self.suite,
            version="1",
            sha256="2" * 64,
            tasks=tuple(
                TaskRecord(name=t.name, revision="r", samples_sha256=f"of {t.name}", weight=t.weight, epochs=t.repeats)
                for t in self.tasks
            ),
        )

    def plan(self) -> list[PlannedRecord]:
        """All samples of the suite, as a run plans them."""
        rows = [(t.name, f"{t.name}-{n:05}", e) for t in self.tasks for e in range(t.repeats) for n in range(t.n_items)]
        return [
            PlannedRecord(
                suite=self.suite,
                task=task,
                sample_id=sample,
                epoch=epoch,
                draw_order=place,
                inclusion_probability=1.0,
                sample_sha256=sample,
            )
            for place, (task, sample, epoch) in enumerate(rows)
        ]

    def store(self, design: RunDesign | None = None, *, at_us: int = AT_US) -> None:
        """Write the run, its plan and its cells."""
        config = {} if design is None else {DESIGN: design.to_json()}
        self.ledger.create_run(
            RunRecord(
                run_id=self.run_id,
                created_at_us=at_us,
                plan_sha256="0" * 64,
                harness_version="0.5",
                price_book_sha256="1" * 64,
                suites=(self.record,),
                models=self.models,
                config=config,
            )
        )
        ids = self.ledger.add_cells(self.run_id, [_cell(self.suite, parse_model(name)) for name in self.models])
        self.cells = dict(zip(self.models, ids, strict=True))
        plan = self.plan()
        stored = self.ledger.add_planned(self.run_id, plan)
        self.planned = {number: (one.task, one.sample_id, one.epoch) for number, one in zip(stored, plan, strict=True)}

    def design(self, half_width: float = 0.05, *, bank: bool = False, kind: str = "score") -> RunDesign:
        """Freeze a design, as a planner does before it stores the run."""
        sizes = {task.name: task.unit_sizes for task in self.tasks if task.group > 1}
        frames = task_frames(self.plan(), self.suite, sizes)
        cells = []
        for name in self.models:
            source = None
            if bank:
                source = bank_source(self.ledger, self.record, parse_model(name), simulated=True, but_run=self.run_id)
            made = None if source is None else frozen(self.ledger, source, self.record, frames, tested=name)
            layers = divided(frames, self.record, None if made is None else made[1])
            cells.append(
                CellDesign(
                    suite=self.suite,
                    model=name,
                    strata=tuple(layer.stratum for layer in layers),
                    unit_sizes=sizes,
                    bank=None if made is None else made[0],
                )
            )
        return RunDesign(
            kind=kind,  # type: ignore[arg-type]  # one of its kinds
            half_width=half_width,
            cells=tuple(cells),
            ladder=self.models if kind == "ladder" else (),
        )

    def read(self) -> tuple[DesignedRun, dict[int, CellStates]]:
        """Read design and states from the ledger."""
        run = self.ledger.run(self.run_id)
        assert run is not None
        designed = read_design(self.ledger, run)
        assert designed is not None
        return designed, cell_states(self.ledger, designed)

    async def wave(self, *, wave: int) -> bool:
        """Draw and ask one wave of every cell; False = every target is reached."""
        designed, states = self.read()
        target = designed.design.target
        assert target is not None
        moved = False
        for cell_id, found in states.items():
            draws = (
                pilot([state.stratum for state in found.states], target)
                if wave == 0
                else next_wave(found.states, target, wave=wave)
            )
            if draws is not None:
                moved = True
                await self.ask_draws(cell_id, found, draws, wave=wave)
        return moved

    async def ask_draws(self, cell_id: int, states: CellStates, draws: Sequence[Draw], *, wave: int) -> None:
        """Store a wave of one cell and ask it."""
        rows = wave_draws(states, draws, wave=wave)
        self.ledger.add_draws(rows)
        await self.ask(cell_id, [row.planned_id for row in rows])

    async def to_the_end(self) -> None:
        """Ask until every target is reached."""
        number = 0
        while await self.wave(wave=number):
            number += 1
        self.ledger.finish_run(self.run_id, "complete", finished_at_us=AT_US + 60_000_000)

    async def whole(self) -> None:
        """Ask everything."""
        for cell_id in self.cells.values():
            await self.ask(cell_id, list(self.planned))
        self.ledger.finish_run(self.run_id, "complete", finished_at_us=AT_US + 60_000_000)

    async def ask(self, cell_id: int, planned_ids: Sequence[int]) -> None:
        """Send, settle and score an attempt on each of these samples."""
        model = next(name for name, number in self.cells.items() if number == cell_id)
        async with self.ledger.writer() as writer:
            for start in range(0, len(planned_ids), 500):  # together, so that the writer commits them together
                some = planned_ids[start : start + 500]
                await asyncio.gather(*(self._ask_one(writer, cell_id, planned_id, model) for planned_id in some))

    async def _ask_one(self, writer: Writer, cell_id: int, planned_id: int, model: str) -> None:
        told = self.answers(model, *self.planned[planned_id])
        self.n_sent += 1
        attempt_id = await writer.send(
            AttemptStart(
                request_id=f"{self.run_id}.{cell_id}.{planned_id}.{self.n_sent}",
                cell_id=cell_id,
                planned_id=planned_id,
                model_requested=parse_model(model).model,
                started_at_us=AT_US,
            )
        )
        await writer.settle(_outcome(attempt_id, told), score=_score(attempt_id, planned_id, cell_id, told))


def _cell(suite: str, spec: ModelSpec) -> CellRecord:
    return CellRecord(
        suite=suite,
        suite_version="1",
        suite_sha256="2" * 64,
        provider=spec.provider,
        model=spec.model,
        setting=spec.setting,
        simulated=spec.provider == "sim",
    )


def _outcome(attempt_id: int, told: Told) -> AttemptOutcome:
    usage = UsageFacts(
        input_tokens=50,
        output_tokens=told.output_tokens,
        reasoning_tokens=0,
        context_tokens=50,
        usage_kind="openai.chat",
        usage_source="provider",
    )
    if told.failed or told.given_up:
        return AttemptOutcome(
            attempt_id=attempt_id,
            status="cancelled" if told.given_up else "failed",
            finished_at_us=AT_US + 1_000_000,
            billed="no",
            charged_pico_usd=0,
            error_message="no answer",
        )
    return AttemptOutcome(
        attempt_id=attempt_id,
        status="succeeded",
        finished_at_us=AT_US + 1_000_000,
        usage=usage,
        billed="yes",
        charged_pico_usd=(50 + 4 * told.output_tokens) * 1_000_000,
        finish_reason="stop",
    )


def _score(attempt_id: int, planned_id: int, cell_id: int, told: Told) -> ScoreRecord | None:
    if told.score is None and told.reason is None:
        return None
    return ScoreRecord(
        attempt_id=attempt_id,
        planned_id=planned_id,
        cell_id=cell_id,
        scorer="choice",
        scorer_version="1",
        scored_at_us=AT_US + 2_000_000,
        value_millionths=None if told.reason else round(1_000_000 * (told.score or 0.0)),
        reason=told.reason,
    )
