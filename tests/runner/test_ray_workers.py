"""Workers as actors of a Ray cluster: one run, one ledger; the dead are replaced, nothing secret is written down."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.ledger import Ledger
from harness.ledger.leases.chain_leases import standing, take
from harness.ledger.leases.lease_records import WorkerRecord
from harness.ledger.leases.worker_rows import enlist, worker_of, workers
from harness.models import parse_model
from harness.pricing.price_files import load_price_book
from harness.runner import RunSpec, SessionOptions, run_suites
from harness.runner.workers.engines import OthersWorkers
from harness.runner.workers.ray_engine import RayActors, local_cluster, ray_actors
from harness.runner.workers.worker_options import MOST_WORKERS, RayCluster, parse_workers
from tests.support.command_lines import said_here
from tests.support.runs import Watcher, number_suite, observing

SECRET = "paper-lantern-4711"
N_SAMPLES = 6

with_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed here (pip install 'benchtab[ray]')"
)


def on_ray(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that needs the cluster, which one process starts for all of them (conftest)."""
    for mark in (with_ray, pytest.mark.ray, pytest.mark.postgres):
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """Start a cluster of this machine with two CPUs; gives the folder of its logs."""
    with local_cluster(2) as folder:
        yield folder


@pytest.fixture
def url(postgres_url: str) -> str:
    """Name an empty ledger whose address has a password."""
    return postgres_url.replace("postgres@", f"postgres:{SECRET}@", 1)


@with_ray
def test_forms_of_ray_clusters_are_read() -> None:
    forms = {
        "ray": RayCluster(),
        "ray:4": RayCluster(n_workers=4),
        "ray:auto": RayCluster(address="auto"),
        "ray:local:2": RayCluster(address="local", n_workers=2),
        "ray:head:6379": RayCluster(address="head:6379"),
        "ray:10.0.0.7:6379:12": RayCluster(address="10.0.0.7:6379", n_workers=12),
        "ray:[fd00::1]:6379:3": RayCluster(address="[fd00::1]:6379", n_workers=3),
        "ray:ray://head.example:10001": RayCluster(address="ray://head.example:10001"),
        "ray:ray://head:10001:8": RayCluster(address="ray://head:10001", n_workers=8),
    }
    assert {text: parse_workers(text) for text in forms} == forms
    assert parse_workers("8") == 8


@pytest.mark.parametrize(
    "text",
    ["ray:", "ray:head", "ray:0", "ray:-1", f"ray:{MOST_WORKERS + 1}", "ray:http://head:1", "ray:auto:x", "rays"],
)
def test_what_is_no_cluster_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_workers(text)
    assert refused.value.where == "--workers"
    assert "ray" in (refused.value.fix or "")


def test_without_ray_one_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match="not installed") as refused:
        parse_workers("ray:4")
    assert "pip install 'benchtab[ray]'" in (refused.value.fix or "")


NEEDED_BY_WORKERS = """
import sys
import harness.cli.run, harness.cli.worker, harness.runner.workers.driver, harness.runner.workers.ray_engine
print(*sys.modules)
"""


