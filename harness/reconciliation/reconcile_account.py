"""The whole comparison: rows of an account against attempts of a ledger; lines that add up to both, and who is settled.

Pure but for what the callables read. Data flows statements -> one of three ways (by request, by tokens, by dollars
alone) -> `Reconciliation`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from harness.accounts.account_rows import AccountRow
from harness.errors import HarnessError
from harness.money import EXACT, add
from harness.reconciliation.account_side import AccountSide, Bucket, Grid, account_side
from harness.reconciliation.by_request import compare_requests
from harness.reconciliation.ledger_side import LedgerSide
from harness.reconciliation.prices_billed import charge_place, explain_prices, unexplained_usd
from harness.reconciliation.quantities import compare
from harness.reconciliation.sides import ZERO, Findings, HeldAttempt, Line, Place, Settled


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """A ledger beside an account.

    Attributes:
        width_us: of a slot of time.
        lines: their `here_usd` sum to `ledger_usd`, their `there_usd` to `account_usd`.
        ledger_usd: known cost of the attempts in the account's time.
        account_usd: what was billed; usage at list price where the account states no dollars.
        is_billed: whether it states dollars.
        unexplained_usd: sizes of what nothing explains, added up.
    """

    provider: str
    start_us: int
    end_us: int
    width_us: int
    lines: tuple[Line, ...]
    settled: tuple[Settled, ...]
    notes: tuple[str, ...]
    ledger_usd: Decimal
    account_usd: Decimal
    is_billed: bool
    unexplained_usd: Decimal

    @property
    def unexplained_share(self) -> Decimal:
        """Share of the bill that nothing explains; of the ledger's amount when nothing was billed."""
        whole = max(abs(self.account_usd), abs(self.ledger_usd))
        return ZERO if not self.unexplained_usd else Decimal(1) if not whole else self.unexplained_usd / whole


@dataclass(slots=True)
class _Sum:
    usd: Decimal = ZERO
    n_requests: int = 0
    attempt_ids: list[int] = field(default_factory=list)


def reconcile(side: LedgerSide, rows: Sequence[AccountRow], grid: Grid, notes: Sequence[str] = ()) -> Reconciliation:
    """Compare a ledger with an account.

    Args:
        rows: of one provider, no money twice among them.
        grid: the account's time.
    """
    findings, billed_usd = _findings(side, rows, grid)
    ledger_usd, n_unpriced = _known(side.attempts())
    is_billed = billed_usd is not None
    lines = tuple(line for line in findings.lines if line.here_usd or line.there_usd or line.n_here or line.n_there)
    account_usd = add(line.there_usd for line in lines) if billed_usd is None else billed_usd
    made = Reconciliation(
        provider=side.prices.provider,
        start_us=grid.start_us,
        end_us=grid.end_us,
        width_us=grid.width_us,
        lines=lines,
        settled=tuple(findings.settled),
        notes=(*notes, *findings.notes, *_said(side, rows, n_unpriced, is_billed=is_billed)),
        ledger_usd=ledger_usd,
        account_usd=account_usd,
        is_billed=is_billed,
        unexplained_usd=unexplained_usd(lines),
    )
    _check(made)
    return made


def _findings(side: LedgerSide, rows: Sequence[AccountRow], grid: Grid) -> tuple[Findings, Decimal | None]:
    """Compare by request where the account states requests, else by buckets; with what was billed, None = no costs."""
    requests = [row for row in rows if row.kind == "request"]
    if requests:
        billed_usd = add(row.billed_usd or ZERO for row in requests)
        return compare_requests(side.attempts, requests, grid, side.prices.name_of), billed_usd
    account = _account(side, rows, grid)
    return _by_buckets(side, account), account.billed_usd if account.charged else None


def _known(attempts: Iterable[HeldAttempt]) -> tuple[Decimal, int]:
    """Sum what is known of the bills of attempts, and count those whose tokens have no price here."""
    known_usd, n_unpriced = ZERO, 0
    for each in attempts:
        if not each.is_open:
            known_usd = add((known_usd, each.usd or ZERO, each.fees_usd))
            n_unpriced += each.usd is None
    return known_usd, n_unpriced


def _account(side: LedgerSide, rows: Sequence[AccountRow], grid: Grid) -> AccountSide:
    usage = [row for row in rows if row.kind == "usage"]
    costs = [row for row in rows if row.kind == "cost"] or [row for row in usage if row.billed_usd is not None]
    return account_side(usage, costs, grid, side.prices.name_of)


