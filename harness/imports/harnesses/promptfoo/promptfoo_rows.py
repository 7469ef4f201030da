"""One row of promptfoo's results: a test case on a provider, its answer, its graders, its score.

Pure. Data flows a row as exports write it -> sample, attempt, the graders' attempt, scores.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from functools import cache

from harness.declared import Json, JsonObject
from harness.errors import ErrorClass
from harness.imports.containers.json_values import a_count, a_list, a_number, a_text, an_amount, an_object
from harness.imports.harnesses.asked_models import NO_MODEL, UNKNOWN_PROVIDER, Asked, coloned, provider_at
from harness.imports.harnesses.logged_settings import setting_of
from harness.imports.harnesses.model_usage import Meaning, read_model_usage
from harness.imports.harnesses.prompt_texts import messages_of
from harness.imports.harnesses.score_values import score_of
from harness.imports.log_instants import instant_us
from harness.imports.log_records import (
    ImportedAttempt,
    ImportedCell,
    ImportedSample,
    ImportedScore,
    ImportedUsage,
    Record,
    Said,
    SampleKey,
)
from harness.instants import to_us
from harness.ledger.records import SettledStatus

NAME = "promptfoo"
MAIN_SCORER = "assertions"
FAILED_TO_RUN = 2
LONGEST_MS = 30 * 86_400_000
_FINISH = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "refusal": "content_filter",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
}
_RENAMED = {"prompt": "input_tokens", "completion": "output_tokens", "total": "total_tokens"}
_DETAILS = {
    "cacheReadInputTokens": "input_tokens_cache_read",
    "cacheCreationInputTokens": "input_tokens_cache_write",
    "reasoning": "reasoning_tokens",
}
_INCLUDE_CACHED = frozenset({"openai", "azure", "anthropic"})
_NOT_BILLED = frozenset({"cached", "numRequests", "assertions", "completionDetails", *_RENAMED})
_STATUS = re.compile(r"(?:API error|[Ss]tatus(?: code)?|HTTP)[: ]+(\d{3})\b")


@dataclass(slots=True)
class Layout:
    """What must be known of all rows to place one: several prompts are tasks, and labels tell equal providers apart.

    Attributes:
        prompts: digests of the prompts as written, before variables are filled in.
        labels: labels of the providers, by their id.
    """

    prompts: set[str] = field(default_factory=set)
    labels: dict[str, set[str]] = field(default_factory=dict)

    def see(self, row: JsonObject) -> None:
        """Take in a row."""
        name, label, _ = _provider(row)
        self.prompts.add(a_text(row.get("promptId")) or "")
        self.labels.setdefault(name, set()).add(label or "")


def usage_of(raw: JsonObject, provider: str, where: str) -> ImportedUsage | None:
    """Read `tokenUsage` of an answer that was not promptfoo's own copy; None = it states none.

    Prompts include cached tokens for OpenAI's family and Anthropic, completions leave Google's thoughts out; for Google
    alone `cached` counts what the provider's cache held, elsewhere promptfoo's own copies.
    """
    if raw.get("prompt") is None and raw.get("completion") is None:
        return None
    meaning = Meaning(
        cached_inside=True if provider in _INCLUDE_CACHED else None, reasoning_inside=provider != "google"
    )
    found = read_model_usage(NAME, _counts(raw, provider), where=where, meaning=meaning)
    return None if found is None else replace(found, raw=raw)


def _counts(raw: JsonObject, provider: str) -> dict[str, object]:
    """Give the counts of `tokenUsage` the names that `read_model_usage` knows; others keep theirs."""
    details = an_object(raw.get("completionDetails"))
    counts: dict[str, object] = {ours: raw.get(theirs) for theirs, ours in _RENAMED.items()}
    counts.update({ours: details.get(theirs) for theirs, ours in _DETAILS.items()})
    counts.update({name: value for name, value in raw.items() if name not in _NOT_BILLED})
    if provider == "google" and raw.get("cached") is not None:
        counts["input_tokens_cache_read"] = raw["cached"]
    return counts


class Rows:
    """The rows of one evaluation, in their order: equal test cases on one provider and prompt are epochs."""

    def __init__(self, run: str, suite: str, layout: Layout, configs: Mapping[str, JsonObject], *, texts: bool) -> None:
        self._run, self._suite, self._layout, self._texts = run, suite, layout, texts
        self._configs = configs
        self._n_seen: dict[tuple[str, str, str, str], int] = {}
        self._digests: dict[str, str] = {}
        self._cell_of = cache(self._cell)

    def records(self, row: JsonObject, where: str) -> Iterator[Record]:
        """Give a row's sample, calls and scores."""
        name, label, config = _provider(row)
        cell = self._cell_of(name, label, a_text(config.get("apiBaseUrl")), _passed_through(config))
        sample = self._sample(row)
        identity = a_text(row.get("id")) or f"{self._run}/{row.get('testIdx')}/{row.get('promptIdx')}"
        target = _target(row) if self._texts else None
        yield ImportedSample(cell=cell, sample=sample, target=target)
        yield self._attempt(row, cell, sample, identity, where)
        yield from self._graders(row, cell, sample, identity, where)
        yield from _scores(row, identity, texts=self._texts)

    def _cell(self, name: str, label: str | None, address: str | None, setting: str | None) -> ImportedCell:
        asked, configured = coloned(name), self._configs.get(label or name, {})
        at = provider_at(address or a_text(configured.get("apiBaseUrl")))
        is_named_twice = len(self._layout.labels.get(name, ())) > 1
        return ImportedCell(
            run=self._run,
            suite=self._suite,
            provider=at or asked.provider,
            model=asked.model,
            setting=setting or _passed_through(configured) or (label if is_named_twice and label != name else None),
        )

    def _sample(self, row: JsonObject) -> SampleKey:
        case, (name, label, _) = an_object(row.get("testCase")), _provider(row)
        digest = _digest({key: case.get(key) for key in ("description", "vars", "assert")})
        own = an_object(case.get("metadata"))
        shown = a_text(own.get("sample_id")) or a_text(own.get("id")) or a_text(case.get("description")) or digest[:16]
        if self._digests.setdefault(shown, digest) != digest:
            shown = f"{shown}#{digest[:8]}"  # one description for several test cases
        prompt = a_text(row.get("promptId")) or ""
        place = (shown, name, label or "", prompt)
        epoch = self._n_seen[place] = self._n_seen.get(place, -1) + 1
        task = f"prompt-{prompt[:8]}" if len(self._layout.prompts) > 1 else None
        return SampleKey(sample_id=shown, task=task, epoch=epoch)

    def _attempt(
        self, row: JsonObject, cell: ImportedCell, sample: SampleKey, identity: str, where: str
    ) -> ImportedAttempt:
        response = an_object(row.get("response"))
        status, fault = _status(row, response)
        usage = None
        if status != "reused":
            usage = usage_of(an_object(response.get("tokenUsage")), cell.provider, where)
        started, finished = _instants(row, response) if status != "reused" else (None, None)
        reason = a_text(response.get("finishReason"))
        http_status = a_count(an_object(an_object(response.get("metadata")).get("http")).get("status"))
        return ImportedAttempt(
            cell=cell,
            identity=identity,
            sample=sample,
            status=status,
            usage=usage,
            started_at_us=started,
            finished_at_us=finished,
            stated_cost_usd=(an_amount(row.get("cost")) or None) if status != "reused" else None,
            cost_note="promptfoo's own table of prices",
            error_class=_error_class(status, http_status),
            error_message=fault,
            http_status=http_status if fault else None,
            finish_reason=_FINISH.get(reason.lower(), "other") if reason else None,
            said=_said(row, response) if self._texts else None,
        )

    def _graders(
        self, row: JsonObject, cell: ImportedCell, sample: SampleKey, identity: str, where: str
    ) -> Iterator[Record]:
        """Give what the graders of a row used, as one attempt: exports hold their sum alone."""
        grading = an_object(row.get("gradingResult"))
        raw = an_object(grading.get("tokensUsed")) or an_object(an_object(row.get("tokenUsage")).get("assertions"))
        if not a_count(raw.get("total")):
            return
        asked = _grader(row, grading)
        is_copy = bool(raw.get("cached")) and not raw.get("prompt")
        yield ImportedAttempt(
            cell=cell,
            identity=f"{identity}/graders",
            sample=sample,
            purpose="judge",
            provider=asked.provider,
            model=asked.model,
            status="reused" if is_copy else "succeeded",
            usage=None if is_copy else usage_of(_without_padding(raw), asked.provider, where),
        )


