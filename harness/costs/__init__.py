"""Usage and the price in force make an exact cost."""

from harness.costs.cost import Bill, Charge, Cost, charge, cost_of, find_price, worst_case_usd

__all__ = ["Bill", "Charge", "Cost", "charge", "cost_of", "find_price", "worst_case_usd"]
