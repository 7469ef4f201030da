"""A reconciliation as a table that adds up to the cent, its details and its JSON object. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from harness.documents.document import Document, Paragraphs
from harness.documents.table import Column, Sentences, Table
from harness.instants import from_us, utc_text
from harness.money import EXACT, add, plain
from harness.reconciliation.reconcile_account import Reconciliation
from harness.reconciliation.sides import LINE_NAMES, Line, LineName

_CENT, _MILLIONTH = Decimal("0.01"), Decimal("0.000001")
_SMALL_USD = Decimal(10)
"""Below it cents say little, and millionths are shown."""
MOST_DETAILS, MOST_ATTEMPTS = 40, 8

_COLUMNS = (
    Column(name="line"),
    Column(name="here", kind="integer", title="requests here"),
    Column(name="there", kind="integer", title="requests there"),
    Column(name="ledger_usd", title="ledger $"),
    Column(name="account_usd", title="account $"),
    Column(name="difference_usd", title="difference $"),
)
_DETAILS = (
    Column(name="line"),
    Column(name="model"),
    Column(name="tier", drops=2),
    Column(name="from"),
    Column(name="requests", kind="integer"),
    Column(name="difference_usd", title="difference $"),
    Column(name="attempts", drops=1),
    Column(name="note", drops=3),
)


def reconciliation_document(made: Sequence[Reconciliation]) -> Document:
    """Lay reconciliations out, one below the other."""
    return Document(
        terminal=lambda _: list(_paragraphs(made)),
        markdown=lambda: list(_paragraphs(made)),
        fields=lambda: {"reconciliations": [_object(each) for each in made]},
    )


def _paragraphs(made: Sequence[Reconciliation]) -> Paragraphs:
    found: list[Table | Sentences] = []
    for each in made:
        found.append(_table(each))
        if (details := _details(each)) is not None:
            found.append(details)
        if each.notes:
            found.append(Sentences(title="Notes", lines=each.notes))
    return found


def cents(amounts: Sequence[Decimal], unit: Decimal = _CENT) -> list[Decimal]:
    """Round amounts to cents so that they still add up: what is left over goes to the largest remainders."""
    whole = add(amounts).quantize(unit)
    rounded = [amount.quantize(unit) for amount in amounts]
    left = int(EXACT.subtract(whole, add(rounded)) / unit)
    step = unit if left > 0 else -unit
    order = sorted(range(len(amounts)), key=lambda at: (amounts[at] - rounded[at]) * (1 if left > 0 else -1),
                   reverse=True)  # fmt: skip
    for at in order[: abs(left)]:
        rounded[at] += step
    return rounded


def _named(made: Reconciliation) -> Iterator[tuple[LineName, list[Line]]]:
    """Group lines by their name, in the order of the table; "unexplained" is always there."""
    for name in LINE_NAMES:
        lines = [line for line in made.lines if line.name == name]
        if lines or name == "unexplained":
            yield name, lines


def _table(made: Reconciliation) -> Table:
    groups = list(_named(made))
    unit = _unit(made)
    here = cents([add(line.here_usd for line in lines) for _, lines in groups], unit)
    there = cents([add(line.there_usd for line in lines) for _, lines in groups], unit)
    sums = zip(groups, here, there, strict=True)
    rows = [_row(LINE_NAMES[name], lines, mine, theirs) for (name, lines), mine, theirs in sums]
    everything = [line for line in made.lines if line.n_here or line.n_there]
    rows.append(_row("all together", everything, add(here), add(there)))
    beside = "bill" if made.is_billed else "usage, at list price"
    until = _written(made.end_us)
    return Table(
        name="reconciliation",
        title=f"{made.provider}: ledger and {beside}, {_written(made.start_us)} to {until}",
        columns=_COLUMNS,
        rows=rows,
        notes=(f"unexplained: {made.unexplained_share * 100:.3f} % of it", *_settled(made)),
    )


def _unit(made: Reconciliation) -> Decimal:
    return _MILLIONTH if max(abs(made.account_usd), abs(made.ledger_usd)) < _SMALL_USD else _CENT


def _row(title: str, lines: Sequence[Line], here: Decimal, there: Decimal) -> tuple[object, ...]:
    return title, sum(line.n_here for line in lines), _told(lines), f"{here}", f"{there}", f"{there - here:+}"


def _told(lines: Sequence[Line]) -> int | None:
    counts = [line.n_there for line in lines if line.n_there is not None]
    return sum(counts) if counts else None if lines else 0


def _settled(made: Reconciliation) -> Iterator[str]:
    known = [each.usd for each in made.settled if each.usd is not None]
    if known:
        yield f"{len(known)} attempts whose bill was not known are settled, for ${plain(add(known))} together"
    if n_untold := len(made.settled) - len(known):
        yield f"{n_untold} attempts were billed, by amounts that cannot be told"


def _details(made: Reconciliation) -> Table | None:
    odd = [line for line in made.lines if line.name != "agreed"]
    if not odd:
        return None
    odd.sort(key=lambda line: (list(LINE_NAMES).index(line.name), -abs(line.difference_usd)))
    rows = [_detail(made, line) for line in odd[:MOST_DETAILS]]
    notes = (f"and {len(odd) - MOST_DETAILS:,} more: --json has all",) if len(odd) > MOST_DETAILS else ()
    return Table(name="differences", title="What differs", columns=_DETAILS, rows=rows, notes=notes)


def _detail(made: Reconciliation, line: Line) -> tuple[object, ...]:
    listed = ", ".join(map(str, line.attempt_ids[:MOST_ATTEMPTS])) + (
        " ..." if line.attempt_ids[MOST_ATTEMPTS:] else ""
    )
    return (line.name, line.place.model or "", line.place.tier or "", _start(made, line), line.n_here or line.n_there,
            plain(line.difference_usd), listed, line.note)  # fmt: skip


def _start(made: Reconciliation, line: Line) -> str:
    return _written(made.start_us + line.place.slot * made.width_us)


def _written(at_us: int) -> str:
    return utc_text(from_us(at_us))


def _object(made: Reconciliation) -> Mapping[str, object]:
    return {
        "provider": made.provider,
        "from": _written(made.start_us),
        "to": _written(made.end_us),
        "is_billed": made.is_billed,
        "ledger_usd": made.ledger_usd,
        "account_usd": made.account_usd,
        "difference_usd": EXACT.subtract(made.account_usd, made.ledger_usd),
        "unexplained_usd": made.unexplained_usd,
        "unexplained_share": f"{made.unexplained_share:.6f}",
        "lines": [_sum(name, lines) for name, lines in _named(made)],
        "details": [_line(made, line) for line in made.lines],
        "settled": [{"attempt_id": each.attempt_id, "usd": each.usd, "source": each.source} for each in made.settled],
        "notes": list(made.notes),
    }


def _sum(name: LineName, lines: Sequence[Line]) -> Mapping[str, object]:
    here, there = add(line.here_usd for line in lines), add(line.there_usd for line in lines)
    return {
        "name": name,
        "n_requests_here": sum(line.n_here for line in lines),
        "n_requests_there": _told(lines),
        "ledger_usd": here,
        "account_usd": there,
        "difference_usd": EXACT.subtract(there, here),
    }


def _line(made: Reconciliation, line: Line) -> Mapping[str, object]:
    return {
        "name": line.name,
        "model": line.place.model,
        "tier": line.place.tier,
        "from": _start(made, line),
        "n_requests_here": line.n_here,
        "n_requests_there": line.n_there,
        "ledger_usd": line.here_usd,
        "account_usd": line.there_usd,
        "difference_usd": line.difference_usd,
        "attempt_ids": list(line.attempt_ids),
        "note": line.note,
    }
