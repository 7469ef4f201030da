"""What other models' stored answers say about samples before the first draw: a prediction for each, frozen.

Large tasks are divided into layers by predicted difficulty, and within each stratum predictions serve as a helper
variable with a coefficient that the drawn answers decide: a wrong bank may cost width, never coverage. Rows of the
model under test never enter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING

from harness.precision.design import PrecisionError, Stratum

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from harness.precision.observed import Floats

MOST_MISSING = 0.02
"""Share of a stratum's samples that a model of the bank may lack. A model that knows a prefix of the same draw order
alone would tell nothing about the rest, while the formulas take predictions for known of all samples."""

LAYERS = ("hard", "middle", "easy")
FEWEST_IN_LAYERS = 900
"""Units below which a task stays whole: each layer has a pilot of its own, and small tasks are soon used up anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """Predictions of a stratum's samples.

    Attributes:
        predictions: by sample; around the mean score of the bank's models.
        models: whose answers they were made from.
        sha256: digest of the predictions, which a plan stores.
    """

    predictions: Mapping[str, float]
    models: tuple[str, ...]
    sha256: str

    @property
    def mean(self) -> float:
        """Mean prediction over all samples: `Stratum.prediction`."""
        return sum(self.predictions.values()) / len(self.predictions)

    def of(self, samples: Sequence[str]) -> tuple[float, ...]:
        """Predictions of the samples of a unit: `UnitResult.predictions`."""
        return tuple(self.predictions[sample] for sample in samples)


def bank_of(scores: Mapping[str, Mapping[str, float]], samples: Sequence[str], *, tested: str) -> Bank | None:
    """Predict the scores of samples from those of other models; None = there is nothing to learn from.

    Args:
        scores: by model the mean score of each sample that it has.
        samples: all samples of the stratum.
        tested: the model under test.

    Raises:
        PrecisionError: the model under test is in its own bank.
    """
    if tested in scores:
        raise PrecisionError(f"the answers of {tested} are in the bank that is to predict them: leave its rows out")
    names = set(samples)
    known = {model: {s: v for s, v in own.items() if s in names} for model, own in sorted(scores.items())}
    used = {model: own for model, own in known.items() if len(own) >= (1 - MOST_MISSING) * len(names) > 0}
    if not used:
        return None
    rows = [[own.get(sample, nan) for sample in samples] for own in used.values()]
    predictions = {s: round(float(p), 6) for s, p in zip(samples, predicted(rows), strict=True)}
    if len(set(predictions.values())) < 2:
        return None
    body = json.dumps([tuple(used), sorted(predictions.items())], separators=(",", ":"))
    return Bank(predictions=predictions, models=tuple(used), sha256=hashlib.sha256(body.encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class Layer:
    """A part of a task with its units, in the task's draw order."""

    stratum: Stratum
    units: tuple[str, ...]


def layered(task: Stratum, units: Mapping[str, Sequence[str]], bank: Bank) -> tuple[Layer, ...]:
    """Divide a task into strata by the bank's predictions: three layers of a large task, a small one as it is.

    Args:
        task: the whole task, as it would be without a bank.
        units: in draw order the samples of each unit.
    """
    names = list(units)
    means = [sum(bank.of(units[name])) / len(units[name]) for name in names]
    numbers = layer_numbers(means, [hashlib.sha256(name.encode()).hexdigest() for name in names])
    found = []
    for number in sorted(set(numbers)):
        own = tuple(name for name, at in zip(names, numbers, strict=True) if at == number)
        known = [prediction for name in own for prediction in bank.of(units[name])]
        stratum = replace(
            task,
            name=LAYERS[number] if len(set(numbers)) > 1 else task.name,
            n_units=len(own),
            n_items=len(known),
            weight=task.weight * len(known) / task.n_items,
            prediction=sum(known) / len(known),
        )
        found.append(Layer(stratum, own))
    return tuple(found)


def layer_numbers(predictions: Sequence[float], ties: Sequence[str]) -> list[int]:
    """Number the layer of each unit, the least predicted first; equal numbers of units in each.

    Args:
        ties: what decides between equal predictions. It must not depend on the draw order: a layer filled with early
            units would be drawn from its tied units first.
    """
    n = len(predictions)
    if n < FEWEST_IN_LAYERS:
        return [0] * n
    numbers = [0] * n
    for rank, place in enumerate(sorted(range(n), key=lambda place: (predictions[place], ties[place]))):
        numbers[place] = rank * len(LAYERS) // n
    return numbers


def predicted(scores: ArrayLike) -> Floats:
    """Predict samples (columns) from the scores of models (rows, NaN = it has none).

    The mean over models of their score above their own mean, shrunk by one model's weight, around the mean of all: a
    sample that few of them have is predicted near the middle.
    """
    import numpy as np

    table = np.asarray(scores, dtype=float)
    means = np.nanmean(table, axis=1, keepdims=True)
    above = np.nansum(table - means, axis=0) / (np.isfinite(table).sum(axis=0) + 1)
    return np.asarray(means.mean() + above, dtype=np.float64)
