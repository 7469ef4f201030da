"""What attempts come to: what one cost, its answer or its failure, and how often a question was tried before.

Values that senders, scorers and displays hand to each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from harness.declared import request_value
from harness.environments.environment import Verdict
from harness.errors import ProviderError
from harness.ledger.records import SampleOutcome
from harness.providers.base import FinishReason, Response


@request_value
class Spent:
    """What one attempt used and cost.

    Attributes:
        charged_pico: picodollars, rounded up; None = the bill is not known.
        usd: exact dollars; None = not known.
        input_tokens, output_tokens: totals as the provider counts them; None = not known.
    """

    charged_pico: int | None = None
    usd: Decimal | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


UNKNOWN = Spent()
NOTHING = Spent(charged_pico=0, usd=Decimal(0), input_tokens=0, output_tokens=0)


@request_value
class Answer:
    """An answer that is already in the ledger."""

    attempt_id: int
    response: Response
    spent: Spent = UNKNOWN


class AttemptFailed(ProviderError):
    """A failed attempt that is already in the ledger as row `attempt_id`."""

    def __init__(self, attempt_id: int, error: ProviderError) -> None:
        super().__init__(
            error.message,
            error_class=error.error_class,
            http_status=error.http_status,
            retry_after_s=error.retry_after_s,
            billed=error.billed,
        )
        self.attempt_id = attempt_id


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierTries:
    """Attempts of earlier sessions at the same question.

    Attributes:
        made: they count against the limit, and their numbers are taken.
        uncounted: those of them that do not count, because this program ended before they did.
    """

    made: int = 0
    uncounted: int = 0

    @classmethod
    def of(cls, known: SampleOutcome | None) -> EarlierTries:
        """Those of a sample as the ledger knows it."""
        return (
            NO_TRIES if known is None else cls(made=known.last_try_number, uncounted=known.n_open + known.n_cancelled)
        )


NO_TRIES = EarlierTries()


Limit = Literal["usd", "turns", "tokens", "seconds"]
"""What a sample may use up."""


@request_value
class PaidAnswer:
    """An answer that is in the ledger, as far as its score depends on it.

    Attributes:
        text: None = it was paid, but its transcript was not kept and scoring did not happen then.
        sample_scope: the budget that holds its sample alone; None = there is none.
        limit: what its sample has used up, which ended it; None = it ended by itself.
        verdict: what its environment says of the end state; None = there is none, or it was not asked.
        ended: why a conversation was over.
        problem: why its environment gave no verdict; None = it gave one, or was not asked.
    """

    attempt_id: int
    cell_id: int
    planned_id: int
    text: str | None
    finish_reason: FinishReason | str | None
    refused: bool
    sample_scope: str | None = None
    limit: Limit | None = None
    verdict: Verdict | None = None
    ended: str | None = None
    problem: str | None = None
