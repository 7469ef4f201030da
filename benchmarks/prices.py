"""The price book beside other projects: how many models it prices, whether the sums agree, and how long it takes.

Data flows the installed lists of litellm and genai-prices, the shipped book, and a table of models with the price that
is right (`--table`, markdown) -> four figures. Run as `make proof-prices`; exit code 1 when a figure misses its target.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from harness.costs import Cost, cost_of
from harness.pricing import IMPORTED_LAYER, PriceBook
from harness.pricing.lists.installed import GENAI, LITELLM, installed_list
from harness.pricing.lists.quotes import PriceList, Quote
from harness.pricing.other_lists import card_of, current_quotes, published_rate
from harness.pricing.price_files import load_price_book
from harness.usage import Usage
from harness.usage.values import Meter

AT = datetime(2026, 11, 27, 12, tzinfo=UTC)
GROUPS = frozenset(
    {
        *(
            "anthropic",
            "azure",
            "bedrock",
            "cerebras",
            "cohere",
            "dashscope",
            "deepseek",
            "fireworks",
            "google",
            "groq",
        ),
        *("meta", "minimax", "mistral", "moonshot", "openai", "openrouter", "perplexity", "sambanova", "together"),
        *("xai", "zai"),
    }
)
GENAI_GROUPS = GROUPS - {"sambanova", "dashscope"}
CHAT = {"chat", "completion", "responses"}
_ROW = re.compile(
    r"\| (?P<provider>[a-z_]+)/(?P<model>\S+) \| (?P<litellm>\S+) \| (?P<genai>\S+) \|.*\|(?P<right>[^|]*)\|"
)
SHOWN = (Meter.INPUT, Meter.CACHE_READ, Meter.OUTPUT)


def table_figure(book: PriceBook, table: Path) -> bool:
    """Figure 1: models that people use, each with the price that the table says is right."""
    rows = [found for line in table.read_text("utf-8").splitlines() if (found := _ROW.match(line))]
    wrong, unpriced = [], []
    for row in rows:
        name = f"{row['provider']}/{row['model']}"
        found = book.match(row["provider"], row["model"], AT)
        if found is None:
            listed = book.listed(row["provider"], row["model"], AT)
            unpriced.append(f"{name}: {listed.price.note if listed else 'not listed'}")
            continue
        card = card_of(found, AT)
        ours = [published_rate(card, meter) if meter in card.usd_per_unit else None for meter in SHOWN]
        if not any(_agrees(ours, right) for right in _right(row)):
            wrong.append(f"{name}: ours {ours}, right {_right(row)}")
    n_priced = len(rows) - len(unpriced)
    print(f"1. models in use: {n_priced} of {len(rows)} priced on {AT:%Y-%m-%d}, {n_priced - len(wrong)} as is right")
    for line in (*wrong, *unpriced):
        print(f"   {line}")
    return n_priced >= len(rows) - 3 and not wrong


def _right(row: re.Match[str]) -> list[str]:
    """Give the figures that the table takes for right: what both say, what it decides, or the only one."""
    verdict = row["right"]
    if "not settled" in verdict or "no row is right" in verdict:
        return []
    if re.search(r"genai right|genai\S* right|and genai right", verdict):
        return [row["genai"]]
    if re.search(r"litellm right", verdict) or ("litellm = peak" not in verdict and row["genai"] == "absent"):
        return [row["litellm"]]
    if "litellm = peak" in verdict or "= peak" in verdict or row["litellm"] == "absent":
        return [row["genai"]]
    return [row["litellm"], row["genai"]]


def _agrees(ours: list[Decimal | None], figures: str) -> bool:
    stated = [None if part == "-" else Decimal(part) for part in figures.split("/")]
    pairs = zip(ours, stated, strict=True)
    return all(mine is None or theirs is None or mine == theirs for mine, theirs in pairs) and ours[0] is not None


def name_figures(book: PriceBook, litellm: PriceList, genai: PriceList) -> bool:
    """Figure 2: the lists' own names that the book finds, and why it does not find the others."""
    chat = [name for name, facts in litellm.facts.items() if facts.get("mode") in CHAT and name[0] in GROUPS]
    priced = [name for name in chat if litellm.facts[name]["priced"]]
    ids = list(genai.ids)
    good = True
    for label, names, lists, least in (
        (f"{litellm.label}: priced chat models of {len(GROUPS)} providers", priced, litellm, Decimal("0.95")),
        (
            f"{genai.label}: ids of {len(GENAI_GROUPS)} providers",
            [n for n in ids if n[0] in GENAI_GROUPS],
            genai,
            Decimal("0.9"),
        ),
    ):
        missed = [name for name in names if book.match(*name, AT) is None]
        found = len(names) - len(missed)
        print(f"2. {label}: {found} of {len(names)} found by name ({found / len(names):.1%})")
        why = {(refusal.provider, refusal.model): refusal.reason.partition(":")[0] for refusal in lists.refusals}
        for reason, n in Counter(_why(book, name, why) for name in missed).most_common():
            print(f"   {n:4} {reason}")
        good = good and Decimal(found) / len(names) >= least
    return good


