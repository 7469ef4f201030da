"""What took work is kept while it is among the last that were asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from harness.view.last_used import LastUsed


def counting(made: list[str], name: str) -> Callable[[], object]:
    def make() -> object:
        made.append(name)
        return object()

    return make


def test_the_one_that_was_not_asked_for_longest_is_made_again() -> None:
    kept, made = LastUsed[object](2), list[str]()
    first = kept.of("a", counting(made, "a"))
    kept.of("b", counting(made, "b"))
    assert kept.of("a", counting(made, "a")) is first
    kept.of("c", counting(made, "c"))
    assert made == ["a", "b", "c"]
    assert kept.of("a", counting(made, "a")) is first
    kept.of("b", counting(made, "b"))
    assert made == ["a", "b", "c", "b"]


def test_two_who_ask_at_once_are_given_the_same_one() -> None:
    """A reader of a run counts on from what it has seen: pages and events must share it."""
    kept, together, given = LastUsed[object](1), threading.Barrier(2), list[object]()

    def make() -> object:
        together.wait(30)
        return object()

    def ask() -> None:
        given.append(kept.of("run", make))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert given[0] is given[1]


def test_what_could_not_be_made_is_tried_again() -> None:
    kept = LastUsed[int](1)

    def fail() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        kept.of("a", fail)
    assert kept.of("a", lambda: 5) == 5
