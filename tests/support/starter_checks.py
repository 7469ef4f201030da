"""Independent derivations of the starter suite's answer keys: exact arithmetic, simulation or search, one per question.

`MATH` and `MULTIPLE_CHOICE` map a sample id to a function that works the answer out from the question's data; `FACTS`
holds the multiple-choice questions whose answer cannot be computed, each with the fact it rests on.
"""

from __future__ import annotations

import calendar
import itertools
import math
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from functools import cache
from statistics import median, pvariance


def only(answers: Iterator[int]) -> int:
    """The single element of a search that must have exactly one."""
    found = list(answers)
    assert len(found) == 1, found
    return found[0]


def share(hits: int, total: int) -> Fraction:
    return Fraction(hits, total)


def is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, math.isqrt(number) + 1))


def digit_sum(number: int) -> int:
    return sum(int(digit) for digit in str(number))


# --- math ---------------------------------------------------------------------------------------------------------


def rolls_kept() -> int:
    rolls = 8 * 6 + 4 * 10
    return rolls - rolls // 4


def night_train_minutes() -> int:
    departure = datetime(2026, 3, 3, 22, 47, tzinfo=UTC)
    return (datetime(2026, 3, 4, 6, 12, tzinfo=UTC) - departure) // timedelta(minutes=1)


def hours_to_fill() -> Fraction:
    return 1 / (Fraction(1, 6) + Fraction(1, 10) - Fraction(1, 15))


def average_speed() -> Fraction:
    return 120 / (Fraction(60, 40) + Fraction(60, 120))


def full_price() -> int:
    return only(price for price in range(1, 1000) if price * 70 == 84 * 100)


def larger_of_two() -> int:
    return only(a for a in range(16, 31) if a * (31 - a) == 228)


def absolute_value_root() -> Fraction:
    # |2x - 7| = 3x - 8 has its roots where 2x - 7 = 3x - 8 or 7 - 2x = 3x - 8: candidates 1 and 3
    candidates = [Fraction(8 - 7, 3 - 2), Fraction(7 + 8, 3 + 2)]
    roots = [x for x in candidates if abs(2 * x - 7) == 3 * x - 8]
    assert len(roots) == 1
    return roots[0]


def squares_of_roots() -> int:
    roots = [x for x in range(-50, 51) if x**3 - 6 * x**2 + 11 * x - 6 == 0]
    assert len(roots) == 3
    return sum(x * x for x in roots)


def cube_of_reciprocal_sum() -> int:
    x = 2 + math.sqrt(3)
    assert math.isclose(x + 1 / x, 4)
    return round(x**3 + 1 / x**3)


def first_term_above() -> int:
    return next(n for n in itertools.count(1) if 5 * 3 ** (n - 1) > 10_000)


def product_of_solution() -> int:
    pairs = itertools.product(range(-50, 51), repeat=2)
    return only(x * y for x, y in pairs if 3 * x + 2 * y == 16 and 5 * x - y == 18)


def quadratic_at_ten() -> Fraction:
    points = {1: 4, 2: 9, 3: 18}
    total = Fraction(0)
    for x, y in points.items():
        term = Fraction(y)
        for other in points.keys() - {x}:
            term *= Fraction(10 - other, x - other)
        total += term
    return total


def smallest_of_quadratic() -> Fraction:
    return min(x * x - 10 * x + 31 for x in (Fraction(n, 8) for n in range(-800, 801)))


def logarithm_root() -> int:
    return only(x for x in range(7, 1000) if x * (x - 6) == 2**4)


def climbs() -> int:
    ways = 0
    for length in range(5, 11):
        for steps in itertools.product("12", repeat=length):
            walk = "".join(steps)
            ways += sum(map(int, walk)) == 10 and "22" not in walk
    return ways


def increasing_numbers() -> int:
    return sum(list(text) == sorted(set(text)) for text in map(str, range(1000, 10_000)))


def walks_around() -> int:
    @cache
    def walks(x: int, y: int) -> int:
        if x < 0 or y < 0 or (x, y) == (2, 2):
            return 0
        return 1 if x == y == 0 else walks(x - 1, y) + walks(x, y - 1)

    return walks(5, 4)


def ways_to_pay() -> int:
    return sum(5 * a + 10 * b + 20 * c == 50 for a in range(11) for b in range(6) for c in range(3))


def subsets_without_neighbours() -> int:
    return sum(mask & (mask >> 1) == 0 for mask in range(2**10))


