"""Who watches which run: one reading a second for all watchers of a run, none while nobody watches.

A watcher is given the newest state whenever it is ready for one; what it missed meanwhile it does not get, so that a
slow one piles nothing up. Data flows `RunReader` in a thread -> `Watch` -> every watcher.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool

from harness.errors import HarnessError
from harness.view.live.live_values import LiveState

EVERY_S = 1.0
REST = 4
"""What takes long to read is read again only after this many times as long."""
HEARTBEAT_S = 15.0
MOST_WATCHERS = 100
"""Over all runs; a page says so when there are more."""


Told = LiveState | HarnessError
"""What a watcher is told: how the run stands, or why that cannot be said."""


@dataclass(slots=True)
class _Watch:
    """The watchers of one run, and what they are told."""

    read: Callable[[], LiveState]
    every_s: float
    n_watchers: int = 0
    number: int = 0
    told: Told | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    async def go_on(self) -> None:
        """Read until nothing more comes."""
        clock = asyncio.get_running_loop().time
        while True:
            began_s = clock()
            try:
                self.told = await run_in_threadpool(self.read)
            except HarnessError as error:
                self.told = error
            self.number += 1
            self.news.set()
            self.news = asyncio.Event()
            if isinstance(self.told, LiveState) and self.told.is_over:
                return
            await asyncio.sleep(max(self.every_s, REST * (clock() - began_s)))


class Watches:
    """All that is watched by the browsers of one server; used in its event loop only.

    Args:
        every_s: between two readings.
        heartbeat_s: after which a watcher hears that there is nothing new.
    """

    def __init__(self, *, every_s: float = EVERY_S, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._every_s, self._heartbeat_s = every_s, heartbeat_s
        self._watches: dict[str, _Watch] = {}

    @property
    def is_full(self) -> bool:
        """Whether another watcher would be one too many."""
        return sum(watch.n_watchers for watch in self._watches.values()) >= MOST_WATCHERS

    async def watch(self, run_id: str, read: Callable[[], LiveState]) -> AsyncGenerator[tuple[int, Told] | None, None]:
        """Give the state of a run whenever it was read anew, numbered; None where nothing was for a while."""
        watch = self._watches.setdefault(run_id, _Watch(read, self._every_s))
        watch.n_watchers += 1
        if watch.task is None or watch.task.done():
            watch.task = asyncio.create_task(watch.go_on())
        try:
            seen = 0
            while True:
                if watch.told is not None and watch.number > seen:
                    seen = watch.number
                    yield seen, watch.told
                    if isinstance(watch.told, LiveState) and watch.told.is_over:
                        return
                elif not await _came(watch.news, self._heartbeat_s):
                    if watch.task.done():
                        watch.task.result()  # says what broke it
                    yield None
        finally:
            watch.n_watchers -= 1
            if not watch.n_watchers:
                watch.task.cancel()
                self._watches.pop(run_id, None)


async def _came(news: asyncio.Event, within_s: float) -> bool:
    """Wait for news; False = there was none for a while."""
    try:
        await asyncio.wait_for(news.wait(), within_s)
    except TimeoutError:
        return False
    return True
