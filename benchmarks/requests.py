"""What a request costs and how fast requests leave: `python -m benchmarks.requests [--only ...] [--quick]`.

The client runs on one core, a mock server on the other; the same requests are also sent by bare loops over aiohttp and
litellm in the same session, in turns with ours, and the ratios to them are printed. Each figure is the best of three
runs, as other work on a machine only adds to it. Beside each stand its target and whether it is met. Every attempt is
rendered, sent, committed to the ledger, parsed and scored. Data flows child processes -> lines.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from benchmarks.generated_suite import write_suite
from benchmarks.mock_server import serving, source

CLIENT_CORE = "0"
ROUNDS = 3
"""Each figure is the best of so many runs: on a shared machine other work only adds to it."""
IMPORT_LITELLM = """
import gc, os
gc.disable()
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm
os._exit(0)
"""
DIRECT, LITELLM, SIMULATED = "openai-compatible/sim-direct", "openai/sim-direct", "sim/direct"


def line(name: str, found: float, unit: str, *, at_most: float | None = None, at_least: float | None = None) -> None:
    """Print a measurement beside its target."""
    target = at_most if at_most is not None else at_least
    if target is None:
        verdict = ""
    else:
        met = found <= target if at_most is not None else found >= target
        sign = "<=" if at_most is not None else ">="
        verdict = f"target {sign} {target:g}{'' if unit == 'x' else ' ' + unit}: {'met' if met else 'MISSED'}"
    print(f"{name:62s} {found:10,.3f} {unit:9s} {verdict}".rstrip(), flush=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """How a command ended: when it was started, how long it took, its largest memory, what it printed."""

    started_us: int
    wall_s: float
    peak_rss_mb: float
    printed: str

    @property
    def found(self) -> dict[str, float]:
        """The JSON of its last line."""
        document: dict[str, float] = json.loads(self.printed.strip().splitlines()[-1])
        return document


def on_client_core(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> Process:
    """Run Python with these arguments on the client's core."""
    log = folder / "printed.txt"
    started_us, started = time.time_ns() // 1000, time.monotonic()
    with log.open("wb") as output:
        pid = os.posix_spawnp(
            "taskset",
            ["taskset", "-c", CLIENT_CORE, sys.executable, *command],
            {**os.environ, "OPENAI_API_KEY": "none", **(environment or {})},
            file_actions=[(os.POSIX_SPAWN_DUP2, output.fileno(), 1), (os.POSIX_SPAWN_DUP2, output.fileno(), 2)],
        )
        _, status, used = os.wait4(pid, 0)
    printed = log.read_text()
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{printed[-3_000:]}")
    wall_s = time.monotonic() - started
    return Process(started_us=started_us, wall_s=wall_s, peak_rss_mb=used.ru_maxrss / 1024, printed=printed)


def bare(client: str, folder: Path, *, n: int, concurrency: int, delay_ms: int = 0) -> dict[str, float]:
    """Measure a bare loop; returns CPU milliseconds per request and requests per second."""
    with serving(delay_ms) as url:
        command = ["-m", "benchmarks.bare_loops", client, "--url", url, "--requests", str(n)]
        found = on_client_core([*command, "--concurrency", str(concurrency)], folder).found
    return {"cpu_ms": found["cpu_s"] / n * 1000, "per_s": n / found["wall_s"]}


TIMED_RUN = ("-m", "benchmarks.timed_run")


def inside(
    model: str, folder: Path, *, n: int, concurrency: int, delay_ms: int = 0, program: Sequence[str] = TIMED_RUN
) -> dict[str, float]:
    """Measure a run between its first request and its last score; the server must have seen each request once."""
    with tempfile.TemporaryDirectory(dir=folder) as name, serving(delay_ms) as url:
        database = Path(name) / "ledger.db"
        suite = write_suite(Path(name), n)
        command = [*program, str(suite), "--model", model, "--db", str(database)]
        command += ["--base-url", _named(model, url)]
        found = on_client_core([*command, "--concurrency", str(concurrency)], folder).found
        _hold_against_server(database, url, n, in_flight=concurrency if delay_ms else None)
    if found["most_in_flight"] != concurrency:
        raise SystemExit(f"{found['most_in_flight']} requests were in flight, {concurrency} were asked for")
    return {"cpu_ms": found["cpu_s"] / n * 1000, "per_s": n / found["wall_s"]}


def _named(model: str, url: str) -> str:
    """The address, named for the model's provider: its key goes nowhere else."""
    return f"{model.partition('/')[0]}={url}"


