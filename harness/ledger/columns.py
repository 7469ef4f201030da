"""An attempt's columns, declared once: its table, the statements and rows that write it, its sums and its export.

Data flows these declarations -> `schema.tables`, `writing.statements` and `reading`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from harness.declared import request_value
from harness.documents.table import Column, ColumnKind
from harness.ledger.encoding import canonical_json, storable, stored_payload
from harness.money import plain
from harness.secrets import redact
from harness.usage.values import Meter, Usage

LONGEST_NAME = 200
"""Characters of a served model's name or an id that are kept: such names are part of an index."""
LONGEST_WORD = 64
LONGEST_MESSAGE = 2_000

Count = TypeVar("Count", bound="int | None", covariant=True)
_NOT_KNOWN: Any = None
Stored = Callable[[Any], object]


@request_value
class TokenCounts(Generic[Count]):
    """Tokens of an attempt or of a sum over attempts, in the columns of the ledger; each input token is in one of them.

    Attributes:
        input_tokens: uncached input; None = usage missing.
        output_tokens: everything generated, reasoning included; None = usage missing.
        reasoning_tokens: of which reasoning; None = not itemised.
    """

    input_tokens: Count = _NOT_KNOWN
    cache_read_tokens: Count = _NOT_KNOWN
    cache_write_5m_tokens: Count = _NOT_KNOWN
    cache_write_1h_tokens: Count = _NOT_KNOWN
    output_tokens: Count = _NOT_KNOWN
    reasoning_tokens: Count = _NOT_KNOWN

    @property
    def counts(self) -> tuple[Count, ...]:
        """All counts in the order of `TOKEN_COLUMNS`."""
        found: tuple[Count, ...] = _COUNTS(self)
        return found

    @property
    def _known(self) -> list[int]:
        counts: tuple[int | None, ...] = self.counts
        return [count or 0 for count in counts]

    @property
    def all_input_tokens(self) -> int:
        """Input of every kind, what is not known left out."""
        return sum(self._known[: len(INPUT_METERS)])

    @property
    def cache_write_tokens(self) -> int:
        """Input written to a cache of any lifetime, what is not known left out."""
        _, _, for_minutes, for_hours, *_ = self._known
        return for_minutes + for_hours

    def quantities(self) -> tuple[tuple[Meter, int], ...]:
        """Take the counts apart into what is charged: output without its reasoning; zero where nothing is known."""
        *inputs, output, reasoning = self._known
        answer = 0 if self.output_tokens is None else output - reasoning
        return (*zip(INPUT_METERS, inputs, strict=True), (Meter.REASONING, reasoning), (Meter.OUTPUT, answer))

    def usage(
        self, *, context_tokens: int | None = None, speed: str | None = None, inference_geo: str | None = None
    ) -> Usage:
        """Give the counts as one usage, whose totals include their parts; no reasoning counts as not itemised."""
        return Usage(
            input_tokens=self.all_input_tokens,
            cache_read_tokens=self.cache_read_tokens or 0,
            cache_write_5m_tokens=self.cache_write_5m_tokens or 0,
            cache_write_1h_tokens=self.cache_write_1h_tokens or 0,
            output_tokens=self.output_tokens or 0,
            reasoning_tokens=self.reasoning_tokens or None,
            context_tokens=context_tokens,
            speed=speed,
            inference_geo=inference_geo,
        )


TOKEN_COLUMNS: tuple[str, ...] = tuple(TokenCounts.__dataclass_fields__)
INPUT_METERS = (Meter.INPUT, Meter.CACHE_READ, Meter.CACHE_WRITE_5M, Meter.CACHE_WRITE_1H)
"""Meters of the first columns, in their order; the others are output, and of that reasoning."""
_COUNTS = attrgetter(*TOKEN_COLUMNS)


