"""The names that formulas use: functions, constants, letters, relations, brackets, environments."""

from __future__ import annotations

from collections.abc import Callable

import sympy

from harness.formulas.values import Expression

DEEPEST = 60
FUNCTIONS: dict[str, Callable[[Expression], Expression]] = {
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "cot": sympy.cot, "sec": sympy.sec, "csc": sympy.csc,
    "arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan, "sinh": sympy.sinh, "cosh": sympy.cosh,
    "tanh": sympy.tanh, "ln": sympy.log, "exp": sympy.exp,
}  # fmt: skip
ROUNDED: dict[str, tuple[str, Callable[[Expression], Expression]]] = {
    "lfloor": ("\\rfloor", sympy.floor),
    "lceil": ("\\rceil", sympy.ceiling),
}
"""Brackets that round what is in them, each with its closing one."""
INVERSE = {"sin": sympy.asin, "cos": sympy.acos, "tan": sympy.atan}
CONSTANTS = {
    "pi": sympy.pi,
    "infty": sympy.oo,
    "infinity": sympy.oo,
    "inf": sympy.oo,
    "oo": sympy.oo,
    "emptyset": sympy.Symbol("∅"),
}
GREEK = frozenset(
    (
        *(
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "varepsilon",
            "zeta",
            "eta",
            "theta",
            "vartheta",
            "iota",
            "kappa",
        ),
        *(
            "lambda",
            "mu",
            "nu",
            "xi",
            "rho",
            "sigma",
            "tau",
            "upsilon",
            "phi",
            "varphi",
            "chi",
            "psi",
            "omega",
            "Gamma",
        ),
        *(
            "Delta",
            "Theta",
            "Lambda",
            "Xi",
            "Pi",
            "Sigma",
            "Upsilon",
            "Phi",
            "Psi",
            "Omega",
            "ell",
            "ldots",
            "dots",
            "cdots",
        ),
    )
)
RELATIONS = {
    **{sign: sign for sign in ("=", "<", ">", "<=", ">=", "!=")},
    **dict.fromkeys(("\\le", "\\leq", "\\leqslant"), "<="),
    **dict.fromkeys(("\\ge", "\\geq", "\\geqslant"), ">="),
    "\\lt": "<",
    "\\gt": ">",
    "\\ne": "!=",
    "\\neq": "!=",
    "\\in": "in",
    "\\approx": "~",
}
UNIT_ENDS = frozenset({",", ";", ")", "]", "}", "\\}", "and", "or", "\\cup", *RELATIONS})
"""What may follow a unit."""
OPENING = {"(": ")", "[": "]", "\\{": "\\}", "\\langle": "\\rangle", "\\lbrace": "\\rbrace"}
CLOSING = frozenset({")", "]", "\\}", "\\rangle", "\\rbrace"})
MATRICES = frozenset({"pmatrix", "bmatrix", "matrix", "Bmatrix", "smallmatrix", "array"})
