"""Answers of providers that a log keeps whole: batch results, gateways' payloads, agents' trajectories.

Pure. Data flows an answer's JSON -> `read_logged` -> what it states in our terms, its usage checked for counts that
cannot be true; an error's JSON -> `logged_failure`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict, cast

from harness.declared import Json, JsonObject
from harness.errors import ErrorClass, ProviderError
from harness.imports.containers.json_values import a_count, an_object
from harness.imports.log_instants import instant_us
from harness.imports.log_records import ImportedUsage, Said
from harness.imports.usages import provider_usage, unsure
from harness.providers.failures import failure_inside
from harness.providers.wire.answers import answer_in
from harness.providers.wire.finish_reasons import finish_reason
from harness.providers.wire.raw_answers import RawAnswer, Received, stated_by

COUNTS_IN_DOUBT = frozenset({"negative_count", "not_a_count", "count_too_large"})
"""Flags of counts that no provider can have meant."""
MORE_CACHED = "more_cached_than_input"
_NOT_SAID = 200
"""Status under which an error is classified whose own status the log does not have."""
UNSURE = "unsure"
"""Kind of a usage whose raw object no reader is to be asked about again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedAnswer:
    """What an answer states of itself; None = it does not.

    Attributes:
        usage: as its own object states it; tokens unknown, with a flag, where that contradicts itself.
        finish_reason: in our words.
        created_us: when it was made, by its own clock.
    """

    stated: RawAnswer
    usage: ImportedUsage | None
    finish_reason: str | None
    created_us: int | None

    @property
    def doubt(self) -> str | None:
        """What is wrong with its counts: "prompt_tokens is -3"; None = nothing."""
        return None if self.usage is None else doubt_in(self.usage)


def read_logged(document: JsonObject, provider: str) -> LoggedAnswer:
    """Read an answer of any provider's interface, whole.

    Args:
        provider: who answered, in our names; its rules are for what the names in the answer leave open.
    """
    stated = stated_by(document, Received(provider=provider))
    usage = None if stated.usage is None else checked_usage(stated.usage_kind, cast("JsonObject", dict(stated.usage)))
    created = document.get("created", document.get("created_at", document.get("createTime")))
    return LoggedAnswer(
        stated=stated,
        usage=usage,
        finish_reason=None if stated.finish_reason is None else finish_reason(stated.finish_reason),
        created_us=instant_us(created),
    )


def checked_usage(kind: str, raw: JsonObject) -> ImportedUsage:
    """Read a provider's usage object; where its own numbers contradict each other, its tokens are unknown."""
    usage = provider_usage(kind, raw)
    assert usage is not None
    detail = _more_cached_than_input(usage, raw)
    return usage if detail is None else unsure(UNSURE, raw, MORE_CACHED, detail)


def _more_cached_than_input(usage: ImportedUsage, raw: JsonObject) -> str | None:
    """Find cached tokens that the input has no room for although the total says that they are in it."""
    if not any(flag.name == "cache_outside_input" for flag in usage.usage.flags):
        return None
    given = a_count(raw.get("prompt_tokens", raw.get("input_tokens")))
    output = a_count(raw.get("completion_tokens", raw.get("output_tokens")))
    total = a_count(raw.get("total_tokens"))
    if given is None or output is None or total != given + output:
        return None
    read = usage.usage.cache_read_tokens or 0
    return f"{read} cached tokens of {given} input tokens, and a total of {total} that leaves no room beside them"


def doubt_in(usage: ImportedUsage) -> str | None:
    """Say which count cannot be meant: negative, no number, beyond any sense; None = none."""
    return next((flag.detail for flag in usage.usage.flags if flag.name in COUNTS_IN_DOUBT), None)


def logged_failure(document: Json, provider: str, status: int | None) -> ProviderError:
    """Classify an error as the log keeps it.

    Args:
        status: of the HTTP answer; None = the log does not say, and one that the error names is taken.
    """
    received = Received(provider=provider, status=status or _NOT_SAID)
    failure = failure_inside(document, stated_by(an_object(document), received), received)
    if failure.http_status == _NOT_SAID:
        failure.http_status = None
        if an_object(an_object(document).get("error")).get("type") == "invalid_request_error":
            failure.error_class = ErrorClass.BAD_REQUEST  # elsewhere its status says so
        failure.message = failure.message.removeprefix(f"HTTP {_NOT_SAID}: ").removeprefix(f"HTTP {_NOT_SAID}")
    return failure


class ErrorFacts(TypedDict):
    """What an attempt says of its failure; None = it has not failed, or the log does not say."""

    error_class: ErrorClass | None
    error_message: str | None
    http_status: int | None


def error_facts(failure: ProviderError | None) -> ErrorFacts:
    """Give what an attempt says of its failure; None = it has not failed."""
    if failure is None:
        return {"error_class": None, "error_message": None, "http_status": None}
    return {
        "error_class": failure.error_class,
        "error_message": failure.message,
        "http_status": failure.http_status,
    }


def logged_words(messages: list[Json], answer: JsonObject, provider: str) -> Said:
    """Give what was asked and answered, for a transcript.

    Args:
        messages: as sent; what is no object is left out.
        answer: empty = there is none.
    """
    asked = [message for message in messages if isinstance(message, dict)]
    try:
        said = answer_in(answer, Received(provider=provider)) if answer else None
    except ProviderError:  # an answer without words is no fault of the log
        said = None
    if said is None:
        return Said(messages=asked, answer=None)
    return Said(messages=asked, answer=said.text, reasoning=said.reasoning_text)
