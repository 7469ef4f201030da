"""Run other people's harnesses against the simulated server, import their logs, and hold these against its bill.

`python -m benchmarks.foreign_harnesses PLACE [--questions N] [--tools NAME ...]`; PLACE is filled by `.ci/harnesses`.
Prints a line a log and exits 1 when a request or a sum differs and no reason explains it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.crashes import simulating, write_suite
from benchmarks.foreign_harnesses.bills import (
    ESTIMATE_MARGINS,
    REASONS,
    Bill,
    Call,
    Counts,
    Held,
    billed,
    hold,
    hold_bound,
    hold_estimate,
    hold_report,
)
from benchmarks.foreign_harnesses.relay import numbering
from benchmarks.foreign_harnesses.tools import TOOLS, Asked, Tool, write_questions
from harness.costs import cost_of
from harness.documents.table import Column, Table
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import AttemptRow, attempt_rows, transcript_rows
from harness.pricing.price_files import load_price_book
from harness.rendering.console import print_table
from harness.simulation.simulated_models import prompt_of
from harness.usage import read_usage

MODELS = ("sim-reasoner", "sim-flaky")
"""One that never fails, whose answers are kept and asked for again, and one with faults of every kind."""
ALIAS = """
[[alias]]
provider = "local-chat-completions"
model = "{model}"
to = "{model}"
to_provider = "sim"
effective_from = "open"
source = "lm-eval names the way to a model and no provider; here it is the simulated server"
checked_on = 2026-11-28
"""
Line = tuple[str, ...]


def lines(place: Path, tool: Tool, n_questions: int) -> Iterator[tuple[Line, list[str]]]:
    """Run one tool on every model; gives a line and what has no reason for each way of importing its logs."""
    command = [str(place / tool.version[0]), *tool.version[1:]]
    version = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    for model in MODELS:
        with tempfile.TemporaryDirectory(prefix="benchtab-harness-") as name:
            folder = Path(name)
            write_questions(folder, n_questions)
            log = folder / "billing.jsonl"
            cached = tool.keeps_answers and model == MODELS[0]
            with simulating(write_suite(folder, 1), log) as url, numbering(url) as relayed:
                logs = tool.run(place, Asked(model=model, url=relayed, folder=folder, cached=cached))
            bills = read_bills(log)
            for option in ((),) if tool.logs_tokens else ((), ("--estimate",)):
                held = held_log(tool, bills, logs, folder / f"ledger{len(option)}.db", option)
                yield _line((" ".join((tool.name, *option)), version, model), held), held.wrong


def read_bills(log: Path) -> list[Bill]:
    """Read a server's billing log, every answer at its list price."""
    book = load_price_book()

    def price(row: Mapping[str, Any]) -> Decimal:
        usage = read_usage("openai.chat", row["usage"])
        cost = cost_of(book, usage, provider="sim", model=row["model"], at=datetime.fromisoformat(row["at"]))
        assert cost.usd is not None
        return cost.usd

    return [billed(json.loads(line), price) for line in log.read_text(encoding="utf-8").splitlines()]


def held_log(tool: Tool, bills: Sequence[Bill], logs: Sequence[Path], database: Path, options: Sequence[str]) -> Held:
    """Import logs with the product's own command and hold its ledger and report against the bill."""
    prices = database.with_suffix("")
    prices.mkdir()
    (prices / "served.toml").write_text("".join(ALIAS.format(model=model) for model in MODELS), encoding="utf-8")
    _benchtab("import", *logs, "--transcripts", "--db", database, "--pricing", prices, *options)
    report = json.loads(_benchtab("report", "--json", "--db", database, "--pricing", prices))
    with Ledger.open(database, create=False) as ledger:
        held = hold(bills, list(read_calls(ledger)), logs_tokens=tool.logs_tokens)
    rows = report["rows"]
    usd = sum((Decimal(row["cost_usd"]["total"] or 0) for row in rows), Decimal(0))
    if options:
        hold_estimate(held, sum(row["n_estimated_attempts"] for row in rows), usd)
    else:
        hold_report(held, _reported(report), usd)
    hold_bound(held, all(row["cost_is_lower_bound"] for row in rows))
    return held


