"""Imported prices: what lists say becomes dated rows, what they dispute does not, each refusal has a rule."""

from __future__ import annotations

import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError
from harness.pricing import IMPORTED_LAYER, PriceBook
from harness.pricing.lists.genai_data import read_genai
from harness.pricing.lists.importing import Imported, import_lists, read_imported, write_imported
from harness.pricing.lists.installed import list_in_file
from harness.pricing.lists.litellm_map import MAP_FILE, read_litellm
from harness.pricing.lists.quotes import PriceList
from harness.pricing.price_files import load_price_book
from harness.pricing.rates import Terms, rates_in_force
from harness.usage.values import Meter
from tests.support.price_cases import own_book, utc

OLD, NEW = date(2026, 9, 6), date(2026, 11, 22)


def entry(provider: str = "p", mode: str = "chat", **amounts: Any) -> dict[str, Any]:
    costs = {"input_cost_per_token": "1e-6", "output_cost_per_token": "2e-6", **amounts}
    priced = {
        key: Decimal(value) if isinstance(value, str) and "cost" in key else value for key, value in costs.items()
    }
    return {"litellm_provider": provider, "mode": mode, **priced}


def litellm(day: date = NEW, version: str = "2", **entries: dict[str, Any]) -> PriceList:
    return read_litellm({key.replace("__", "/"): value for key, value in entries.items()}, version, day)


def genai(*models: str, provider: str = "p", day: date = NEW) -> PriceList:
    listed = "".join(f"ModelInfo({model})," for model in models)
    page = "pricing_urls=['https://p.example/pricing']"
    text = f"providers: list[Provider] = [Provider(id={provider!r}, {page}, models=[{listed}])]"
    return read_genai(text, "1", day)


def model(name: str, prices: str, more: str = "") -> str:
    return f"id={name!r}, match=ClauseEquals(equals={name!r}), prices={prices}{more}"


PLAIN = "ModelPrice(input_mtok=Decimal('1'), output_mtok=Decimal('2'))"


def book(tmp_path: Path, *imports: list[PriceList]) -> PriceBook:
    for lists in imports:
        write_imported(tmp_path, import_lists(lists, read_imported(tmp_path)))
    return own_book(tmp_path)


def rate(
    prices: PriceBook, at: str, meter: Meter = Meter.INPUT, model: str = "m", provider: str = "p"
) -> Decimal | None:
    found = prices.at(provider, model, utc(at))
    return None if found is None else found.rates.get(meter)


def refused(found: PriceList) -> str:
    (refusal,) = found.refusals
    return refusal.reason


def test_what_both_lists_say_is_imported_with_both_named(tmp_path: Path) -> None:
    prices = book(tmp_path, [litellm(OLD, m=entry()), genai(model("m", PLAIN))])
    found = prices.at("p", "m", utc("2026-11-27"))
    assert found is not None
    assert (found.confidence, found.layer) == ("imported, two sources", IMPORTED_LAYER)
    assert found.source == "litellm 2; genai-prices 1: https://p.example/pricing"
    assert rate(prices, "2026-09-06") == 1
    assert rate(prices, "2026-09-05") is None


def test_what_two_lists_say_differently_is_listed_with_both_figures_and_not_priced(tmp_path: Path) -> None:
    lists = [litellm(m=entry(output_cost_per_token="3e-6")), genai(model("m", PLAIN))]
    (difference,) = import_lists(lists, {}).differences
    assert (difference.key, difference.figures) == ("output", {"litellm 2": Decimal(3), "genai-prices 1": Decimal(2)})
    listed = book(tmp_path, lists).listed("p", "m", utc("2026-11-27"))
    assert listed is not None
    assert listed.price.status == "unpriced"
    assert "output: litellm 2 3, genai-prices 1 2" in listed.price.note


def test_a_price_that_the_lists_dispute_from_now_on_does_not_stay_in_force(tmp_path: Path) -> None:
    disputed = [litellm(m=entry(output_cost_per_token="3e-6")), genai(model("m", PLAIN))]
    prices = book(tmp_path, [litellm(OLD, "1", m=entry())], disputed)
    assert rate(prices, "2026-11-01") == 1
    assert rate(prices, "2026-11-22") is None


def test_a_disputed_fee_leaves_the_tokens_priced_and_itself_unpriced(tmp_path: Path) -> None:
    search = {"search_context_size_low": Decimal("0.025")}
    lists = [
        litellm(m=entry(search_context_cost_per_query=search)),
        genai(model("m", PLAIN.replace(")))", "))").replace("('2'))", "('2'), web_searches_kcount=Decimal('10'))"))),
    ]
    prices = book(tmp_path, lists)
    assert rate(prices, "2026-11-27") == 1
    assert rate(prices, "2026-11-27", Meter.WEB_SEARCH) is None


