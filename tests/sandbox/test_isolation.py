"""How programs are locked in: what each isolation gives, what is told where there is none."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.sandbox import Limits, Sandbox, Unavailable, find_bubblewrap, find_isolation
from harness.sandbox.isolation import BoxPlan, Container, NoIsolation
from harness.sandbox.pool import working
from harness.sandbox.sandboxed.system_calls import REFUSED, RETURN, filter_steps
from harness.sandbox.worker import Worker
from harness.scorers.values import ProgramCheck
from tests.support.sandbox_programs import ECHO, ran

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class BrokenIsolation(NoIsolation):
    """One whose processes never start."""

    def command(self, plan: BoxPlan) -> list[str]:
        return ["/bin/false"]


def test_an_isolation_that_does_not_work_is_found_out_before_any_sample() -> None:
    found = working(BrokenIsolation(), Limits())
    assert isinstance(found, Unavailable)
    assert found.problem.startswith("none does not work here: a sandbox did not start")
    assert working(NoIsolation(), Limits()) == NoIsolation()


@pytest.mark.sandbox
def test_a_program_has_no_capability_and_a_user_of_its_own(worker: Worker) -> None:
    program = "def f(): return dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())"
    tests = """
status = f()
for name in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb'):
    assert int(status[name].strip(), 16) == 0, name
