"""Workers as actors of a Ray cluster. Ray is imported when they start, and nowhere else.

Data flows orders -> actors (`RayWorker`) -> notices, and how each ended -> the driver. Ray starts and ends processes;
what is asked, asked again and paid is the ledger's affair, so Ray is told to repeat nothing.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.errors import InputError
from harness.runner.workers.engines import LONGEST_STOP_S, Tries
from harness.runner.workers.ray_worker import OrderEnd, RayWorker, WorkerOrder
from harness.runner.workers.worker_options import MOST_WORKERS, RayCluster
from harness.secrets import redact

THREADS = 4
"""Of an actor: for `work`, for `hear`, and for a word in between."""
WAIT_S = 0.5
"""How long the thread that speaks to Ray waits before it heeds what it is told meanwhile."""
OBJECT_STORE_BYTES = 80 * 2**20
"""A little more than the least that Ray takes: nothing but orders and notices goes through it."""
SHORT_FOLDER = "/tmp"  # noqa: S108  # the folder in it has a name of chance, and is ours alone
"""Names of sockets may have no more than 107 characters, and Ray needs most of them."""


@dataclass(slots=True, kw_only=True)
class _Place:
    """One worker of those that were asked for.

    Attributes:
        here, heard, ended: what Ray will answer: that the actor has a process, notices, how its work ended.
        is_over: it ended.
    """

    actor: Any
    here: Any
    heard: Any
    ended: Any
    tries: Tries
    is_over: bool = False


class RayActors:
    """Actors that work on one run.

    Everything that speaks to Ray runs in one thread of its own: in the main thread Ray would take SIGTERM over, and
    the processes of a cluster of this machine end with the thread that started them.

    Args:
        order: what every worker is told.
    """

    def __init__(self, cluster: RayCluster, order: WorkerOrder) -> None:
        self._cluster = cluster
        self._order = order
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ray")
        self._ray: Any = None
        self._actor_class: Any = None
        self._connected = contextlib.ExitStack()
        self._places: list[_Place] = []
        self._is_draining = False
        self._has_left = False
        self._gave_up_at_s: float | None = None
        self._to_say: list[str] = []
        self._told: set[str] = set()

    def start(self) -> None:
        """Find the cluster or make one, and start the actors.

        Raises:
            InputError: there is no such cluster.
        """
        self._thread.submit(self._start).result()

    def look(self, *, is_work_left: bool) -> Iterator[str]:
        """Pass on what workers say, the same words once, and have a new actor take the place of each that broke off."""
        for said in self._said(is_work_left=is_work_left):
            if said not in self._told:
                self._told.add(said)
                yield said

    def _said(self, *, is_work_left: bool) -> Sequence[str]:
        if not self._has_left:
            return self._thread.submit(self._look, is_work_left=is_work_left).result()
        said, self._to_say = self._to_say, []
        return said

    @property
    def is_alive(self) -> bool:
        """Whether any actor works or waits for a CPU."""
        return any(not place.is_over for place in self._places)

    def drain(self) -> None:
        """Tell all, once, to finish what they have begun; returns at once."""
        if not self._is_draining:
            self._is_draining = True
            self._thread.submit(self._interrupt)

    def give_up(self) -> None:
        """Tell all not to wait for what is in flight; returns at once."""
        self._gave_up_at_s = time.monotonic()
        self._thread.submit(self._interrupt)

    def stop(self) -> None:
        """Wait for all to end, and leave the cluster; one that was made here ends.

        Those that wait for a CPU are killed, and those that do not end although they were told to give up.
        """
        try:
            while self._thread.submit(self._are_ending).result():
                if self._gave_up_at_s is not None and time.monotonic() > self._gave_up_at_s + LONGEST_STOP_S:
                    break
            self._thread.submit(self._leave).result()
        finally:
            self._has_left = True
            self._thread.shutdown()

    # in the thread that speaks to Ray

    def _start(self) -> None:
        self._connected.enter_context(_cluster(self._cluster))
        self._ray = ray = _quiet_ray()
        n_cpus = int(ray.cluster_resources().get("CPU", 1))
        n_workers = self._cluster.n_workers or min(max(1, n_cpus), MOST_WORKERS)
        if n_workers > n_cpus:
            self._to_say.append(f"the Ray cluster has {n_cpus} CPUs for {n_workers} workers: the others wait for one")
        remote = ray.remote(
            num_cpus=1, max_restarts=0, max_task_retries=0, max_concurrency=THREADS, scheduling_strategy="SPREAD"
        )
        self._actor_class = remote(RayWorker)
        self._places = [self._one(Tries()) for _ in range(n_workers)]

    def _one(self, tries: Tries) -> _Place:
        actor = self._actor_class.remote()
        # the address of the ledger goes to the process itself: what an actor is made with, the cluster keeps
        ended = actor.work.remote(self._order)
        here, heard = actor.is_here.remote(), actor.hear.remote()
        return _Place(actor=actor, here=here, heard=heard, ended=ended, tries=tries)

    def _look(self, *, is_work_left: bool) -> Sequence[str]:
        said, self._to_say = list(self._to_say), []
        at_work = [place for place in self._places if not place.is_over]
        ready = self._answered([answer for place in at_work for answer in (place.heard, place.ended)])
        for place in at_work:
            if place.heard in ready:
                with contextlib.suppress(self._ray.exceptions.RayError):  # its end tells it
                    said += self._ray.get(place.heard)
                    place.heard = place.actor.hear.remote()
            if place.ended in ready:
                said += self._replaced(place, is_work_left=is_work_left)
        return said

    def _replaced(self, place: _Place, *, is_work_left: bool) -> Iterator[str]:
        end = self._end_of(place)
        place.is_over = True
        self._kill(place)
        yield from end.said
        if end.problem is None:
            return
        if not is_work_left or self._is_draining:
            yield f"a worker ended: {end.problem}"
            return
        if not place.tries.may_have_another(end.code):
            yield f"a worker ended and is not started again: {end.problem}"
            return
        yield f"a worker ended, and another takes its place: {end.problem}"
        place.tries.again()
        self._places[self._places.index(place)] = self._one(place.tries)

    def _end_of(self, place: _Place) -> OrderEnd:
        try:
            end: OrderEnd = self._ray.get(place.ended)
        except self._ray.exceptions.RayError as error:
            # its last line says most: the error that kept an actor from starting, or how its process died
            said = [line.strip() for line in str(error).splitlines() if line.strip()]
            problem = f"{type(error).__name__}: {said[-1] if said else 'no reason given'}"
            return OrderEnd(problem=redact(problem[:300]), code=-signal.SIGKILL if self._was_here(place) else 1)
        return end

    def _was_here(self, place: _Place) -> bool:
        """Whether an actor had come to life before it died."""
        with contextlib.suppress(self._ray.exceptions.RayError):
            return bool(self._ray.get(place.here))
        return False

    def _answered(self, answers: Sequence[Any], *, within_s: float = 0.0) -> set[Any]:
        """Say which answers are there."""
        if not answers:
            return set()
        return set(self._ray.wait(list(answers), num_returns=len(answers), timeout=within_s)[0])

    def _interrupt(self) -> None:
        for place in self._places:
            if not place.is_over:
                place.actor.interrupt.remote()

    def _kill(self, place: _Place) -> None:
        with contextlib.suppress(self._ray.exceptions.RayError, ValueError):
            self._ray.kill(place.actor)

    def _are_ending(self) -> bool:
        """Wait a moment for those that have a process; says whether any of them is still at work."""
        at_work = [place for place in self._places if not place.is_over]
        here = self._answered([place.here for place in at_work])
        awaited = [place.ended for place in at_work if place.here in here]
        return len(self._answered(awaited, within_s=WAIT_S)) < len(awaited)

    def _leave(self) -> None:
        self._to_say.extend(self._look(is_work_left=False))
        for place in self._places:
            if not place.is_over:
                place.is_over = True
                self._kill(place)
        self._connected.close()


def ray_actors(run_id: str, *, cluster: RayCluster, ledger_url: str, pricing: Path | None) -> RayActors:
    """Make workers of a run on a Ray cluster.

    Args:
        ledger_url: with its password, if it has one.
        pricing: folder of price files laid over the shipped ones.
    """
    order = WorkerOrder(
        run_id=run_id,
        ledger_url=ledger_url,
        folder=str(Path.cwd()),
        pricing=None if pricing is None else pricing.absolute(),
    )
    return RayActors(cluster, order)


LONGEST_SILENCE_S = 10.0
"""How long the head of a cluster may take to take a connection."""


def _quiet_ray() -> Any:
    """Import Ray; what it is told by the environment is read then."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)
    return ray


