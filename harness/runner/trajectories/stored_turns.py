"""What the ledger holds of a sample's conversation, played once more in a fresh world.

Data flows requests and transcripts of a sample -> `StoredConversation` -> `played_again`: the same calls in a new
world; what the parties were shown must be what they were shown then, or nothing of it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.environments.environment import Caller
from harness.environments.hosting import OpenEnvironment
from harness.ledger.connections import Readable
from harness.ledger.encoding import canonical_json
from harness.ledger.reading.attempt_rows import transcripts_of
from harness.ledger.reading.underway.party_requests import TurnRow, newest_conversation, turns_of_sample
from harness.ledger.records import Purpose, TranscriptRow
from harness.providers.wire.called_tools import calls_of_json
from harness.runner.requests.attempt_ends import NO_TRIES, EarlierTries
from harness.runner.requests.item_questions import messages_json, signed_of_json
from harness.runner.trajectories.limits import Used
from harness.runner.trajectories.parties import Conversation, Said
from harness.runner.trajectories.worlds import take_turn

PURPOSES: dict[Caller, Purpose] = {"assistant": "solve", "user": "user_simulator"}
_SPEAKERS: dict[str, Caller] = {purpose: by for by, purpose in PURPOSES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTurn:
    """A turn that has an answer in the ledger; `said` None = its transcript was not kept."""

    row: TurnRow
    said: TranscriptRow | None

    @property
    def by(self) -> Caller:
        """Who spoke."""
        return _SPEAKERS[self.row.purpose]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredConversation:
    """What earlier sessions left of a sample's conversation.

    Attributes:
        turns: of the newest one, as far as they were answered.
        rows: every request to a party, of the newest conversation and of those before it.
        newest: those of the newest one.
    """

    turns: Sequence[StoredTurn] = ()
    rows: Sequence[TurnRow] = ()
    newest: Sequence[TurnRow] = ()

    def used(self, n_turns: int) -> Used:
        """What the first turns of the newest conversation used."""
        last = self.turns[n_turns - 1].row.turn if n_turns else -1
        spoken = [turn.row for turn in self.turns[:n_turns] if turn.by == "assistant"]
        lasted_us = sum(
            (row.finished_at_us or row.started_at_us) - row.started_at_us for row in self.newest if row.turn <= last
        )
        return Used(output_tokens=sum(row.output_tokens or 0 for row in spoken), seconds=lasted_us / 1e6)

    def tries(self, by: Caller, turn: int, *, goes_on: bool, new_tries: bool) -> EarlierTries:
        """How often a turn was asked before: numbers of tries go on, whichever conversation they were of.

        Args:
            goes_on: the newest conversation goes on with this turn: its failures count against the limit.
            new_tries: they do not, because failed samples are asked once more.
        """
        own = [row for row in self.rows if row.turn == turn and row.purpose == PURPOSES[by]]
        if not own:
            return NO_TRIES
        made = max(row.try_number for row in own)
        if not goes_on or new_tries:
            return EarlierTries(made=made, uncounted=made)
        failed = sum(
            row.turn == turn and row.purpose == PURPOSES[by] and row.status in ("failed", "timed_out")
            for row in self.newest
        )
        return EarlierTries(made=made, uncounted=made - failed)


NOTHING = StoredConversation()


def stored_conversation(ledger: Readable, cell_id: int, planned_id: int) -> StoredConversation:
    """Read what the ledger holds of a sample's conversation."""
    rows = turns_of_sample(ledger, cell_id, planned_id)
    if not rows:
        return NOTHING
    newest = newest_conversation(rows)
    answered = [row for row in newest if row.is_answered]
    said = {one.attempt_id: one for one in transcripts_of(ledger, [row.attempt_id for row in answered])}
    turns = [StoredTurn(row=row, said=said.get(row.attempt_id)) for row in answered]
    return StoredConversation(turns=turns, rows=rows, newest=newest)


async def played_again(stored: Sequence[StoredTurn], conversation: Conversation, world: OpenEnvironment) -> bool:
    """Play stored turns in a fresh world; False = it does not come out as it did, and neither may be used any more."""
    for number, turn in enumerate(stored):
        if turn.said is None or turn.row.turn != number or conversation.speaker != turn.by:
            return False
        if not _same(messages_json(conversation.messages(turn.by)), turn.said.messages):
            return False
        said = Said(
            text=turn.said.answer,
            calls=calls_of_json(turn.said.tool_calls),
            signed=signed_of_json(turn.said.tool_calls),
        )
        await take_turn(conversation, world, turn.by, said)
    return True


def _same(shown: Sequence[object], stored: Sequence[object]) -> bool:
    return canonical_json(list(shown)) == canonical_json(list(stored))
