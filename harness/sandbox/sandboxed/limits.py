"""The limits that a process inside sets for itself, and which of them an exception has met.

Data flows the box's limits -> the kernel; exception -> words for a person.
"""

from __future__ import annotations

import errno
import os
import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    class BoxLimits(TypedDict):
        """What a process inside is told of its box; `harness.sandbox.values.Limits` says what each means."""

        memory_bytes: int
        total_memory_bytes: int
        processes: int | None
        file_bytes: int
        disk_bytes: int
        disk_files: int
        output_bytes: int
        open_files: int
        packages: list[str]
        user_id: int | None


MIB = 1024 * 1024
# what the kernel keeps for a user at most: queued signals and timers, bytes in POSIX queues, locked memory
KERNEL_LIMITS = {"RLIMIT_SIGPENDING": 1024, "RLIMIT_MSGQUEUE": 0, "RLIMIT_MEMLOCK": 64 * 1024}


def set_limits(limits: BoxLimits) -> None:
    """Lower this process's limits for good, before any foreign code runs."""
    values = {
        resource.RLIMIT_AS: limits["memory_bytes"],
        resource.RLIMIT_FSIZE: limits["file_bytes"],
        resource.RLIMIT_NPROC: limits["processes"],
        resource.RLIMIT_NOFILE: limits["open_files"],
        resource.RLIMIT_CORE: 0,
        **{getattr(resource, name): value for name, value in KERNEL_LIMITS.items() if hasattr(resource, name)},
    }
    for name, value in values.items():
        if value is not None:
            hard = resource.getrlimit(name)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(name, (value, value))
    try:
        score = os.open("/proc/self/oom_score_adj", os.O_WRONLY)  # when memory runs out, this process goes first
        os.write(score, b"1000")
        os.close(score)
    except OSError:
        return  # a container without its own /proc


def limit_met(error: BaseException, limits: BoxLimits) -> str:
    """The limit of the sandbox that an exception of the program has met; empty when it has met none."""
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError) or number == errno.ENOMEM:
        return f"{limits['memory_bytes'] // MIB} MiB of memory in one process"
    if number == errno.EMFILE:
        return f"{limits['open_files']} open files"
    if number == errno.EFBIG:
        return f"{limits['file_bytes'] // MIB} MiB in one file"
    if number == errno.ENOSPC:
        return _folder_limit(limits)
    if number == errno.EAGAIN or (isinstance(error, RuntimeError) and "start new thread" in str(error)):
        return _start_limit(limits)
    return ""


def _folder_limit(limits: BoxLimits) -> str:
    place = os.statvfs(os.environ.get("TMPDIR", "/"))
    if place.f_files and not place.f_ffree:
        return f"{limits['disk_files']} files and folders"
    return f"{limits['disk_bytes'] // MIB} MiB in its folder"


def _start_limit(limits: BoxLimits) -> str:
    """Try whether one more process can be started: the same refusal may have other reasons."""
    try:
        child = os.fork()
    except OSError:
        return f"{limits['processes']} processes and threads" if limits["processes"] else ""
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return ""
