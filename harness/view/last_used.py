"""Things that take work to make, of which the ones asked for last are kept: pages asked again are quick again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Made = TypeVar("Made")


class LastUsed(Generic[Made]):
    """The few things that were asked for last, by what they depend on; threads share them.

    Args:
        most: that are kept; the one not asked for longest is forgotten first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: OrderedDict[Hashable, Made] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """Give what was made for a key, or make it; whoever asks meanwhile is given the same one afterwards.

        Args:
            key: everything that it depends on: with another one it is made anew.
        """
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        made = make()  # others need not wait for it
        with self._lock:
            made = self._made.setdefault(key, made)
            self._made.move_to_end(key)
            while len(self._made) > self._most:
                self._made.popitem(last=False)
        return made