def token_counts(counts: Sequence[int | None]) -> TokenCounts[int | None]:
    """Read counts that stand in the order of `TOKEN_COLUMNS`."""
    return TokenCounts(**dict(zip(TOKEN_COLUMNS, counts, strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptColumn:
    """A column of the table `attempts`.

    Attributes:
        name: ends in the unit, where there is one.
        kind: how it is stored; `flag` is 0 or 1, `json` a text.
        required: whether it is never null.
        points_to: `table.column` of its foreign key; empty = none.
        sent: what an inserted row takes it from, by the names of `statements.sent_row`; empty = it is not known then.
        settled: likewise when the row is settled, by those of `settled_row`; empty = it stays as it was sent.
        stored: what a settled row holds of that attribute; None = the attribute itself. What is not known is null.
        about: what the export says of it; empty = it is not exported.
    """

    name: str
    kind: Literal["integer", "text", "json", "flag"]
    required: bool = False
    points_to: str = ""
    sent: str = ""
    settled: str = ""
    stored: Stored | None = None
    about: str = ""

    @property
    def exported(self) -> Column:
        """The column of the export: instants and dollars are exported as such, whatever unit they are stored in."""
        for ending, shown, kind, unit in _EXPORTED:
            if self.name.endswith(ending):
                name = self.name.removesuffix(ending) + shown
                return Column(name=name, kind=kind or _EXPORTED_KINDS[self.kind], unit=unit, description=self.about)
        return Column(name=self.name, kind=_EXPORTED_KINDS[self.kind], description=self.about)


_EXPORTED_KINDS: dict[str, ColumnKind] = {"integer": "integer", "text": "text", "json": "json", "flag": "boolean"}
_EXPORTED: tuple[tuple[str, str, ColumnKind | None, str], ...] = (
    ("_at_us", "_at", "timestamp", "UTC"),
    ("_pico_usd", "_usd", "usd", "USD"),
    ("_usd", "_usd", "usd", "USD"),
    ("_us", "_us", None, "us"),
    ("_tokens", "_tokens", None, "tokens"),
)
"""Ending of a stored column, ending, kind (None = as stored) and unit of the exported one."""


_integer = partial(AttemptColumn, kind="integer")
_text = partial(AttemptColumn, kind="text")
_json = partial(AttemptColumn, kind="json")


def _tokens(name: str, about: str) -> AttemptColumn:
    return AttemptColumn(name=name, kind="integer", settled=f"outcome.usage.{name}", about=about)


ATTEMPT_COLUMNS: tuple[AttemptColumn, ...] = (
    _integer(name="attempt_id", required=True, sent="attempt_id", about="Attempt, in the order sent."),
    _text(name="request_id", required=True, sent="start.request_id",
          about="Our id, sent to the provider where its protocol allows."),
    _integer(name="cell_id", required=True, points_to="cells.cell_id", sent="start.cell_id"),
    _integer(name="planned_id", points_to="planned_samples.planned_id", sent="start.planned_id"),
    _text(name="purpose", required=True, sent="start.purpose", about="`solve`, `judge`, `user_simulator` or `tool`."),
    _integer(name="try_number", required=True, sent="start.try_number", about="1 for the first attempt."),
    _integer(name="retry_of", points_to="attempts.attempt_id", sent="start.retry_of",
             about="Attempt that this one repeats."),
    _text(name="status", required=True, settled="outcome.status",
          about="`sent` (never settled), `succeeded`, `failed`, `timed_out`, `cancelled` (given up; `billed` is `no`"
          " when it never left), `reused`."),
    _text(name="error_class", settled="outcome.error_class", stored=str, about="Kind of failure."),
    _text(name="error_message", settled="outcome.error_message",
          stored=lambda message: storable(redact(message), LONGEST_MESSAGE),
          about="The provider's words, secrets removed."),
    _integer(name="http_status", settled="outcome.http_status", about="HTTP status code."),
    # when the request goes elsewhere than the cell's provider (a judge)
    _text(name="other_provider", sent="start.provider"),
    _text(name="model_requested", required=True, sent="start.model_requested", about="Model name as sent."),
    _text(name="model_served", settled="model_served", about="Model name in the answer."),
    _integer(name="parameter_set_id", required=True, points_to="parameter_sets.parameter_set_id",
             sent="parameter_set_id"),
    _integer(name="budget_set_id", points_to="budget_sets.budget_set_id", sent="budget_set_id"),
    _text(name="service_tier", sent="start.service_tier", settled="service_tier", about="Service tier."),
    _text(name="mode", sent="start.mode", about="`batch` for batch requests."),
    _text(name="provider_request_id", settled="outcome.provider_request_id",
          stored=partial(storable, longest=LONGEST_NAME), about="The provider's id."),
    _integer(name="started_at_us", required=True, sent="start.started_at_us", about="When the request left."),
    _integer(name="finished_at_us", settled="outcome.finished_at_us", about="When it was settled."),
    _integer(name="first_byte_us", settled="outcome.first_byte_us", about="Time from sending to the first byte."),
    _tokens("input_tokens", "Uncached input; empty = usage unknown."),
    _tokens("cache_read_tokens", "Input read from a cache."),
    _tokens("cache_write_5m_tokens", "Input written to a cache of five minutes."),
    _tokens("cache_write_1h_tokens", "Input written to a cache of one hour or longer."),
    _tokens("output_tokens", "Everything generated, reasoning included; empty = usage unknown."),
    _tokens("reasoning_tokens", "Of the output, reasoning; empty = not itemised."),
    _json(name="other_meters", settled="outcome.usage.other_meters", stored=canonical_json,
          about="Other billed quantities and other models inside the answer."),
    _json(name="raw_usage", settled="outcome.usage.raw_usage", stored=stored_payload,
          about="Usage as the provider sent it."),
    _text(name="usage_kind", settled="outcome.usage.usage_kind", about="Reader that understands `raw_usage`."),
    _text(name="usage_source", settled="outcome.usage.usage_source",
          about="`provider`, `missing`, `imported` (a tool's log) or `estimated` (from texts)."),
    _json(name="usage_flags", settled="outcome.usage.flags",
          stored=lambda flags: canonical_json(flags) if flags else None,
          about="Why the usage does not add up; empty = it does."),
    _integer(name="normaliser_version", required=True, sent="normaliser_version",
             settled="outcome.normaliser_version", about="Version of the usage readers."),
    _integer(name="reserved_pico_usd", required=True, sent="start.reserved_pico_usd",
             about="Worst case reserved before sending."),
    _integer(name="reserved_input_tokens", required=True, sent="start.reserved_input_tokens"),
    _integer(name="reserved_output_tokens", required=True, sent="start.reserved_output_tokens"),
    _integer(name="charged_pico_usd", settled="outcome.charged_pico_usd"),
    _text(name="stated_cost_usd", settled="outcome.usage.stated_cost_usd", stored=plain,
          about="Cost that the provider states."),
    _text(name="billed", settled="outcome.billed",
          about="Whether the provider bills it by its stated rule: `yes`, `no`, `unknown`."),
    _text(name="finish_reason", settled="outcome.finish_reason", stored=partial(storable, longest=LONGEST_WORD),
          about="`stop`, `length` (cut at the cap), ..."),
    AttemptColumn(name="refused", kind="flag", required=True, settled="outcome.refused", stored=int,
                  about="Whether the model refused."),
    _integer(name="usage_group_id", points_to="usage_groups.usage_group_id", settled="usage_group_id"),
    _integer(name="turn", sent="start.turn",
             about="Place of the request in its sample's conversation, from 0; empty = the sample is one request."),
)  # fmt: skip


BILL_UNKNOWN = "status = 'sent' OR (input_tokens IS NULL AND billed <> 'no')"
"""Attempts that may be billed and whose amount is not known: no answer arrived, or an answer without usage."""


class GroupDimensions(NamedTuple):
    """What the attempts of a usage group share, by columns of `usage_groups`: what a price can depend on, and flags.

    The flags are what reports count besides: as part of the key, so that sums need no condition per row (4 times as
    fast).
    """

    provider: str
    model: str | None
    service_tier: str | None
    mode: str | None
    speed: str | None
    inference_geo: str | None
    thinking: int | None
    slot_us: int
    context_bucket: int | None
    usage_known: int
    itemised: int
    truncated: int
    refused: int


UNKNOWN_DIMENSIONS: dict[str, str | int] = {
    "service_tier": "", "mode": "", "speed": "", "inference_geo": "", "thinking": -1, "context_bucket": -1,
}  # fmt: skip
"""What stands for null where groups are compared: in a plain UNIQUE two missing values would count as different."""


def compared(group: GroupDimensions) -> tuple[str | int | None, ...]:
    """Give the values of a group as its unique index compares them."""
    return tuple(
        UNKNOWN_DIMENSIONS.get(name) if value is None else value
        for name, value in zip(group._fields, group, strict=True)
    )
