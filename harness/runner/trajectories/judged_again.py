"""What the end state of a stored conversation is worth: its turns are played once more, and its environment is asked.

Data flows requests and transcripts in the ledger -> a fresh environment -> the verdict, beside the answer that counts.
"""

from __future__ import annotations

import asyncio
import dataclasses

from harness.environments.hosting import EnvironmentHost
from harness.errors import HarnessError
from harness.ledger import Ledger
from harness.runner.plan import PlannedItem
from harness.runner.requests.attempt_ends import PaidAnswer
from harness.runner.scoring.scores import CannotScore
from harness.runner.trajectories.parties import Conversation
from harness.runner.trajectories.stored_turns import played_again, stored_conversation


async def judged_again(ledger: Ledger, worlds: EnvironmentHost, item: PlannedItem, answer: PaidAnswer) -> PaidAnswer:
    """Give an answer with the verdict of its environment as it is now.

    Raises:
        CannotScore: the conversation does not come out as it did, or there is no such environment here.
    """
    stored = await asyncio.to_thread(stored_conversation, ledger, answer.cell_id, answer.planned_id)
    try:
        world = await worlds.open(item.task.solver, item.sample)
    except HarnessError as error:
        raise CannotScore("its environment could not be opened", str(error)) from error
    try:
        conversation = Conversation(item.task.solver, item.sample, world.scene)
        if not (world.is_replayable and await played_again(stored.turns, conversation, world)):
            raise CannotScore("its conversation does not come out as it did")
        if conversation.ended is None:
            raise CannotScore("its conversation was not played to its end")
        verdict = await world.verdict(conversation.turns, ended=conversation.ended)
    except HarnessError as error:
        raise CannotScore("its environment failed", str(error)) from error
    finally:
        await world.close()
    return dataclasses.replace(answer, verdict=verdict, ended=conversation.ended)
