"""The untrusted program's process: takes one program from the channel, runs it, and answers calls of its functions.

Nothing here is a secret or a judge: the tests, the expected values and the verdict are in another box. Whatever the
program does to this process changes only the plain data that it returns.
"""

from __future__ import annotations

import builtins
import json
import os
import resource
import sys
import types

from .channel import READY, Channel, ChannelClosedError, Peer, StandIn, described_error, opened
from .limits import limit_met, set_limits
from .shared_random import random_state, restore_random
from .values import keep_numpy_numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypedDict

    from harness.declared import Json

    from .channel import Reply, Request
    from .limits import BoxLimits

    class Job(TypedDict):
        """A program and how it is run."""

        program: str
        kind: str
        cpu_s: int
        is_numeric: bool


PR_SET_NO_NEW_PRIVS = 38
MUTABLE = (list, dict, set, bytearray)


def main() -> None:
    """Run one program; arguments are the channel's place and the limits as JSON."""
    limits = json.loads(sys.argv[2])
    sys.path[:] = [*sys.path[1:], *limits["packages"]]
    if sys.platform == "linux":
        _lock_in()
    serve(Channel(opened(sys.argv[1])), limits)


def _lock_in() -> None:
    """Without a fork server: refuse system calls here, also those whose memory nobody outside can count."""
    import ctypes  # late: a fork server has done this for all its programs

    from .system_calls import REFUSED, UNCOUNTED, refuse_system_calls

    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    refuse_system_calls(libc, {**REFUSED, **UNCOUNTED})


def serve(channel: Channel, limits: BoxLimits) -> None:
    """Lower the limits, take one program from the channel, and answer requests until the channel closes."""
    set_limits(limits)
    os.write(channel.descriptor, READY)
    try:
        job: Job = channel.receive()
        complete_interpreter()
        if job["is_numeric"]:
            keep_numpy_numbers()
        seconds = int(job["cpu_s"])
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        runner = (
            StdinRunner(job["program"], limits)
            if job["kind"] == "stdin"
            else CallRunner(job["program"], limits, channel)
        )
        runner.start(channel)
        while True:
            channel.send(runner.answer(channel.receive()))
    except ChannelClosedError:
        os._exit(0)


def complete_interpreter() -> None:
    """Give programs what Python has when it is started the usual way: `exit`, `quit`, their own name in `sys.argv`."""
    import _sitebuiltins

    for name in ("exit", "quit"):
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
    sys.argv[:] = ["program.py"]


class CallRunner:
    """Runs the program once as a module and answers requests about its globals."""

    def __init__(self, program: str, limits: BoxLimits, channel: Channel) -> None:
        self.program = program
        self.limits = limits
        self.module = types.ModuleType("program")
        self.peer = Peer(channel, StandIn)
        self.peer.named = self._global

    def start(self, channel: Channel) -> None:
        """Run the module and tell its names; a program that fails here ends the process."""
        sys.modules["program"] = self.module
        try:
            exec(compile(self.program, "program.py", "exec"), self.module.__dict__)  # noqa: S102 - the sandbox's purpose
        except BaseException as error:  # noqa: BLE001 - the program may raise anything, SystemExit included
            channel.send(described_error(error, limit_met(error, self.limits)))
            os._exit(1)
        found = {name: callable(value) for name, value in vars(self.module).items() if not name.startswith("__")}
        solution = found.get("Solution") and vars(self.module)["Solution"]
        methods = [name for name in dir(solution) if not name.startswith("_")] if isinstance(solution, type) else []
        channel.send({"names": found, "methods": methods})

    def answer(self, request: Request) -> Reply:
        """Carry out one request; whatever goes wrong is an answer too."""
        try:
            target = self._target(request["target"])
            if "random" in request:
                restore_random(self.peer.decode(request["random"]))
            args = [self.peer.decode(data) for data in request["args"]]
            kwargs = {name: self.peer.decode(data) for name, data in request["kwargs"]}
            value = self.peer.encode(OPERATIONS[request["what"]](target, *args, **kwargs))
            reply: Reply = {"value": value, "changed": self._changed(args, request["args"])}
            if "random" in request:
                reply["random"] = self.peer.encode(random_state())
            return reply
        except BaseException as error:  # noqa: BLE001 - the program may raise anything, SystemExit included
            return described_error(error, limit_met(error, self.limits))

    def _target(self, reference: list[Any]) -> object:
        return self.peer.decode(reference[:2])

    def _global(self, name: str) -> object:
        module = vars(self.module)
        if name in module:
            return module[name]
        if "Solution" in module:
            return getattr(module["Solution"](), name.removeprefix("Solution."))
        raise NameError(f"name {name!r} is not defined")

    def _changed(self, args: list[object], before: list[Json]) -> list[tuple[int, Json]]:
        """Arguments that the call changed in place."""
        changed: list[tuple[int, Json]] = []
        for index, (value, data) in enumerate(zip(args, before, strict=True)):
            if isinstance(value, MUTABLE) or type(value).__module__ == "numpy":
                after = self.peer.encode(value)
                if after != data:
                    changed.append((index, after))
        return changed


