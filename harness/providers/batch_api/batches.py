"""Batch interfaces: many requests handed over at once, answered within a day at the batch price.

Data flows prepared lines -> `submit` -> BatchHandle (to be stored at once) -> `poll` -> `collect` -> one result a line,
in any order. A handle is all that a restarted process needs to go on.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from harness.errors import ErrorClass, InputError, ProviderError
from harness.providers.base import Prepared, Request
from harness.providers.batch_api import fields
from harness.providers.batch_api.batch_results import BatchResult, Trouble
from harness.usage.payload import shown

BatchStatus = Literal["in_progress", "ended", "failed"]

_KEY = re.compile(r"b[0-9a-f]{24}")
CUSTOM_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The narrower of both providers' rules (Anthropic's)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLine:
    """One request of a batch; `custom_id` joins its result to its attempt row."""

    custom_id: str
    prepared: Prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchHandle:
    """What must be stored after `submit`: with it any later process can poll and collect."""

    provider: str
    batch_id: str
    n_lines: int

    def as_json(self) -> str:
        """Write it as one JSON object."""
        return json.dumps({"provider": self.provider, "batch_id": self.batch_id, "n_lines": self.n_lines})

    @classmethod
    def from_json(cls, text: str) -> BatchHandle:
        """Read what `as_json` wrote."""
        stored = json.loads(text)
        return cls(provider=stored["provider"], batch_id=stored["batch_id"], n_lines=stored["n_lines"])


@dataclass(frozen=True, slots=True, kw_only=True)
class SoughtBatch:
    """A hand-over whose answer was lost.

    Attributes:
        key: the name under which it was handed over.
        since: it was not begun before.
    """

    key: str
    n_lines: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSearch:
    """What a look at the list of batches found.

    Attributes:
        handle: the batch; None = it is not there, or cannot be told from others yet.
        is_open: a batch that has not ended may be the one: its lines name it when it has.
    """

    handle: BatchHandle | None = None
    is_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchProgress:
    """How far a batch is.

    Attributes:
        status: `ended` = results can be collected (also of an expired or cancelled batch); `failed` = none will come.
        n_done: lines answered or failed so far, None when the provider does not say.
        n_answered: lines that a model answered, which are billed; None when the provider does not say.
        detail: the provider's own word, and why it failed.
        ended_at: when it ended, None while it has not or when the provider does not say.
    """

    status: BatchStatus
    n_done: int | None = None
    n_answered: int | None = None
    detail: str = ""
    ended_at: datetime | None = None


class NotBegunError(ProviderError):
    """The lines did not arrive as a whole: certainly no batch was begun, and nothing of it is billed."""

    def __init__(self, error: ProviderError) -> None:
        super().__init__(
            error.message,
            error_class=error.error_class,
            http_status=error.http_status,
            retry_after_s=error.retry_after_s,
            billed="no",
        )


class BatchProvider(Protocol):
    """A batch interface. Nothing retries inside; every method is a few HTTP requests.

    Attributes:
        max_lines, max_bytes: limits of one batch.
    """

    name: str
    max_lines: int
    max_bytes: int

    def prepare(self, request: Request) -> Prepared:
        """Map a request to a line's body; see `Provider.prepare`."""
        ...

    async def submit(self, lines: Sequence[BatchLine], *, key: str) -> BatchHandle:
        """Hand lines over; `key` names the batch at the provider where it takes a name (see `find`).

        Raises:
            NotBegunError: no batch was begun.
            ProviderError: one may have been begun, unless its status says that it was refused.
        """
        ...

    def finds(self, key: str) -> bool:
        """Whether `find` can tell what became of a batch handed over under this key; else its lines may be billed."""
        ...

    async def find(self, sought: SoughtBatch) -> BatchSearch:
        """Look for a batch, for a process that was killed or got no answer before it could store the handle."""
        ...

    async def poll(self, handle: BatchHandle) -> BatchProgress:
        """Ask how far a batch is.

        Raises:
            ProviderError: `malformed_response` also where its state is a word that nobody knows.
        """
        ...

    def collect(self, handle: BatchHandle) -> AsyncIterator[BatchResult | Trouble]:
        """Yield one result a line in the provider's order, and what could not be read where it stood.

        Lines without any result are not yielded.
        """
        ...

    async def aclose(self) -> None:
        """Close connections; safe to call twice."""
        ...


def new_key() -> str:
    """Make a name for a batch that no other has."""
    return f"b{secrets.token_hex(12)}"


def is_key(text: str) -> bool:
    """Whether a text was made by `new_key`; version 0.1 made other names."""
    return _KEY.fullmatch(text) is not None


def check_lines(lines: Sequence[BatchLine], limit: int) -> None:
    """Refuse lines that a provider would refuse.

    Raises:
        InputError: none, too many, or ids that are doubled or too odd.
    """
    ids = [line.custom_id for line in lines]
    wrong = [custom_id for custom_id in ids if not CUSTOM_ID.fullmatch(custom_id)]
    if not ids or wrong or len(set(ids)) != len(ids) or len(ids) > limit:
        raise InputError(
            f"a batch takes 1 to {limit} lines with unique ids of letters, digits, - and _ (64 at most)",
            where=f"{len(ids)} lines, {len(ids) - len(set(ids))} ids doubled, wrong ids: {wrong[:3]}",
        )


def id_in_path(handle: BatchHandle) -> str:
    """The id of a batch as it stands in an address.

    Raises:
        ProviderError: it would lead elsewhere; an earlier version may have stored it.
    """
    if fields.is_usable_id(handle.batch_id):
        return handle.batch_id
    raise ProviderError(
        f"the stored id of the batch cannot be used: {shown(handle.batch_id)}", error_class=ErrorClass.BAD_REQUEST
    )


def unknown_state(word: object) -> ProviderError:
    """Say that a batch is in a state that may be a passing or a final one."""
    return ProviderError(
        f"the batch is in a state that is not known: {shown(word)}",
        error_class=ErrorClass.MALFORMED_RESPONSE,
        http_status=200,
    )
