"""Frames of JSON over one file descriptor, and calls in both directions on top of them.

The program's side answers requests about its names; the judge's side answers only calls of functions that it passed as
arguments. Data flows request -> value, exception name, or a nested request.
"""

from __future__ import annotations

import builtins
import errno
import json
import os

from .shared_random import random_state, restore_random
from .values import NotPlainError, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypedDict, TypeGuard

    from harness.declared import Json

    class Request(TypedDict):
        """What one end asks of the other; `target` is a reference."""

        what: str
        target: list[Json]
        args: list[Json]
        kwargs: list[tuple[str, Json]]
        random: Json

    class Reply(TypedDict, total=False):
        """What comes back: a value with the arguments that were changed in place, or an exception as data."""

        value: Json
        changed: list[tuple[int, Json]]
        error: list[str]
        name: str
        text: str
        limit: str
        random: Json


READY = b"\x06"
LARGEST_FRAME_BYTES = 256 * 1024 * 1024


class ChannelClosedError(EOFError):
    """The other side has gone."""


class ProgramError(Exception):
    """The program raised an exception that is not built in."""


def opened(place: str) -> int:
    """The descriptor of a channel that is given as an inherited descriptor's number or as a socket's path."""
    if place.isdigit():
        return int(place)
    import socket  # late: it costs milliseconds that only containers need

    connection = socket.socket(socket.AF_UNIX)
    connection.connect(place)
    return connection.detach()


