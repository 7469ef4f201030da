"""What is to be known of providers in other projects' price lists; kept as data in pricing/lists/providers.toml.

Data flows that file -> `ListedProvider`, by our name for it or by theirs.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from harness.resources import shipped


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedProvider:
    """One provider in the lists.

    Attributes:
        name: ours.
        groups: its values of `litellm_provider`, where they differ from its name.
        groups_begin: how further ones begin, all meaning the same; None = there are none.
        prefixes: beginnings of litellm's keys, beside the group's own.
        preferred: the prefix whose entry counts where two share a name.
        genai_id: its id in genai-prices, where it differs.
        currency: of its own price list, where that is not the dollar.
        refused: why litellm's amounts are not taken.
        searches: what a fee for searches is charged by, where not by the call.
        searches_as_usual: groups to which `searches` does not apply.
        threshold_is_long: a prompt of exactly a tier's threshold falls into that tier.
        dearer_in_region: ids of such names cost more than as `global.`, which the map does not know everywhere.
        reasoning_fixes_sampling: its reasoning models take no temperature.
        responses_mode_alone: a model of mode `responses` is served by that interface only.
    """

    name: str
    groups: tuple[str, ...] = ()
    groups_begin: str | None = None
    prefixes: tuple[str, ...] = ()
    preferred: str | None = None
    genai_id: str | None = None
    currency: str | None = None
    refused: str | None = None
    searches: Literal["grounding", "request"] | None = None
    searches_as_usual: tuple[str, ...] = ()
    threshold_is_long: bool = False
    dearer_in_region: str | None = None
    reasoning_fixes_sampling: bool = False
    responses_mode_alone: bool = False


def listed_provider(name: str) -> ListedProvider:
    """What is to be known of a provider, by our name; nothing of one without an entry."""
    return _providers().get(name) or ListedProvider(name=name)


def of_litellm(group: str) -> ListedProvider:
    """The provider that litellm's map means by a `litellm_provider`."""
    for listed in _providers().values():
        if group in listed.groups or (listed.groups_begin and group.startswith(listed.groups_begin)):
            return listed
    return listed_provider(group)


def of_genai(listed_id: str) -> ListedProvider:
    """The provider that genai-prices means by an id."""
    found = (listed for listed in _providers().values() if listed.genai_id == listed_id)
    return next(found, None) or listed_provider(listed_id)


@cache
def _providers() -> Mapping[str, ListedProvider]:
    rows = tomllib.loads((shipped("pricing") / "lists" / "providers.toml").read_text("utf-8"))["provider"]
    plain: list[dict[str, Any]] = [
        {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()} for row in rows
    ]
    return {row["name"]: ListedProvider(**row) for row in plain}
