"""The starter suite's multiple-choice keys, derived anew: by arithmetic, simulation or search, one a question.

`MULTIPLE_CHOICE` maps a sample id to a function that works the answer out from the question's data; `FACTS` holds the
questions whose answer cannot be computed, each with the fact it rests on.
"""

from __future__ import annotations

import calendar
import itertools
import math
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from statistics import median, pvariance

from tests.support.starter_maths import only, share


def palindrome_sum() -> str:
    return str(sum(n for n in range(100, 1000) if str(n) == str(n)[::-1]))


def trailing_zeros() -> str:
    digits = str(math.factorial(125))
    return str(len(digits) - len(digits.rstrip("0")))


def dice_two_apart() -> str:
    rolls = list(itertools.product(range(1, 7), repeat=2))
    return str(share(sum(abs(a - b) == 2 for a, b in rolls), len(rolls)))


def share_of_flagged_who_are_ill() -> str:
    flagged_ill, flagged_healthy = Fraction(1, 100) * Fraction(99, 100), Fraction(99, 100) * Fraction(5, 100)
    return f"{round(flagged_ill / (flagged_ill + flagged_healthy) * 100)} %"


def added_number() -> str:
    numbers = [4, 9, 1, 12, 9, 3, 7]
    return str(only(n for n in range(-100, 101) if Fraction(median([*numbers, n])) == Fraction(15, 2)))


def socks_alike() -> str:
    draws = list(itertools.combinations("rrrrrbbb", 2))
    return str(share(sum(a == b for a, b in draws), len(draws)))


def expected_rolls() -> str:
    # with hit probability p the expectation e satisfies e = 1 + (1 - p) e
    return str(1 / Fraction(sum(face >= 5 for face in range(1, 7)), 6))


def fall_time() -> str:
    return f"{only(t for t in range(1, 100) if 10 * t * t == 2 * 80)} s"


def circuit_resistance() -> str:
    return f"{1 / (Fraction(1, 6) + Fraction(1, 3)) + 4} Ω"


def braking_distance() -> str:
    return f"{Fraction(20**2, 2 * 4)} m"


def heat() -> str:
    return f"{Fraction(4200 * 20, 2) / 1000} kJ"


def image_distance() -> str:
    return f"{1 / (Fraction(1, 12) - Fraction(1, 36))} cm"


def oxygen_for_propane() -> str:
    atoms = range(1, 20)
    found = [
        o2 for o2, co2, h2o in itertools.product(atoms, repeat=3) if (co2, 2 * h2o, 2 * co2 + h2o) == (3, 8, 2 * o2)
    ]
    return str(only(iter(found)))


def transcript() -> str:
    pairing = {"T": "A", "A": "U", "C": "G", "G": "C"}
    return f"5'-{''.join(pairing[base] for base in 'TACGGT')}-3'"


def both_recessive() -> str:
    gametes = list(itertools.product("Aa", "Bb"))
    offspring = list(itertools.product(gametes, repeat=2))
    return str(share(sum(mother == father == ("a", "b") for mother, father in offspring), len(offspring)))


