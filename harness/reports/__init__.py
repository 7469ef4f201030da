"""Reports: facts from the ledger and the price book become tables, JSON objects, charts and pages.

Data flows ledger + price book -> `facts.assembly` -> facts -> `spend`; `REPORTS` says what is shown where.
"""

from harness.reports.report_parts import REPORTS, ReportPart

__all__ = ["REPORTS", "ReportPart"]
