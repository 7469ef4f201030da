"""What a person asks for behind `@` (`@high`, `@thinking=16000`), and whether a model then reasons.

Data flows Request -> the mapper of its provider -> Mapped; see `harness.providers.parameters`. Pure.
"""

from __future__ import annotations

from harness.errors import InputError
from harness.models import ModelSpec
from harness.pricing.model_facts import facts_about, family_of
from harness.providers.base import Request
from harness.providers.catalogue import entry_of
from harness.providers.parameters import Mapped, Setting

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def parse_setting(spec: ModelSpec) -> Setting:
    """Parse the text behind `@`.

    Raises:
        InputError: it is neither an effort label nor `thinking=N`.
    """
    text = spec.setting
    if text is None:
        return Setting()
    if text in EFFORTS:
        return Setting(effort=text)
    name, _, number = text.partition("=")
    if name == "thinking" and number.isascii() and number.isdigit():
        return Setting(thinking_tokens=int(number))
    raise InputError(
        f"not a reasoning setting: @{text}",
        where=f"--model {spec}",
        fix=f"write one of {', '.join('@' + effort for effort in EFFORTS)} or @thinking=N with a number of tokens",
    )


def reasons(spec: ModelSpec) -> bool | None:
    """Say whether a model with its setting reasons, to the best of our knowledge; None for a model that is not known.

    A setting decides for models that can do both; an unknown model with a setting is taken at its word.
    """
    facts = facts_about(spec.provider, spec.model)
    setting = parse_setting(spec)
    if spec.setting is None:
        return facts.reasons if facts else None
    if setting.switches_off:
        return False
    if facts is None or not facts.settings_known:
        return True
    return bool(facts.reasons) or setting.thinking_tokens is not None or (bool(facts.efforts) and facts.efforts_reason)


def map_parameters(request: Request) -> Mapped:
    """Map a request's settings to wire parameters of its provider.

    Raises:
        InputError: the model cannot take the setting.
    """
    spec = request.model
    entry, family = entry_of(spec.provider), family_of(spec.model)
    mapper = entry.settings_of_families.get(family.name, entry.settings) if family else entry.settings
    return mapper(request, parse_setting(spec))
