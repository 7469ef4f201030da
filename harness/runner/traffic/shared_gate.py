"""How fast one model may be asked by this worker, where the workers of a run share its limits.

One `SharedGate` per model and sender, beside `Gate`. It does no I/O and does not wait: `SharedPaces` carries what it
asks to the ledger and what it hears back. The clock is an argument. Data flows: requests take from blocks of the shared
buckets; refusals and headers of this worker's answers -> the ledger -> the gates of all workers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from harness.errors import ProviderError
from harness.ledger.leases.pace_records import NOTHING, Learned, PaceAnswer, PaceAsk, SharedPace, Taken, Wanted
from harness.ledger.leases.pace_rows import HEARD_WITHIN_S
from harness.runner.traffic.allowance import Allowance, Block
from harness.runner.traffic.gate import LONG_S, NO_HEADERS, SLOWS_DOWN
from harness.runner.traffic.pace import Window, refill_when_short
from harness.runner.traffic.shared_learning import (
    FREE_SHARE,
    PACED_SHARE,
    SeenLately,
    learned_anew,
    learned_per_s,
    told,
)

LOOK_S = HEARD_WITHIN_S
"""How often a worker looks at what others have learned."""
LONGEST_UNSEEN_S = 2 * LOOK_S
"""Nothing is sent by what was known longer ago than that: others may have been told to pause."""
BLOCK_S = 0.5
"""A block is at most so many seconds of all that the workers may send together."""
BURST_S = 0.5
"""So many seconds' worth gather at most while nobody sends; providers enforce limits over short windows."""
LEARNED_BURST_S = 0.1
UNDECIDED_S = 2 * LOOK_S
"""After refusals without a known limit: until every worker has told what it saw of them."""
_OTHER_RATE = 0.05


