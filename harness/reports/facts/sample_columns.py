"""A run's results and spend per sample, in columns: a report walks a million attempts of them.

Data flows ledger rows, a batch at a time, as whole numbers -> columns of one entry per attempt -> per cell, one entry
per sample -> `assembly`. Costs here are floats and serve intervals only; sums are exact elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.ledger import Ledger
from harness.ledger.reading.batch_rows import batches
from harness.ledger.schema.tables import SETTLED_AND_SUMMABLE
from harness.reports.facts.apart import TOKENS
from harness.reports.facts.report_facts import COUNTED_WRONG
from harness.usage.values import Meter

UNANSWERED = ("failed", "timed_out", "cancelled")
Rates = Mapping[Meter, float]
"""USD per token, of the meters that occurred."""
GroupRates = Mapping[tuple[int, int], Rates | None]
"""Rates by cell and usage group; None = unpriced. Groups that are charged attempt by attempt are not in it."""
Singles = Mapping[tuple[int, int], tuple[float | None, int]]
"""Cost (None = not known) and output of the attempts charged one by one, by cell and sample."""


def rate_vector(rates: Rates) -> tuple[float, ...]:
    """Order rates like the counts that `split_output` gives."""
    get = rates.get
    output = get(Meter.OUTPUT, get(Meter.REASONING, 0.0))
    return (get(Meter.INPUT, 0.0), get(Meter.CACHE_READ, 0.0), get(Meter.CACHE_WRITE_5M, 0.0),
            get(Meter.CACHE_WRITE_1H, 0.0), output, get(Meter.REASONING, output))  # fmt: skip


def split_output(tokens: Sequence[int]) -> tuple[int, ...]:
    """Turn counts in the order of `TOKENS` into disjoint ones: reasoning is a part of output there."""
    return (*tokens[:4], tokens[4] - tokens[5], tokens[5])


@dataclass(slots=True)
class Samples:
    """The samples of a cell in columns of equal length, one entry per sample, its repeats added up.

    Attributes:
        keys: (task, sample id).
        score_counts: answers that count, right or wrong.
        costs_usd: over all attempts; None = not known.
    """

    keys: list[tuple[str, str]] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    score_sums: list[float] = field(default_factory=list)
    score_counts: list[int] = field(default_factory=list)
    n_solves: list[int] = field(default_factory=list)
    costs_usd: list[float | None] = field(default_factory=list)
    output_tokens: list[int] = field(default_factory=list)

    def add(self, other: Samples) -> None:
        """Add another cell's samples: repeats of a sample stay one sample."""
        places = {key: place for place, key in enumerate(self.keys)}
        for at, key in enumerate(other.keys):
            place = places.get(key)
            if place is None:
                for name in self.__dataclass_fields__:
                    getattr(self, name).append(getattr(other, name)[at])
                continue
            mine, theirs = self.costs_usd[place], other.costs_usd[at]
            self.costs_usd[place] = None if mine is None or theirs is None else mine + theirs
            self.probabilities[place] = max(self.probabilities[place], other.probabilities[at])
            self.score_sums[place] += other.score_sums[at]
            self.score_counts[place] += other.score_counts[at]
            self.n_solves[place] += other.n_solves[at]
            self.output_tokens[place] += other.output_tokens[at]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSamples:
    """What became of a cell's samples.

    Attributes:
        n_retries: solving attempts that repeat an earlier one.
        n_flagged: settled attempts by purpose (`solve`, `judge`) whose usage does not add up as the provider sent it.
        n_unscored, n_without_answer: answers by the reason why there is none; the second kind counts as wrong.
    """

    cell_id: int
    samples: Samples
    n_retries: int
    n_flagged: Mapping[str, int]
    n_unscored: Mapping[str, int]
    n_without_answer: Mapping[str, int]