def _provider(row: JsonObject) -> tuple[str, str | None, JsonObject]:
    """Give the provider's name, its label, and its configuration where the row holds it (the database's rows do)."""
    provider = row.get("provider")
    if isinstance(provider, str):
        return provider, None, {}
    named = an_object(provider)
    return a_text(named.get("id")) or "", a_text(named.get("label")), an_object(named.get("config"))


def _passed_through(config: JsonObject) -> str | None:
    """Name the reasoning setting that certainly was sent: others are left out for models unknown to promptfoo."""
    return setting_of(an_object(config.get("passthrough")))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _without_padding(raw: JsonObject) -> JsonObject:
    """Drop zeros of graders' details: they are padding, and mean that nothing is known."""
    details: JsonObject = {name: count for name, count in an_object(raw.get("completionDetails")).items() if count}
    return {**raw, "completionDetails": details}


def _grader(row: JsonObject, grading: JsonObject) -> Asked:
    """Name the grader, where the assertions or the test case do, and all the same one."""
    checked = [an_object(an_object(part).get("assertion")) for part in a_list(grading.get("componentResults"))]
    named = {name for one in checked if (name := _named(one.get("provider")))}
    options = an_object(an_object(row.get("testCase")).get("options"))
    own = _named(options.get("provider"))
    if len(named) == 1 or (own and not named):
        return coloned(named.pop() if named else own or "")
    return Asked(UNKNOWN_PROVIDER, NO_MODEL)