class Channel:
    """Frames on a stream socket: four bytes of length, then JSON."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def send(self, message: object) -> None:
        """Send one frame."""
        body = json.dumps(message).encode("ascii")
        view = memoryview(len(body).to_bytes(4, "big") + body)
        while view:
            try:
                view = view[os.write(self.descriptor, view) :]
            except (BrokenPipeError, ConnectionResetError):
                raise ChannelClosedError from None

    def receive(self) -> Any:
        """Wait for one frame; whoever reads it says what it should be, and finds out.

        Raises:
            ChannelClosedError: the other side closed, or sent what is no frame.
        """
        size = int.from_bytes(self._read(4), "big")
        if size > LARGEST_FRAME_BYTES:
            raise ChannelClosedError(f"a frame of {size} bytes")
        try:
            return json.loads(self._read(size))
        except (ValueError, RecursionError) as error:
            raise ChannelClosedError(f"not a frame: {type(error).__name__}") from None

    def _read(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size:
            try:
                part = os.read(self.descriptor, min(size, 1 << 20))
            except ConnectionResetError:
                raise ChannelClosedError from None
            if not part:
                raise ChannelClosedError("the other side has gone")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


class Peer:
    """One end of a channel with the objects that it has lent to the other end.

    References: `["yours", n]` is an object of the receiver, `["mine", n, type]` one of the sender, `["global", name]` a
    global of the program.

    Args:
        channel: the frames.
        stand_in: makes the local stand-in for an object of the other end.

    Attributes:
        named: gives this end's globals by name, where the other end may hand them back as arguments; None = it may not.
        shares_random: the other end draws random numbers where this one stopped, and this one after it.
    """

    def __init__(self, channel: Channel, stand_in: Callable[[Peer, list[Json]], object]) -> None:
        self.channel = channel
        self.stand_in = stand_in
        self.lent: list[object] = []
        self.shares_random = False
        self.named: Callable[[str], object] | None = None

    def encode(self, value: object) -> Json:
        """Encode a value, lending objects that are not plain."""
        return encode(value, self._lend)

    def _lend(self, value: object) -> list[Json]:
        reference = getattr(type(value), "channel_reference", None)
        if reference is not None:
            return list(reference(value))
        self.lent.append(value)
        return ["mine", len(self.lent) - 1, type(value).__name__]

    def decode(self, data: Json) -> object:
        """Rebuild a value; objects of the other end become stand-ins."""
        return decode(data, self._resolve)

    def _resolve(self, reference: Json) -> object:
        match reference:
            case ["yours", int(number)] if 0 <= number < len(self.lent):
                return self.lent[number]
            case ["global", str(name)] if self.named is not None:
                return self.named(name)
            case ["mine", int(number), str(kind)]:
                return self.stand_in(self, ["yours", number, kind])
            case _:
                raise NotPlainError(f"not a value: {str(reference)[:80]}")

    def request(
        self, what: str, target: list[Json], args: tuple[object, ...] = (), kwargs: dict[str, object] | None = None
    ) -> Any:
        """Ask the other end for something and wait, answering its calls meanwhile.

        Raises:
            the built-in exception that the other end met, or `ProgramError` for one that is not built in.
        """
        asked: dict[str, object] = {
            "what": what,
            "target": target,
            "args": [self.encode(value) for value in args],
            "kwargs": [[name, self.encode(value)] for name, value in (kwargs or {}).items()],
        }
        if self.shares_random:
            asked["random"] = self.encode(random_state())
        self.channel.send(asked)
        while True:
            if not isinstance(received := self.channel.receive(), dict):
                raise ChannelClosedError("not a reply")
            reply: Any = received
            if "what" in reply:
                self.channel.send(self.answer(reply))
            elif "error" in reply:
                raise rebuilt_error(reply)
            else:
                for index, data in reply.get("changed", ()):
                    _replace(args[index], self.decode(data))
                if self.shares_random and "random" in reply:
                    restore_random(self.decode(reply["random"]))
                return self.decode(reply.get("value"))

    def answer(self, request: Request) -> Reply:
        """Call a lent function, step through a lent iterator, use a plain attribute of a lent object; nothing else."""
        try:
            target = self._resolve(request["target"][:2])
            args = [self.decode(data) for data in request["args"]]
            return {"value": self.encode(_for_the_other_end(request["what"], target, args))}
        except ChannelClosedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a callback raises goes back to its caller
            return described_error(error)


def _for_the_other_end(what: str, target: Any, args: list[object]) -> object:
    """What the other end may do with an object that was lent to it.

    Attributes are those of instances of the tests' own classes, without leading underscore: no way leads from there to
    the judge.
    """
    match what, args:
        case "call", _:
            return target(*args)
        case "iterator", _:
            return iter(target)
        case "next", _:
            return next(target)
    if type(type(target)) is type and type(target).__module__ == "tests":
        match what, args:
            case "truth", _:
                return bool(target)
            case "attribute", [name, *_] if _is_public(name):
                return getattr(target, name)
            case "set_attribute", [name, value] if _is_public(name):
                setattr(target, name, value)
                return None
    raise TypeError("an object of the tests can only be called, iterated or asked for its attributes")


def _is_public(name: object) -> TypeGuard[str]:
    return type(name) is str and not name.startswith("_")


def described_error(error: BaseException, limit: str = "") -> Reply:
    """An exception as data: the names of its built-in classes, most special first, its text, the limit that it met."""
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        error = MemoryError(*error.args)
    names = [base.__name__ for base in type(error).__mro__ if base.__module__ == "builtins" and base is not object]
    try:
        text = str(error)[:500]
    except Exception:  # noqa: BLE001 - an exception's own __str__ may raise anything
        text = ""
    return {"error": names, "name": type(error).__name__[:100], "text": text, "limit": limit}


def rebuilt_error(reply: Reply) -> Exception:
    """The exception that a reply describes, as an instance of a built-in `Exception` class."""
    error = _rebuilt(reply)
    error.sandbox_limit = str(reply.get("limit", ""))[:100]  # type: ignore[attr-defined]
    return error


def _rebuilt(reply: Reply) -> Exception:
    text = str(reply.get("text", ""))[:500]
    names = reply["error"] if isinstance(reply["error"], list) else []
    found = getattr(builtins, names[0], None) if names and isinstance(names[0], str) else None
    if isinstance(found, type) and issubclass(found, Exception):
        try:
            return found(text)
        except TypeError:  # UnicodeDecodeError and its like need more than a text
            return ProgramError(f"{names[0]}: {text}")
    return ProgramError(f"{str(reply.get('name', 'error'))[:100]}: {text}")


def _replace(old: Any, new: Any) -> None:
    """Give a mutable argument the content that it has at the other end."""
    if any(isinstance(old, kind) and isinstance(new, kind) for kind in (list, bytearray)):
        old[:] = new
    elif any(isinstance(old, kind) and isinstance(new, kind) for kind in (dict, set)):
        old.clear()
        old.update(new)
    elif type(old).__module__ == type(new).__module__ == "numpy" and old.shape == new.shape:
        old[...] = new


class StandIn:
    """An object of the other end: it can be called, asked for attributes and iterated, and equals only itself."""

    __slots__ = ("_peer", "_reference")
    _peer: Peer
    _reference: list[Json]

    def __init__(self, peer: Peer, reference: list[Json]) -> None:
        object.__setattr__(self, "_peer", peer)
        object.__setattr__(self, "_reference", reference)

    def channel_reference(self) -> list[Json]:
        """How this object is named when it goes back to its owner."""
        return self._reference[:2]

    def __call__(self, *args: object, **kwargs: object) -> Any:
        return self._peer.request("call", self._reference, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._peer.request("attribute", self._reference, (name,))

    def __setattr__(self, name: str, value: object) -> None:
        self._peer.request("set_attribute", self._reference, (name, value))

    def __delattr__(self, name: str) -> None:
        self._peer.request("delete_attribute", self._reference, (name,))

    def __setitem__(self, key: object, value: object) -> None:
        self._peer.request("set_item", self._reference, (key, value))

    def __delitem__(self, key: object) -> None:
        self._peer.request("delete_item", self._reference, (key,))

    def __instancecheck__(self, instance: object) -> bool:
        return bool(self._peer.request("is_instance", self._reference, (instance,)))

    def __iter__(self) -> Any:
        return self._peer.request("iterator", self._reference)

    def __next__(self) -> Any:
        return self._peer.request("next", self._reference)

    def __len__(self) -> int:
        return int(self._peer.request("length", self._reference))

    def __getitem__(self, key: object) -> Any:
        return self._peer.request("item", self._reference, (key,))

    def __contains__(self, item: object) -> bool:
        return bool(self._peer.request("contains", self._reference, (item,)))

    def __bool__(self) -> bool:
        return bool(self._peer.request("truth", self._reference))

    def __str__(self) -> str:
        return str(self._peer.request("text", self._reference))

    def __repr__(self) -> str:
        return str(self._peer.request("description", self._reference))