def _why(book: PriceBook, name: tuple[str, str], why: Mapping[tuple[str, str], str]) -> str:
    listed = book.listed(*name, AT)
    if listed is not None:
        return "the lists differ" if "differ" in listed.price.note else "listed as unpriced by a shipped row"
    return why.get(name, "no price at this date")


@dataclass(frozen=True, slots=True)
class Question:
    """One request to price: what, how sold, how much, when."""

    quote: Quote
    tier: str
    usage: Usage
    at: datetime


def questions(litellm: PriceList, genai: PriceList, seed: int) -> Iterator[Question]:
    """Draw requests of models that both lists price, without end."""
    generator = random.Random(seed)
    both = {quote.name: quote for quote in current_quotes(litellm)}
    names = sorted(quote.name for quote in current_quotes(genai) if quote.name in both and quote.name in genai.ids)
    while True:
        quote = both[generator.choice(names)]
        tiers = ["standard", *(word for kind, word in sorted(quote.sales) if kind == "tier")]
        size = generator.choice([500, 20_000, 128_000, 200_000, 200_001, 272_000, 272_001])
        cached = generator.randrange(size) if "cache_read" in quote.rates else 0
        written = generator.randrange(1, 60_000) if "output" in quote.rates else 0
        usage = Usage(input_tokens=size, output_tokens=written, cache_read_tokens=cached)
        at = datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=generator.randrange(6 * 86_400))
        yield Question(quote, generator.choice(tiers), usage, at)


