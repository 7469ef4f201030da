"""Every error that a user can meet, with the exit code it ends in.

    HarnessError                     1   something failed
    ├── InputError                   2   arguments or an input file are wrong (one or many findings)
    │   └── MissingKeyError          2   a provider's key is not in the environment
    ├── UnpricedModelError           2   a budget was asked for and no price is known, or no cap
    ├── LedgerError                  1   the ledger cannot be opened, written or trusted
    │   ├── RunLockedError           1   another process works on the same run
    │   ├── LedgerUnreachable        1   the ledger's server does not answer, which may pass
    │   └── WorkerLost               1   a worker was taken for dead and may not write any more
    ├── EnvironmentLost              1   a sample's world is gone and cannot be had back
    ├── ProviderError                1   one attempt failed (see ErrorClass); caught at the attempt boundary
    ├── NoMoreWaves                  …   an outcome of its own code: a run decided to ask nothing more
    └── BudgetReached                3   an outcome, not a failure: partial results are kept

A message says what happened with its values; `where` names file, key path or row; `fix` says what to do next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from harness.secrets import redact, redact_known, redact_values

Billed = Literal["yes", "no", "unknown"]


class HarnessError(Exception):
    """An error with a place and a remedy; none of them ever holds a key, a token or a password.

    Args:
        message: what happened, with its values.
        where: file, key path, row or command-line option; None when there is no such place.
        fix: what the reader can do next; None when there is nothing to advise.
    """

    exit_code = 1

    def __init__(self, message: str, *, where: str | None = None, fix: str | None = None) -> None:
        self.message = redact(message)
        self.where = where and redact(where)
        self.fix = fix and redact(fix)
        super().__init__(self.message)

    def __str__(self) -> str:
        lines = [self.message]
        if self.where:
            lines.append(f"  at: {self.where}")
        if self.fix:
            lines.append(f"  do: {self.fix}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One mistake in an input: where it is and what is wrong with it."""

    where: str
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", redact(self.message))


class InputError(HarnessError):
    """Arguments or input files are wrong; `findings` lists every mistake found, not only the first."""

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        fix: str | None = None,
        findings: Sequence[Finding] = (),
    ) -> None:
        super().__init__(message, where=where, fix=fix)
        self.findings = tuple(findings)

    def __str__(self) -> str:
        listed = [f"  {finding.where}: {finding.message}" for finding in self.findings]
        return "\n".join(
            [self.message, *([f"  at: {self.where}"] if self.where else []), *listed]
            + ([f"  do: {self.fix}"] if self.fix else [])
        )


class MissingKeyError(InputError):
    """A provider wants a key and the environment has none."""


class UnpricedModelError(InputError):
    """A budget in dollars cannot hold requests whose cost has no upper bound: no price is known, or no output cap."""


class EnvironmentLost(HarnessError):
    """The world of a sample is gone (its process ended, its tools broke) and cannot be played again to where it was."""


class LedgerError(HarnessError):
    """The ledger cannot be opened, written or trusted."""


class NoLedgerError(LedgerError):
    """Nothing is stored where the ledger was looked for."""


class RunLockedError(LedgerError):
    """Another live process works on the same run id."""


class LedgerUnreachable(LedgerError):
    """The ledger's server does not answer, or ended the session: the same may work again in a moment."""


class WorkerLost(LedgerError):
    """This worker was taken for dead: its work is others' now, and it may not write any more.

    Args:
        worker_id: the ledger's id of the worker.
        database: as shown to people.
    """

    def __init__(self, worker_id: int, *, database: str) -> None:
        super().__init__(
            f"worker {worker_id} was not heard of for too long: its work is others' now, and it writes no more",
            where=database,
            fix="start it again; what it had in flight is recorded as possibly billed",
        )


class NoMoreWaves(HarnessError):
    """A run ends before it is complete because of what it found out; what was answered is kept.

    Args:
        exit_code: what the command ends with.
        models: which models it holds for, as typed; empty = all.
        cap_usd: a budget with which the run would go on; None = a budget has nothing to do with it.
    """

    def __init__(
        self,
        message: str,
        *,
        exit_code: int,
        where: str | None = None,
        fix: str | None = None,
        models: Iterable[str] = (),
        cap_usd: Decimal | None = None,
    ) -> None:
        super().__init__(message, where=where, fix=fix)
        self.exit_code = exit_code
        self.models = frozenset(models)
        self.cap_usd = cap_usd


class BudgetReached(HarnessError):
    """The budget is used up; what was answered is kept and the run can be resumed.

    Args:
        asked_pico_usd: what the next request may cost, in picodollars; None where no request was asked for.
        used_pico_usd: what counts against the budget already, in flight included.
        scope: the budget's name in the ledger; None where it is not one budget.
    """

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        fix: str | None = None,
        asked_pico_usd: int | None = None,
        used_pico_usd: int | None = None,
        scope: str | None = None,
    ) -> None:
        super().__init__(message, where=where, fix=fix)
        self.scope = scope
        self.asked_pico_usd = asked_pico_usd
        self.used_pico_usd = used_pico_usd


class ErrorClass(StrEnum):
    """What kind of failure an attempt met; the retry policy is a table over these."""

    RATE_LIMIT = "rate_limit"
    QUOTA_EXHAUSTED = "quota_exhausted"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    BAD_REQUEST = "bad_request"
    CONTEXT_TOO_LONG = "context_too_long"
    CONTENT_FILTER = "content_filter"
    AUTHENTICATION = "authentication"
    NOT_FOUND = "not_found"
    MALFORMED_RESPONSE = "malformed_response"
    INTERNAL = "internal"


class ProviderError(HarnessError):
    """One attempt failed at the provider or on the way to it.

    Args:
        message: the provider's words, secrets removed, at most a few hundred characters.
        error_class: what kind of failure this was.
        http_status: status code, None when no answer arrived.
        retry_after_s: seconds that the provider asked to wait, None when it did not say.
        billed: whether the provider bills such an attempt by its stated rule.
        raw_usage: usage object of the failed answer, as received, None when there was none.
        usage_kind: which reader understands `raw_usage`; None when there is none.
        provider_request_id: the provider's id for this request, None when it gave none.
        model_served: the model that the failed answer names, None when it names none.
        service_tier: tier served as the failed answer states it, None when it does not.
    """

    def __init__(
        self,
        message: str,
        *,
        error_class: ErrorClass,
        http_status: int | None = None,
        retry_after_s: float | None = None,
        billed: Billed = "unknown",
        raw_usage: Mapping[str, Any] | None = None,
        usage_kind: str | None = None,
        provider_request_id: str | None = None,
        model_served: str | None = None,
        service_tier: str | None = None,
    ) -> None:
        super().__init__(message)
        self.error_class = error_class
        self.http_status = http_status
        self.retry_after_s = retry_after_s
        self.billed: Billed = billed
        self.raw_usage = redact_values(raw_usage)
        self.usage_kind = usage_kind
        self.provider_request_id = provider_request_id and redact_known(provider_request_id)
        self.model_served = model_served and redact_known(model_served)
        self.service_tier = service_tier and redact_known(service_tier)


def similar(name: str, known: Iterable[str], *, most: int = 3, cutoff: float = 0.6) -> list[str]:
    """List known names that are spelt nearly alike, the nearest first."""
    import difflib

    by_folded = {one.lower(): one for one in known}
    return [by_folded[one] for one in difflib.get_close_matches(name.lower(), by_folded, n=most, cutoff=cutoff)]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Write `; similar: a, b`, or nothing where no name is near."""
    found = similar(name, known)
    return f"; similar: {', '.join(found)}" if found else ""
