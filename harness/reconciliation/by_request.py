"""Requests of the ledger against requests of the account, one by one, by the provider's id of each.

Pure. Attempts without an id (no answer ever came) are looked for among the requests that nobody claims: the same model,
at the time of the attempt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from harness.accounts.account_rows import AccountRow
from harness.errors import InputError
from harness.money import EXACT
from harness.reconciliation.account_side import Grid, NameOf
from harness.reconciliation.sides import (
    DISCOUNT_STEP,
    NOISE_USD,
    ZERO,
    Findings,
    Held,
    HeldAttempt,
    Line,
    LineName,
    Place,
    Quantities,
    Settled,
)

NEAR_US = 120_000_000
"""How far the account's clock may be from ours."""


@dataclass(slots=True)
class _Request:
    row: AccountRow
    model: str | None
    is_claimed: bool = False


def compare_requests(held: Held, rows: Iterable[AccountRow], grid: Grid, name_of: NameOf) -> Findings:
    """Match requests; what the ledger charged stands beside what the account billed."""
    requests = _by_id(rows, name_of)
    findings, opened = Findings(), []
    for attempt in held():
        request = None if attempt.request_id is None else requests.get(attempt.request_id)
        if request is not None:
            request.is_claimed = True
            _beside(findings, attempt, request.row, _place(attempt, grid))
        elif attempt.is_open:
            opened.append(attempt)
        else:
            findings.lines.append(_only_here(attempt, grid))
    unclaimed = [request for request in requests.values() if not request.is_claimed]
    for attempt in opened:
        _look_for(findings, attempt, unclaimed, grid)
    findings.lines += [_foreign(request, grid) for request in unclaimed if not request.is_claimed]
    return findings


def _by_id(rows: Iterable[AccountRow], name_of: NameOf) -> dict[str, _Request]:
    """Give requests by the provider's id; one without an id can be claimed by time alone.

    Raises:
        InputError: a request is there twice.
    """
    found: dict[str, _Request] = {}
    for number, row in enumerate(rows):
        request_id = row.request_id or f"row {number}"
        if request_id in found:
            raise InputError(f"request {request_id} is on the bill twice", where="FILE",
                             fix="give exports whose times do not overlap, and each of them once")  # fmt: skip
        found[request_id] = _Request(row, None if row.model is None else name_of(row.model, row.start_us))
    return found


def _place(attempt: HeldAttempt, grid: Grid) -> Place:
    return Place(attempt.model, attempt.tier, grid.slot(attempt.at_us))


def _only_here(attempt: HeldAttempt, grid: Grid) -> Line:
    return Line(name="only_here", place=_place(attempt, grid), here_usd=_charged(attempt) or ZERO, n_here=1,
                attempt_ids=(attempt.attempt_id,), note="no request of this id is on the bill")  # fmt: skip


def _foreign(request: _Request, grid: Grid) -> Line:
    row = request.row
    place = Place(request.model, None, grid.slot(row.start_us))
    note = f"key {row.project}" if row.project else ""
    return Line(name="foreign", place=place, there_usd=row.billed_usd or ZERO, n_there=1, note=note)


def _beside(findings: Findings, attempt: HeldAttempt, row: AccountRow, place: Place) -> None:
    billed, here = row.billed_usd or ZERO, _charged(attempt)
    ids = (attempt.attempt_id,)
    if attempt.is_open:
        findings.lines.append(
            Line(name="possibly_billed", place=place, there_usd=billed, n_there=1, attempt_ids=ids, note="by its id")
        )
        findings.settled.append(Settled(attempt_id=attempt.attempt_id, usd=row.billed_usd, tokens=_tokens(row),
                                        source=f"request {row.request_id}"))  # fmt: skip
        return
    if here is None:
        findings.lines.append(
            Line(name="agreed", place=place, there_usd=billed, n_here=1, n_there=1, attempt_ids=ids,
                 note="no price here: as billed")
        )  # fmt: skip
        return
    findings.lines.append(Line(name="agreed", place=place, here_usd=here, there_usd=here, n_here=1, n_there=1))
    gap = EXACT.subtract(billed, here)
    if gap:
        name, note = _reason(gap, here, billed, row)
        findings.lines.append(Line(name=name, place=place, there_usd=gap, n_there=0, attempt_ids=ids, note=note))


def _charged(attempt: HeldAttempt) -> Decimal | None:
    """Give all that an attempt was charged: the bill of a request holds its fees, too."""
    return None if attempt.usd is None else EXACT.add(attempt.usd, attempt.fees_usd)


def _reason(gap: Decimal, here: Decimal, billed: Decimal, row: AccountRow) -> tuple[LineName, str]:
    exponent = billed.as_tuple().exponent
    places = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    tolerance_usd = max(NOISE_USD, Decimal(5).scaleb(-places - 1))
    if abs(gap) <= tolerance_usd and places >= 4:
        return "rounding", f"the amount has {places} decimal places"
    if not billed and row.own_key_usd:
        return "discount", "billed to a key of one's own, in another account"
    if row.billed_usd is None:
        return "unexplained", "the account does not say what it billed"
    if _is_discount(here, billed, tolerance_usd):
        return "discount", f"{(1 - billed / here) * 100:.1f} % of the price here"
    return "unexplained", f"{billed} billed, {here} here"


def _is_discount(here: Decimal, billed: Decimal, tolerance_usd: Decimal) -> bool:
    """Tell whether a bill is the price here less a number of half per cents."""
    if not here or billed >= here:
        return False
    share = (billed / here).quantize(Decimal("0.001"))
    return share % DISCOUNT_STEP == 0 and abs(billed - here * share) <= tolerance_usd


def _look_for(findings: Findings, attempt: HeldAttempt, requests: Iterable[_Request], grid: Grid) -> None:
    """Find the one request that an attempt without an answer can be."""
    first, last = attempt.started_us - NEAR_US, attempt.at_us + NEAR_US
    near = [
        request for request in requests
        if not request.is_claimed and first <= request.row.start_us <= last
        and request.model in (None, attempt.model) and _possible(attempt, request.row)
    ]  # fmt: skip
    if len(near) != 1:
        return
    (request,) = near
    request.is_claimed = True
    place = _place(attempt, grid)
    findings.lines.append(
        Line(name="possibly_billed", place=place, there_usd=request.row.billed_usd or ZERO, n_there=1,
             attempt_ids=(attempt.attempt_id,), note="by model and time: nobody else claims it")
    )  # fmt: skip
    findings.settled.append(
        Settled(attempt_id=attempt.attempt_id, usd=request.row.billed_usd, tokens=_tokens(request.row),
                source=f"request {request.row.request_id}, by model and time")
    )  # fmt: skip


def _possible(attempt: HeldAttempt, row: AccountRow) -> bool:
    tokens = _tokens(row)
    if tokens is None or not attempt.most_output_tokens:
        return True
    return tokens.output <= attempt.most_output_tokens


def _tokens(row: AccountRow) -> Quantities | None:
    told = row.tokens
    if told is None:
        return None
    return Quantities(told.input or 0, told.cache_read or 0, told.cache_write or 0, told.cache_write_1h or 0,
                      told.output or 0)  # fmt: skip
