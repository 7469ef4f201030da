"""How a process is locked in: the command lines of bubblewrap, of a container engine, and of no isolation at all.

Data flows what is installed + the user's choice -> `Isolation`, which turns an inner command into one to start.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from harness.errors import InputError
from harness.sandbox.own_code import INSIDE, open_to_others, readable_code
from harness.sandbox.values import MIB, Limits

OLDEST_BUBBLEWRAP = (0, 7)
INSTALL_ADVICE = "apt-get install bubblewrap"
_FIRST_USER_ID = 0x60000000

Side = Literal["program", "judge", "fork_server"]

ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",  # noqa: S108 - the private folder inside the box
    "TMPDIR": "/tmp",  # noqa: S108
    "LANG": "C.UTF-8",
    "PYTHONUTF8": "1",
    "PYTHONHASHSEED": "0",
    "MALLOC_ARENA_MAX": "2",  # each further one takes 64 MiB of a process's addresses, which are limited
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxPlan:
    """What a box is to run.

    Attributes:
        side: which side of a check (`sandboxed.program`, `sandboxed.judge` or `sandboxed.fork_server`).
        arguments: for that side's `main`.
        slot: 0 to 255, different for boxes that live at the same time.
        label: a name for the box that no other box has.
        limits: what the box may use.
    """

    side: Side
    arguments: Sequence[str]
    slot: int
    label: str
    limits: Limits


class Isolation(Protocol):
    """A way of starting a process where it can do no harm."""

    @property
    def name(self) -> str:
        """Short name for reports: `bubblewrap`, `container`, `none`."""
        ...

    def command(self, plan: BoxPlan) -> list[str]:
        """The command that runs the plan in a fresh box."""
        ...

    @property
    def has_fork_server(self) -> bool:
        """Whether one warm box can give each program namespaces of its own."""
        ...

    def user_id(self, slot: int) -> int | None:
        """User that a fork server's program becomes; None = the one that it is."""
        ...

    def stop_command(self, plan: BoxPlan) -> list[str] | None:
        """What ends a box beyond killing the process that was started; None = nothing."""
        ...

    @property
    def packages(self) -> tuple[str, ...]:
        """Folders of third-party packages that programs may import, as seen from inside."""
        ...


_PACKAGES = "/packages"
# to make namespaces, and to see and stop the processes in them; its programs give all of it up
_FORK_SERVER_RIGHTS = ("CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_KILL")


def inner_command(python: str, folder: str, plan: BoxPlan) -> list[str]:
    """Start Python without site packages, user folder or current folder, and run one side."""
    start = f"import sys; sys.path.insert(0, {folder!r}); from sandboxed.{plan.side} import main; main()"
    return [python, "-S", "-s", "-P", "-B", "-c", start, *plan.arguments]


def site_packages() -> Path:
    """The folder of installed packages of this interpreter."""
    return Path(sysconfig.get_path("purelib")).resolve()


