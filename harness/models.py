"""Model names as a person types them: `provider/model[@setting]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from harness.errors import InputError


class NamesModel(Protocol):
    """A row that names a model setting, such as a cell of a run."""

    @property
    def provider(self) -> str: ...

    @property
    def model(self) -> str: ...

    @property
    def setting(self) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ModelSpec:
    """A provider, a model at that provider, and an optional reasoning setting.

    Attributes:
        provider: first part of the name, for example `openai`.
        model: everything after the first slash, for example `o1` or `meta-llama/Llama-3.3-70B`.
        setting: text behind `@`, for example `high` or `thinking=16000`; None means the provider's default.
    """

    provider: str
    model: str
    setting: str | None = None

    @classmethod
    def of(cls, row: NamesModel) -> Self:
        """The model setting that a row names."""
        return cls(provider=row.provider, model=row.model, setting=row.setting)

    @property
    def name(self) -> str:
        """`provider/model`, without the setting."""
        return f"{self.provider}/{self.model}"

    def __str__(self) -> str:
        return self.name if self.setting is None else f"{self.name}@{self.setting}"


def parse_model(text: str) -> ModelSpec:
    """Parse `provider/model[@setting]`; the setting is what follows the last `@`.

    Raises:
        InputError: there is no provider, no model, or an empty setting.
    """
    body, at, setting = text.strip().rpartition("@")
    if not at:
        body, setting = text.strip(), ""
    provider, slash, model = body.partition("/")
    if not (provider and slash and model) or (at and not setting):
        raise InputError(
            f"not a model name: {text!r}",
            where="--model",
            fix="write provider/model or provider/model@setting, for example openai/o3-mini@high",
        )
    return ModelSpec(provider=provider, model=model, setting=setting or None)
