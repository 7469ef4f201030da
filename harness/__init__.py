"""Cost-aware benchmark harness: what a benchmark cost, what it will cost, and whether it was worth it.

    import harness

    harness.dry_run("starter", "openai/o1")          # what it would cost; nothing is sent
    done = harness.run("starter", ["sim/reasoner", "sim/direct"])
    harness.report(done.run_id)                      # a pandas data frame
    harness.Ledger().attempts(done.run_id)           # every request

Importing this package is cheap: nothing heavy (litellm, datasets, pandas) is imported until it is used.
"""

from harness.api import Ledger, compare, dry_run, export, price, report, run
from harness.version import __version__

__all__ = ["Ledger", "__version__", "compare", "dry_run", "export", "price", "report", "run"]
