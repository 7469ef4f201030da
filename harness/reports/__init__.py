"""Reports: facts from the ledger and the price book become tables, JSON objects, charts and pages.

Data flows ledger + price book -> `assembly` -> facts -> `spend` -> tables; `REPORTS` lists the tables by name.
"""

from harness.reports.compare.verdict import ladder_table, pairs_table
from harness.reports.spend.cost_statistics import statistics_table
from harness.reports.spend.spend_tables import prices_table, runs_table, spend_table, summary_table, totals_table
from harness.reports.spend.task_table import tasks_table

REPORTS = {
    "report": spend_table,
    "summary": summary_table,
    "totals": totals_table,
    "cost_statistics": statistics_table,
    "pairs": pairs_table,
    "ladder": ladder_table,
    "prices_used": prices_table,
    "runs": runs_table,
    "tasks": tasks_table,
}
"""Name -> function from a `SpendReport` to a `Table`."""

__all__ = ["REPORTS"]
