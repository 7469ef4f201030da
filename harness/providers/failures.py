"""What went wrong with one attempt: HTTP statuses, provider error codes and exceptions become a `ProviderError`.

Data flows (provider, status, headers, body) or an exception's kind -> error class, wait, bill -> ProviderError. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin

from harness.errors import Billed, ErrorClass, ProviderError
from harness.secrets import redact, redact_url

MESSAGE_LIMIT = 400

STATUS_CLASS: Mapping[int, ErrorClass] = {
    400: ErrorClass.BAD_REQUEST,
    401: ErrorClass.AUTHENTICATION,
    402: ErrorClass.QUOTA_EXHAUSTED,  # DeepSeek "Insufficient Balance", OpenRouter out of credits
    403: ErrorClass.AUTHENTICATION,
    404: ErrorClass.NOT_FOUND,
    405: ErrorClass.NOT_FOUND,
    408: ErrorClass.TIMEOUT,
    409: ErrorClass.SERVER_ERROR,
    413: ErrorClass.CONTEXT_TOO_LONG,
    425: ErrorClass.OVERLOADED,
    429: ErrorClass.RATE_LIMIT,
    498: ErrorClass.OVERLOADED,  # Groq: flex capacity exceeded
    499: ErrorClass.TIMEOUT,
    503: ErrorClass.OVERLOADED,
    504: ErrorClass.TIMEOUT,
    522: ErrorClass.TIMEOUT,
    524: ErrorClass.TIMEOUT,
    529: ErrorClass.OVERLOADED,  # Anthropic, DeepInfra
}

CODE_CLASS: Mapping[str, ErrorClass] = {
    # OpenAI and its followers: error.code or error.type
    "insufficient_quota": ErrorClass.QUOTA_EXHAUSTED,
    "billing_hard_limit_reached": ErrorClass.QUOTA_EXHAUSTED,
    "billing_not_active": ErrorClass.QUOTA_EXHAUSTED,
    "insufficient_balance": ErrorClass.QUOTA_EXHAUSTED,
    "rate_limit_exceeded": ErrorClass.RATE_LIMIT,
    "slow_down": ErrorClass.OVERLOADED,
    "engine_overloaded": ErrorClass.OVERLOADED,
    "context_length_exceeded": ErrorClass.CONTEXT_TOO_LONG,
    "string_above_max_length": ErrorClass.CONTEXT_TOO_LONG,
    "content_filter": ErrorClass.CONTENT_FILTER,
    "content_policy_violation": ErrorClass.CONTENT_FILTER,
    "responsibleaipolicyviolation": ErrorClass.CONTENT_FILTER,
    "invalid_prompt": ErrorClass.CONTENT_FILTER,
    "invalid_api_key": ErrorClass.AUTHENTICATION,
    "model_not_found": ErrorClass.NOT_FOUND,
    "deploymentnotfound": ErrorClass.NOT_FOUND,
    "server_error": ErrorClass.SERVER_ERROR,
    # Anthropic: error.type
    "rate_limit_error": ErrorClass.RATE_LIMIT,
    "overloaded_error": ErrorClass.OVERLOADED,
    "api_error": ErrorClass.SERVER_ERROR,
    "timeout_error": ErrorClass.TIMEOUT,
    "authentication_error": ErrorClass.AUTHENTICATION,
    "permission_error": ErrorClass.AUTHENTICATION,
    "billing_error": ErrorClass.QUOTA_EXHAUSTED,
    "not_found_error": ErrorClass.NOT_FOUND,
    "request_too_large": ErrorClass.CONTEXT_TOO_LONG,
    # Google: error.status or a detail's reason
    "resource_exhausted": ErrorClass.RATE_LIMIT,
    "unavailable": ErrorClass.OVERLOADED,
    "deadline_exceeded": ErrorClass.TIMEOUT,
    "internal": ErrorClass.SERVER_ERROR,
    "unauthenticated": ErrorClass.AUTHENTICATION,
    "permission_denied": ErrorClass.AUTHENTICATION,
    "api_key_invalid": ErrorClass.AUTHENTICATION,
    "not_found": ErrorClass.NOT_FOUND,
}

PHRASE_CLASS: tuple[tuple[str, ErrorClass], ...] = (
    # Only where providers give no code of their own; compared in lower case.
    ("request too large for", ErrorClass.CONTEXT_TOO_LONG),  # OpenAI's 429 for one request above the whole TPM limit
    ("maximum context length", ErrorClass.CONTEXT_TOO_LONG),
    ("prompt is too long", ErrorClass.CONTEXT_TOO_LONG),
    ("input is too long", ErrorClass.CONTEXT_TOO_LONG),
    ("exceeds the maximum number of tokens", ErrorClass.CONTEXT_TOO_LONG),
    ("exceed context limit", ErrorClass.CONTEXT_TOO_LONG),
    ("longer than the model's context length", ErrorClass.CONTEXT_TOO_LONG),
    ("credit balance is too low", ErrorClass.QUOTA_EXHAUSTED),  # Anthropic answers 400 invalid_request_error
    ("insufficient balance", ErrorClass.QUOTA_EXHAUSTED),
    ("api key not valid", ErrorClass.AUTHENTICATION),  # Gemini answers 400 INVALID_ARGUMENT
    ("incorrect api key", ErrorClass.AUTHENTICATION),
    ("content management policy", ErrorClass.CONTENT_FILTER),
    ("output blocked by content filtering", ErrorClass.CONTENT_FILTER),
)

_REFUSED_AT_THE_DOOR = frozenset(
    {
        ErrorClass.AUTHENTICATION,
        ErrorClass.NOT_FOUND,
        ErrorClass.RATE_LIMIT,
        ErrorClass.QUOTA_EXHAUSTED,
        ErrorClass.BAD_REQUEST,
        ErrorClass.CONTEXT_TOO_LONG,
    }
)
"""Answers that come before any token is made: nothing exists that could be billed, at any provider."""

_FAILED_ANSWERS_ARE_FREE = frozenset({"anthropic", "google", "gemini", "vertex_ai"})
"""Their pages say that a request that ends in an error status is not charged (Vertex: only 200s; Gemini API: not
400/500; Anthropic: failed requests free)."""

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?")


def shortened(text: str) -> str:
    """Cut a provider's words to a few hundred characters, without anything that is or looks like a key."""
    text = redact(text)
    return text if len(text) <= MESSAGE_LIMIT else text[: MESSAGE_LIMIT - 1] + "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class _ErrorBody:
    """The parts of an error body that decide its class."""

    message: str
    codes: tuple[str, ...]
    details: tuple[Mapping[str, Any], ...] = ()
    usage: Mapping[str, Any] | None = None


