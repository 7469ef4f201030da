"""Limits of the sandbox hold for the box as a whole, whatever a program fills: each test names a way around one."""

from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.sandbox import Limits, Unavailable, Verdict, find_bubblewrap
from harness.sandbox.isolation import Bubblewrap
from harness.sandbox.own_code import INSIDE, open_copy, open_to_others, readable_code
from harness.sandbox.program_endings import Ending, ending_of_exit_status
from harness.sandbox.sandboxed.memory import SHORTEST_PAUSE_S, Meter, Watch
from harness.sandbox.sandboxed.system_calls import (
    AND,
    ARCHITECTURES,
    JUMP_IF_AT_LEAST,
    JUMP_IF_EQUAL,
    LOAD_WORD,
    OPENS_SOCKETS,
    REFUSED,
    RETURN,
    UNCOUNTED,
    filter_steps,
)
from harness.sandbox.worker import Worker
from harness.scorers.values import ProgramCheck

MIB = 1024 * 1024
LIMITS = Limits(total_memory_bytes=160 * MIB, disk_bytes=8 * MIB, disk_files=500)


def bubblewrap() -> Bubblewrap:
    found = find_bubblewrap()
    if isinstance(found, Unavailable):
        pytest.skip(f"{found.problem}; {found.fix}")
    return found


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    made = Worker(bubblewrap(), LIMITS, slot=44)
    yield made
    made.close()


@pytest.fixture(scope="module")
def single() -> Iterator[Worker]:
    """A box for each program, watched from the host."""
    made = Worker(dataclasses.replace(bubblewrap(), has_fork_server=False), LIMITS, slot=45)
    yield made
    made.close()


def ran(worker: Worker, program: str, *, timeout_s: float = 20.0, tests: str = "assert f(3) == 9, f(3)") -> Verdict:
    return worker.run(ProgramCheck(program=program, tests=tests, entry_point="f", timeout_s=timeout_s))


START = """
import ctypes, fcntl, mmap, os, socket, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
block = bytes([1]) * 2**20
"""


def in_processes(count: int, *lines: str) -> str:
    """A program whose processes each carry out the lines, tell their parent, and stay."""
    body = "\n".join(f"            {line}" for line in lines)
    return f"""{START}
def f(x):
    told, tell = os.pipe()
    for _ in range({count}):
        if os.fork() == 0:
{body}
            os.write(tell, b'.')
            time.sleep(60)
            os._exit(0)
    for _ in range({count}):
        os.read(told, 1)
    time.sleep(1)
    return x * x
"""


FILL = "for at in range(100): m[at * 2**20:(at + 1) * 2**20] = block"
HOARDS = {
    "anonymous_shared_mappings": in_processes(3, "m = mmap.mmap(-1, 100 * 2**20)", FILL),
    "shared_mappings_of_dev_zero": in_processes(3, "m = mmap.mmap(os.open('/dev/zero', os.O_RDWR), 100 * 2**20)", FILL),
    "shared_pages_that_are_not_resident": in_processes(
        3, "m = mmap.mmap(-1, 100 * 2**20)", FILL, "m.madvise(mmap.MADV_DONTNEED)"
    ),
    "files_without_a_name": in_processes(
        3, "d = [os.memfd_create('x') for _ in range(4)]", "for at in range(100): os.write(d[at // 25], block)"
    ),
    "files_on_their_way_through_a_socket": in_processes(
        3,
        "a, b = socket.socketpair()",
        "for _ in range(4):",
        "    d = os.memfd_create('x')",
        "    for _ in range(25): os.write(d, block)",
        "    socket.send_fds(a, [b'x'], [d])",
        "    os.close(d)",
    ),
    "private_memory_of_many_processes": in_processes(6, "b = bytearray(b'x') * (40 * 2**20)"),
    "process_whose_first_thread_has_ended": in_processes(
        3,
        "def hold():",
        "    b = bytearray(b'x') * (80 * 2**20)",
        "    os.write(tell, b'.')",
        "    time.sleep(60)",
        "threading.Thread(target=hold).start()",
        "libc.syscall(93 if os.uname().machine == 'aarch64' else 60, 0)",
    ),
    "buffers_of_sockets": in_processes(
        20,
        "pairs = []",
        "for _ in range(25):",
        "    pairs.append(socket.socketpair())",
        "    for end in pairs[-1]:",
        "        end.setblocking(False)",
        "        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10**7)",
        "        try:",
        "            while end.send(block): pass",
        "        except BlockingIOError: pass",
    ),
}
SEGMENTS = f"""{START}
libc.shmat.restype = ctypes.c_void_p
def f(x):
    for _ in range(6):
        segment = libc.shmget(0, 40 * 2**20, 0o1600)
        if segment < 0:
            raise OSError(ctypes.get_errno(), 'refused')
        at = libc.shmat(segment, None, 0)
        ctypes.memset(at, 1, 40 * 2**20)
        libc.shmdt(ctypes.c_void_p(at))
    time.sleep(1)
    return x * x
"""


