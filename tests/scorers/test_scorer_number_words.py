"""Numbers in words, and bounds that are no number."""

from __future__ import annotations

from fractions import Fraction

import pytest

from harness.scorers.number import stated_number

WORDS = {
    "seven": 7,
    "Twenty-one boxes": 21,
    "three hundred": 300,
    "one hundred and five": 105,
    "two thousand and forty dollars": 2040,
    "three million two hundred thousand": 3_200_000,
}


@pytest.mark.parametrize(("said", "value"), WORDS.items())
def test_a_number_in_words_is_read_whole(said: str, value: int) -> None:
    assert stated_number(said) == Fraction(value)


@pytest.mark.parametrize(
    "said", ["one or two", "twenty to thirty", "two three", "one point five", "seven and a half", "hundred", "a seven"]
)
def test_words_that_are_not_one_number_are_none(said: str) -> None:
    assert stated_number(said) is None


@pytest.mark.parametrize("said", ["x > 3", "3 < x < 5", "$x \\geq 3$", "x ≤ 3", "log2(8)", "\\log_2 8"])
def test_a_bound_or_a_logarithm_is_not_the_number_in_it(said: str) -> None:
    assert stated_number(said) is None
