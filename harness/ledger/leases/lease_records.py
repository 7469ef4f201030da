"""Workers and what they take, as values.

Pure. Instants are microseconds since the epoch by the clock of the database's server, the only one that all share.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, get_args

WorkerKind = Literal["all", "ask", "score"]
"""What a worker does: ask and score, ask and leave programs to others to score, or score what others have answered."""
WorkerState = Literal["working", "draining", "ended", "lost"]
ChainState = Literal["open", "asking", "answered", "scoring", "done", "left"]
"""`answered` = asked, programs still to be scored; `left` = given back by a model that was stopped."""
WORKER_KINDS: tuple[str, ...] = get_args(WorkerKind)
WORKER_STATES: tuple[str, ...] = get_args(WorkerState)
CHAIN_STATES: tuple[str, ...] = get_args(ChainState)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecord:
    """A worker of a run.

    Attributes:
        name: process and host.
        expires_at_us: when it counts as dead, unless it is heard of before.
        places: requests it may have in flight; all workers' places together never exceed the run's concurrency.
        n_asked, n_scored: chains that it finished.
        detail: how it ended, or what it stopped while it works (`WorkerEnd`); None = nothing is to be said.
    """

    worker_id: int
    run_id: str
    name: str
    kind: WorkerKind
    state: WorkerState
    started_at_us: int
    heartbeat_at_us: int
    expires_at_us: int
    ended_at_us: int | None
    places: int
    in_flight: int
    n_asked: int
    n_scored: int
    detail: str | None

    @property
    def told(self) -> WorkerEnd | None:
        """What it said of itself last, whether it still works or not; None = nothing."""
        return None if self.detail is None else WorkerEnd.from_json(self.detail)

    @property
    def end(self) -> WorkerEnd | None:
        """How it ended; None = it works."""
        return self.told if self.state in ("ended", "lost") else None

    @property
    def stopped(self) -> tuple[Stopped, ...]:
        """Models that it stopped to ask, whether it still works or not."""
        return () if (told := self.told) is None else told.stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverRecord:
    """The process that offers a run's work.

    Attributes:
        config: the options that hold for all workers, as `RunRecord.config`.
    """

    run_id: str
    name: str
    since_us: int
    config: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Why a worker asks a model nothing more.

    Attributes:
        model: as typed.
        is_budget: a budget has no room, which another one could have.
        session_us: since when the run was driven when this happened: a later session asks the model again.
        asked_pico_usd, used_pico_usd: of a budget, as of `BudgetReached`.
    """

    model: str
    message: str
    is_budget: bool
    where: str | None = None
    fix: str | None = None
    session_us: int = 0
    asked_pico_usd: int | None = None
    used_pico_usd: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEnd:
    """How a worker ended, or what it has to tell while it works.

    Attributes:
        why: it ended, in words.
        stopped: models that it had stopped to ask.
        most_exposed_pico: in budget mode expected, the most by which worst cases of what it had in flight exceeded what
            was reserved for them.
        n_reused: answers that it took from earlier runs.
    """

    why: str
    stopped: tuple[Stopped, ...] = ()
    most_exposed_pico: int = 0
    n_reused: int = 0

    def to_json(self) -> str:
        """Write it as `workers.detail` holds it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, stored: str) -> WorkerEnd:
        """Read it."""
        values = json.loads(stored)
        return cls(**{**values, "stopped": tuple(Stopped(**one) for one in values["stopped"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOfLife:
    """What a worker says of itself when it says that it lives.

    Attributes:
        places: requests that it may have in flight until it hears more, whatever it hears then.
        in_flight: requests that it has in flight.
        n_asked, n_scored: chains that it finished.
    """

    places: int = 0
    in_flight: int = 0
    n_asked: int = 0
    n_scored: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What a worker hears when it says that it lives.

    Attributes:
        places: requests that it may have in flight from now on.
        run_status: where the run stands; anything but `running` = nobody drives it to go on.
        session_us: since when the run is driven.
        stopped: models that other workers stopped to ask in this session of the run.
    """

    places: int
    run_status: str
    session_us: int = 0
    stopped: tuple[Stopped, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """A chain that a worker has taken.

    Attributes:
        planned_id: the first of its planned samples.
        to_score: it is answered; only its scores are missing.
        n_leases: how often it has been taken, this time included.
        new_tries: its samples that failed for good have all their tries again.
    """

    chain_id: int
    cell_id: int
    planned_id: int
    to_score: bool
    n_leases: int
    new_tries: bool