@pytest.mark.sandbox
@pytest.mark.parametrize("kind", HOARDS)
def test_memory_of_every_kind_counts_for_the_box_as_a_whole(worker: Worker, kind: str) -> None:
    verdict = ran(worker, HOARDS[kind])
    assert (verdict.passed, verdict.reason) == (False, "memory"), verdict
    assert verdict.detail == "more than 160 MiB of memory in all its processes together"


@pytest.mark.sandbox
def test_system_v_segments_that_nobody_maps_count(worker: Worker, single: Worker) -> None:
    assert ran(worker, SEGMENTS).reason == "memory"
    assert ran(single, SEGMENTS).reason == "program_error", "refused where they cannot be counted"


@pytest.mark.sandbox
@pytest.mark.parametrize(
    "kind", ["anonymous_shared_mappings", "files_without_a_name", "private_memory_of_many_processes"]
)
def test_a_box_without_a_fork_server_is_watched_from_the_host(single: Worker, kind: str) -> None:
    assert ran(single, HOARDS[kind]).reason == "memory"


HONEST = {
    "pages_that_children_share_with_their_parent": """
def f(x):
    b = bytearray(b'x') * (100 * 2**20)
    for _ in range(6):
        if os.fork() == 0:
            time.sleep(0.5)
            os._exit(0)
    for _ in range(6): os.wait()
    return x * x
""",
    "programs_started_by_a_large_process": """
def f(x):
    b = bytearray(b'x') * (110 * 2**20)
    for _ in range(20): subprocess.run([sys.executable, '-S', '-c', '1'], check=True)
    return x * x
""",
    "a_sparse_shared_mapping": """
def f(x):
    m = mmap.mmap(-1, 300 * 2**20)
    m[5] = 1
    time.sleep(0.3)
    return x * x
""",
    "threads_and_numpy": """
import numpy
def f(x):
    a = numpy.ones((1000, 1000))
    threads = [threading.Thread(target=lambda: a @ a) for _ in range(8)]
    for t in threads: t.start()
    for t in threads: t.join()
    return int((a @ a)[0, 0]) // 1000 * x * x
""",
    "multiprocessing": """
import multiprocessing
def work(end, x): end.send(x * x)
def f(x):
    context = multiprocessing.get_context('fork')
    here, there = context.Pipe()
    child = context.Process(target=work, args=(there, x))
    child.start()
    found = here.recv()
    child.join()
    return found
""",
    "asyncio_on_loopback": """
import asyncio
async def serve(reader, writer):
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()
async def ask(x):
    server = await asyncio.start_server(serve, '127.0.0.1', 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.writelines([str(x * x).encode(), b'\\n'])
    found = await reader.readline()
    writer.close()
    server.close()
    return int(found)
def f(x): return asyncio.run(ask(x))
""",
    "descriptors_between_processes": """
def f(x):
    a, b = socket.socketpair()
    d = os.memfd_create('x')
    os.write(d, str(x * x).encode())
    if os.fork() == 0:
        socket.send_fds(a, [b'x'], [d])
        os._exit(0)
    os.wait()
    found = socket.recv_fds(b, 1, 1)[1][0]
    return int(os.pread(found, 9, 0))
""",
}


