"""Tokens of the ledger against tokens of the account, place by place: what agrees, and why the rest does not.

Pure. Only exact equality explains: a surplus in one tier is a deficit in another to the token, late rows are the last
requests of an earlier slot to the token. What no exact explanation fits stays unexplained.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import combinations

from harness.money import EXACT, add
from harness.reconciliation.account_side import AccountSide, Bucket, as_told
from harness.reconciliation.sides import (
    NO_TOKENS,
    ZERO,
    Findings,
    Held,
    HeldAttempt,
    Line,
    Place,
    PriceOf,
    Quantities,
    Settled,
)

MOST_SEARCHED = 400
"""Attempts of a place among which two missing ones are searched."""
LATEST_SLOTS = 2
"""How many slots a row may be late."""


@dataclass(slots=True)
class _Held:
    """What the ledger holds of a place."""

    tokens: Quantities = NO_TOKENS
    usd: Decimal = ZERO
    n_requests: int = 0
    n_unpriced: int = 0
    opened: list[HeldAttempt] = field(default_factory=list)


@dataclass(slots=True)
class _Rest:
    """What is not explained yet of a place: the account's tokens less the ledger's."""

    tokens: Quantities
    n_requests: int | None

    def negative(self) -> _Rest:
        """Turn every sign: what the ledger has more than the account."""
        return _Rest(self.tokens.negative(), None if self.n_requests is None else -self.n_requests)


def compare(held: Held, account: AccountSide, price_of: PriceOf) -> Findings:
    """Compare tokens; dollars are at list price on both sides.

    Args:
        held: attempts inside the account's time alone.
    """
    return _Comparison(held, account, price_of).run()


class _Comparison:
    def __init__(self, held: Held, account: AccountSide, price_of: PriceOf) -> None:
        self._attempts = held
        self._account = account
        self._price_of = price_of
        self._held: dict[Place, _Held] = defaultdict(_Held)
        self._rests: dict[Place, _Rest] = {}
        self._moved: dict[Place, Decimal] = defaultdict(Decimal)
        self._n_moved: dict[Place, int] = defaultdict(int)
        self._found = Findings()

    def run(self) -> Findings:
        for attempt in self._attempts():
            self._hold(self._held[self.place_of(attempt)], attempt)
        for place in {*self._held, *self._account.used}:
            self._rests[place] = self._rest(place)
        self._members = self._read_members()
        self._explain_tiers()
        self._explain_late()
        for place in sorted(self._rests, key=_order):
            self._explain(place)
        for place in sorted(self._held, key=_order):
            self._agree(place)
        return self._found

    def place_of(self, attempt: HeldAttempt) -> Place:
        account = self._account
        return Place(attempt.model if account.tells_model else None, account.tier_of(attempt.tier),
                     account.grid.slot(attempt.at_us))  # fmt: skip

    def _hold(self, held: _Held, attempt: HeldAttempt) -> None:
        if attempt.is_open:
            held.opened.append(attempt)
            return
        held.tokens = held.tokens.plus(attempt.tokens)
        held.n_requests += 1
        held.n_unpriced += attempt.usd is None
        held.usd = EXACT.add(held.usd, attempt.usd or ZERO)

    def _rest(self, place: Place) -> _Rest:
        held, bucket = self._held.get(place, _Held()), self._account.used.get(place, Bucket(n_requests=0))
        told = self._told(place)
        tokens = bucket.tokens.plus(as_told(held.tokens, told), -1)
        return _Rest(tokens, None if bucket.n_requests is None else bucket.n_requests - held.n_requests)

    def _told(self, place: Place) -> frozenset[str]:
        """Kinds of tokens that the account tells apart for a model, in any slot."""
        of_model = [bucket.told for other, bucket in self._account.used.items() if other.model == place.model]
        return frozenset[str]().union(*of_model) if of_model else frozenset(Quantities._fields)

    def _read_members(self) -> dict[Place, list[HeldAttempt]]:
        """Read the attempts of places that differ, in the order of their completion; nothing of the others."""
        odd = {place for place, rest in self._rests.items() if not rest.tokens.is_zero or rest.n_requests}
        found: dict[Place, list[HeldAttempt]] = defaultdict(list)
        if odd:
            for attempt in self._attempts():
                place = self.place_of(attempt)
                if place in odd and not attempt.is_open:
                    found[place].append(attempt)
        for members in found.values():
            members.sort(key=lambda each: (each.at_us, each.attempt_id))
        return found

    def _counted(self, attempts: Iterable[HeldAttempt], place: Place) -> Quantities:
        found, told = Quantities(), self._told(place)
        for attempt in attempts:
            found = found.plus(as_told(attempt.tokens, told))
        return found

    def _price(self, place: Place, tokens: Quantities) -> Decimal | None:
        if place.model is None:
            return None
        return self._price_of(place.model, place.tier or "standard", self._account.grid.middle_us(place.slot), tokens)

    def _explain_tiers(self) -> None:
        """Find what one tier lacks and another has too much of, to the token, in one slot."""
        tiers: dict[tuple[str | None, int], list[Place]] = defaultdict(list)
        for place in sorted(self._rests, key=_order):
            tiers[place.model, place.slot].append(place)
        lacking = [place for place, rest in self._rests.items() if _lacks(rest)]
        for place in sorted(lacking, key=_order):
            missing = self._rests[place].tokens.negative()
            for other in tiers[place.model, place.slot]:
                if other.tier != place.tier and self._rests[other].tokens == missing and not missing.is_zero:
                    self._swap(place, other, missing)
                    break

    def _swap(self, place: Place, other: Place, tokens: Quantities) -> None:
        moved = self._which(place, tokens, self._rests[place].n_requests)
        here = self._worth(place, tokens, moved)
        there = self._price(other, tokens)
        n_requests = len(moved) or abs(self._rests[place].n_requests or 0)
        self._take(place, here, n_requests)
        self._found.lines.append(
            Line(
                name="tier", place=other, here_usd=here, there_usd=here if there is None else there, n_here=n_requests,
                n_there=self._rests[other].n_requests, attempt_ids=_ids(moved),
                note=f"{place.tier or 'standard'} here, {other.tier or 'standard'} there",
            )
        )  # fmt: skip
        for each in (place, other):
            self._rests[each] = _Rest(Quantities(), None if self._rests[each].n_requests is None else 0)

    def _explain_late(self) -> None:
        """Find the last requests of a slot in a later one, or the first of a slot in the one before."""
        for place in sorted((each for each, rest in self._rests.items() if _exceeds(rest)), key=_order):
            for slot in (*(place.slot - late for late in range(1, LATEST_SLOTS + 1)), place.slot + 1):
                source = place._replace(slot=slot)
                moved = self._moved_from(source, place)
                if moved is not None:
                    self._move(source, place, moved)
                    break

    def _moved_from(self, source: Place, place: Place) -> Sequence[HeldAttempt] | None:
        """Find the attempts of a slot that another has too much of; empty = which cannot be told, None = none are."""
        lacking, surplus = self._rests.get(source), self._rests[place].tokens
        if lacking is None or not _lacks(lacking):
            return None
        moved = self._edge(source, surplus, is_later=source.slot < place.slot)
        if moved is None and lacking.tokens == surplus.negative():
            return self._which(source, surplus, lacking.n_requests)
        return moved

    def _edge(self, source: Place, tokens: Quantities, *, is_later: bool) -> Sequence[HeldAttempt] | None:
        members = self._members.get(source, [])
        ordered = members[::-1] if is_later else members
        told, found = self._told(source), Quantities()
        for n_moved, attempt in enumerate(ordered, 1):
            found = found.plus(as_told(attempt.tokens, told))
            if found == tokens:
                return ordered[:n_moved]
            if not tokens.plus(found, -1).is_surplus:
                return None
        return None

    def _move(self, source: Place, place: Place, moved: Sequence[HeldAttempt]) -> None:
        tokens = self._rests[place].tokens
        usd = self._worth(source, tokens, moved)
        lacking = self._rests[source]
        n_moved = len(moved) or abs(lacking.n_requests or 0)
        self._take(source, usd, n_moved)
        self._found.lines.append(
            Line(
                name="late", place=place, here_usd=usd, there_usd=usd, n_here=n_moved,
                n_there=self._rests[place].n_requests, attempt_ids=_ids(moved),
                note=f"{abs(place.slot - source.slot)} slot{'s' if abs(place.slot - source.slot) > 1 else ''}"
                f" {'later' if place.slot > source.slot else 'earlier'} on the bill",
            )
        )  # fmt: skip
        n_left = None if lacking.n_requests is None else lacking.n_requests + n_moved
        self._rests[source] = _Rest(lacking.tokens.plus(tokens), n_left)
        self._rests[place] = _Rest(Quantities(), None if self._rests[place].n_requests is None else 0)

    def _explain(self, place: Place) -> None:
        rest = self._rests[place]
        opened = self._held[place].opened if place in self._held else []
        if rest.tokens.is_zero:
            self._settle_unbilled(place, rest, opened)
        elif _is_only_there(rest):
            if opened and self._fits(rest, opened):
                self._settle_billed(place, rest, opened)
            else:
                self._surplus(place, rest, opened)
        elif _is_only_there(rest.negative()):
            self._missing(place, rest)
        else:
            self._mixed(place, rest)

    def _surplus(self, place: Place, rest: _Rest, opened: Sequence[HeldAttempt]) -> None:
        usd = self._price(place, rest.tokens)
        note = "" if not opened else f"or {len(opened)} possibly billed attempts: they do not fit"
        if usd is None and not self._account.charged:
            note = f"{note}; no price is known for it".removeprefix("; ")
        self._found.lines.append(
            Line(name="foreign", place=place, there_usd=usd or ZERO, n_there=rest.n_requests, note=note)
        )

    def _missing(self, place: Place, rest: _Rest) -> None:
        tokens = rest.tokens.negative()
        missing = self._which(place, tokens, rest.n_requests)
        usd = self._worth(place, tokens, missing)
        n_missing = len(missing) or abs(rest.n_requests or 0)
        self._take(place, usd, n_missing)
        is_last = place.slot >= self._account.grid.last_slot
        note = "" if missing else "which attempts cannot be told"
        note += ("; " if note else "") + "may still come: the account ends here" if is_last else ""
        self._found.lines.append(
            Line(name="only_here", place=place, here_usd=usd, n_here=n_missing, attempt_ids=_ids(missing), note=note)
        )

    def _mixed(self, place: Place, rest: _Rest) -> None:
        """Leave what has too much of one kind and too little of another unexplained, at its price on each side."""
        above = Quantities(*(max(0, each) for each in rest.tokens))
        below = Quantities(*(max(0, -each) for each in rest.tokens))
        here, there = self._price(place, below) or ZERO, self._price(place, above) or ZERO
        self._take(place, here, 0)
        self._found.lines.append(
            Line(name="unexplained", place=place, here_usd=here, there_usd=there, n_there=rest.n_requests,
                 note=f"tokens differ both ways: {rest.tokens._asdict()}")
        )  # fmt: skip

    def _fits(self, rest: _Rest, opened: Sequence[HeldAttempt]) -> bool:
        """Tell whether a surplus can be exactly the attempts whose bill is not known."""
        if rest.n_requests is not None and rest.n_requests != len(opened):
            return False
        tokens = rest.tokens
        most_input, most_output = (sum(getattr(each, name) for each in opened)
                                   for name in ("most_input_tokens", "most_output_tokens"))  # fmt: skip
        is_bounded = all(each.most_input_tokens and each.most_output_tokens for each in opened)
        all_input = tokens.input + tokens.cache_read + tokens.cache_write + tokens.cache_write_1h
        return not is_bounded or (all_input <= most_input and tokens.output <= most_output)

    def _settle_billed(self, place: Place, rest: _Rest, opened: Sequence[HeldAttempt]) -> None:
        usd = self._price(place, rest.tokens)
        self._found.lines.append(
            Line(name="possibly_billed", place=place, there_usd=usd or ZERO, n_there=rest.n_requests,
                 attempt_ids=_ids(opened), note="tokens and number are those of the attempts without a known bill")
        )  # fmt: skip
        shares = [None] * len(opened) if usd is None else _shares(usd, len(opened))
        for each, share in zip(opened, shares, strict=True):
            alone = rest.tokens if len(opened) == 1 else None
            self._found.settled.append(Settled(attempt_id=each.attempt_id, usd=share, tokens=alone, source=_at(place)))

    def _settle_unbilled(self, place: Place, rest: _Rest, opened: Sequence[HeldAttempt]) -> None:
        """Settle what the account knows nothing of, once later slots show that it is complete."""
        if not opened or rest.n_requests or place.slot >= self._account.grid.last_slot:
            return
        if place not in self._account.used and not any(each.slot > place.slot for each in self._account.used):
            return
        self._found.notes.append(
            f"{len(opened)} attempts that were possibly billed are not on the bill of {_at(place)}: settled as $0"
        )
        self._found.settled += [
            Settled(attempt_id=each.attempt_id, usd=ZERO, tokens=None, source=f"{_at(place)}, not billed")
            for each in opened
        ]

    def _which(self, place: Place, tokens: Quantities, n_requests: int | None) -> Sequence[HeldAttempt]:
        """Find the attempts that have exactly these tokens together; empty = they cannot be told."""
        members, told = self._members.get(place, []), self._told(place)
        counted = [as_told(each.tokens, told) for each in members]
        if self._counted(members, place) == tokens:
            return members
        for n_wanted in (1, 2):
            if n_requests is not None and abs(n_requests) != n_wanted:
                continue
            if chosen := _summing_to(tokens, counted, n_wanted):
                return [members[each] for each in chosen]
        return []

    def _worth(self, place: Place, tokens: Quantities, attempts: Sequence[HeldAttempt]) -> Decimal:
        if attempts:
            return add(each.usd or ZERO for each in attempts)
        return self._price(place, tokens) or ZERO

    def _take(self, place: Place, usd: Decimal, n_requests: int) -> None:
        """Note what of a place's ledger is told in a line of its own."""
        self._moved[place] = EXACT.add(self._moved[place], usd)
        self._n_moved[place] += n_requests

    def _agree(self, place: Place) -> None:
        held = self._held[place]
        usd = EXACT.subtract(held.usd, self._moved[place])
        n_requests = max(0, held.n_requests - self._n_moved[place])
        if n_requests or usd:
            note = f"{held.n_unpriced} of them have no price here" if held.n_unpriced else ""
            told = None if self._rests[place].n_requests is None else n_requests
            self._found.lines.append(
                Line(
                    name="agreed", place=place, here_usd=usd, there_usd=usd, n_here=n_requests, n_there=told, note=note
                )
            )


