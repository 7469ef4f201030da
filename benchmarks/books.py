"""Hold a run's ledger against the simulated server's own books, to the last token, on real questions.

Run as `python -m benchmarks.books SUITE --route litellm|direct|sim --models sim-reasoner sim-direct [--data DIR]`:
`benchtab simulate` serves and keeps books, `benchtab run` asks over HTTP (route `sim`: in one process, against what a
second process draws for the same request ids). Prints the table and what the client used; exit 1 on any difference.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.crashes import simulating
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import AttemptRow, attempt_rows

RUN_ID = "books"
PREFIXES = {"litellm": "openai/", "direct": "openai-compatible/"}
COUNTED = ("requests", "usage known", "prompt", "cached", "completion", "reasoning", "right answers")
HOLDING = "sim-flaky"
"""The model that sometimes never answers: its runs need a short time-out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientUse:
    """What `benchtab run` used, its children included."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def run_client(command: Sequence[str], output: Path) -> ClientUse:
    """Run a command to its end with its standard output in a file, and measure it."""
    started = time.monotonic()
    with output.open("wb") as out:
        pid = os.posix_spawn(
            command[0],
            list(command),
            {**os.environ, "OPENAI_API_KEY": "dummy"},
            file_actions=[(os.POSIX_SPAWN_DUP2, out.fileno(), 1)],
        )
        _, status, used = os.wait4(pid, 0)
    if (code := os.waitstatus_to_exitcode(status)) != 0:
        raise SystemExit(f"{' '.join(command)} ended with {code}")
    return ClientUse(
        wall_s=time.monotonic() - started, cpu_s=used.ru_utime + used.ru_stime, peak_mb=used.ru_maxrss / 1024
    )


def server_books(log: Path) -> tuple[dict[str, Counter[str]], dict[str, dict[str, Any]]]:
    """Read the server's books: sums by model, and every row by its request id."""
    sums: dict[str, Counter[str]] = {}
    rows: dict[str, dict[str, Any]] = {}
    for line in log.read_bytes().splitlines():
        row = json.loads(line)
        if row["request_id"] in rows:
            raise SystemExit(f"the server saw {row['request_id']} twice")
        rows[row["request_id"]] = row
        counts = sums.setdefault(row["model"], Counter())
        counts["requests"] += 1
        counts["right answers"] += bool(row["right"] and row["status"] == 200)
        counts["unknown bills"] += row["billed"] and not row["usage_sent"]
        counts["server errors"] += (row["status"] or 0) >= 500
        if row["usage_sent"]:
            counts["usage known"] += 1
            counts.update(_usage(row["usage"]))
    return sums, rows


def _usage(usage: Mapping[str, Any]) -> dict[str, int]:
    return {
        "prompt": usage["prompt_tokens"],
        "cached": usage["prompt_tokens_details"]["cached_tokens"],
        "completion": usage["completion_tokens"],
        "reasoning": usage["completion_tokens_details"]["reasoning_tokens"],
    }


def reported(report: Mapping[str, Any]) -> dict[str, Counter[str]]:
    """Read the same sums from what `benchtab run --json` printed."""
    return {
        row["model"]: Counter(
            {
                "requests": row["n_attempts"],
                "prompt": row["input_tokens"] + row["cache_read_tokens"],
                "cached": row["cache_read_tokens"],
                "completion": row["output_tokens"],
                "reasoning": row["reasoning_tokens"],
                "right answers": round(row["n_correct"]),
                "unknown bills": row["n_unknown_usage_attempts"],
            }
        )
        for row in report["rows"]
    }


