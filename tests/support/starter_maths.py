"""The starter suite's mathematics keys, derived anew: by exact arithmetic, simulation or search, one a question.

`MATH` maps a sample id to a function that works the answer out from the question's data.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache


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
