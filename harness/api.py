"""The Python API for notebooks and scripts: run, price, report, compare and export, with data frames as answers.

Data flows names and options -> the same functions that the command line calls -> pandas data frames or files. Nothing
heavy is imported before a function is called.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, TypeVar, Unpack

from harness.resources import ledger_name

if TYPE_CHECKING:
    from datetime import date, datetime
    from decimal import Decimal

    import pandas as pd

    from harness.ledger import Ledger as OpenLedger
    from harness.models import ModelSpec
    from harness.pricing.book import PriceBook
    from harness.rendering.progress import ProgressDisplay
    from harness.runner import PreparedRun, RunResult
    from harness.runner.forecast.dry_run import DryRun

T = TypeVar("T")
Names: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"
Models: TypeAlias = "str | ModelSpec | Sequence[str | ModelSpec]"
Stored: TypeAlias = "str | RunResult | Sequence[str | RunResult]"
"""A stored run, by its id or by what `run` gave back, or several."""


class RunOptions(TypedDict, total=False):
    """Options of `run`, with the meaning and defaults of `benchtab run --help`.

    The command line's names do as well: `rpm`, `tpm`, `data` and `no_transcripts`.
    """

    epochs: int | None
    limit: int | None
    sample_seed: int
    concurrency: int
    budget_usd: Decimal | float | str | None
    budget_mode: Literal["strict", "expected"]
    timeout_s: float
    max_attempts: int
    max_failed: float | str
    data_dir: str | Path | None
    temperature: float | None
    max_output_tokens: int | None
    service_tier: str | None
    base_url: str | Sequence[str] | Mapping[str, str] | None
    keep_transcripts: bool
    requests_per_minute: float | None
    tokens_per_minute: float | None
    unsafe_exec: bool
    judge: str | ModelSpec | None
    user_model: str | ModelSpec | None
    max_usd_per_sample: Decimal | float | str | None
    frames: int | str | None
    reuse: bool
    batch: bool
    batch_poll_s: float
    stream: bool | None
    pilot: int | str | None
    precision: float | str | None
    confidence: float | str
    difference: float | str | None
    against: str | ModelSpec | None
    bank: bool
    rpm: float | None
    tpm: float | None
    data: str | Path | None
    no_transcripts: bool


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
        suites: Names,
        models: Models,
        *,
        run_id: str | None = None,
        retry_failed: bool = False,
        **options: Unpack[RunOptions],
    ) -> RunResult:
        """Run suites on models; see `harness.run`."""
        from harness.pricing.model_facts import lay_over
        from harness.pricing.price_files import load_price_book
        from harness.runner import SessionOptions, run_suites
        from harness.runner.options.arguments import spec_of

        spec = spec_of(suites, models, options)
        book = load_price_book(self.pricing)
        lay_over(self.pricing)

        def go() -> RunResult:
            with self._open(create=True) as ledger:
                session = SessionOptions(retry_failed=retry_failed)
                return run_suites(spec, ledger=ledger, book=book, run_id=run_id, observe=_notices_only, session=session)

        return _outside_any_event_loop(go)

    def dry_run(
        self,
        suites: Names,
        models: Models,
        *,
        run_id: str | None = None,
        retry_failed: bool = False,
        **options: Unpack[RunOptions],
    ) -> pd.DataFrame:
        """Estimate what a run would send and cost; see `harness.dry_run`."""
        from datetime import UTC, datetime

        from harness.pricing.model_facts import lay_over
        from harness.pricing.price_files import load_price_book
        from harness.rendering.export_files import data_frame, stream_of
        from harness.reports.estimate import estimate_table
        from harness.reports.planned_waves import planned_objects
        from harness.runner.forecast.dry_run import dry_run
        from harness.runner.options.arguments import spec_of

        spec = spec_of(suites, models, options)
        book = load_price_book(self.pricing)
        lay_over(self.pricing)

        def go() -> DryRun:
            with contextlib.ExitStack() as stack:
                ledger = self._existing(stack, needed=run_id is not None)
                now = datetime.now(UTC)
                return dry_run(spec, ledger=ledger, book=book, now=now, run_id=run_id, retry_failed=retry_failed)

        planned = _outside_any_event_loop(go)
        frame = data_frame(stream_of(estimate_table(planned.estimates)))
        frame.attrs["warnings"] = list(planned.warnings)
        if planned.waves is not None:
            names = dict.fromkeys((task.suite, str(task.model)) for task in planned.waves.tasks)
            frame.attrs["precision"] = {name: planned_objects(planned.waves, *name) for name in names}
        return frame

    def runs(self) -> pd.DataFrame:
        """Read the stored runs, oldest first."""
        return self.table("runs")

    def attempts(self, *runs: Stored) -> pd.DataFrame:
        """Read every request of these runs (default: all), one row each."""
        return self.table("attempts", *runs)

    def scores(self, *runs: Stored) -> pd.DataFrame:
        """Read every score of these runs (default: all), older ones included (`is_newest`)."""
        return self.table("scores", *runs)

    def charges(self, *runs: Stored, floats: bool = False) -> pd.DataFrame:
        """Read what each attempt cost, one row per attempt and meter; `floats` gives dollars as float64, not exact."""
        return self.table("charges", *runs, floats=floats)

    def samples(self, *runs: Stored, floats: bool = False) -> pd.DataFrame:
        """Read question, answer, score and cost of every sample, one row per model setting, sample and epoch."""
        return self.table("samples", *runs, floats=floats)

    def table(self, name: str, *runs: Stored, floats: bool = False) -> pd.DataFrame:
        """Read an export table (`samples`, `attempts`, `scores`, `charges`, `runs`, `report`) whole.

        Dollars are exact decimals, which Python does not multiply with floats; `floats` gives them as float64.
        """
        from harness.rendering.export_files import data_frame, table_stream, with_floats

        def read(ledger: OpenLedger, book: PriceBook) -> pd.DataFrame:
            stream = table_stream(ledger, book, name, _ids(runs))
            return data_frame(with_floats(stream) if floats else stream)

        return self._ask(read)

    def report(
        self, *runs: Stored, as_of: str | date | None = None, what_if: str | Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Make the spend report; see `harness.report`."""
        from harness.rendering.export_files import data_frame, stream_of
        from harness.reports.facts.assembly import spend_report
        from harness.reports.spend.spend_tables import spend_table

        def make(ledger: OpenLedger, book: PriceBook) -> pd.DataFrame:
            made = spend_report(ledger, book, _ids(runs), as_of=_instant(as_of), what_if=_joined(what_if))
            frame = data_frame(stream_of(spend_table(made)))
            frame.attrs["warnings"] = list(made.warnings)
            return frame

        return self._ask(make)

    def compare(
        self,
        base: str | RunResult,
        head: str | RunResult,
        *,
        max_cost_increase: str | None = None,
        max_score_drop: str | None = None,
    ) -> pd.DataFrame:
        """Compare two runs; see `harness.compare`."""
        import pandas as pd

        from harness.reports.compare.comparison import Thresholds, comparison_object
        from harness.reports.compare.gate_rules import parse_share
        from harness.reports.compare.run_comparison import compare_runs

        thresholds = Thresholds(
            cost_increase=parse_share(max_cost_increase, "%", "max_cost_increase"),
            score_drop=parse_share(max_score_drop, "pt", "max_score_drop"),
        )
        made = comparison_object(
            self._ask(lambda ledger, book: compare_runs(ledger, book, _id(base), _id(head), thresholds))
        )
        frame = pd.json_normalize(made.pop("rows"), sep="_")
        frame.attrs.update(made)
        return frame

    def export(self, table: str, output: str | Path, *runs: Stored, floats: bool = False) -> int:
        """Write an export table to a `.csv`, `.parquet` or `.xlsx` file; see `harness.export`."""
        from harness.rendering.export_files import export_table

        return self._ask(
            lambda ledger, book: export_table(ledger, book, table, Path(output), _ids(runs), floats=floats)
        )

    def _open(self, *, create: bool) -> OpenLedger:
        from harness.ledger import Ledger as Opened

        return Opened.open(self.db, create=create)

    def _existing(self, stack: contextlib.ExitStack, *, needed: bool) -> OpenLedger | None:
        """Open the ledger for its answers of earlier runs: asking what a run would cost makes none and needs none."""
        from harness.errors import LedgerError

        try:
            return stack.enter_context(self._open(create=False))
        except LedgerError:
            if needed:
                raise
            return None

    def _ask(self, question: Callable[[OpenLedger, PriceBook], T]) -> T:
        from harness.pricing.price_files import load_price_book

        with self._open(create=False) as ledger:
            return question(ledger, load_price_book(self.pricing))


