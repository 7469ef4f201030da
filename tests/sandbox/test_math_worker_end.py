"""A math worker never outlives the process that asked, whatever ended that process, and never works without end."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys

import pytest

WORKER = [sys.executable, "-P", "-m", "harness.sandbox.math_worker"]
# starts a worker whose standard input stays open, says its id, and waits to be killed
PARENT = f"""
import os, subprocess, sys
worker = subprocess.Popen([*{WORKER!r}, str(os.getpid())], stdin=int(sys.argv[1]), stdout=subprocess.PIPE, text=True)
worker.stdout.readline()
print(worker.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
def test_a_worker_ends_with_its_parent_also_in_the_middle_of_a_comparison(number: signal.Signals) -> None:
    ours, theirs = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(ours)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=[ours],
    ) as parent:
        os.close(ours)
        assert parent.stdout is not None
        worker = os.pidfd_open(int(parent.stdout.readline()))
        try:
            assert not select.select([worker], [], [], 0)[0], "the worker runs"
            parent.send_signal(number)
            assert select.select([worker], [], [], 30)[0], "the worker has ended, although its input is still open"
        finally:
            os.close(worker)
            os.close(theirs)


def test_a_worker_whose_parent_has_already_gone_leaves_at_once() -> None:
    done = subprocess.run([*WORKER, "1"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == "the process that asked has ended"


def test_a_worker_has_a_limit_of_processor_time_for_each_comparison() -> None:
    program = "from harness.sandbox import process_limits\nprocess_limits.limit_processor_time(0.01)\nwhile True: pass"
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=60)
    assert done.returncode == -signal.SIGXCPU


def test_the_limit_of_processor_time_begins_anew_with_each_comparison() -> None:
    program = """
import json, resource, time
from harness.sandbox.process_limits import limit_processor_time
limit_processor_time(5)
first = resource.getrlimit(resource.RLIMIT_CPU)[0]
while time.process_time() < 2.1: pass
limit_processor_time(5)
print(json.dumps([first, resource.getrlimit(resource.RLIMIT_CPU)[0]]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    first, second = json.loads(done.stdout)
    assert first in (6, 7)
    assert second == first + 2
