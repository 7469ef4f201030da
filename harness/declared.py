"""How values are declared: the type of what a JSON document holds, and values that are made for every request.

The latter are keyword-only, slotted, compared by content, never changed. That nobody changes them is held by the type
checker alone: at run time `frozen=True` triples what making a value costs, and a request makes a dozen of them (a tenth
of its processor time). Every other value is a plain frozen dataclass.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar, dataclass_transform

T = TypeVar("T")

Json: TypeAlias = "JsonObject | list[Json] | str | int | float | bool | None"
"""What a JSON document can hold: each reader says with `isinstance` what it takes."""
JsonObject: TypeAlias = "dict[str, Json]"


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def request_value(cls: type[T]) -> type[T]:
    """Make a dataclass of a class whose instances are made for every request."""
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)