def bacteria() -> str:
    count = 500
    for _ in range(3 * 60 // 20):
        count *= 2
    return str(count)


def light_minutes() -> str:
    return f"{149.6e6 / 299_792 / 60:.1f} minutes"


def year_length() -> str:
    return str(only(t for t in range(1, 1000) if t**2 == 4**3))


def mirror_ratio() -> str:
    return str(float(Fraction(25, 10) ** 2))


def binary_search_steps() -> str:
    def steps(target: int) -> int:
        low, high, looked = 0, 999, 0
        while low <= high:
            middle = (low + high) // 2
            looked += 1
            if middle == target:
                break
            low, high = (middle + 1, high) if middle < target else (low, middle - 1)
        return looked

    return str(max(steps(target) for target in range(1000)))


def top_of_stack() -> str:
    stack: list[int] = []
    for number in (1, 2, 3, 4):
        stack.append(number)
        if number in (2, 4):
            stack.pop()
    return str(stack[-1])


def compound_interest() -> str:
    return f"{2000 * Fraction(105, 100) ** 2} euros"


def break_even() -> str:
    return str(next(n for n in itertools.count() if n * (25 - 17) >= 12_000))


def price_change() -> str:
    change = (Fraction(125, 100) * Fraction(80, 100) - 1) * 100
    return f"{change} %" if change == 0 else f"{change:+} %"


def clearing_price() -> str:
    return str(only(p for p in range(51) if 100 - 2 * p == 10 + 4 * p))


def real_wage() -> str:
    return f"{(Decimal(108) / Decimal(105) - 1) * 100:.1f} %"


def other_city() -> str:
    here = datetime(2026, 5, 5, 9, 0, tzinfo=timezone(timedelta(hours=9)))
    there = here.astimezone(timezone(timedelta(hours=-3)))
    day = {0: "same day", -1: "day before"}[(there.date() - here.date()).days]
    return f"{there:%H:%M} on the {day}"


def map_distance() -> str:
    return f"{float(Fraction(7 * 50_000, 100 * 1000))} km"


def roman_year() -> str:
    thousands_to_units = (("M", 1000), ("CM", 900), ("XL", 40), ("IV", 4))
    assert "".join(letters for letters, _ in thousands_to_units) == "MCMXLIV"
    return str(sum(value for _, value in thousands_to_units))


MULTIPLE_CHOICE: dict[str, Callable[[], str]] = {
    "mathematics-1": lambda: str(7**100 % 13),
    "mathematics-2": lambda: str(sum(720 % n == 0 for n in range(1, 721))),
    "mathematics-3": lambda: f"{max(a * (23 - a) for a in range(1, 23))} cm²",
    "mathematics-4": trailing_zeros,
    "mathematics-5": lambda: str(len(set(itertools.permutations("PEPPER")))),
    "mathematics-6": palindrome_sum,
    "statistics-1": dice_two_apart,
    "statistics-2": lambda: str(pvariance([3, 7, 7, 11])),
    "statistics-3": share_of_flagged_who_are_ill,
    "statistics-4": added_number,
    "statistics-5": socks_alike,
    "statistics-6": expected_rolls,
    "physics-1": fall_time,
    "physics-2": circuit_resistance,
    "physics-3": braking_distance,
    "physics-4": heat,
    "physics-5": image_distance,
    "chemistry-1": lambda: f"{40 + 12 + 3 * 16} g/mol",
    "chemistry-2": oxygen_for_propane,
    "chemistry-3": lambda: f"{-math.log10(0.001):.0f}",
    "chemistry-4": lambda: f"{50 * 2 / 250} mol/L",
    "biology-1": transcript,
    "biology-2": both_recessive,
    "biology-3": lambda: str(len(list(itertools.product("ACGU", repeat=3)))),
    "biology-4": bacteria,
    "astronomy-1": light_minutes,
    "astronomy-2": year_length,
    "astronomy-3": mirror_ratio,
    "computer_science-1": lambda: str(int("2F", 16) + int("1101", 2)),
    "computer_science-2": lambda: str(sum(x * x for x in range(5) if x % 2)),
    "computer_science-3": binary_search_steps,
    "computer_science-4": lambda: str(int.from_bytes(bytes([0b11110110]), signed=True)),
    "computer_science-5": top_of_stack,
    "computer_science-6": lambda: str([3, 1, 2][::-1][0] ** 3 - len("abc" * 2)),
    "economics-1": compound_interest,
    "economics-2": break_even,
    "economics-3": price_change,
    "economics-4": clearing_price,
    "economics-5": real_wage,
    "geography-1": other_city,
    "geography-2": map_distance,
    "geography-3": lambda: str(Fraction(360 * 40, 24 * 60)),
    "history-1": lambda: f"{date(1969, 7, 20):%A}",
    "history-2": lambda: str(sum(calendar.isleap(year) for year in range(1896, 1917))),
    "history-3": roman_year,
    "history-4": lambda: str((date(2025, 9, 1) - date(2025, 3, 1)).days),
}


# text of the right option, and why it is right
FACTS: dict[str, tuple[str, str]] = {
    "physics-6": (
        "the total momentum",
        "no outside force acts; kinetic energy is lost in a perfectly inelastic collision",
    ),
    "chemistry-5": ("tin", "Sn from Latin stannum; silicon is Si, selenium Se, antimony Sb"),
    "chemistry-6": ("argon", "group 18; nitrogen, chlorine and hydrogen are not in it"),
    "biology-5": ("mitochondrion", "site of oxidative phosphorylation"),
    "biology-6": ("pulmonary vein", "the pulmonary artery carries oxygen-poor blood, the aorta leaves the heart"),
    "astronomy-4": ("Jupiter", "about 318 Earth masses; Saturn about 95"),
    "astronomy-5": ("Uranus", "axial tilt of about 98 degrees"),
    "astronomy-6": ("new moon", "the Moon stands between the Sun and the Earth"),
    "economics-6": ("an inferior good", "negative income elasticity"),
    "geography-4": ("the Danube", "passes four capitals, Bratislava being the other one"),
    "geography-5": ("Bolivia", "landlocked, as is Paraguay"),
    "geography-6": ("the Strait of Gibraltar", "joins the Atlantic and the Mediterranean"),
    "history-5": ("Johannes Gutenberg", "Mainz, about 1450"),
    "history-6": ("1989", "9 November 1989"),
}