def test_importing_twice_changes_nothing_and_a_newer_list_appends(tmp_path: Path) -> None:
    old, new = litellm(OLD, "1", m=entry()), litellm(NEW, "2", m=entry(input_cost_per_token="5e-7"))
    prices = book(tmp_path, [old])
    before = (tmp_path / "p.toml").read_text()
    assert import_lists([old], read_imported(tmp_path)).appended == {}
    prices = book(tmp_path, [new], [new])
    after = (tmp_path / "p.toml").read_text()
    assert after.startswith(before.removesuffix("]\n"))
    assert [rate(prices, day) for day in ("2026-09-05", "2026-09-06", "2026-11-21", "2026-11-22")] == [
        None,
        1,
        1,
        Decimal("0.5"),
    ]


def test_an_older_list_imported_later_tells_of_the_days_before(tmp_path: Path) -> None:
    old, new = litellm(OLD, "1", m=entry()), litellm(NEW, "2", m=entry(input_cost_per_token="5e-7"))
    prices = book(tmp_path, [new], [old])
    assert [rate(prices, day) for day in ("2026-09-06", "2026-11-21", "2026-11-22")] == [1, 1, Decimal("0.5")]


def dated(*steps: tuple[str | None, str]) -> str:
    prices = []
    for start, amount in steps:
        day = start and start.replace("-", ", ").replace(" 0", " ")
        constraint = f"StartDateConstraint(start_date=datetime.date({day}))" if day else "None"
        price = f"ModelPrice(input_mtok=Decimal('{amount}'), output_mtok=Decimal('2'))"
        prices.append(f"ConditionalPrice(constraint={constraint}, prices={price})")
    return f"[{', '.join(prices)}]"


def test_past_prices_come_only_with_the_dates_that_a_list_gives(tmp_path: Path) -> None:
    prices = book(tmp_path, [genai(model("m", dated((None, "9"), ("2026-03-01", "3"), ("2026-08-01", "1"))))])
    days = ("2026-02-28", "2026-03-01", "2026-07-31", "2026-08-01")
    assert [rate(prices, day) for day in days] == [None, 3, 3, 1]


def test_an_announced_price_is_not_charged_and_ends_the_one_of_today(tmp_path: Path) -> None:
    prices = book(tmp_path, [genai(model("m", dated((None, "1"), ("2027-01-01", "2"))))])
    assert [rate(prices, day) for day in ("2026-11-22", "2026-12-31", "2027-01-01")] == [1, 1, None]


def test_a_cancelled_rise_leaves_the_price_in_force(tmp_path: Path) -> None:
    announced = genai(model("m", dated((None, "1"), ("2027-01-01", "2"))))
    prices = book(tmp_path, [announced], [genai(model("m", PLAIN), day=date(2026, 12, 24))])
    assert rate(prices, "2027-02-01") == 1


def test_a_list_is_compared_on_the_day_of_the_other_one(tmp_path: Path) -> None:
    changed = genai(model("m", dated((None, "1"), ("2026-10-01", "3"))))
    found = import_lists([litellm(OLD, m=entry()), changed], {})
    assert found.differences == ()


LITELLM_RULES = {
    "zero rate": entry(input_cost_per_token="0", output_cost_per_token="0"),
    "no output rate, or zero": entry(output_cost_per_token="0"),
    "no input rate": entry(input_cost_per_token="0"),
    "not a model that answers: mode rerank": entry(mode="rerank"),
    "the direct API's rates are those of peak hours only": entry("deepseek"),
    "peak rates with hours of its own: a row that knows the hours decides": entry(off_peak_pricing={}),
    "converted currency: the provider's list is in CNY": entry("volcengine"),
    "converted currency: the provider's list is in DBU": entry(input_dbu_cost_per_token="1"),
    "converted currency: the entry says so": entry(metadata={"notes": "converted at 7.1 CNY"}),
    "not a published figure: input 0.13200000000000002": entry(input_cost_per_token="1.3200000000000002e-7"),
    "a negative rate": entry(input_cost_per_token="-1"),
    "not expressible: output_cost_per_second": entry(mode="audio_speech", output_cost_per_second="1"),
    "not expressible: tiers by something else than the prompt's size": entry(tiered_pricing=[{"output": [0, 9]}]),
    "not expressible: a fee on every request that depends on the size of its search": entry(
        "perplexity", search_context_cost_per_query={"search_context_size_low": Decimal(1)}
    ),
}


@pytest.mark.parametrize("reason", LITELLM_RULES)
def test_a_rule_refuses_what_litellm_says(reason: str) -> None:
    assert refused(litellm(m=LITELLM_RULES[reason])) == reason


def test_a_name_of_a_base_for_fine_tuning_is_refused() -> None:
    found = read_litellm({"ft:m": entry()}, "2", NEW)
    assert refused(found) == "the name of a base model, under which no fine-tuned one is called"