_PLAN = """
    SELECT planned_id, task, sample_id, inclusion_probability FROM planned_samples WHERE run_id = :run_id
    ORDER BY task, draw_order, epoch, planned_id
"""
_OF_RUN = "cell_id IN (SELECT cell_id FROM cells WHERE run_id = :run_id)"
_SPAN = f"SELECT min(attempt_id), max(attempt_id) FROM attempts WHERE {_OF_RUN}"
# a run's attempts lie close together: the table is read along them, in its own order (`+` keeps the index out of it)
_ATTEMPTS = f"""
    SELECT attempt_id, cell_id, coalesce(planned_id, -1), CASE WHEN purpose = 'solve' THEN 1 ELSE 0 END,
        CASE status WHEN 'succeeded' THEN 0 WHEN 'reused' THEN 1 WHEN 'sent' THEN 3 ELSE 2 END,
        coalesce(usage_group_id, -1), CASE WHEN {SETTLED_AND_SUMMABLE} THEN 1 ELSE 0 END,
        CASE WHEN usage_flags IS NULL OR usage_source = 'missing' THEN 0 ELSE 1 END,
            {", ".join(f"coalesce({name}, 0)" for name in TOKENS)}
    FROM attempts WHERE attempt_id BETWEEN :low AND :high AND +{_OF_RUN}
    ORDER BY attempt_id
"""
_SUCCEEDED, _REUSED, _UNANSWERED, _SENT = 0, 1, 2, 3
_SCORES = f"""
    SELECT attempt_id, coalesce(value_millionths, -1), reason FROM scores
    WHERE attempt_id BETWEEN :low AND :high AND +{_OF_RUN} ORDER BY attempt_id, score_id
"""


def cell_samples(ledger: Ledger, run_id: str, rates: GroupRates, singles: Singles) -> Iterator[CellSamples]:
    """Give the results of every cell of a run that was tried, in order of cells."""
    import numpy as np

    span = next(batches(ledger, _SPAN, values={"run_id": run_id}))[0]
    if span[0] is None:
        return
    bound = {"run_id": run_id, "low": span[0], "high": span[1]}
    attempts = _attempts(ledger, bound, rates)
    flagged = _flagged(attempts)
    solves = {name: column[(attempts["solve"] == 1) & (attempts["planned"] >= 0)] for name, column in attempts.items()}
    plan = _Plan.read(ledger, run_id)
    answered = solves["status"] <= _REUSED
    order = np.lexsort((solves["attempt"], answered, solves["planned"], solves["cell"]))
    solves = {name: column[order] for name, column in solves.items()}
    # the last attempt of a planned answer stands: the newest answered one, else the newest
    cell, planned = solves["cell"], solves["planned"]
    is_last = np.append((cell[1:] != cell[:-1]) | (planned[1:] != planned[:-1]), True)[: len(cell)]
    last = np.flatnonzero(is_last)
    first = np.append(0, last[:-1] + 1)[: len(last)]
    results = {
        "cell": cell[last],
        "planned": planned[last],
        "status": solves["status"][last],
        "attempt": solves["attempt"][last],
        "n": last - first + 1,
        "usd": np.add.reduceat(solves["usd"], first) if len(last) else solves["usd"],
        "output": np.add.reduceat(solves["output"], first) if len(last) else solves["output"],
    }
    results["value"], results["reason"], reasons = _scores(ledger, bound, results["attempt"])
    for cell_id in np.union1d(results["cell"], np.fromiter(flagged, dtype=np.int64)).tolist():
        here = slice(*np.searchsorted(results["cell"], (cell_id, cell_id + 1)))
        own = {name: column[here] for name, column in results.items()}
        yield _of_cell(int(cell_id), own, plan, reasons, singles, flagged.get(cell_id, {}))


