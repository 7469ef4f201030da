"""Rates of kinds of attempts as a table of integers, with which many lines are charged at once.

Data flows `Rates` + rows, meters and quantities of lines -> a record batch. Exact: what does not fit into 64 bits is
left to others.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from harness.ledger.columns import INPUT_METERS
from harness.ledger.reading.export_rows import scaled_usd
from harness.money import EXACT
from harness.reports.exports.attempt_rates import Rates
from harness.usage.values import Meter

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

METERS = (*INPUT_METERS, Meter.REASONING, Meter.OUTPUT)
"""Disjoint quantities in the order of `TokenCounts.quantities`."""
LINE = ("meter", "quantity", "usd_per_unit", "usd", "price_model", "price_effective_from")
"""Columns of a line, in the order of `attempt_rates.Line`."""
USD_SCALE = 18
_LARGEST = 2**63 - 1


class RateTable:
    """Rates of different kinds of attempts, a row each and a column per meter.

    Attributes:
        most: the largest quantities whose charges fit into 64 bits of 10^-18 dollars; -1 where the rate itself does
            not.
    """

    def __init__(self) -> None:
        import numpy as np

        self._rows: list[Rates] = []
        self._places: dict[int, int] = {}
        self._scaled = np.zeros((0, len(METERS)), dtype=np.int64)
        self.most = self._scaled.copy()

    def place(self, rates: Rates) -> int:
        """Give the row of these rates."""
        import numpy as np

        if id(rates) not in self._places:
            self._places[id(rates)] = len(self._rows)
            self._rows.append(rates)
            scaled = [_scaled(self._rate(rates, meter)) for meter in METERS]
            most = [-1 if units is None else _LARGEST // max(1, abs(units)) for units in scaled]
            self._scaled = np.vstack([self._scaled, [units or 0 for units in scaled]])
            self.most = np.vstack([self.most, most])
        return self._places[id(rates)]

    @staticmethod
    def _rate(rates: Rates, meter: Meter) -> Decimal:
        """Give the rate of a meter; zero where it is unpriced."""
        return rates.by_meter[meter][0] if meter in rates.by_meter else Decimal(0)

    def lines(self, rows: np.ndarray, meters: np.ndarray, quantities: np.ndarray) -> pa.RecordBatch:
        """Charge quantities that fit.

        Args:
            rows, meters, quantities: of each line.
        """
        import numpy as np
        import pyarrow as pa

        nothing = (None, None, None)
        known = [rates.by_meter.get(meter, nothing) for rates in self._rows for meter in METERS]
        is_unpriced = np.array([rate is None for rate, _, _ in known], dtype=bool)
        place = rows * len(METERS) + meters
        units = self._scaled.ravel()
        unpriced = is_unpriced[place]
        lines = (
            pa.array([meter.value for meter in METERS]).take(pa.array(meters)),
            pa.array(quantities),
            scaled_usd(pa.array(units[place], mask=unpriced), USD_SCALE),
            scaled_usd(pa.array(quantities * units[place], mask=unpriced), USD_SCALE),
            pa.array([name for _, name, _ in known], type=pa.string()).take(pa.array(place)),
            pa.array([start for _, _, start in known], type=pa.timestamp("us", tz="UTC")).take(pa.array(place)),
        )
        return pa.record_batch(list(lines), names=list(LINE))


def _scaled(rate: Decimal) -> int | None:
    """Give a rate in whole 10^-18 dollars; None where those are not whole, or too many for 64 bits."""
    units = EXACT.scaleb(rate, USD_SCALE)
    return int(units) if units == units.to_integral_value() and abs(units) <= _LARGEST else None
