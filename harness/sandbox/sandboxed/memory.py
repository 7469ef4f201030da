"""How much memory all processes of a box hold together, mapped or not, and how soon that must be looked at again.

Data flows /proc -> an upper bound, taken quickly and often; only when that passes the limit do the processes stand
still while every byte is counted once. Shared pages, files without a name, System V segments and sockets count too.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import stat
import time

from .sockets import Sockets
from .system_calls import ARCHITECTURES, REFUSED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KIB = 1024
FASTEST_BYTES_PER_S = 8 * KIB**3  # no program takes memory more quickly than this
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.004, 0.1
MAPPING_BYTES = 256  # the kernel's record of one mapping
KCMP_SAME_MEMORY = 1
FIELDS = re.compile(rb"^(NSpid|VmSize|RssAnon|RssShmem|VmPTE|VmSwap|HugetlbPages):\s+(.*)$", re.MULTILINE)
ROLLUP = re.compile(rb"^(Pss_Anon|SwapPss|Pss_Shmem):\s+(\d+) kB$", re.MULTILINE)
SYSTEM = re.compile(rb"^(Shmem|SwapTotal|SwapFree|SUnreclaim):\s+(\d+) kB$", re.MULTILINE)
IN_FLIGHT = re.compile(rb"^scm_fds:\s+[1-9]", re.MULTILINE)
MAPPING = re.compile(rb"^(\w+)-(\w+) \S+ (\w+) (\w+):(\w+) (\d+) +(.*)$", re.MULTILINE)


class Process:
    """What /proc says of one process: private memory (page tables and swap included), shared pages that it touches,
    and the size of its mappings.
    """

    def __init__(self, pid: int, place: str, status: bytes) -> None:
        fields = dict(FIELDS.findall(status))
        self.pid = pid
        self.place = place
        self.task = int(place.rsplit("/", 1)[-1])  # a thread that has memory: the first one may have ended
        self.depth = len(fields.get(b"NSpid", b"").split())
        self.is_init = self.depth > 1 and fields[b"NSpid"].split()[-1] == b"1"
        self.has_memory = b"RssAnon" in fields
        self.mapped_bytes = _kib(fields, b"VmSize")
        self.fixed_bytes = _kib(fields, b"VmPTE") + _kib(fields, b"HugetlbPages")
        self.shared_bytes = _kib(fields, b"RssShmem")
        self.private_bytes = _kib(fields, b"RssAnon") + _kib(fields, b"VmSwap") + self.fixed_bytes


def _kib(fields: dict[bytes, bytes], name: bytes) -> int:
    return int(fields.get(name, b"0").split()[0]) * KIB


class _Opened:
    """What open descriptors hold, by inode number: files in memory, socket buffers; and whether any is on its way."""

    def __init__(self) -> None:
        self.files: dict[int, int] = {}
        self.buffers: dict[int, int] = {}
        self.in_flight = False


class Meter:
    """Measures one box.

    Args:
        proc: descriptor of the /proc folder that shows the box's processes; open as long as the meter is used.
        members: the ids of processes that may belong to the box.
        folder: the box's private folder when this process shares the box's other namespaces; None = it does not.
    """

    def __init__(self, proc: int, members: Callable[[], list[int]], *, folder: str | None) -> None:
        self.proc = proc
        self.members = members
        self.folder = folder
        self.sockets = None if folder is None else Sockets(self._read)
        self._memory_files = _device_of_memory_files()
        self.begin()

    def begin(self) -> None:
        """Take what the machine holds now as what it held before the box."""
        self._floor: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._risen: dict[str, int] = {}
        self._grown()

    def process_ids(self) -> list[int]:
        """All processes that this /proc shows."""
        return [int(name) for name in self._list(".") if name.isdigit()]

    def upper_bound(self) -> int:
        """No less than what the box holds; pages that several processes share count for each.

        What others on the machine give back never hides what the box takes: each rise counts, whatever falls later.
        """
        private = shared = 0
        for process in self._processes():
            private += process.private_bytes
            shared += process.shared_bytes
        self._grown()
        shared = max(shared + self._own_places(), self._risen["Shmem"])
        return private + shared + self._risen["SUnreclaim"] + (self.sockets.bound() if self.sockets else 0)

    def counted(self) -> int:
        """What the box holds, each page once; the box's processes are stopped meanwhile."""
        stopped = self._stop()
        try:
            return self._count()
        finally:
            for pid in stopped:
                _send(pid, signal.SIGCONT)

    def _stop(self) -> set[int]:
        """Stop all processes, also those that were started meanwhile."""
        stopped: set[int] = set()
        while new := {process.pid for process in self._processes() if not process.is_init} - stopped:
            for pid in new:
                _send(pid, signal.SIGSTOP)
            stopped |= new
        return stopped

    def _count(self) -> int:
        private = resident_shared = n_mappings = 0
        mapped: dict[int, int] = {}
        opened = _Opened()
        for process in _distinct(self._processes()):
            own, shared = self._proportional(process)
            private += own
            resident_shared += shared
            n_mappings += self._add_mappings(process.place, mapped)
            self._add_open_files(process.pid, opened)
        grown = self._grown()["Shmem"]
        unopened = sum(size for number, size in mapped.items() if number not in opened.files)
        shared = max(sum(opened.files.values()) + min(unopened, grown) + self._own_places(), resident_shared)
        sockets = self.sockets.counted(opened.buffers) if self.sockets else 0
        if opened.in_flight:  # a descriptor on its way through a socket is nobody's, and its file may be of any size
            shared = max(shared, grown)
            sockets = self.sockets.bound() if self.sockets else 0
        self._begin_anew(Shmem=shared, SUnreclaim=n_mappings * MAPPING_BYTES)
        return private + shared + n_mappings * MAPPING_BYTES + sockets

    def _own_places(self) -> int:
        """System V segments and the private folder."""
        if self.folder is None:
            return 0
        table = [line.split() for line in self._read("sysvipc/shm").splitlines()[1:]]
        segments = sum(int(row[14]) + int(row[15]) for row in table)
        place = os.statvfs(self.folder)
        return segments + (place.f_blocks - place.f_bfree) * place.f_frsize

    def _processes(self) -> Iterator[Process]:
        for pid in self.members():
            process = Process(pid, str(pid), self._read(f"{pid}/status"))
            if self.folder is not None and process.depth < 2:
                continue
            if not process.has_memory:  # a first thread that has ended hides what the others hold
                for thread in self._list(f"{pid}/task"):
                    place = f"{pid}/task/{thread}"
                    process = Process(pid, place, self._read(f"{place}/status"))
                    if process.has_memory:
                        break
            yield process

    def _proportional(self, process: Process) -> tuple[int, int]:
        """Private and shared resident memory, shared pages divided among those who map them."""
        fields = {name: int(size) * KIB for name, size in ROLLUP.findall(self._read(f"{process.place}/smaps_rollup"))}
        if b"Pss_Anon" not in fields:
            return process.private_bytes, 0
        return fields[b"Pss_Anon"] + fields.get(b"SwapPss", 0) + process.fixed_bytes, fields.get(b"Pss_Shmem", 0)

    def _add_mappings(self, place: str, mapped: dict[int, int]) -> int:
        """Note how far each file in memory is mapped (its pages stay when they are not resident); count mappings."""
        text = self._read(f"{place}/maps")
        for start, end, offset, major, minor, number, name in MAPPING.findall(text):
            if os.makedev(int(major, 16), int(minor, 16)) == self._memory_files and not name.startswith(b"/SYSV"):
                size = int(offset, 16) + int(end, 16) - int(start, 16)
                mapped[int(number)] = max(mapped.get(int(number), 0), size)
        return text.count(b"\n")

    def _add_open_files(self, pid: int, opened: _Opened) -> None:
        """Note the size of each open file in memory and the buffers of each socket."""
        for thread in self._list(f"{pid}/task"):  # a thread may have descriptors of its own
            folder = f"{pid}/task/{thread}"
            for descriptor in self._list(f"{folder}/fd"):
                try:
                    found = os.stat(f"{folder}/fd/{descriptor}", dir_fd=self.proc)
                except OSError:
                    continue
                if found.st_dev == self._memory_files:
                    opened.files[found.st_ino] = found.st_blocks * 512
                if stat.S_ISSOCK(found.st_mode) and self.sockets and found.st_ino not in opened.buffers:
                    opened.buffers[found.st_ino] = self.sockets.buffers_of(pid, int(descriptor))
                    opened.in_flight |= IN_FLIGHT.search(self._read(f"{folder}/fdinfo/{descriptor}")) is not None

    def _grown(self) -> dict[str, int]:
        """What the whole machine holds more than at its lowest since the box began: shared pages, kernel memory.

        Notes as well how far each has risen from look to look.
        """
        now = {name.decode(): int(size) * KIB for name, size in SYSTEM.findall(self._read("meminfo"))}
        values = {
            "Shmem": now.get("Shmem", 0) + now.get("SwapTotal", 0) - now.get("SwapFree", 0),
            "SUnreclaim": now.get("SUnreclaim", 0),
        }
        self._floor = {name: min(value, self._floor.get(name, value)) for name, value in values.items()}
        for name, value in values.items():
            self._risen[name] = self._risen.get(name, 0) + max(0, value - self._last.get(name, value))
        self._last = values
        return {name: value - self._floor[name] for name, value in values.items()}

    def _begin_anew(self, **held: int) -> None:
        """From now on the machine's growth is what the box was found to hold; the rest was somebody else's."""
        grown = self._grown()
        self._floor = {name: floor + grown[name] - held[name] for name, floor in self._floor.items()}
        self._risen = dict(held)

    def _read(self, place: str) -> bytes:
        """A file of /proc as a whole; empty when its process has gone."""
        parts = []
        try:
            descriptor = os.open(place, os.O_RDONLY, dir_fd=self.proc)
            try:
                while part := os.read(descriptor, 1 << 16):
                    parts.append(part)
            finally:
                os.close(descriptor)
        except OSError:
            pass
        return b"".join(parts)

    def _list(self, place: str) -> list[str]:
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.proc)
        except OSError:
            return []
        try:
            return os.listdir(descriptor)  # noqa: PTH208 - pathlib is slow to import, and wants a path
        except OSError:
            return []
        finally:
            os.close(descriptor)


