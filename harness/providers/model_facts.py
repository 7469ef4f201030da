"""What is known about models' reasoning: whether they reason, which settings they take, which parameters they refuse.

One table of exact names, from the providers' own pages and litellm's capability list of 2026-11; a name with a date
behind it (`-2025-04-16`, `-20250219`) means the same model. Data flows provider and name -> ModelFacts or None. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

FAMILY_OF_PROVIDER: Mapping[str, str] = {
    "openai": "openai",
    "azure": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "gemini": "google",
    "vertex_ai": "google",
    "xai": "xai",
    "x-ai": "xai",
    "deepseek": "deepseek",
    "groq": "groq",
    "mistral": "mistral",
    "perplexity": "perplexity",
    "sim": "sim",
}
"""Providers that share one table of models; every other provider is a host of open weights."""

LOW_TO_HIGH = ("low", "medium", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What one model does about reasoning.

    Attributes:
        reasons: what it does when no setting is given.
        efforts: effort labels that it takes, `none` included where reasoning can be switched off by label.
        budget: smallest and largest number for `@thinking=N`, None when it takes no number.
        can_disable: whether reasoning can be switched off.
        efforts_reason: whether an effort label (other than `none`) switches reasoning on.
        adaptive: Anthropic: thinking is asked for as `adaptive` with an effort.
        responses_api: OpenAI: served by the responses interface only.
        fixed_sampling: refuses `temperature` while it reasons (or always, when it always reasons).
    """

    reasons: bool
    efforts: tuple[str, ...] = ()
    budget: tuple[int, int] | None = None
    can_disable: bool = False
    efforts_reason: bool = True
    adaptive: bool = False
    responses_api: bool = False
    fixed_sampling: bool = False


def _each(facts: ModelFacts, names: str) -> dict[str, ModelFacts]:
    return dict.fromkeys(names.split(), facts)


def _openai(*efforts: str, reasons: bool = True, responses_api: bool = False) -> ModelFacts:
    return ModelFacts(
        reasons=reasons,
        efforts=efforts,
        can_disable="none" in efforts,
        responses_api=responses_api,
        fixed_sampling=True,
    )


_NEVER = ModelFacts(reasons=False)
_ALWAYS = ModelFacts(reasons=True)

_OPENAI: Mapping[str, ModelFacts] = {
    **_each(
        _NEVER, "gpt-3.5-turbo gpt-4 gpt-4-turbo gpt-4o gpt-4o-mini chatgpt-4o-latest gpt-4.1 gpt-4.1-mini gpt-4.1-nano"
    ),
    **_each(_NEVER, "gpt-4.5-preview gpt-5-chat gpt-5-chat-latest"),
    **_each(_openai(), "o1-preview o1-mini"),
    **_each(_openai(*LOW_TO_HIGH), "o1 o3 o3-mini o4-mini"),
    **_each(_openai(*LOW_TO_HIGH, responses_api=True), "o1-pro o3-pro gpt-5-codex gpt-5.1-codex gpt-5.1-codex-mini"),
    **_each(_openai("medium", responses_api=True), "o3-deep-research o4-mini-deep-research"),
    **_each(_openai("minimal", *LOW_TO_HIGH), "gpt-5 gpt-5-mini gpt-5-nano"),
    **_each(_openai("high", responses_api=True), "gpt-5-pro"),
    # From 5.1 to 5.4 the default effort is none: these models reason only when asked to
    **_each(_openai("none", *LOW_TO_HIGH, reasons=False), "gpt-5.1"),
    **_each(_openai("none", *LOW_TO_HIGH, "xhigh", reasons=False), "gpt-5.2 gpt-5.4 gpt-5.4-mini gpt-5.4-nano"),
    **_each(_openai("none", *LOW_TO_HIGH, "xhigh"), "gpt-5.5 gpt-5.6 gpt-5.6-sol gpt-5.6-terra gpt-5.6-luna"),
    **_each(_openai("medium", "high", "xhigh", responses_api=True), "gpt-5.2-pro gpt-5.4-pro gpt-5.5-pro"),
    **_each(_openai("none", *LOW_TO_HIGH, "xhigh", "max"), "gpt-6-sol gpt-6-luna"),
    **_each(_openai(*LOW_TO_HIGH, "xhigh", "max"), "gpt-6-astra gpt-6.1-sol"),
}