class SharedGate:
    """This worker's part of what all workers may send to one model.

    Args:
        wake: called when there is something to ask of the ledger that should not wait.
        now: the wall clock, for headers that state an instant.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        wake: Callable[[], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.clock = clock
        self._wake = wake
        self._now = now
        self._pace: SharedPace | None = None
        self._seen_s = float("-inf")
        self._is_used = False
        self._server_ahead_s = 0.0
        self._requests = _Bucket()
        self._tokens = _Bucket()
        self._paused_until_s = 0.0
        self._pause_untold_s: float | None = None
        self._suspects_since_s: float | None = None
        self._holds_until_s = 0.0
        self._changed_s = float("-inf")
        self._change: Learned | None = None
        self._window = Window()
        self._seen = SeenLately()
        self._tells = False
        self._n_sent = 0
        self._n_refused = 0
        self._first_untold_s = self._last_sent_s = 0.0

    # what the line asks of it

    def wait_s(self, tokens: int) -> float:
        """Seconds until a request may enter, as far as is known: 0 = now."""
        now_s = self.clock()
        self._is_used = True
        if now_s > self._seen_s + LONGEST_UNSEEN_S:
            self._wake()
            return LOOK_S
        wait_s = max(self._paused_until_s, self._holds_until_s) - now_s
        if wait_s <= 0.0:
            requests, tokens_in = self._inflows(now_s)
            wait_s = max(
                self._requests.wait_s(1.0, requests, now_s), self._tokens.wait_s(float(tokens), tokens_in, now_s)
            )
            if wait_s > 0.0:
                self._wake_if_hungry(now_s)
        return max(0.0, wait_s)

    def enter(self, tokens: int) -> float:
        """Take a place; returns the instant on the gate's clock, which `leave` wants back."""
        now_s = self.clock()
        self._window.add(now_s)
        if not self._n_sent:
            self._first_untold_s = now_s
        self._last_sent_s = now_s
        self._n_sent += 1
        self._requests.take(1.0)
        self._tokens.take(float(tokens))
        self._wake_if_hungry(now_s)
        return now_s

    def leave(
        self, entered_s: float, error: ProviderError | None = None, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        """Give the place back and learn from how the request ended; arguments as of `Gate.leave`."""
        if error is None:
            if headers:
                self._heed(headers)
        elif error.error_class in SLOWS_DOWN:
            self._refused(entered_s, error.retry_after_s or 0.0)

    def _refused(self, entered_s: float, retry_after_s: float) -> None:
        now_s = self.clock()
        is_signal = False
        if entered_s > self._changed_s:  # what left before the last change says nothing about it
            self._n_refused += 1
            self._window.refuse(entered_s)
            is_limited = self._inflows(now_s)[0] is not None
            is_signal = self._window.share_surely_refused() > (PACED_SHARE if is_limited else FREE_SHARE)
            if is_signal and not is_limited and self._suspects_since_s is None:
                self._suspects_since_s = now_s
                self._holds_until_s = now_s + 2 * UNDECIDED_S  # unless it is decided before
        if retry_after_s >= LONG_S or (is_signal and retry_after_s):
            until_s = now_s + retry_after_s
            if until_s > self._paused_until_s:
                self._paused_until_s = until_s
                self._pause_untold_s = until_s
        self._wake()

    def _heed(self, headers: Mapping[str, str]) -> None:
        """Slow all workers down before the first refusal, where an answer says that a limit is nearly used up."""
        pace = self._pace
        if pace is None:
            return
        learned = self._change or pace.learned
        per_s = refill_when_short(headers, "requests", self._now)
        known_per_s = learned_per_s(pace.learned, self._server_us(self.clock()))
        if per_s is not None and (known_per_s is None or abs(per_s - known_per_s) > _OTHER_RATE * known_per_s):
            self._change = learned = told(per_s, learned)
        tokens_per_s = refill_when_short(headers, "tokens", self._now)
        if tokens_per_s is not None:
            per_minute = max(1.0, tokens_per_s * 60.0)
            if per_minute < min(pace.tokens_per_minute or per_minute + 1, learned.tokens_per_minute or per_minute + 1):
                self._change = learned = _with_tokens(learned, per_minute)
        if self._change is not None:
            self._wake()

    # what is carried to the ledger and back

    def ask(self) -> PaceAsk | None:
        """Say what to tell and to ask of the ledger; None = reading how things stand is enough."""
        pace, now_s = self._pace, self.clock()
        if pace is None:
            return None
        requests, tokens = self._inflows(now_s)
        change = self._change or self._decision(pace, now_s)
        is_watched = requests is not None or bool(pace.learned.n_refused or self._n_refused or self._window.refused)
        pause_s = None if self._pause_untold_s is None else self._pause_untold_s - now_s
        first_sent_s = self._first_untold_s if self._tells else self._window.since_s
        is_paused = change is not None or now_s < self._paused_until_s
        asked = PaceAsk(
            n_changes=pace.n_changes,
            requests=self._requests.wanted(requests, now_s, is_paused=is_paused),
            tokens=self._tokens.wanted(tokens, now_s, is_paused=is_paused),
            n_sent=self._told_sent if is_watched else 0,
            n_refused=self._told_refused if is_watched else 0,
            first_sent_us=self._server_us(first_sent_s) if self._told_sent else 0,
            last_sent_us=self._server_us(self._last_sent_s) if self._told_sent else 0,
            pause_us=None if pause_s is None or pause_s <= 0.0 else round(pause_s * 1e6),
            change=change,
        )
        has_counts = bool(asked.n_sent or asked.n_refused)
        is_idle = not (has_counts or asked.requests.amount or asked.tokens.amount)
        has_more = asked.requests.back or asked.tokens.back or asked.pause_us is not None or change is not None
        return None if is_idle and not has_more else asked

    @property
    def _told_sent(self) -> int:
        return self._n_sent if self._tells else self._window.sent

    @property
    def _told_refused(self) -> int:
        return self._n_refused if self._tells else self._window.refused

    def _decision(self, pace: SharedPace, now_s: float) -> Learned | None:
        """Look at what all workers together were refused."""
        per_s = learned_per_s(pace.learned, self._server_us(now_s))
        if per_s is None:
            if self._suspects_since_s is None or self._seen_s < self._suspects_since_s + UNDECIDED_S:
                return None
            self._suspects_since_s, self._holds_until_s = None, 0.0
        return learned_anew(pace.learned, self._seen.seen(), self._server_us(now_s))

    def heard(self, asked: PaceAsk, answer: PaceAnswer) -> None:
        """Take in what the ledger answered."""
        now_s = self.clock()
        if asked.n_sent or asked.n_refused:
            self._n_sent, self._n_refused = (
                (self._n_sent - asked.n_sent, self._n_refused - asked.n_refused) if self._tells else (0, 0)
            )
            self._tells = True
        if asked.pause_us is not None:
            self._pause_untold_s = None
        starts_s = max(now_s, self._local_s(answer.pace.paused_until_us, answer.pace.now_us, now_s))
        self._requests.got(asked.requests, answer.requests, starts_s)
        self._tokens.got(asked.tokens, answer.tokens, starts_s)
        self.see(answer.pace)

    def see(self, pace: SharedPace) -> None:
        """Take in how things stand, by whomever they were changed."""
        now_s, before = self.clock(), self._pace
        self._pace = pace
        self._seen_s = now_s
        self._is_used = False
        self._server_ahead_s = pace.now_us / 1e6 - now_s
        until_s = self._local_s(pace.paused_until_us, pace.now_us, now_s)
        if until_s > max(now_s, self._paused_until_s):
            self._paused_until_s = until_s
        if now_s < self._paused_until_s:
            self._give_back()
        if before is not None and pace.n_changes != before.n_changes:
            self._begin_anew(now_s)
        self._seen.add(pace)

    def _begin_anew(self, now_s: float) -> None:
        self._changed_s = now_s
        self._change = None
        self._suspects_since_s, self._holds_until_s = None, 0.0
        self._window = Window()
        self._seen.clear()
        self._tells = True
        self._n_sent = self._n_refused = 0
        self._requests.void()
        self._tokens.void()

    def give_up(self) -> None:
        """Have what was taken given back with the next ask, and take nothing more."""
        self._give_back()
        self._requests.hungry = self._tokens.hungry = False

    def _give_back(self) -> None:
        self._requests.give_back()
        self._tokens.give_back()

    @property
    def is_stale(self) -> bool:
        """Whether it is time to look at what others have learned."""
        return self._is_used and self.clock() >= self._seen_s + LOOK_S

    def next_look_s(self) -> float:
        """Seconds until there is something to ask or to look at."""
        now_s = self.clock()
        asks_in_s = (bucket.asks_in_s(now_s, LONGEST_UNSEEN_S) for bucket in (self._requests, self._tokens))
        look_in_s = self._seen_s + LOOK_S - now_s if self._is_used else LOOK_S
        return max(0.0, min(look_in_s, *asks_in_s))

    def _wake_if_hungry(self, now_s: float) -> None:
        if any(bucket.hungry and bucket.not_before_s <= now_s for bucket in (self._requests, self._tokens)):
            self._wake()

    def _inflows(self, now_s: float) -> tuple[_Inflow | None, _Inflow | None]:
        """Requests and tokens that flow in for all workers together; None = no limit."""
        pace = self._pace
        if pace is None:
            return None, None
        requests = None
        if pace.requests_per_minute is not None:
            asked_per_s = pace.requests_per_minute / 60.0
            requests = _Inflow(asked_per_s, max(1.0, asked_per_s * BURST_S))
        per_s = learned_per_s(pace.learned, self._server_us(now_s))
        if per_s is not None and (requests is None or per_s < requests.per_s):
            requests = _Inflow(per_s, per_s * LEARNED_BURST_S)
        known = [one for one in (pace.tokens_per_minute, pace.learned.tokens_per_minute) if one is not None]
        tokens = None if not known else _Inflow(min(known) / 60.0, min(known) / 60.0 * BURST_S)
        return requests, tokens

    def _server_us(self, now_s: float) -> int:
        return round((now_s + self._server_ahead_s) * 1e6)

    @staticmethod
    def _local_s(at_us: int, now_us: int, now_s: float) -> float:
        return now_s + (at_us - now_us) / 1e6


class _Inflow(NamedTuple):
    """What flows into a bucket a second, and how much of it gathers at most."""

    per_s: float
    most: float


class _Bucket:
    """This worker's part of one bucket: what it holds, whether that is too little, and how much it takes at once."""

    def __init__(self) -> None:
        self._held = Allowance()
        self._back = 0.0
        self._per_take = 1.0
        self._first = 0.0
        self._is_limited = False
        self._is_needed = False
        self.hungry = False
        self.not_before_s = 0.0

    def wait_s(self, amount: float, inflow: _Inflow | None, now_s: float) -> float:
        """Seconds until so much is there; an amount above the burst waits for a full bucket."""
        self._is_limited = inflow is not None
        if inflow is None:
            return 0.0
        self._is_needed = True
        if self._held.left < amount:
            self.hungry = True
            self._first = max(self._first, amount - self._held.left)
            return max(0.001, min(LOOK_S, self.not_before_s - now_s))
        at_s = self._held.there_at_s(min(amount, max(1.0, inflow.most)))
        return LOOK_S if at_s is None else at_s - now_s

    def take(self, amount: float) -> None:
        """Spend."""
        self._is_needed = True
        self._held.take(amount)
        self.hungry = self._is_limited and (self.hungry or 2.0 * self._held.left < self._per_take)

    def wanted(self, inflow: _Inflow | None, now_s: float, *, is_paused: bool) -> Wanted:
        """Say what to take and to give back."""
        if inflow is None:
            self.hungry = False
            self.give_back()
            return Wanted(back=self._back) if self._back else NOTHING
        if not self.hungry and not self._is_needed:
            self.give_back()  # others may starve for it
            self._per_take = 1.0
        amount = 0.0
        if self.hungry and not is_paused and now_s >= self.not_before_s:
            amount = max(1.0, self._first, min(inflow.per_s * BLOCK_S, self._per_take) - self._held.left)
        return Wanted(per_s=inflow.per_s, most=inflow.most, amount=amount, first=self._first, back=self._back)

    def got(self, wanted: Wanted, taken: Taken, starts_s: float) -> None:
        """Take in what was given."""
        self._back -= wanted.back
        self._is_needed = False
        if not wanted.amount or wanted.per_s is None:
            return
        if taken.amount > 0.0:
            block = Block(amount=taken.amount, level=taken.level, per_s=wanted.per_s, from_s=starts_s)
            self._held.add(block)
            self._per_take = max(self._per_take, 2.0 * wanted.amount)
            self._per_take = min(self._per_take, max(1.0, self._first, wanted.per_s * BLOCK_S))
            self.not_before_s = 0.0
            self.hungry = False
            self._first = 0.0
        else:
            self.not_before_s = starts_s + min(LOOK_S, 1.0 / wanted.per_s)

    def asks_in_s(self, now_s: float, longest_s: float) -> float:
        """Seconds until it wants to take something."""
        return max(0.0, self.not_before_s - now_s) if self.hungry else longest_s

    def give_back(self) -> None:
        """Let go of what was not used."""
        self._back += self._held.give_back()

    def void(self) -> None:
        """Forget what was taken at another rate."""
        self._held.give_back()
        self._back = 0.0
        self.not_before_s = 0.0


def _with_tokens(learned: Learned, per_minute: float) -> Learned:
    return replace(learned, tokens_per_minute=per_minute)