@pytest.mark.sandbox
@pytest.mark.parametrize("kind", HONEST)
def test_honest_programs_that_look_large_or_unusual_pass(worker: Worker, kind: str) -> None:
    verdict = ran(worker, START + HONEST[kind])
    assert verdict.passed is True, verdict


FLOODS = {
    "folders": "os.mkdir(f'/tmp/{n}')",
    "files": "os.close(os.open(f'/tmp/{n}', os.O_CREAT))",
    "links": "os.symlink('x' * 100, f'/tmp/{n}')",
    "second_names": "n or open('/tmp/first', 'w').close(); os.link('/tmp/first', f'/tmp/{n}')",
}

UNTIL_REFUSED = """
def g(x):
    for n in range(10**6): make(n)
def f(x):
    for n in range(10**6):
        try: make(n)
        except OSError: return n
"""


@pytest.mark.sandbox
@pytest.mark.parametrize("kind", FLOODS)
def test_the_private_folder_holds_a_limited_number_of_files(worker: Worker, kind: str) -> None:
    program = f"{START}\ndef make(n): {FLOODS[kind]}\n" + UNTIL_REFUSED
    assert ran(worker, program, tests="assert 400 < f(3) <= 500, f(3)").passed is True
    verdict = ran(worker, program, tests="g(3)")
    assert verdict.passed is False
    assert "No space left on device" in verdict.detail


@pytest.mark.sandbox
def test_a_flood_of_files_in_a_box_without_a_fork_server_ends_it(single: Worker) -> None:
    program = (
        f"{START}\ndef f(x):\n    for n in range(2000): os.mkdir(f'/tmp/{{n}}')\n    time.sleep(9)\n    return x * x"
    )
    verdict = ran(single, program)
    assert (verdict.reason, verdict.detail) == ("memory", "more than 500 files and folders in its private folder")


STORES = """
def f(x):
    refused = []
    for family in range(46):
        if family not in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6):
            for kind in (1, 2, 3, 5):
                for call in (socket.socket, socket.socketpair):
                    try: call(family, kind)
                    except OSError: continue
                    return [family, kind]
    numbers = {'x86_64': [64, 68, 240, 278, 447], 'aarch64': [190, 186, 180, 75, 447]}[os.uname().machine]
    for number in numbers:
        if libc.syscall(number, 0, 10, 0o1600) != -1 or ctypes.get_errno() not in (1, 38):
            return number
    return x * x
"""


@pytest.mark.sandbox
def test_unusual_sockets_and_unlimited_stores_of_the_kernel_are_refused(worker: Worker, single: Worker) -> None:
    for each in (worker, single):
        verdict = ran(each, START + STORES)
        assert verdict.passed is True, verdict


@pytest.mark.sandbox
def test_the_kernel_keeps_little_for_a_program(worker: Worker) -> None:
    program = """
import resource
def f():
    return [resource.getrlimit(kind)[1] for kind in
            (resource.RLIMIT_SIGPENDING, resource.RLIMIT_MSGQUEUE, resource.RLIMIT_MEMLOCK)]
"""
    assert ran(worker, program, tests="assert f() == [1024, 0, 65536], f()").passed is True


def decided(machine: str, number: int, argument: int = 0, *, architecture: int | None = None, **more: object) -> int:
    """What the filter answers to a call, by carrying out its steps."""
    steps = filter_steps(machine, **more)  # type: ignore[arg-type]
    words = {0: number, 4: ARCHITECTURES[machine] if architecture is None else architecture, 16: argument}
    place = value = 0
    while True:
        code, if_true, if_false, operand = steps[place]
        place += 1
        if code == LOAD_WORD:
            value = words[operand]
        elif code == AND:
            value &= operand
        elif code == JUMP_IF_EQUAL:
            place += if_true if value == operand else if_false
        elif code == JUMP_IF_AT_LEAST:
            place += if_true if value >= operand else if_false
        else:
            assert code == RETURN
            return operand


