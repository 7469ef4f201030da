"""One notation for formulas: Unicode and plain-text mathematics written as LaTeX, what carries no meaning taken out.

Pure and linear; imports nothing heavy.
"""

from __future__ import annotations

import re
import unicodedata

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿˣⁱ", "0123456789+-()nxi")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₙ", "0123456789+-()n")
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿˣⁱ]+")
_LOWERED = re.compile("[₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₙ]+")
_VULGAR = re.compile("[¼-¾⅐-⅞↉]")
_SYMBOLS = {
    "√": r"\sqrt ",
    "∛": r"\sqrt[3] ",
    "∜": r"\sqrt[4] ",
    "π": r"\pi ",
    "∞": r"\infty ",
    "÷": r"\div ",
    "×": r"\times ",
    **dict.fromkeys("⋅·∙", r"\cdot "),
    **dict.fromkeys("−–—‐‑－", "-"),
    "±": r"\pm ",
    "∓": r"\mp ",
    "≠": r"\ne ",
    "∪": r"\cup ",
    "∩": r"\cap ",
    "∈": r"\in ",
    "∅": r"\emptyset ",
    **dict.fromkeys("≤⩽", r"\le "),
    **dict.fromkeys("≥⩾", r"\ge "),
    **dict.fromkeys("⁄∕／", "/"),
    "°": r"^\circ ",
    "…": r"\ldots ",
    "≈": r"\approx ",
    "ℝ": r"\mathbb{R}",
    "′": "'",
    "’": "'",
    "∣": "|",
    "ℯ": "e",
    "⟨": r"\langle ",
    "⟩": r"\rangle ",
    "⌊": r"\lfloor ",
    "⌋": r"\rfloor ",
    "⌈": r"\lceil ",
    "⌉": r"\rceil ",
    "∨": r"\lor ",
}
_GREEK = {
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "δ": "delta",
    "ε": "epsilon",
    "ζ": "zeta",
    "η": "eta",
    "θ": "theta",
    "ι": "iota",
    "κ": "kappa",
    "λ": "lambda",
    "μ": "mu",
    "ν": "nu",
    "ξ": "xi",
    "ρ": "rho",
    "σ": "sigma",
    "τ": "tau",
    "υ": "upsilon",
    "φ": "phi",
    "χ": "chi",
    "ψ": "psi",
    "ω": "omega",
    "Γ": "Gamma",
    "Δ": "Delta",
    "Θ": "Theta",
    "Λ": "Lambda",
    "Ξ": "Xi",
    "Π": "Pi",
    "Σ": "Sigma",
    "Φ": "Phi",
    "Ψ": "Psi",
    "Ω": "Omega",
}
_TABLE = str.maketrans(_SYMBOLS | {letter: f"\\{name} " for letter, name in _GREEK.items()})
_DROPPED = re.compile(
    r"\\(?:left|right|displaystyle|textstyle|bigl?|bigr|Bigl?|Bigr|biggl?|biggr|limits|nolimits|mathstrut|hfill|"
    r"phantom\{[^{}]*\}|"
    r"boldsymbol|mathbf|mathrm|mathit|mathsf|mathnormal|bm|rm|bf)(?![A-Za-z])"
)
_GROUPING = re.compile(r"(?<=\d)(?:,\\!\s*|\{,\}|\\,|\\;|\\ |\u202f|\u00a0|'|\u2009)(?=\d{3}(?!\d))")
_SPACING = re.compile(r"(?<!\\)\\(?:[,;:! ]|quad|qquad|thinspace|enspace)(?![A-Za-z])|~|\u00a0|\u202f|\u2009|&nbsp;")
_SCIENTIFIC = re.compile(r"(\d\.?)[eE]([-+]?\d+)(?![\w.])")
_MONEY = re.compile(r"\\\$|(?<![\\])\$|[€£¥₹]|\\%|%|\\ ?#")
_OUTER = re.compile(r"^(?:\\\(|\\\[|\$\$?)|(?:\\\)|\\\]|\$\$?)$")


def tidy(text: str) -> str:
    """Write a formula's text in the notation that `harness.formulas.parser` knows."""
    seen = text.strip()
    if not seen.isascii():
        seen = _VULGAR.sub(_vulgar, seen)
        seen = _RAISED.sub(lambda match: "^{" + match[0].translate(_SUPERSCRIPTS) + "}", seen)
        seen = _LOWERED.sub(lambda match: "_{" + match[0].translate(_SUBSCRIPTS) + "}", seen)
        seen = unicodedata.normalize("NFKC", seen.translate(_TABLE))
        seen = re.sub(r"(?![0-9])\d", lambda match: str(unicodedata.decimal(match[0])), seen)
    seen = re.sub(r"\\[()\[\]]", " ", _OUTER.sub("", seen.strip()))
    seen = _SCIENTIFIC.sub(r"\1\\times 10^{\2}", _MONEY.sub(" ", _GROUPING.sub("", seen)))
    seen = (
        _DROPPED.sub(" ", seen).replace(r"\dfrac", r"\frac").replace(r"\tfrac", r"\frac").replace(r"\cfrac", r"\frac")
    )
    return _SPACING.sub(" ", seen).strip().rstrip(".;,").strip()


def _vulgar(match: re.Match[str]) -> str:
    top, _, bottom = unicodedata.normalize("NFKC", match[0]).partition("⁄")
    return f"\\frac{{{top}}}{{{bottom}}}"


def words(text: str) -> str:
    """A worded answer without its wrapping: letters and digits in lower case, single spaces."""
    bare = re.sub(r"\\(?:text|textbf|textit|mbox|mathrm|mathbf|textrm)\s?\{([^{}]*)\}", r" \1 ", text)
    return " ".join(re.sub(r"[^\w\s]", " ", unicodedata.normalize("NFKC", bare)).casefold().split())


def is_worded(text: str) -> bool:
    """Whether a reference is a word or several and no formula: `\\text{Evelyn}`, `(C)` in text, `ellipse`."""
    bare = unicodedata.normalize("NFKC", text.strip().strip("$").strip())
    if re.fullmatch(r"\\(?:text|textbf|mbox|textrm)\s?\{[^{}]*\}", bare):
        return re.search(r"[^\W\d_]", bare.partition("{")[2]) is not None
    return re.fullmatch(r"[^\W\d_]{2,}(?:[ '-][^\W\d_]+)*\.?", bare) is not None and bare.lower() not in (
        "pi",
        "infinity",
    )
