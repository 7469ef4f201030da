"""What waves drew of a cell, sample by sample: exports weigh their rows by how likely they were drawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from harness.ledger import CellRecord, Ledger, RunRecord
from harness.waves.design_record import design_of


class DrawnSample(NamedTuple):
    """One planned sample that a wave drew.

    Attributes:
        unit: place of its unit in the stratum's order, from 0.
        inclusion_probability: share of the stratum's units that were drawn for this repeat in the end.
    """

    stratum: str
    wave: int
    unit: int
    inclusion_probability: float


def is_drawn(run: RunRecord) -> bool:
    """Whether waves decide what a run asks; a pilot before a whole run does not."""
    design = design_of(run.config, run_id=run.run_id)
    return design is not None and design.target is not None


def drawn_samples(ledger: Ledger, cell: CellRecord) -> Mapping[int, DrawnSample] | None:
    """Give what waves drew of a cell by planned sample; None = its run asks everything that is planned."""
    assert cell.run_id is not None  # it is stored
    run = ledger.run(cell.run_id)
    if run is None or not is_drawn(run):
        return None
    draws = [draw for draw in ledger.draws(cell.run_id) if draw.cell_id == cell.cell_id]
    epochs = {one.planned_id: one.epoch for one in ledger.planned(cell.run_id)}
    share: dict[tuple[str, int], float] = defaultdict(float)
    for draw in draws:
        key = (draw.stratum, epochs[draw.planned_id])
        share[key] = max(share[key], draw.inclusion_probability)
    return {
        draw.planned_id: DrawnSample(
            draw.stratum, draw.wave, draw.draw_order, share[draw.stratum, epochs[draw.planned_id]]
        )
        for draw in draws
    }