def question_figure(book: PriceBook, litellm: PriceList, genai: PriceList, n_questions: int) -> bool:
    """Figure 5: requests that both libraries can price and price alike, beside ours."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    n_equal = n_asked = n_apart = 0
    explained: Counter[str] = Counter()
    unexplained = []
    for question in questions(litellm, genai, 20261127):
        if n_asked == n_questions:
            break
        one, other = _litellm_usd(question), _genai_usd(question, genai)
        if one is None and other is None:
            continue
        if one is not None and other is not None and not _close(one, other):
            n_apart += 1
            continue
        n_asked += 1
        ours = cost_of(
            book,
            question.usage,
            provider=question.quote.provider,
            model=question.quote.model,
            at=question.at,
            service_tier=question.tier,
        )
        if ours.list_usd is not None and (ours.list_usd == other or (other is None and _close(one, ours.list_usd))):
            n_equal += 1
        elif reason := _explanation(question, ours):
            explained[reason] += 1
        else:
            unexplained.append(
                f"{question.quote.listed_as} {question.tier} {question.usage.input_tokens}: "
                f"ours {ours.list_usd} {ours.warnings}, litellm {one}, genai-prices {other}"
            )
    print(f"5. {n_asked} random requests that a library prices, and both alike where both do: {n_equal} equal")
    print(f"   ({n_apart} more on which the libraries part)")
    for reason, n in explained.most_common():
        print(f"   {n:4} {reason}")
    for line in unexplained[:10]:
        print(f"   unexplained: {line}")
    return not unexplained


def _explanation(question: Question, ours: Cost) -> str | None:
    """Name the rule by which ours is another amount."""
    if ours.list_usd is None:
        if any("is sold at" in warning or "tier" in warning for warning in ours.warnings):
            return (
                f"{question.tier} is not priced: no rate for this size, or uneven batch rates, or one that is disputed"
            )
        return "unpriced: the lists differ on another rate of the model" if ours.price is None else None
    if ours.price is not None and ours.price.layer > IMPORTED_LAYER:
        return "a shipped row decides, which names its own source"
    return None


def _close(one: Decimal | None, other: Decimal) -> bool:
    """Compare with what a library computes in binary fractions: equal in twelve digits."""
    return one is not None and abs(one - other) <= max(abs(one), abs(other)) * Decimal("1e-12")


def _litellm_usd(question: Question) -> Decimal | None:
    """Ask litellm; None where it has no price, or names rates of a tier that its calculator does not charge."""
    if question.tier == "standard":
        return _litellm_at(question, None)
    if question.tier == "batch":
        return None
    usd = _litellm_at(question, question.tier)
    return None if usd == _litellm_at(question, None) else usd


def _litellm_at(question: Question, tier: str | None) -> Decimal | None:
    import litellm

    litellm.suppress_debug_info = True
    usage = question.usage
    try:
        parts = litellm.cost_per_token(
            model=question.quote.listed_as,
            prompt_tokens=usage.input_tokens or 0,
            completion_tokens=usage.output_tokens or 0,
            cache_read_input_tokens=usage.cache_read_tokens or 0,
            service_tier=tier,
        )
    except Exception:  # noqa: BLE001 - a model that the library cannot price has no figure to compare with
        return None
    return Decimal(repr(sum(parts)))


def _genai_usd(question: Question, genai: PriceList) -> Decimal | None:
    from genai_prices import Usage as Counts
    from genai_prices import calc_price

    usage = question.usage
    listed, _, model = genai.ids[question.quote.name].partition("/")
    context: dict[str, Any] = {}
    if question.tier != "standard":
        context = {"processing": "batch"} if question.tier == "batch" else {"service_tier": question.tier}
    quote = next(each for each in genai.quotes if each.name == question.quote.name)
    if question.tier != "standard" and not any(word == question.tier for _, word in quote.sales):
        return None
    cached = {"cache_read_tokens": usage.cache_read_tokens} if usage.cache_read_tokens else {}
    counts = Counts(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, **cached)
    try:
        priced = calc_price(
            counts, model, provider_id=listed, genai_request_timestamp=question.at, price_context=context or None
        )
    except (LookupError, ValueError):
        return None
    return Decimal(priced.total_price) if f"{priced.provider.id}/{priced.model.id}" == f"{listed}/{model}" else None


def time_figure() -> bool:
    """Load time of the book, and what a look-up adds, beside the same book without imported rows."""
    loads, looks = [], []
    for _ in range(7):
        begun = time.perf_counter()
        book = load_price_book()
        loads.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        book.match("openrouter", "moonshotai/kimi-k3", AT)
        looks.append(time.perf_counter() - begun)
    assert book.imported is not None
    n_rows = sum(len(book.imported.texts(provider)) for provider in book.imported.providers)
    load_s, look_s = statistics.median(loads), statistics.median(looks)
    print(
        f"load: {load_s:.3f} s for {len(book.rows)} rows and {n_rows} imported ones ({n_rows / len(book.rows):.0f}x);"
        f" first look into {len(book.imported.texts('openrouter'))} of them {look_s * 1000:.1f} ms"
    )
    return load_s < 0.15


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, help="table of models with the right price (markdown)")
    parser.add_argument("--questions", type=int, default=2000)
    options = parser.parse_args()
    book = load_price_book()
    litellm, genai = installed_list(LITELLM, AT.date()), installed_list(GENAI, AT.date())
    if litellm is None or genai is None:
        print("litellm and genai-prices must be installed", file=sys.stderr)
        return 2
    good = [time_figure()]
    if options.table is not None and options.table.is_file():
        good.append(table_figure(book, options.table))
    else:
        print("1. skipped: no table of models (DATA=DIR: the folder that has it)")
    good.append(name_figures(book, litellm, genai))
    good.append(question_figure(book, litellm, genai, options.questions))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
