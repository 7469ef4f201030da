"""Limits that a worker process puts on itself: it ends with its parent, and works only so long on one question."""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""What a worker is started with: no key, no token."""


def die_with_parent(parent_id: int) -> None:
    """Let the kernel end this process when its parent ends, however that ends; leave when it already has."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_id:
        sys.exit("the process that asked has ended")


def limit_processor_time(seconds: float) -> None:
    """Let the kernel end this process when it works longer on its next question, whoever may still watch it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used.ru_utime + used.ru_stime + seconds) + 1, hard))
