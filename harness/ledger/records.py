"""Values that go into and come out of the ledger: runs, cells, planned samples, attempts, transcripts, scores, budgets.

Plain records without behaviour. Data flows runner -> records -> writer -> tables, and tables -> records -> reports.
Times are integer microseconds since 1970 in UTC (see `harness.instants`), money is integer picodollars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, get_args

from harness.declared import request_value
from harness.errors import Billed, ErrorClass
from harness.ledger.columns import TokenCounts
from harness.secrets import redact_url
from harness.usage.values import NORMALISER_VERSION

RunStatus = Literal["running", "complete", "partial", "failed"]
LOWER_BOUND_NOTE = "lower bound: "
"""How a warning of an imported run begins that says that more was spent than its rows hold."""
UPPER_BOUND_NOTE = "upper bound: "
"""How one begins that says that its list price may be too high, as cached tokens count as fresh ones."""
NO_BASELINE_NOTE = "nightly gate: "
"""How a warning of a stored run begins that keeps it from being a baseline of later nights."""

Purpose = Literal["solve", "judge", "user_simulator", "tool"]
"""Which role a request plays for its sample: the model that is measured, who judges it, who plays the user of a
conversation, and a model that a tool asks."""
SettledStatus = Literal["succeeded", "failed", "timed_out", "cancelled", "reused"]
AttemptStatus = Literal["sent", "succeeded", "failed", "timed_out", "cancelled", "reused"]
UsageSource = Literal["provider", "missing", "estimated", "imported"]
"""Who counted: the provider in its answer, nobody, ourselves from texts, or the log of another tool."""
BatchStatus = Literal["submitting", "submitted", "collected", "failed", "not_submitted", "lost"]

RUN_STATUSES: tuple[str, ...] = get_args(RunStatus)
PURPOSES: tuple[str, ...] = get_args(Purpose)
ATTEMPT_STATUSES: tuple[str, ...] = get_args(AttemptStatus)
USAGE_SOURCES: tuple[str, ...] = get_args(UsageSource)
BATCH_STATUSES: tuple[str, ...] = get_args(BatchStatus)
BILLED: tuple[str, ...] = get_args(Billed)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """A task of a run's suite as it was run, so that a report needs no suite file.

    Attributes:
        revision: of the data that was loaded.
        samples_sha256: digest over its samples.
        weight: in the suite's index; None = the suite has no weights, or a version before 0.2 wrote the record.
        epochs, max_output_tokens, max_output_tokens_reasoning: as the suite said; None likewise.
        frames: which frames of its videos were shown: `count` or `every` and `at_most`, `longest_side` in pixels, and
            `per_clip`, their mean number; None = it has no videos.
        scale: what a score of 0 and of 1 is shown as; None = as a share.
    """

    name: str
    revision: str
    samples_sha256: str
    weight: float | None = None
    epochs: int | None = None
    max_output_tokens: int | None = None
    max_output_tokens_reasoning: int | None = None
    frames: Mapping[str, float] | None = None
    scale: Sequence[float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRecord:
    """An evaluation of a published index that was not measured, as the suite said; `why` is for people."""

    name: str
    weight: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRecord:
    """A suite as it was run.

    Attributes:
        missing: what belongs to the index and was not measured; its weights and those of the tasks make the whole.
    """

    name: str
    version: str
    sha256: str
    tasks: tuple[TaskRecord, ...] = ()
    missing: tuple[MissingRecord, ...] = ()

    @property
    def data(self) -> frozenset[tuple[str, str]]:
        """Name and digest of the samples of each task."""
        return frozenset((task.name, task.samples_sha256) for task in self.tasks)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run: what was asked for, with which code, prices and samples.

    Attributes:
        config: the command's options, JSON values, secrets excluded.
        models: names as typed (`provider/model@setting`).
        price_sources: price files with digests, JSON values.
        git_commit: of the harness' checkout; None outside one.
        budget_pico_usd: cap of this run; None = no cap.
        finished_at_us: None while running.
    """

    run_id: str
    created_at_us: int
    plan_sha256: str
    harness_version: str
    price_book_sha256: str
    status: RunStatus = "running"
    finished_at_us: int | None = None
    config: Mapping[str, object] = field(default_factory=dict)
    suites: tuple[SuiteRecord, ...] = ()
    models: tuple[str, ...] = ()
    price_sources: Sequence[Mapping[str, object]] = ()
    git_commit: str | None = None
    sample_seed: int = 0
    budget_pico_usd: int | None = None
    warnings: tuple[str, ...] = ()

    @property
    def shown_config(self) -> dict[str, object]:
        """The config for people to see: runs of older versions may have stored an address with its keys."""
        return {name: _without_keys(value) for name, value in self.config.items()}


