"""Exports before those who define their formats: `python -m benchmarks.judged_exports FOLDER [--attempts N]`.

The folder, which `.ci/judges` fills, holds the FOCUS validator, every-eval-ever and OpenTelemetry's messages.
A ledger of twelve models with retries, batches, tiers and odd answers is exported; each judge reads the files.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.filled_ledger import fill_apart
from harness.documents.table import Column, Table
from harness.ledger import Ledger
from harness.pricing.price_files import load_price_book
from harness.rendering.console import print_table
from harness.rendering.export_files import export_table

FOCUS_TERMS = (
    "PUBLIC_PRICE_LIST_SUPPORTED", "USAGE_MEASUREMENT_SUPPORTED", "UNIT_PRICING_SUPPORTED", "TAGGING_SUPPORTED",
    "MULTIPLE_PRICING_CATEGORIES_SUPPORTED", "NEGOTIATED_PRICING_SUPPORTED", "VIRTUAL_CURRENCY_SUPPORTED",
    "PRICING_BILLING_CURRENCY_DIFFERENCES_SUPPORTED", "SUB_ACCOUNT_SUPPORTED", "REGION_SUPPORTED",
)  # fmt: skip
"""What is asked of the file beyond what every file must have."""
EITHER = {frozenset({"InvoiceId-C-004-C"}), frozenset({"InvoiceId-C-005-C"})}
"""Rules of which one fails in every file: a charge is on an invoice, or it is not; the rule above them takes either."""

Verdict = tuple[bool, str]

OTLP_JUDGE = """
import json, sys
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, openai_attributes
names = {v for m in (gen_ai_attributes, openai_attributes) for k, v in vars(m).items() if isinstance(v, str)}
read = ParseDict(json.load(open(sys.argv[1])), ExportTraceServiceRequest())
spans = [s for r in read.resource_spans for q in r.scope_spans for s in q.spans]
used = {a.key for s in spans for a in s.attributes} | {a.key for s in spans for e in s.events for a in e.attributes}
unknown = sorted(n for n in used if n.startswith(("gen_ai.", "openai.")) and n not in names)
ids = {s.span_id for s in spans}
orphans = sum(1 for s in spans if s.parent_span_id and s.parent_span_id not in ids)
print(json.dumps({"spans": len(spans), "ids": len(ids), "unknown": unknown, "orphans": orphans}))
"""


def judge_focus(place: Path, file: Path) -> Verdict:
    """Ask the FOCUS validator; its data of currencies is found from the folder of its package alone."""
    asked = [
        place / "focus/bin/focus-validator", "--data-file", file, "--validate-version", "1.2", "--focus-dataset",
        "CostAndUsage", "--block-download", "--applicability-criteria", ",".join(FOCUS_TERMS),
    ]  # fmt: skip
    home = next((place / "focus/lib").glob("python3*/site-packages"))
    said = _run(asked, cwd=home)
    total = re.search(r"Total: (\d+) \| Pass: (\d+) \| Fail: (\d+) \| Skipped: (\d+)", said)
    failed = frozenset(re.findall(r"(\S+): FAIL", said))
    if total is None:
        return False, said[-300:]
    return not failed or failed in EITHER, f"{total[0]}" + (f"; failed: {', '.join(sorted(failed))}" if failed else "")


def judge_eee(place: Path, folder: Path) -> Verdict:
    """Ask every-eval-ever about every aggregate and every instance record."""
    said = _run([place / "records/bin/every_eval_ever", "validate", "--format", "json", "data/*/*/*/*.json",
                 "data/*/*/*/*.jsonl"], cwd=folder)  # fmt: skip
    reports = json.loads(said)
    bad = [report["file"] for report in reports if not report["valid"]]
    return bool(reports) and not bad, f"{len(reports) - len(bad)} of {len(reports)} files valid"


def judge_otlp(place: Path, file: Path) -> Verdict:
    """Read the file as OpenTelemetry's own message, and look its names up in the conventions."""
    told = json.loads(_run([place / "records/bin/python", "-c", OTLP_JUDGE, file], cwd=file.parent))
    is_good = told["spans"] == told["ids"] > 0 and not told["unknown"] and not told["orphans"]
    return is_good, f"{told['spans']:,} spans read; names unknown to the conventions: {told['unknown'] or 'none'}"


def _run(command: Sequence[object], cwd: Path) -> str:
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False)
    return done.stdout or done.stderr


JUDGES: Sequence[tuple[str, str, Callable[[Path, Path], Verdict]]] = (
    ("focus", "focus.csv", judge_focus),
    ("focus", "focus.parquet", judge_focus),
    ("eee", "eee", judge_eee),
    ("otlp", "traces.json", judge_otlp),
)


def main() -> int:
    """Export, ask the judges, print their verdicts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--attempts", type=int, default=5_000)
    options = parser.parse_args()
    rows, place, book = [], options.folder.absolute(), load_price_book()
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "ledger.db"
        fill_apart(database, options.attempts)
        with Ledger.open(database) as ledger:
            for name, output, judge in JUDGES:
                count = export_table(ledger, book, name, Path(folder) / output)
                is_good, told = judge(place, Path(folder) / output)
                rows.append((name, output, count, "yes" if is_good else "NO", told))
    columns = (
        Column(name="export"), Column(name="file"), Column(name="records", kind="integer"), Column(name="valid"),
        Column(name="told"),
    )  # fmt: skip
    print_table(Table(name="judged", title="Exports before their judges", columns=columns, rows=rows))
    return 0 if all(row[3] == "yes" for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