def _cluster(wanted: RayCluster) -> contextlib.AbstractContextManager[object]:
    """Choose a cluster: the one that this process is connected to already, one that runs, or one made here."""
    if "ray" in sys.modules and _quiet_ray().is_initialized():
        return contextlib.nullcontext()
    if wanted.address == "local" or (wanted.address is None and not os.environ.get("RAY_ADDRESS")):
        return local_cluster(wanted.n_workers)
    return _remote_cluster(wanted.address)


def _answers(address: str) -> None:
    """See whether anybody listens where a cluster is said to be; OSError where nobody does."""
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.hostname and place.port:
        socket.create_connection((place.hostname, place.port), timeout=LONGEST_SILENCE_S).close()


@contextlib.contextmanager
def _remote_cluster(address: str | None) -> Iterator[None]:
    ray = _quiet_ray()
    # a client of ray:// logs nothing by itself, and passes on what it is told to a process beside the cluster's head
    named = address or os.environ.get("RAY_ADDRESS", "")
    is_client = "://" in named
    try:
        _answers(named)  # Ray would wait for minutes, and hear no signal meanwhile
        ray.init(address, log_to_driver=False, **({} if is_client else {"configure_logging": False}))
    except Exception as error:
        said = redact(" ".join(str(error).split())[:300])
        raise InputError(
            f"no Ray cluster at {address or os.environ.get('RAY_ADDRESS')}: {type(error).__name__}: {said}",
            where="--workers",
            fix="see `ray status` there; driver and cluster need the same versions of Ray and Python",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def local_cluster(n_cpus: int | None = None) -> Iterator[Path]:
    """Make a Ray cluster of this machine, which ends with the block, or with the thread that made it.

    Only this machine reaches it, only with a token that no file holds, and it says nothing to anybody about its use.

    Args:
        n_cpus: actors that it has room for; None = as many as this process has CPUs.

    Returns:
        The folder with its logs and sockets, which is gone afterwards.
    """
    os.environ.update(_on_loopback())
    ray = _quiet_ray()
    with tempfile.TemporaryDirectory(prefix="benchtab-ray-", dir=SHORT_FOLDER, ignore_cleanup_errors=True) as folder:
        ray.init(
            "local",
            num_cpus=n_cpus or len(os.sched_getaffinity(0)),
            num_gpus=0,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
            object_store_memory=OBJECT_STORE_BYTES,
            _temp_dir=folder,
        )
        try:
            yield Path(folder)
        finally:
            ray.shutdown()


def _on_loopback() -> dict[str, str]:
    """Settings of a cluster that only this machine reaches, and only with a token that no file holds."""
    # the name speaks of other systems: there Ray does by itself what it is asked here
    settings = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    if "RAY_AUTH_MODE" in os.environ or "RAY_AUTH_TOKEN" in os.environ:
        return settings
    return settings | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