def handshakes() -> int:
    return sum(a // 2 != b // 2 for a, b in itertools.combinations(range(12), 2))


def full_boxes() -> int:
    return sum(len(set(boxes)) == 3 for boxes in itertools.product(range(3), repeat=5))


def separated_books() -> int:
    return sum(abs(row.index(0) - row.index(1)) > 1 for row in itertools.permutations(range(5)))


def divisible_by_none() -> int:
    return sum(bool(n % 2 and n % 3 and n % 7) for n in range(1, 1001))


def common_divisor() -> int:
    return max(d for d in range(1, 2**12) if (2**12 - 1) % d == 0 and (2**18 - 1) % d == 0)


def last_two_digits() -> int:
    value = 1
    for _ in range(2026):
        value = value * 3 % 100
    return value


def smallest_with_remainders() -> int:
    return next(n for n in itertools.count(1) if (n % 5, n % 7, n % 9) == (2, 3, 4))


def integer_points_on_circle() -> int:
    return sum(x * x + y * y == 325 for x in range(-19, 20) for y in range(-19, 20))


def largest_with_digit_sum() -> int:
    return max(n for n in range(100, 1000) if digit_sum(n) == 21 and n % 21 == 0)


def smallest_factorial() -> int:
    return next(n for n in itertools.count(1) if math.factorial(n) % 2**20 == 0)


def squares_or_cubes() -> int:
    return len({n**2 for n in range(1, 23) if n**2 <= 500} | {n**3 for n in range(1, 8) if n**3 <= 500})


def inverse_modulo() -> int:
    return only(n for n in range(1, 101) if 17 * n % 101 == 1)


def inradius() -> Fraction:
    hypotenuse = math.isqrt(9**2 + 40**2)
    assert hypotenuse**2 == 9**2 + 40**2
    return Fraction(9 * 40, 9 + 40 + hypotenuse)  # area = inradius * perimeter / 2


def triangle_area() -> Fraction:
    # put the side of 21 on the axis and find the height from the other two sides
    foot = Fraction(10**2 - 17**2 + 21**2, 2 * 21)
    height_squared = 10**2 - foot**2
    height = Fraction(math.isqrt(height_squared.numerator), math.isqrt(height_squared.denominator))
    assert height**2 == height_squared
    return 21 * height / 2


def corners_of_polygon() -> int:
    return only(n for n in range(3, 1000) if (n - 2) * 180 == 156 * n)


def quadrilateral_area() -> Fraction:
    corners = [(0, 0), (6, 1), (7, 5), (2, 7)]
    edges = zip(corners, corners[1:] + corners[:1], strict=True)
    return Fraction(abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in edges)), 2)


def diagonals() -> int:
    return sum((b - a) % 14 not in (1, 13) for a, b in itertools.combinations(range(14), 2))


def space_diagonal() -> int:
    return only(d for d in range(1, 100) if d * d == 3**2 + 4**2 + 12**2)


def points_in_triangle() -> int:
    return sum(6 * x + 8 * y < 48 for x in range(1, 8) for y in range(1, 6))


def three_dice_sum_ten() -> Fraction:
    return share(sum(sum(roll) == 10 for roll in itertools.product(range(1, 7), repeat=3)), 6**3)


def two_heads_in_a_row() -> Fraction:
    return share(sum("HH" in "".join(tosses) for tosses in itertools.product("HT", repeat=5)), 2**5)


def three_colours() -> Fraction:
    draws = list(itertools.combinations("rrrrgggbb", 3))
    return share(sum(len(set(draw)) == 3 for draw in draws), len(draws))


def nobody_has_their_own() -> Fraction:
    orders = list(itertools.permutations(range(5)))
    return share(sum(all(place != guest for place, guest in enumerate(order)) for order in orders), len(orders))


def sum_divisible_by_three() -> Fraction:
    pairs = list(itertools.combinations(range(1, 11), 2))
    return share(sum((a + b) % 3 == 0 for a, b in pairs), len(pairs))


def expected_faces() -> Fraction:
    return share(sum(len(set(roll)) for roll in itertools.product(range(6), repeat=4)), 6**4)


def first_player_wins() -> Fraction:
    # p = 1/6 + (5/6)^2 p: the starter rolls a six, or both miss and the situation is the same again
    return Fraction(1, 6) / (1 - Fraction(5, 6) ** 2)


MATH: dict[str, Callable[[], int | Fraction]] = {
    "arithmetic-1": rolls_kept,
    "arithmetic-2": lambda: sum((Fraction((-1) ** (n + 1), n) for n in range(1, 5)), Fraction(0)),
    "arithmetic-3": night_train_minutes,
    "arithmetic-4": hours_to_fill,
    "arithmetic-5": lambda: digit_sum(2**50),
    "arithmetic-6": average_speed,
    "arithmetic-7": full_price,
    "arithmetic-8": lambda: 3 + Fraction(4 * (7 - 2) ** 2, 10),
    "algebra-1": larger_of_two,
    "algebra-2": absolute_value_root,
    "algebra-3": squares_of_roots,
    "algebra-4": cube_of_reciprocal_sum,
    "algebra-5": first_term_above,
    "algebra-6": lambda: sum(range(7, 204, 4)),
    "algebra-7": product_of_solution,
    "algebra-8": quadratic_at_ten,
    "algebra-9": smallest_of_quadratic,
    "algebra-10": logarithm_root,
    "counting-1": climbs,
    "counting-2": increasing_numbers,
    "counting-3": walks_around,
    "counting-4": ways_to_pay,
    "counting-5": subsets_without_neighbours,
    "counting-6": handshakes,
    "counting-7": full_boxes,
    "counting-8": separated_books,
    "counting-9": divisible_by_none,
    "number_theory-1": common_divisor,
    "number_theory-2": last_two_digits,
    "number_theory-3": smallest_with_remainders,
    "number_theory-4": lambda: sum(n for n in range(51, 80) if is_prime(n)),
    "number_theory-5": integer_points_on_circle,
    "number_theory-6": largest_with_digit_sum,
    "number_theory-7": smallest_factorial,
    "number_theory-8": squares_or_cubes,
    "number_theory-9": inverse_modulo,
    "geometry-1": inradius,
    "geometry-2": triangle_area,
    "geometry-3": corners_of_polygon,
    "geometry-4": quadrilateral_area,
    "geometry-5": diagonals,
    "geometry-6": space_diagonal,
    "geometry-7": points_in_triangle,
    "probability-1": three_dice_sum_ten,
    "probability-2": two_heads_in_a_row,
    "probability-3": three_colours,
    "probability-4": nobody_has_their_own,
    "probability-5": sum_divisible_by_three,
    "probability-6": expected_faces,
    "probability-7": first_player_wins,
}


# --- multiple choice: each gives the text of the right option -----------------------------------------------------


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
