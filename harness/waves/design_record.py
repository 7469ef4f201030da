"""The frozen design of a run that is asked in waves, and its form in `runs.config["design"]`.

Data flows `RunDesign` -> JSON values, written with the run's row and never changed -> `RunDesign`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from harness.errors import LedgerError
from harness.precision import Stratum, Target
from harness.precision.design import checked

DesignKind = Literal["score", "difference", "ladder", "pilot"]
"""What waves go on for: a score, differences to one model, differences between neighbouring settings; or one wave
before everything else is asked."""
KINDS: tuple[str, ...] = get_args(DesignKind)
DESIGN = "design"
"""Key of `runs.config`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BankSource:
    """Which stored answers predict a cell's samples: the ledger only grows, so that these name them for ever.

    Attributes:
        cell_ids: cells of other models, in other runs.
        last_score_id: later scores are not read.
        sha256: by task the digest of the predictions (`precision.Bank`).
        models: whose answers they are.
    """

    cell_ids: tuple[int, ...]
    last_score_id: int
    sha256: Mapping[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseSource:
    """Stored answers that are the base of a difference.

    Attributes:
        cell_ids: by suite the cell of another run.
        last_score_id: later scores are not read.
    """

    cell_ids: Mapping[str, int]
    last_score_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CellDesign:
    """How one suite is asked of one model setting.

    Attributes:
        model: as typed, `provider/model[@setting]`.
        unit_sizes: by task how many samples each unit holds, in draw order; a task whose units are single samples is
            left out.
        bank: None = no predictions.
    """

    suite: str
    model: str
    strata: tuple[Stratum, ...]
    unit_sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    bank: BankSource | None = None

    def __post_init__(self) -> None:
        checked(self.strata)

    @property
    def most_attempts(self) -> int:
        """Attempts of the whole suite with all repeats."""
        return sum(stratum.most_attempts for stratum in self.strata)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDesign:
    """What a run is to find out, and from which strata it draws.

    Attributes:
        half_width: wanted half of the interval's width, as a share; None for a pilot before a whole run.
        level: confidence level of the interval.
        against: model of the base of a difference, as typed; None for other kinds.
        ladder: models in the order of a ladder, as typed; empty for other kinds.
        base: where the base of a difference is stored; None = it is asked in this run, or there is none.
    """

    kind: DesignKind
    cells: tuple[CellDesign, ...]
    half_width: float | None = None
    level: float = 0.95
    against: str | None = None
    ladder: tuple[str, ...] = ()
    base: BaseSource | None = None

    @property
    def target(self) -> Target | None:
        """The target of each cell, or of each difference; None for a pilot before a whole run."""
        if self.half_width is None:
            return None
        kind: Literal["score", "difference"] = "score" if self.kind == "score" else "difference"
        return Target(half_width=self.half_width, level=self.level, kind=kind)

    def cell(self, suite: str, model: str) -> CellDesign | None:
        """Find the design of one cell; None = it has none."""
        return next((cell for cell in self.cells if (cell.suite, cell.model) == (suite, model)), None)

    def to_json(self) -> dict[str, object]:
        """JSON values from which `from_json` builds the same design."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> RunDesign:
        """Build the design that `to_json` wrote."""
        return cls(
            kind=stored["kind"],
            cells=tuple(map(_cell, stored["cells"])),
            half_width=stored["half_width"],
            level=stored["level"],
            against=stored["against"],
            ladder=tuple(stored["ladder"]),
            base=None if stored.get("base") is None else BaseSource(**stored["base"]),
        )


def design_of(config: Mapping[str, object], *, run_id: str) -> RunDesign | None:
    """Read the design of a stored run; None = it was asked as a whole.

    Raises:
        LedgerError: this version cannot read it.
    """
    stored = config.get(DESIGN)
    if stored is None:
        return None
    if not isinstance(stored, Mapping) or stored.get("kind") not in KINDS:
        raise LedgerError(
            f"run {run_id} was drawn by a design that this version does not know",
            where='runs.config["design"]',
            fix="use the version of benchtab that made the run",
        )
    return RunDesign.from_json(stored)


def _cell(stored: Mapping[str, Any]) -> CellDesign:
    return CellDesign(
        suite=stored["suite"],
        model=stored["model"],
        strata=tuple(Stratum(**stratum) for stratum in stored["strata"]),
        unit_sizes={task: tuple(sizes) for task, sizes in stored["unit_sizes"].items()},
        bank=None if stored["bank"] is None else _bank(stored["bank"]),
    )


def _bank(stored: Mapping[str, Any]) -> BankSource:
    models: Sequence[str] = stored["models"]
    return BankSource(
        cell_ids=tuple(stored["cell_ids"]),
        last_score_id=stored["last_score_id"],
        sha256=dict(stored["sha256"]),
        models=tuple(models),
    )
