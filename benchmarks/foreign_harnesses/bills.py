"""The server's bill and an imported log, request by request: what agrees, what the tool does not record, what is wrong.

Data flows billing rows + imported calls -> grouped by prompt -> paired -> `Held`: sums by reason, and every difference
that has no reason. A request is known when a call of the same prompt has the same counts to the token.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

Reason = Literal["known", "refused", "lost", "untold", "unlogged"]
REASONS: Mapping[Reason, str] = {
    "refused": "refused, not billed",
    "lost": "answers that never arrived",
    "untold": "answers sent without usage",
    "unlogged": "answers whose tokens the tool does not log",
}
"""Why a request of the server's bill is not known with its tokens."""
ESTIMATE_MARGINS = {"in": Decimal("0.25"), "answers": Decimal("0.35")}
"""How far the sums of an estimate may be from the bill: what was asked, and answers without their reasoning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Tokens; `cached` is a part of `asked`, `reasoning` a part of `output`."""

    asked: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            asked=self.asked + other.asked,
            cached=self.cached + other.cached,
            output=self.output + other.output,
            reasoning=self.reasoning + other.reasoning,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """One request as the server's billing log has it.

    Attributes:
        status: HTTP status; None = the answer never arrived.
        counts: what was billed; None = nothing.
        usage_sent: the answer told what was used.
        usd: its list price; 0 where nothing was billed.
    """

    prompt_sha256: str
    status: int | None
    counts: Counts | None
    usage_sent: bool
    usd: Decimal

    @property
    def reason(self) -> Reason:
        """Why the tool need not know this request's tokens; `known` = it was told them."""
        if self.counts is None:
            return "refused"
        if self.status is None:
            return "lost"
        return "known" if self.usage_sent else "untold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call as it was imported.

    Attributes:
        prompt_sha256: None where the log keeps no prompt.
        reused: the tool's own cache answered; nothing was sent.
        failed: the log has no answer of it.
        counts: what the log says; a part that it does not itemise is 0. None = it has no tokens.
        estimated: the counts were made from texts.
    """

    name: str
    prompt_sha256: str | None
    reused: bool
    failed: bool
    counts: Counts | None
    estimated: bool = False


@dataclass(slots=True, kw_only=True)
class Part:
    """Requests of one reason, added up."""

    n_requests: int = 0
    counts: Counts = field(default_factory=Counts)
    usd: Decimal = Decimal(0)

    def add(self, bill: Bill) -> None:
        """Add one request."""
        self.n_requests += 1
        self.counts += bill.counts or Counts()
        self.usd += bill.usd


@dataclass(slots=True, kw_only=True)
class Held:
    """A bill held against a log.

    Attributes:
        parts: the bill's requests by reason; `known` = the log has them to the token.
        total: the whole bill.
        estimated, n_estimated, estimated_usd: tokens that were made from texts, of how many calls, and their price.
        n_calls, n_replays: calls that the log has as sent, and as answered by the tool's own cache.
        wrong: every difference without a reason.
    """

    parts: dict[Reason, Part] = field(default_factory=lambda: defaultdict(Part))
    total: Part = field(default_factory=Part)
    estimated: Counts = field(default_factory=Counts)
    n_estimated: int = 0
    estimated_usd: Decimal = Decimal(0)
    n_calls: int = 0
    n_replays: int = 0
    wrong: list[str] = field(default_factory=list)


def billed(row: Mapping[str, Any], price: Callable[[Mapping[str, Any]], Decimal]) -> Bill:
    """Read one row of the server's billing log; `price` gives the dollars of a row that was billed."""
    usage = row["usage"] if row["billed"] else None
    counts = usage and Counts(
        asked=usage["prompt_tokens"],
        cached=usage["prompt_tokens_details"]["cached_tokens"],
        output=usage["completion_tokens"],
        reasoning=usage["completion_tokens_details"]["reasoning_tokens"],
    )
    return Bill(
        prompt_sha256=row["prompt_sha256"],
        status=row["status"],
        counts=counts,
        usage_sent=row["usage_sent"],
        usd=price(row) if counts else Decimal(0),
    )


