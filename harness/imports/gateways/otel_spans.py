"""Model calls that instrumentation traced: spans with `gen_ai.*`, OpenInference's `llm.*` or the AI SDK's `ai.*` names.

Data flows spans, read twice, -> those of a model below which no other counts the same tokens -> records. Input includes
cached tokens and output includes reasoning, as the conventions demand; a stated total shows where that is not so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from harness.declared import Json, JsonObject
from harness.errors import ProviderError
from harness.imports.containers.json_values import a_count, a_list, a_text, an_amount, an_object
from harness.imports.gateways.logged_answers import checked_usage, doubt_in, error_facts, logged_failure
from harness.imports.gateways.otlp_json import EXPORTS, Span, Tree, name_of, spans_in
from harness.imports.harnesses.asked_models import NO_MODEL, UNKNOWN_PROVIDER
from harness.imports.log_formats import Format, Source
from harness.imports.log_instants import instant_us
from harness.imports.log_peeks import Peek
from harness.imports.log_records import (
    Broken,
    ImportedAttempt,
    ImportedCell,
    ImportedRun,
    ImportedUsage,
    Noted,
    Record,
    Said,
    SampleKey,
)
from harness.imports.refusal import ImportRefused
from harness.providers.wire.answers import text_of
from harness.providers.wire.finish_reasons import finish_reason
from harness.usage.kinds import CHAT

NAME = "otel"

INPUT = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt",
         "llm.usage.prompt_tokens", "ai.usage.inputTokens", "ai.usage.promptTokens")  # fmt: skip
OUTPUT = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion",
          "llm.usage.completion_tokens", "ai.usage.outputTokens", "ai.usage.completionTokens")  # fmt: skip
TOTAL = ("gen_ai.usage.total_tokens", "llm.token_count.total", "llm.usage.total_tokens", "ai.usage.totalTokens",
         "ai.usage.tokens")  # fmt: skip
CACHE_READ = ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
              "gen_ai.usage.details.cache_read_tokens", "gen_ai.usage.input_tokens.cached",
              "llm.token_count.prompt_details.cache_read", "ai.usage.cachedInputTokens",
              "ai.usage.inputTokenDetails.cacheReadTokens")  # fmt: skip
CACHE_WRITE = ("gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens",
               "gen_ai.usage.details.cache_write_tokens", "llm.token_count.prompt_details.cache_write",
               "ai.usage.inputTokenDetails.cacheWriteTokens")  # fmt: skip
REASONING = ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens",
             "gen_ai.usage.details.reasoning_tokens", "gen_ai.usage.output_tokens.reasoning",
             "llm.token_count.completion_details.reasoning", "llm.usage.reasoning_tokens",
             "ai.usage.reasoningTokens", "ai.usage.outputTokenDetails.reasoningTokens")  # fmt: skip
COST = ("llm.cost.total", "gen_ai.usage.cost", "gen_ai.usage.total_cost", "gen_ai.cost.total_cost", "operation.cost")
ASKED = ("gen_ai.request.model", "llm.request.model_name", "llm.model_name", "ai.model.id", "embedding.model_name")
SERVED = ("gen_ai.response.model", "llm.response.model_name", "ai.response.model")
PROVIDER = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider")
ANSWER_ID = ("gen_ai.response.id", "ai.response.id", "llm.response.id")
TIER = ("openai.response.service_tier", "gen_ai.openai.response.service_tier", "gen_ai.response.service_tier",
        "openai.request.service_tier", "gen_ai.openai.request.service_tier")  # fmt: skip
ENDED = ("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason", "llm.finish_reason",
         "llm.response.finish_reason", "ai.response.finishReason", "gen_ai.response.stop_reason")  # fmt: skip
SAMPLE = ("sample.id", "sample_id", "eval.sample.id", "eval.sample_id")
EPOCH = ("sample.epoch", "eval.epoch", "epoch")
_USAGE = (*INPUT, *OUTPUT, *TOTAL, *CACHE_READ, *CACHE_WRITE, *REASONING)
_NO_REQUESTS = frozenset({"execute_tool", "create_agent", "invoke_agent", "invoke_workflow", "retrieval"})
"""Operations that ask no model themselves; such a span counts only where it carries tokens that nothing below does."""
_PROVIDERS = {
    "az.ai.openai": "azure", "azure.ai.openai": "azure", "az.ai.inference": "azure", "azure.ai.inference": "azure",
    "azure-openai": "azure", "aws.bedrock": "bedrock", "aws_bedrock": "bedrock", "amazon-bedrock": "bedrock",
    "gcp.gemini": "google", "gcp.gen_ai": "google", "gcp.vertex_ai": "vertex_ai", "vertexai": "vertex_ai",
    "mistral_ai": "mistral", "mistralai": "mistral", "x_ai": "xai", "ibm.watsonx.ai": "watsonx",
    "togetherai": "together",
}  # fmt: skip
_MARKS = ("gen_ai.", "llm.", "openinference.", "ai.usage.", "ai.model.")
_STATUS_IN_WORDS = re.compile(r"(?:[Ee]rror code:|[Ss]tatus(?: code)?:?|HTTP)\s*([45][0-9]{2})\b")


def role_of(look: Peek) -> str | None:
    """Recognise exports of traces; metrics, logs and dumps of an SDK are known, and refused."""
    for holder in (look.top, look.first):
        if any(name in holder for name in EXPORTS):
            return "spans"
        if "resourceMetrics" in holder or "resourceLogs" in holder:
            return "no_traces"
        if _is_dump([an_object(one) for one in a_list(look.document)] or [holder]):
            return "dump"
    return None


def _is_dump(spans: list[JsonObject]) -> bool:
    named = [name for span in spans[:5] for name in (*span, *an_object(span.get("attributes")))]
    return any(str(name).startswith(_MARKS) for name in named)


def unit_of(path: Path, role: str) -> Path:
    """Say that the traces of one folder belong together: a call and what is around it may lie in two files."""
    return path.parent if role == "spans" else path


def read(source: Source) -> Iterator[Record]:
    """Give each model call once.

    Raises:
        ImportRefused: it holds no traces, spans without what exported them, or a sample of all traces.
    """
    for file in source.files:
        if file.role != "spans":
            raise ImportRefused(*_WHY_NOT[file.role], where=file.name, fix="export OTLP JSON (resourceSpans)")
    reading = _Reading(texts=source.texts)
    for file in source.files:
        for span in spans_in(file):
            if isinstance(span, Span):
                reading.look(span)
    reading.settle()
    for file in source.files:
        for span in spans_in(file):
            if isinstance(span, Broken):
                yield span
            elif reading.counts(span):
                yield from reading.call(span)
    yield from reading.notes()


_WHY_NOT = {
    "no_traces": ("holds metrics or logs, not traces: sums of tokens are no calls",),
    "dump": ("holds spans as an SDK dumps them, not an export: whose they are, and what is around them, is not said",),
}


@dataclass(slots=True, kw_only=True)
class _Reading:
    """Two passes over the spans of a unit.

    Attributes:
        covered: spans below which others carry tokens.
        around: spans below which a model is asked.
        runs: by run how many of its answers have no tokens.
        tells_cached: by run with tokens, whether any of its calls says what came from a cache.
    """

    texts: bool
    tree: Tree = field(default_factory=Tree)
    carriers: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    covered: set[str] = field(default_factory=set)
    around: set[str] = field(default_factory=set)
    runs: dict[str, int] = field(default_factory=dict)
    tells_cached: dict[str, bool] = field(default_factory=dict)
    cells: dict[tuple[str, str, str, str | None], ImportedCell] = field(default_factory=dict)

    def look(self, span: Span) -> None:
        """Keep where a span stands, and whether it is a model's."""
        if sampled := _sampling(span):
            raise ImportRefused(
                f"holds a sample of all traces (tracestate {sampled!r}): what was spent cannot be told from it",
                where=span.where,
            )
        names = span.attributes
        self.tree.add(span, {name: names[name] for name in (*SAMPLE, *EPOCH) if name in names})
        if _has_usage(names):
            self.carriers.add(span.span_id)
        if _is_model(names):
            self.models.add(span.span_id)

    def settle(self) -> None:
        """Find the spans that only sum up what is below them."""
        self.covered = self.tree.all_above(self.carriers)
        self.around = self.tree.all_above(self.models)

    def counts(self, span: Span) -> bool:
        """Whether a span is a call of its own."""
        if span.span_id in self.covered:
            return False
        return span.span_id in self.carriers or (span.span_id in self.models and span.span_id not in self.around)

    def call(self, span: Span) -> Iterator[Record]:
        """Give a span as an attempt."""
        run = name_of(span.resource, "service.instance.id", "service.name") or NAME
        if run not in self.runs:
            self.runs[run] = 0
            began = instant_us(span.instant("start"), "ns")
            yield ImportedRun(key=run, tool=NAME, name=name_of(span.resource, "service.name"), created_at_us=began)
        usage = _usage(span.attributes)
        if usage is not None and (doubt := doubt_in(usage)) is not None:
            yield Broken(where=span.where, reason=doubt)
            return
        self._count(run, span, usage)
        yield self._attempt(run, span, usage)

    def _count(self, run: str, span: Span, usage: ImportedUsage | None) -> None:
        self.runs[run] += usage is None and not span.has_failed
        if usage is not None:
            tells = _first(span.attributes, CACHE_READ) is not None
            self.tells_cached[run] = self.tells_cached.get(run, False) or tells

    def _attempt(self, run: str, span: Span, usage: ImportedUsage | None) -> ImportedAttempt:
        names = span.attributes
        began, ended = instant_us(span.instant("start"), "ns"), instant_us(span.instant("end"), "ns")
        cell = self._cell(run, names)
        failure = _failure(span, cell.provider) if span.has_failed else None
        cost = an_amount(_first(names, COST)) or None
        return ImportedAttempt(
            cell=cell,
            identity=f"{span.trace_id}/{span.span_id}",
            sample=_sample(self.tree.said_above(span.span_id)),
            model_served=name_of(names, *SERVED),
            status="succeeded" if failure is None else "failed",
            usage=usage,
            billed=None if failure is None or usage is not None else failure.billed,
            started_at_us=began,
            finished_at_us=ended if ended is not None else began,
            stated_cost_usd=cost,
            cost_note="the instrumentation's own price list" if cost else None,
            service_tier=name_of(names, *TIER),
            provider_request_id=name_of(names, *ANSWER_ID),
            finish_reason=_ended(names),
            said=_said(names) if self.texts else None,
            **error_facts(failure),
        )

    def _cell(self, run: str, names: JsonObject) -> ImportedCell:
        model = name_of(names, *ASKED) or name_of(names, *SERVED) or NO_MODEL
        provider = provider_named(name_of(names, *PROVIDER))
        setting = a_text(names.get("gen_ai.request.reasoning_effort"))
        cell = ImportedCell(run=run, suite=NAME, provider=provider, model=model, setting=setting)
        return self.cells.setdefault((run, provider, model, setting), cell)

    def notes(self) -> Iterator[Noted]:
        """Say what traces leave out."""
        for run, n_without in self.runs.items():
            if n_without:
                detail = f"{n_without} answers (streams without usage, as a rule) have no tokens, and were billed"
                yield Noted(run=run, name="usage_missing", detail=detail, lower_bound=True)
            if not self.tells_cached.get(run, True):
                detail = "the instrumentation leaves out what was read from a cache: it counts as fresh input"
                yield Noted(run=run, name="cached_dropped", detail=detail, upper_bound=True)
            yield Noted(
                run=run,
                name="retries_lost",
                detail="a span holds all tries of a request, and the tokens of the last one",
                lower_bound=True,
            )