def _named(provider: Json) -> str | None:
    return a_text(provider) or a_text(an_object(provider).get("id"))


def _status(row: JsonObject, response: JsonObject) -> tuple[SettledStatus, str | None]:
    """Say how a call ended: an error beside an answer is a failed assertion, not a failed call."""
    fault = a_text(response.get("error"))
    if fault is None and not response and row.get("failureReason") == FAILED_TO_RUN:
        fault = a_text(row.get("error")) or "failed"
    if fault is None or response.get("output"):
        return ("reused" if response.get("cached") else "succeeded"), None
    if response.get("cached"):
        return "reused", None
    return ("timed_out" if re.search(r"time(d ?|-)?out", fault, re.IGNORECASE) else "failed"), fault


def _error_class(status: SettledStatus, http_status: int | None) -> ErrorClass | None:
    if status == "timed_out":
        return ErrorClass.TIMEOUT
    if status != "failed":
        return None
    if http_status == 429:
        return ErrorClass.RATE_LIMIT
    if http_status is None or http_status < 400:
        return ErrorClass.INTERNAL
    return ErrorClass.SERVER_ERROR if http_status >= 500 else ErrorClass.BAD_REQUEST


def _instants(row: JsonObject, response: JsonObject) -> tuple[int | None, int | None]:
    """Read when the answer came from its own headers, else from the database's row; its beginning from the latency."""
    headers = an_object(an_object(an_object(response.get("metadata")).get("http")).get("headers"))
    finished = _http_date(a_text(headers.get("date"))) or instant_us(row.get("createdAt"))
    latency_ms = a_number(row.get("latencyMs"))
    if finished is None or latency_ms is None or not 0 <= latency_ms < LONGEST_MS:
        return finished, finished
    return finished - round(latency_ms * 1000), finished


def _http_date(text: str | None) -> int | None:
    try:
        moment = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return to_us(moment) if moment is not None and moment.tzinfo is not None else None


def _scores(row: JsonObject, identity: str, *, texts: bool) -> Iterator[Record]:
    """Give named scores, then the weighted mean of all assertions, which reports take; an error is no wrong answer."""
    if row.get("failureReason") == FAILED_TO_RUN:
        reason = f"the call failed: {(a_text(row.get('error')) or 'no answer')[:200]}"
        yield ImportedScore(attempt=identity, scorer=MAIN_SCORER, value=None, reason=reason)
        return
    for name, value in an_object(row.get("namedScores")).items():
        number, reason_why = score_of(value)
        yield ImportedScore(attempt=identity, scorer=name, value=number, reason=reason_why)
    number, reason_why = score_of(row.get("score"))
    said = a_text(an_object(row.get("gradingResult")).get("reason")) if texts else None
    yield ImportedScore(attempt=identity, scorer=MAIN_SCORER, value=number, reason=reason_why, explanation=said)


def _target(row: JsonObject) -> str | None:
    """Give what the assertions compare with, where that is text; others are code or rubrics."""
    checks = [an_object(one) for one in a_list(an_object(row.get("testCase")).get("assert"))]
    values = [one["value"] for one in checks if isinstance(one.get("value"), str)]
    return "\n".join(str(value) for value in values) or None


def _said(row: JsonObject, response: JsonObject) -> Said:
    raw = a_text(an_object(row.get("prompt")).get("raw")) or ""
    output = response.get("output")
    answer = output if isinstance(output, str) or output is None else json.dumps(output, ensure_ascii=False)
    return Said(messages=messages_of(raw), answer=answer)
