"""What a reader yields for a log: runs, samples, model calls, scores, findings; plain frozen values.

Data flows a log's files -> a reader of `harness.imports.log_formats` -> these records -> `into_ledger` -> the ledger.
None means that the log does not say it, never zero. Instants are integer microseconds since 1970 in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from harness.declared import request_value
from harness.errors import Billed, ErrorClass
from harness.ledger.records import Purpose, SettledStatus
from harness.usage.values import Usage

LoggedStatus = Literal["complete", "partial", "failed"]
"""How a run of another tool ended: all of it, a part of it (cut, cancelled, still going, samples missing), or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRun:
    """A run of another tool, a batch, or the sessions of a folder; yield it before what belongs to it.

    Yielded again with the same key it is the same run: the last one's status, instants and statements count.

    Attributes:
        key: what the tool itself names the run by, equal in every copy of its log (`eval.run_id`, a batch id); where
            it names nothing, a digest of what does not change when the log grows. Never a path.
        name: for people: the tool's name of the run, the suite's, the folder's.
        tool: name of the tool that wrote the log (`inspect-ai`).
        tool_version: as it states its own version.
        created_at_us: when it began; calls without an instant get it (flagged); None = the log does not say.
        config: settings of the run as the log has them, JSON values; secrets are removed on the way in.
    """

    key: str
    tool: str
    name: str | None = None
    tool_version: str | None = None
    created_at_us: int | None = None
    finished_at_us: int | None = None
    status: LoggedStatus = "complete"
    config: Mapping[str, object] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedCell:
    """One suite on one model setting within a run: what one row of a report is about. Make one, use it for all calls.

    Attributes:
        run: key of its run.
        suite: name of the benchmark as the tool says; of a log without one, the format's name (`claude_code`).
        provider: who was asked, in our names (`openai`, `anthropic`, `google`, `azure`, ...: see
            `harness.providers.catalogue`); "unknown" = the log does not say.
        model: as asked, without the provider; "(not said)" = the log does not say.
        setting: as people type it after `@`, for example `high` or `thinking=16000`; None = the default.
        reasoning: whether it reasons with this setting; None = not known.
        settings_sent: parameters that certainly were sent, JSON values.
    """

    run: str
    suite: str
    provider: str
    model: str
    setting: str | None = None
    suite_version: str = ""
    reasoning: bool | None = None
    simulated: bool = False
    settings_sent: Mapping[str, object] = field(default_factory=dict, hash=False)


@request_value
class SampleKey:
    """Which sample of a suite at which epoch.

    Attributes:
        sample_id: as the tool names the item, so that runs of the same suite compare by sample.
        task: part of the suite; None = the suite has one task, of its own name.
        epoch: from 0 (tools that count from 1: subtract 1).
    """

    sample_id: str
    task: str | None = None
    epoch: int = 0


@request_value
class ImportedSample:
    """A sample that the log holds. Needed only for what no call says: its target, or a sample without any call.

    Attributes:
        target: the right answer; kept with `--transcripts` alone.
        content_sha256: digest of the question; None = its id must do.
    """

    cell: ImportedCell
    sample: SampleKey
    target: str | None = None
    content_sha256: str | None = None


@request_value
class ImportedUsage:
    """What a call used, in our terms, beside the log's own object; see `harness.imports.usages` for ways to make one.

    Attributes:
        usage: totals that include their parts; None = not known. A flagged usage is kept and counted as flagged.
        raw: the log's usage object as it stands there.
        kind: a name of `harness.usage.KINDS` where `raw` is a provider's own object and that reader read it; else the
            format's name.
        tool_counted: the tool counted the tokens itself from texts (HELM), which no provider bills by.
    """

    usage: Usage
    raw: Mapping[str, object] | None
    kind: str
    tool_counted: bool = False


@request_value
class Said:
    """Prompt and answer of a call. Yield it when `Source.texts` asks for it; made into a transcript or an estimate.

    Attributes:
        messages: chat messages, JSON values; a bare prompt is one message with role `user`.
        answer: None = no answer came.
    """

    messages: Sequence[Mapping[str, object]]
    answer: str | None
    reasoning: str | None = None