class Watch:
    """Looks at a box often enough that it cannot pass its limit by much between two looks."""

    def __init__(self, meter: Meter, limit_bytes: int) -> None:
        self.meter = meter
        self.limit_bytes = limit_bytes

    def look(self) -> tuple[bool, float]:
        """Whether the limit is kept, and the seconds after which to look again."""
        started = time.monotonic()
        held = self.meter.upper_bound()
        if held > self.limit_bytes:
            held = self.meter.counted()
        return held <= self.limit_bytes, max(self.pause_s(held), time.monotonic() - started)

    def pause_s(self, held_bytes: int) -> float:
        """Seconds that even the quickest program needs for what is left, within bounds."""
        room_s = (self.limit_bytes - held_bytes) / FASTEST_BYTES_PER_S
        return min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, room_s))


def _distinct(processes: Iterator[Process]) -> list[Process]:
    """One of each set of processes that use the same memory (a child between `vfork` and `exec`)."""
    found: list[Process] = []
    for process in processes:
        same = (other for other in found if other.mapped_bytes == process.mapped_bytes)
        if not any(_same_memory(process.task, other.task) for other in same):
            found.append(process)
    return found


def _same_memory(task: int, other: int) -> bool:
    machine = os.uname().machine
    if machine not in ARCHITECTURES:
        return False
    number = REFUSED["kcmp"][list(ARCHITECTURES).index(machine)]
    return bool(ctypes.CDLL(None).syscall(number, task, other, KCMP_SAME_MEMORY, 0, 0) == 0)


def _device_of_memory_files() -> int:
    """The device number that all files without a place have: memfd files, shared anonymous mappings."""
    descriptor = os.memfd_create("device")
    try:
        return os.fstat(descriptor).st_dev
    finally:
        os.close(descriptor)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
