"""What accounts say of a day or an hour: sums, of which no run can be made; they are known, and not imported.

Data flows a first look -> a refusal that names the command which these files are for.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.imports.containers.json_values import a_list, an_object
from harness.imports.log_formats import Format
from harness.imports.log_peeks import Peek

_REFUSAL = (
    "holds sums of an account, no calls: a run cannot be made of it; hold a ledger against it: benchtab reconcile"
)


def openai_role(look: Peek) -> str | None:
    """Recognise pages of OpenAI's organization usage and costs."""
    top = look.top
    buckets = a_list(top.get("data"))
    is_page = top.get("object") == "page" and bool(buckets)
    return "page" if is_page and an_object(buckets[0]).get("object") == "bucket" else None


def anthropic_role(look: Peek) -> str | None:
    """Recognise pages of Anthropic's usage and cost reports, the older form and the analytics one."""
    top = look.top
    if "has_more" not in top or "next_page" not in top or "object" in top:
        return None
    return "page" if isinstance(top.get("data"), list) else None


def focus_role(look: Peek) -> str | None:
    """Recognise FOCUS cost rows by the columns that every version must have."""
    return "rows" if {"BilledCost", "ChargeCategory"} <= set(look.columns) else None


def _account_sums(name: str, title: str, looks_for: str, role_of: Callable[[Peek], str | None]) -> Format:
    return Format(name=name, title=title, looks_for=looks_for, role_of=role_of, read=None, refusal=_REFUSAL)


OPENAI_FORMAT = _account_sums(
    "openai_usage",
    "OpenAI organization usage and costs",
    "JSON with object page and data of buckets",
    openai_role,
)
ANTHROPIC_FORMAT = _account_sums(
    "anthropic_usage",
    "Anthropic usage and cost reports",
    "JSON with data, has_more and next_page",
    anthropic_role,
)
FOCUS_FORMAT = _account_sums("focus", "FOCUS cost rows", "CSV with BilledCost and ChargeCategory", focus_role)
