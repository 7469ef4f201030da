"""One line of an account: what was used in a stretch of time, what it cost, or one request with both."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

NOT_BATCH = "not batch"
"""The tier of what an account tells from batches alone."""
RowKind = Literal["usage", "cost", "request"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTokens:
    """Disjoint tokens; None = the account does not say.

    Attributes:
        input: uncached, and cached or written where the account cannot tell them apart.
        cache_write: for five minutes, or for the provider's only lifetime.
        cache_write_1h: for an hour or longer.
        output: everything generated, reasoning included.
        reasoning: of the output.
    """

    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    output: int | None = None
    reasoning: int | None = None

    @property
    def total(self) -> int:
        """All tokens; what is not known counts as none."""
        parts = (self.input, self.cache_read, self.cache_write, self.cache_write_1h, self.output)
        return sum(part or 0 for part in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """One line of an account.

    Attributes:
        start_us, end_us: stretch of time, the end excluded; both the same for a request.
        model: as the account names it; None = not told apart.
        tier: as the account names it, `batch` for batches, `NOT_BATCH` for all others together; None = not told apart.
        meter: what a cost is for, in the account's words; None = everything.
        n_requests: None = the account does not count them.
        request_id: the provider's id of a request.
        billed_usd: what is owed; None = the row is of usage alone.
        list_usd: before discounts; None = not said.
        own_key_usd: what somebody else's account pays for it: not part of `billed_usd`.
        n_hidden_retries: further requests that the account tried for this one.
        project: project, workspace or name of the key.
    """

    kind: RowKind
    provider: str
    start_us: int
    end_us: int
    model: str | None = None
    tier: str | None = None
    meter: str | None = None
    tokens: AccountTokens | None = None
    n_requests: int | None = None
    request_id: str | None = None
    billed_usd: Decimal | None = None
    list_usd: Decimal | None = None
    own_key_usd: Decimal | None = None
    n_hidden_retries: int = 0
    n_web_searches: int = 0
    project: str | None = None