@request_value
class ImportedAttempt:
    """One request to a model, or one that the tool answered from its own cache (`status="reused"`, at no cost).

    Attributes:
        identity: names this call among all logs of its format, so that a copy in another file, a second import or a
            grown file adds nothing twice: the provider's or the tool's own id where there is one (`message.id` +
            `requestId`), else the run's key, sample, epoch and place of the call within the sample.
        sample: None = it belongs to no sample (a coding session).
        purpose: `solve`, `judge`, `user_simulator` or `tool`.
        provider, model: who was asked, where that is not the cell's (a judge); None = the cell's.
        model_served: as the answer names it; None = it does not.
        status: `succeeded`, `failed`, `timed_out`, `cancelled` or `reused`.
        usage: None = the log does not say what it used.
        billed: `no` only where the provider's rule says that such an ending is free (an expired batch line); a failed
            call whose tokens are not said is `unknown`, and makes the spend a lower bound.
        started_at_us, finished_at_us: None = the log does not say; prices are dated, so the day matters.
        stated_cost_usd: what the tool or its gateway says that this call cost; None = not said. Zero where it means
            "unknown" is None. It is kept beside the list price and never replaces it.
        cost_note: how the tool came to its cost, where known ("litellm's price map of the day of the conversion").
        mode: `batch` for batch lines; None = a single request.
        service_tier: as served, else as asked.
        try_number: from 1; above 1 with `retry_of`, the identity of the call that it repeats.
        hidden_retries: further requests that the log knows as a number only; they make the spend a lower bound.
        finish_reason: `stop`, `length`, `content_filter`, `tool_calls` or `other`; None = not said.
        parameters: sampling parameters that certainly were sent, JSON values. Share one mapping between calls.
    """

    cell: ImportedCell
    identity: str
    sample: SampleKey | None = None
    purpose: Purpose = "solve"
    provider: str | None = None
    model: str | None = None
    model_served: str | None = None
    status: SettledStatus = "succeeded"
    usage: ImportedUsage | None = None
    billed: Billed | None = None
    started_at_us: int | None = None
    finished_at_us: int | None = None
    first_byte_us: int | None = None
    stated_cost_usd: Decimal | None = None
    cost_note: str | None = None
    mode: str | None = None
    service_tier: str | None = None
    try_number: int = 1
    retry_of: str | None = None
    hidden_retries: int = 0
    error_class: ErrorClass | None = None
    error_message: str | None = None
    http_status: int | None = None
    provider_request_id: str | None = None
    finish_reason: str | None = None
    refused: bool = False
    parameters: Mapping[str, object] = field(default_factory=dict, hash=False)
    said: Said | None = None


@request_value
class ImportedScore:
    """One judgement of the answer of one call, yielded after the call; of several the last is the one reports use.

    Attributes:
        attempt: identity of the call whose answer was judged: of a trajectory, its last solving call.
        scorer: as the tool names it (`match`, `llm-rubric`); stored as `FORMAT/SCORER`.
        value: 0 to 1; None = not scored, then `reason` says why (a failed call is not a wrong answer).
    """

    attempt: str
    scorer: str
    value: float | None
    reason: str | None = None
    answer: str | None = None
    explanation: str | None = None
    scored_at_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A finding about a run that its report has to carry: what differs, is missing or was left out.

    Attributes:
        name: fixed name: `retries_lost`, `samples_missing`, `total_differs`, `reduced_scores`, `settings_unsure`,
            `usage_unsure`, `not_finished`, ... in the form of these.
        lower_bound: it means that more was spent than the records say.
        upper_bound: it means that their list price may be too high.
    """

    run: str
    name: str
    detail: str
    lower_bound: bool = False
    upper_bound: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A line or row that cannot be read; it is counted and reported, and everything else is imported.

    Attributes:
        where: file and line (`log.jsonl:17`), or file and record.
    """

    where: str
    reason: str


Record = ImportedRun | ImportedSample | ImportedAttempt | ImportedScore | Noted | Broken
