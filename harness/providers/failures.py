"""What went wrong with one attempt: HTTP statuses, provider error codes and exceptions become a `ProviderError`.

Data flows (provider, status, headers, body) or an exception's kind -> error class, wait, bill, and the usage that the
answer states -> ProviderError. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urljoin

from harness.errors import Billed, ErrorClass, ProviderError
from harness.providers.catalogue import entry_of
from harness.providers.retry_after import retry_after_s
from harness.providers.wire.bodies import decoded, read_body
from harness.providers.wire.finish_reasons import broken_off, error_in, says_something
from harness.providers.wire.raw_answers import RawAnswer, Received, stated_in
from harness.secrets import redact, redact_url

MESSAGE_LIMIT = 400
MESSAGE_READ = 20_000
"""Characters of a provider's words in which phrases are looked for."""

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

REFUSED_KEY_PHRASES = (
    # Without a code of their own, behind a status that says less (400, or 200 with an error inside)
    "invalid api key",
    "invalid api_key",
    "invalid_api_key",
    "invalid api token",
    "invalid x-api-key",
    "invalid authentication",
    "invalid credentials",
    "api key expired",
    "api key not found",
    "api key is invalid",
    "api key is missing",
    "api key is required",
    "missing api key",
    "no api key",
    "no auth credentials",
    "authentication fail",
    "authentication required",
    "not authenticated",
    "unauthenticated",
    "unauthorized",
    "unrecognizedclientexception",
    "security token included in the request",
)

_OTHER_REFUSALS = frozenset(
    {ErrorClass.QUOTA_EXHAUSTED, ErrorClass.CONTENT_FILTER, ErrorClass.RATE_LIMIT, ErrorClass.NOT_FOUND}
)
"""What a 401 or 403 may mean beside a refused key, where its code says so."""

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


def shortened(text: str) -> str:
    """Cut a provider's words to a few hundred characters, without anything that is or looks like a key."""
    text = redact(text)
    return text if len(text) <= MESSAGE_LIMIT else text[: MESSAGE_LIMIT - 1] + "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class _ErrorBody:
    """The parts of an error body that decide its class."""

    message: str
    codes: tuple[str, ...] = ()
    status: int | None = None
    details: tuple[Mapping[str, object], ...] = ()
    is_moderation: bool = False


def _read_error(document: object) -> _ErrorBody:
    """Find message, codes and details; every field may be of any type, and a wrong one is as good as none."""
    if not isinstance(document, Mapping):
        return _ErrorBody(message=_words(document))
    error = document.get("error")
    if not says_something(error):
        error = error_in(document) or document
    if isinstance(error, list):
        error = next((part for part in error if isinstance(part, Mapping)), _words(error))
    if isinstance(error, Mapping):
        return _read_object(error, document)
    named = [document.get(name) for name in ("code", "type", "status", "error_code", "error_type")]
    return _ErrorBody(message=_words(error), codes=_codes(named), status=_status(named))


def _read_object(error: Mapping[str, object], document: Mapping[str, object]) -> _ErrorBody:
    details = tuple(detail for detail in _rows(error.get("details")) if isinstance(detail, Mapping))
    inner = error.get("innererror")
    named = [error.get("code"), inner.get("code") if isinstance(inner, Mapping) else None, error.get("type")]
    named += [error.get("status"), *(detail.get("reason") for detail in details), error.get("status_code")]
    named += [error.get("statusCode"), error.get("__type"), document.get("code"), document.get("status_code")]
    spoken = (error.get("message"), error.get("detail"), error.get("msg"), document.get("message"), document)
    return _ErrorBody(
        message=_words(next(words for words in spoken if words)) if document else "",
        codes=_codes(named),
        status=_status(named),
        details=details,
        is_moderation=_names_moderation(error.get("metadata")),
    )


def _names_moderation(metadata: object) -> bool:
    return isinstance(metadata, Mapping) and bool(metadata.get("reasons") or metadata.get("flagged_input"))


def _codes(named: Iterable[object]) -> tuple[str, ...]:
    return tuple(code.lower() for code in named if isinstance(code, str))


def _status(named: Iterable[object]) -> int | None:
    """An HTTP status that a body states: gateways answer 200 and put it inside, as a number or as a text."""
    for code in named:
        number = int(code) if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3 else code
        if isinstance(number, int) and 400 <= number < 600:
            return number
    return None


