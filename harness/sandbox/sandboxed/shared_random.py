"""The state of random numbers, for a judge and a program that were one process when the tests were written: a test that
seeds the generator means the program's draws, too.

Data flows state of one process -> plain data on the channel -> the other process, with each request and its reply.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def random_state() -> dict[str, Any]:
    """The states of Python's generator and of NumPy's global one, as far as they are loaded."""
    state: dict[str, Any] = {}
    if "random" in sys.modules:
        state["random"] = sys.modules["random"].getstate()
    if "numpy" in sys.modules:
        state["numpy"] = sys.modules["numpy"].random.get_state()
    return state


def restore_random(state: Any) -> None:
    """Go on drawing where the other process stopped.

    Raises:
        TypeError, ValueError, KeyError, IndexError: it is no state; an untrusted sender may have written it.
    """
    if "random" in state and "random" in sys.modules:
        sys.modules["random"].setstate(state["random"])
    if "numpy" in state and "numpy" in sys.modules:
        sys.modules["numpy"].random.set_state(state["numpy"])
