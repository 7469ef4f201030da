"""The error table: what each provider's answer means, how long to wait, and whether it is billed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from harness.errors import Billed, ErrorClass
from harness.providers.failures import billed_by_rule, failure_from_http
from harness.providers.retry_after import duration_s, retry_after_s
from harness.providers.wire.raw_answers import Received

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def classify(status: int, error: Any, *, provider: str = "openai", headers: dict[str, str] | None = None) -> ErrorClass:
    body = error if isinstance(error, bytes) else json.dumps({"error": error}).encode()
    return failure_from_http(
        body, Received(provider=provider, status=status, headers=headers or {}), now=NOW
    ).error_class


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (429, {"code": "rate_limit_exceeded", "message": "Rate limit reached"}, ErrorClass.RATE_LIMIT),
        (
            429,
            {"code": "insufficient_quota", "type": "insufficient_quota", "message": "You exceeded"},
            "quota_exhausted",
        ),
        (429, {"code": "rate_limit_exceeded", "message": "Request too large for gpt-4o on TPM"}, "context_too_long"),
        (402, {"message": "Insufficient Balance"}, ErrorClass.QUOTA_EXHAUSTED),
        (400, {"type": "invalid_request_error", "message": "Your credit balance is too low"}, "quota_exhausted"),
        (529, {"type": "overloaded_error", "message": "Overloaded"}, ErrorClass.OVERLOADED),
        (503, {"message": "busy"}, ErrorClass.OVERLOADED),
        (503, {"code": "server_error", "message": "died"}, ErrorClass.SERVER_ERROR),
        (500, {"type": "api_error", "message": "Internal"}, ErrorClass.SERVER_ERROR),
        (502, b"<html>bad gateway</html>", ErrorClass.SERVER_ERROR),
        (504, b"", ErrorClass.TIMEOUT),
        (408, {"message": "took too long"}, ErrorClass.TIMEOUT),
        (400, {"code": "context_length_exceeded", "message": "too long"}, ErrorClass.CONTEXT_TOO_LONG),
        (400, {"message": "This model's maximum context length is 4096 tokens"}, ErrorClass.CONTEXT_TOO_LONG),
        (400, {"type": "invalid_request_error", "message": "prompt is too long: 250000 tokens"}, "context_too_long"),
        (413, {"type": "request_too_large", "message": "too large"}, ErrorClass.CONTEXT_TOO_LONG),
        (400, {"code": "content_filter", "message": "filtered"}, ErrorClass.CONTENT_FILTER),
        (400, {"code": "invalid_prompt", "message": "flagged"}, ErrorClass.CONTENT_FILTER),
        (400, {"innererror": {"code": "ResponsibleAIPolicyViolation"}, "message": "x"}, ErrorClass.CONTENT_FILTER),
        (400, {"message": "temperature must be 1"}, ErrorClass.BAD_REQUEST),
        (400, {"status": "INVALID_ARGUMENT", "message": "API key not valid. Please pass"}, ErrorClass.AUTHENTICATION),
        (401, {"code": "invalid_api_key", "message": "no"}, ErrorClass.AUTHENTICATION),
        (403, {"type": "permission_error", "message": "no"}, ErrorClass.AUTHENTICATION),
        (404, {"code": "model_not_found", "message": "no"}, ErrorClass.NOT_FOUND),
        (422, {"message": "field required"}, ErrorClass.BAD_REQUEST),
        (418, {"message": "teapot"}, ErrorClass.BAD_REQUEST),
        (599, {"message": "?"}, ErrorClass.SERVER_ERROR),
    ],
)
def test_an_error_is_classified(status: int, error: Any, expected: str) -> None:
    assert classify(status, error) == expected


def test_quota_exhaustion_is_not_a_rate_limit_at_google() -> None:
    def exhausted(quota_id: str) -> dict[str, Any]:
        details = [{"violations": [{"quotaId": quota_id}]}, {"retryDelay": "34s"}]
        return {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "You exceeded your quota", "details": details}

    daily, minutely = exhausted("GenerateRequestsPerDayPerProject"), exhausted("GenerateRequestsPerMinutePerProject")
    assert classify(429, daily, provider="google") is ErrorClass.QUOTA_EXHAUSTED
    assert classify(429, minutely, provider="google") is ErrorClass.RATE_LIMIT
    body = json.dumps({"error": minutely}).encode()
    error = failure_from_http(body, Received(provider="google", status=429), now=NOW)
    assert error.retry_after_s == 34.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "120", "retry-after": "9"}, 0.12),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 11:59:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m30s"}, 90.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "120ms"}, 0.12),
        ({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "60s"}, None),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-11-22T12:00:05Z",
            },
            5.0,
        ),
    ],
)
def test_the_wait_is_what_the_provider_asked(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, now=NOW) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6m0s", 360.0), ("1.5s", 1.5), ("2h", 7200.0), ("1d2h", 93600.0), ("", None), ("x", None), ("1.2.3s", None)],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize(
    ("provider", "error_class", "status", "billed"),
    [
        ("openai", ErrorClass.RATE_LIMIT, 429, "no"),
        ("openai", ErrorClass.SERVER_ERROR, 500, "unknown"),
        ("openai", ErrorClass.TIMEOUT, None, "unknown"),
        ("vertex_ai", ErrorClass.SERVER_ERROR, 500, "no"),
        ("google", ErrorClass.BAD_REQUEST, 400, "no"),
        ("google", ErrorClass.TIMEOUT, None, "unknown"),
        ("anthropic", ErrorClass.OVERLOADED, 529, "no"),
        ("anthropic", ErrorClass.TIMEOUT, None, "yes"),
        ("azure", ErrorClass.CONTENT_FILTER, 400, "yes"),
        ("azure", ErrorClass.TIMEOUT, 408, "yes"),
        ("azure", ErrorClass.AUTHENTICATION, 401, "no"),
        ("novita", ErrorClass.TIMEOUT, 499, "yes"),
    ],
)
def test_billed_follows_the_providers_stated_rule(
    provider: str, error_class: ErrorClass, status: int | None, billed: Billed
) -> None:
    assert billed_by_rule(provider, error_class, status=status) == billed


def test_a_page_of_html_is_cut() -> None:
    error = failure_from_http(b"<p>" * 5000, Received(provider="x", status=502), now=NOW)
    assert len(error.message) <= 400


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"[1]", b'"x"', b'{"error": null}', b'{"error": []}', b"\xff\xfe"]
)
def test_no_body_can_break_the_table(body: bytes) -> None:
    assert classify(500, body) is ErrorClass.SERVER_ERROR


def test_usage_of_a_failed_answer_is_kept() -> None:
    body = b'{"error": {"message": "filtered"}, "usage": {"prompt_tokens": 9}}'
    error = failure_from_http(body, Received(provider="azure", status=400, headers={"apim-request-id": "r1"}), now=NOW)
    assert error.raw_usage == {"prompt_tokens": 9}
    assert error.provider_request_id == "r1"