def _summing_to(tokens: Quantities, counted: Sequence[Quantities], n_wanted: int) -> tuple[int, ...]:
    """Choose the first one or two that are exactly these tokens together; empty = none are."""
    searched = range(len(counted)) if n_wanted == 1 else range(min(len(counted), MOST_SEARCHED))
    for chosen in combinations(searched, n_wanted):
        found = counted[chosen[0]]
        for other in chosen[1:]:
            found = found.plus(counted[other])
        if found == tokens:
            return chosen
    return ()


def _lacks(rest: _Rest) -> bool:
    return rest.tokens.negative().is_surplus and not rest.tokens.is_zero


def _exceeds(rest: _Rest) -> bool:
    return rest.tokens.is_surplus and not rest.tokens.is_zero


def _is_only_there(rest: _Rest) -> bool:
    return rest.tokens.is_surplus and (rest.n_requests is None or rest.n_requests > 0)


def _ids(attempts: Iterable[HeldAttempt]) -> tuple[int, ...]:
    return tuple(each.attempt_id for each in attempts)


def _order(place: Place) -> tuple[int, str, str]:
    return place.slot, place.model or "", place.tier or ""


def _at(place: Place) -> str:
    return f"{place.model or 'all models'} {place.tier or ''}".strip()


def _shares(usd: Decimal, n_parts: int) -> Iterator[Decimal]:
    """Share an amount evenly, in whole picodollars; the last part takes the remainder."""
    pico = Decimal("1e-12")
    each = (usd / n_parts).quantize(pico)
    for _ in range(n_parts - 1):
        yield each
    yield EXACT.subtract(usd, EXACT.multiply(each, Decimal(n_parts - 1)))