_BUDGET = (1024, 128_000)
_CLAUDE_BUDGET = ModelFacts(reasons=False, budget=_BUDGET, can_disable=True, fixed_sampling=True)
_CLAUDE_OPUS_4_5 = ModelFacts(
    reasons=False, efforts=LOW_TO_HIGH, budget=_BUDGET, can_disable=True, efforts_reason=False, fixed_sampling=True
)


def _claude(*efforts: str, budget: bool = False, always: bool = False) -> ModelFacts:
    return ModelFacts(
        reasons=always,
        efforts=efforts,
        budget=_BUDGET if budget else None,
        can_disable=not always,
        adaptive=True,
        fixed_sampling=True,
    )


_ANTHROPIC: Mapping[str, ModelFacts] = {
    **_each(_NEVER, "claude-3-haiku claude-3-sonnet claude-3-opus claude-3-5-haiku claude-3-5-sonnet"),
    **_each(_CLAUDE_BUDGET, "claude-3-7-sonnet claude-sonnet-4 claude-opus-4 claude-opus-4-1 claude-sonnet-4-5"),
    **_each(_CLAUDE_BUDGET, "claude-haiku-4-5"),
    **_each(_CLAUDE_OPUS_4_5, "claude-opus-4-5"),
    **_each(_claude(*LOW_TO_HIGH, "max", budget=True), "claude-sonnet-4-6 claude-opus-4-6"),
    **_each(_claude(*LOW_TO_HIGH, "xhigh", "max"), "claude-opus-4-7 claude-opus-4-8 claude-opus-5 claude-sonnet-5"),
    **_each(_claude(*LOW_TO_HIGH, "xhigh", "max"), "claude-haiku-5-5"),
    **_each(_claude(*LOW_TO_HIGH, "xhigh", "max", always=True), "claude-fable-5 claude-fable-5-1 claude-sonnet-5-5"),
    **_each(_claude(*LOW_TO_HIGH, "xhigh", "max", always=True), "claude-opus-5-5 claude-mythos-5 claude-mythos-5-1"),
}

_GOOGLE: Mapping[str, ModelFacts] = {
    **_each(_NEVER, "gemini-1.5-flash gemini-1.5-flash-8b gemini-1.5-pro gemini-2.0-flash gemini-2.0-flash-lite"),
    **_each(_ALWAYS, "gemini-2.0-flash-thinking-exp gemini-2.0-flash-thinking-exp-01-21"),
    "gemini-2.5-pro": ModelFacts(reasons=True, budget=(128, 32_768)),
    **_each(
        ModelFacts(reasons=True, budget=(0, 24_576), can_disable=True),
        "gemini-2.5-flash gemini-2.5-flash-preview-04-17 gemini-2.5-flash-preview-05-20",
    ),
    "gemini-2.5-flash-lite": ModelFacts(reasons=False, budget=(512, 24_576), can_disable=True),
    "gemini-3-pro-preview": ModelFacts(reasons=True, efforts=("low", "high")),
    "gemini-3.1-pro-preview": ModelFacts(reasons=True, efforts=LOW_TO_HIGH),
    **_each(
        ModelFacts(reasons=True, efforts=("minimal", *LOW_TO_HIGH)),
        "gemini-3-flash-preview gemini-3.1-flash-lite-preview gemini-3.1-flash-lite gemini-3.5-flash",
    ),
}

_XAI: Mapping[str, ModelFacts] = {
    **_each(_NEVER, "grok-2 grok-2-1212 grok-3 grok-3-fast grok-4-fast-non-reasoning grok-4-1-fast-non-reasoning"),
    **_each(ModelFacts(reasons=True, efforts=("low", "high")), "grok-3-mini grok-3-mini-fast"),
    **_each(_ALWAYS, "grok-4 grok-4-0709 grok-4-fast-reasoning grok-4-1-fast-reasoning grok-code-fast-1"),
    **_each(_ALWAYS, "grok-4.20 grok-4.20-reasoning grok-4.20-0309-reasoning grok-4.3"),
}

_DEEPSEEK: Mapping[str, ModelFacts] = {
    # `thinking: {"type": "enabled" | "disabled"}` since V3.1; no effort label and no budget
    "deepseek-chat": ModelFacts(reasons=False, can_disable=True),
    "deepseek-reasoner": ModelFacts(reasons=True),
    **_each(ModelFacts(reasons=True, can_disable=True), "deepseek-v4-flash deepseek-v4-pro"),
}

