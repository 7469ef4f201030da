"""One model event of an Inspect log: what it asked, how it ended, what it used.

Pure. Data flows an event, and where it stood -> `ImportedAttempt`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness.declared import Json, JsonObject
from harness.errors import ErrorClass
from harness.imports.containers.json_values import a_count, a_list, a_number, a_text, an_amount, an_object
from harness.imports.harnesses.asked_models import Asked, slashed
from harness.imports.harnesses.model_usage import Meaning, read_model_usage, with_details
from harness.imports.log_instants import ended_us, instant_us
from harness.imports.log_records import ImportedAttempt, ImportedCell, ImportedUsage, SampleKey
from harness.ledger.records import Purpose, SettledStatus

NAME = "inspect"
_JUDGES = re.compile(r"grad(e|er|ing)|judge|scor(er|ing)|critic|evaluator|rubric", re.IGNORECASE)
_USERS = re.compile(r"\buser\b|user_?sim|simulated_?user|customer", re.IGNORECASE)
_STATUS = re.compile(r"[Ee]rror code: (\d{3})\b")
FINISH = {
    "stop": "stop",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
_BY_STATUS = {
    400: ErrorClass.BAD_REQUEST,
    401: ErrorClass.AUTHENTICATION,
    403: ErrorClass.AUTHENTICATION,
    404: ErrorClass.NOT_FOUND,
    429: ErrorClass.RATE_LIMIT,
    503: ErrorClass.OVERLOADED,
    529: ErrorClass.OVERLOADED,
}
_UNSENT = frozenset({
    "messages", "input", "contents", "system", "prompt", "tools", "tool_choice", "extra_headers", "extra_body", "model",
    "system_instruction", "http_options", "timeout",
})  # fmt: skip
"""Members of a raw request that are texts, or no sampling parameters."""

Version = tuple[int, ...]
EXCLUDES_CACHED = (0, 3, 184)
GOOGLE_EXCLUDES_CACHED = (0, 3, 208)
GOOGLE_INCLUDES_THOUGHTS = (0, 3, 245)


def version_of(text: str | None) -> Version | None:
    """Read `0.3.138.dev45+g23fb0e7e` as (0, 3, 138); None = no version is stated."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", text or "")
    return tuple(int(part) for part in found.groups()) if found else None


def meaning_of(version: Version | None, asked: str) -> Meaning:
    """Say how this version counted for a model, named as Inspect does.

    Inputs excluded cached tokens for Anthropic always, for OpenAI's family and Grok since 0.3.184, for Google since
    0.3.208; outputs left Google's thoughts out before 0.3.245, and leave Grok's out.
    """
    provider = asked.partition("/")[0]
    if version is None:
        return Meaning(cached_inside=False if provider == "anthropic" else None, reasoning_inside=None)
    since = GOOGLE_EXCLUDES_CACHED if provider == "google" else EXCLUDES_CACHED
    return Meaning(
        cached_inside=provider != "anthropic" and version < since,
        reasoning_inside=provider != "grok" and (provider != "google" or version >= GOOGLE_INCLUDES_THOUGHTS),
    )


@dataclass(slots=True)
class Spans:
    """Which part of a sample an event belongs to: solving it or scoring it.

    Spans (`span_begin` with a parent) since spring 2025, steps (`begin`, `end`) before.
    """

    _scoring: set[str] = field(default_factory=set)
    _n_open_steps: int = 0

    def see(self, event: JsonObject) -> None:
        """Take in the next event of the sample."""
        kind = event.get("event")
        if kind == "span_begin" and isinstance(event.get("id"), str):
            if event.get("type") in ("scorer", "scorers") or event.get("parent_id") in self._scoring:
                self._scoring.add(str(event["id"]))
        elif kind == "step" and event.get("type") == "scorer":
            self._n_open_steps += 1 if event.get("action") == "begin" else -1

    def is_scoring(self, event: JsonObject) -> bool:
        """Say whether the event happened while the sample was scored."""
        return self._n_open_steps > 0 or event.get("span_id") in self._scoring


def flat(event: JsonObject) -> Iterator[JsonObject]:
    """Give an event and those inside it: until early 2025 tools and subtasks held the events of what they did."""
    yield event
    for inner in a_list(event.get("events")):
        if isinstance(inner, dict):
            yield from flat(inner)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a model event stood.

    Attributes:
        main: model of the evaluation as Inspect names it.
        fallback: identity of an event that has none of its own, as in logs before spring 2025.
        where: file, sample and place, for messages.
    """

    cell: ImportedCell
    sample: SampleKey
    main: str
    version: Version | None
    is_scoring: bool
    fallback: str
    where: str


def model_of(event: JsonObject, main: str) -> str:
    """Name the model as Inspect does; old events leave the provider of the evaluation's model out."""
    name = a_text(event.get("model")) or main
    return main if "/" not in name and main.endswith(f"/{name}") else name


