"""The two sets of books of one run, held against each other attempt by attempt: the ledger's and the server's.

Pure. Data flows attempts + what the server billed by request id -> `HeldBills`, with the names of what does not hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.ledger.reading.attempt_rows import AttemptRow


@dataclass(slots=True, kw_only=True)
class HeldBills:
    """What two sets of books say of one run; dollars in picodollars.

    Attributes:
        n_answered: requests with an answer in the ledger, however often each was tried.
        n_possibly_billed: attempts whose bill nobody knows; they count at their bound.
        ledger_pico: what the ledger counts, unknown bills at their bound.
        settled_pico, settled_server_pico: of attempts whose bill is known, by the ledger and by the server.
        resent: requests that were sent again although their answer was in the ledger.
        answered_twice: requests with two answers in the ledger.
        unlogged: requests that the server saw and the ledger does not know.
        differing: settled attempts whose bill differs from the server's.
        above_bound: possibly billed attempts that the server billed above their bound.
    """

    n_requests: int = 0
    n_answered: int = 0
    n_possibly_billed: int = 0
    server_pico: int = 0
    ledger_pico: int = 0
    settled_pico: int = 0
    settled_server_pico: int = 0
    resent: list[str] = field(default_factory=list)
    answered_twice: list[str] = field(default_factory=list)
    unlogged: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    above_bound: list[str] = field(default_factory=list)


def stem_of(request_id: str) -> str:
    """A request's id without the number of its try."""
    return request_id.rpartition(".t")[0]


def counted_pico(row: AttemptRow) -> int:
    """What a budget has to count of an attempt: its bill, or the bound where that is not known."""
    if row.status == "sent" or row.charged_pico_usd is None:
        return row.reserved_pico_usd
    return row.charged_pico_usd


def held(rows: Iterable[AttemptRow], billed: Mapping[str, int]) -> HeldBills:
    """Hold all attempts of a run against what the server billed for it, by request id."""
    found = HeldBills(n_requests=len(billed), server_pico=sum(billed.values()))
    tries, answers, known = Counter[str](), Counter[str](), set[str]()
    for request_id in billed:
        number = int(request_id.rpartition(".t")[2])
        tries[stem_of(request_id)] = max(tries[stem_of(request_id)], number)
    for row in rows:
        known.add(row.request_id)
        _hold(row, billed.get(row.request_id, 0), found)
        if row.status == "succeeded":
            answers[stem_of(row.request_id)] += 1
            if tries[stem_of(row.request_id)] > row.try_number:
                found.resent.append(row.request_id)
    found.unlogged = sorted(billed.keys() - known)
    found.n_answered = len(answers)
    found.answered_twice = [stem for stem, n in answers.items() if n > 1]
    return found


def _hold(row: AttemptRow, billed: int, found: HeldBills) -> None:
    found.ledger_pico += counted_pico(row)
    if row.status == "sent" or row.charged_pico_usd is None:
        found.n_possibly_billed += 1
        if billed > row.reserved_pico_usd:
            found.above_bound.append(row.request_id)
        return
    found.settled_pico += row.charged_pico_usd
    found.settled_server_pico += billed
    if row.charged_pico_usd != billed:
        found.differing.append(f"{row.request_id}: ledger {row.charged_pico_usd}, server {billed}")