def wrong_rows(attempts: Iterator[AttemptRow], served: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Hold every attempt against the server's row of the same request id; what is left over on either side is wrong."""
    left = dict(served)
    for attempt in attempts:
        row = left.pop(attempt.request_id, None)
        if row is None:
            yield f"{attempt.request_id}: a row in the ledger, never seen by the server"
        elif row["usage_sent"] != (attempt.output_tokens is not None):
            yield f"{attempt.request_id}: the server told usage: {row['usage_sent']}, the ledger has {attempt.status}"
        elif row["usage_sent"] and (mine := _stored(attempt)) != _usage(row["usage"]):
            yield f"{attempt.request_id}: the ledger has {mine}, the server billed {_usage(row['usage'])}"
        elif attempt.status == "sent":
            yield f"{attempt.request_id}: never settled"
    yield from (f"{request_id}: seen by the server, no row in the ledger" for request_id in left)


def _stored(attempt: AttemptRow) -> dict[str, int | None]:
    cached = attempt.cache_read_tokens or 0
    return {
        "prompt": None if attempt.input_tokens is None else attempt.input_tokens + cached,
        "cached": cached,
        "completion": attempt.output_tokens,
        "reasoning": attempt.reasoning_tokens,
    }


def compare(
    ours: Mapping[str, Counter[str]], served: Mapping[str, Counter[str]], report: Mapping[str, Any]
) -> list[str]:
    """Print both books side by side; give the differences."""
    found = [] if set(ours) == set(served) else [f"models differ: {sorted(ours)} and {sorted(served)}"]
    print(f"{'model':14s} {'':16s} {'benchtab':>14s} {'server':>14s} {'difference':>10s}")
    for model in sorted(set(ours) & set(served)):
        mine, theirs = ours[model], served[model]
        mine["usage known"] = theirs["usage known"]  # row by row below: the report counts what is not known
        for name in COUNTED:
            difference = mine[name] - theirs[name]
            if name != "usage known":
                print(f"{model:14s} {name:16s} {mine[name]:14,d} {theirs[name]:14,d} {difference:10,d}")
            if difference:
                found.append(f"{model}: {name} differ by {difference}")
        # a client cannot know that a server error was not billed: those are unknown bills as well
        untold, errors = theirs["unknown bills"], theirs["server errors"]
        said = f"{untold:,} billed and not told + {errors:,} server errors"
        if mine["unknown bills"] or untold + errors:
            print(f"{model:14s} {'unknown bills':16s} {mine['unknown bills']:14,d} {untold + errors:14,d}  ({said})")
        if mine["unknown bills"] != untold + errors:
            found.append(f"{model}: {mine['unknown bills']} unknown bills, the server has {said}")
    for row in report["rows"]:
        score = "-" if row["score"] is None else f"{row['score']:.4%}"
        bound = ">= " if row["cost_is_lower_bound"] else ""
        print(
            f"{row['model']:14s} score {score} of {row['n_solves']:,} answers, cost {bound}${row['cost_usd']['total']},"
            f" possibly ${row['possibly_billed_usd']} more; {row['n_failed_attempts']} requests failed;"
            f" left out {row['unscored_reasons']}, counted wrong {row['without_answer_reasons']}"
        )
    return found


def print_use(use: ClientUse, database: Path, n_attempts: int) -> None:
    """Print what a request cost this machine."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (span_us,) = connection.execute("SELECT max(finished_at_us) - min(started_at_us) FROM attempts").fetchone()
    print(
        f"{n_attempts:,} requests in {span_us / 1e6:.1f} s: {n_attempts / (span_us / 1e6):,.0f} requests/s;"
        f" client {use.cpu_s / n_attempts * 1000:.3f} CPU ms per request (start, plan and report included),"
        f" peak {use.peak_mb:.0f} MB, {database.stat().st_size / n_attempts:,.0f} ledger bytes per attempt;"
        f" whole command {use.wall_s:.1f} s"
    )


def main() -> None:
    """Serve, run, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite")
    parser.add_argument("--route", choices=(*PREFIXES, "sim"), default="direct")
    parser.add_argument("--models", nargs="+", default=["sim-reasoner", "sim-direct"], help="as the server names them")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--data", type=lambda text: Path(text) if text else None, help="where local data sets lie")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--timeout-s", type=float, help="default: 600, and 3 with a model that may never answer")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchtab-books-") as name:
        raise SystemExit(hold(chosen, Path(name)))


def hold(chosen: argparse.Namespace, folder: Path) -> int:
    """Run the suite and hold both books against each other; gives the exit code."""
    log, database, printed = folder / "billing.jsonl", folder / "ledger.db", folder / "report.json"
    data = ["--data", str(chosen.data)] if chosen.data else []
    timeout_s = chosen.timeout_s or (3 if HOLDING in chosen.models else 600)
    command = [sys.executable, "-m", "harness", "run", chosen.suite, "--json", "-q", "--db", str(database)]
    command += ["--run-id", RUN_ID, "--concurrency", str(chosen.concurrency), "--timeout-s", str(timeout_s), *data]
    command += ["--limit", str(chosen.limit)] if chosen.limit else []
    with simulating(Path(chosen.suite), log, *data) as url:
        if chosen.route == "sim":
            names = [f"sim/{model.removeprefix('sim-')}" for model in chosen.models]
        else:
            names = [PREFIXES[chosen.route] + model for model in chosen.models]
            command += ["--base-url", url]
        for name in names:
            command += ["-m", name]
        use = run_client(command, printed)
        if chosen.route == "sim":
            repeat_over_http(database, url)
    report = json.loads(printed.read_bytes())
    for row in report["rows"]:
        row["model"] = f"sim-{row['model'].removeprefix('sim-')}"
    sums, rows = server_books(log)
    found = compare(reported(report), sums, report)
    with Ledger.open(database, create=False) as ledger:
        found += wrong_rows(attempt_rows(ledger), rows)
    print_use(use, database, len(rows))
    for difference in found[:20]:
        print(difference, file=sys.stderr)
    print("the books are equal, row by row" if not found else f"{len(found)} differences")
    return 1 if found else 0


def repeat_over_http(database: Path, url: str) -> None:
    """Ask the server what the in-process models were asked, request id by request id, so that it keeps books of it."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    from harness.ledger.reading.attempt_rows import transcript_rows

    with Ledger.open(database, create=False) as ledger:
        asked = {row.attempt_id: row for row in attempt_rows(ledger)}
        for transcript in transcript_rows(ledger, RUN_ID):
            attempt = asked[transcript.attempt_id]
            body = {**json.loads(attempt.parameters), "messages": transcript.messages}
            body["model"] = f"sim-{attempt.model_requested}"
            request = Request(  # noqa: S310  # our own server on loopback
                f"{url}/chat/completions",
                data=json.dumps(body).encode(),
                headers={"Content-Type": "application/json", "X-Client-Request-Id": attempt.request_id},
            )
            with contextlib.suppress(HTTPError), urlopen(request) as answer:  # noqa: S310
                answer.read()


if __name__ == "__main__":
    main()