class StdinRunner:
    """Runs the program once per case in a forked process, with standard input and output in memory files."""

    def __init__(self, program: str, limits: BoxLimits) -> None:
        self.program = program
        self.limits = limits
        self.most_bytes = limits["output_bytes"]
        self.code: types.CodeType | None = None

    def start(self, channel: Channel) -> None:
        """Compile the program; a syntax error ends the process."""
        self.channel = channel
        try:
            self.code = compile(self.program, "program.py", "exec")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            channel.send(described_error(error))
            os._exit(1)
        channel.send({"names": {}, "methods": []})

    def answer(self, request: Request) -> Reply:
        """Run one case: `args[0]` is its input; the value is [exit status, output, limit that was met]."""
        source, sink = os.memfd_create("stdin"), os.memfd_create("stdout")
        met, meet = os.pipe()
        try:
            _write_all(source, str(request["args"][0]).encode("utf-8", "surrogatepass"))
            os.lseek(source, 0, os.SEEK_SET)
            child = os.fork()
            if child == 0:
                self._run(source, sink, meet)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if os.fstat(sink).st_size > self.most_bytes:
                return {"error": [], "name": "OutputLimit", "text": f"more than {self.most_bytes} bytes of output"}
            output = os.pread(sink, self.most_bytes, 0).decode("utf-8", "replace")
            os.set_blocking(met, False)
            return {"value": ["list", [status, output, _read_some(met)]]}
        except OSError as error:
            return described_error(error)
        finally:
            for descriptor in (source, sink, met, meet):
                os.close(descriptor)

    def _run(self, source: int, sink: int, meet: int) -> None:
        assert self.code is not None
        os.dup2(source, 0)
        os.dup2(sink, 1)
        os.dup2(meet, 3)
        os.closerange(4, 256)
        status = 1
        try:
            status = self._exit_status()
            _leave_as_an_interpreter_does()
        finally:
            os._exit(status & 0xFF)

    def _exit_status(self) -> int:
        main = types.ModuleType("__main__")
        main.__dict__.update({"__builtins__": builtins, "__file__": "program.py"})
        sys.modules["__main__"] = main
        try:
            exec(self.code, main.__dict__)  # type: ignore[arg-type]  # noqa: S102 - the sandbox's purpose
        except SystemExit as leaving:
            if leaving.code is not None and not isinstance(leaving.code, int):
                print(leaving.code, file=sys.stderr)
            return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        except BaseException as error:  # noqa: BLE001 - the program may raise anything
            os.write(3, limit_met(error, self.limits).encode())
            sys.excepthook(*sys.exc_info())
            return 1
        return 0


def _leave_as_an_interpreter_does() -> None:
    """Wait for threads, run what was registered for the end, and flush: programs print from there too."""
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()
    if "atexit" in sys.modules:
        sys.modules["atexit"]._run_exitfuncs()
    for stream in {id(stream): stream for stream in (sys.stdout, sys.__stdout__, sys.stderr) if stream}.values():
        if not stream.closed:
            stream.flush()


def _read_some(descriptor: int) -> str:
    """What is there already, without waiting."""
    try:
        return os.read(descriptor, 200).decode("utf-8", "replace")
    except BlockingIOError:
        return ""


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


OPERATIONS: dict[str, Callable[..., Any]] = {
    "call": lambda target, *args, **kwargs: target(*args, **kwargs),
    "get": lambda target: target,
    "attribute": getattr,
    "set_attribute": setattr,
    "delete_attribute": delattr,
    "set_item": lambda target, key, value: target.__setitem__(key, value),
    "delete_item": lambda target, key: target.__delitem__(key),
    "is_instance": lambda target, value: isinstance(value, target),
    "iterator": iter,
    "next": next,
    "length": len,
    "item": lambda target, key: target[key],
    "contains": lambda target, item: item in target,
    "truth": bool,
    "text": str,
    "description": repr,
}