def _read_body(body: bytes) -> _ErrorBody:
    try:
        document = json.loads(body)
    except ValueError:
        return _ErrorBody(message=body.decode("utf-8", "replace").strip(), codes=())
    if isinstance(document, list) and document:  # Gemini's streaming endpoint wraps errors in a list
        document = document[0]
    if not isinstance(document, dict):
        return _ErrorBody(message=str(document), codes=())
    error = document.get("error", document)
    usage = document.get("usage")
    usage = usage if isinstance(usage, dict) else None
    if not isinstance(error, dict):
        return _ErrorBody(message=str(error), codes=(), usage=usage)
    inner = error.get("innererror")
    details = tuple(detail for detail in error.get("details") or () if isinstance(detail, dict))
    named = [error.get("code"), inner.get("code") if isinstance(inner, dict) else None, error.get("type")]
    named += [error.get("status"), *(detail.get("reason") for detail in details)]
    codes = tuple(str(code).lower() for code in named if code is not None)
    message = error.get("message") or error.get("detail") or document.get("message") or json.dumps(document)
    return _ErrorBody(message=str(message), codes=codes, details=details, usage=usage)


def _classify(status: int, body: _ErrorBody) -> ErrorClass:
    if any(
        "PerDay" in str(violation.get("quotaId"))
        for detail in body.details
        for violation in detail.get("violations") or ()
        if isinstance(violation, dict)
    ):
        return ErrorClass.QUOTA_EXHAUSTED  # Gemini: a daily quota does not come back within a run
    lowered = body.message.lower()
    by_phrase = next((found for phrase, found in PHRASE_CLASS if phrase in lowered), None)
    by_code = next((CODE_CLASS[code] for code in body.codes if code in CODE_CLASS), None)
    if by_phrase is not None and (by_code is None or by_code is ErrorClass.RATE_LIMIT):
        return by_phrase
    if by_code is not None:
        return by_code
    if status in STATUS_CLASS:
        return STATUS_CLASS[status]
    return ErrorClass.SERVER_ERROR if status >= 500 else ErrorClass.BAD_REQUEST


def billed_by_rule(provider: str, error_class: ErrorClass, *, status: int | None) -> Billed:
    """Say whether a provider bills a failed attempt, by its stated rule; unknown where it states none.

    Args:
        provider: as in a model name.
        error_class: what kind of failure it was.
        status: HTTP status of the answer, None when the request left and no answer came.
    """
    if provider == "azure" and (status == 408 or (status == 400 and error_class is ErrorClass.CONTENT_FILTER)):
        return "yes"  # Azure charges 400 content_filter and 408, not 401 and 429
    if status is None:
        # Anthropic charges when the client disconnects or times out; elsewhere no rule is published.
        return "yes" if provider == "anthropic" and error_class is ErrorClass.TIMEOUT else "unknown"
    if provider == "novita" and status == 499:
        return "yes"
    if error_class in _REFUSED_AT_THE_DOOR:
        return "no"
    return "no" if provider in _FAILED_ANSWERS_ARE_FREE and status >= 400 else "unknown"