def _hold_against_server(database: Path, url: str, n: int, *, in_flight: int | None) -> None:
    """Compare with the C mock's own counts: each sample came once, and with a delay as many at once as asked."""
    with contextlib.closing(sqlite3.connect(database)) as ledger:
        (attempts,) = ledger.execute("SELECT count(*) FROM attempts WHERE status = 'succeeded'").fetchone()
    served = {"n": n, "max_inflight": in_flight}
    if source() is not None:
        with urlopen(url.removesuffix("/v1") + "/stats") as response:  # noqa: S310  # our own server on loopback
            served = json.load(response)
    if not attempts == served["n"] == n:
        raise SystemExit(f"{n} samples, {attempts} attempts in the ledger, {served['n']} requests at the server")
    if in_flight not in (None, served["max_inflight"]):
        raise SystemExit(f"{served['max_inflight']} requests were in flight at the server, {in_flight} were asked for")


@contextlib.contextmanager
def command(
    model: str, folder: Path, *, n: int, limit: int | None = None, more: Sequence[str] = ()
) -> Iterator[tuple[Process, Path]]:
    """Run `benchtab run` as a user would, with 100 requests in flight; gives the process and the ledger."""
    with tempfile.TemporaryDirectory(dir=folder) as name, serving() as url:
        database = Path(name) / "ledger.db"
        words = ["-m", "harness", "run", str(write_suite(Path(name), n)), "-m", model, "-q", "--concurrency", "100"]
        words += ["--db", str(database), *more]
        if model != SIMULATED:
            words += ["--base-url", _named(model, url)]
        if limit is not None:
            words += ["--limit", str(limit)]
        yield on_client_core(words, folder), database


def ledger_bytes(database: Path, tables: str) -> float:
    """Bytes per attempt of the tables whose names match, their indexes included."""
    with contextlib.closing(sqlite3.connect(database)) as ledger:
        ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (n_attempts,) = ledger.execute("SELECT count(*) FROM attempts").fetchone()
        try:
            found = ledger.execute(
                "SELECT sum(pgsize) FROM dbstat JOIN sqlite_schema USING (name) WHERE tbl_name GLOB ?", (tables,)
            ).fetchone()[0]
        except sqlite3.OperationalError:  # this SQLite was built without dbstat: the whole file then
            found = database.stat().st_size
    return float(found) / float(n_attempts)


