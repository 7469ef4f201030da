"""What a chaotic run of conversations asks, of whom, under which caps, and when it will be killed.

Pure. Data flows number and seed -> `Plan` -> the words of its command line.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from benchmarks.crashes import PROVIDER
from harness.runner.trajectories.user_models import USER_OUTPUT_TOKENS

MODELS = ("sim-fanout", "sim-flaky", "sim-garbler", "sim-looper", "sim-flaky@low", "sim-reasoner", "sim-direct")
"""64 calls in one message; faults of every kind; malformed calls; endless loops; and two that behave."""
JUDGES = ("sim-direct", "sim-flaky")
DEAREST_TOKEN_USD = 8e-6
"""Output of the dearest of them."""
USERS = {"sim-user": 0.8e-6, "sim-flaky": 4e-6, "sim-garbler": 1.6e-6, "sim-fanout": 1.6e-6}
"""Who plays users -> dollars for a token of output."""
CONCURRENCIES = (1, 4, 16, 64)
LONGEST_UNDISTURBED_S = 1.2
"""What happens to a process happens within so many seconds of its first request, or of its start."""


@dataclass(frozen=True, slots=True)
class Blow:
    """What ends a process before its time.

    Attributes:
        after_s: seconds after its first request; of an early one after its start.
        is_kill: SIGKILL; else SIGTERM, which lets it settle what is in flight.
    """

    after_s: float
    is_early: bool
    is_kill: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a chaotic run asks and what will happen to it.

    Attributes:
        user: who plays users.
        judge: asked about answers of two tasks more; None = those tasks are left out.
        n_samples: of each task.
        cap_usd, sample_cap_usd: of the run and of each sample; None = there is none.
        raised_usd: the run's cap once it was reached; None = the run ends at it.
        max_output_tokens: of the models under test; None = as the suites say.
        is_expected: whether answers reserve what they usually cost, but for the caps of samples.
        blows: one for each process, until none is left.
        asks_again: whether the complete run is resumed, so that its failed samples are asked again.
        n_workers: processes that share the run in PostgreSQL; 0 = one process and SQLite.
    """

    run_id: str
    models: tuple[str, ...]
    user: str
    judge: str | None
    n_samples: int
    concurrency: int
    max_attempts: int
    cap_usd: Decimal | None
    sample_cap_usd: Decimal | None
    raised_usd: Decimal | None
    max_output_tokens: int | None
    is_expected: bool
    blows: tuple[Blow, ...]
    asks_again: bool
    n_workers: int = 0

    @classmethod
    def drawn(cls, number: int, seed: int, *, n_workers: int = 0) -> Plan:
        """Draw the plan of a run; the same number and seed give the same one."""
        draw = random.Random(f"{seed} {number}")
        first = MODELS[number % len(MODELS)]  # each comes first in its turn, so that a few runs show them all
        others = draw.sample([one for one in MODELS if one != first], draw.randint(0, 1))
        judge = draw.choice(JUDGES) if draw.random() < 0.5 else None
        n_samples = draw.randint(2, 6)
        n_all = n_samples * (2 if judge is None else 4) * (1 + len(others))
        cap = _amount(draw, n_all * 0.001, n_all * 0.03) if draw.random() < 0.6 else None
        tokens = draw.choice((None, 200, 600, 2_000))
        user = draw.choice(tuple(USERS))
        # a cap under which a first request can never fit is refused before anything is sent
        first_usd = max((tokens or 2_500) * DEAREST_TOKEN_USD, USER_OUTPUT_TOKENS * USERS[user])
        sample_cap = _amount(draw, 0.002 + first_usd, 0.1 + first_usd) if draw.random() < 0.75 else None
        return cls(
            run_id=f"talks-{number}",
            models=(first, *others),
            user=user,
            judge=judge,
            n_samples=n_samples,
            concurrency=draw.choice(CONCURRENCIES),
            max_attempts=draw.choice((3, 6)),
            cap_usd=cap,
            sample_cap_usd=sample_cap,
            raised_usd=cap * 2 if cap is not None and draw.random() < 0.4 else None,
            max_output_tokens=tokens,
            # without caps of samples it may exceed the run's, and says so
            is_expected=sample_cap is not None and draw.random() < 0.25,
            blows=tuple(_blow(draw) for _ in range(draw.choice((0, 1, 2, 2, 3, 4)))),
            asks_again=draw.random() < 0.3,
            n_workers=n_workers,
        )

    def words(self, suites: Sequence[str | Path], base_url: str, database: str, *, is_raised: bool) -> list[str]:
        """The command line that begins the run, and goes on with it after a kill."""
        chosen = suites if self.judge is not None else suites[:1]
        words = ["run", *map(str, chosen)]
        for model in self.models:
            words += ["-m", f"{PROVIDER}/{model}"]
        words += ["--user-model", f"{PROVIDER}/{self.user}", "--limit", str(self.n_samples), "--run-id", self.run_id]
        if self.max_output_tokens is not None:
            words += ["--max-output-tokens", str(self.max_output_tokens)]
        if self.is_expected:
            words += ["--budget-mode", "expected"]
        if self.judge is not None:
            words += ["--judge", f"{PROVIDER}/{self.judge}"]
        if self.sample_cap_usd is not None:
            words += ["--max-usd-per-sample", str(self.sample_cap_usd)]
        words += ["--concurrency", str(self.concurrency), "--max-attempts", str(self.max_attempts)]
        return words + self._common(base_url, database, is_raised=is_raised)

    def resuming(self, base_url: str, database: str, *, is_raised: bool) -> list[str]:
        """The command line that asks the failed samples of the stored run again."""
        return ["run", "--resume", self.run_id, *self._common(base_url, database, is_raised=is_raised)]

    def _common(self, base_url: str, database: str, *, is_raised: bool) -> list[str]:
        words = ["--base-url", base_url, "--db", database, "--timeout-s", "1.5", "--max-failed", "100%", "-q"]
        cap = self.raised_usd if is_raised else self.cap_usd
        if cap is not None:
            words += ["--budget-usd", str(cap)]
        if self.n_workers:
            words += ["--workers", str(self.n_workers)]
        return words


def _blow(draw: random.Random) -> Blow:
    after_s = draw.uniform(0.0, LONGEST_UNDISTURBED_S)
    return Blow(after_s, is_early=draw.random() < 0.15, is_kill=draw.random() < 0.85)


def _amount(draw: random.Random, least_usd: float, most_usd: float) -> Decimal:
    """An amount, even on a log scale, of nine decimals."""
    return Decimal(f"{math.exp(draw.uniform(math.log(least_usd), math.log(most_usd))):.9f}")
