"""Numbers as people and models write them, read whole or not at all: no digit group, exponent or half a fraction.

Data flows a text -> `Numeral`s in order, each with its exact value, or None where it is part of something that is not
one number (a date, a range, a sum, `2√3`, `3x`). Pure; all patterns are linear.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

from harness.scorers.notation import without_marks

_MOST_DIGITS = 1_000
_LARGEST_EXPONENT = 1_000
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_RAISED = re.compile("[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_LOWERED = re.compile("[₀-₉]+")
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")
_VULGAR = re.compile("[¼-¾⅐-⅞↉]")
_PLAIN_SIGNS = str.maketrans(
    "−－﹣＋／⁄∕：％٪．٫٬＝⋅∙\u00a0\u2009\u2007‘’ʼ",
    "---+///:%%..,=··\u202f\u202f\u202f'''",
)
_DASH_SIGN = re.compile(r"(?<![\w)\]%°])[‐‑‒–—](?=[$€£¥₹]?[\d.])")
_COMMANDS = (
    (
        re.compile(
            r"\\(?:boxed|fbox|text|textbf|textit|textrm|mathrm|mathbf|mbox|"
            r"operatorname)[ ]?\{([^{}]*)\}"
        ),
        r" \1 ",
    ),
    (re.compile(r"(?<=\d)\{,\}(?=\d)"), ","),
    (re.compile(r"(?<=\d)\\[,; ](?=\d{3})"), "\u202f"),
    (re.compile(r"\\!"), ""),
    (re.compile(r"\\[,;: ]|\\q?quad(?![a-zA-Z])|~"), " "),
    (re.compile(r"(?<=\d)[ ]?(?=\\[dtc]?frac)"), " "),
    (
        re.compile(
            r"\\[dtc]?frac[ ]?\{[ ]?([-+]?\d+)[ ]?\}[ ]?\{[ ]?(\d+)[ ]?\}|"
            r"\\[dtc]?frac[ ]?(\d)[ ]?(\d)(?!\d)"
        ),
        r"\1\3/\2\4 ",
    ),
    (re.compile(r"\^[ ]?(?:\\circ|\{\\circ\})|\\degree"), "°"),
    (re.compile(r"\^[ ]?\{[ ]?([-+]?\w+)[ ]?\}|\^[ ]?\([ ]?([-+]?\d+)[ ]?\)"), r"^\1\2"),
    (re.compile(r"\\times(?![a-zA-Z])"), "×"),
    (re.compile(r"\\cdot(?![a-zA-Z])"), "·"),
    (re.compile(r"\\div(?![a-zA-Z])"), "÷"),
    (re.compile(r"\\approx(?![a-zA-Z])"), "≈"),
    (re.compile(r"\\pi(?![a-zA-Z])"), "π"),
    (re.compile(r"\\sqrt(?![a-zA-Z])"), "√"),
    (re.compile(r"\\(?:left|right)(?![a-zA-Z])|\\[()\[\]]"), " "),
    (re.compile(r"\\([$%#&_])"), r"\1"),
    (re.compile(r"(?<=\d)\*\*(?=\d)"), "^"),
    (re.compile(r"\*\*|__|`"), ""),
)
_RUN = r"(?:(?<!\d)\d{1,3}(?:[ ]\d{3})+(?![\d])(?:[.,]\d+)?|\d+(?:[.,'_\u202f]\d+)*|(?<![\w)])\.\d+)"
_ITEM = re.compile(
    r"(?P<time>\d{1,2}:\d{2}(?::\d{2})?(?![\d:]))"
    r"|(?P<run>" + _RUN + r")(?P<power_of_ten>[eE][-+]?\d{1,6}(?!\w))?"
    r"(?:(?P<mixed>[ ]{1,3}(?:and[ ])?(?P<top>\d+)[ ]?/[ ]?(?P<bottom>\d+))|[ ]?/[ ]?(?P<under>" + _RUN + r")"
    r"|\^(?P<raised>[-+]?\d+))?"
    r"(?:[ ]?[×x*·][ ]?10\^(?P<scale>[-+]?\d+))?"
    r"|(?P<word>[A-Za-zµÀ-ɏͰ-ӿ]+[\dA-Za-zµÀ-ɏͰ-ӿ]*(?:[\^_][-+]?[\w]+)*)"
)
_SEPARATED = re.compile(
    r"\d{1,3}(?:(?P<mark>['_\u202f ])\d{3})(?:(?P=mark)\d{3})*(?:[.,]\d+)?|"
    r"\d+(?:_\d{3})+"
)
_GROUPS = re.compile(r"\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})*,\d{3}")
_MAGNITUDE = re.compile(
    r"[ ]?(?:(?P<word>(?i:hundred|thousand|million|billion|trillion|lakhs?|crores?|dozen|mn|bn|millionen|"
    r"millones|millions|mille))(?!\w)"
    r"|(?P<letter>k)(?!\w)|(?P<sign>[百千万萬亿億]))"
)
_TIMES = {
    **dict.fromkeys(("million", "mn", "millionen", "millones", "millions"), 10**6),
    **dict.fromkeys(("billion", "bn"), 10**9),
    **dict.fromkeys(("thousand", "mille", "k", "千"), 1000),
    **dict.fromkeys(("lakh", "lakhs"), 10**5),
    **dict.fromkeys(("crore", "crores"), 10**7),
    **dict.fromkeys("万萬", 10**4),
    **dict.fromkeys("亿億", 10**8),
    "hundred": 100,
    "百": 100,
    "trillion": 10**12,
    "dozen": 12,
}
_CURRENCIES = "$€£¥₹"
_LARGE = {"K": 10**3, "M": 10**6, "B": 10**9}
_SAID_NEGATIVE = re.compile(r"(?<![A-Za-z])(?i:minus|negative)[ ][$€£¥₹]?$")
_RAISED_OR_LOWERED = re.compile(r"(?:\^|[\w)}\]]_)[{(]?[-+]?$")
"""Before an exponent or an index: those are no numbers of the text at all."""
_SPOILED_BEFORE = re.compile(
    r"(?:[√±]|√[({\[]{1,2}|\}[ ]?\{|\d[.:/]|/"
    r"|(?<![A-Za-z])(?i:sqrt|cbrt|log|ln|sin|cos|tan|exp|not)[({ ]{0,2})[-+]?$"
)
_SPOILED_AFTER = re.compile(
    r"[√π∞^_\\]|\}[ ]?\{|[ ]?[×·][ ]?[a-zπ√]|[xyznie](?![\w])|\(\d|/\d|[:.,]\d|[ ]?[-–—‒][ ]?\d|[ ]?\+[ ]?\d|"
    r"[ ]?[*×·÷/x][ ]?\d"
)
_SIGN = re.compile(r"(?:^|(?<=[^\w)\]%°]))(?P<sign>[-+])[$€£¥₹]?$|[$€£¥₹](?P<inner>[-+])$")
_EXPRESSION_BEFORE = re.compile(r"[\d)%][ ]?[-+*x×·÷/–—‒][ ]?[$€£¥₹]?$")


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number in a text; `value` None = it is no number by itself."""

    value: Fraction | None
    start: int
    end: int