_GROQ: Mapping[str, ModelFacts] = {
    **_each(ModelFacts(reasons=True, efforts=LOW_TO_HIGH), "openai/gpt-oss-20b openai/gpt-oss-120b"),
    "qwen/qwen3-32b": ModelFacts(reasons=True, efforts=("none",), can_disable=True),
    **_each(_ALWAYS, "deepseek-r1-distill-llama-70b qwen-qwq-32b"),
    **_each(_NEVER, "llama-3.3-70b-versatile llama-3.1-8b-instant"),
}

_MISTRAL: Mapping[str, ModelFacts] = {
    **_each(_NEVER, "mistral-large-2402 mistral-large-2407 mistral-large-2411 mistral-large-2512 mistral-medium-2505"),
    **_each(
        _ALWAYS, "magistral-medium magistral-small magistral-medium-2506 magistral-medium-latest magistral-small-latest"
    ),
    **_each(
        ModelFacts(reasons=False, efforts=("none", "high"), can_disable=True), "mistral-medium-3-5 mistral-medium-2604"
    ),
    **_each(
        ModelFacts(reasons=False, efforts=("none", "high"), can_disable=True), "mistral-small-2603 mistral-large-4"
    ),
}

_PERPLEXITY: Mapping[str, ModelFacts] = {
    **_each(_NEVER, "sonar sonar-pro"),
    **_each(_ALWAYS, "sonar-reasoning sonar-reasoning-pro"),
    "sonar-deep-research": ModelFacts(reasons=True, efforts=LOW_TO_HIGH),
}

_SIM: Mapping[str, ModelFacts] = {
    "reasoner": ModelFacts(reasons=True, efforts=LOW_TO_HIGH),
    "direct": _NEVER,
    "flaky": ModelFacts(reasons=True, efforts=LOW_TO_HIGH),
}

_MODELS: Mapping[str, Mapping[str, ModelFacts]] = {
    "openai": _OPENAI,
    "anthropic": _ANTHROPIC,
    "google": _GOOGLE,
    "xai": _XAI,
    "deepseek": _DEEPSEEK,
    "groq": _GROQ,
    "mistral": _MISTRAL,
    "perplexity": _PERPLEXITY,
    "sim": _SIM,
}

_OPEN_WEIGHTS: Mapping[str, ModelFacts] = {
    # The part behind the last slash, lower case: hosts write `deepseek-ai/DeepSeek-R1` or `deepseek-r1`
    **_each(_ALWAYS, "deepseek-r1 deepseek-r1-0528 deepseek-r1-distill-llama-70b deepseek-r1-distill-qwen-32b qwq-32b"),
    **_each(_ALWAYS, "qwen3-235b-a22b-thinking-2507 qwen3-30b-a3b-thinking-2507"),
    **_each(
        _NEVER, "qwen3-235b-a22b-instruct-2507 qwen3-30b-a3b-instruct-2507 qwen2.5-72b-instruct qwen2.5-7b-instruct"
    ),
    **_each(ModelFacts(reasons=True, efforts=LOW_TO_HIGH), "gpt-oss-20b gpt-oss-120b"),
    **_each(
        _NEVER, "deepseek-v3 deepseek-v3-0324 llama-3.1-8b-instruct llama-3.1-70b-instruct llama-3.1-405b-instruct"
    ),
    **_each(
        _NEVER, "llama-3.3-70b-instruct llama-3.3-70b-instruct-turbo llama-v3p1-405b-instruct llama-v3p3-70b-instruct"
    ),
    **_each(_NEVER, "mistral-7b-instruct-v0.3 mixtral-8x7b-instruct-v0.1 phi-4 gemma-2-27b-it gemma-3-27b-it"),
    # Simulated models when they are served over HTTP
    "sim-reasoner": _SIM["reasoner"],
    "sim-direct": _SIM["direct"],
    "sim-flaky": _SIM["flaky"],
}

_DATE = re.compile(r"-(20\d\d-\d\d-\d\d|20\d{6})$")


@cache
def facts_about(provider: str, model: str) -> ModelFacts | None:
    """Find what is known about a model; None when the table does not name it."""
    table = _MODELS.get(FAMILY_OF_PROVIDER.get(provider, ""), {})
    for name in (model, _DATE.sub("", model)):
        if name in table:
            return table[name]
    bare = model.rpartition("/")[2].lower()
    return _OPEN_WEIGHTS.get(bare)
