"""A warm interpreter that starts one process per program, each in namespaces of its own; it never runs a program.

Starting Python costs more than locking it in, so this process does it once. It keeps the right to make namespaces,
which every program's process gives up for good before it reads a byte. Data flows descriptors from the host -> one
process tree:

    fork server -- keeper (waits for the host's sign, ends the tree) -- init (first in its namespace) -- the program
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys

from . import program
from .channel import READY, Channel, opened
from .memory import Meter, Watch
from .system_calls import prepared_filter, refuse_system_calls

# imported once, here: what most programs ask for
WARM = (
    "typing",
    "collections",
    "itertools",
    "functools",
    "heapq",
    "bisect",
    "string",
    "math",
    "re",
    "copy",
    "operator",
    "_sitebuiltins",
)

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID = 0x00020000, 0x08000000, 0x20000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 0x4000, 0x40000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_GET_NO_NEW_PRIVS = 1, 4, 39
LINUX_CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Serve for ever: each request brings the program's channel, its output and the host's sign to end."""
    limits = json.loads(sys.argv[2])
    control = socket.socket(fileno=opened(sys.argv[1]))
    for name in WARM:
        __import__(name)
    sys.path[:] = [*sys.path[1:], *limits["packages"]]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    watch = _watch(limits["total_memory_bytes"])
    prepared_filter()
    gc.freeze()
    control.sendall(READY)
    while True:
        _, descriptors, _, _ = socket.recv_fds(control, 1, 3)
        if len(descriptors) < 3:
            return
        if os.fork() == 0:
            control.close()
            _guarded(_keep, *descriptors, watch, limits)
        for descriptor in descriptors:
            os.close(descriptor)


def _guarded(function: object, *args: object) -> None:
    """Run one process's part and leave, whatever happens: nothing may return into the loop of another process."""
    try:
        function(*args)  # type: ignore[operator]
    except BaseException:  # noqa: BLE001 - reported on the program's output
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _keep(channel: int, output: int, sign: int, watch: Watch, limits: dict[str, int]) -> None:
    """Start a program's init in new namespaces; end it when the host closes the sign or its memory passes the limit.

    Why it ended, when the program did not simply leave, is written to the sign as a line of JSON before. This process's
    end of the sign closes with it, when no process of the program is left.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    _checked(libc.unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID), "unshare")
    watch.meter.begin()
    init = os.fork()
    if init == 0:
        os.close(sign)
        os.close(watch.meter.proc)
        _guarded(_be_init, channel, limits)
    os.close(channel)
    for descriptor in (1, 2):
        os.close(descriptor)
    if not _kept(watch, sign, os.pidfd_open(init)):
        _say(sign, {"limit": "memory"})
    os.kill(init, signal.SIGKILL)
    status = os.waitpid(init, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        _say(sign, {"signal": os.WEXITSTATUS(status)})
    os._exit(0)


def _watch(limit_bytes: int) -> Watch:
    """A watch for keepers on the processes in the namespaces below theirs; made once for all programs."""
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    server = os.getpid()

    def members() -> list[int]:
        outside = {1, server, os.getpid()}
        return [pid for pid in watch.meter.process_ids() if pid not in outside]

    watch = Watch(Meter(proc, members, folder="/tmp"), limit_bytes)  # noqa: S108
    return watch


def _kept(watch: Watch, sign: int, ended: int) -> bool:
    """Wait for the host's sign or the program's end; false as soon as the memory limit is passed."""
    pause_s = watch.pause_s(0)
    while not select.select([sign, ended], [], [], pause_s)[0]:
        within, pause_s = watch.look()
        if not within:
            return False
    return True


def _say(sign: int, fact: dict[str, object]) -> None:
    with contextlib.suppress(OSError):  # the host has gone
        os.write(sign, json.dumps(fact).encode() + b"\n")


def _be_init(channel: int, limits: dict[str, int]) -> None:
    """Mount a private folder and a private /proc, start the program, and end when it does."""
    _checked(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    _checked(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount private")
    _checked(libc.mount(b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None), "mount /proc")
    options = f"size={limits['disk_bytes']},nr_inodes={limits['disk_files']},mode=0777".encode()
    _checked(libc.mount(b"tmpfs", b"/tmp", b"tmpfs", MS_NOSUID | MS_NODEV, options), "mount /tmp")
    os.chdir("/tmp")  # noqa: S108
    child = os.fork()
    if child == 0:
        _give_up_privileges(limits["user_id"])
        _guarded(program.serve, Channel(channel), limits)
    os.closerange(0, 256)
    while (ended := os.wait())[0] != child:
        pass
    os._exit(os.WTERMSIG(ended[1]) if os.WIFSIGNALED(ended[1]) else 0)


def _give_up_privileges(user_id: object) -> None:
    """Become a user of its own (when started by root) without any capability, for good."""
    if isinstance(user_id, int):
        os.setgroups([])
        os.setresgid(user_id, user_id, user_id)
        os.setresuid(user_id, user_id, user_id)
    header = (ctypes.c_uint32 * 2)(LINUX_CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    _checked(libc.capset(header, none), "capset")
    _checked(libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl")  # its own /proc/self is its own again
    if libc.prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1:
        raise OSError("privileges could be regained")
    refuse_system_calls(libc)
