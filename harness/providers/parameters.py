"""What each family of interfaces is sent for a setting, a temperature and an output cap.

Data flows Request, Setting -> a mapper (the catalogue says which is whose) -> Mapped (wire parameters, notes on what
was renamed or left out), or InputError when the model cannot take the setting. Nothing is dropped in silence, no budget
is invented for a label. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.errors import InputError
from harness.models import ModelSpec
from harness.pricing.model_facts import ModelFacts, facts_about, family_of
from harness.providers.base import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """Parameters as they go over the wire (model and messages excluded), and one sentence for each change."""

    parameters: Mapping[str, object]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A parsed setting: an effort label or a number of thinking tokens; both None = provider default."""

    effort: str | None = None
    thinking_tokens: int | None = None

    @property
    def switches_off(self) -> bool:
        """Whether it asks for no reasoning at all."""
        return self.effort == "none" or self.thinking_tokens == 0


def _refuse(spec: ModelSpec, why: str, fix: str) -> InputError:
    return InputError(f"{spec.name} cannot take @{spec.setting}: {why}", where=f"--model {spec}", fix=fix)


def _check_effort(spec: ModelSpec, setting: Setting, facts: ModelFacts | None) -> None:
    """Refuse an effort that a known model does not have; an unknown model's provider decides."""
    if setting.effort is None or facts is None or not facts.settings_known or setting.effort in facts.efforts:
        return
    if setting.effort == "none" and facts.can_disable:
        return
    if facts.efforts:
        raise _refuse(spec, f"it has the efforts {', '.join(facts.efforts)}", f"use @{facts.efforts[0]} or no setting")
    if facts.budget:
        low, high = facts.budget
        fix = f"use @thinking=N with N from {low} to {high}"
        raise _refuse(spec, "it takes a number of thinking tokens, not a label", fix)
    raise _refuse(spec, "it has no reasoning settings", "leave the setting out")


def _check_budget(spec: ModelSpec, setting: Setting, facts: ModelFacts | None) -> None:
    if setting.thinking_tokens is None:
        return
    if facts is None or facts.budget is None:
        efforts = facts.efforts if facts else ()
        fix = f"use @{efforts[-1]}" if efforts else "leave the setting out"
        raise _refuse(spec, "it is not known to take a number of thinking tokens", fix)
    low, high = facts.budget
    if setting.thinking_tokens == 0 and facts.can_disable:
        return
    if not low <= setting.thinking_tokens <= high:
        raise _refuse(spec, f"the number must be between {low} and {high}", f"use @thinking={low} or more")


def _facts_of(spec: ModelSpec) -> ModelFacts | None:
    return facts_about(spec.provider, spec.model)


def _sampling(request: Request) -> dict[str, object]:
    wanted = {"temperature": request.temperature, "seed": request.seed, "service_tier": request.service_tier}
    return {name: value for name, value in wanted.items() if value is not None}


def map_chat(request: Request, setting: Setting) -> Mapped:
    """OpenAI's chat shape as everyone else speaks it: `max_tokens`, `reasoning_effort`."""
    _check_budget(request.model, setting, _facts_of(request.model))
    return _as_chat(request, setting)


def _as_chat(request: Request, setting: Setting) -> Mapped:
    _check_effort(request.model, setting, _facts_of(request.model))
    parameters = _sampling(request)
    if request.max_output_tokens is not None:
        parameters["max_tokens"] = request.max_output_tokens
    if setting.effort is not None:
        parameters["reasoning_effort"] = setting.effort
    return Mapped(parameters=parameters)


def map_mistral(request: Request, setting: Setting) -> Mapped:
    """The chat shape, with another name for the seed."""
    parameters = dict(map_chat(request, setting).parameters)
    if "seed" in parameters:
        parameters["random_seed"] = parameters.pop("seed")
    return Mapped(parameters=parameters)


def map_openrouter(request: Request, setting: Setting) -> Mapped:
    """The chat shape; the cost comes only when asked for, and every model takes a number of thinking tokens."""
    mapped = _as_chat(request, setting)
    asked: dict[str, object] = {"usage": {"include": True}}
    if setting.thinking_tokens is not None:  # 0 switches reasoning off
        budget = {"max_tokens": setting.thinking_tokens} if setting.thinking_tokens else {"enabled": False}
        asked["reasoning"] = budget
    return Mapped(parameters={**mapped.parameters, **asked}, notes=mapped.notes)


def map_openai(request: Request, setting: Setting) -> Mapped:
    """OpenAI's own shapes: `max_completion_tokens` for what reasons, and the responses interface for some."""
    spec = request.model
    facts = _facts_of(spec)
    _check_effort(spec, setting, facts)
    _check_budget(spec, setting, facts)
    parameters, notes = _sampling(request), list[str]()
    if _fixes_temperature(facts, setting) and parameters.get("temperature", 1) != 1:
        notes.append(f"temperature={parameters.pop('temperature')} left out: {spec.model} takes only its default of 1")
    if facts is not None and facts.responses_api:
        return _as_responses(request, setting, parameters, notes)
    if request.max_output_tokens is not None:
        name = "max_completion_tokens" if facts is not None and facts.fixed_sampling else "max_tokens"
        parameters[name] = request.max_output_tokens
        if name != "max_tokens":
            notes.append("the output cap is sent as max_completion_tokens: the model refuses max_tokens")
    if setting.effort is not None:
        parameters["reasoning_effort"] = setting.effort
    return Mapped(parameters=parameters, notes=tuple(notes))