def failure_from_http(
    *,
    provider: str,
    status: int,
    body: bytes,
    headers: Mapping[str, str],
    now: datetime,
    url: str = "",
) -> ProviderError:
    """Turn an error answer, or one that points elsewhere, into a ProviderError.

    Args:
        headers: answer headers with lower-cased names.
        now: for Retry-After values that are dates.
        url: where the request went, empty when that is not known; only a redirect's message names it.
    """
    if 300 <= status < 400:
        return _redirected(provider, status, url, headers)
    read = _read_body(body)
    error_class = _classify(status, read)
    return ProviderError(
        shortened(f"HTTP {status}: {read.message}" if read.message else f"HTTP {status}"),
        error_class=error_class,
        http_status=status,
        retry_after_s=retry_after_s(headers, now=now, details=read.details),
        billed=billed_by_rule(provider, error_class, status=status),
        raw_usage=read.usage,
        provider_request_id=request_id_of(headers),
    )


def _redirected(provider: str, status: int, url: str, headers: Mapping[str, str]) -> ProviderError:
    """A redirect is never followed: the key and the question were meant for the first address."""
    try:
        target = urljoin(url, headers.get("location", ""))
    except ValueError:
        target = headers["location"]
    asked = redact_url(url)[:150] or "the address"
    place = f"redirects to {redact_url(target)[:150]}" if headers.get("location") else "names no other one"
    return ProviderError(
        f"HTTP {status}: {asked} {place}; redirects are not followed, as the key is for the first host only."
        f" If the other address is right, pass it: --base-url {provider}=ADDRESS",
        error_class=ErrorClass.NOT_FOUND,  # every request to this address would end so
        http_status=status,
        billed="no",
        provider_request_id=request_id_of(headers),
    )


def failure_without_answer(
    error: BaseException | str, *, provider: str, error_class: ErrorClass, sent: bool
) -> ProviderError:
    """Make a ProviderError of what happened on the way: an exception, or our own words for it.

    Args:
        sent: False when no byte of the request left.
    """
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}".removesuffix(": ")
    return ProviderError(
        shortened(text),
        error_class=error_class,
        billed=billed_by_rule(provider, error_class, status=None) if sent else "no",
    )


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Find the provider's id for a request in its answer's headers (lower-cased names)."""
    for name in ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid", "cf-ray"):
        if headers.get(name):
            return headers[name]
    return None


def retry_after_s(
    headers: Mapping[str, str], *, now: datetime, details: Iterable[Mapping[str, Any]] = ()
) -> float | None:
    """Read how long a provider asks to wait, in seconds; None when it does not say.

    Looks at `retry-after-ms`, `retry-after` (seconds or an HTTP date), Google's RetryInfo detail, then at the
    rate-limit headers whose remaining count is zero.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    stated = headers.get("retry-after")
    if stated:
        seconds = _number(stated)
        return seconds if seconds is not None else _seconds_until(stated, now)
    for detail in details:
        delay = duration_s(str(detail.get("retryDelay") or ""))
        if delay is not None:
            return delay
    return _rate_limit_reset_s(headers, now)


def _rate_limit_reset_s(headers: Mapping[str, str], now: datetime) -> float | None:
    waits: list[float] = []
    for kind in ("requests", "tokens", "input-tokens", "output-tokens"):
        for remaining_name, reset_name in (
            (f"x-ratelimit-remaining-{kind}", f"x-ratelimit-reset-{kind}"),
            (f"anthropic-ratelimit-{kind}-remaining", f"anthropic-ratelimit-{kind}-reset"),
        ):
            if _number(headers.get(remaining_name)) != 0:
                continue
            wait = _any_duration(headers.get(reset_name, ""), now)
            if wait is not None:
                waits.append(wait)
    return max(waits, default=None)


def _any_duration(text: str, now: datetime) -> float | None:
    """Seconds as a number, as a duration, or until a moment."""
    for wait in (_number(text), duration_s(text)):
        if wait is not None:
            return wait
    return _seconds_until(text, now) if text else None


def duration_s(text: str) -> float | None:
    """Read a duration such as `6m0s`, `1.5s` or `120ms` in seconds; None when it is not one."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        return None
    try:
        days, hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    except ValueError:
        return None
    return days * 86400 + hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < 1e9 else None


def _seconds_until(text: str, now: datetime) -> float | None:
    try:
        moment = datetime.fromisoformat(text) if "T" in text[:11] else parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
