"""Run under random caps and hold what the server billed against them.

Run as `python -m benchmarks.budgets [--runs 200] [--processes 4 --db URL]`: heavy-tailed costs, simulated faults over
HTTP, concurrency up to 256, strict mode; the server's billing log is priced with our price book. With `--processes`,
that many `benchtab run` at once share one month's budget in one ledger.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.crashes import PROVIDER, billed_pico, read_books, simulating, write_suite
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.ledger.scopes import simulated_twin
from harness.models import ModelSpec, parse_model
from harness.money import from_pico, to_pico_ceiling
from harness.pricing.price_files import load_price_book
from harness.runner import PreparedRun, RunSpec, SessionOptions, run_suites
from harness.runner.forecast.bills import BillForecast
from harness.runner.precision.planned_bill import WavesPlan
from harness.runner.requests.attempt_ends import Spent
from harness.runner.requests.policy import RetryLimits

MODELS = ("sim-reasoner", "sim-flaky")
USUAL_USD = {"sim-reasoner": 0.0145, "sim-flaky": 0.0205}
"""What a sample takes from a strict budget, roughly; unknown bills of the flaky model count in full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capped:
    """One run under a cap: picodollars of the cap, of the ledger's books and of the server's."""

    run_id: str
    model: str
    concurrency: int
    exit_code: int
    cap_pico: int
    ledger_pico: int
    server_pico: int


class Silent:
    """An observer that shows nothing."""

    def attempt_sent(self, model: ModelSpec) -> None: ...

    def attempt_settled(self, model: ModelSpec, *, spent: Spent, error: Any) -> None: ...

    def waves_planned(self, plan: WavesPlan) -> None: ...

    def samples_planned(self, model: ModelSpec, n_samples: int) -> None: ...

    def sample_finished(self, model: ModelSpec, *, failed: bool) -> None: ...

    def forecast_made(self, forecast: BillForecast, *, spent: int) -> None: ...

    def ask(self, question: str, *, is_over: Callable[[], bool]) -> bool:  # noqa: ARG002
        return True

    def notice(self, text: str) -> None: ...


@contextlib.contextmanager
def silent(_: PreparedRun) -> Iterator[Silent]:
    """Observe nothing."""
    yield Silent()


def spend(folder: Path, *, runs: int, samples: int, seed: int) -> list[Capped]:
    """Run under random caps and price the server's books."""
    draw, book = random.Random(seed), load_price_book()
    suite, log = write_suite(folder, samples), folder / "billing.jsonl"
    started = []
    with Ledger.open(folder / "ledger.db") as ledger:
        with simulating(suite, log, "--delay-ms", "5", "--delay-log-sd", "1") as url:
            for number in range(runs):
                model = draw.choice(MODELS)
                usd = Decimal(f"{samples * USUAL_USD[model] * math.exp(draw.uniform(math.log(0.12), 0.1)):.9f}")
                concurrency = draw.choice((1, 4, 16, 64, 256))
                spec = RunSpec(
                    suites=(str(suite),),
                    models=(parse_model(f"{PROVIDER}/{model}"),),
                    base_url=url,
                    concurrency=concurrency,
                    budget_usd=usd,
                    timeout_s=0.5,
                    keep_transcripts=False,
                    sample_seed=number,
                )
                limits = RetryLimits(first_wait_s=0.01, longest_wait_s=0.05)
                result = run_suites(
                    spec,
                    ledger=ledger,
                    book=book,
                    run_id=f"run-{number}",
                    observe=silent,
                    session=SessionOptions(limits=limits),
                )
                started.append((result, model, concurrency, usd))
        billed = _server_pico(log)
        return [
            Capped(
                run_id=result.run_id,
                model=model,
                concurrency=concurrency,
                exit_code=result.exit_code,
                cap_pico=to_pico_ceiling(usd),
                ledger_pico=_spent(ledger, f"run:{result.run_id}"),
                server_pico=billed.get(result.run_id, 0),
            )
            for result, model, concurrency, usd in started
        ]


def _spent(ledger: Ledger, scope: str) -> int:
    budget = ledger.budget(scope)
    assert budget is not None
    return budget.spent_pico_usd + budget.reserved_pico_usd