def hold(bills: Iterable[Bill], calls: Iterable[Call], *, logs_tokens: bool = True) -> Held:
    """Hold a bill against the calls of a log; `logs_tokens` is False for a tool that keeps no counts at all."""
    held = Held()
    left: dict[str, list[Bill]] = defaultdict(list)
    for bill in bills:
        left[bill.prompt_sha256].append(bill)
        held.total.add(bill)
    sent: list[Call] = []
    for call in calls:
        if call.reused:
            held.n_replays += 1
        else:
            sent.append(call)
    held.n_calls = len(sent)
    # calls that say the most choose first: a failed one takes what is left
    for call in sorted(sent, key=lambda one: (one.failed, one.counts is None)):
        _pair(held, left.get(call.prompt_sha256 or "", []), call, logs_tokens)
    for bill in (one for group in left.values() for one in group):
        if bill.reason in ("refused", "lost"):
            held.parts[bill.reason].add(bill)
        else:
            held.wrong.append(f"answered and not in the log: {bill.counts} of prompt {bill.prompt_sha256[:8]}")
    return held


def _pair(held: Held, left: list[Bill], call: Call, logs_tokens: bool) -> None:
    fits = _fitting(call, logs_tokens)
    bill = next((one for wanted in fits for one in left if wanted(one)), None)
    if bill is None:
        told = "failed" if call.failed else call.counts or "no tokens"
        held.wrong.append(f"in the log and not on the bill: {call.name}, {told}; left on the bill: {_told(left)}")
        return
    left.remove(bill)
    is_told = call.counts is not None and not call.estimated
    reason: Reason = bill.reason if is_told or bill.reason != "known" else "unlogged"
    held.parts[reason].add(bill)
    if call.estimated and call.counts is not None:
        held.estimated += call.counts
        held.n_estimated += 1


def _fitting(call: Call, logs_tokens: bool) -> list[Callable[[Bill], bool]]:
    """Give what a call may be on the bill, the likeliest first."""
    if call.failed:
        return [lambda bill: bill.reason == "lost", lambda bill: bill.reason == "refused"]
    if call.counts is not None and not call.estimated:
        return [lambda bill: bill.reason == "known" and bill.counts == call.counts]
    if logs_tokens and not call.estimated:
        return [lambda bill: bill.reason == "untold"]
    return [lambda bill: bill.status == 200]


def _told(left: Iterable[Bill]) -> str:
    return "; ".join(str(bill.counts) for bill in left if bill.counts is not None) or "nothing"


def hold_report(held: Held, reported: Counts, usd: Decimal) -> None:
    """Hold the sums of a spend report of a log with tokens against the requests that are known, to the last digit."""
    known = held.parts["known"]
    if reported != known.counts:
        held.wrong.append(f"the report says {reported}, the bills of the same requests {known.counts}")
    if usd != known.usd:
        held.wrong.append(f"the report says ${usd}, the bills of the same requests ${known.usd}")


def hold_bound(held: Held, is_lower_bound: bool) -> None:
    """Hold against the bill whether a report says that more was spent than it knows."""
    beyond = [REASONS[reason] for reason in REASONS if held.parts[reason].usd]
    if beyond and not is_lower_bound:
        held.wrong.append(f"the report's cost is no lower bound, although there are {', '.join(beyond)}")


def hold_estimate(held: Held, n_marked: int, usd: Decimal) -> None:
    """Hold an estimate against the bill of the answers that arrived.

    Its sums are within the margins, the report marks all `n_marked` of its calls, and its dollars, which lack what no
    text shows, are not above the bill.
    """
    true, held.estimated_usd = held.parts["unlogged"].counts + held.parts["untold"].counts, usd
    sides = {
        "in": (held.estimated.asked, true.asked),
        "answers": (held.estimated.output, true.output - true.reasoning),
    }
    for name, (estimated, right) in sides.items():
        if abs(estimated - right) > right * ESTIMATE_MARGINS[name]:
            held.wrong.append(f"{name}: {estimated:,} tokens estimated, {right:,} billed: beyond the margin")
    if n_marked != held.n_estimated:
        held.wrong.append(f"the report marks {n_marked} of {held.n_estimated} estimated calls")
    if usd > held.total.usd:
        held.wrong.append(f"${usd} estimated, ${held.total.usd} billed")
