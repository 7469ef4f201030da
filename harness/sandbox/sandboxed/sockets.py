"""How much kernel memory the sockets of a box hold: a bound from the kernel's tables, or each socket's own count.

Data flows /proc/net and descriptors of other processes -> bytes.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
LARGEST_BUFFER_BYTES = 4 * 1024 * 1024  # net.core.wmem_max of Linux 6.18; older ones allow 212,992
BYTES_PER_BUFFER_BYTE = 2  # the kernel doubles what is asked for, for its own overhead
PIDFD_GETFD = 438
SO_MEMINFO = 55
RECEIVED, SENT, QUEUED = 0, 2, 5  # places in the kernel's answer (linux/sock_diag.h, SK_MEMINFO_...)


class Sockets:
    """The sockets of one network namespace: the meter's own, which the box shares.

    Args:
        read: reads a file of /proc, empty when it is not there.
    """

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self.read = read
        largest = read("sys/net/core/wmem_max").strip()
        self.largest_bytes = BYTES_PER_BUFFER_BYTE * (int(largest) if largest.isdigit() else LARGEST_BUFFER_BYTES)

    def bound(self) -> int:
        """The most that all sockets can hold: TCP's pages, known for the whole machine only, and full buffers."""
        n_tcp, n_other, tcp_bytes = self._table()
        return n_other * self.largest_bytes + (tcp_bytes if n_tcp else 0)

    def counted(self, buffers: dict[int, int]) -> int:
        """What the sockets hold when the buffers of all but TCP's are known by inode number."""
        n_tcp, _, tcp_bytes = self._table()
        return sum(buffers.values()) + (tcp_bytes if n_tcp else 0)

    def _table(self) -> tuple[int, int, int]:
        words = (self.read("net/sockstat") + self.read("net/sockstat6")).split()
        n_tcp = sum(int(words[at + 2]) for at, word in enumerate(words) if word in (b"TCP:", b"TCP6:"))
        n_used = int(words[words.index(b"used") + 1]) if b"used" in words else 0
        tcp_pages = int(words[words.index(b"mem") + 1]) if n_tcp else 0
        return n_tcp, max(0, n_used - n_tcp), tcp_pages * PAGE_BYTES

    def buffers_of(self, pid: int, descriptor: int) -> int:
        """Bytes in the buffers of another process's socket, 0 for TCP; the largest possible when it cannot be asked."""
        try:
            process = os.pidfd_open(pid)
            try:
                own = ctypes.CDLL(None).syscall(PIDFD_GETFD, process, descriptor, 0)
            finally:
                os.close(process)
            if own < 0:
                return self.largest_bytes
            with socket.socket(fileno=own) as copied:
                if copied.family in (socket.AF_INET, socket.AF_INET6) and copied.type == socket.SOCK_STREAM:
                    return 0
                counts = struct.unpack("9I", copied.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))
        except (OSError, struct.error):
            return self.largest_bytes
        return int(counts[RECEIVED] + max(counts[SENT], counts[QUEUED]))
