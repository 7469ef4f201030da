"""Hostile programs: each is contained, each gets the verdict that is right, and the host is unharmed."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.sandbox import Limits, Unavailable, find_bubblewrap
from harness.sandbox.worker import Worker
from harness.scorers.values import ProgramCase, ProgramCheck
from tests.support.hostile_programs import ALL, Hostile

pytestmark = pytest.mark.sandbox
MIB = 1024 * 1024
SECRET = "sk-the-key-of-the-host"


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    found = find_bubblewrap()
    if isinstance(found, Unavailable):
        pytest.skip(f"{found.problem}; {found.fix}")
    made = Worker(found, Limits(memory_bytes=512 * MIB, total_memory_bytes=700 * MIB), slot=40)
    yield made
    made.close()


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture(scope="module")
def abstract() -> Iterator[str]:
    name = f"benchtab-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen(1)
        yield name


@pytest.fixture
def host(
    tmp_path: Path, listener: socket.socket, abstract: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, object]]:
    """Things of the host that a program must not reach; checked afterwards."""
    secret, ledger = tmp_path / "secret.txt", tmp_path / "ledger.db"
    secret.write_text(SECRET)
    ledger.write_bytes(b"facts")
    tmp_path.chmod(0o777)
    secret.chmod(0o666)
    ledger.chmod(0o666)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    yield {
        "secret": str(secret),
        "ledger": str(ledger),
        "folder": str(tmp_path),
        "port": listener.getsockname()[1],
        "abstract": abstract,
        "pid": os.getpid(),
        "key": SECRET,
    }
    assert not Path("/tmp/evil").exists()
    assert secret.read_text() == SECRET
    assert ledger.read_bytes() == b"facts"
    with pytest.raises(BlockingIOError):
        listener.accept()


def filled(text: str, host: dict[str, object]) -> str:
    for name, value in host.items():
        text = text.replace(f"{{{name}}}", str(value)).replace(f"{{{name}!r}}", repr(value))
    return text


def live_processes(mark: str) -> list[int]:
    """Processes of the host whose command line holds a mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("hostile", ALL, ids=lambda hostile: hostile.name)
def test_hostile_program(hostile: Hostile, worker: Worker, host: dict[str, object]) -> None:
    check = ProgramCheck(
        program=filled(hostile.program, host),
        tests=filled(hostile.tests, host),
        entry_point="f",
        timeout_s=hostile.timeout_s,
    )
    started = time.monotonic()
    verdict = worker.run(check)
    assert verdict.passed is hostile.passed, verdict
    assert verdict.reason in hostile.reasons, verdict
    assert time.monotonic() - started < hostile.timeout_s + 15, "a check ends soon after its time"
    assert len(verdict.detail) <= 600
    assert len(verdict.output) <= 4000


def test_there_are_enough_attacks() -> None:
    assert len(ALL) >= 25
    assert len({hostile.name for hostile in ALL}) == len(ALL)


def test_an_honest_program_still_passes_after_every_attack(worker: Worker) -> None:
    check = ProgramCheck(program="def f(x): return x * x", tests="assert f(3) == 9", entry_point="f")
    assert worker.run(check).passed is True


def test_a_daemon_ends_with_its_program(worker: Worker) -> None:
    mark = f"daemon-mark-{os.getpid()}-{time.monotonic_ns()}"
    program = f"""
import os, sys
def f(x):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 64)
            os.execv(sys.executable, [sys.executable, '-S', '-c', 'import time; time.sleep(600)', {mark!r}])
        os._exit(0)
    os.wait()
    return x * x
"""
    verdict = worker.run(ProgramCheck(program=program, tests="assert f(3) == 9", entry_point="f"))
    assert verdict.passed is True, verdict
    deadline = time.monotonic() + 10
    while live_processes(mark) and time.monotonic() < deadline:
        os.sched_yield()
    assert live_processes(mark) == []


def test_nothing_is_left_for_the_next_program(worker: Worker) -> None:
    leave = "open('/tmp/left', 'w').write('x')\ndef f(): return 1"
    look = "import os\ndef f(): return [os.listdir('/tmp'), len([p for p in os.listdir('/proc') if p.isdigit()])]"
    assert worker.run(ProgramCheck(program=leave, tests="assert f() == 1", entry_point="f")).passed
    verdict = worker.run(ProgramCheck(program=look, tests="assert f() == [[], 2], f()", entry_point="f"))
    assert verdict.passed is True, verdict


@pytest.mark.parametrize(
    ("program", "reasons"),
    [
        ("print(1)\nimport os; os._exit(0)", {"wrong"}),
        ("while True: print('x' * 1000)", {"output_limit", "program_error"}),
        ("import sys; sys.exit(0)", {"wrong"}),
        ("import os\nfor fd in range(64):\n    try: os.write(fd, b'8')\n    except OSError: pass", {"wrong"}),
        ("raise SystemExit(3)", {"program_error"}),
        ("import os, sys\nprint(9); sys.stdout.flush()\nos.kill(os.getpid(), 9)", {"program_error"}),
        ("while True: pass", {"timeout"}),
        ("print(int(input()) ** 2", {"program_error"}),
    ],
)
def test_hostile_standard_output(program: str, reasons: set[str], worker: Worker) -> None:
    cases = (ProgramCase(input="3\n", expected="9\n"),)
    verdict = worker.run(ProgramCheck(program=program, kind="stdin", cases=cases, timeout_s=3))
    assert verdict.passed is False, verdict
    assert verdict.reason in reasons, verdict
