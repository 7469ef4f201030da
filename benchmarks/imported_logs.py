"""Logs of other tools, imported and held against sums that somebody else made of them, to the token and the cent.

`python -m benchmarks.imported_logs --data DIR` takes a folder with one folder per format, each with `EXPECTED.json`;
it prints a line a file and exits 1 when a sum differs that is not explained, or a file that must be refused is not.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Any, Literal

from benchmarks.priced_by_hand import by_hand_usd
from harness.documents.table import Column, Table
from harness.errors import HarnessError
from harness.imports.into_ledger import ImportOptions, import_unit
from harness.imports.log_units import Refused, units
from harness.imports.refusal import ImportRefused
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows, score_rows
from harness.ledger.reading.sums import tool_costs
from harness.pricing.price_files import load_price_book
from harness.rendering.console import print_table
from harness.reports.facts.assembly import spend_report
from harness.reports.facts.report_facts import NOTHING, Spend
from harness.reports.spend import wording

Sums = dict[str, Any]
Verdict = Literal["equal", "refused", "differs", "explained"]
COLUMNS = {
    "input_uncached": "input_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_5m_tokens",
    "cache_write_1h": "cache_write_1h_tokens",
    "output": "output_tokens",
    "reasoning": "reasoning_tokens",
}
"""Counts of the expected sums, and the ledger's columns that hold them."""
EXPLAINED: Mapping[tuple[str, str, str], str] = {
    (
        "tau2",
        "pub_voice_cut/",
        "attempts",
    ): "a voice conversation is one call of unknown cost, which those sums leave out",
    ("tau2", "pub_voice_cut/", "without_usage"): "the same call",
}
"""Format, file and count where the expected sum counts otherwise than the ledger should, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What came of one file or folder."""

    format: str
    name: str
    verdict: Verdict
    n_attempts: int | None = None
    n_tokens: int | None = None
    usd: str = ""
    said: str = ""


def lines(data: Path) -> Iterator[Line]:
    """Import everything that has expected sums, each into a ledger of its own."""
    for folder in sorted(path for path in data.iterdir() if (path / "EXPECTED.json").exists()):
        stated = json.loads((folder / "EXPECTED.json").read_text(encoding="utf-8"))["files"]
        for name, expected in stated.items():
            paths = [folder / part.strip() for part in _parts(name)]
            if all(path.exists() for path in paths):
                yield (
                    _refusal(folder.name, name, paths)
                    if folder.name == "refuse"
                    else _line(folder.name, name, paths, expected)
                )


def _parts(name: str) -> list[str]:
    first, plus, second = name.partition(" + ")
    if not plus:
        return [name]
    return [first, second if not second.startswith("page") else first.replace("page1.json", second)]


def _line(fmt: str, name: str, paths: Sequence[Path], expected: Mapping[str, Any]) -> Line:
    try:
        got = imported_sums(paths)
    except HarnessError as error:
        return Line(format=fmt, name=name, verdict=_refused(error, expected), said=error.message)
    wanted = _wanted(expected)
    got["all_tokens"] = _all_tokens(got)
    if got["by_hand_usd"] is not None:
        wanted, got = {**wanted, "list_usd": got["by_hand_usd"]}, {**got, "list_usd": got["report_usd"]}
    differing = [count for count in wanted if count in got and wanted[count] != got[count]]
    told = [f"{count}: {_said(wanted[count])} stated, {_said(got[count])} in the ledger" for count in differing]
    reasons = [EXPLAINED.get((fmt, name, count)) or EXPLAINED.get((fmt, "", count)) for count in differing]
    verdict: Verdict = "equal" if not differing else "explained" if all(reasons) else "differs"
    said = "; ".join(f"{text} ({why})" if why else text for text, why in zip(told, reasons, strict=True))
    return Line(format=fmt, name=name, verdict=verdict, said=said, **_shown(got))


def _wanted(expected: Mapping[str, Any]) -> Sums:
    """Read what is expected in the shapes that the sums have: by model, by evaluation, by trial, or of a whole job."""
    if "models" in expected:
        return expected_sums(expected["models"].values())
    if "evals" in expected:
        return expected_sums([model for one in expected["evals"].values() for model in one["models"].values()])
    if "trial_result" in expected:  # a trial's own total is what was spent; its steps need not cover it
        sums = expected_sums(expected["trial_result"].values())
        return {"all_tokens": _all_tokens(sums), "scored": sums["scored"], "correct": sums["correct"]}
    job = expected["job_stats_as_written"]
    return {"all_tokens": job["n_input_tokens"] + job["n_output_tokens"]}


def _all_tokens(sums: Sums) -> int | None:
    known = [sums[count] for count in COLUMNS if count != "reasoning" and sums[count] is not None]
    return sum(known) if known else None


def _refused(error: HarnessError, expected: Mapping[str, Any]) -> Verdict:
    """Judge a refusal: fine for what holds no calls or says too little, not for a log that has sums to compare with."""
    if "no known format" in error.message:
        return "differs"
    calls = sum(model.get("attempts", 0) for model in expected.get("models", {}).values())
    return "differs" if calls and "note" not in expected and "reconcile" not in str(error) else "refused"


def _said(value: object) -> str:
    return "unknown" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _shown(got: Sums) -> dict[str, Any]:
    return {"n_attempts": got["attempts"], "n_tokens": _all_tokens(got), "usd": got["usd"]}