ALLOWED, NO_FAMILY, NOT_PERMITTED = 0x7FFF0000, 0x00050000 | 97, 0x00050000 | 1


@pytest.mark.parametrize(("machine", "column"), [("x86_64", 0), ("aarch64", 1)])
def test_the_filter_decides_as_it_says_on_both_machines(machine: str, column: int) -> None:
    for numbers in OPENS_SOCKETS.values():
        answers = {family: decided(machine, numbers[column], family) for family in range(64)}
        assert {family for family, answer in answers.items() if answer == ALLOWED} == {1, 2, 10}
        assert set(answers.values()) == {ALLOWED, NO_FAMILY}
        assert decided(machine, numbers[column], 2, architecture=0x40000003) == NOT_PERMITTED, "32-bit programs"
        assert decided(machine, numbers[column] | 0x40000000, 2) == NOT_PERMITTED, "the x32 interface"
    for name, numbers in REFUSED.items():
        assert decided(machine, numbers[column]) == NOT_PERMITTED, name
    clone = (56, 220)[column]
    assert decided(machine, clone, 0x01200011) == ALLOWED
    assert decided(machine, clone, 0x10000011) == NOT_PERMITTED, "a user namespace"
    shmget = UNCOUNTED["shmget"][column]
    assert decided(machine, shmget) == ALLOWED
    assert decided(machine, shmget, refused={**REFUSED, **UNCOUNTED}) == NOT_PERMITTED


def test_the_watch_looks_again_sooner_the_less_is_left() -> None:
    proc = os.open("/proc", os.O_RDONLY)
    try:
        watch = Watch(Meter(proc, list, folder=None), 1536 * MIB)  # of nobody: members that hold too much are stopped
        assert watch.look()[0] is True
        pauses = [watch.pause_s(held * MIB) for held in (0, 1000, 1300, 1500, 1600)]
        assert pauses == sorted(pauses, reverse=True)
        assert pauses[-1] == SHORTEST_PAUSE_S
        assert Meter(proc, lambda: [os.getpid()], folder=None).upper_bound() > MIB
    finally:
        os.close(proc)


def told_by_a_folder(folder: Path, *, shared_mib: int, segments_mib: int) -> None:
    """Write what /proc says of a machine, and of the System V segments of a box."""
    (folder / "meminfo").write_text(
        f"Shmem: {shared_mib * 1024} kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\nSUnreclaim: 0 kB\n"
    )
    (folder / "sysvipc").mkdir(exist_ok=True)
    row = f"0 1 600 {segments_mib * MIB} 7 7 0 0 0 0 0 1 1 1 {segments_mib * MIB} 0\n"
    (folder / "sysvipc" / "shm").write_text("head\n" + row)


def test_what_others_give_back_does_not_hide_what_a_box_takes(tmp_path: Path) -> None:
    """The machine's shared pages are everybody's: theirs fell while the box's rose, and no look saw a rise."""
    told_by_a_folder(tmp_path, shared_mib=500, segments_mib=0)
    proc = os.open(tmp_path, os.O_RDONLY)
    try:
        meter = Meter(proc, list, folder="/proc")  # a file system that holds no bytes
        before = meter.upper_bound()
        told_by_a_folder(tmp_path, shared_mib=400, segments_mib=200)
        assert meter.upper_bound() - before >= 200 * MIB
    finally:
        os.close(proc)


def test_a_rise_of_shared_pages_stays_in_the_bound_until_it_was_counted(tmp_path: Path) -> None:
    """Others gave back as much as the box had taken, one look later."""
    proc = os.open(tmp_path, os.O_RDONLY)
    try:
        told_by_a_folder(tmp_path, shared_mib=500, segments_mib=0)
        meter = Meter(proc, list, folder=None)
        for shared_mib in (650, 500, 600):
            told_by_a_folder(tmp_path, shared_mib=shared_mib, segments_mib=0)
            bound = meter.upper_bound()
        assert bound == 250 * MIB
        assert meter.counted() == 0, "nobody of the box holds any of it"
        assert meter.upper_bound() == 0
    finally:
        os.close(proc)