def attempt_of(event: JsonObject, place: Place) -> ImportedAttempt:
    """Make a call of a model event."""
    name = model_of(event, place.main)
    asked, answer = slashed(name), an_object(an_object(event.get("call")).get("response"))
    output = an_object(event.get("output"))
    status = _status(event, output)
    usage = None if status == "reused" else _usage(event, output, name, place)
    started, finished = _instants(event, output)
    fault = _fault(event, output) if status not in ("succeeded", "reused") else None
    http_status = _http_status(fault)
    is_main = asked == Asked(place.cell.provider, place.cell.model)
    stop_reason = an_object(next(iter(a_list(output.get("choices"))), None)).get("stop_reason")
    return ImportedAttempt(
        cell=place.cell,
        identity=a_text(event.get("uuid")) or place.fallback,
        sample=place.sample,
        purpose=_purpose(event, is_main=is_main, is_scoring=place.is_scoring),
        provider=None if is_main else asked.provider,
        model=None if is_main else asked.model,
        model_served=_model_served(answer, output, status),
        status=status,
        usage=usage,
        started_at_us=started,
        finished_at_us=finished,
        stated_cost_usd=None if status == "reused" else an_amount(an_object(output.get("usage")).get("total_cost")),
        cost_note=_cost_note(output, place.version, name),
        service_tier=_service_tier(answer, usage),
        hidden_retries=max(0, a_count(event.get("retries")) or 0),
        error_class=_error_class(status, http_status),
        error_message=fault,
        http_status=http_status,
        provider_request_id=_request_id(event, output, answer),
        finish_reason=FINISH.get(str(stop_reason)) if status in ("succeeded", "reused") else None,
        refused=stop_reason == "content_filter",
        parameters=_parameters(event),
    )


def _model_served(answer: JsonObject, output: JsonObject, status: SettledStatus) -> str | None:
    """Name the model that answered: as the provider did, else as Inspect does where there is an answer."""
    return a_text(answer.get("model")) or (a_text(output.get("model")) if status == "succeeded" else None)


def _service_tier(answer: JsonObject, usage: ImportedUsage | None) -> str | None:
    return a_text(answer.get("service_tier")) or (usage.usage.service_tier if usage else None)


def _purpose(event: JsonObject, *, is_main: bool, is_scoring: bool) -> Purpose:
    """Say which role a call played: by its name, else by the part of the sample in which it happened."""
    role = a_text(event.get("role")) or ""
    if _JUDGES.search(role) or is_scoring:
        return "judge"
    if _USERS.search(role):
        return "user_simulator"
    return "tool" if role and not is_main else "solve"


def _status(event: JsonObject, output: JsonObject) -> SettledStatus:
    if event.get("cache") == "read":
        return "reused"
    fault = _fault(event, output)
    if fault is None:
        if event.get("pending"):
            return "cancelled"
        return "succeeded" if output.get("usage") or output.get("choices") else "failed"
    if "cancelled" in fault.lower():
        return "cancelled"
    return "timed_out" if re.search(r"time(d ?|-)?out", fault, re.IGNORECASE) else "failed"


def _fault(event: JsonObject, output: JsonObject) -> str | None:
    fault = event.get("error") or output.get("error")
    return None if not fault else fault if isinstance(fault, str) else str(an_object(fault).get("message") or fault)


def _http_status(fault: str | None) -> int | None:
    found = _STATUS.search(fault or "")
    return int(found.group(1)) if found else None


def _error_class(status: SettledStatus, http_status: int | None) -> ErrorClass | None:
    if status == "timed_out":
        return ErrorClass.TIMEOUT
    if status != "failed":
        return None
    if http_status is not None and http_status not in _BY_STATUS:
        return ErrorClass.SERVER_ERROR if http_status >= 500 else ErrorClass.BAD_REQUEST
    return _BY_STATUS[http_status] if http_status else ErrorClass.INTERNAL


def _usage(event: JsonObject, output: JsonObject, name: str, place: Place) -> ImportedUsage | None:
    raw = output.get("usage")
    if not isinstance(raw, dict):
        return None
    found = read_model_usage(NAME, raw, where=place.where, meaning=meaning_of(place.version, name))
    return with_details(found, slashed(name).provider, an_object(an_object(event.get("call")).get("response")))


def _cost_note(output: JsonObject, version: Version | None, name: str) -> str | None:
    raw = an_object(output.get("usage"))
    if raw.get("total_cost") is None:
        return None
    is_twice = version is not None and meaning_of(version, name).cached_inside and raw.get("input_tokens_cache_read")
    twice = "; before 0.3.184 it charges cached input a second time at the full rate" if is_twice else ""
    return f"Inspect's sum at the prices that its user gave{twice}"


def _instants(event: JsonObject, output: JsonObject) -> tuple[int | None, int | None]:
    started, finished = instant_us(event.get("timestamp")), instant_us(event.get("completed"))
    return started, finished if finished is not None else ended_us(started, a_number(output.get("time")))


def _request_id(event: JsonObject, output: JsonObject, answer: JsonObject) -> str | None:
    last = next(iter(reversed(a_list(event.get("request_ids")))), None)
    header = a_text(an_object(last).get("id"))
    return header or a_text(answer.get("id")) or a_text(output.get("response_id"))


def _parameters(event: JsonObject) -> Mapping[str, object]:
    """Give what the raw request sent besides texts; settings of a configuration need not have been sent."""
    request = an_object(an_object(event.get("call")).get("request"))
    return {name: value for name, value in request.items() if name not in _UNSENT and _is_plain(value)}


def _is_plain(value: Json) -> bool:
    return value is not None and (
        not isinstance(value, dict | list) or all(not isinstance(part, dict | list) for part in _parts(value))
    )


def _parts(value: Json) -> list[Json]:
    return list(value.values()) if isinstance(value, dict) else a_list(value)
