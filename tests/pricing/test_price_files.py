"""Price files: what a person may type, every mistake reported at once, layers, and old rows held to their digests."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.pricing import PriceBook
from harness.pricing.digests import broken_digests, read_digests, row_digests
from harness.pricing.price_files import load_price_book
from harness.resources import shipped
from harness.usage import Meter
from tests.support.price_cases import NOON, own_book, utc
from tests.support.shared_data import shared

RECORDED = Path(__file__).resolve().parents[1] / "data" / "pricing_digests.txt"

ROW = """
[[price]]
model = "m"
effective_from = "2025-01-01"
input = "1.1"
output = "4.4"
source = "the price list"
checked_on = 2026-11-22
confidence = "high"
"""


def write(folder: Path, text: str, *, name: str = "p.toml", provider: str = 'provider = "p"\n') -> Path:
    (folder / name).write_text(provider + text)
    return folder


def read(folder: Path, text: str) -> PriceBook:
    return own_book(write(folder, text))


def mistakes(folder: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, text)
    return str(caught.value)


def test_rates_are_kept_as_published(tmp_path: Path) -> None:
    price = read(tmp_path, ROW.replace('"1.1"', '"0.138"')).rows[0]
    assert str(price.rates[Meter.INPUT]) == "0.138"


def test_a_file_that_was_edited_is_read_anew_by_the_same_process(tmp_path: Path) -> None:
    """Its size and its time of change are those of the text that was read before."""
    before = load_price_book(write(tmp_path, ROW))
    times = (tmp_path / "p.toml").stat()
    write(tmp_path, ROW.replace('"1.1"', '"2.2"'))
    os.utime(tmp_path / "p.toml", ns=(times.st_atime_ns, times.st_mtime_ns))
    after = load_price_book(tmp_path)
    inputs = [row.rates[Meter.INPUT] for book in (before, after) for row in book.rows if row.provider == "p"]
    assert inputs == [Decimal("1.1"), Decimal("2.2")]
    assert before.sources != after.sources


def test_a_date_is_midnight_utc_and_an_instant_keeps_its_second(tmp_path: Path) -> None:
    text = ROW + ROW.replace('"2025-01-01"', '"2025-02-08T16:00:00Z"')
    starts = [price.effective_from for price in read(tmp_path, text).rows]
    assert starts == [utc("2025-01-01"), utc("2025-02-08T16:00:00")]


def test_a_zone_other_than_utc_is_converted(tmp_path: Path) -> None:
    price = read(tmp_path, ROW.replace('"2025-01-01"', '"2025-02-09T00:00:00+08:00"')).rows[0]
    assert price.effective_from == utc("2025-02-08T16:00:00")


def test_all_mistakes_are_reported_at_once_with_file_row_and_key(tmp_path: Path) -> None:
    bad = ROW.replace('input = "1.1"', "input = 1.1").replace('source = "the price list"\n', "")
    worse = ROW.replace('model = "m"', 'model = "n"\ncached = "1"').replace('"high"', '"sure"')
    text = mistakes(tmp_path, bad + worse)
    assert re.search(r"p\.toml \[\[price\]\] 1 \(m\) input: write amounts as strings", text)
    assert re.search(r"p\.toml \[\[price\]\] 1 \(m\) source: Field required", text)
    assert re.search(r"p\.toml \[\[price\]\] 2 \(n\) cached: unknown key", text)
    assert re.search(r"p\.toml \[\[price\]\] 2 \(n\) confidence: starts with high", text)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ('input = "-1"\noutput = "4.4"', "not a plain decimal"),
        ('input = "1e3"\noutput = "4.4"', "not a plain decimal"),
        ('input = "1_0"\noutput = "4.4"', "not a plain decimal"),
        ('input = "\u0661"\noutput = "4.4"', "not a plain decimal"),
        ('input = "\uff11"\noutput = "4.4"', "not a plain decimal"),
        ('input = "1.\u0665"\noutput = "4.4"', "not a plain decimal"),
        (f'input = "{"9" * 10_000}"\noutput = "4.4"', "not a plain decimal"),
        (f'input = "0.{"1" * 10_000}"\noutput = "4.4"', "not a plain decimal"),
        ('input = "1"\nfree = true', "is free and has rates"),
        ("", "has no rate; write free = true"),
        ('input = "1"\neffective_until = "2024-12-31"', "effective_until is not after effective_from"),
        ('input = "1"\nwhen = [{ tier = ["flex"] }]', "changes nothing"),
        ('input = "1"\nwhen = [{ over = 1, at_least = 2, multiply = "2" }]', "not both"),
        ('input = "1"\nwhen = [{ hours = ["25:00-26:00"], multiply = "2" }]', "not a UTC time of day"),
        ('input = "1"\nwhen = [{ weekdays = ["monday"], multiply = "2" }]', "not a weekday"),
        ('input = "1"\nwhen = [{ spare = ["input"], input = "2" }]', "spare has no meaning"),
        ('input = "1"\nwhen = [{ over = 9, input = "2" }, { tier = ["flex"], input = "3" }]', "hide a context tier"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused(tmp_path: Path, changed: str, message: str) -> None:
    assert message in mistakes(tmp_path, ROW.replace('input = "1.1"\noutput = "4.4"', changed))


def test_only_a_free_row_may_hold_for_every_model(tmp_path: Path) -> None:
    assert "only a free row" in mistakes(tmp_path, ROW.replace('"m"', '"*"'))


def test_a_naive_instant_is_a_mistake(tmp_path: Path) -> None:
    assert "has no time zone" in mistakes(tmp_path, ROW.replace('"2025-01-01"', '"2025-01-01T10:00:00"'))


def test_two_rows_of_the_same_start_are_a_mistake(tmp_path: Path) -> None:
    assert "the same name and start as p.toml [[price]] 1 (m)" in mistakes(tmp_path, ROW + ROW)


def test_an_alias_that_leads_nowhere_is_a_mistake(tmp_path: Path) -> None:
    alias = '\n[[alias]]\nmodel = "x"\nto = "y"\neffective_from = "open"\nsource = "s"\nchecked_on = 2026-11-22\n'
    assert "leads to no price: p/y" in mistakes(tmp_path, ROW + alias)


def test_a_file_that_is_no_toml_is_a_mistake(tmp_path: Path) -> None:
    assert "not a TOML file" in mistakes(tmp_path, "[[price]\n")


def test_a_file_without_provider_is_a_mistake(tmp_path: Path) -> None:
    write(tmp_path, ROW, provider="")
    with pytest.raises(InputError, match="names no provider"):
        own_book(tmp_path)


def test_a_folder_without_price_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no price files"):
        load_price_book(tmp_path)


def test_a_users_folder_is_laid_over_the_shipped_one_and_recorded(tmp_path: Path) -> None:
    negotiated = ROW.replace('"m"', '"o3"').replace('"1.1"', '"1.5"')
    layered = load_price_book(write(tmp_path, negotiated, provider='provider = "openai"\n'))
    price = layered.at("openai", "o3", NOON)
    assert price is not None
    assert price.rates[Meter.INPUT] == Decimal("1.5")
    assert [(source.name, source.layer) for source in layered.sources if source.layer > 0] == [("p.toml", 1)]
    assert layered.sha256 != load_price_book().sha256


def test_a_self_hosted_model_at_a_declared_rate_needs_only_a_file(tmp_path: Path) -> None:
    declared = ROW.replace('"high"', '"declared"')
    layered = load_price_book(write(tmp_path, declared, provider='provider = "my-server"\n'))
    assert layered.at("my-server", "m", NOON) is not None


def test_old_rows_are_neither_changed_nor_removed() -> None:
    recorded = read_digests(RECORDED)
    assert len(recorded) > 400
    assert broken_digests(recorded, load_price_book()) == ()


def test_changing_or_deleting_an_old_row_breaks_its_digest_and_appending_does_not(tmp_path: Path) -> None:
    before = row_digests(read(tmp_path, ROW))
    appended = read(tmp_path, ROW + ROW.replace("2025-01-01", "2026-01-01"))
    changed = read(tmp_path, ROW.replace('"4.4"', '"4.5"'))
    renamed = read(tmp_path, ROW.replace('"m"', '"n"'))
    assert broken_digests(before, appended) == ()
    assert broken_digests(before, changed) == before
    assert broken_digests(before, renamed) == before


def test_a_better_note_or_source_does_not_break_a_digest(tmp_path: Path) -> None:
    before = row_digests(read(tmp_path, ROW))
    assert broken_digests(before, read(tmp_path, ROW.replace("the price list", "the price list, page 2"))) == ()


def test_shipped_headers_say_how_to_append() -> None:
    for path in shipped("pricing").glob("*.toml"):
        assert "ppend a [[" in path.read_text(), path.name


HOSTS = {"x-ai": "xai", "hosts": None, "image": None}
SPELLINGS = {
    "gpt-4o (alias)": ["gpt-4o"],
    "o1 / o1-2024-12-17": ["o1", "o1-2024-12-17"],
    "gpt-5, gpt-5.1": ["gpt-5"],
    "gemini-2.5-pro (incl. previews)": ["gemini-2.5-pro", "gemini-2.5-pro-preview-05-06"],
    "deepseek-chat / -reasoner (V3.1)": ["deepseek-chat", "deepseek-reasoner"],
    "deepseek-chat / -reasoner (V3.2-Exp, V3.2)": ["deepseek-chat", "deepseek-reasoner"],
    "grok-4.20 / grok-4.3": ["grok-4.20", "grok-4.3"],
    "magistral-medium (25.06..)": ["magistral-medium-2506"],
    "deepseek-r1 / r1-0528": ["deepseek-r1", "r1-0528"],
    "command-a / command-r-plus-08-2024": ["command-a", "command-r-plus-08-2024"],
}


def _first_day(text: str) -> str:
    return text[:10].replace("..", "")[:7].rstrip("-") + "-01" if len(text) < 10 or ".." in text else text.rstrip("Z")


def test_every_row_of_the_seed_is_in_the_shipped_book() -> None:
    shipped_book = load_price_book()
    seen = 0
    for seed in json.loads(shared("prices/price_seed.json").read_text()):
        provider, label = HOSTS.get(seed["provider"], seed["provider"]), seed["model"]
        if provider is None:
            provider, label = label.split(" ", 1)
        for model in SPELLINGS.get(label, [label.split(" (")[0]]):
            start = seed["effective_from"] or "2026-04-01"
            price = shipped_book.at(provider, model, utc(_first_day(start)))
            assert price is not None, (provider, model, start)
            _same_rates(seed, price.rates)
            seen += 1
    assert seen >= 116


def _same_rates(seed: Mapping[str, str | None], rates: Mapping[Meter, Decimal]) -> None:
    for key, meter in (("input", Meter.INPUT), ("output", Meter.OUTPUT)):
        text = seed[key] or ""
        if re.fullmatch(r"\d+(\.\d+)?", text) and text != "0":
            assert rates.get(meter) == Decimal(text), (seed["model"], key)
