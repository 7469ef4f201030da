"""System calls that no honest program needs are refused by the kernel, so that fewer of its mistakes are in reach.

A filter for `seccomp`, written out by hand: debugging, namespaces, mounts, keys, kernel modules, io_uring, stores of
kernel memory that nothing limits (queues and semaphores of System V) and the like fail with "operation not permitted",
sockets of unusual families with "address family not supported". It stays with the process and its children for good.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Numbers = tuple[int, int]

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# name: (number on x86_64, number on aarch64)
REFUSED = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "kcmp": (312, 272),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "memfd_secret": (447, 447),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "mq_open": (240, 180),
    "msgget": (68, 186),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "semget": (64, 190),
    "setns": (308, 268),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vmsplice": (278, 75),
}
# refused where the segments of a box cannot be counted from outside
UNCOUNTED = {"shmget": (29, 194)}
# families that know nothing of network namespaces (AF_VSOCK) or reach deep into the kernel (AF_ALG, AF_NETLINK, ...)
OPENS_SOCKETS = {"socket": (41, 198), "socketpair": (53, 199)}
SOCKET_FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
CLONE, CLONE3 = (56, 220), 435
NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET

LOAD_WORD, AND, JUMP_IF_EQUAL, JUMP_IF_AT_LEAST, RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
NUMBER_AT, ARCHITECTURE_AT, FIRST_ARGUMENT_AT = 0, 4, 16
PR_SET_SECCOMP, FILTER_MODE = 22, 2


class Instruction(ctypes.Structure):
    """One step of the filter (`struct sock_filter`)."""

    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class Program(ctypes.Structure):
    """The filter (`struct sock_fprog`)."""

    _fields_ = (("length", ctypes.c_uint16), ("steps", ctypes.POINTER(Instruction)))


def filter_steps(machine: str, refused: Mapping[str, Numbers] = REFUSED) -> list[tuple[int, int, int, int]]:
    """The filter's steps (code, skip if true, skip if false, value) for a machine; empty for an unknown one."""
    if machine not in ARCHITECTURES:
        return []
    column = list(ARCHITECTURES).index(machine)
    not_permitted = (RETURN, 0, 0, REFUSE | errno.EPERM)
    not_there = (RETURN, 0, 0, REFUSE | errno.ENOSYS)
    allowed = (RETURN, 0, 0, ALLOW)
    steps = [
        (LOAD_WORD, 0, 0, ARCHITECTURE_AT),
        (JUMP_IF_EQUAL, 1, 0, ARCHITECTURES[machine]),
        not_permitted,
        (LOAD_WORD, 0, 0, NUMBER_AT),
        (JUMP_IF_AT_LEAST, 0, 1, 0x40000000),  # the x32 interface has its own numbers
        not_permitted,
        (JUMP_IF_EQUAL, 0, 1, CLONE3),  # its flags cannot be read here; the C library falls back to clone
        not_there,
    ]
    for numbers in refused.values():
        steps += [(JUMP_IF_EQUAL, 0, 1, numbers[column]), not_permitted]
    for numbers in OPENS_SOCKETS.values():
        steps += _family_steps(numbers[column])
    return [
        *steps,
        (JUMP_IF_EQUAL, 1, 0, CLONE[column]),
        allowed,
        (LOAD_WORD, 0, 0, FIRST_ARGUMENT_AT),
        (AND, 0, 0, NEW_NAMESPACES),
        (JUMP_IF_EQUAL, 0, 1, 0),
        allowed,
        not_permitted,
    ]


def _family_steps(number: int) -> list[tuple[int, int, int, int]]:
    """For the call with this number only: allow the families in the list, refuse all others."""
    left = len(SOCKET_FAMILIES)
    choices = [(JUMP_IF_EQUAL, left - at - 1, int(at == left - 1), f) for at, f in enumerate(SOCKET_FAMILIES.values())]
    inner = [
        (LOAD_WORD, 0, 0, FIRST_ARGUMENT_AT),
        *choices,
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE | errno.EAFNOSUPPORT),
    ]
    return [(JUMP_IF_EQUAL, 0, len(inner), number), *inner]


def _filter(refused: Mapping[str, Numbers]) -> Program | None:
    steps = filter_steps(os.uname().machine, refused)
    array = (Instruction * len(steps))(*[Instruction(*step) for step in steps])
    return Program(len(steps), array) if steps else None


@functools.cache
def prepared_filter() -> Program | None:
    """The usual filter for this machine, None for an unknown one; a fork server builds it once for all its programs."""
    return _filter(REFUSED)


def refuse_system_calls(libc: ctypes.CDLL, refused: Mapping[str, Numbers] = REFUSED) -> None:
    """Put the filter on this process for good; it must already be unable to gain privileges."""
    program = prepared_filter() if refused is REFUSED else _filter(refused)
    if program is None:
        return
    if libc.prctl(PR_SET_SECCOMP, FILTER_MODE, ctypes.byref(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the filter of system calls was not accepted")
