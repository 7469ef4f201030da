"""The judge's process: runs a suite's tests against a program that lives in another box, and gives the verdict.

The suite's tests are trusted, the program is not: it is never imported here, its functions are stand-ins whose results
arrive as plain data. Each check runs in a fork of this process, so that no check sees another.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import json
import os
import re
import resource
import signal
import socket
import sys
import traceback
import types
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, TypedDict

from .channel import READY, Channel, ChannelClosedError, Peer, ProgramError, StandIn, opened
from .limits import set_limits
from .numeric_comparisons import provide_comparisons
from .values import NotPlainError, decode, keep_numpy_numbers

if TYPE_CHECKING:
    from harness.declared import Json


class Job(TypedDict):
    """A suite's tests or cases, as the host sends them."""

    kind: str
    tests: str
    support: str
    entry_point: str | None
    cases: list[tuple[str, str]]
    cpu_s: int
    targets: list[Json] | None


class Verdict(TypedDict):
    """What the host is told."""

    passed: bool
    reason: str
    detail: str


class ProcessorTimeError(Exception):
    """The kernel ended a process of the program that worked for too long."""


# what tests call by a module's name although only the program imports it
MODULES_OF_TESTS = frozenset(
    {
        "bisect",
        "cmath",
        "collections",
        "copy",
        "datetime",
        "decimal",
        "fractions",
        "functools",
        "heapq",
        "itertools",
        "json",
        "math",
        "numpy",
        "operator",
        "random",
        "re",
        "statistics",
        "string",
        "sys",
        "typing",
    }
)
PRINTED_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def main() -> None:
    """Serve checks for ever: each arrives as two descriptors, the program's channel and the socket for the verdict."""
    limits = json.loads(sys.argv[2])
    control = socket.socket(fileno=opened(sys.argv[1]))
    set_limits(limits)
    sys.path[:] = [*sys.path[1:], *limits["packages"]]
    control.sendall(READY)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        _, descriptors, _, _ = socket.recv_fds(control, 1, 2)
        if len(descriptors) < 2:
            return
        if os.fork() == 0:
            control.close()
            _judge(*descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _judge(program: int, host: int) -> None:
    """Judge one program and leave; only a verdict that was reached is sent."""
    answer = Channel(host)
    job: Job = answer.receive()
    resource.setrlimit(resource.RLIMIT_CPU, (job["cpu_s"], job["cpu_s"] + 1))
    try:
        answer.send(judge(job, Channel(program)))
    except MemoryError as error:
        detail = "the program or one of its results does not fit into the memory limit"
        answer.send(verdict(False, "memory", detail + _limit(error)))
    finally:
        os._exit(0)


def verdict(passed: bool, reason: str, detail: str = "") -> Verdict:
    """A verdict as it goes to the host."""
    return {"passed": passed, "reason": reason, "detail": detail[:500]}


def judge(job: Job, channel: Channel) -> Verdict:
    """Run a job's tests or cases against the program at the other end of the channel."""
    peer = Peer(channel, StandIn)
    try:
        ready = channel.receive()
        if not (isinstance(ready, dict) and isinstance(ready.get("names"), dict)):
            return verdict(False, "program_error", f"the program does not load: {_shown(ready)}")
        if job["kind"] == "tests":
            return run_tests(job, peer, ready["names"])
        return run_cases(job, peer)
    except ChannelClosedError:
        return verdict(False, "program_ended", "the program's process ended before its tests did")


def _shown(reply: object) -> str:
    if not isinstance(reply, dict):
        return "no answer"
    limit = str(reply.get("limit") or "")[:100]
    return f"{str(reply.get('name'))[:100]}: {str(reply.get('text'))[:300]}" + _limit_words(limit)


def _limit(error: BaseException) -> str:
    """Which limit of the sandbox an exception of the program has met, as an addition to a sentence."""
    return _limit_words(getattr(error, "sandbox_limit", ""))


def _limit_words(limit: str) -> str:
    return f" (the sandbox's limit: {limit})" if limit else ""


def run_tests(job: Job, peer: Peer, names: dict[str, bool]) -> Verdict:
    """Run test code whose names for the program's globals are stand-ins."""
    try:
        code = compile(job["tests"], "tests.py", "exec")
        compile(job["support"], "support.py", "exec")
    except (SyntaxError, ValueError) as error:
        return verdict(False, "tests_broken", f"the tests do not compile: {error}")
    namespace: dict[str, object] = {"__name__": "tests"}
    try:
        common = names.keys() & set(_names(code))
        namespace.update(_modules(job, common))
        if job["targets"] is not None:
            _prepare_numbers(namespace, job["targets"], job["tests"], peer)
        if not job["entry_point"] and any(hasattr(builtins, name) for name in common):
            job["entry_point"] = _tested_built_in(job["tests"], common)
        _bind(namespace, code, job, peer, names)
        exec(code, namespace)  # noqa: S102 - tests of a suite, in a box of their own
    except ChannelClosedError:
        raise
    except AssertionError as error:
        return verdict(False, "wrong", f"{_line_of(error, job['tests'])} {error}".strip())
    except ProgramError as error:
        return verdict(False, "program_error", f"{error} {_line_of(error, job['tests'])}")
    except MemoryError:
        raise
    except BaseException as error:  # noqa: BLE001 - tests may let any exception of the program through
        where = _line_of(error, job["tests"])
        return verdict(False, "program_error", f"{type(error).__name__}: {error}{_limit(error)} {where}")
    return verdict(True, "passed")


def _prepare_numbers(namespace: dict[str, object], targets: list[Json], tests: str, peer: Peer) -> None:
    """Give tests their targets and comparisons; a seed in them holds for the program, too."""
    provide_comparisons()
    keep_numpy_numbers()
    namespace["targets"] = [decode(target, _refuse_reference) for target in targets]
    if "random" in tests:
        importlib.import_module("random")
        importlib.import_module("numpy")
        peer.shares_random = True


def _refuse_reference(data: list[Json]) -> object:
    raise NotPlainError(f"targets are plain data, not {str(data)[:80]}")


def _bind(namespace: dict[str, object], code: types.CodeType, job: Job, peer: Peer, names: dict[str, bool]) -> None:
    """Give the tests the names that they use: the suite's own support code first, then the program's.

    The program cannot replace a built-in name, a module or a function of the support code; its entry point is always
    its own.
    """
    entry = job["entry_point"]
    if job["support"]:
        exec(compile(job["support"], "support.py", "exec"), namespace)  # noqa: S102 - code of a suite
    for name in set(_names(code)) - namespace.keys():
        if name in names and (name == entry or not hasattr(builtins, name)):
            stand_in = StandIn(peer, ["global", name])
            namespace[name] = stand_in if names[name] else peer.request("get", ["global", name])
    if entry and entry.isidentifier():
        namespace[entry] = StandIn(peer, ["global", entry])


def _modules(job: Job, names: set[str]) -> dict[str, types.ModuleType]:
    """Modules that tests use and leave to the program to import: the real ones, for they decide (`math.isclose`)."""
    if not names & MODULES_OF_TESTS:
        return {}
    nodes = ast.walk(ast.parse(job["tests"]))
    used = {node.value.id for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)}
    wanted = used & names & MODULES_OF_TESTS - {job["entry_point"]}
    return {name: importlib.import_module(name) for name in wanted}


