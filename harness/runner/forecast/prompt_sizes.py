"""Prompts sorted by what their size makes them cost: above a context tier the whole request has other rates. Pure.

Data flows the input tokens of planned requests -> `PromptClass`, one for each stretch of sizes with the same rates.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.costs.served import Served
from harness.costs.stretches import RateStretches, ServedSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptClass:
    """Requests whose prompts have the same rates.

    Attributes:
        n_requests, input_tokens: how many, and their prompts together.
        context_tokens: the size of one of them, which stands for all.
    """

    n_requests: int
    input_tokens: int
    context_tokens: int


def prompt_classes(sizes: Sequence[int], served: Served, stretches: RateStretches) -> tuple[PromptClass, ...]:
    """Sort prompts by the stretch of sizes that they fall into; in tokens."""
    sorted_sizes: dict[Hashable, list[int]] = {}
    stretch_of = {size: stretches.stretch(ServedSpan(served=served, least_context_tokens=size)) for size in set(sizes)}
    for size in sizes:
        sorted_sizes.setdefault(stretch_of[size], []).append(size)
    return tuple(
        PromptClass(n_requests=len(found), input_tokens=sum(found), context_tokens=found[0])
        for found in sorted_sizes.values()
    )


def shares(total: int, classes: Sequence[PromptClass]) -> list[int]:
    """Split output tokens over classes by their numbers of requests; the parts add up to the total."""
    n_requests = sum(one.n_requests for one in classes) or 1
    ends = [0]
    for one in classes:
        ends.append(ends[-1] + one.n_requests)
    cuts = [total * end // n_requests for end in ends]
    return [after - before for before, after in pairwise(cuts)]