def _without_keys(value: object) -> object:
    if isinstance(value, list):
        return [_without_keys(part) for part in value]
    return redact_url(value) if isinstance(value, str) and "://" in value else value


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRecord:
    """One suite on one model setting within a run: one row of a report.

    Attributes:
        reasoning: whether the model reasons with this setting; None = not known.
        settings_sent: what the setting was mapped to for this provider.
        cell_id: given by the ledger; None before it is stored.
        run_id: given by the ledger; None before it is stored.
    """

    suite: str
    suite_version: str
    suite_sha256: str
    provider: str
    model: str
    setting: str | None = None
    reasoning: bool | None = None
    simulated: bool = False
    settings_sent: Mapping[str, object] = field(default_factory=dict)
    cell_id: int | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRecord:
    """A sample that was drawn before the first request, with its place in the draw.

    Attributes:
        inclusion_probability: probability of being drawn, in (0, 1].
        presentation: JSON form of how it is shown (order of options); None = as in the data set.
        reference: the right answer, several as a JSON list; None = there is none, or no transcripts are kept.
        planned_id: given by the ledger; None before it is stored.
        run_id: given by the ledger; None before it is stored.
    """

    suite: str
    task: str
    sample_id: str
    epoch: int
    draw_order: int
    inclusion_probability: float
    sample_sha256: str
    presentation: object = None
    reference: str | None = None
    planned_id: int | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawRecord:
    """A planned sample that a wave drew for one model, written before it is asked.

    Attributes:
        wave: 0 = the pilot.
        stratum: part of the suite from which it was drawn, by the key of `harness.precision.Stratum`.
        draw_order: place of its unit in the stratum's order, from 0.
        inclusion_probability: share of the stratum's units that were drawn for this pass once the wave was, in (0, 1].
    """

    cell_id: int
    planned_id: int
    wave: int
    stratum: str
    draw_order: int
    inclusion_probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastRecord:
    """What a run, or one cell of it, was expected to cost in the end, with what is known when it is made.

    Attributes:
        cell_id: None = the whole run.
        wave: waves that were asked by then; 0 = none.
        basis: what it was made from, JSON values.
        level: confidence level of the interval.
        spent_pico_usd: spent by then, which the other amounts include.
        expected_pico_usd, low_pico_usd, high_pico_usd: bill in the end, and its interval.
        ceiling_pico_usd: what it hardly exceeds; None = not known.
    """

    run_id: str
    made_at_us: int
    wave: int
    basis: Mapping[str, object]
    level: float
    spent_pico_usd: int
    expected_pico_usd: int
    low_pico_usd: int
    high_pico_usd: int
    ceiling_pico_usd: int | None = None
    cell_id: int | None = None


@request_value
class AttemptStart:
    """A request that is about to leave.

    Attributes:
        request_id: our own id, unique over the ledger.
        planned_id: the sample it is for; None for a request that belongs to no sample.
        try_number: 1 for the first attempt.
        provider: whom the request goes to, when it is not the cell's provider (a judge).
        retry_of: attempt id of the attempt that this one repeats.
        parameters: every parameter as sent, messages, headers and secrets excluded.
        reserved_pico_usd: worst case; 0 when no budget applies or nothing is known.
        budget_scopes: budgets that this attempt counts against, for example `run:<id>`, `day:2026-11-22`.
            A scope without a stored budget is tracked without a cap, so that a cap set later knows what was spent.
        turn: place in its sample's conversation, from 0; None = the sample is one request.
    """

    request_id: str
    cell_id: int
    planned_id: int | None
    model_requested: str
    started_at_us: int
    purpose: Purpose = "solve"
    try_number: int = 1
    retry_of: int | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    service_tier: str | None = None
    mode: str | None = None
    provider: str | None = None
    reserved_pico_usd: int = 0
    reserved_input_tokens: int = 0
    reserved_output_tokens: int = 0
    budget_scopes: tuple[str, ...] = ()
    turn: int | None = None


@request_value
class UsageFacts(TokenCounts["int | None"]):
    """What an answer used, in the columns of the ledger; made by `harness.ledger.writing.usage_facts.usage_facts`.

    Attributes:
        other_meters: `{"meters": {...}, "other_models": [{"model", "meters"}]}`; None when there are none.
        raw_usage: as the provider sent it.
        context_tokens: prompt size that decides a context tier; None = not known.
        thinking: whether thinking was on; None = not known.
    """

    other_meters: Mapping[str, object] | None = None
    raw_usage: Mapping[str, object] | None = None
    usage_kind: str | None = None
    usage_source: UsageSource = "missing"
    flags: tuple[tuple[str, str], ...] = ()
    stated_cost_usd: Decimal | None = None
    context_tokens: int | None = None
    speed: str | None = None
    inference_geo: str | None = None
    thinking: bool | None = None


NO_USAGE = UsageFacts()