def test_what_runs_and_workers_need_is_imported_without_ray() -> None:
    done = subprocess.run([sys.executable, "-c", NEEDED_BY_WORKERS], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "harness.runner.workers.ray_worker" in loaded
    assert "ray" not in loaded


@with_ray
def test_a_sqlite_ledger_is_refused_before_ray_starts(tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 1)
    said = said_here("run", suite, "-m", "sim/direct", "--workers", "ray:2", "--db", str(tmp_path / "ledger.db"))
    assert said.code == 1
    assert "several workers need a ledger that a server holds" in said.stderr


@on_ray
def test_actors_ask_each_sample_of_a_run_once(cluster: Path, url: str, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, N_SAMPLES)
    said = said_here("run", suite, "-m", "sim/direct", "--workers", "ray:2", "--run-id", "one", "--db", url)
    assert said.code == 0, said.stderr
    with Ledger.open(url) as ledger:
        outcomes = ledger.outcomes("one")
        assert [outcome.n_attempts for outcome in outcomes.values()] == [1] * N_SAMPLES
        assert all(outcome.scored for outcome in outcomes.values())
        assert sum(worker.n_asked for worker in workers(ledger, "one")) == N_SAMPLES
        run = ledger.run("one")
    assert run is not None
    assert run.status == "complete"
    assert SECRET not in said.stderr + said.stdout
    assert [file for file in cluster.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()] == []


@on_ray
def test_a_worker_that_loads_another_suite_says_so_and_is_not_tried_again(
    cluster: Path, url: str, tmp_path: Path
) -> None:
    suite = number_suite(tmp_path, N_SAMPLES)

    def changed(run_id: str) -> RayActors:
        number_suite(tmp_path, N_SAMPLES + 1)
        return ray_actors(run_id, cluster=RayCluster(n_workers=1), ledger_url=url, pricing=None)

    watcher = Watcher()
    with Ledger.open(url) as ledger:
        result = run_suites(
            RunSpec(suites=(suite,), models=(parse_model("sim/direct"),)),
            ledger=ledger,
            book=load_price_book(),
            observe=observing(watcher),
            session=SessionOptions(engine=changed),
        )
    assert result.status == "partial"
    said = [notice for notice in watcher.notices if notice.startswith("a worker ended")]
    assert len(said) == 1
    assert said[0].startswith("a worker ended and is not started again: ")


class Nobody(OthersWorkers):
    """An engine whose workers are all gone: the run is offered, and stands as it is."""

    is_alive = False


@pytest.fixture
def waiting_run(url: str, tmp_path: Path) -> Iterator[Ledger]:
    """A run with a driver, all of whose samples another worker has taken: nothing is left to take, nothing is done."""
    with Ledger.open(url) as ledger:
        session = SessionOptions(engine=lambda _: Nobody())
        spec = RunSpec(suites=(number_suite(tmp_path, N_SAMPLES),), models=(parse_model("sim/direct"),))
        run_suites(
            spec, ledger=ledger, book=load_price_book(), run_id="one", observe=observing(Watcher()), session=session
        )
        ledger.finish_run("one", "running")
        other = worker_of(ledger, enlist(ledger, "one", name="another", kind="all", lease_s=3600.0))
        assert len(take(ledger, other, dict.fromkeys(standing(ledger, "one"), N_SAMPLES))) == N_SAMPLES
        with ledger.run_lock("one"):
            yield ledger


@on_ray
def test_a_new_actor_takes_the_place_of_a_dead_one_and_drains_when_told(
    cluster: Path, waiting_run: Ledger, url: str
) -> None:
    engine = ray_actors("one", cluster=RayCluster(n_workers=1), ledger_url=url, pricing=None)
    said: list[str] = []

    def look() -> Sequence[WorkerRecord]:
        said.extend(engine.look(is_work_left=True))
        return [worker for worker in workers(waiting_run, "one") if worker.name.startswith("process ")]

    engine.start()
    try:
        (first,) = until(lambda: len(look()) == 1, look)
        os.kill(int(first.name.split()[1]), signal.SIGKILL)
        _, second = until(lambda: len(look()) == 2, look)
        engine.drain()
        until(lambda: not (look(), engine.is_alive)[1], look)
    finally:
        engine.stop()
    assert [text for text in said if "another takes its place" in text] == said
    assert len(said) == 1
    ended = worker_of(waiting_run, second.worker_id).end
    assert ended is not None
    assert ended.why == "told to stop"


def until(is_so: Callable[[], bool], look: Callable[[], Sequence[WorkerRecord]]) -> Sequence[WorkerRecord]:
    """Look again and again, until it is so."""
    give_up_at_s = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < give_up_at_s
        threading.Event().wait(0.05)
    return look()