def _words(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return "" if value is None else json.dumps(value, default=str)
    except (RecursionError, ValueError, TypeError):
        return f"a {type(value).__name__} that cannot be shown"


def _rows(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _classify(status: int | None, body: _ErrorBody) -> ErrorClass:
    if any(map(_is_daily_quota, body.details)):
        return ErrorClass.QUOTA_EXHAUSTED  # Gemini: a daily quota does not come back within a run
    lowered = body.message[:MESSAGE_READ].lower()
    by_phrase = next((found for phrase, found in PHRASE_CLASS if phrase in lowered), None)
    by_code = next(filter(None, map(CODE_CLASS.get, body.codes)), None)
    if status in (401, 403) and by_code not in _OTHER_REFUSALS:
        return _refused_key(body, by_phrase)
    if by_phrase is not None and by_code in (None, ErrorClass.RATE_LIMIT):
        return by_phrase
    return by_code or _class_of_status(status, lowered)


def _is_daily_quota(detail: Mapping[str, object]) -> bool:
    violations = (each for each in _rows(detail.get("violations")) if isinstance(each, Mapping))
    return any("PerDay" in str(violation.get("quotaId")) for violation in violations)


def _class_of_status(status: int | None, lowered: str) -> ErrorClass:
    if status in (None, 400, 407, 422) and any(phrase in lowered for phrase in REFUSED_KEY_PHRASES):
        return ErrorClass.AUTHENTICATION
    if status is None or (status >= 500 and status not in STATUS_CLASS):
        return ErrorClass.SERVER_ERROR
    return STATUS_CLASS.get(status, ErrorClass.BAD_REQUEST)


def _refused_key(body: _ErrorBody, by_phrase: ErrorClass | None) -> ErrorClass:
    """Whatever else stands there, the key was refused; OpenRouter's 403 is moderation when it names reasons."""
    if body.is_moderation:
        return ErrorClass.CONTENT_FILTER
    return by_phrase if by_phrase is ErrorClass.QUOTA_EXHAUSTED else ErrorClass.AUTHENTICATION


def billed_by_rule(provider: str, error_class: ErrorClass, *, status: int | None) -> Billed:
    """Say whether a provider bills a failed attempt, by its stated rule; unknown where it states none.

    Args:
        provider: as in a model name.
        error_class: what kind of failure it was.
        status: HTTP status of the answer, None when the request left and no answer came.
    """
    entry = entry_of(provider)
    if not entry.billed.isdisjoint(((status, error_class), (status, None))):
        return "yes"
    if status is None:
        return "unknown"  # it may have been answered, and few publish a rule
    if error_class in _REFUSED_AT_THE_DOOR:
        return "no"
    return "no" if entry.free_failures and status >= 400 else "unknown"


def failure_from_http(body: bytes, received: Received, *, now: datetime) -> ProviderError:
    """Turn an error answer, or one that points elsewhere, into a ProviderError with the facts that its body states.

    Args:
        received: a status below 400 = the error stands inside, and the status that it names there is taken.
        now: for Retry-After values that are dates.
    """
    read = read_body(body)
    stated = stated_in(read, received)
    if 300 <= received.status < 400:
        return _redirected(stated, received)
    document = next((found for found in read.documents if error_in(found) is not None), None)
    if document is None and read.documents and read.fault is None:
        document = read.documents[0]
    error = _read_error(decoded(body[: 4 * MESSAGE_READ]).strip() if document is None else document)
    return _failure(error, stated, received, now)


def failure_inside(document: object, stated: RawAnswer, received: Received) -> ProviderError:
    """Turn a parsed answer with a good status that holds an error into a ProviderError; see `failure_from_http`."""
    return _failure(_read_error(document), stated, received, datetime.now(UTC))


def broken_answer(stated: RawAnswer, why: str, *, status: int | None) -> ProviderError:
    """Make a ProviderError of an answer that is no whole answer; what it states of itself goes along."""
    refused = ErrorClass.CONTENT_FILTER if stated.refused else ErrorClass.MALFORMED_RESPONSE
    error_class = broken_off(stated.finish_reason) or refused
    return _with_facts(
        stated, shortened(why), error_class=error_class, http_status=status, retry_after_s=None, by_rule="unknown"
    )


def _failure(error: _ErrorBody, stated: RawAnswer, received: Received, now: datetime) -> ProviderError:
    meant = error.status if 200 <= received.status < 300 else received.status
    error_class = _classify(meant, error)
    shown = meant or received.status
    return _with_facts(
        stated,
        shortened(f"HTTP {shown}: {error.message}" if error.message else f"HTTP {shown}"),
        error_class=error_class,
        http_status=shown,
        retry_after_s=retry_after_s(received.headers, now=now, details=error.details),
        by_rule=billed_by_rule(received.provider, error_class, status=shown),
    )


def _with_facts(
    stated: RawAnswer,
    why: str,
    *,
    error_class: ErrorClass,
    http_status: int | None,
    retry_after_s: float | None,
    by_rule: Billed,
) -> ProviderError:
    return ProviderError(
        why,
        error_class=error_class,
        http_status=http_status,
        retry_after_s=retry_after_s,
        billed=stated.billed(by_rule),
        raw_usage=stated.usage or None,
        usage_kind=stated.usage_kind if stated.usage else None,
        provider_request_id=stated.request_id,
        model_served=stated.model,
        service_tier=stated.service_tier,
    )


def _redirected(stated: RawAnswer, received: Received) -> ProviderError:
    """A redirect is never followed: the key and the question were meant for the first address."""
    location = received.headers.get("location", "")
    try:
        target = urljoin(received.url, location)
    except ValueError:
        target = location
    asked = redact_url(received.url)[:150] or "the address"
    place = f"redirects to {redact_url(target)[:150]}" if location else "names no other one"
    return _with_facts(
        stated,
        f"HTTP {received.status}: {asked} {place}; redirects are not followed, as the key is for the first host only."
        f" If the other address is right, pass it: --base-url {received.provider}=ADDRESS",
        error_class=ErrorClass.NOT_FOUND,  # every request to this address would end so
        http_status=received.status,
        retry_after_s=None,
        by_rule="no",
    )


def failure_without_answer(
    error: BaseException | str,
    *,
    provider: str,
    error_class: ErrorClass,
    sent: bool,
    part: RawAnswer | None = None,
) -> ProviderError:
    """Make a ProviderError of what happened on the way: an exception, or our own words for it.

    Args:
        sent: False when no byte of the request left.
        part: what the answer stated before it was cut; None = nothing of it came.
    """
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}".removesuffix(": ")
    by_rule = billed_by_rule(provider, error_class, status=None) if sent else "no"
    if part is not None:
        return _with_facts(
            part, shortened(text), error_class=error_class, http_status=None, retry_after_s=None, by_rule=by_rule
        )
    return ProviderError(shortened(text), error_class=error_class, billed=by_rule)
