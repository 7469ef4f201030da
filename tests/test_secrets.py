"""Keys, tokens and passwords: what is masked in messages, in a model's words, in addresses, and what is left alone."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from harness.errors import ErrorClass, Finding, InputError, ProviderError
from harness.providers.base import Response
from harness.providers.batch_api.batch_results import failure_in
from harness.providers.batch_api.fields import is_usable_id
from harness.providers.failures import failure_from_http
from harness.providers.wire.raw_answers import Received
from harness.secrets import (
    MASK,
    learn,
    learn_environment,
    learn_url,
    masked_settings,
    redact,
    redact_known,
    redact_url,
    redact_values,
)
from tests.providers.test_provider_failures import NOW


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Incorrect API key provided: sk-proj-abc123def456ghi.", "Incorrect API key provided: [redacted]."),
        ("key sk-ant-api03-AAAABBBBCCCC-dd is invalid", "key [redacted] is invalid"),
        ("key sk-ab***yz is invalid", "key [redacted] is invalid"),
        ("key_live_51Habc123 and key-0a1b2c3d4e", "[redacted] and [redacted]"),
        ("v1beta/models?key=AIzaSyA1234567890abc&alt=sse failed", "v1beta/models?key=[redacted]&alt=sse failed"),
        ("headers: {'x-api-key': 'abcd1234efgh'}", "headers: {'x-api-key': '[redacted]'}"),
        ("Authorization: Bearer abcdefgh12345678", "Authorization: Bearer [redacted]"),
        ("postgresql://me:hunter22@host/db is down", "postgresql://me:[redacted]@host/db is down"),
        ("proxy me:hunter22@host:3128 is down", "proxy me:[redacted]@host:3128 is down"),
        ("gsk_abcdefghijklmnop hf_abcdefghij0123456789", "[redacted] [redacted]"),
        ("xai-abcdefghijklmnop", "[redacted]"),
        ("?a=1&access_token=ya29.abc&x=2", "?a=1&access_token=[redacted]&x=2"),
        ("?X-Amz-Signature=abcdef&b=2", "?X-Amz-Signature=[redacted]&b=2"),
        ("?sig=ab%2Fcd&sv=2024", "?sig=[redacted]&sv=2024"),
        ("client_secret=abcdefg refresh_token: abcdefg", "client_secret=[redacted] refresh_token: [redacted]"),
        ("host=h password=hunter22 user=me", "host=h password=[redacted] user=me"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc_-9 expired", "[redacted] expired"),
    ],
)
def test_what_looks_like_a_key_is_masked_in_messages(text: str, kept: str) -> None:
    assert redact(text) == kept
    assert redact(kept) == kept


@pytest.mark.parametrize(
    "text",
    [
        "Rate limit reached for o1: limit 500, used 500",
        "task-based risk-free ask-me",
        "no API key for openai: the environment variable OPENAI_API_KEY is not set",
        "export OPENAI_API_KEY=...",
        "unknown key: tmperature",
        "at key_parameters_of_a_task in suite.toml: 3",
        "postgresql+psycopg://user@host/database",
        "",
    ],
)
def test_ordinary_messages_are_left_as_they_are(text: str) -> None:
    assert redact(text) == text


def test_hostile_messages_of_megabytes_are_cut_and_masked() -> None:
    for piece in ("a-", "key-", "://a:", "x.", "eyJaaaaaaaa-", "password ", "bearer  ", "key=a", "1:"):
        assert len(redact(piece * 200_000)) <= 20_000


def test_a_key_that_the_cut_goes_through_is_not_left_in_part() -> None:
    assert "sk-" not in redact("x" * 19_990 + " sk-abcdefghijklmnop0123456789" + " y" * 9_000)


def test_keys_of_the_environment_are_masked_whatever_they_look_like() -> None:
    learn_environment({
        "MISTRAL_API_KEY": "plain-looking-words",
        "PGPASSWORD": "correct horse battery",
        "HOME": "/home/somebody",
        "PWD": "/home/somebody/benchtab",
        "EMPTY_KEY": "",
        "SSL_KEY_FILE": "/etc/ssl/private-of-somebody.pem",
        "http_proxy": "me:hunter-proxy@proxy:3128",
        "BENCHTAB_DB": "postgresql://me@host/db?password=hunter-database",
    })  # fmt: skip
    said = "plain-looking-words correct horse battery hunter-proxy hunter-database /home/somebody/benchtab"
    assert redact(said) == f"{MASK} {MASK} {MASK} {MASK} /home/somebody/benchtab"
    assert redact("/etc/ssl/private-of-somebody.pem") == "/etc/ssl/private-of-somebody.pem"


def test_only_our_own_unmistakable_keys_are_masked_in_what_a_model_says() -> None:
    learn("Zq7-not-a-known-shape-88", "lm-studio", "87654321")
    said = "sk-invented0123456789abcdef, password=invented77, lm-studio, 87654321"
    assert redact_known(said) == said
    assert redact_known(f"It is Zq7-not-a-known-shape-88. {said}") == f"It is {MASK}. {said}"


def test_a_key_is_masked_as_it_stands_in_addresses_and_in_json() -> None:
    learn('Pq9/+"key with=signs"77')
    for written in (
        'Pq9/+"key with=signs"77',
        quote('Pq9/+"key with=signs"77', safe=""),
        'Pq9/+\\"key with=signs\\"77',
    ):
        assert redact_known(f"<{written}>") == f"<{MASK}>"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://h/v1?api_key=abc&api-version=2024-10-21", f"http://h/v1?api_key={MASK}&api-version=2024-10-21"),
        ("http://h/v1?subscription-key=x", f"http://h/v1?subscription-key={MASK}"),
        ("http://h/v1?code=x&u=Zq7PlainLooking99Key", f"http://h/v1?code={MASK}&u={MASK}"),
        ("http://h/v1?X-Amz-Security-Token=x&X-Amz-Date=20261122", f"http://h/v1?X-Amz-Security-Token={MASK}&X-Amz-Date=20261122"),
        ("http://h/v1#Zq7", f"http://h/v1#{MASK}"),
        ("http://me:pw@h:8/v1", f"http://me:{MASK}@h:8/v1"),
        ("http://Zq7TokenAsAUserName9@h:8/v1", f"http://{MASK}@h:8/v1"),
        ("postgresql://somebody@h/database", "postgresql://somebody@h/database"),
        ("me:pw@h:8", f"me:{MASK}@h:8"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("http://h:port/v1?model=a%20b", "http://h:port/v1?model=a%20b"),
        ("http://[::1", "http://[::1"),
    ],
)  # fmt: skip
def test_secrets_in_addresses_are_masked(url: str, shown: str) -> None:
    assert redact_url(url) == shown


def test_secrets_in_addresses_are_known_from_then_on() -> None:
    learn_url("http://u:hunter-in-url@h/v1?token=hunter-in-query&alt=sse#Qx7HunterInFragment99")
    assert redact("hunter-in-url hunter-in-query Qx7HunterInFragment99 sse") == f"{MASK} {MASK} {MASK} sse"


def test_no_error_holds_a_key() -> None:
    finding = Finding(where="row 1", message="password=hunter22")
    error = InputError(
        "sk-abcdef123456", where="--db postgresql://u:pw123@h/d", fix="key gsk_abcdefghijkl", findings=[finding]
    )
    for leaked in ("sk-abcdef123456", "pw123", "gsk_abcdefghijkl", "hunter22"):
        assert leaked not in str(error)
        assert leaked not in repr(error)
    assert ProviderError("bad sk-abcdef123456", error_class=ErrorClass.INTERNAL).message == f"bad {MASK}"


def test_no_answer_holds_a_key_of_ours() -> None:
    key = "Zq7EchoedByTheServer0123"
    learn(key)
    usage = {"prompt_tokens": 3, "note": key, "deep": [{key: f"x {key}"}]}
    response = Response(
        text=f"a {key}",
        reasoning_text=key,
        finish_reason="stop",
        usage_kind="openai.chat",
        raw_usage=usage,
        model_served=key,
        service_tier=key,
        provider_request_id=f"id-{key}",
    )
    assert key not in repr(response)
    assert response.raw_usage == {"prompt_tokens": 3, "note": MASK, "deep": [{MASK: f"x {MASK}"}]}


def test_no_failed_line_of_a_batch_holds_a_key_of_ours_and_none_is_named_by_it() -> None:
    key = "Zq7EchoedByTheServer0123"
    learn(key)

    def failure(content: bytes, received: Received) -> ProviderError:
        return failure_from_http(content, received, now=NOW)

    outcome = failure_in(
        {"error": {"message": key}, "model": key},
        failure,
        Received(provider="openai", status=400),
        usage={"prompt_tokens": 3, "note": key},
    )
    assert isinstance(outcome.result, ProviderError)
    assert key not in repr(vars(outcome.result))
    assert outcome.result.model_served == MASK
    assert not is_usable_id(key)
    assert is_usable_id("batch_0123456789abcdef")


def test_usage_without_a_key_is_kept_as_it_is() -> None:
    learn("Zq7EchoedByTheServer0123")
    usage = {"prompt_tokens": 3, "details": {"text": "x"}}
    assert redact_values(usage) is usage


def test_usage_nested_past_all_measure_is_masked_without_a_crash() -> None:
    key = "Zq7EchoedByTheServer0123"
    learn(key)
    nested: dict[str, object] = {"note": key}
    for _ in range(3_000):
        nested = {"in": nested}
    assert redact_values(nested) != nested["in"]


def test_amounts_and_switches_whose_names_hold_a_word_of_secrets_are_kept() -> None:
    row = {"time_to_first_token_ms": "412.5", "native_tokens": "20", "api_key_disabled": "false"}
    assert masked_settings(row) == row
    keys = {"token": "20", "session_token_ms": "Zq7", "password": "12345678", "api_key": "0123456789012345"}
    assert set(masked_settings(keys).values()) == {MASK}