def _fixes_temperature(facts: ModelFacts | None, setting: Setting) -> bool:
    if facts is None or not facts.fixed_sampling or setting.effort == "none":
        return False
    return bool(facts.reasons) or setting.effort is not None


def _as_responses(request: Request, setting: Setting, parameters: dict[str, object], notes: list[str]) -> Mapped:
    """OpenAI's responses interface: other names, and no seed."""
    notes.append("sent to the responses interface: the model is not served by chat completions")
    if "seed" in parameters:
        notes.append(f"seed={parameters.pop('seed')} left out: the responses interface has none")
    if request.max_output_tokens is not None:
        parameters["max_output_tokens"] = request.max_output_tokens
    if setting.effort is not None:
        parameters["reasoning"] = {"effort": setting.effort}
    return Mapped(parameters=parameters, notes=tuple(notes))


def map_anthropic(request: Request, setting: Setting) -> Mapped:
    spec = request.model
    family = family_of(spec.model)
    facts = facts_about(family.provider if family else spec.provider, spec.model.rpartition("/")[2])
    if facts is None and spec.setting is not None:
        raise _refuse(spec, "what this model takes is not known", "leave the setting out")
    _check_effort(spec, setting, facts)
    _check_budget(spec, setting, facts)
    parameters = _sampling(request)
    notes: list[str] = []
    if "seed" in parameters:
        notes.append(f"seed={parameters.pop('seed')} left out: Anthropic has none")
    if request.max_output_tokens is None:
        raise InputError(
            f"{spec.name} needs an output cap: Anthropic requires max_tokens",
            where="--max-output-tokens",
            fix="add --max-output-tokens N",
        )
    parameters["max_tokens"] = request.max_output_tokens
    parameters.update(_anthropic_thinking(request, setting, facts))
    if (_thinks(parameters) or (facts is not None and facts.reasons)) and parameters.get("temperature", 1) != 1:
        notes.append(f"temperature={parameters.pop('temperature')} left out: thinking allows only 1")
    return Mapped(parameters=parameters, notes=tuple(notes))


def _thinks(parameters: Mapping[str, object]) -> bool:
    thinking = parameters.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") not in (None, "disabled")


def _anthropic_thinking(request: Request, setting: Setting, facts: ModelFacts | None) -> dict[str, object]:
    if request.model.setting is None or facts is None:
        return {}
    if setting.switches_off:
        return {"thinking": {"type": "disabled"}}
    if setting.thinking_tokens is not None:
        if request.max_output_tokens is not None and setting.thinking_tokens >= request.max_output_tokens:
            raise InputError(
                f"@thinking={setting.thinking_tokens} does not fit under an output cap of {request.max_output_tokens}",
                where=f"--model {request.model}",
                fix=f"pass --max-output-tokens above {setting.thinking_tokens}; thinking counts against it",
            )
        return {"thinking": {"type": "enabled", "budget_tokens": setting.thinking_tokens}}
    effort: dict[str, object] = {"output_config": {"effort": setting.effort}}
    return {"thinking": {"type": "adaptive"}, **effort} if facts.adaptive else effort


def map_google(request: Request, setting: Setting) -> Mapped:
    spec = request.model
    facts = facts_about(spec.provider, spec.model)
    if facts is None and spec.setting is not None:
        raise _refuse(spec, "what this model takes is not known", "leave the setting out")
    _check_effort(spec, setting, facts)
    _check_budget(spec, setting, facts)
    named = {"temperature": request.temperature, "seed": request.seed, "max_output_tokens": request.max_output_tokens}
    generation: dict[str, object] = {name: value for name, value in named.items() if value is not None}
    notes: list[str] = []
    family = family_of(spec.model)
    default = family.default_temperature if family else None
    if default is not None and "temperature" not in generation:
        generation["temperature"] = default
        notes.append(f"temperature={default} is sent, Google's own default: litellm adds it for Gemini 3")
    generation |= _google_thinking(setting)
    parameters: dict[str, object] = {"generationConfig": generation} if generation else {}
    if request.service_tier is not None:
        parameters["serviceTier"] = request.service_tier
    return Mapped(parameters=parameters, notes=tuple(notes))


def _google_thinking(setting: Setting) -> dict[str, object]:
    if setting.switches_off:
        return {"thinkingConfig": {"thinkingBudget": 0}}
    if setting.thinking_tokens is not None:
        return {"thinkingConfig": {"thinkingBudget": setting.thinking_tokens, "includeThoughts": True}}
    if setting.effort is not None:
        return {"thinkingConfig": {"thinkingLevel": setting.effort, "includeThoughts": True}}
    return {}


def map_deepseek(request: Request, setting: Setting) -> Mapped:
    spec = request.model
    _check_effort(spec, setting, facts_about(spec.provider, spec.model))
    _check_budget(spec, setting, facts_about(spec.provider, spec.model))
    parameters = _sampling(request)
    notes: list[str] = []
    if "seed" in parameters:
        notes.append(f"seed={parameters.pop('seed')} left out: DeepSeek has none")
    if request.max_output_tokens is not None:
        parameters["max_tokens"] = request.max_output_tokens
    if setting.effort is not None:
        kind = "disabled" if setting.effort == "none" else "enabled"
        parameters["thinking"] = {"type": kind}
    return Mapped(parameters=parameters, notes=tuple(notes))


Mapper = Callable[[Request, Setting], Mapped]
