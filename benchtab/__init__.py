"""The same as `import harness`, under the name of the program and of its distribution."""

from harness import Ledger, compare, dry_run, export, price, report, run
from harness.version import __version__

__all__ = ["Ledger", "__version__", "compare", "dry_run", "export", "price", "report", "run"]
