"""What a person sees while a run goes on, on stderr: a live line per model on a terminal, one line a minute elsewhere.

Data flows runner events -> counters -> text. The runner knows only the observer's methods.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from harness.documents.table import Column, Table
from harness.errors import ProviderError
from harness.models import ModelSpec
from harness.money import from_pico, to_pico_ceiling
from harness.rendering.printable import printable
from harness.rendering.questions_asked import asked
from harness.runner.forecast.bill_words import bill_words, forecast_words
from harness.runner.options.precision_options import target_of
from harness.runner.requests.attempt_ends import Spent
from harness.secrets import redact_known

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from harness.ledger.leases.lease_records import WorkerRecord
    from harness.runner.forecast.bills import BillForecast
    from harness.runner.plan import PreparedRun
    from harness.runner.precision.planned_bill import WavesPlan

_EVERY_S = 60.0
_LOOK_EVERY_S = 1.0
_REST = 20
_LONGEST_REST_S = 5.0
"""After a slow look: so many times as long without one, but not longer than that."""
_COLUMNS = (
    Column(name="model"),
    Column(name="done", kind="decimal"),
    Column(name="failed", kind="integer", drops=1),
    Column(name="retries", kind="integer", drops=2),
    Column(name="output_tokens", kind="integer", title="output tokens", drops=3),
    Column(name="usd", kind="decimal", title="USD"),
)


@dataclass(slots=True)
class Counts:
    """What happened to one model so far; dollars and tokens are lower bounds while `unknown` is above zero."""

    planned: int = 0
    done: int = 0
    failed: int = 0
    attempts: int = 0
    retried: int = 0
    unknown: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: Decimal = field(default_factory=Decimal)


class ProgressDisplay:
    """Counts events and shows them.

    Args:
        planned: samples to finish, by model.
        stream: where to write; a terminal gets a live display.
        clock: monotonic seconds.
        quiet: show notices only.
        follow: reads from the ledger how far a run is that others ask; None = events are counted.
    """

    def __init__(
        self,
        planned: dict[ModelSpec, int],
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        quiet: bool = False,
        follow: Callable[[], Mapping[ModelSpec, Counts]] | None = None,
    ) -> None:
        self.counts = {model: Counts(planned=number) for model, number in planned.items()}
        self._stream = stream or sys.stderr
        self._clock = clock
        self._quiet = quiet
        self._follow = follow
        self._workers = ""
        self._n_done_before: int | None = None  # by earlier sessions, where that is known
        self._forecast: BillForecast | None = None
        self._earlier_usd = Decimal(0)
        self._started_s = clock()
        self._next_line_s = self._started_s + _EVERY_S
        self._next_look_s = self._started_s if self._stream.isatty() else self._next_line_s
        self._live: Live | None = None  # it draws while it is made
        self._live = self._make_live() if not quiet and self._stream.isatty() else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            with contextlib.suppress(OSError):
                self._live.stop()

    def attempt_sent(self, model: ModelSpec) -> None:
        """Count a request that left."""
        if (counts := self.counts.get(model)) is not None:
            counts.attempts += 1

    def attempt_settled(self, model: ModelSpec, *, spent: Spent, error: ProviderError | None) -> None:
        """Count what an attempt used and cost."""
        counts = self.counts.setdefault(model, Counts())
        counts.retried += error is not None
        counts.input_tokens += spent.input_tokens or 0
        counts.output_tokens += spent.output_tokens or 0
        if spent.usd is None:
            counts.unknown += 1
        else:
            counts.usd += spent.usd
        self._tick()

    def waves_planned(self, plan: WavesPlan) -> None:
        """Show the plan of a run in waves, before anything is sent."""
        from harness.rendering.console import print_table
        from harness.reports.planned_waves import planned_table

        if self._quiet:
            return
        text, width = io.StringIO(), None if self._live is None else self._live.console.width
        print_table(planned_table(plan), file=text, width=width)
        self.notice(text.getvalue().rstrip())

    def samples_planned(self, model: ModelSpec, n_samples: int) -> None:
        """Note how many samples a model is known to be asked."""
        self.counts[model].planned = n_samples

    def forecast_made(self, forecast: BillForecast, *, spent: int) -> None:
        """Show a forecast of the bill beside what is spent, earlier sessions included."""
        if self._forecast is None and self._follow is None:
            counted = sum((counts.usd for counts in self.counts.values()), Decimal(0))
            self._earlier_usd = max(Decimal(0), from_pico(spent) - counted)
        self._forecast = forecast

    def ask(self, question: str, *, is_over: Callable[[], bool]) -> bool:
        """Have a question answered with yes or no on the terminal; anything but yes is no."""
        if self._live is not None:
            self._live.stop()
        began_s = self._clock()
        try:
            return asked(question, stream=self._stream, is_over=is_over)
        finally:
            self._started_s += self._clock() - began_s  # nobody works while a person thinks
            if self._live is not None:
                self._live.start()

    def sample_finished(self, model: ModelSpec, *, failed: bool) -> None:
        """Count a sample that needs nothing more."""
        counts = self.counts[model]
        counts.done += 1
        counts.failed += failed
        self._tick()

    def workers_seen(self, workers: Sequence[WorkerRecord]) -> None:
        """Show who works on the run, and from the ledger how far all of them are together."""
        self._workers = workers_line(workers)
        now_s = self._clock()
        if self._follow is None or self._quiet or now_s < self._next_look_s:
            return
        self.counts |= self._follow()
        if self._n_done_before is None:
            n_done = sum(counts.done for counts in self.counts.values())
            self._n_done_before = max(0, n_done - sum(one.n_asked for one in workers))
        # on a terminal every second, else only for the line that is printed
        rest_s = min(_REST * (self._clock() - now_s), _LONGEST_REST_S)
        self._next_look_s = now_s + max(_LOOK_EVERY_S, rest_s)
        if self._live is None:
            self._next_look_s = max(self._next_look_s, self._next_line_s)
        self._tick()

    def notice(self, text: str) -> None:
        """Say something once."""
        text = printable(redact_known(text))
        with contextlib.suppress(OSError):  # a terminal that was closed must not keep a run from draining
            if self._live is not None:
                self._live.console.print(text, markup=False, highlight=False)
            else:
                print(text, file=self._stream, flush=True)

    def _tick(self) -> None:
        if self._quiet or self._live is not None:
            return
        now_s = self._clock()
        if now_s >= self._next_line_s:
            self._next_line_s = now_s + _EVERY_S
            with contextlib.suppress(OSError):
                print(self.line(), file=self._stream, flush=True)

    def line(self) -> str:
        """All models in one line."""
        totals = Counts()
        for counts in self.counts.values():
            totals.planned += counts.planned
            totals.done += counts.done
            totals.failed += counts.failed
            totals.unknown += counts.unknown
            totals.output_tokens += counts.output_tokens
            totals.usd += counts.usd
        elapsed_s = max(1e-9, self._clock() - self._started_s)
        rate = (totals.done - (self._n_done_before or 0)) / elapsed_s
        bound = ">= " if totals.unknown else ""
        left = f"{duration((totals.planned - totals.done) / rate)} left" if rate > 0 else "time left not known"
        return (
            f"{totals.done}/{totals.planned} samples, {totals.failed} failed, "
            f"{totals.output_tokens:,} output tokens, {bound}{self._spent(totals.usd)}, {rate:.1f}/s, {left}"
            f"{self._workers and '; '}{self._workers}"
        )

    def _spent(self, usd: Decimal) -> str:
        if self._forecast is None:
            return f"${usd:.4f}"
        spent = to_pico_ceiling(self._earlier_usd + usd)
        return f"{bill_words(spent)} of about {forecast_words(self._forecast)}"

    def _make_live(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self._stream)
        return Live(get_renderable=self._renderable, console=console, refresh_per_second=4, transient=True)

    def _renderable(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        from harness.rendering.console import grid
        from harness.rendering.narrow import fit

        width = None if self._live is None else self._live.console.width
        return Group(grid(fit(self.table(), width), ruled=False), Text(self.line(), style="italic"))

    def table(self) -> Table:
        """One row per model."""
        rows = [
            (
                str(model),
                f"{counts.done}/{counts.planned}",
                counts.failed,
                counts.retried,
                counts.output_tokens,
                f"{'>= ' if counts.unknown else ''}{counts.usd:.4f}",
            )
            for model, counts in self.counts.items()
        ]
        return Table(name="progress", title="", columns=_COLUMNS, rows=rows)


def workers_line(workers: Sequence[WorkerRecord]) -> str:
    """Say how many workers a run has: `workers: 4 working, 1 lost`; those that ended well are counted last."""
    counts = Counter("idle" if one.state == "working" and not one.in_flight else one.state for one in workers)
    said = [f"{counts[state]} {state}" for state in ("working", "idle", "draining", "lost", "ended") if counts[state]]
    return f"workers: {', '.join(said) or 'none yet'}"


def announced(
    prepared: PreparedRun, *, quiet: bool, follow: Callable[[], Mapping[ModelSpec, Counts]] | None = None
) -> ProgressDisplay:
    """Say what is about to run and what to know of it, and make its display; `follow` as of `ProgressDisplay`."""
    items, models = len(prepared.items), len(prepared.models)
    in_waves = target_of(prepared.spec) is not None
    planned = {model.spec: 0 if in_waves else items for model in prepared.models}
    display = ProgressDisplay(planned, quiet=quiet, follow=follow)
    for warning in prepared.warnings:
        display.notice(f"warning: {warning}")
    most = "at most " if in_waves else ""
    display.notice(f"run {prepared.run_id}: {most}{_counted(items, 'sample')} x {_counted(models, 'model')}")
    return display


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(seconds: float) -> str:
    """Write seconds for people: `45s`, `3m10s`, `2h05m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    return f"{minutes // 60}h{minutes % 60:02d}m"
