"""What an attempt's end says in the ledger: the row of an answer, and the row of a failure.

Pure apart from the pricer's memory. Data flows response or error + pricer -> `AttemptOutcome` and what was spent.
"""

from __future__ import annotations

import dataclasses

from harness.errors import Billed, ErrorClass, ProviderError
from harness.ledger.records import NO_USAGE, AttemptOutcome, SettledStatus, UsageFacts
from harness.providers.base import Response
from harness.runner.pricer import Pricer
from harness.runner.requests.attempt_ends import NOTHING, UNKNOWN, Spent
from harness.runner.requests.item_questions import Question
from harness.usage.bounds import BEYOND_SENSE, COST_IN_DOUBT
from harness.usage.values import NORMALISER_VERSION

_EARLIEST_US = 1_420_070_400_000_000
"""2015: no model that is asked here was served before."""
_CLOCKS_DIFFER_US = 86_400_000_000
_BILL_IN_DOUBT = COST_IN_DOUBT | {BEYOND_SENSE, "charge_beyond_sense", "unreadable_usage"}
_NOTHING_STATED = frozenset({"missing", "zero_usage"})
"""Flags of a usage object that states no tokens at all."""

Finish = tuple[int, tuple[str, str] | None]
"""When an attempt ended, in microseconds UTC, and the flag that this is not what was stated."""


def finish_time(stated_us: int | None, now_us: int) -> Finish:
    """Say when an attempt ended: as stated where that can be true, else now, with a flag; None = just now."""
    if stated_us is None:
        return now_us, None
    if _EARLIEST_US <= stated_us <= now_us + _CLOCKS_DIFFER_US:
        return stated_us, None
    return now_us, ("odd_finish_time", f"it is said to have ended {stated_us / 1e6:.6g} s after 1970")


def answered(
    pricer: Pricer, question: Question, attempt_id: int, response: Response, finish: Finish
) -> tuple[AttemptOutcome, Spent]:
    """Write the row of an answer."""
    finished_at_us, odd = finish
    facts, spent = pricer.settle(
        response.usage_kind,
        response.raw_usage,
        finished_at_us=finished_at_us,
        service_tier=response.service_tier or question.service_tier,
        model_served=response.model_served,
    )
    in_doubt = spent.charged_pico is None and any(name in _BILL_IN_DOUBT for name, _ in facts.flags)
    first_byte_s = response.time_to_first_byte_s
    outcome = AttemptOutcome(
        attempt_id=attempt_id,
        status="succeeded",
        finished_at_us=finished_at_us,
        usage=_flagged(facts, odd),
        charged_pico_usd=spent.charged_pico,
        billed="unknown" if in_doubt else "yes",
        model_served=response.model_served,
        service_tier=response.service_tier,
        provider_request_id=response.provider_request_id,
        first_byte_us=None if first_byte_s is None else int(first_byte_s * 1e6),
        finish_reason=response.finish_reason,
        refused=response.refused,
        normaliser_version=NORMALISER_VERSION,
    )
    return outcome, spent


def failed(
    pricer: Pricer, question: Question, attempt_id: int, error: ProviderError, finish: Finish
) -> tuple[AttemptOutcome, Spent]:
    """Write the row of a failure.

    Usage that a failed answer states was used, whatever the provider's rule says of such answers: it is priced,
    stored and counted against the caps like that of a good answer.
    """
    finished_at_us, odd = finish
    facts, spent, billed = NO_USAGE, UNKNOWN, error.billed
    if error.raw_usage is not None:
        facts, spent = pricer.settle(
            error.usage_kind,
            error.raw_usage,
            finished_at_us=finished_at_us,
            service_tier=error.service_tier or question.service_tier,
            model_served=error.model_served,
        )
        billed = _billed(facts, spent, billed)
    if billed == "no":
        spent = NOTHING
    status: SettledStatus = "timed_out" if error.error_class is ErrorClass.TIMEOUT else "failed"
    outcome = AttemptOutcome(
        attempt_id=attempt_id,
        status=status,
        finished_at_us=finished_at_us,
        usage=_flagged(facts, odd),
        charged_pico_usd=spent.charged_pico,
        billed=billed,
        error_class=error.error_class,
        error_message=error.message,
        http_status=error.http_status,
        model_served=error.model_served,
        service_tier=error.service_tier,
        provider_request_id=error.provider_request_id,
        normaliser_version=NORMALISER_VERSION,
    )
    return outcome, spent


def _flagged(facts: UsageFacts, flag: tuple[str, str] | None) -> UsageFacts:
    return facts if flag is None else dataclasses.replace(facts, flags=(*facts.flags, flag))


def _billed(facts: UsageFacts, spent: Spent, by_rule: Billed) -> Billed:
    """Say whether a failed answer that states its usage is billed; what it states is stronger than a general rule."""
    if spent.charged_pico is not None or facts.output_tokens is not None:
        return "yes" if spent.charged_pico or facts.input_tokens or facts.output_tokens else by_rule
    states_nothing = facts.stated_cost_usd is None and all(name in _NOTHING_STATED for name, _ in facts.flags)
    return by_rule if states_nothing else "unknown"
