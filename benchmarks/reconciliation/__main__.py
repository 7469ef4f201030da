"""Print how many planted faults were found by their names: `python -m benchmarks.reconciliation [--invoices 200]`.

Each invoice is made from a simulated ledger with one fault, two, or none: rows missing from the bill, foreign usage, a
request billed that never answered, a tier swapped, late rows, rounding, a discount. A fault counts as found when its
name, dollars and attempts are right; every other line that is not "agreed" is a false explanation.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

from benchmarks.reconciliation.books import N_DAYS, START_US, Call, draw_calls, usd_of, write_ledger
from benchmarks.reconciliation.invoices import FORMS, Amount, provider_of, write_invoice
from harness.documents.table import Column, Table
from harness.imports.containers.log_files import LogFile
from harness.instants import DAY_US
from harness.ledger import Ledger
from harness.money import add
from harness.pricing.book import PriceBook
from harness.pricing.price_files import load_price_book
from harness.reconciliation.account_input import account_inputs
from harness.reconciliation.ledger_side import BookPrices, LedgerSide
from harness.reconciliation.reconcile_account import Reconciliation, reconcile
from harness.reconciliation.reconciliation_page import cents
from harness.rendering.console import print_table

QUANTITY_FAULTS = ("only_here", "foreign", "possibly_billed", "tier", "late")
PRICE_FAULTS = ("rounding", "discount")


@dataclass(slots=True)
class Case:
    """One invoice beside its ledger, and what must be found.

    Attributes:
        expected: dollars of the difference by name of the fault; late rows make none.
        attempts: numbers of the calls concerned, by name.
    """

    form: str
    held: list[Call]
    billed: list[Call]
    amount: Amount = field(default=lambda usd: usd)
    expected: dict[str, Decimal] = field(default_factory=dict)
    attempts: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    slack: Decimal = Decimal(0)


def make_case(rng: random.Random, number: int) -> Case:
    """Draw a ledger and plant faults, each in a place of its own."""
    form = FORMS[number % len(FORMS)]
    held = draw_calls(rng, provider_of(form), rng.randrange(50, 120))
    case = Case(form=form, held=held, billed=list(held))
    possible = [name for name in QUANTITY_FAULTS if form != "openrouter" or name not in ("tier", "late")]
    planted = rng.sample(possible, rng.choice((0, 1, 1, 2)))
    used: set[tuple[str, str, int]] = set()
    for name in planted:
        _PLANT[name](rng, case, used)
    if rng.random() < 0.4:
        _plant_price(rng, case, rng.choice(PRICE_FAULTS))
    return case


def _place(call: Call) -> tuple[str, str, int]:
    return call.model, call.tier, (call.at_us - START_US) // DAY_US


def _free_calls(rng: random.Random, case: Case, used: set[tuple[str, str, int]], *, tier: str = "") -> list[Call]:
    """Choose a place that no fault is in, with neighbours in time that none is in either; gives its calls."""
    places = defaultdict(list)
    for call in case.held:
        places[_place(call)].append(call)
    free = [
        place for place in sorted(places)
        if len(places[place]) >= 4 and place[2] < N_DAYS - 1 and (not tier or place[1] == tier)
        and not any(place[0] == other[0] and abs(place[2] - other[2]) <= 2 for other in used)
    ]  # fmt: skip
    if not free:
        return []
    chosen = rng.choice(free)
    used.add(chosen)
    return places[chosen]


def _plant_missing(rng: random.Random, case: Case, used: set[tuple[str, str, int]]) -> None:
    for call in rng.sample(calls, rng.choice((1, 2))) if (calls := _free_calls(rng, case, used)) else []:
        case.billed.remove(call)
        _expect(case, "only_here", -usd_of(call), call)


def _plant_foreign(rng: random.Random, case: Case, used: set[tuple[str, str, int]]) -> None:
    calls = _free_calls(rng, case, used)
    for number in range(rng.randrange(1, 6) if calls else 0):
        strange = replace(rng.choice(calls), number=None, request_id=f"gen-foreign-{number}",
                          tokens={**calls[0].tokens, "input": rng.randrange(100, 90_000)})  # fmt: skip
        case.billed.append(strange)
        _expect(case, "foreign", usd_of(strange), None)


def _plant_possibly_billed(rng: random.Random, case: Case, used: set[tuple[str, str, int]]) -> None:
    if not (calls := _free_calls(rng, case, used)):
        return
    call = rng.choice(calls)
    case.held[case.held.index(call)] = replace(call, is_known=False)
    _expect(case, "possibly_billed", usd_of(call), call)


def _plant_tier(rng: random.Random, case: Case, used: set[tuple[str, str, int]]) -> None:
    if not (calls := _free_calls(rng, case, used, tier="standard")):
        return
    for call in rng.sample(calls, rng.choice((1, 2))):
        other = replace(call, tier="batch")
        case.billed[case.billed.index(call)] = other
        _expect(case, "tier", usd_of(other) - usd_of(call), call)


def _plant_late(rng: random.Random, case: Case, used: set[tuple[str, str, int]]) -> None:
    calls = _free_calls(rng, case, used)
    for call in sorted(calls, key=lambda each: each.at_us)[-rng.choice((1, 2, 3)) :]:
        case.billed[case.billed.index(call)] = replace(call, at_us=call.at_us + DAY_US)
        _expect(case, "late", Decimal(0), call)


_PLANT = {
    "only_here": _plant_missing,
    "foreign": _plant_foreign,
    "possibly_billed": _plant_possibly_billed,
    "tier": _plant_tier,
    "late": _plant_late,
}


def _plant_price(rng: random.Random, case: Case, name: str) -> None:
    """Round every line of the bill, or take a share off all of them."""
    if name == "discount":
        share = rng.choice((Decimal("0.9"), Decimal("0.85"), Decimal("0.95"), Decimal("0.8")))
        case.amount = lambda usd: usd * share
    elif case.form == "openrouter":
        case.amount = lambda usd: usd.quantize(Decimal("0.0000001"), rounding=ROUND_HALF_EVEN)
    else:
        case.amount = lambda usd: usd.quantize(Decimal("0.0001"), rounding=ROUND_HALF_EVEN)
    if name == "rounding":
        case.expected[name] = Decimal(0)
        return
    listed = add(usd_of(call) for call in case.billed)
    for only_there in ("foreign", "possibly_billed") if case.form == "openrouter" else ():
        # a request that only the account knows has the amount that it was billed, and no other
        listed -= case.expected.get(only_there, Decimal(0))
        if only_there in case.expected:
            case.expected[only_there] *= share
    case.expected[name] = (share - 1) * listed


def _expect(case: Case, name: str, usd: Decimal, call: Call | None) -> None:
    case.expected[name] = case.expected.get(name, Decimal(0)) + usd
    if call is not None and call.number is not None:
        case.attempts[name].append(call.number)


async def run_case(case: Case, book: PriceBook, folder: Path) -> list[str]:
    """Reconcile an invoice; gives what is wrong with the answer."""
    provider = provider_of(case.form)
    paths, billed = write_invoice(folder, case.form, case.billed, case.amount)
    with Ledger.open(folder / "ledger.db") as ledger:
        ids = await write_ledger(ledger, provider, case.held)
        (account,) = account_inputs([LogFile(path=path, name=path.name) for path in paths], book, {provider})
        grid = account.grid()
        side = LedgerSide(ledger, BookPrices(book, provider), None, grid.start_us, grid.end_us)
        made = reconcile(side, account.rows, grid, account.notes)
    return [*_sums(case, made, billed), *_names(case, made, ids)]


def _sums(case: Case, made: Reconciliation, billed: Decimal) -> list[str]:
    held = add(usd_of(call) for call in case.held if call.is_known)
    wrong = []
    if made.account_usd != billed or add(line.there_usd for line in made.lines) != billed:
        wrong.append(f"bill {billed}, shown {made.account_usd}")
    if made.ledger_usd != held or add(line.here_usd for line in made.lines) != held:
        wrong.append(f"ledger {held}, shown {made.ledger_usd}")
    shown = cents([line.difference_usd for line in made.lines])
    if add(shown) != (billed - held).quantize(Decimal("0.01")):
        wrong.append("cents do not add up")
    if made.unexplained_usd:
        wrong.append(f"unexplained {made.unexplained_usd}")
    return wrong


def _names(case: Case, made: Reconciliation, ids: dict[int, int]) -> list[str]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    attempts: dict[str, set[int]] = defaultdict(set)
    for line in made.lines:
        if line.name != "agreed":
            found[line.name] += line.difference_usd
            attempts[line.name] |= set(line.attempt_ids)
    wrong = [f"false explanation {name}: {found[name]}" for name in found.keys() - case.expected.keys()
             if not (name == "rounding" and abs(found[name]) < Decimal("1e-9"))]  # fmt: skip
    for name, usd in case.expected.items():
        if name == "rounding":
            continue  # a bill may happen to need no rounding; its dollars are held by the sums
        if name not in found:
            wrong.append(f"not found: {name} {usd}")
        elif abs(found[name] - usd) > (Decimal("1e-6") if "rounding" in case.expected else Decimal("1e-9")):
            wrong.append(f"{name} is {usd}, shown {found[name]}")
        elif name in case.attempts and attempts[name] != {ids[number] for number in case.attempts[name]}:
            wrong.append(f"{name}: other attempts")
    return wrong


def main() -> int:
    """Run the cases and print them by form and by fault."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--invoices", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    book, planted, right, bad = load_price_book(), Counter[str](), Counter[str](), list[str]()
    for number in range(options.invoices):
        case = make_case(random.Random(options.seed * 1_000_003 + number), number)
        with tempfile.TemporaryDirectory() as folder:
            wrong = asyncio.run(run_case(case, book, Path(folder)))
        for name in case.expected or {"none": Decimal(0)}:
            planted[name] += 1
            right[name] += not wrong
        bad += [f"invoice {number} ({case.form}, {', '.join(case.expected) or 'none'}): {each}" for each in wrong]
    _print(planted, right, bad, options.invoices)
    return 1 if bad else 0


def _print(planted: Counter[str], right: Counter[str], bad: Sequence[str], n_invoices: int) -> None:
    columns = (Column(name="fault"), Column(name="planted", kind="integer"), Column(name="right", kind="integer"))
    rows = [(name, planted[name], right[name]) for name in sorted(planted)]
    print_table(Table(name="faults", title=f"{n_invoices} invoices with planted faults", columns=columns, rows=rows))
    for each in bad[:40]:
        print(each)
    n_right = n_invoices - len({line.split(" (")[0] for line in bad})
    print(f"{n_right} of {n_invoices} invoices right in every name and cent")


if __name__ == "__main__":
    sys.exit(main())