def _benchtab(*arguments: object) -> str:
    command = [sys.executable, "-m", "harness", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"benchtab {arguments[0]} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def read_calls(ledger: Ledger) -> Iterator[Call]:
    """Read a ledger's calls, each with the digest of its prompt as the server writes it."""
    digests = {
        said.attempt_id: prompt_of([(str(one["role"]), one["content"]) for one in said.messages]).sha256
        for run in ledger.runs()
        for said in transcript_rows(ledger, run.run_id)
    }
    rows = list(attempt_rows(ledger))
    by_sample = {row.planned_id: digests[row.attempt_id] for row in rows if row.attempt_id in digests}
    for row in rows:
        yield Call(
            name=f"{row.sample_id} epoch {row.epoch} {row.status}",
            prompt_sha256=digests.get(row.attempt_id) or by_sample.get(row.planned_id),
            reused=row.status == "reused",
            failed=row.status in ("failed", "timed_out", "cancelled"),
            counts=_counts(row),
            estimated=row.usage_source == "estimated",
        )


def _counts(row: AttemptRow) -> Counts | None:
    if row.input_tokens is None or row.output_tokens is None:
        return None
    cached = row.cache_read_tokens or 0
    return Counts(
        asked=row.input_tokens + cached, cached=cached, output=row.output_tokens, reasoning=row.reasoning_tokens or 0
    )


def _reported(report: Mapping[str, Any]) -> Counts:
    total = Counts()
    for row in report["rows"]:
        cached = row["cache_read_tokens"] or 0
        total += Counts(
            asked=(row["input_tokens"] or 0) + cached,
            cached=cached,
            output=row["output_tokens"] or 0,
            reasoning=row["reasoning_tokens"] or 0,
        )
    return total


def _line(head: Line, held: Held) -> Line:
    billed, known = held.total.counts, held.parts["known"].counts
    sides = [(billed.asked, known.asked), (billed.cached, known.cached), (billed.output, known.output),
             (billed.reasoning, known.reasoning)]  # fmt: skip
    why = [
        f"{part.n_requests} {REASONS[reason]}" + (f" ({part.counts.output:,} out, ${part.usd})" if part.usd else "")
        for reason, part in held.parts.items()
        if reason in REASONS and part.n_requests
    ]
    if held.estimated.asked:
        why.append(
            f"estimated {held.estimated.asked:,} in, {held.estimated.output:,} of answers, ${held.estimated_usd}"
        )
    if held.n_replays:
        why.append(f"{held.n_replays} replays of the tool's own cache, not sent")
    return (
        *head,
        f"{held.total.n_requests:,} / {held.n_calls:,}",
        *(f"{theirs:,} / {ours:,}" for theirs, ours in sides),
        f"{held.total.usd} / {held.parts['known'].usd}",
        "; ".join(why) or "nothing differs",
        f"{len(held.wrong)} UNEXPLAINED" if held.wrong else "equal" if not why else "explained",
    )


def table(found: Sequence[Line]) -> Table:
    """Lay out the lines."""
    names = (
        "tool",
        "version",
        "model",
        "requests",
        "in",
        "cached",
        "out",
        "reasoning",
        "usd",
        "explained by",
        "verdict",
    )
    return Table(
        name="harnesses",
        title="Logs of other tools against the server's bill (billed / known)",
        columns=tuple(Column(name=name) for name in names),
        rows=list(found),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, import, compare, print; 1 when something has no reason."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place", type=Path)
    parser.add_argument("--questions", type=int, default=12)
    parser.add_argument("--tools", nargs="+", choices=[tool.name for tool in TOOLS])
    chosen = parser.parse_args(arguments)
    place = chosen.place.absolute()
    wanted = [tool for tool in TOOLS if not chosen.tools or tool.name in chosen.tools]
    there = [tool for tool in wanted if (place / tool.version[0]).exists()]
    found = [one for tool in there for one in lines(place, tool, chosen.questions)]
    print_table(table([line for line, _ in found]))
    for line, wrong in found:
        for told in wrong:
            print(f"{line[0]}, {line[2]}: {told}")
    for tool in wanted:
        if tool not in there:
            print(f"{tool.name}: not installed in {chosen.place}, not run")
    margins = ", ".join(f"{name} within {margin:.0%}" for name, margin in ESTIMATE_MARGINS.items())
    print(f"counts are equal request by request; estimates: {margins} of the bill, reasoning is in no text")
    return 1 if not found or any(wrong for _, wrong in found) else 0


if __name__ == "__main__":
    sys.exit(main())
