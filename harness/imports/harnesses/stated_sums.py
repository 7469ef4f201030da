"""A tool's own sums beside what its calls sum to; never both are counted, and a difference is said.

Pure. Data flows each call's usage object -> `Sums`, then the stated sums -> differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness.imports.containers.json_values import a_count

NAMES = ("input_tokens", "output_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Of one model."""

    text: str
    stated_is_more: bool


@dataclass(slots=True)
class Sums:
    """Counts as written, by model.

    Attributes:
        names: the counts that are compared.
    """

    names: tuple[str, ...] = NAMES
    _by_model: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, model: str, raw: Mapping[str, object]) -> None:
        """Add a call's counts."""
        sums = self._by_model.setdefault(model, dict.fromkeys(self.names, 0))
        for name in self.names:
            sums[name] += a_count(raw.get(name)) or 0

    def differences(self, stated: Mapping[str, Mapping[str, object]]) -> Iterator[Difference]:
        """Compare with sums as the tool states them; a model that it does not name is not compared."""
        for model, sums in stated.items():
            theirs = {name: a_count(sums.get(name)) or 0 for name in self.names}
            ours = self._by_model.get(model, dict.fromkeys(self.names, 0))
            if ours == theirs:
                continue
            shown = ", ".join(f"{name} {theirs[name]} stated, {ours[name]} in its calls" for name in self.names)
            yield Difference(
                text=f"{model}: {shown}; the calls are counted",
                stated_is_more=any(theirs[name] > ours[name] for name in self.names),
            )