def test_an_in_region_id_of_new_claude_at_the_global_rate_is_refused() -> None:
    at_global = entry("bedrock_converse")
    found = read_litellm({f"{place}anthropic.claude-x": at_global for place in ("", "us.", "global.")}, "2", NEW)
    assert [quote.model for quote in found.quotes] == ["global.anthropic.claude-x"]
    assert {refusal.reason for refusal in found.refusals} == {
        "an in-region id at the global rate: in-region costs 10 % more"
    }


TIMED = "TimeOfDateConstraint(start_time=datetime.time(1, 0), end_time=datetime.time(4, 0))"
GENAI_RULES = {
    "zero rate": model("m", "ModelPrice(input_mtok=Decimal('0'))"),
    "no output rate, or zero": model("m", "ModelPrice(input_mtok=Decimal('1'), output_mtok=Decimal('0'))"),
    "peak and off-peak hours without their weekdays: a row that knows them decides": model(
        "m", f"[ConditionalPrice(constraint={TIMED}, prices={PLAIN})]"
    ),
    "converted currency: the entry says so": model("m", PLAIN, ", price_comments='8 CNY converted to USD'"),
    "not expressible: audio_hours": model("m", "ModelPrice(audio_hours=Decimal('1'))"),
}


@pytest.mark.parametrize("reason", GENAI_RULES)
def test_a_rule_refuses_what_genai_prices_says(reason: str) -> None:
    assert refused(genai(GENAI_RULES[reason])) == reason


def test_a_list_of_prices_in_another_currency_is_refused_whole() -> None:
    found = genai(model("m", PLAIN), provider="zhipuai")
    assert refused(found) == "converted currency: the provider's list is in CNY"


def test_a_name_that_a_list_only_begins_with_is_not_taken() -> None:
    match = "ClauseOr(or_=[ClauseEquals(equals='m-1'), ClauseStartsWith(starts_with='m-')])"
    found = genai(f"id='m', match={match}, prices={PLAIN}")
    assert [quote.model for quote in found.quotes] == ["m", "m-1"]


SIZED = {
    "input_cost_per_token_above_200k_tokens": "3e-6",
    "output_cost_per_token_above_200k_tokens": "4e-6",
    "input_cost_per_token_batches": "5e-7",
    "output_cost_per_token_batches": "1e-6",
}


@pytest.mark.parametrize(
    ("provider", "context", "tier", "expected"),
    [
        ("p", 200_000, "standard", "1"),
        ("p", 200_001, "standard", "3"),
        ("xai", 200_000, "standard", "3"),
        ("p", 200_000, "batch", "0.5"),
        ("p", 200_001, "batch", "1.5"),  # half of 3: one factor of the list price
    ],
)
def test_context_tiers_and_batch_hold_together(
    tmp_path: Path, provider: str, context: int, tier: str, expected: str
) -> None:
    price = book(tmp_path, [litellm(m=entry(provider, **SIZED))]).at(provider, "m", utc("2026-11-27"))
    assert price is not None
    card = rates_in_force(price, Terms(at=utc("2026-11-27"), context_tokens=context, tier=tier))
    assert card.usd_per_unit[Meter.INPUT] * 1_000_000 == Decimal(expected)


def test_a_tier_without_a_price_above_the_context_tier_is_left_out(tmp_path: Path) -> None:
    uneven = {**SIZED, "output_cost_per_token_batches": "1.5e-6"}
    price = book(tmp_path, [litellm(m=entry(**uneven))]).at("p", "m", utc("2026-11-27"))
    assert price is not None
    assert rates_in_force(price, Terms(at=utc("2026-11-27"), tier="batch")).unknown_terms == ("tier 'batch'",)
    assert "without batch (not for every size, or uneven)" in price.note


def test_batch_rates_of_an_older_model_are_not_taken(tmp_path: Path) -> None:
    uneven = {"input_cost_per_token_batches": "6.25e-7", "output_cost_per_token_batches": "1e-6"}
    price = book(tmp_path, [litellm(m=entry(**uneven))]).at("p", "m", utc("2026-11-27"))
    assert price is not None
    assert rates_in_force(price, Terms(at=utc("2026-11-27"), tier="batch")).unknown_terms == ("tier 'batch'",)


def test_a_shipped_row_wins_over_an_imported_one_also_in_the_users_folder(tmp_path: Path) -> None:
    write_imported(
        tmp_path, import_lists([read_litellm({"o3": entry("openai"), "o3-new": entry("openai")}, "2", NEW)], {})
    )
    prices = load_price_book(tmp_path)
    assert rate(prices, "2026-11-27", model="o3", provider="openai") == 2
    assert rate(prices, "2026-11-27", model="o3-new", provider="openai") == 1