def _by_buckets(side: LedgerSide, account: AccountSide) -> Findings:
    if account.used and account.tells_model:
        findings = compare(side.attempts, account, side.prices.price)
    else:
        findings = _dollars_alone(side.attempts(), account)
    _fees(findings, side.attempts(), account)
    if account.charged:
        explain_prices(findings, account, side.prices.price)
    return findings


def _dollars_alone(attempts: Iterable[HeldAttempt], account: AccountSide) -> Findings:
    """Put what the ledger charged beside the bill, place by place, where no tokens tell more."""
    sums: dict[Place, _Sum] = defaultdict(_Sum)
    for each in attempts:
        if each.is_open:
            continue
        place = charge_place(Place(each.model, each.tier, account.grid.slot(each.at_us)), account)
        found = sums[place]
        found.usd = EXACT.add(found.usd, each.usd or ZERO)
        found.n_requests += 1
        found.attempt_ids.append(each.attempt_id)
    findings = Findings()
    for place, found in sorted(sums.items(), key=str):
        is_there = place in account.charged or not account.charged
        findings.lines.append(
            Line(name="agreed" if is_there else "only_here", place=place, here_usd=found.usd,
                 there_usd=found.usd if is_there else ZERO, n_here=found.n_requests, n_there=None if is_there else 0,
                 attempt_ids=() if is_there else tuple(found.attempt_ids))
        )  # fmt: skip
    findings.notes.append("the account states no tokens by model: dollars alone are compared")
    return findings


def _fees(findings: Findings, attempts: Iterable[HeldAttempt], account: AccountSide) -> None:
    """Put fees (searches and the like) side by side, slot by slot."""
    held = _held_fees(attempts, account.grid)
    billed_slots = {place.slot for place in account.charged if place.tier == "fees"}
    for slot in sorted({*held, *billed_slots}):
        place = Place(None, "fees", slot)
        bucket = account.charged.get(place, Bucket())
        there = EXACT.subtract(bucket.billed_usd, bucket.credits_usd) if billed_slots else None
        findings.lines += _fee_lines(place, held.get(slot, ZERO), there)


def _held_fees(attempts: Iterable[HeldAttempt], grid: Grid) -> dict[int, Decimal]:
    held: dict[int, Decimal] = defaultdict(Decimal)
    for each in attempts:
        if each.fees_usd and not each.is_open:
            slot = grid.slot(each.at_us)
            held[slot] = EXACT.add(held[slot], each.fees_usd)
    return held


def _fee_lines(place: Place, here: Decimal, there: Decimal | None) -> list[Line]:
    """Give what agrees, and what only one side has; None = the account tells no fees apart."""
    agreed = here if there is None else min(here, there)
    foreign = ZERO if there is None else EXACT.subtract(there, agreed)
    lines = (
        Line(name="agreed", place=place, here_usd=agreed, there_usd=agreed, n_there=None, note="fees"),
        Line(name="only_here", place=place, here_usd=EXACT.subtract(here, agreed), note="fees"),
        Line(name="foreign", place=place, there_usd=foreign, n_there=None, note="fees"),
    )
    return [line for line in lines if line.here_usd or line.there_usd]


def _said(side: LedgerSide, rows: Sequence[AccountRow], n_unpriced: int, *, is_billed: bool) -> Iterable[str]:
    if not is_billed:
        yield "the account states no costs: its usage is valued at list price"
    if n_outside := side.n_outside():
        yield f"{n_outside:,} attempts lie outside the account's time and are not compared"
    own_key = add(row.own_key_usd or ZERO for row in rows)
    if own_key:
        yield f"{own_key:f} USD were paid by a key of one's own in another account: not part of this bill"
    if n_unpriced:
        yield f"{n_unpriced:,} attempts have no price here"
    if hidden := sum(row.n_hidden_retries for row in rows):
        yield f"{hidden:,} further requests were tried by the account itself"


def _check(made: Reconciliation) -> None:
    """Hold the lines to both totals.

    Raises:
        HarnessError: they do not add up: a mistake of this program, which no table may hide.
    """
    here, there = add(line.here_usd for line in made.lines), add(line.there_usd for line in made.lines)
    if (here, there) != (made.ledger_usd, made.account_usd):
        raise HarnessError(
            f"the lines sum to {here} and {there} USD, the ledger holds {made.ledger_usd}, the account"
            f" {made.account_usd}: please report this", where="benchtab reconcile",
        )  # fmt: skip