def _server_pico(log: Path) -> dict[str, int]:
    """What the server billed, by run id."""
    book = load_price_book()
    billed: dict[str, int] = {}
    for request_id, row in read_books(log).items():
        run_id = request_id.split(".")[0]
        billed[run_id] = billed.get(run_id, 0) + billed_pico(book, row)
    return billed


def report(capped: Sequence[Capped]) -> bool:
    """Print how the caps held; says whether all did."""
    over = [one for one in capped if one.server_pico > one.cap_pico or one.ledger_pico > one.cap_pico]
    print(
        f"{len(capped)} runs, concurrency 1 to {max(one.concurrency for one in capped)}: {len(over)} above their cap;"
        f" {sum(one.exit_code == 3 for one in capped)} ended at the budget"
    )
    for model in MODELS:
        ended = [one for one in capped if one.model == model and one.exit_code == 3]
        if not ended:
            continue
        shares = {
            "server's books": [one.server_pico / one.cap_pico for one in ended],
            "ledger, unknown bills in full": [one.ledger_pico / one.cap_pico for one in ended],
        }
        for books, used in shares.items():
            print(
                f"  {model:12s} {len(ended):3d} at the budget, used of the cap ({books}): median"
                f" {statistics.median(used):.1%}, least {min(used):.1%}, most {max(used):.2%}"
            )
    return not over


def share(folder: Path, database: str, *, processes: int, samples: int, cap_usd: str) -> bool:
    """Let processes spend one month's budget together; says whether the cap held."""
    suite, log = write_suite(folder, samples), folder / "shared.jsonl"
    scope = f"month:{datetime.now(UTC):%Y-%m}"
    cap_pico = to_pico_ceiling(Decimal(cap_usd))
    with Ledger.open(database) as ledger:
        spends_in = simulated_twin(scope) or scope  # the models are simulated
        spent_before = 0 if ledger.budget(spends_in) is None else _spent(ledger, spends_in)
        ledger.set_budget(scope, spent_before + cap_pico)
        with simulating(suite, log, "--delay-ms", "20", "--delay-log-sd", "1") as url:
            running = [_start(suite, url, database, f"share-{n}", MODELS[n % 2]) for n in range(processes)]
            ends = [(process.communicate()[1], process.returncode) for process in running]
        wrong = [said for said, code in ends if code not in (0, 3)]
        if wrong:
            raise SystemExit(f"a run failed:\n{wrong[0][-2_000:]}")
        ledger_pico = _spent(ledger, spends_in) - spent_before
        n_rows = sum(1 for _ in attempt_rows(ledger))
    server_pico = sum(_server_pico(log).values())
    reached = sum(code == 3 for _, code in ends)
    print(
        f"{processes} processes on one {database.split(':')[0]} ledger, one budget {scope} of ${cap_usd}, {n_rows}"
        f" attempts: server billed ${from_pico(server_pico):.6f} ({server_pico / cap_pico:.1%}), ledger counts"
        f" ${from_pico(ledger_pico):.6f} ({ledger_pico / cap_pico:.2%}); {reached} ended at the budget"
    )
    return max(server_pico, ledger_pico) <= cap_pico


def _start(suite: Path, url: str, database: str, run_id: str, model: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "harness", "run", str(suite), "-m", f"{PROVIDER}/{model}", "--base-url", url]
    command += ["--db", database, "--run-id", run_id, "--concurrency", "64", "--timeout-s", "1", "-q"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def main() -> None:
    """Run the proof and end with 1 when it fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--samples", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=0)
    parser.add_argument("--cap-usd", default="2.5")
    parser.add_argument("--db", help="ledger of --processes: a path or URL; default: a temporary SQLite file")
    arguments = parser.parse_args()
    holds, started_s = True, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="benchtab-budgets-") as name:
        folder = Path(name)
        if arguments.processes:
            database = arguments.db or str(folder / "shared.db")
            holds = share(
                folder,
                database,
                processes=arguments.processes,
                samples=arguments.samples,
                cap_usd=arguments.cap_usd,
            )
        else:
            holds = report(spend(folder, runs=arguments.runs, samples=arguments.samples, seed=arguments.seed))
    print(f"{'holds' if holds else 'FAILS'} ({time.monotonic() - started_s:.0f} s)")
    raise SystemExit(0 if holds else 1)


if __name__ == "__main__":
    main()