def plain_numbers(text: str) -> str:
    """Write a text's numbers in one way: ASCII digits and signs, `a/b`, `^` for raised digits, no LaTeX commands."""
    seen = without_marks(text)
    if not seen.isascii():
        seen = _VULGAR.sub(lambda match: " " + unicodedata.normalize("NFKC", match[0]), seen)
        seen = _RAISED.sub(lambda match: "^" + match[0].translate(_SUPERSCRIPTS), seen)
        seen = _LOWERED.sub(lambda match: "_" + unicodedata.normalize("NFKC", match[0]), seen)
        seen = _DASH_SIGN.sub("-", seen.translate(_PLAIN_SIGNS))
        seen = _OTHER_DIGIT.sub(lambda match: str(unicodedata.decimal(match[0])), seen)
    if "\\" in seen or "*" in seen or "{" in seen or "^" in seen or "`" in seen:
        for pattern, plain in _COMMANDS:
            seen = pattern.sub(plain, seen)
    return seen


def numerals(text: str) -> list[Numeral]:
    """Find every number of a text in the notation of `plain_numbers`."""
    return [
        _numeral(text, match)
        for match in _ITEM.finditer(text)
        if match["word"] is None and not _RAISED_OR_LOWERED.search(text[max(0, match.start() - 4) : match.start()])
    ]