def best(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Choose the run that took the least CPU: other work on a machine only adds to it."""
    return min(runs, key=lambda run: run["cpu_ms"])


def measure_direct(folder: Path, chosen: argparse.Namespace) -> None:
    """(a) The direct client at zero delay, beside a bare aiohttp loop; both sides take turns."""
    for concurrency in (100, 500):
        floors, runs = [], {n: [] for n in sorted({2_000, chosen.most})}
        for _ in range(ROUNDS):
            floors.append(bare("aiohttp", folder, n=chosen.most, concurrency=concurrency))
            for n, found in runs.items():
                found.append(inside(DIRECT, folder, n=n, concurrency=concurrency))
        floor = best(floors)
        line(f"bare aiohttp loop, c={concurrency}: CPU per request", floor["cpu_ms"], "ms")
        line(f"bare aiohttp loop, c={concurrency}: speed", floor["per_s"], "per s")
        for n, found in runs.items():
            name, run = f"direct, {n:,} samples, c={concurrency}, no delay", best(found)
            line(f"{name}: CPU per request", run["cpu_ms"], "ms", at_most=0.35)
            line(f"{name}: against the bare loop", run["cpu_ms"] / floor["cpu_ms"], "x")
            line(f"{name}: speed", run["per_s"], "per s", at_least=2_500)
    walls_s, peaks_mb = [], []
    for _ in range(ROUNDS):
        with command(DIRECT, folder, n=chosen.most) as (process, _):
            walls_s.append(process.wall_s)
            peaks_mb.append(process.peak_rss_mb)
    speed = chosen.most / min(walls_s)
    line(f"direct, {chosen.most:,} samples, c=100, start to report", speed, "per s", at_least=1_800)
    line(f"direct, {chosen.most:,} samples: peak memory", max(peaks_mb), "MB", at_most=150)


def measure_delayed(folder: Path, chosen: argparse.Namespace) -> None:
    """(b) The direct client against a server that thinks for 200 ms, beside a bare aiohttp loop."""
    for concurrency, least in ((100, 97), (500, 85)):
        n = concurrency * (20 if chosen.quick else 40)
        floors, runs = [], []
        for _ in range(ROUNDS):
            floors.append(bare("aiohttp", folder, n=n, concurrency=concurrency, delay_ms=200)["per_s"])
            runs.append(inside(DIRECT, folder, n=n, concurrency=concurrency, delay_ms=200)["per_s"])
        ideal = concurrency / 0.2
        what = f"{n:,} samples, c={concurrency}, 200 ms: of {ideal:,.0f} a second"
        line(f"bare aiohttp loop, {what}", max(floors) / ideal * 100, "%")
        line(f"direct, {what}", max(runs) / ideal * 100, "%", at_least=least)


def measure_litellm(folder: Path, chosen: argparse.Namespace) -> None:
    """(c) Through litellm, beside a bare loop over `litellm.acompletion` with its defaults; both sides take turns."""
    n = 500 if chosen.quick else 2_000
    floors, runs = [], []
    for _ in range(ROUNDS):
        floors.append(bare("litellm", folder, n=n, concurrency=100))
        runs.append(inside(LITELLM, folder, n=n, concurrency=100))
    floor, found = best(floors), best(runs)
    line("bare litellm.acompletion loop, c=100: CPU per request", floor["cpu_ms"], "ms")
    line("through litellm, c=100: CPU per request", found["cpu_ms"], "ms")
    line("through litellm, c=100: against the bare loop", found["cpu_ms"] / floor["cpu_ms"], "x", at_most=1.0)


def measure_start(folder: Path, _chosen: argparse.Namespace) -> None:
    """(d) From the command to its first request, beside the bare import of litellm; both sides take turns."""
    imports: list[float] = []
    for model, most in ((DIRECT, 1.0), (SIMULATED, 1.0), (LITELLM, 2.5)):
        delays = []
        for _ in range(ROUNDS):
            if model == LITELLM:
                imports.append(on_client_core(["-c", IMPORT_LITELLM], folder).wall_s)
            with command(model, folder, n=100, limit=1) as (process, database):
                with contextlib.closing(sqlite3.connect(database)) as ledger:
                    (first_us,) = ledger.execute("SELECT min(started_at_us) FROM attempts").fetchone()
                delays.append((first_us - process.started_us) / 1e6)
        line(f"{model}: command to first request", min(delays), "s", at_most=most)
    line("import litellm alone, as fast as it goes", min(imports), "s")
    line(f"{LITELLM}: against the bare import", min(delays) / min(imports), "x")


def measure_size(folder: Path, chosen: argparse.Namespace) -> None:
    """(e) Bytes of the ledger with and without transcripts, and memory at 100,000 samples."""
    with command(DIRECT, folder, n=2_000) as (_, database):
        line("ledger with transcripts of 1 kB + 1 kB, per attempt", ledger_bytes(database, "*"), "bytes", at_most=2_500)
    with command(DIRECT, folder, n=2_000, more=["--no-transcripts"]) as (_, database):
        line("ledger without transcripts, per attempt", ledger_bytes(database, "attempts"), "bytes", at_most=700)
        line("  its score and its place in the plan included", ledger_bytes(database, "*"), "bytes")
    if not chosen.quick:
        with command(DIRECT, folder, n=100_000) as (process, _):
            line("direct, 100,000 samples: peak memory", process.peak_rss_mb, "MB", at_most=300)
            line("direct, 100,000 samples, c=100, start to report", 100_000 / process.wall_s, "per s")


PARTS: dict[str, Callable[[Path, Any], None]] = {
    "direct": measure_direct,
    "delayed": measure_delayed,
    "litellm": measure_litellm,
    "start": measure_start,
    "size": measure_size,
}


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--quick", action="store_true", help="2,000 samples at most, no 100,000")
    chosen = parser.parse_args()
    chosen.most = 2_000 if chosen.quick else 10_000
    load = os.getloadavg()[0]
    print(f"server: {'C mock' if source() else 'Python mock (the C source is not at hand)'}; load before: {load:.1f}")
    if load > 1:
        print(
            "other work is going on here: times are longer and speeds lower than this machine's own; trust the ratios"
        )
    subprocess.run([sys.executable, "-m", "compileall", "-q", "harness"], check=False)
    with tempfile.TemporaryDirectory(prefix="benchtab-requests-") as name:
        for part in chosen.only:
            PARTS[part](Path(name), chosen)


if __name__ == "__main__":
    main()
