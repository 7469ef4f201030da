"""Lines of batches: what each waits for, which of them are at the provider now, and how long to wait for those.

Values only. Data flows planned chains -> `OpenChain` (one line of each at a time) -> `OpenBatch` (lines of one batch).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from harness.errors import ProviderError
from harness.instants import from_us
from harness.providers.base import Prepared
from harness.providers.batch_api.batches import NotBegunError
from harness.providers.wire.requests import dump_body
from harness.runner.plan import Chain, PlannedItem
from harness.runner.requests.item_questions import Question

AT_ONCE = 500
"""Rows that are put to the ledger's writer together."""
_GROWTH = 1.5
_ENVELOPE_BYTES = 300
"""A line's id, method and address, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Seconds to wait for a batch.

    Attributes:
        first_s, longest_s: between two looks, growing by half from the first to the longest.
        doubt_s: after a hand-over whose fate is not known, until a batch that is not listed never arrived.
        most_failures: looks that may fail in a row before the session ends; the batch itself goes on.
        most_readings: how often results that lack a line are read before the line is given up.
        longest_asked_s: a provider that asks for a longer wait is not believed.
    """

    first_s: float = 5.0
    longest_s: float = 60.0
    doubt_s: float = 30.0
    most_failures: int = 120
    most_readings: int = 4
    longest_asked_s: float = 600.0

    @classmethod
    def up_to(cls, longest_s: float) -> Waits:
        """Waits that end at this length."""
        return cls(first_s=min(5.0, longest_s), longest_s=longest_s)

    def after(self, looks: int) -> float:
        """Seconds to wait after so many looks."""
        return min(self.longest_s, self.first_s * _GROWTH ** min(looks, 50))

    def after_failure(self, failures: int, *, asked_s: float | None) -> float:
        """Seconds to wait after so many earlier failures, or as long as the provider asks."""
        return asked_s if asked_s and 0 < asked_s <= self.longest_asked_s else self.after(failures)


def custom_id_of(attempt_id: int | None) -> str:
    """What joins a result to its attempt."""
    return f"a{attempt_id}"


@dataclass(slots=True, kw_only=True)
class Line:
    """The item of a chain that is asked next, or that is at the provider now.

    Attributes:
        tries: attempts made before the one in batch; `uncounted` of them do not count against the limit.
        retry_of: newest failed attempt of this session.
        attempt_id: the reserved attempt; None = waits to be handed over.
        batch_id: the ledger's id of the batch it was found in after a restart.
    """

    item: PlannedItem
    question: Question
    tries: int = 0
    uncounted: int = 0
    retry_of: int | None = None
    attempt_id: int | None = None
    batch_id: int | None = None

    @property
    def custom_id(self) -> str:
        """What joins its result to its attempt."""
        return custom_id_of(self.attempt_id)

    def end_attempt(self, *, counts: bool) -> None:
        """Note that the attempt is settled; one that never left does not count."""
        self.retry_of, self.attempt_id, self.batch_id = self.attempt_id, None, None
        self.tries += 1
        self.uncounted += not counts


@dataclass(slots=True, kw_only=True)
class OpenChain:
    """A chain on its way: later items wait for the answers of earlier ones. `line` None = the chain is finished."""

    items: Chain
    position: int = 0
    answers: dict[str, str | None] = field(default_factory=dict)
    line: Line | None = None

    def step(self, text: str | None) -> None:
        """Leave the current item with its answer; None = it has none."""
        self.answers[self.items[self.position].sample.sample_id] = text
        self.position += 1
        self.line = None


@dataclass(slots=True, kw_only=True)
class OpenBatch:
    """A batch that is being handed over or is at the provider.

    Attributes:
        chains: lines without a settled result, by custom id.
        custom_ids: of all its lines.
        provider_batch_id: None while it is not known.
        digests: of the first result that was read for each line.
        cancelled: a line says that it was cancelled.
        in_doubt: an earlier session could not have its results either, and said so.
    """

    batch_id: int
    key: str
    n_lines: int
    created_at_us: int
    chains: dict[str, OpenChain]
    custom_ids: frozenset[str]
    provider_batch_id: str | None = None
    submitted_at_us: int = 0
    digests: dict[str, bytes] = field(default_factory=dict)
    cancelled: bool = False
    in_doubt: bool = False

    @property
    def since(self) -> datetime:
        """It was not handed over before."""
        return from_us(self.created_at_us)


Ready = tuple[OpenChain, Line, Prepared]
"""A line that waits, and what will be sent for it."""


def grouped(ready: Iterable[Ready], *, max_lines: int, max_bytes: int) -> Iterator[list[Ready]]:
    """Divide lines into batches that a provider takes, in order."""
    group: list[Ready] = []
    size = 0
    for each in ready:
        added = len(dump_body(each[2].payload)) + _ENVELOPE_BYTES
        if group and (len(group) >= max_lines or size + added > max_bytes):
            yield group
            group, size = [], 0
        group.append(each)
        size += added
    if group:
        yield group


def surely_refused(error: ProviderError) -> bool:
    """Whether a hand-over that failed certainly started no batch: it was refused, or no byte of it left.

    A redirect with 307 or 308 asks for the whole request elsewhere, so it was not carried out here.
    """
    if isinstance(error, NotBegunError):
        return True
    status = error.http_status
    if status is None:
        return error.billed == "no"
    return (400 <= status < 500 and status not in (408, 499)) or status in (307, 308, 529)


async def all_of(work: Sequence[Awaitable[object]]) -> None:
    """Await all of them to the end, then raise the first failure."""
    for ended in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(ended, BaseException):
            raise ended