def run(
    suites: Names,
    models: Models,
    *,
    db: str | Path | None = None,
    pricing: str | Path | None = None,
    run_id: str | None = None,
    retry_failed: bool = False,
    **options: Unpack[RunOptions],
) -> RunResult:
    """Run suites on models, every attempt in the ledger; works inside a notebook's event loop, too.

    Args:
        suites: one or several names of suites, or paths of suite files.
        models: one or several of `provider/model[@setting]`.
        run_id: an existing run goes on; None = a new one.
        retry_failed: ask samples of a stored run that failed for good once more.
        options: see `RunOptions`; `budget_usd=5`, `"5"`, `0.5` and `Decimal("0.5")` are all amounts of dollars.

    Returns:
        The run's id, its status (`complete`, `partial`) and why it stopped, if it did.

    Raises:
        InputError: something is wrong with the input, every wrong option named; nothing was sent.
    """
    return Ledger(db, pricing=pricing).run(suites, models, run_id=run_id, retry_failed=retry_failed, **options)


def dry_run(
    suites: Names,
    models: Models,
    *,
    db: str | Path | None = None,
    pricing: str | Path | None = None,
    run_id: str | None = None,
    retry_failed: bool = False,
    **options: Unpack[RunOptions],
) -> pd.DataFrame:
    """Estimate what `run` would send and cost with the same arguments; nothing is sent, no key is needed.

    Args:
        run_id: of a stored run, what is left of it.

    Returns:
        One row per suite and model, and a total; dollars are exact decimals, NA = not known. `estimated_usd` is what is
        expected, `low_usd` to `high_usd` its 90 % interval, `forecast_from` says from what: answers in the ledger, if
        there is one, else published or assumed lengths. What the run would warn of is in `frame.attrs["warnings"]`;
        with a precision, what it will probably ask of each task is in `frame.attrs["precision"]`, by (suite, model).

    Raises:
        InputError: what the run would refuse, too.
    """
    return Ledger(db, pricing=pricing).dry_run(suites, models, run_id=run_id, retry_failed=retry_failed, **options)


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

    from harness.costs.usage_lines import price_line
    from harness.pricing.price_files import load_price_book

    book = load_price_book(None if pricing is None else Path(pricing))
    records = [payloads] if isinstance(payloads, Mapping) else _payloads(payloads)
    rows = [
        price_line(book, json.dumps(record, default=_plain), line_number=number)
        for number, record in enumerate(records, 1)
    ]
    frame = pd.DataFrame(rows, columns=["id", "status", "usd", "list_usd", "lines", "price", "warnings", "error"])
    for name, amounts in (("usd", [row["usd"] for row in rows]), ("list_usd", [row["list_usd"] for row in rows])):
        frame[name] = pd.Series([None if usd is None else Decimal(usd) for usd in amounts], dtype=object)
    return frame


