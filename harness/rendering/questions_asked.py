"""A question that a person answers on the terminal, while a run goes on or is being stopped."""

from __future__ import annotations

import select
import sys
from collections.abc import Callable
from typing import TextIO

_LOOK_EVERY_S = 0.1


def asked(question: str, *, stream: TextIO, is_over: Callable[[], bool]) -> bool:
    """Ask on a stream and read the answer from stdin; no answer, or one that is not yes, is no.

    Args:
        is_over: whether the answer is not wanted any more: looked at while waiting, as Ctrl-C only sets a flag.
    """
    print(f"{question} [y/N] ", end="", file=stream, flush=True)
    while not select.select([sys.stdin], [], [], _LOOK_EVERY_S)[0]:
        if is_over():
            print(file=stream, flush=True)
            return False
    return sys.stdin.readline().strip().lower() in ("y", "yes")
