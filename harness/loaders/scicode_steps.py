"""SciCode's problems as rows, one for each sub-step: what stood before it, what its tests need, what they compare with.

Pure. Data flows a stored problem (with the code that the benchmark supplies under `BESIDE`) -> rows of sub-steps.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.loaders.row_answers import BadRowError

Row = Mapping[str, Any]
SUPPLIED = frozenset({"13.6", "62.1", "76.3"})
"""Steps whose code the benchmark supplies; they are asked of nobody."""
BESIDE = "__beside__"
"""Column that the loader adds: texts of files beside the problems, by name (`13.6.txt`)."""
OLD_NAMES = """
try:
    import numpy as _numpy
    for _old, _new in {"trapz": "trapezoid", "in1d": "isin", "product": "prod", "cumproduct": "cumprod",
                       "float_": "float64", "complex_": "complex128", "Inf": "inf", "infty": "inf", "NaN": "nan",
                       "row_stack": "vstack"}.items():
        if not hasattr(_numpy, _old):
            setattr(_numpy, _old, getattr(_numpy, _new))
except ImportError:
    pass
"""
OLD_INTEGRALS = """
try:
    import scipy.integrate as _integrate
    for _old, _new in {"simps": "simpson", "trapz": "trapezoid", "cumtrapz": "cumulative_trapezoid"}.items():
        if not hasattr(_integrate, _old):
            setattr(_integrate, _old, getattr(_integrate, _new))
except ImportError:
    pass
"""
"""Names that NumPy and SciPy had when the benchmark was made, and that answers and its own imports use."""


def scicode(row: Row) -> Iterator[Row]:
    """Give each sub-step of a problem its own row, with the ids of the steps before it and their signatures."""
    _refuse_incomplete(row)
    earlier: list[str] = []
    signatures: dict[str, str] = {}
    supplied: list[str] = []
    given = row.get(BESIDE) or {}
    for step in row["sub_steps"]:
        number = str(step["step_number"])
        signatures[number] = step["function_header"]
        if number in SUPPLIED:
            supplied.append(given.get(f"{number}.txt") or step.get("ground_truth_code") or step["function_header"])
            continue
        names = [name for header in signatures.values() if (name := _defined(header))]
        yield {
            **step,
            "problem_id": str(row["problem_id"]),
            "required_dependencies": row["required_dependencies"],
            "depends_on": list(earlier),
            "earlier_signatures": {one: signatures[one] for one in earlier},
            "supplied_code": "\n\n".join(supplied),
            "background": step.get("step_background") or "(none)",
            "entry_point": _defined(step["function_header"]) or "",
            "program_imports": program_imports(row["required_dependencies"]),
            "tests": _tests(step),
            "test_support": test_support(row["required_dependencies"], names),
            "n_targets": _n_targets(step),
        }
        earlier.append(number)


def _refuse_incomplete(row: Row) -> None:
    needed = ("problem_id", "sub_steps", "required_dependencies")
    problems = [(name, "is missing") for name in needed if name not in row]
    if not problems:
        problems = [one for number, step in enumerate(row["sub_steps"], start=1) for one in _lacking(number, step)]
    if problems:
        raise BadRowError(problems)


def _lacking(number: int, step: object) -> list[tuple[str, str]]:
    needed = ("step_number", "step_description_prompt", "function_header")
    has = step if isinstance(step, Mapping) else {}
    return [(f"sub_steps[{number}].{name}", "is missing") for name in needed if not has.get(name)]


def _defined(header: str) -> str | None:
    """The function or class that a step is about."""
    found = re.search(r"^\s*(?:def|class)\s+(\w+)", header, re.MULTILINE)
    return found[1] if found else None


def _tests(step: Row) -> str:
    """Test source: each case behind its target, which stands in the row or is read later (`targets`, by number)."""
    cases, targets = step.get("test_cases") or [], step.get("targets")
    if targets is None:
        asked = "target = targets[{}]\n{}" if _n_targets(step) else "{1}"
        return "\n\n".join(asked.format(place, case) for place, case in enumerate(cases))
    if len(targets) != len(cases):
        return ""
    return "\n\n".join(f"target = {target!r}\n{case}" for case, target in zip(cases, targets, strict=True))


def _n_targets(step: Row) -> int:
    """Targets that a file must hold for this step; 0 where they stand in the row or no test asks for one."""
    cases = step.get("test_cases") or []
    asked = any(re.search(r"\btarget\b", case) for case in cases)
    return len(cases) if asked and step.get("targets") is None else 0


def program_imports(dependencies: str) -> str:
    """The imports that stand before a program, each by itself: one that is missing here must not fail all answers."""
    older = OLD_NAMES + (OLD_INTEGRALS if "scipy" in dependencies else "")
    return f"{older}\n{_guarded(dependencies)}"


def test_support(dependencies: str, names: list[str]) -> str:
    """What tests may call besides the program: the problem's imports and NumPy, never under a name of its steps."""
    removed = f"for _name in {sorted(set(names))!r}:\n    globals().pop(_name, None)"
    return "\n".join([_guarded(f"import numpy as np\n{dependencies}"), removed])


def _guarded(imports: str) -> str:
    try:
        nodes = ast.parse("\n".join(line.strip() for line in imports.splitlines())).body
    except (SyntaxError, ValueError):
        return imports
    kept = [ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    return "\n".join(f"try:\n    {one}\nexcept ImportError:\n    pass" for one in kept)