def provider_named(word: str | None) -> str:
    """Give our name of a provider, by the conventions' or a framework's (`gcp.gemini`, `openai.chat`)."""
    if word is None:
        return UNKNOWN_PROVIDER
    name = word.lower()
    return _PROVIDERS.get(name) or name.partition(".")[0]


def _is_model(names: JsonObject) -> bool:
    if str(names.get("gen_ai.operation.name")) in _NO_REQUESTS:
        return False
    kind = str(names.get("openinference.span.kind") or "").upper()
    if kind and kind != "LLM":
        return False
    return kind == "LLM" or name_of(names, *ASKED, *SERVED) is not None


def _has_usage(names: JsonObject) -> bool:
    return a_count(_first(names, INPUT)) is not None or a_count(_first(names, OUTPUT)) is not None


def _first(names: JsonObject, wanted: tuple[str, ...]) -> Json:
    return next((names[name] for name in wanted if names.get(name) is not None), None)


def _usage(names: JsonObject) -> ImportedUsage | None:
    """Read the counts of a span by any of their names; None = it has none."""
    if not _has_usage(names):
        return None
    counts = [_first(names, wanted) for wanted in (INPUT, OUTPUT, TOTAL, CACHE_READ, CACHE_WRITE, REASONING)]
    given, output, total, read, written, reasoning = (
        each if a_count(each) is None else a_count(each) for each in counts
    )
    if output is None and names.get("gen_ai.operation.name") == "embeddings":
        output = 0
    answer: JsonObject = {
        "prompt_tokens": given,
        "completion_tokens": output,
        "total_tokens": total,
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    raw = {name: names[name] for name in _USAGE if name in names}
    return ImportedUsage(usage=checked_usage(CHAT, answer).usage, raw=raw, kind=NAME)


def _ended(names: JsonObject) -> str | None:
    word = _first(names, ENDED)
    word = word[0] if isinstance(word, list) and word else word
    return finish_reason(word) if isinstance(word, str) and word else None


def _sample(facts: JsonObject) -> SampleKey | None:
    sample = _first(facts, SAMPLE)
    if sample is None:
        return None
    return SampleKey(sample_id=str(sample), epoch=max(0, a_count(_first(facts, EPOCH)) or 0))


def _failure(span: Span, provider: str) -> ProviderError:
    words = a_text(an_object(span.raw.get("status")).get("message")) or ""
    stated = _STATUS_IN_WORDS.search(words)
    status = a_count(span.attributes.get("http.response.status_code")) or (int(stated[1]) if stated else None)
    kind = a_text(span.attributes.get("error.type"))
    return logged_failure({"error": {"message": words or kind or "an error", "type": kind}}, provider, status)


def _sampling(span: Span) -> str | None:
    """Give the part of a trace's state that says that not all traces were kept; None = it does not say so."""
    state = a_text(span.raw.get("traceState") or span.raw.get("trace_state")) or ""
    vendors = dict(part.strip().partition("=")[::2] for part in state.split(","))
    facts = dict(part.partition(":")[::2] for part in vendors.get("ot", "").split(";"))
    threshold, exponent = facts.get("th", "0").strip("0"), facts.get("p", "0").strip("0")
    return state if threshold or exponent else None


def _said(names: JsonObject) -> Said:
    """Give prompt and answer, where the instrumentation kept them: whole lists, or one attribute per message."""
    asked = _parsed(_first(names, ("gen_ai.input.messages", "ai.prompt.messages")))
    told = _parsed(_first(names, ("gen_ai.output.messages",)))
    messages = [an_object(one) for one in a_list(asked)] or _numbered(names, "gen_ai.prompt.", "llm.input_messages.")
    answers = [an_object(one) for one in a_list(told)] or _numbered(names, "gen_ai.completion.", "llm.output_messages.")
    words = "".join(text_of(one.get("content", one.get("parts"))) for one in answers)
    return Said(messages=messages, answer=words or a_text(_first(names, ("ai.response.text", "output.value"))))


def _parsed(value: Json) -> Json:
    if not isinstance(value, str):
        return value
    try:
        found: Json = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    return found


def _numbered(names: JsonObject, *prefixes: str) -> list[JsonObject]:
    """Collect messages from attributes like `gen_ai.prompt.0.content` and `llm.input_messages.0.message.content`."""
    found: dict[int, JsonObject] = {}
    for name, value in names.items():
        prefix = next((one for one in prefixes if name.startswith(one)), None)
        if prefix is None:
            continue
        number, _, member = name.removeprefix(prefix).partition(".")
        if number.isdigit() and member.removeprefix("message.") in ("role", "content"):
            found.setdefault(int(number), {})[member.removeprefix("message.")] = value
    return [found[number] for number in sorted(found)]


FORMAT = Format(
    name=NAME,
    title="OpenTelemetry GenAI traces (OTLP JSON)",
    looks_for="resourceSpans, as a document or one export a line",
    role_of=role_of,
    read=read,
    unit_of=unit_of,
    example="traces.jsonl",
    cannot_tell=(
        "Retries: a span holds all tries of a request, so the spend is a lower bound.",
        "Cached and reasoning tokens where the instrumentation drops them, as opentelemetry-...-openai-v2 does.",
        "Tokens of streams that were asked without usage.",
        "Samples, unless your own spans around the calls say sample.id.",
        "Scores, and what a call cost.",
    ),
)
