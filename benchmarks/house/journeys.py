"""The way of a report from the ledger to the printed tables, followed in a process that runs the checkout's code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks.house.checkout import Checkout, Measured

_PROGRAM = Path(__file__).with_name("report_trace.py")


def modules_of_a_report(checkout: Checkout) -> Measured:
    """Modules that work between the ledger and the printed report."""
    modules = tuple(_followed(checkout.root)["modules"])
    return Measured(len(modules), modules)


def hops_of_a_report(checkout: Checkout) -> Measured:
    """Calls from one module into another on that way."""
    return Measured(_followed(checkout.root)["hops"])


@lru_cache
def _followed(root: Path) -> Any:
    done = subprocess.run(
        [sys.executable, "-P", str(_PROGRAM)],
        env={**os.environ, "PYTHONPATH": str(root)},
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the report of {root} could not be followed:\n{done.stderr}")
    followed = json.loads(done.stdout.splitlines()[-1])
    if not Path(followed["package"]).is_relative_to(root):
        raise RuntimeError(f"{followed['package']} was followed in place of {root}/harness")
    return followed