def test_an_ending_says_which_limit_was_met() -> None:
    assert Ending.read(b'{"limit": "memory"}\n{"signal": 9}\n') == Ending(limit="memory")
    assert Ending.read(b'{"sig') is None
    words = [
        ending.words(Limits(), cpu_s=11) for ending in (Ending(limit="memory"), Ending(signal=24), Ending(signal=11))
    ]
    assert words == [
        ("memory", "more than 1536 MiB of memory in all its processes together"),
        ("timeout", "more than 11 s of processor time in one process"),
        ("program_ended", "the program's process was ended by SIGSEGV"),
    ]
    assert [ending_of_exit_status(code) for code in (0, 1, -24, 139, 255, None)] == [
        None,
        None,
        Ending(signal=24),
        Ending(signal=11),
        None,
        None,
    ]


@pytest.mark.sandbox
def test_processor_time_of_many_threads_ends_a_program_and_is_named(worker: Worker) -> None:
    quick = Worker(worker.isolation, dataclasses.replace(LIMITS, cpu_s=1), slot=46)
    try:
        verdict = ran(quick, "def f(x):\n    while True: pass", timeout_s=20)
        assert (verdict.reason, verdict.detail) == ("timeout", "more than 1 s of processor time in one process")
        verdict = ran(quick, "import ctypes\ndef f(x): ctypes.string_at(0)")
        assert (verdict.reason, verdict.detail) == ("program_ended", "the program's process was ended by SIGSEGV")
    finally:
        quick.close()


MET = {
    "64 open files": "return [os.open('/dev/null', 0) for _ in range(99)]",
    "32 processes and threads": "return [threading.Thread(target=time.sleep, args=(9,)).start() for _ in range(99)]",
    "32 MiB in one file": "open('/tmp/x', 'wb').truncate(2**30)",
    "8 MiB in its folder": "open('/tmp/x', 'wb').write(bytes(10 * 2**20))",
    "500 files and folders": "return [os.mkdir(f'/tmp/{n}') for n in range(999)]",
    "1024 MiB of memory in one process": "mmap.mmap(-1, 2**31)",
}


@pytest.mark.sandbox
@pytest.mark.parametrize("limit", MET)
def test_an_exception_says_which_limit_of_the_sandbox_it_met(worker: Worker, limit: str) -> None:
    verdict = ran(worker, f"{START}\ndef f(x):\n    {MET[limit]}")
    assert f"(the sandbox's limit: {limit})" in verdict.detail
    assert verdict.reason == ("memory" if "memory" in limit else "program_error")
    verdict = ran(worker, f"{START}\ndef f(x):\n    {MET[limit]}\nf(3)")
    assert f"(the sandbox's limit: {limit})" in verdict.detail, "also while it loads"


@pytest.mark.sandbox
def test_an_exception_that_only_looks_like_a_limit_names_none(worker: Worker) -> None:
    for raised in ("BlockingIOError(11, 'try again')", "RuntimeError('start new thread')", "OSError(2, 'none')"):
        verdict = ran(worker, f"def f(x): raise {raised}")
        assert verdict.reason == "program_error"
        assert "limit" not in verdict.detail


def test_code_for_the_boxes_is_readable_even_when_the_installation_is_closed(tmp_path: Path) -> None:
    closed = tmp_path / "sandboxed"
    (closed / "inner").mkdir(parents=True)
    for path in (closed / "a.py", closed / "inner" / "b.py"):
        path.write_text("x = 1\n")
        path.chmod(0o600)
    closed.chmod(0o700)
    assert not open_to_others(closed)
    copy = open_copy(closed)
    assert (copy / "inner" / "b.py").read_text() == "x = 1\n"
    assert all(map(open_to_others, (copy.parent, copy, *copy.rglob("*"))))
    assert stat.S_IMODE((closed / "a.py").stat().st_mode) == 0o600, "the installation itself is left as it is"
    assert readable_code().name == INSIDE.name