def _attempts(ledger: Ledger, bound: Mapping[str, Any], rates: GroupRates) -> dict[str, Any]:
    """Read the attempts of a run into columns; tokens become dollars at once, so that memory stays small."""
    import numpy as np

    columns: dict[str, list[Any]] = {name: [] for name in _TYPES}
    table = _RateTable.of(rates)
    for rows in batches(ledger, _ATTEMPTS, values=bound):
        part = np.array(rows, dtype=np.int64)
        attempt, cell, planned, solve, status, group, summable, flagged = part[:, :8].T
        counted = (summable == 1) & (status != _REUSED)
        usd, output = table.charge(cell, group, part[:, 8:], counted)
        found = (attempt, cell, planned, solve, status, flagged, usd, output)
        for (name, kind), values in zip(_TYPES.items(), found, strict=True):
            columns[name].append(values.astype(kind))
    return {name: np.concatenate(parts) for name, parts in columns.items()}


_TYPES = {
    "attempt": "int64",
    "cell": "int64",
    "planned": "int64",
    "solve": "int8",
    "status": "int8",
    "flagged": "int8",
    "usd": "float64",
    "output": "int64",
}


@dataclass(frozen=True, slots=True)
class _RateTable:
    """Rates by (cell, usage group) as one matrix; the last row, all zero, is for groups charged attempt by attempt."""

    places: Mapping[tuple[int, int], int]
    matrix: Any

    @classmethod
    def of(cls, rates: GroupRates) -> _RateTable:
        import numpy as np

        nothing, unknown = [0.0] * len(TOKENS), [np.nan] * len(TOKENS)
        rows = [unknown if found is None else rate_vector(found) for found in rates.values()]
        return cls({key: place for place, key in enumerate(rates)}, np.array([*rows, nothing], dtype=float))

    def charge(self, cell: Any, group: Any, tokens: Any, counted: Any) -> tuple[Any, Any]:
        """Give cost and output per attempt."""
        import numpy as np

        none = len(self.matrix) - 1
        pairs, which = np.unique(cell * (1 << 32) + group, return_inverse=True)
        # a group of -1 (never settled) borrows from the cell's digits: such attempts are not counted anyway
        known = [self.places.get((int(pair) >> 32, int(pair) & 0xFFFFFFFF), none) for pair in pairs.tolist()]
        place = np.where(counted, np.array(known, dtype=np.int64)[which.reshape(-1)], none)
        listed = place != none
        reasoning = tokens[:, 5]
        quantities = np.concatenate((tokens[:, :4], (tokens[:, 4] - reasoning)[:, None], reasoning[:, None]), axis=1)
        return (self.matrix[place] * quantities).sum(axis=1), np.where(listed, tokens[:, 4], 0)


def _flagged(attempts: Mapping[str, Any]) -> dict[int, dict[str, int]]:
    """Count the attempts with usage flags, by cell and purpose."""
    marked = (attempts["flagged"] == 1) & (attempts["status"] != _REUSED) & (attempts["status"] != _SENT)
    pairs = zip(attempts["cell"][marked].tolist(), attempts["solve"][marked].tolist(), strict=True)
    found: dict[int, dict[str, int]] = {}
    for (cell_id, solve), count in Counter(pairs).items():
        found.setdefault(cell_id, {})["solve" if solve else "judge"] = count
    return found


@dataclass(frozen=True, slots=True)
class _Plan:
    """What was planned: the samples in the order of a report (by task, then as drawn), and which answers are theirs."""

    planned: Any
    sample: Any
    keys: Sequence[tuple[str, str]]
    probabilities: Sequence[float]

    @classmethod
    def read(cls, ledger: Ledger, run_id: str) -> _Plan:
        import numpy as np

        numbers: dict[tuple[str, str], int] = {}
        probabilities: list[float] = []
        planned, sample = [], []
        for rows in batches(ledger, _PLAN, values={"run_id": run_id}):
            for planned_id, task, sample_id, probability in rows:
                number = numbers.setdefault((task, sample_id), len(numbers))
                if number == len(probabilities):
                    probabilities.append(probability)
                planned.append(planned_id)
                sample.append(number)
        ids = np.array(planned, dtype=np.int64)
        order = np.argsort(ids)
        return cls(ids[order], np.array(sample, dtype=np.int64)[order], list(numbers), probabilities)

    def samples(self, planned: Any) -> Any:
        """Number the sample of each answer."""
        import numpy as np

        return self.sample[np.searchsorted(self.planned, planned)]


