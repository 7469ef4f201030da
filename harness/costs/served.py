"""How a request was served: all that decides its rates apart from its tokens.

Pure. Data flows ledger rows, payloads and options -> `Served`; with a `Usage` -> the `Terms` of a price.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from harness.pricing.rates import BATCH, PossibleTerms, Terms, named_region, named_speed, named_tier
from harness.usage.values import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """By whom, when and how a request was served, as far as its payload does not say; None = not known.

    Attributes:
        provider, model: as asked for.
        at: completion; the price in force then decides. For a request that is still to be sent, when it is sent.
        started_at: when it was sent; a price that changed in between is warned about.
        model_served: the model that the response names; `find_price` says when its price counts.
        service_tier: asked for, or stated beside the payload.
        mode: `batch` for a batch request, whatever tier the response names.
        thinking: whether thinking was asked for.
    """

    provider: str
    model: str
    at: datetime
    started_at: datetime | None = None
    model_served: str | None = None
    service_tier: str | None = None
    mode: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    thinking: bool | None = None

    @property
    def is_batch(self) -> bool:
        """Whether it was a batch request, which is priced as one whatever tier the response names."""
        named = self.service_tier if self.mode is None else self.mode
        return named is not None and named.lower() == BATCH

    def terms(self, usage: Usage) -> Terms:
        """Say what a price depends on besides the quantities; what the payload says wins over what was asked."""
        context = usage.context_tokens if usage.context_tokens is not None else usage.input_tokens
        return Terms.named(
            self.at,
            context or 0,
            tier=BATCH if self.is_batch else usage.service_tier or self.service_tier,
            speed=usage.speed or self.speed,
            geo=usage.inference_geo or self.inference_geo,
            thinking=_thought(usage, self.thinking),
        )

    def possible_terms(self, context_tokens: int, last: datetime) -> PossibleTerms:
        """Say what is known of the terms of a request that is sent at `at` and completed until `last`."""
        asked = self.service_tier
        return PossibleTerms(
            first=self.at,
            last=last,
            context_tokens=context_tokens,
            tier=BATCH if self.is_batch else None if asked is None else named_tier(asked),
            speed=None if self.speed is None else named_speed(self.speed),
            geo=None if self.inference_geo is None else named_region(self.inference_geo),
        )


def _thought(usage: Usage, asked: bool | None) -> bool | None:
    """Itemised reasoning proves thinking; else what was asked for; else what the payload suggests."""
    if usage.reasoning_tokens:
        return True
    if asked is not None:
        return asked
    return False if usage.thinking is None and usage.reasoning_tokens == 0 else usage.thinking
