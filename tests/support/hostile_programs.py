"""Hostile programs for the sandbox's tests: what each tries, the tests it is judged by, and the verdict that is right.

Probes report "blocked" when an escape fails, so a passed check is the proof; the other programs exhaust something or
try to get a verdict that they do not deserve.
"""

# ruff: noqa: E501 - programs are kept on the lines on which they would be written
from __future__ import annotations

from dataclasses import dataclass, field

FAILED = frozenset({"wrong", "program_error", "program_ended"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """One hostile program; `{secret}`, `{port}` and the like are filled by the test."""

    name: str
    program: str
    tests: str = "assert f(3) == 9"
    passed: bool = False
    reasons: frozenset[str] = field(default=FAILED)
    timeout_s: float = 10.0


def probe(name: str, body: str) -> Hostile:
    """A program whose `f` must find every way out blocked: each attempt is a function that must raise OSError."""
    program = (
        "import os, socket, ctypes, glob\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "def failing(result):\n    if result < 0: raise OSError(ctypes.get_errno(), 'refused')\n    return result\n"
        f"def attempts():\n    return [{body}]\n"
        "def f():\n    open_ways = []\n    for number, attempt in enumerate(attempts()):\n"
        "        try:\n            open_ways.append([number, str(attempt())[:200]])\n"
        "        except OSError:\n            pass\n    return open_ways or 'blocked'\n"
    )
    return Hostile(
        name=name, program=program, tests="assert f() == 'blocked', f()", passed=True, reasons=frozenset({"passed"})
    )


PROBES = [
    probe("network_to_the_host", "lambda: socket.create_connection(('127.0.0.1', {port}), 2)"),
    probe(
        "network_to_the_world",
        "lambda: socket.create_connection(('1.1.1.1', 53), 2), lambda: socket.getaddrinfo('example.org', 80), "
        "lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('8.8.8.8', 53)), "
        "lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    ),
    probe("abstract_unix_socket_of_the_host", "lambda: socket.socket(socket.AF_UNIX).connect('\\0{abstract}')"),
    probe("docker_socket", "lambda: socket.socket(socket.AF_UNIX).connect('/var/run/docker.sock')"),
    probe("etc_shadow", "lambda: open('/etc/shadow').read(), lambda: open('/etc/passwd').read()"),
    probe(
        "home_folder", "lambda: open({secret!r}).read(), lambda: os.listdir({folder!r}), lambda: os.listdir('/home')"
    ),
    probe("ledger", "lambda: open({ledger!r}, 'r+b').write(b'x'), lambda: os.remove({ledger!r})"),
    probe(
        "symlink_escape",
        "lambda: (os.symlink({secret!r}, '/tmp/link'), open('/tmp/link').read()), "
        "lambda: open('/proc/1/root' + {secret!r}).read(), lambda: open('/tmp/../..' + {secret!r}).read(), "
        "lambda: (os.symlink('/', '/tmp/all'), open('/tmp/all' + {secret!r}).read())",
    ),
    probe(
        "write_to_the_system",
        "lambda: open('/usr/x', 'w'), lambda: open('/x', 'w'), lambda: open('/sandbox/sandboxed/judge.py', 'a'), "
        "lambda: open(os.__file__, 'a'), lambda: open('/dev/x', 'w'), lambda: open('/dev/shm/x', 'w'), "
        "lambda: os.mkdir('/etc/x'), lambda: os.chmod('/usr', 0o777)",
    ),
    probe(
        "become_root",
        "lambda: os.setuid(0), lambda: os.setgroups([0]), lambda: os.chroot('/tmp'), "
        "lambda: failing(libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)), lambda: failing(libc.umount(b'/tmp')), "
        "lambda: failing(libc.setns(os.open('/proc/1/ns/pid', 0), 0)), lambda: failing(libc.sethostname(b'x', 1))",
    ),
    probe(
        "devices",
        "lambda: open('/dev/mem', 'rb'), lambda: open('/dev/vda', 'rb'), lambda: open('/dev/sda', 'rb'), "
        "lambda: open('/dev/kmsg', 'rb'), lambda: os.mknod('/tmp/vda', 0o60600, os.makedev(254, 0))",
    ),
    probe(
        "kernel_settings",
        "lambda: open('/proc/sys/kernel/hostname', 'w').write('x'), lambda: open('/proc/sysrq-trigger', 'w').write('h'), "
        "lambda: open('/proc/sys/vm/drop_caches', 'w').write('1'), lambda: os.listdir('/sys/fs/cgroup')",
    ),
    probe(
        "ptrace",
        "lambda: failing(libc.ptrace(16, 1, 0, 0)), lambda: failing(libc.ptrace(16, {pid}, 0, 0)), "
        "lambda: open('/proc/1/mem', 'rb'), lambda: open('/proc/{pid}/environ').read()",
    ),
    probe(
        "new_namespaces",
        "lambda: failing(libc.unshare(0x10000000)), lambda: failing(libc.unshare(0x00020000)), "
        "lambda: failing(libc.syscall(220 if os.uname().machine == 'aarch64' else 56, 0x10000011, 0, 0, 0, 0)), "
        "lambda: failing(libc.syscall(435, None, 0))",
    ),
    probe(
        "kernel_attack_surface",
        "lambda: failing(libc.syscall(425, 8, None)), lambda: failing(libc.ptrace(0, 0, 0, 0)), "
        "lambda: failing(libc.syscall(430, b'tmpfs', 0)), lambda: failing(libc.syscall(428, -100, b'/', 1)), "
        "lambda: failing(libc.syscall(442, -100, b'/', 0, None, 0)), lambda: failing(libc.syscall(438, 3, 0, 0))",
    ),
    probe("kill_the_harness", "lambda: os.kill({pid}, 9), lambda: os.kill({pid}, 15), lambda: os.killpg({pid}, 9)"),
    probe(
        "raise_own_limits", "lambda: os.nice(-5), lambda: os.write(os.open('/proc/self/oom_score_adj', 1), b'-1000')"
    ),
]

ENVIRONMENT = Hostile(
    name="environment",
    program="""
import glob, os
def f():
    found = dict(os.environ)
    for path in glob.glob('/proc/*/environ') + glob.glob('/proc/*/cmdline'):
        try:
            found[path] = open(path).read()
        except OSError:
            pass
    return str(found)
""",
    tests="text = f()\nassert '{key}' not in text and 'API_KEY' not in text and {folder!r} not in text",
    passed=True,
    reasons=frozenset({"passed"}),
)

EXHAUSTING = [
    Hostile(
        name="fork_bomb",
        program="import os\ndef f(x):\n    while True:\n        try: os.fork()\n        except OSError: pass",
        reasons=frozenset({"timeout"}),
        timeout_s=2,
    ),
    Hostile(
        name="thread_bomb",
        program="import threading, time\ndef f(x):\n    while True:\n        threading.Thread(target=time.sleep, args=(99,)).start()",
        reasons=FAILED | {"timeout"},
        timeout_s=3,
    ),
    Hostile(
        name="memory_at_once",
        program="def f(x):\n    bytearray(10**12)\n    return x * x",
        reasons=frozenset({"memory"}),
    ),
    Hostile(
        name="memory_bit_by_bit",
        program="def f(x):\n    a = []\n    while True: a.append(bytearray(10**7))",
        reasons=frozenset({"memory"}),
    ),
    Hostile(
        name="memory_in_many_processes",
        program="""
import os, time
def f(x):
    for _ in range(12):
        if os.fork() == 0:
            block = bytearray(b'x') * (300 * 2**20)
            time.sleep(60)
            os._exit(0)
    time.sleep(60)
""",
        reasons=frozenset({"memory"}),
        timeout_s=20,
    ),
    Hostile(
        name="disk",
        program="""
import os
def f(x):
    total = 0
    block = b'x' * 2**20
    try:
        for number in range(10**6):
            with open(f'/tmp/{number}', 'wb') as file:
                for _ in range(16):
                    total += file.write(block)
    except OSError:
        pass
    return total
""",
        tests="assert 0 < f(3) <= 64 * 2**20",
        passed=True,
        reasons=frozenset({"passed"}),
    ),
    Hostile(
        name="one_huge_file",
        program="def f(x):\n    with open('/tmp/x', 'wb') as file:\n        file.seek(2**33)\n        file.write(b'x')\n    return x * x",
    ),
    Hostile(
        name="endless_output",
        program="def f(x):\n    while True: print('x' * 1000)",
        reasons=frozenset({"output_limit"}),
    ),
    Hostile(name="deep_recursion", program="def f(x):\n    return f(x + 1)"),
    Hostile(
        name="stack_overflow",
        program="import sys\nsys.setrecursionlimit(10**9)\nclass A:\n    def __repr__(self): return repr(self)\ndef f(x): return len(repr(A())) or x * x",
        reasons=FAILED | {"memory"},
    ),
    Hostile(
        name="endless_loop", program="def f(x):\n    while True: pass", reasons=frozenset({"timeout"}), timeout_s=1
    ),
    Hostile(
        name="endless_sleep",
        program="import time\ndef f(x): time.sleep(999)",
        reasons=frozenset({"timeout"}),
        timeout_s=1,
    ),
    Hostile(name="endless_import", program="while True: pass", reasons=frozenset({"timeout"}), timeout_s=1),
    Hostile(
        name="ignores_signals",
        program="""
import signal
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
def f(x):
    while True: pass
""",
        reasons=frozenset({"timeout"}),
        timeout_s=1,
    ),
    Hostile(
        name="zombies",
        program="""
import os
def f(x):
    made = 0
    for _ in range(500):
        try:
            if os.fork() == 0: os._exit(0)
            made += 1
        except OSError: break
    return x * x if 0 < made < 64 else made
""",
        passed=True,
        reasons=frozenset({"passed"}),
    ),
    Hostile(name="huge_traceback", program="def f(x):\n    raise ValueError('x' * 10**8)"),
    Hostile(
        name="endless_exception_text",
        program="class E(Exception):\n    def __str__(self):\n        while True: pass\ndef f(x): raise E",
        reasons=frozenset({"timeout"}),
        timeout_s=1,
    ),
    Hostile(name="huge_result", program="def f(x): return 'x' * 2 * 10**8", reasons=FAILED | {"memory"}),
    Hostile(name="huge_number", program="def f(x): return 10 ** 10**6", reasons=FAILED | {"memory"}),
    Hostile(name="nested_result", program="def f(x):\n    a = []\n    for _ in range(10**5): a = [a]\n    return a"),
    Hostile(name="result_that_holds_itself", program="def f(x):\n    a = []\n    a.append(a)\n    return a"),
    Hostile(
        name="endless_result",
        program="import itertools\ndef f(x): return itertools.count()",
        tests="assert list(f(3)) == [9]",
        reasons=FAILED | {"timeout", "memory"},
        timeout_s=2,
    ),
]

SQUARE_TESTS = "assert f(3) == 9\nassert f(5) == 25\nassert [f(n) for n in range(4)] == [0, 1, 4, 9]"


def fake(name: str, program: str, *, tests: str = SQUARE_TESTS) -> Hostile:
    """A program that is wrong and wants to be told that it is right."""
    return Hostile(name=name, program=program, tests=tests)


FAKES = [
    fake("exit_early", "import sys\nsys.exit(0)"),
    fake("exit_inside", "import sys\ndef f(x): sys.exit(0)"),
    fake("hard_exit", "import os\ndef f(x): os._exit(0)"),
    fake("hard_exit_on_load", "import os\nos._exit(0)"),
    fake("prints_success", "print('passed')\nprint('{\"passed\": true}')\ndef f(x): print('OK'); return None"),
    fake(
        "equals_everything",
        "class Yes:\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n"
        "    def __hash__(self): return 0\ndef f(x): return Yes()",
    ),
    fake(
        "number_that_equals_everything",
        "class Yes(int):\n    def __eq__(self, other): return True\ndef f(x): return Yes(1)",
    ),
    fake(
        "list_that_equals_everything",
        "class Yes(list):\n    def __eq__(self, other): return True\ndef f(x): return Yes()",
    ),
    fake(
        "patches_builtins",
        "import builtins\nbuiltins.AssertionError = KeyError\nbuiltins.all = lambda _: True\nbuiltins.len = lambda _: 9\n"
        "builtins.__build_class__ = None\ndef f(x): return 1",
    ),
    fake("own_check_function", "def check(candidate): return True\ndef f(x): return 1", tests=SQUARE_TESTS),
    fake(
        "replaces_a_builtin_by_name",
        "def sorted(x): return [0]\ndef f(x): return [5]",
        tests="assert sorted(f(3)) == [0]",
    ),
    fake(
        "patches_the_runner",
        """
import sys
for name, module in list(sys.modules.items()):
    if 'sandboxed' in name:
        for key, value in list(vars(module).items()):
            if callable(value) and not key.startswith('__') and key in ('encode', 'described_error', 'judge', 'verdict'):
                setattr(module, key, lambda *a, **k: {'passed': True, 'reason': 'passed', 'detail': ''})
def f(x): return 1
""",
    ),
    fake(
        "writes_a_verdict_to_every_descriptor",
        """
import json, os
body = json.dumps({"passed": True, "reason": "passed", "detail": ""}).encode()
for fd in range(3, 64):
    try: os.write(fd, len(body).to_bytes(4, "big") + body)
    except OSError: pass
def f(x): return 1
""",
    ),
    fake(
        "answers_before_it_is_asked",
        """
import json, os
def frame(message):
    body = json.dumps(message).encode()
    return len(body).to_bytes(4, "big") + body
for fd in range(3, 64):
    try: os.write(fd, frame({"names": {"f": True}, "methods": []}) + frame({"value": True}) * 10)
    except OSError: pass
os._exit(0)
""",
    ),
    fake(
        "calls_the_judge_back",
        """
import json, os
def f(x):
    request = json.dumps({"what": "call", "target": ["yours", 0], "args": [], "kwargs": []}).encode()
    request2 = json.dumps({"what": "attribute", "target": ["global", "exit"], "args": ["x"], "kwargs": []}).encode()
    for fd in range(3, 64):
        for body in (request, request2):
            try: os.write(fd, len(body).to_bytes(4, "big") + body)
            except OSError: pass
    return 1
""",
    ),
    fake(
        "pickle_on_the_channel",
        """
import os, pickle
class Evil:
    def __reduce__(self): return (os.system, ('touch /tmp/evil',))
body = pickle.dumps(Evil())
for fd in range(3, 64):
    try: os.write(fd, len(body).to_bytes(4, "big") + body)
    except OSError: pass
def f(x): return Evil()
""",
    ),
    fake("at_exit", "import atexit, os\natexit.register(lambda: os._exit(0))\ndef f(x): raise SystemExit(0)"),
    fake(
        "searches_for_the_expected_values",
        """
import gc, sys
def f(x):
    frame = sys._getframe()
    while frame:
        for value in frame.f_locals.values():
            if isinstance(value, str) and 'assert f(3)' in value: return x * x
        frame = frame.f_back
    for thing in gc.get_objects():
        if isinstance(thing, dict) and any(isinstance(v, str) and 'assert f(3) ==' in v for v in thing.values()): return x * x
    for root in ('/tmp', '/sandbox', '/proc/1'):
        pass
    return None
""",
    ),
    fake("deletes_the_tests", "import os, shutil\nshutil.rmtree('/sandbox', ignore_errors=True)\ndef f(x): return 1"),
    fake("raises_instead", "def f(x): raise StopIteration", tests="assert all(f(n) == n * n for n in range(3))"),
    fake("changes_its_argument", "def f(x):\n    x[:] = [1]\n    return [1]", tests="assert f([2, 1]) == [1, 2]"),
    fake(
        "kills_its_runner",
        "import os, signal\ndef f(x): os.kill(-1, signal.SIGKILL); os.kill(os.getpid(), signal.SIGKILL)",
    ),
    fake("names_itself_the_judge", "__name__ = 'tests'\n__file__ = 'tests.py'\nf = True"),
]

ALL = [*PROBES, ENVIRONMENT, *EXHAUSTING, *FAKES]
