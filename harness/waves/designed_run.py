"""A run with its design: the strata of each cell with their units in draw order, as they were before the first request.

Data flows `runs.config` + planned samples + frozen bank -> `DesignedRun`; nothing of it changes while the run goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from harness.errors import LedgerError
from harness.ledger import Ledger
from harness.ledger.records import CellRecord, PlannedRecord, RunRecord, SuiteRecord
from harness.models import ModelSpec
from harness.precision import Bank, Layer
from harness.waves.bank_rows import BankReader
from harness.waves.design_record import CellDesign, RunDesign, design_of
from harness.waves.frame import TaskFrame, divided, task_frames

SampleEpoch = tuple[str, str, int]
"""Task, sample id, epoch from 0."""


@dataclass(frozen=True, kw_only=True)
class DesignedCell:
    """One suite on one model setting of a designed run.

    Attributes:
        layers: strata with the names of their units, in draw order.
        frames: by task its units with their samples.
        banks: predictions by task; empty without a bank.
        planned: by sample and epoch the id of the planned sample.
    """

    cell_id: int
    record: CellRecord
    design: CellDesign
    layers: tuple[Layer, ...]
    frames: Mapping[str, TaskFrame]
    planned: Mapping[SampleEpoch, int]
    banks: Mapping[str, Bank] = field(default_factory=dict)

    @cached_property
    def names(self) -> Mapping[int, SampleEpoch]:
        """By planned sample its task, sample id and epoch."""
        return {planned_id: name for name, planned_id in self.planned.items()}

    @property
    def suite(self) -> str:
        """Name of the suite."""
        return self.design.suite

    @property
    def model(self) -> str:
        """Model as typed."""
        return self.design.model


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignedRun:
    """A run that is asked in waves."""

    run: RunRecord
    design: RunDesign
    cells: tuple[DesignedCell, ...]

    def cell(self, suite: str, model: str) -> DesignedCell | None:
        """Find one cell; None = there is none."""
        return next((cell for cell in self.cells if (cell.suite, cell.model) == (suite, model)), None)


def read_design(ledger: Ledger, run: RunRecord, *, with_banks: bool = True) -> DesignedRun | None:
    """Read a stored run's design; None = it was asked as a whole.

    Args:
        with_banks: False = as if nothing was predicted, for a ledger that has lost the bank's answers. What was drawn
            says to which strata it belongs.

    Raises:
        LedgerError: the ledger does not hold what the design was made from.
    """
    design = design_of(run.config, run_id=run.run_id)
    if design is None:
        return None
    planned = ledger.planned(run.run_id)
    reader = BankReader(ledger) if with_banks else None
    cells = []
    for record in ledger.cells(run.run_id):
        model = str(ModelSpec.of(record))
        if (own := design.cell(record.suite, model)) is not None and record.cell_id is not None:
            cells.append(designed_cell(reader, run, record, own, planned))
    return DesignedRun(run=run, design=design, cells=tuple(cells))


def designed_cell(
    reader: BankReader | None, run: RunRecord, record: CellRecord, design: CellDesign, planned: Sequence[PlannedRecord]
) -> DesignedCell:
    """Build the strata of one cell again, as its design has them; without a reader as if nothing was predicted."""
    suite = next(suite for suite in run.suites if suite.name == design.suite)
    frames = task_frames(planned, design.suite, design.unit_sizes)
    banks: Mapping[str, Bank] = {}
    if design.bank is not None and reader is not None:
        banks = reader.banks(design.bank, suite, frames, tested=design.model)
    assert record.cell_id is not None
    return DesignedCell(
        cell_id=record.cell_id,
        record=record,
        design=design,
        layers=() if design.bank is not None and reader is None else _layers(run, suite, design, frames, banks),
        frames={frame.task: frame for frame in frames},
        banks=banks,
        planned={
            (one.task, one.sample_id, one.epoch): one.planned_id
            for one in planned
            if one.suite == design.suite and one.planned_id is not None
        },
    )


def _layers(
    run: RunRecord,
    suite: SuiteRecord,
    design: CellDesign,
    frames: tuple[TaskFrame, ...],
    banks: Mapping[str, Bank],
) -> tuple[Layer, ...]:
    layers = divided(frames, suite, banks)
    if tuple(layer.stratum for layer in layers) != design.strata:
        raise LedgerError(
            f"the strata of {design.suite} on {design.model} in run {run.run_id} are not those of its design",
            fix="use the version of benchtab that made the run",
        )
    return layers
