"""What all workers of a run together may send to one model, as values.

Pure. Instants are microseconds since the epoch by the clock of the database's server; amounts are requests or tokens.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What the workers have learned of a model's limit, and what they saw since they last changed it.

    Attributes:
        ceiling_per_s: requests a second that were accepted, at most; None = no limit was met.
        rise_s: until the rate has come back to that; three times as long doubles it.
        n_early: changes in a row for refusals below the ceiling, which slowing down did not end.
        usual_share: refusals that come whatever the rate.
        tokens_per_minute: as headers of answers said; None = they said nothing.
        since_us: when it was changed.
        n_sent, n_refused: requests since then, over all workers.
        first_sent_us, last_sent_us: when the first and the last of these left; 0 = none did.
    """

    ceiling_per_s: float | None = None
    rise_s: float = 0.0
    n_early: int = 0
    usual_share: float = 0.0
    tokens_per_minute: float | None = None
    since_us: int = 0
    n_sent: int = 0
    n_refused: int = 0
    first_sent_us: int = 0
    last_sent_us: int = 0

    def to_json(self) -> str:
        """Write it as `paces.learned` holds it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, stored: str | None) -> Learned:
        """Read it."""
        return cls() if stored is None else cls(**json.loads(stored))


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPace:
    """What holds for one model of a run, over all workers.

    Attributes:
        requests_per_minute, tokens_per_minute: as the user asked; None = no limit.
        paused_until_us: nothing is sent before.
        n_changes: grows with every change of what was learned; who knows an older number changes nothing.
        now_us: when this was read.
    """

    requests_per_minute: float | None
    tokens_per_minute: float | None
    paused_until_us: int
    learned: Learned
    n_changes: int
    now_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a worker wants of one bucket.

    Attributes:
        per_s: what flows in; None = no limit, nothing is taken.
        most: what gathers at most.
        amount: to take, as much of it as there will be soon.
        first: so much of it in one piece, if there is anything.
        back: an earlier take that was not used.
    """

    per_s: float | None = None
    most: float = 0.0
    amount: float = 0.0
    first: float = 0.0
    back: float = 0.0


NOTHING = Wanted()


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceAsk:
    """What a worker tells and asks of one model's pace at once.

    Attributes:
        n_changes: of the pace that it knows; nothing is done when there is a newer one.
        n_sent, n_refused: requests that it has not told of yet.
        first_sent_us, last_sent_us: when the first and the last of them left.
        pause_us: nobody is to send anything for so long; None = no pause.
        change: what was learned instead; None = nothing new.
    """

    n_changes: int
    requests: Wanted = NOTHING
    tokens: Wanted = NOTHING
    n_sent: int = 0
    n_refused: int = 0
    first_sent_us: int = 0
    last_sent_us: int = 0
    pause_us: int | None = None
    change: Learned | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A block of one bucket.

    Attributes:
        amount: this worker's, and nobody else's.
        level: what was there before it was taken; below zero, so much has to flow in first.
    """

    amount: float = 0.0
    level: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceAnswer:
    """What a worker gets for a `PaceAsk`."""

    pace: SharedPace
    requests: Taken = field(default_factory=Taken)
    tokens: Taken = field(default_factory=Taken)