assert status['NoNewPrivs'].strip() == '1'
assert set(status['Uid'].split()) != {'0'} or status['Uid'].split()[0] != '0'
"""
    assert ran(worker, program, tests).passed is True


def test_each_system_call_filter_is_well_formed() -> None:
    for machine in ("x86_64", "aarch64"):
        steps = filter_steps(machine)
        for place, (code, if_true, if_false, _) in enumerate(steps):
            assert code != RETURN or (if_true, if_false) == (0, 0)
            assert place + 1 + max(if_true, if_false) < len(steps) or code == RETURN
        assert steps[-1][0] == RETURN
    assert filter_steps("riscv64") == []
    assert all(len(set(numbers)) == len(numbers) for numbers in zip(*REFUSED.values(), strict=True))


async def test_without_a_sandbox_the_sample_is_unscored_and_the_advice_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    check = ProgramCheck(program=ECHO, tests="assert f(1) == 1", entry_point="f", answer=ECHO, rule="code_block")
    async with Sandbox() as sandbox:
        assert sandbox.problem == Unavailable(
            problem="bubblewrap is not installed", fix="install it: apt-get install bubblewrap"
        )
        verdict = await sandbox.run(check)
    assert (verdict.passed, verdict.reason) == (None, "unsandboxed")
    scored = verdict.score(check)
    assert (scored.value, scored.reason, scored.answer, scored.rule) == (None, "unsandboxed", ECHO, "code_block")
    assert scored.explanation is not None
    assert "apt-get install bubblewrap" in scored.explanation


async def test_unsafe_execution_gives_verdicts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    async with Sandbox(unsafe=True, workers=2) as sandbox:
        assert isinstance(sandbox.isolation, NoIsolation)
        right = ProgramCheck(program="def f(x): return x * x", tests="assert f(3) == 9", entry_point="f")
        wrong = ProgramCheck(program="import os\nos._exit(0)", tests="assert f(3) == 9", entry_point="f")
        slow = ProgramCheck(program="while True: pass", tests="assert f(3) == 9", entry_point="f", timeout_s=1)
        verdicts = await asyncio.gather(*map(sandbox.run, (right, wrong, slow)))
    assert [verdict.reason for verdict in verdicts] == ["passed", "program_ended", "timeout"]


def test_a_container_engine_that_is_missing_is_an_input_error() -> None:
    with pytest.raises(InputError, match="podwoman is not installed"):
        find_isolation(container_engine="podwoman")


def test_a_container_has_no_network_no_rights_and_no_disk() -> None:
    container = Container(executable="/usr/bin/podman", image="python:3.12-slim", exchange="/run/exchange")
    plan = BoxPlan(side="program", arguments=("/exchange/x", "{}"), slot=3, label="box-1", limits=Limits())
    line = " ".join(container.command(plan))
    for part in ("--network none", "--read-only", "--cap-drop ALL", "no-new-privileges", "--pids-limit 34", "--rm"):
        assert part in line
    assert "--tmpfs /tmp:rw,size=67108864" in line
    assert "--memory 1610612736 --memory-swap 1610612736" in line
    assert line.index("python:3.12-slim") < line.index("python3 -S")
    assert container.stop_command(plan) == ["/usr/bin/podman", "kill", "box-1"]


@pytest.mark.sandbox
def test_an_ordinary_user_is_locked_in_too() -> None:
    """The same checks by a user who is not root, through a user namespace (with the system's own Python)."""
    if isinstance(find_bubblewrap(), Unavailable) or shutil.which("setpriv") is None:
        pytest.skip("needs bubblewrap and setpriv")
    python = Path("/usr/bin/python3")
    same = python.exists() and subprocess.run(
        [python, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True, check=False
    ).stdout.strip() == str(sys.version_info[:2])
    if not same:
        pytest.skip("needs a system Python of the same version")
    command = [str(python), "-c", ORDINARY_USER]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups", *command]
    with readable_installation() as folder:
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False, cwd="/"
        )
    expected = ["None", "passed", "wrong", "timeout", "program_ended", "memory", "memory", "memory", "passed"]
    assert done.stdout.splitlines() == expected, done


IMPORTED = """
import sys, harness.sandbox.pool, harness.sandbox.worker
from pathlib import Path
for name, module in list(sys.modules.items()):
    file = getattr(module, "__file__", None)
    if "." not in name and file and ("site-packages" in file or name == "harness"):
        print(Path(file).parent if Path(file).name == "__init__.py" else file)
"""


@contextlib.contextmanager
def readable_installation() -> Iterator[str]:
    """A copy of the package and of what it imports that every user can read: this one may be closed to others."""
    found = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        for source in map(Path, found.split()):
            target = Path(folder) / source.name
            shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield folder


ORDINARY_USER = """
import asyncio
from harness.sandbox import Sandbox
from harness.scorers.values import ProgramCheck
PROBE = '''
import os, socket, ctypes
def f():
    found = []
    for attempt in (lambda: open('/etc/shadow'), lambda: os.listdir('/home'), lambda: open('/usr/x', 'w'),
                    lambda: open('/dev/shm/x', 'w'), lambda: open('/x', 'w'), lambda: os.kill(1, 9),
                    lambda: socket.create_connection(('1.1.1.1', 53), 1), lambda: open('/proc/1/mem', 'rb')):
        try:
            found.append(str(attempt()))
        except OSError:
            pass
    caps = [l for l in open('/proc/self/status') if l.startswith('CapEff')][0].split()[1]
    if int(caps, 16): found.append(caps)
    try:
        os.close(socket.socket(40, socket.SOCK_STREAM).detach())
        found.append('AF_VSOCK')
    except OSError:
        pass
    for _ in range(200):
        try:
            if os.fork() == 0:
                os.read(os.pipe()[0], 1)
        except OSError:
            return [x for x in found if x != 'None'] or 'blocked'
    return 'no limit of processes'
'''
HOARD = '''
import mmap, os, time
def f(x):
    told, tell = os.pipe()
    for _ in range(3):
        if os.fork() == 0:
            held = {make}
            for at in range(0, len(held), 4096): held[at] = 1
            os.write(tell, b'.')
            time.sleep(60)
    for _ in range(3): os.read(told, 1)
    time.sleep(1)
    return x * x
'''
CHECKS = [
    ("def f(x): return x * x", "assert f(3) == 9", 20),
    ("def f(x): return x", "assert f(3) == 9", 20),
    ("def f(x):\\n    while True: pass", "assert f(3) == 9", 1),
    ("import os\\nos._exit(0)", "assert f(3) == 9", 20),
    ("def f(x): return bytearray(10**12)", "assert f(3) == 9", 20),
    (HOARD.format(make="mmap.mmap(-1, 700 * 2**20)"), "assert f(3) == 9", 60),
    (HOARD.format(make="bytearray(700 * 2**20)"), "assert f(3) == 9", 60),
    (PROBE, "assert f() == 'blocked', f()", 20),
]
async def main():
    async with Sandbox(workers=1) as sandbox:
        print(sandbox.problem)
        for program, tests, timeout_s in CHECKS:
            check = ProgramCheck(program=program, tests=tests, entry_point="f", timeout_s=timeout_s)
            verdict = await sandbox.run(check)
            print(verdict.reason if verdict.reason != "wrong" or "blocked" not in verdict.detail else verdict)
asyncio.run(main())
"""