def expected_sums(found: Iterable[Mapping[str, Any]]) -> Sums:
    """Add the expected sums over models; a count that no model has stays unknown."""
    models, counts = list(found), ("attempts", "failed", "without_usage", "scored")
    sums: Sums = {name: sum(model[name] for model in models) for name in counts}
    for count in COLUMNS:
        known = [model["tokens"][count] for model in models if model["tokens"][count] is not None]
        sums[count] = sum(known) if known else None
    costs = [Decimal(model["stated_cost_usd"]) for model in models if model["stated_cost_usd"] is not None]
    sums["stated_cost_usd"] = sum(costs, Decimal(0)).normalize() if costs else None
    correct = [model["correct"] for model in models if model["correct"] is not None]
    sums["correct"] = round(float(sum(correct)), 4) if correct else None
    return sums


def imported_sums(paths: Sequence[Path]) -> Sums:
    """Import into a ledger that is thrown away, and sum what it holds.

    Raises:
        HarnessError: something of it was refused.
    """
    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.db") as ledger:
        found, refused = units(paths)
        _raise(refused, found)
        errors = []
        for unit in found:
            try:
                import_unit(ledger, unit, ImportOptions(now_us=1, price_book_sha256="", harness_version=""))
            except ImportRefused as error:  # of a folder the others are imported
                errors.append(error)
        if len(errors) == len(found):
            raise errors[0]
        return {**_sums(ledger), **_dollars(ledger)}


def _dollars(ledger: Ledger) -> Sums:
    """Give the report's total, for people and exactly, beside plain arithmetic over the same rows."""
    book = load_price_book()
    report = spend_report(ledger, book, [run.run_id for run in ledger.runs()])
    spend = reduce(Spend.plus, (spend for row in report.rows for spend in row.facts.spends.values()), NOTHING)
    return {"usd": wording.whole(spend), "report_usd": spend.cost.total, "by_hand_usd": by_hand_usd(ledger, book)}


def _raise(refused: Sequence[Refused], found: Sequence[object]) -> None:
    failed = [one for one in refused if one.asked_for or not found]
    if failed:
        raise failed[0].error


def _sums(ledger: Ledger) -> Sums:
    sums: Sums = {"attempts": 0, "failed": 0, "without_usage": 0, **dict.fromkeys(COLUMNS)}
    stated_by_provider = Decimal(0)
    for row in attempt_rows(ledger):
        if row.status == "reused":
            continue
        sums["attempts"] += 1
        sums["failed"] += row.status in ("failed", "timed_out", "cancelled")
        sums["without_usage"] += row.input_tokens is None and row.output_tokens is None
        if row.stated_cost_usd is not None:
            stated_by_provider += row.stated_cost_usd
        for count, column in COLUMNS.items():
            value = getattr(row, column)
            if value is not None:
                sums[count] = (sums[count] or 0) + value
    run_ids = [run.run_id for run in ledger.runs()]
    stated = sum((usd for usd, _ in tool_costs(ledger, run_ids).values()), stated_by_provider)
    scores = [row for row in score_rows(ledger) if row.value_millionths is not None]
    sums["stated_cost_usd"] = stated.normalize() if stated else None
    sums["scored"] = len(scores)
    sums["correct"] = round(sum(row.value_millionths or 0 for row in scores) / 1e6, 4) if scores else None
    return sums


def _refusal(fmt: str, name: str, paths: Sequence[Path]) -> Line:
    """Import a broken file: it is refused, or what cannot be trusted of it is unknown and said."""
    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.db") as ledger:
        try:
            found, refused = units(paths)
            _raise(refused, found)
            done = [
                import_unit(ledger, one, ImportOptions(now_us=1, price_book_sha256="", harness_version=""))
                for one in found
            ]
        except ImportRefused as error:
            held = len(ledger.runs())
            verdict: Verdict = "differs" if held else "refused"
            return Line(
                format=fmt, name=name, verdict=verdict, said=f"{held} runs left behind" if held else error.message
            )
        flagged = [row for row in attempt_rows(ledger) if row.usage_flags is not None and row.input_tokens is None]
        said = [f"{broken.where}: {broken.reason}" for unit in done for broken in unit.broken]
        said += [f"tokens unknown: {row.usage_flags}" for row in flagged[:1]]
    return Line(
        format=fmt, name=name, verdict="explained" if said else "differs", said="; ".join(said) or "imported whole"
    )


def table(found: Sequence[Line]) -> Table:
    """Lay out the lines."""
    columns = (
        Column(name="format"),
        Column(name="file"),
        Column(name="calls", kind="integer"),
        Column(name="tokens", kind="integer"),
        Column(name="usd", kind="usd", title="list price"),
        Column(name="verdict"),
        Column(name="said", title="why"),
    )
    rows = [
        (one.format, one.name[-60:], "" if one.n_attempts is None else f"{one.n_attempts:,}",
         "" if one.n_tokens is None else f"{one.n_tokens:,}", one.usd, one.verdict, one.said[:200])
        for one in found
    ]  # fmt: skip
    return Table(name="imports", title="Imported logs against sums made by others", columns=columns, rows=rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and the count of verdicts; 1 when something differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args(arguments).data
    if not data.is_dir():
        print(f"no such folder: {data} (name it: make proof-imports DATA=DIR)")
        return 2
    found = list(lines(data))
    print_table(table(found))
    counts = {
        verdict: sum(one.verdict == verdict for one in found)
        for verdict in ("equal", "refused", "explained", "differs")
    }
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return 1 if counts["differs"] else 0


if __name__ == "__main__":
    sys.exit(main())