def _scores(ledger: Ledger, bound: Mapping[str, Any], attempts: Any) -> tuple[Any, Any, list[str | None]]:
    """Find the newest score of each attempt: its millionths (-1 = none), and why there is none, by number."""
    import numpy as np

    numbers: dict[str | None, int] = {None: 0}
    ids, values, reasons = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int16)]
    for rows in batches(ledger, _SCORES, values=bound):
        attempt, value, why = zip(*rows, strict=True)
        ids.append(np.array(attempt, dtype=np.int64))
        values.append(np.array(value, dtype=np.int64))
        reasons.append(np.array([numbers.setdefault(text, len(numbers)) for text in why], dtype=np.int16))
    scored = np.concatenate(ids)
    # the rightmost of equal attempts is the newest score
    place = np.searchsorted(scored, attempts, side="right") - 1
    found = (place >= 0) & (scored[np.maximum(place, 0)] == attempts) if len(scored) else np.zeros(len(attempts), bool)
    place = np.where(found, place, 0)
    if not len(scored):
        return np.full(len(attempts), -1), np.zeros(len(attempts), np.int16), list(numbers)
    newest = np.where(found, np.concatenate(values)[place], -1)
    return newest, np.where(found, np.concatenate(reasons)[place], 0), list(numbers)


def _of_cell(
    cell_id: int,
    results: Mapping[str, Any],
    plan: _Plan,
    reasons: Sequence[str | None],
    singles: Singles,
    flagged: Mapping[str, int],
) -> CellSamples:
    """Add up the repeats of each sample."""
    import numpy as np

    is_scored = results["value"] >= 0
    why = [
        reasons[number] or ("failed" if status == _UNANSWERED else "pending")
        for number, status in zip(results["reason"][~is_scored].tolist(), results["status"][~is_scored].tolist(),
                                  strict=True)
    ]  # fmt: skip
    counts = is_scored.copy()
    counts[~is_scored] = [reason in COUNTED_WRONG for reason in why]
    by_reason = Counter(why)
    usd, output = results["usd"].copy(), results["output"].copy()
    if singles:
        for place, planned_id in enumerate(results["planned"].tolist()):
            single = singles.get((cell_id, planned_id))
            if single is not None:
                usd[place] += np.nan if single[0] is None else single[0]
                output[place] += single[1]
    numbers, which = np.unique(plan.samples(results["planned"]), return_inverse=True)

    def total(values: Any) -> Any:
        return np.bincount(which.reshape(-1), weights=values, minlength=len(numbers))

    costs = total(usd)
    places = numbers.tolist()
    samples = Samples(
        keys=[plan.keys[number] for number in places],
        probabilities=[plan.probabilities[number] for number in places],
        score_sums=total(np.where(is_scored, results["value"], 0) / 1_000_000).tolist(),
        score_counts=total(counts).astype(np.int64).tolist(),
        n_solves=total(np.ones(len(usd))).astype(np.int64).tolist(),
        costs_usd=[None if unknown else cost for cost, unknown in zip(costs.tolist(), np.isnan(costs).tolist(),
                                                                      strict=True)],
        output_tokens=total(output).astype(np.int64).tolist(),
    )  # fmt: skip
    return CellSamples(
        cell_id=cell_id,
        samples=samples,
        n_retries=int((results["n"] - 1).sum()),
        n_flagged=flagged,
        n_unscored={reason: count for reason, count in by_reason.items() if reason not in COUNTED_WRONG},
        n_without_answer={reason: count for reason, count in by_reason.items() if reason in COUNTED_WRONG},
    )