def _tested_built_in(tests: str, names: set[str]) -> str | None:
    """A built-in name that tests without an entry point are about: nothing else is called, it in every assertion."""
    called = [_called(statement) for statement in ast.parse(tests).body if isinstance(statement, ast.Assert)]
    if not called or not all(hasattr(builtins, name) for name in set().union(*called)):
        return None
    common = set.intersection(*called)
    return next(iter(common)) if len(common) == 1 and common <= names else None


def _called(statement: ast.stmt) -> set[str]:
    calls = (node.func for node in ast.walk(statement) if isinstance(node, ast.Call))
    return {function.id for function in calls if isinstance(function, ast.Name)}


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _line_of(error: BaseException, source: str) -> str:
    """The line of the tests at which an exception came up."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "tests.py"]
    text = source.split("\n")[lines[-1] - 1].strip() if lines and lines[-1] else ""
    return f"at: {text[:200]}" if text else ""


def run_cases(job: Job, peer: Peer) -> Verdict:
    """Give the program each case's input and compare its output; the first difference decides."""
    for number, (given, expected) in enumerate(job["cases"], 1):
        try:
            right = _case_is_right(job, peer, given, expected)
        except ChannelClosedError:
            raise
        except (json.JSONDecodeError, KeyError) as error:
            return verdict(False, "tests_broken", f"case {number} is not JSON: {error}")
        except MemoryError:
            raise
        except ProcessorTimeError as error:
            return verdict(False, "timeout", f"case {number}: {error}")
        except Exception as error:  # noqa: BLE001 - whatever the program raises fails the case
            return verdict(False, "program_error", f"case {number}: {type(error).__name__}: {error}{_limit(error)}")
        if not right:
            return verdict(False, "wrong", f"case {number} of {len(job['cases'])} has another output")
    return verdict(True, "passed")


def _case_is_right(job: Job, peer: Peer, given: str, expected: str) -> bool:
    if job["kind"] == "call":
        arguments = json.loads(given)
        wanted = json.loads(expected)
        return bool(_as_json(peer.request("call", ["global", job["entry_point"]], tuple(arguments))) == wanted)
    status, output, limit = peer.request("run", ["global", ""], (given,))
    if status != 0:
        raise _ended(int(status), str(limit))
    return same_output(str(output), expected)


def _ended(status: int, limit: str) -> Exception:
    """Why a program that left with an error did so, as far as is known."""
    if status == -signal.SIGXCPU:
        return ProcessorTimeError("more processor time than a program may take")
    error: Exception = MemoryError() if "of memory" in limit else ProgramError(f"exit status {status}")
    if status < 0 and not limit:
        error = ProgramError(f"ended by signal {-status}")
    error.sandbox_limit = limit[:100]  # type: ignore[attr-defined]
    return error


def _as_json(value: object) -> object:
    """Tuples are lists in JSON."""
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    return value


def same_output(output: str, expected: str) -> bool:
    """Compare line by line without outer space; lines of numbers are equal when the numbers are."""
    lines, wanted = ([line.strip() for line in text.strip().split("\n")] for text in (output, expected))
    return len(lines) == len(wanted) and all(
        line == other or _same_numbers(line, other) for line, other in zip(lines, wanted, strict=True)
    )


def _same_numbers(line: str, other: str) -> bool:
    """Compare as decimals, as LiveCodeBench does, but only what a program prints as a number: no `1_6`, no `\u0661`."""
    parts, wanted = line.split(), other.split()
    if len(parts) != len(wanted) or not all(map(PRINTED_NUMBER.fullmatch, parts + wanted)):
        return False
    try:
        return all(Decimal(part) == Decimal(number) for part, number in zip(parts, wanted, strict=True))
    except InvalidOperation:  # an exponent beyond all bounds
        return False
