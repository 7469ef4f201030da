"""The Python API for notebooks and scripts: run, price, report, compare and export, with data frames as answers.

Data flows names and options -> the same functions that the command line calls -> pandas data frames or files. Nothing
heavy is imported before a function is called.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    import pandas as pd

    from harness.ledger import Ledger as OpenLedger
    from harness.pricing import PriceBook
    from harness.rendering.progress import ProgressDisplay
    from harness.runner import PreparedRun, RunResult

DEFAULT_LEDGER = "results/ledger.db"
T = TypeVar("T")


class RunOptions(TypedDict, total=False):
    """Options of `run`, with the meaning and defaults of `benchtab run --help`."""

    epochs: int | None
    limit: int | None
    sample_seed: int
    concurrency: int
    budget_usd: Decimal | None
    budget_mode: Any
    timeout_s: float
    max_attempts: int
    max_failed: float
    data_dir: Path | None
    temperature: float | None
    max_output_tokens: int | None
    service_tier: str | None
    base_url: str | Sequence[str] | None
    keep_transcripts: bool
    requests_per_minute: float | None
    tokens_per_minute: float | None
    unsafe_exec: bool
    judge: str | None
    reuse: bool
    batch: bool
    batch_poll_s: float
    stream: bool | None


def ledger_name(db: str | Path | None = None) -> str:
    """Name the ledger to use: as given, else $BENCHTAB_DB, else `results/ledger.db` under the current folder."""
    return str(db or os.environ.get("BENCHTAB_DB") or DEFAULT_LEDGER)


class Ledger:
    """A stored ledger with its prices, for several questions in a row.

    Every method opens the ledger and closes it again, so that runs may go on meanwhile.

    Args:
        db: path or SQLAlchemy URL; None = $BENCHTAB_DB, else `results/ledger.db`.
        pricing: folder of your own price files, laid over the shipped ones.
    """

    def __init__(self, db: str | Path | None = None, *, pricing: str | Path | None = None) -> None:
        self.db = ledger_name(db)
        self.pricing = None if pricing is None else Path(pricing)

    def __repr__(self) -> str:
        return f"Ledger({self.db!r})"

    def run(
        self,
        suites: str | Sequence[str],
        models: str | Sequence[str],
        *,
        run_id: str | None = None,
        **options: Unpack[RunOptions],
    ) -> RunResult:
        """Run suites on models; see `harness.run`."""
        from harness.models import parse_model
        from harness.price_files import load_price_book
        from harness.runner import RunSpec, run_suites

        values: dict[str, Any] = dict(options)
        if values.get("judge") is not None:
            values["judge"] = parse_model(values["judge"])
        spec = RunSpec(suites=_listed(suites), models=tuple(parse_model(name) for name in _listed(models)), **values)
        book = load_price_book(self.pricing)

        def go() -> RunResult:
            with self._open(create=True) as ledger:
                return run_suites(spec, ledger=ledger, book=book, run_id=run_id, observe=_notices_only)

        return _outside_any_event_loop(go)

    def runs(self) -> pd.DataFrame:
        """Read the stored runs, oldest first."""
        return self.table("runs")

    def attempts(self, *runs: str) -> pd.DataFrame:
        """Read every request of these runs (default: all), one row each."""
        return self.table("attempts", *runs)

    def scores(self, *runs: str) -> pd.DataFrame:
        """Read every score of these runs (default: all), older ones included (`is_newest`)."""
        return self.table("scores", *runs)

    def charges(self, *runs: str) -> pd.DataFrame:
        """Read what each attempt cost, one row per attempt and meter."""
        return self.table("charges", *runs)

    def table(self, name: str, *runs: str) -> pd.DataFrame:
        """Read an export table (`attempts`, `scores`, `charges`, `runs`, `report`) whole."""
        from harness.rendering.export_files import data_frame, table_stream

        return self._ask(lambda ledger, book: data_frame(table_stream(ledger, book, name, runs or None)))

    def report(self, *runs: str, as_of: str | datetime | None = None, what_if: str | None = None) -> pd.DataFrame:
        """Make the spend report; see `harness.report`."""
        from harness.rendering.export_files import data_frame, stream_of
        from harness.reports.assembly import spend_report
        from harness.reports.spend_tables import spend_table

        def make(ledger: OpenLedger, book: PriceBook) -> pd.DataFrame:
            made = spend_report(ledger, book, runs or None, as_of=_instant(as_of), what_if=what_if)
            frame = data_frame(stream_of(spend_table(made)))
            frame.attrs["warnings"] = list(made.warnings)
            return frame

        return self._ask(make)

    def compare(
        self, base: str, head: str, *, max_cost_increase: str | None = None, max_score_drop: str | None = None
    ) -> pd.DataFrame:
        """Compare two runs; see `harness.compare`."""
        import pandas as pd

        from harness.reports.comparison import Thresholds, comparison_object
        from harness.reports.run_comparison import compare_runs, parse_share

        thresholds = Thresholds(
            cost_increase=parse_share(max_cost_increase, "%", "max_cost_increase"),
            score_drop=parse_share(max_score_drop, "pt", "max_score_drop"),
        )
        made = comparison_object(self._ask(lambda ledger, book: compare_runs(ledger, book, base, head, thresholds)))
        frame = pd.json_normalize(made.pop("rows"), sep="_")
        frame.attrs.update(made)
        return frame

    def export(self, table: str, output: str | Path, *runs: str) -> int:
        """Write an export table to a `.csv` or `.parquet` file; see `harness.export`."""
        from harness.rendering.export_files import export_table

        return self._ask(lambda ledger, book: export_table(ledger, book, table, Path(output), runs or None))

    def _open(self, *, create: bool) -> OpenLedger:
        from harness.ledger import Ledger as Opened

        return Opened.open(self.db, create=create)

    def _ask(self, question: Callable[[OpenLedger, PriceBook], T]) -> T:
        from harness.price_files import load_price_book

        with self._open(create=False) as ledger:
            return question(ledger, load_price_book(self.pricing))


def run(
    suites: str | Sequence[str],
    models: str | Sequence[str],
    *,
    db: str | Path | None = None,
    pricing: str | Path | None = None,
    run_id: str | None = None,
    **options: Unpack[RunOptions],
) -> RunResult:
    """Run suites on models, every attempt in the ledger; works inside a notebook's event loop, too.

    Args:
        suites: one or several names of suites, or paths of suite files.
        models: one or several of `provider/model[@setting]`.
        run_id: an existing run goes on; None = a new one.
        options: see `RunOptions`.

    Returns:
        The run's id, its status (`complete`, `partial`) and why it stopped, if it did.

    Raises:
        InputError: something is wrong with the input; nothing was sent.
    """
    return Ledger(db, pricing=pricing).run(suites, models, run_id=run_id, **options)


def price(
    payloads: Mapping[str, Any] | Iterable[Mapping[str, Any]], *, pricing: str | Path | None = None
) -> pd.DataFrame:
    """Price usage payloads as `benchtab price` does, one row each.

    Args:
        payloads: one or several objects with `provider`, `model`, `at`, `usage_kind` and `usage`.
        pricing: folder of your own price files, laid over the shipped ones.

    Returns:
        Columns `id`, `status`, `usd` and `list_usd` (exact Decimals; None = not known), `lines`, `price`, `warnings`
        and `error`. A payload that cannot be read has the status `error` and does not stop the others.
    """
    import json
    from decimal import Decimal

    import pandas as pd

    from harness.price_files import load_price_book
    from harness.price_lines import price_line

    book = load_price_book(None if pricing is None else Path(pricing))
    records = [payloads] if isinstance(payloads, Mapping) else list(payloads)
    rows = [
        price_line(book, json.dumps(dict(record), default=str), line_number=number)
        for number, record in enumerate(records, 1)
    ]
    frame = pd.DataFrame(rows, columns=["id", "status", "usd", "list_usd", "lines", "price", "warnings", "error"])
    for name in ("usd", "list_usd"):
        frame[name] = pd.Series([None if row.get(name) is None else Decimal(row[name]) for row in rows], dtype=object)
    return frame


def report(
    *runs: str,
    db: str | Path | None = None,
    pricing: str | Path | None = None,
    as_of: str | datetime | None = None,
    what_if: str | None = None,
) -> pd.DataFrame:
    """Make the spend report over stored runs (default: all complete ones), one row per suite and model setting.

    Args:
        as_of: prices of this date or instant; None = those in force when each request completed.
        what_if: `batch`, `no-cache`, `model=provider/name`, or several with commas.

    Returns:
        The columns of `benchtab export report`; dollars are exact decimals, NA is not known. What a reader must know
        is in `frame.attrs["warnings"]`.
    """
    return Ledger(db, pricing=pricing).report(*runs, as_of=as_of, what_if=what_if)


def compare(
    base: str,
    head: str,
    *,
    db: str | Path | None = None,
    pricing: str | Path | None = None,
    max_cost_increase: str | None = None,
    max_score_drop: str | None = None,
) -> pd.DataFrame:
    """Compare two stored runs, paired on samples, one row per suite and model setting that both have.

    Args:
        max_cost_increase: for example "10%"; None = no threshold.
        max_score_drop: for example "1pt"; None = no threshold.

    Returns:
        Ratios and differences with intervals; `frame.attrs` has `verdict`, `exit_code`, `level` and the rows without a
        partner.
    """
    return Ledger(db, pricing=pricing).compare(
        base, head, max_cost_increase=max_cost_increase, max_score_drop=max_score_drop
    )


def export(
    table: str,
    output: str | Path,
    *runs: str,
    db: str | Path | None = None,
    pricing: str | Path | None = None,
) -> int:
    """Write `attempts`, `scores`, `charges`, `runs` or `report` to a `.csv` or `.parquet` file, in constant memory.

    Returns:
        The number of rows written.
    """
    return Ledger(db, pricing=pricing).export(table, output, *runs)


def _listed(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _instant(when: str | datetime | None) -> datetime | None:
    from harness.price_files import parse_instant

    return parse_instant(when, "as_of") if isinstance(when, str) else when


def _notices_only(prepared: PreparedRun) -> ProgressDisplay:
    from harness.rendering.progress import ProgressDisplay

    return ProgressDisplay({model.spec: len(prepared.items) for model in prepared.models}, quiet=True)


def _outside_any_event_loop(work: Callable[[], T]) -> T:
    """Do work that starts an event loop; a notebook's thread has one already, so the work gets a thread of its own."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(work).result()