@request_value
class AttemptOutcome:
    """How an attempt ended.

    Attributes:
        first_byte_us: time from sending to the first byte; None = not known.
        service_tier: tier served; None = not stated, the requested one is kept.
        charged_pico_usd: what leaves the reservation as spent (rounded up); None = the bill is not known, and
            the whole reservation counts as spent.
        unreserved_pico_usd: what an unknown bill can come to beyond its reservation; it counts as spent, too.
        billed: by the provider's stated rule.
    """

    attempt_id: int
    status: SettledStatus
    finished_at_us: int
    usage: UsageFacts = NO_USAGE
    charged_pico_usd: int | None = None
    unreserved_pico_usd: int = 0
    billed: Billed = "unknown"
    error_class: ErrorClass | None = None
    error_message: str | None = None
    http_status: int | None = None
    model_served: str | None = None
    service_tier: str | None = None
    provider_request_id: str | None = None
    first_byte_us: int | None = None
    finish_reason: str | None = None
    refused: bool = False
    normaliser_version: int = NORMALISER_VERSION


@request_value
class Transcript:
    """What was said: the messages as sent (JSON values, images by digest) and the answer.

    Attributes:
        tool_calls: what the model wanted called, JSON values (`call_id`, `name`, `arguments`).
    """

    messages: Sequence[Mapping[str, object]]
    answer: str
    reasoning: str | None = None
    tool_calls: Sequence[Mapping[str, object]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptRow:
    """What was said in one attempt, with what a scorer needs besides.

    Attributes:
        messages: as sent, JSON values; images by digest.
    """

    attempt_id: int
    cell_id: int
    planned_id: int | None
    purpose: str
    status: str
    finish_reason: str | None
    refused: bool
    messages: Sequence[Mapping[str, object]]
    answer: str
    reasoning: str | None
    tool_calls: Sequence[Mapping[str, object]] = ()


@request_value
class ScoreRecord:
    """One judgement of one attempt; the newest score of an attempt counts.

    Attributes:
        value_millionths: score times 1,000,000; None = unscored, then `reason` says why.
        score_id: given by the ledger; None before it is stored.
    """

    attempt_id: int
    planned_id: int
    cell_id: int
    scorer: str
    scorer_version: str
    scored_at_us: int
    value_millionths: int | None = None
    reason: str | None = None
    answer: str | None = None
    explanation: str | None = None
    rule: str | None = None
    score_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A cap and what counts against it: `spent` is settled, `reserved` is in flight or possibly billed.

    Attributes:
        cap_pico_usd: None = tracked without a cap.
    """

    scope: str
    cap_pico_usd: int | None
    spent_pico_usd: int = 0
    reserved_pico_usd: int = 0

    @property
    def left_pico_usd(self) -> int | None:
        """What can still be reserved; None without a cap, never negative."""
        if self.cap_pico_usd is None:
            return None
        return max(0, self.cap_pico_usd - self.spent_pico_usd - self.reserved_pico_usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOutcome:
    """Where one planned sample on one cell stands, for resuming.

    Attributes:
        n_attempts: rows of any status.
        last_try_number: highest try number so far; of a conversation, how often its next turn was tried.
        n_open: rows still `sent`: possibly billed, left by a process that died.
        n_cancelled: rows given up by the user: like open ones they say nothing about whether another try can help.
        attempt_id: the newest succeeded or reused attempt, or one with a score and no answer (its sample ended at
            a limit); None = there is none, or a conversation that is not over.
        status: `succeeded` or `reused` when there is such an attempt, else the status of the newest row.
        error_class: of the newest row when nothing succeeded.
        scored: whether `attempt_id` has a score.
    """

    cell_id: int
    planned_id: int
    n_attempts: int
    last_try_number: int
    n_open: int
    attempt_id: int | None
    status: AttemptStatus
    error_class: str | None
    scored: bool
    n_cancelled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicedRecord:
    """A fact of an account about one attempt.

    Attributes:
        source: which account said it, and how the attempt was found there.
        billed_pico_usd: what was billed; None = billed, and the amount cannot be told.
        usage: disjoint tokens by their kind; None = not said.
    """

    attempt_id: int
    source: str
    recorded_at_us: int
    billed_pico_usd: int | None = None
    usage: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """Requests that are handed to a provider together.

    Attributes:
        submission_key: our own name for it, made before it is handed over and given to providers that keep names.
        status: `submitting` until the provider's id is stored, then `submitted`; closed as `collected`, `failed` (by
            the provider), `not_submitted` (it never arrived) or `lost` (it may have arrived, its id was never stored).
        provider_batch_id: None until the provider gave one.
        batch_id: given by the ledger; None before it is stored.
    """

    run_id: str
    provider: str
    model: str
    submission_key: str
    n_lines: int
    created_at_us: int
    setting: str | None = None
    status: BatchStatus = "submitting"
    provider_batch_id: str | None = None
    submitted_at_us: int | None = None
    closed_at_us: int | None = None
    detail: str | None = None
    batch_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLine:
    """An attempt of mode `batch` that is not settled; `batch_id` None = it was reserved and never handed over."""

    attempt_id: int
    cell_id: int
    planned_id: int
    try_number: int
    batch_id: int | None
