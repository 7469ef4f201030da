"""Instructions that a program can verify: a reply follows them or does not, whatever else it says.

Start reading at `following.py`; the other modules hold the kinds of instructions, by what they look at.
"""

from harness.scorers.instructions.following import InstructionOptions, check_instructions, score_instructions

__all__ = ["InstructionOptions", "check_instructions", "score_instructions"]
