"""Fees of built-in tools that a usage object does not count: from the calls that are known, else named as missing.

OpenAI lists calls of its tools among the output items, Gemini its searches beside the answer, and neither counts them
in the usage. Data flows a `Usage`, the tools that a request offered and the calls that were made -> the same usage with
fees, or with a flag that makes its bill incomplete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from typing import Any

from harness.errors import InputError
from harness.usage.families.context import largest_unlisted
from harness.usage.kinds import KINDS
from harness.usage.values import Flag, Meter, Usage

TOOLS: Mapping[str, Meter] = {
    "web_search": Meter.WEB_SEARCH,
    "web_search_preview": Meter.WEB_SEARCH,
    "web": Meter.WEB_SEARCH,
    "x_search": Meter.WEB_SEARCH,
    "live_search": Meter.WEB_SEARCH,
    "web_fetch": Meter.WEB_FETCH,
    "file_search": Meter.FILE_SEARCH,
    "document_search": Meter.FILE_SEARCH,
    "collections_search": Meter.FILE_SEARCH,
    "code_interpreter": Meter.CODE_SESSION,
    "google_search": Meter.GROUNDING,
    "google_search_retrieval": Meter.GROUNDING,
    "enterprise_web_search": Meter.GROUNDING,
    "google_maps": Meter.MAPS_GROUNDING,
    "image_generation": Meter.IMAGE,
}
"""Built-in tools with a fee, by the names that providers give them, without dates (`web_search_20250305`)."""

_SEARCHES = frozenset({Meter.WEB_SEARCH, Meter.GROUNDING})


def offered_tools(request: Mapping[str, object]) -> dict[str, Meter]:
    """List the tools with a fee that a request offered: its `tools`, OpenRouter's `plugins`, and search options.

    Args:
        request: the request's parameters, as sent.
    """
    names: list[str] = []
    for key in ("tools", "plugins"):
        listed = request.get(key)
        for tool in listed if isinstance(listed, list | tuple) else ():
            names += _names_of(tool)
    if request.get("web_search_options") is not None:
        names.append("web_search")
    if request.get("search_parameters") is not None:
        names.append("live_search")
    return {name: meter for name in names if (meter := tool_meter(name)) is not None}


def tool_meter(name: str) -> Meter | None:
    """Give the meter of a built-in tool with a fee; None for functions of the user and for tools without one."""
    bare = name.strip().lower().replace("-", "_").rpartition(":")[2].removesuffix("_calls").removesuffix("_call")
    stem = bare.rstrip("0123456789_")
    return TOOLS.get(bare) or TOOLS.get(stem) or TOOLS.get(_snake(name))


def called_tools(counts: Mapping[str, object]) -> dict[Meter, int]:
    """Add up calls by meter, given by tool name; names without a fee are left out.

    Raises:
        InputError: a count is not a whole number.
    """
    calls: dict[Meter, int] = {}
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise InputError(f"the number of calls of {name!r} is not a whole number")
        if (meter := tool_meter(name)) is not None:
            calls[meter] = calls.get(meter, 0) + count
    return calls


def calls_in_output(items: Iterable[object]) -> dict[Meter, int]:
    """Count calls with a fee among the output items of a response.

    A web search is charged for searching, not for opening a page that was found; code is charged by its container
    (developers.openai.com/api/docs/pricing, 2026-11).
    """
    calls: dict[Meter, int] = {}
    containers: list[object] = []
    for item in items:
        if not isinstance(item, Mapping) or (meter := _called(item)) is None:
            continue
        container = item.get("container_id") if meter is Meter.CODE_SESSION else None
        if container is None or container not in containers:
            calls[meter] = calls.get(meter, 0) + 1
            containers.append(container)
    return calls


def _called(item: Mapping[str, object]) -> Meter | None:
    """The meter of a call with a fee; None for other items."""
    kind, action = item.get("type"), item.get("action")
    meter = tool_meter(kind) if isinstance(kind, str) and kind.endswith("_call") else None
    if meter is Meter.WEB_SEARCH and isinstance(action, Mapping) and action.get("type") not in (None, "search"):
        return None
    return meter


def with_tool_fees(usage: Usage, *, kind: str, offered: Mapping[str, Meter], calls: Mapping[Meter, int]) -> Usage:
    """Add the fees of known calls, and flag offered tools whose calls nothing counts.

    What the usage itself counts stands. A stated cost holds the fees already, so nothing is missing there. Calls of
    tools mean several calls of the model, whose sum decides no context tier.

    Args:
        kind: the usage's reader.
        offered: tools with a fee that the request offered, by name.
        calls: calls that were made, by meter; zero says that there were none.
    """
    fees, flags = dict(usage.fees), list(usage.flags)
    for meter, count in _merged(calls).items():
        counted = _counted(usage.fees, meter)
        if counted is None:
            fees |= {meter: count} if count else {}
        elif counted != count:
            flags.append(Flag(name="tool_calls_disagree", detail=f"{meter.value}: usage {counted}, elsewhere {count}"))
    known = {*KINDS[kind].counts_calls, *calls, *fees}
    missing = [name for name, meter in offered.items() if known.isdisjoint(_same(meter))]
    if missing and usage.stated_cost_usd is None:
        detail = f"the request offered {', '.join(missing)}, and nothing counts the calls: their fee is not in the bill"
        flags.append(Flag(name="fee_not_counted", detail=detail))
    context_tokens = usage.context_tokens
    if context_tokens is None:
        context_tokens = largest_unlisted(flags, usage.input_tokens, sum(calls.values()))
    return replace(usage, fees=fees, flags=tuple(flags), context_tokens=context_tokens)


def _merged(calls: Mapping[Meter, int]) -> dict[Meter, int]:
    """Add up searches, which a price row sells under one meter or the other."""
    merged: dict[Meter, int] = {}
    for meter, count in calls.items():
        name = Meter.WEB_SEARCH if meter in _SEARCHES else meter
        merged[name] = merged.get(name, 0) + count
    return merged


def _counted(fees: Mapping[Meter, int], meter: Meter) -> int | None:
    return next((fees[known] for known in _same(meter) if known in fees), None)


def _same(meter: Meter) -> Set[Meter]:
    """The meters under which a price row may sell what this one counts."""
    return _SEARCHES if meter in _SEARCHES else {meter}


def _names_of(tool: Any) -> list[str]:
    """Names that a tool goes by: its type or id, or the key under which Gemini writes its settings."""
    if isinstance(tool, str):
        return [tool]
    if not isinstance(tool, Mapping):
        return []
    names = [tool[key] for key in ("type", "id") if isinstance(tool.get(key), str)]
    return names or [str(key) for key in tool]


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