def _numeral(text: str, match: re.Match[str]) -> Numeral:
    start, end = match.span()
    value = _value(match)
    before = text[max(0, start - 12) : start]
    if value is None or _SPOILED_BEFORE.search(before) or _EXPRESSION_BEFORE.search(before):
        return Numeral(None, start, end)
    value, end = _times_magnitude(value, text, start, end)
    if value is None:
        return Numeral(None, start, end)
    if _SAID_NEGATIVE.search(before):
        return Numeral(-value, start, end)
    if sign := _SIGN.search(before):
        value = -value if "-" in (sign["sign"], sign["inner"]) else value
        start -= len(sign.group())
    return Numeral(value, start, end)


def _times_magnitude(value: Fraction, text: str, start: int, end: int) -> tuple[Fraction | None, int]:
    """A number's value with the magnitude behind it (`2 million`, `$5k`), None in an expression; and where it ends."""
    after = text[end : end + 12]
    if magnitude := _MAGNITUDE.match(text, end):
        return value * _TIMES[magnitude.group().strip().lower()], magnitude.end()
    if _SPOILED_AFTER.match(after):
        return None, end
    if after[:1] not in _LARGE or after[1:2].isalpha():
        return value, end
    if start == 0 or text[start - 1] not in _CURRENCIES:
        return None, end
    return value * _LARGE[after[0]], end + 1


def _value(match: re.Match[str]) -> Fraction | None:
    if match["time"] is not None:
        hours, *rest = match["time"].split(":")
        return Fraction(int(hours)) if not any(map(int, rest)) else None
    value = read_run(match["run"])
    if value is not None and match["power_of_ten"] is not None:
        value = _scaled(value, match["power_of_ten"][1:])
    if value is not None:
        value = _completed(value, match)
    return value if value is None or match["scale"] is None else _scaled(value, match["scale"])


def _completed(value: Fraction, match: re.Match[str]) -> Fraction | None:
    """A value with what is written behind it: the fraction of a mixed number, a denominator or an exponent."""
    if match["mixed"] is not None:
        top, bottom = int(match["top"]), int(match["bottom"])
        return value + Fraction(top, bottom) if 0 < top < bottom and value.denominator == 1 else None
    if match["under"] is not None:
        under = read_run(match["under"])
        return value / under if under else None
    return value if match["raised"] is None else _raised(value, int(match["raised"]))


def _scaled(value: Fraction, exponent: str) -> Fraction | None:
    return (
        value * Fraction(10) ** int(exponent) if len(exponent) < 6 and abs(int(exponent)) <= _LARGEST_EXPONENT else None
    )


def _raised(value: Fraction, exponent: int) -> Fraction | None:
    digits = len(str(value.numerator)) + len(str(value.denominator))
    if abs(exponent) * digits > _LARGEST_EXPONENT or (exponent < 0 and not value):
        return None
    return value**exponent


def read_run(run: str, *, decimal_comma: bool = True) -> Fraction | None:
    """Read digits with separators: `1,234.5`, `1.234,5`, `1 234`, `1'234`, `12_000`, `1,00,000`, `3,5`.

    Args:
        decimal_comma: read one comma that does not part thousands as a decimal one; False = that is no number.

    Returns:
        None where the separators do not make one number (`1.2.3`, `1,2,3`).
    """
    if len(run) > _MOST_DIGITS:
        return None
    whole = re.sub(r"['_\u202f ]", "", run)
    if whole != run:
        return _decimal(whole.replace(",", ".")) if _SEPARATED.fullmatch(run) else None
    if "." in whole:
        return _with_dots(whole)
    grouped = _grouped(whole)
    if grouped is None and whole.count(",") <= (1 if decimal_comma else 0):
        return _decimal(whole.replace(",", "."))
    return grouped


def _with_dots(run: str) -> Fraction | None:
    """A number with dots: where it has commas as well, the last of both is the decimal point."""
    if "," not in run:
        return _decimal(run) if run.count(".") == 1 else _grouped(run.replace(".", ","))
    if run.rfind(".") < run.rfind(","):
        run = run.translate(str.maketrans(".,", ",."))
    head, _, tail = run.rpartition(".")
    return _decimal(head.replace(",", "") + "." + tail) if _GROUPS.fullmatch(head) else None


def _grouped(run: str) -> Fraction | None:
    return Fraction(int(run.replace(",", ""))) if _GROUPS.fullmatch(run) else None


def _decimal(run: str) -> Fraction | None:
    return Fraction(run) if re.fullmatch(r"\d*\.\d+|\d+\.?", run) else None