def test_an_imported_file_that_was_edited_is_read_anew_and_one_that_was_not_is_the_same_book(tmp_path: Path) -> None:
    write_imported(tmp_path, import_lists([read_litellm({"o3-new": entry("openai")}, "2", NEW)], {}))
    before, same = load_price_book(tmp_path), load_price_book(tmp_path)
    (path,) = tmp_path.rglob("*.toml")
    edited = path.read_text(encoding="utf-8").replace('input = "1"', 'input = "3"')
    assert rate(before, "2026-11-27", model="o3-new", provider="openai") == 1
    path.write_text(edited, encoding="utf-8")
    after = load_price_book(tmp_path)
    assert rate(after, "2026-11-27", model="o3-new", provider="openai") == 3
    assert same.sha256 == before.sha256 != after.sha256 == load_price_book(tmp_path).sha256


def test_a_served_name_is_not_taken_for_the_asked_one_because_its_price_is_imported(tmp_path: Path) -> None:
    from harness.costs import find_price

    prices = book(tmp_path, [litellm(m=entry(), m_pro=entry(input_cost_per_token="9e-6"))])
    found, name, _ = find_price(prices, "p", "m", "m_pro_2", utc("2026-11-27"))
    assert (found, name) == (None, "m_pro_2")


def test_a_wheel_says_on_which_day_it_was_built(tmp_path: Path) -> None:
    path = tmp_path / "litellm-1.2.3-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        costs = '"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06'
        text = '{"m": {"litellm_provider": "p", "mode": "chat", ' + costs + "}}"
        wheel.writestr(zipfile.ZipInfo(f"litellm/{MAP_FILE}", (2026, 9, 6, 0, 7, 0)), text)
    found = list_in_file(path, None, NEW)
    assert (found.label, found.stated_on, len(found.quotes)) == ("litellm 1.2.3", OLD, 1)


@pytest.mark.parametrize(("name", "text"), [("x.json", "[]"), ("x.json", "{"), ("data.py", "a = 1"), ("data.py", "(")])
def test_a_file_that_is_no_price_list_says_so(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match="not a price list"):
        list_in_file(tmp_path / name, None, NEW)


def test_a_damaged_line_of_imported_rows_is_named(tmp_path: Path) -> None:
    write_imported(tmp_path, import_lists([litellm(m=entry())], {}))
    path = tmp_path / "p.toml"
    path.write_text(path.read_text().replace('input = "1"', 'input = "a dollar"'))
    with pytest.raises(InputError) as caught:
        own_book(tmp_path).at("p", "m", utc("2026-11-27"))
    assert "p.toml line 7" in str(caught.value.findings[0].where)


def test_every_shipped_imported_file_is_ordinary_toml_with_one_row_a_line() -> None:
    import tomllib

    from harness.pricing.shelves import read_shelves
    from harness.resources import shipped

    for shelf in read_shelves(shipped("pricing")):
        whole = tomllib.loads(shelf.path.read_text("utf-8"))
        assert (whole["layer"], whole["provider"]) == ("imported", shelf.provider)
        assert [row["model"] for row in whole["price"]] == [name for name, _, _ in shelf.lines]
        assert len(list(shelf.rows())) == len(whole["price"])


def test_nothing_found_writes_nothing(tmp_path: Path) -> None:
    write_imported(tmp_path, Imported())
    assert list(tmp_path.iterdir()) == []


def test_a_price_that_was_announced_holds_once_a_list_says_that_it_came(tmp_path: Path) -> None:
    steps = model("m", dated((None, "1"), ("2026-10-01", "2")))
    prices = book(tmp_path, [genai(steps, day=OLD)], [genai(steps, day=NEW)])
    assert [rate(prices, day) for day in ("2026-09-30", "2026-10-01", "2026-11-22")] == [1, 2, 2]


def test_a_newer_list_decides_about_its_own_day_whatever_an_older_one_said_of_a_later_day(tmp_path: Path) -> None:
    dated_back = genai(model("m", dated((None, "9"), ("2026-03-01", "3"))), day=NEW)
    prices = book(tmp_path, [genai(model("m", PLAIN), day=OLD)], [dated_back], [dated_back])
    assert [rate(prices, day) for day in ("2026-09-06", "2026-11-22")] == [1, 3]
    assert len((tmp_path / "p.toml").read_text().splitlines()) == 7 + 3


def test_a_file_of_imported_rows_that_changes_during_a_run_prices_nothing_else(tmp_path: Path) -> None:
    prices = book(tmp_path, [litellm(m=entry())])
    path = tmp_path / "p.toml"
    path.write_text(path.read_text().replace('input = "1"', 'input = "2"'))
    with pytest.raises(InputError, match="changed while it was in use"):
        prices.at("p", "m", utc("2026-11-27"))
