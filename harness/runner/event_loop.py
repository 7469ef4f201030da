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
    """Call `interrupt` on Ctrl-C and on SIGTERM; to be entered inside the running loop."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
