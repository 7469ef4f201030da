"""What a party says, carried out in the world of its sample.

Data flows a message -> its calls made in their order -> a turn of the conversation, and whether it was the last.
"""

from __future__ import annotations

from harness.environments.environment import Caller, Turn
from harness.environments.hosting import OpenEnvironment
from harness.runner.trajectories.parties import Conversation, Said


async def take_turn(conversation: Conversation, world: OpenEnvironment, by: Caller, said: Said) -> Turn:
    """Take what a party said: its calls are made, and the world is asked whether it is over.

    A call that cannot be made is answered by a failed result that says why, so that its party can do better.
    """
    calls = conversation.calls_of(said)
    results = [await world.call(call, by=by) for call in calls]
    turn = conversation.add(by, said, calls, results)
    conversation.end(await world.ended(turn))
    return turn
