"""What a report is asked about other prices: another date, batch rates, no cache, other models for the same tokens.

Pure. Data flows the words of `--as-of` and `--what-if` -> `Pricing` -> what `charger` prices.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from harness.costs.served import Served
from harness.errors import InputError, similar
from harness.pricing.book import PriceBook
from harness.usage.values import Usage

Name = tuple[str, str]
"""Provider and model."""
FIX = "ask batch, no-cache, model=provider/name (all rows) or provider/name=provider/name (rows of one model)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """Which prices to use.

    Attributes:
        as_of: one instant for all; None = each attempt at its own completion.
        batch: everything at batch rates.
        no_cache: cached input as if it had been read anew.
        model: another model's prices (provider, model) for the same tokens; None = its own.
        replaced: the same for the rows of some models only: (asked, whose prices).
    """

    as_of: datetime | None = None
    batch: bool = False
    no_cache: bool = False
    model: Name | None = None
    replaced: tuple[tuple[Name, Name], ...] = ()

    @property
    def as_it_was(self) -> bool:
        """Whether nothing is asked but what was charged."""
        return self == AS_IT_WAS

    def of(self, provider: str, model: str) -> Pricing:
        """Give what is asked about one model."""
        if not self.replaced:
            return self
        return replace(self, model=dict(self.replaced).get((provider, model), self.model), replaced=())

    def served(self, served: Served) -> Served:
        """Say how a request would have been served, as far as prices go: another model was asked for plainly."""
        mine = self.of(served.provider, served.model)
        if mine.as_it_was:
            return served
        at, mode = mine.as_of or served.at, "batch" if mine.batch else None
        if mine.model is None:
            return replace(served, at=at, mode=mode or served.mode)
        provider, model = mine.model
        return Served(provider=provider, model=model, at=at, mode=mode, thinking=served.thinking)

    def usage(self, usage: Usage, served: Served) -> Usage:
        """Say what a request would have used, and been told: nobody states what another price would have charged."""
        mine = self.of(served.provider, served.model)
        if mine.as_it_was:
            return usage
        usage = replace(usage, stated_cost_usd=None)
        if mine.no_cache:
            usage = usage.without_cache()
        if mine.model is not None:
            usage = replace(usage, served_model=None, service_tier=None, speed=None, inference_geo=None)
        return usage


AS_IT_WAS = Pricing()


def joined(questions: Sequence[str]) -> str | None:
    """Join the questions of a repeated option; None for none."""
    return ",".join(questions) or None


def parse_pricing(as_of: datetime | None, what_if: str | None) -> Pricing:
    """Read the questions of `--as-of` and `--what-if`.

    Raises:
        InputError: a question that is not known, or that contradicts another.
    """
    if as_of is not None and as_of.tzinfo is None:
        as_of = as_of.replace(tzinfo=UTC)
    pricing = Pricing(as_of=as_of)
    replaced: dict[Name | None, Name] = {}
    for question in filter(None, (part.strip() for part in (what_if or "").split(","))):
        if question == "batch":
            pricing = replace(pricing, batch=True)
        elif question == "no-cache":
            pricing = replace(pricing, no_cache=True)
        else:
            asked, name = _replacement(question)
            if replaced.setdefault(asked, name) != name:
                about = "/".join(asked) if asked else "model"
                raise InputError(f"{about} is asked about twice: {what_if!r}", where="--what-if", fix="name one model")
    return replace(pricing, model=replaced.pop(None, None), replaced=_named(replaced))


def _replacement(question: str) -> tuple[Name | None, Name]:
    """Read `provider/name=provider/name`, or `model=provider/name` for all rows (None)."""
    asked, _, wanted = question.partition("=")
    name = _name(wanted, question)
    return None if asked == "model" else _name(asked, question), name


def _named(replaced: Mapping[Name | None, Name]) -> tuple[tuple[Name, Name], ...]:
    return tuple((asked, name) for asked, name in replaced.items() if asked is not None)


def _name(text: str, question: str) -> Name:
    provider, slash, model = text.partition("/")
    if not (slash and provider and model) or "@" in text:
        raise InputError(f"not a question: {question!r}", where="--what-if", fix=FIX)
    return provider, model


def check_names(pricing: Pricing, book: PriceBook, asked: Collection[Name]) -> None:
    """Refuse models that cannot be asked about: no price at any date, or no row of that name.

    Args:
        asked: the models of the report.

    Raises:
        InputError: with similar names.
    """
    wanted = [name for _, name in pricing.replaced] + ([pricing.model] if pricing.model else [])
    for provider, model in wanted:
        if not book.reachable(provider, model):
            listed = {f"{row.provider}/{row.model}" for row in book.rows}
            listed |= {f"{alias.provider}/{alias.model}" for alias in book.aliases}
            raise InputError(
                f"the price book knows no {provider}/{model}{_similar(f'{provider}/{model}', listed)}",
                where="--what-if",
                fix="see: benchtab prices list; or add a [[price]] and pass --pricing DIR",
            )
    for (provider, model), _ in pricing.replaced:
        if (provider, model) not in asked:
            rows = ", ".join(sorted({"/".join(name) for name in asked}))
            raise InputError(
                f"no row of the report is of {provider}/{model}", where="--what-if", fix=f"name one of: {rows}"
            )


def _similar(name: str, known: Collection[str]) -> str:
    found = similar(name, known)
    tail = name.partition("/")[2]
    found += [one for one in sorted(known) if one.partition("/")[2] == tail and one not in found][:3]
    return f"; similar: {', '.join(found[:4])}" if found else ""
