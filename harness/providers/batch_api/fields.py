"""Single fields of a batch server's answers: a value of the wrong kind is not known, and never an exception.

Data flows parsed JSON of any shape -> a count, an instant, an id that may stand in an address, a usage object. Pure.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

from harness.errors import ErrorClass, ProviderError
from harness.instants import parse_instant
from harness.providers.wire.raw_answers import Document
from harness.secrets import redact_known
from harness.usage.payload import shown

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:=-]{0,255}")
"""What ids of batches and files are made of; no slash, question mark or percent sign, so that none leads elsewhere."""

_STATUS = re.compile(r"([1-9][0-9]{2})(?:\.0*)?", re.ASCII)
_LARGEST_COUNT = 10**9
_LATEST_S = 253_402_300_799
"""The last second of the year 9999."""


def mapping(value: object) -> Document:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def count(value: object) -> int | None:
    """A number of lines; None when it is something else."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= _LARGEST_COUNT else None


def total(*counts: int | None) -> int | None:
    """The sum of the counts that are known; None when none is."""
    known = [each for each in counts if each is not None]
    return sum(known) if known else None


def instant_of_seconds(value: object) -> datetime | None:
    """An instant written as whole seconds since 1970; None when it is something else."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _LATEST_S:
        return None
    return datetime.fromtimestamp(value, UTC)


def instant_of_text(value: object) -> datetime | None:
    """An instant in ISO 8601, UTC where it names no zone; None when it is something else."""
    if not isinstance(value, str):
        return None
    try:
        return parse_instant(value, zoneless="utc")
    except ValueError:
        return None


def is_usable_id(value: object) -> bool:
    """Whether a server's id may be put into an address, and be stored: it is no key of ours."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None and redact_known(value) == value


def id_in(answer: Document, what: str) -> str:
    """The id that an answer names.

    Raises:
        ProviderError: `malformed_response`; whether the thing exists at the server is not known.
    """
    found = answer.get("id")
    if isinstance(found, str) and is_usable_id(found):
        return found
    why = "names no id" if found is None else f"names an id that cannot be used ({shown(found)})"
    raise ProviderError(f"the answer {why} of the {what}", error_class=ErrorClass.MALFORMED_RESPONSE, http_status=200)


def status_code(value: object) -> int | None:
    """An HTTP status, also written as text or with a fraction; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    found = _STATUS.fullmatch(str(value))
    return int(found[1]) if found else None
