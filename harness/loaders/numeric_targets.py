"""Numeric targets of test cases that lie in an HDF5 file of the user's: asked of a process that may fail for itself.

Data flows `TargetsRef` -> `harness.loaders.hdf5_values` in its own process -> plain data for the sandbox's judge.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.loaders.hdf5_values import PROCESSOR_S, TargetError
from harness.suites.sample import TargetsRef

if TYPE_CHECKING:
    from harness.declared import Json

LONGEST_S = 2 * PROCESSOR_S
INSTALL = 'pip install "benchtab[scicode]" (or h5py alone)'


def read_targets(ref: TargetsRef) -> list[Json]:
    """Read the targets of one step, one for each of its tests, in the forms of `sandboxed.values`.

    Raises:
        TargetError: the file or the step cannot be used; the text names both.
    """
    answer = _asked("step", ref.path, ref.step, str(ref.count))
    targets = answer.get("targets")
    if not isinstance(targets, list):
        raise TargetError(f"step {ref.step} in {ref.path}: {answer.get('error')}")
    return targets


def missing_steps(path: Path, steps: Mapping[str, int]) -> list[str]:
    """Name the steps of which the file lacks targets; `steps` says how many tests each has.

    Raises:
        InputError: the file cannot be read.
    """
    answer = _asked("missing", str(path), given=json.dumps(dict(steps)))
    missing = answer.get("missing")
    if not isinstance(missing, list):
        fix = INSTALL if answer.get("needs") else "download it again; it is an HDF5 file of groups STEP/testN"
        raise InputError(f"the numeric targets cannot be read: {answer.get('error')}", where=str(path), fix=fix)
    return missing


def _asked(*arguments: str, given: str = "") -> Mapping[str, Any]:
    command = [sys.executable, "-m", "harness.loaders.hdf5_values", *arguments]
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=LONGEST_S, check=False)
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return {"error": f"reading it takes longer than {LONGEST_S} seconds"}
    except ValueError:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return {"error": f"reading it failed: {last[:200]}"}
    return answer if isinstance(answer, dict) else {"error": "reading it gave no answer"}
