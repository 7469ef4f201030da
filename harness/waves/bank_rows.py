"""A bank from the ledger: which stored answers of other models may predict a cell's samples, and their predictions.

What is chosen is written down by cells and by the newest score, so that the same predictions can be made again from a
ledger that has grown. Rows of the model under test never enter, and made-up answers never predict real ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from harness.errors import LedgerError
from harness.ledger import Ledger
from harness.ledger.reading.sample_rows import newest_score_id
from harness.ledger.records import CellRecord, RunRecord, SuiteRecord
from harness.models import ModelSpec
from harness.precision import Bank, bank_of
from harness.waves.design_record import BankSource
from harness.waves.frame import TaskFrame
from harness.waves.standing import answers_of

Scores = Mapping[str, Mapping[str, Mapping[str, float]]]
"""By task and model the mean score of each sample."""


def bank_source(
    ledger: Ledger, suite: SuiteRecord, model: ModelSpec, *, simulated: bool, but_run: str
) -> BankSource | None:
    """Choose the stored answers that may predict a model's; None = there are none.

    They are answers of other models, whatever their setting, to tasks with the same samples, in any suite. Runs that
    are under way are left out: rows that they wrote before the newest score may become visible after it.

    Args:
        simulated: whether the model under test is one of the built-in ones; a bank is of its kind.
        but_run: the run that is planned.
    """
    cells = [
        cell.cell_id
        for run in ledger.runs()
        if run.run_id != but_run and run.status != "running" and not run.config.get("reconstructed_from")
        for cell in _cells_with_tasks(ledger, run, suite)
        if cell.cell_id is not None
        and cell.simulated == simulated
        and (cell.provider, cell.model) != (model.provider, model.model)
    ]
    return BankSource(cell_ids=tuple(cells), last_score_id=newest_score_id(ledger)) if cells else None


def _cells_with_tasks(ledger: Ledger, run: RunRecord, suite: SuiteRecord) -> list[CellRecord]:
    """Give a run's cells of suites that have a task in common with this one."""
    wanted = suite.data
    suites = {other.name for other in run.suites if wanted & other.data}
    return [cell for cell in ledger.cells(run.run_id) if cell.suite in suites] if suites else []


def frozen(
    ledger: Ledger, source: BankSource, suite: SuiteRecord, frames: Sequence[TaskFrame], *, tested: str
) -> tuple[BankSource, Mapping[str, Bank]] | None:
    """Make predictions by task and write their digests down; None = the answers tell nothing apart."""
    return _frozen(bank_scores(ledger, source, suite), source, frames, tested=tested)


def _frozen(
    scores: Scores, source: BankSource, frames: Sequence[TaskFrame], *, tested: str
) -> tuple[BankSource, Mapping[str, Bank]] | None:
    banks = {
        frame.task: bank
        for frame in frames
        if (bank := bank_of(scores.get(frame.task, {}), _samples(frame), tested=tested)) is not None
    }
    if not banks:
        return None
    models = sorted({model for bank in banks.values() for model in bank.models})
    digests = {task: bank.sha256 for task, bank in banks.items()}
    return replace(source, sha256=digests, models=tuple(models)), banks


@dataclass(slots=True)
class BankReader:
    """Makes the predictions of frozen banks again; models of a run share what they rest on, which is read once."""

    ledger: Ledger
    _known: dict[tuple[tuple[int, ...], int, str], Scores] = field(default_factory=dict)

    def banks(
        self, source: BankSource, suite: SuiteRecord, frames: Sequence[TaskFrame], *, tested: str
    ) -> Mapping[str, Bank]:
        """Give the predictions by task.

        Raises:
            LedgerError: they are not what the design was made with: rows of the ledger are missing or have changed.
        """
        key = (source.cell_ids, source.last_score_id, suite.name)
        if key not in self._known:
            self._known[key] = bank_scores(self.ledger, source, suite)
        found = _frozen(self._known[key], source, frames, tested=tested)
        if found is None or dict(found[0].sha256) != dict(source.sha256):
            raise LedgerError(
                f"the stored answers from which {tested} was predicted are not those of its design",
                where=self.ledger.database,
                fix="use the ledger in which the run was started, whole",
            )
        return found[1]


def bank_scores(ledger: Ledger, source: BankSource, suite: SuiteRecord) -> Scores:
    """Read the mean score of each sample by task and model, from the cells of a bank."""
    names, wanted = _cell_models(ledger, source.cell_ids), suite.data
    samples: dict[int, tuple[str, str]] = {}
    for run_id in dict.fromkeys(cell.run_id for cell in names.values()):
        assert run_id is not None
        same = _same_tasks(ledger, run_id, wanted)
        samples |= {
            one.planned_id: (one.task, one.sample_id)
            for one in ledger.planned(run_id)
            if (one.suite, one.task) in same and one.planned_id is not None
        }
    sums: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for answer in answers_of(ledger, source.cell_ids, last_score_id=source.last_score_id):
        if answer.score is not None and (sample := samples.get(answer.planned_id)) is not None:
            cell = names[answer.cell_id]
            sums[sample[0], str(ModelSpec.of(cell)), sample[1]].append(answer.score)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for (task, model, sample_id), scores in sums.items():
        found.setdefault(task, {}).setdefault(model, {})[sample_id] = sum(scores) / len(scores)
    return found


def _cell_models(ledger: Ledger, cell_ids: Sequence[int]) -> dict[int, CellRecord]:
    wanted = set(cell_ids)
    cells = (cell for run in ledger.runs() for cell in ledger.cells(run.run_id))
    return {cell.cell_id: cell for cell in cells if cell.cell_id in wanted and cell.cell_id is not None}


def _same_tasks(ledger: Ledger, run_id: str, wanted: AbstractSet[tuple[str, str]]) -> set[tuple[str, str]]:
    run = ledger.run(run_id)
    suites = () if run is None else run.suites
    return {(suite.name, task) for suite in suites for task, _ in wanted & suite.data}


def _samples(frame: TaskFrame) -> list[str]:
    return [sample for unit in frame.units.values() for sample in unit]