def _closed_packages() -> Path | None:
    """The folder of packages, or the first package in it, that other users may not read."""
    folder = site_packages()
    return next(
        (path for path in (folder, *sorted(folder.iterdir())) if path.exists() and not open_to_others(path)), None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubblewrap:
    """Namespaces for everything, no network, read-only system files, a private folder in memory.

    As root the box runs under a user id of its own (so that the process limit counts this box alone and nothing of
    root's is in reach); as an ordinary user it runs in a user namespace.

    Attributes:
        executable: path of `bwrap`.
        setpriv: path of `setpriv` (util-linux), needed when started by root; None otherwise.
    """

    executable: str
    setpriv: str | None = None
    name: str = "bubblewrap"

    has_fork_server: bool = True

    def user_id(self, slot: int) -> int | None:
        """Under root: a user id that no other box of this or another process has."""
        return None if self.setpriv is None else _FIRST_USER_ID + (os.getpid() & 0xFFFF) * 256 + slot

    @property
    def packages(self) -> tuple[str, ...]:
        """The site packages, mounted at one place wherever they are outside (also under the hidden /tmp)."""
        return (_PACKAGES,)

    def command(self, plan: BoxPlan) -> list[str]:
        """Build the `bwrap` command line."""
        inner = inner_command(os.path.realpath(sys.executable), "/sandbox", plan)
        identity = ["--unshare-all"]
        if self.setpriv is not None:
            identity = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
        identity += ["--cap-drop", "ALL"]
        if plan.side == "fork_server":
            identity += [part for name in _FORK_SERVER_RIGHTS for part in ("--cap-add", name)]
        if self.setpriv is not None:
            identity += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
            if plan.side != "fork_server":
                user = str(self.user_id(plan.slot))
                inner = [self.setpriv, "--reuid", user, "--regid", user, "--clear-groups", "--", *inner]
        return [
            self.executable,
            *identity,
            "--die-with-parent",
            "--new-session",
            "--hostname",
            "sandbox",
            *_system_view(),
            *("--dir", "/sandbox", "--ro-bind", str(readable_code()), "/sandbox/sandboxed"),
            *("--ro-bind", str(site_packages()), _PACKAGES),
            *("--proc", "/proc", "--dev", "/dev"),
            *("--perms", "0777", "--size", str(plan.limits.disk_bytes), "--tmpfs", "/tmp"),  # noqa: S108
            *("--remount-ro", "/dev", "--remount-ro", "/"),
            "--clearenv",
            *(part for name, value in ENVIRONMENT.items() for part in ("--setenv", name, value)),
            *("--chdir", "/tmp"),  # noqa: S108
            "--",
            *inner,
        ]

    def stop_command(self, _: BoxPlan) -> list[str] | None:
        """Nothing: the box dies with the process that was started."""
        return None


def _system_view() -> list[str]:
    """Mounts of the interpreter and the system libraries; nothing else of the host is there."""
    mounts = ["--ro-bind", "/usr", "/usr"]
    for folder in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        path = Path(folder)
        if path.is_symlink():
            mounts += ["--symlink", str(path.readlink()), folder]
        elif path.is_dir():
            mounts += ["--ro-bind", folder, folder]
    for file in ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime"):
        mounts += ["--ro-bind-try", file, file]
    folder = os.path.realpath(sys.base_prefix)
    if not folder.startswith("/usr/") and folder != "/usr":
        # a parent that bwrap makes by itself is open to its owner only, and the program is another user
        parents = [str(parent) for parent in reversed(Path(folder).parents)][1:]
        mounts += [part for parent in parents for part in ("--dir", parent)]
        mounts += ["--ro-bind", folder, folder]
    return mounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """Docker or podman, named by the user: no network, read-only root, no capabilities, a folder in memory.

    The engine's memory limit covers the kernel's memory too, so also the files of the folder.

    Attributes:
        executable: path of the engine.
        image: an image with Python 3.11 or newer.
        exchange: host folder in which the channels' sockets lie; mounted at /exchange.
    """

    executable: str
    image: str
    exchange: str
    name: str = "container"

    has_fork_server: bool = False

    def user_id(self, _: int) -> int | None:
        """No fork server, no user."""
        return None

    @property
    def packages(self) -> tuple[str, ...]:
        """Only what the image holds."""
        return ()

    def command(self, plan: BoxPlan) -> list[str]:
        """Build the engine's `run` command line."""
        user_id = str(_FIRST_USER_ID // 16 + plan.slot)
        return [
            *(self.executable, "run", "--rm", "--init", "--name", plan.label, "--network", "none", "--read-only"),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", f"{user_id}:{user_id}"),
            *("--pids-limit", str(plan.limits.processes + 2)),
            *("--memory", str(plan.limits.total_memory_bytes), "--memory-swap", str(plan.limits.total_memory_bytes)),
            *("--tmpfs", f"/tmp:rw,size={plan.limits.disk_bytes},mode=1777", "--workdir", "/tmp"),  # noqa: S108
            *("--volume", f"{readable_code()}:/sandbox/sandboxed:ro", "--volume", f"{self.exchange}:/exchange:ro"),
            *(part for name, value in ENVIRONMENT.items() if name != "PATH" for part in ("--env", f"{name}={value}")),
            self.image,
            *inner_command("python3", "/sandbox", plan),
        ]

    def stop_command(self, plan: BoxPlan) -> list[str] | None:
        """Kill the container: it outlives the client that started it."""
        return [self.executable, "kill", plan.label]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoIsolation:
    """A plain process with resource limits only, for users who asked for it with --unsafe-exec."""

    name: str = "none"

    has_fork_server: bool = False

    def user_id(self, _: int) -> int | None:
        """No fork server, no user."""
        return None

    @property
    def packages(self) -> tuple[str, ...]:
        """The site packages of this interpreter."""
        return (str(site_packages()),)

    def command(self, plan: BoxPlan) -> list[str]:
        """Start the inner command as it is."""
        return inner_command(os.path.realpath(sys.executable), str(INSIDE.parent), plan)

    def stop_command(self, _: BoxPlan) -> list[str] | None:
        """Nothing: the caller kills the process group."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """Why programs cannot be run on this machine, and what to do about it."""

    problem: str
    fix: str


def find_isolation(
    *, container_engine: str | None = None, image: str = "", exchange: str = ""
) -> Isolation | Unavailable:
    """Find a way to lock programs in: the container engine that the user named, else bubblewrap if it works here.

    Raises:
        InputError: the named engine is not installed.
    """
    if container_engine:
        found = shutil.which(container_engine)
        if found is None:
            raise InputError(
                f"{container_engine} is not installed", where="--container", fix=f"install it, or {INSTALL_ADVICE}"
            )
        return Container(executable=found, image=image or "python:3.12-slim", exchange=exchange)
    return find_bubblewrap()


def find_bubblewrap() -> Bubblewrap | Unavailable:
    """Find bubblewrap and try it once; an installed one may still be forbidden by the kernel's settings."""
    executable = shutil.which("bwrap")
    if executable is None:
        return Unavailable(problem="bubblewrap is not installed", fix=f"install it: {INSTALL_ADVICE}")
    said = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    version = tuple(int(part) for part in re.findall(r"\d+", said)[:2])
    if version < OLDEST_BUBBLEWRAP:
        return Unavailable(
            problem=f"{said.strip()} is too old (it cannot limit the private folder's size)", fix="install 0.7 or newer"
        )
    setpriv = shutil.which("setpriv") if os.geteuid() == 0 else None
    if setpriv and (closed := _closed_packages()):
        return Unavailable(
            problem=f"programs run as another user, who may not read {closed}",
            fix=f"open the installed packages: chmod -R go+rX {site_packages()}",
        )
    bubblewrap = Bubblewrap(executable=executable, setpriv=setpriv)
    plan = BoxPlan(side="program", arguments=(), slot=255, label="probe", limits=Limits(disk_bytes=MIB))
    command = bubblewrap.command(plan)
    probe = [*command[: command.index("-c")], "-c", "print('inside')"]
    tried = subprocess.run(probe, capture_output=True, text=True, timeout=30, check=False)
    if tried.stdout == "inside\n":
        return bubblewrap
    reason = (tried.stderr.strip().splitlines() or [f"exit status {tried.returncode}"])[-1]
    return Unavailable(
        problem=f"bubblewrap does not work here: {reason[:200]}",
        fix="allow unprivileged user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0), "
        "or name a container engine",
    )
