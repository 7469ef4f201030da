"""The event loop that a run lives in: a fast one, with the garbage collector held back and Ctrl-C as a stop.

Nothing here knows of plans or ledgers; data flows signals -> `interrupt`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def fast_loop() -> Iterator[asyncio.Runner]:
    """Give a runner on uvloop."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner


@contextlib.contextmanager
def frozen_garbage() -> Iterator[None]:
    """Keep the collector from walking the plan again and again while requests fly, which hardly make any cycles."""
    usual = gc.get_threshold()
    gc.freeze()  # without collecting first: what a start leaves behind is a few dozen objects, looking for them is slow
    gc.set_threshold(100_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


@contextlib.contextmanager
def interrupted_by_signals(interrupt: Callable[[], None]) -> Iterator[None]:
    """Call `interrupt` on Ctrl-C, SIGTERM and SIGHUP (the terminal was closed); to be entered inside the running loop.

    A SIGHUP that is ignored already stays ignored: `nohup benchtab ...` goes on without its terminal.
    """
    loop = asyncio.get_running_loop()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    seen: set[int] = set()

    def caught(number: int) -> None:
        # shell and kernel may both send SIGHUP for one closed terminal: a second one asks for nothing more
        if number != signal.SIGHUP or not seen:
            seen.add(number)
            interrupt()

    for number in numbers:
        loop.add_signal_handler(number, caught, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