def report(
    *runs: Stored,
    db: str | Path | None = None,
    pricing: str | Path | None = None,
    as_of: str | date | None = None,
    what_if: str | Sequence[str] | None = None,
) -> pd.DataFrame:
    """Make the spend report over stored runs (default: all complete ones), one row per suite and model setting.

    Args:
        as_of: prices of this date or instant (without a zone: UTC); None = those in force when each request completed.
        what_if: `batch`, `no-cache`, `model=provider/name` for all rows, `provider/name=provider/name` for those of
            one model, or several with commas.

    Returns:
        The columns of `benchtab export report`; dollars are exact decimals, NA is not known. What a reader must know
        is in `frame.attrs["warnings"]`.
    """
    return Ledger(db, pricing=pricing).report(*runs, as_of=as_of, what_if=what_if)


def compare(
    base: str | RunResult,
    head: str | RunResult,
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
    *runs: Stored,
    db: str | Path | None = None,
    pricing: str | Path | None = None,
    floats: bool = False,
) -> int:
    """Write a table to a `.csv`, `.parquet` or `.xlsx` file, in constant memory.

    Args:
        table: `samples`, `attempts`, `scores`, `charges`, `runs` or `report`.
        floats: dollars as float64 instead of exact decimals; Parquet only.

    Returns:
        The number of rows written.
    """
    return Ledger(db, pricing=pricing).export(table, output, *runs, floats=floats)


def _payloads(given: object) -> list[object]:
    from harness.errors import InputError

    if isinstance(given, Iterable) and not isinstance(given, str | bytes):
        return list(given)
    raise InputError(
        f"not usage payloads: {type(given).__name__}",
        where="payloads",
        fix="give a dict or a list of dicts; a file is priced by `benchtab price FILE`",
    )


def _plain(value: object) -> object:
    """Write what JSON does not know: other mappings as objects, the rest as text."""
    return dict(value) if isinstance(value, Mapping) else str(value)


def _ids(runs: Iterable[Stored]) -> list[str] | None:
    """Ids of the runs that were asked for, lists of them laid flat; None = no run was named."""
    found: list[str] = []
    for one in runs:
        found += map(_id, one) if isinstance(one, list | tuple) else [_id(one)]
    return found or None


def _id(run: object) -> str:
    from harness.errors import InputError

    named = getattr(run, "run_id", run)
    if isinstance(named, str):
        return named
    raise InputError(f"not a run: {run!r}", where="run", fix="give a run's id, or what harness.run gave back")


def _joined(what_if: str | Sequence[str] | None) -> str | None:
    return what_if if what_if is None or isinstance(what_if, str) else ",".join(what_if)


def _instant(when: object) -> datetime | None:
    """Read an instant as scripts have it; days begin at 00:00 UTC, and a time without a zone is UTC."""
    from datetime import UTC, date, datetime, time

    from harness.errors import InputError
    from harness.instants import asked_instant

    if when is None:
        return None
    if isinstance(when, str):
        return asked_instant(when, where="as_of", zoneless="days")
    if isinstance(when, datetime):
        return when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    if isinstance(when, date):
        return datetime.combine(when, time(), UTC)
    raise InputError(
        f"not a date or an instant: {when!r}",
        where="as_of",
        fix='write "2025-06-10", "2025-06-10T16:00:00Z", or a datetime',
    )


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
