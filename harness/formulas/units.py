"""Units of measure behind a number: known names, to tell them from variables and metres from kilometres. Pure."""

from __future__ import annotations

import re

MAGNITUDES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
_NAMES = {
    "mm": "millimeter millimeters millimetre millimetres mm",
    "cm": "centimeter centimeters centimetre centimetres cm cms",
    "m": "meter meters metre metres m",
    "km": "kilometer kilometers kilometre kilometres km kms",
    "in": "inch inches in",
    "ft": "foot feet ft",
    "yd": "yard yards yd",
    "mi": "mile miles mi",
    "g": "gram grams g",
    "kg": "kilogram kilograms kg",
    "mg": "milligram milligrams mg",
    "lb": "pound pounds lb lbs",
    "oz": "ounce ounces oz",
    "s": "second seconds sec secs s",
    "min": "minute minutes min mins",
    "h": "hour hours hr hrs h",
    "d": "day days",
    "wk": "week weeks",
    "yr": "year years yr yrs",
    "c": "cent cents",
    "usd": "dollar dollars usd",
    "deg": "degree degrees deg",
    "rad": "radian radians rad",
    "l": "liter liters litre litres l",
    "ml": "milliliter milliliters ml",
    "mph": "mph",
    "unit": "unit units sq square cubic",
}
_CANONICAL = {name: unit for unit, names in _NAMES.items() for name in names.split()}


def is_unit(word: str) -> bool:
    """Whether a word is the name of a unit."""
    return word.lower() in _CANONICAL


def differ(one: str | None, other: str | None) -> bool:
    """Whether two units, both known, measure differently: `cm` and `m`; unknown ones never do."""
    if one is None or other is None:
        return False
    first, second = (_CANONICAL.get(re.sub(r"[^a-z].*", "", name.lower().strip())) for name in (one, other))
    return first is not None and second is not None and "unit" not in (first, second) and first != second
