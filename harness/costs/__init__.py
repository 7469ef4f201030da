"""Usage and the price in force make an exact cost."""

from harness.costs.charge import Bill, Charge, charge
from harness.costs.cost import Cost, cost_of, find_price, price_request
from harness.costs.served import Served
from harness.costs.worst_case import worst_case_usd

__all__ = [
    "Bill",
    "Charge",
    "Cost",
    "Served",
    "charge",
    "cost_of",
    "find_price",
    "price_request",
    "worst_case_usd",
]
