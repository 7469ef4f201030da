"""The table of providers: nothing that is needed to ask, read and price one is missing from its entry."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.errors import ErrorClass
from harness.models import parse_model
from harness.pricing.model_facts import family_of
from harness.pricing.price_files import load_price_book
from harness.providers.catalogue import PROVIDERS, ProviderEntry, entry_of, provider_names, usage_kind_at
from harness.providers.parameters import map_anthropic
from tests.providers.test_provider_contract import NAMES
from tests.usage.test_kinds import PAYLOADS

BOOK = load_price_book(None)


def lacks(name: str, entry: ProviderEntry) -> Iterator[str]:
    """Name what an entry does not have; of providers that are left to litellm only the source is wanted."""
    if not entry.source.startswith("https://") and entry.adapter != "simulated":
        yield "a source"
    if not entry.recorded:
        return
    if not any(parse_model(asked).provider == name for asked in NAMES):
        yield "the contract test"
    if entry.usage_kind not in PAYLOADS:
        yield "a payload of its usage kind"
    if not entry.keys and entry.adapter != "simulated":
        yield "the variable of its key"
    if entry.prices is None and not BOOK.models(name):
        yield 'prices, or prices = "none"'
    if entry.batches and not entry.base_url:
        yield "the address of its batches"


@pytest.mark.parametrize("name", PROVIDERS)
def test_nothing_is_missing_from_an_entry(name: str) -> None:
    assert list(lacks(name, PROVIDERS[name])) == []


def test_a_new_entry_without_payload_key_contract_and_prices_is_not_whole() -> None:
    missing = list(lacks("new", ProviderEntry(source="its page", usage_kind="new.chat")))
    assert missing == [
        "a source",
        "the contract test",
        "a payload of its usage kind",
        "the variable of its key",
        'prices, or prices = "none"',
    ]


def test_every_name_means_one_provider() -> None:
    names = [name for listed, entry in PROVIDERS.items() for name in (listed, *entry.other_names)]
    assert sorted(names) == sorted(set(names)) == sorted(provider_names())
    assert entry_of("gemini") is entry_of("google") is PROVIDERS["google"]


def test_a_provider_that_is_not_listed_is_left_to_litellm_and_nothing_is_taken_for_granted() -> None:
    entry = entry_of("some-host")
    assert (entry.adapter, entry.keys, entry.usage_kind) == ("litellm", (), "openai.chat")
    assert (entry.recorded, entry.free_failures, entry.billed) == (False, False, frozenset())


def test_families_with_their_makers_parameters_are_families_of_the_model_tables() -> None:
    assert PROVIDERS["bedrock"].settings_of_families == {"claude": map_anthropic}
    for name in ("claude-opus-4-6", "us.anthropic.claude-opus-4-6-v1:0", "converse/anthropic.claude-3-haiku"):
        family = family_of(name)
        assert family is not None
        assert (family.name, family.provider) == ("claude", "anthropic")
    assert family_of("not-a-claude") is None


def test_a_host_tells_the_usage_of_its_chat_interface() -> None:
    assert usage_kind_at("api.groq.com") == "groq.chat"
    assert usage_kind_at("api.anthropic.com") == usage_kind_at("127.0.0.1") == "openai.chat"


def test_what_is_billed_of_a_failure_names_statuses_and_classes() -> None:
    assert (400, ErrorClass.CONTENT_FILTER) in PROVIDERS["azure"].billed
    assert PROVIDERS["anthropic"].billed == {(None, ErrorClass.TIMEOUT)}
