"""Wrong solutions made of right ones: another operator, another number, another result."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator

SWAPPED: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(), ast.Sub: ast.Add(), ast.Mult: ast.Div(), ast.Div: ast.Mult(), ast.Pow: ast.Mult(),
}  # fmt: skip
SHIFTED = """
def _shifted(value):
    import numbers
    import numpy as np
    if isinstance(value, (bool, np.bool_)):
        return not value
    if isinstance(value, numbers.Number):
        return value + type(value)(1)
    if isinstance(value, np.ndarray):
        return ~value if value.dtype == bool else value + 1
    if isinstance(value, (list, tuple)):
        return type(value)(map(_shifted, value))
    if isinstance(value, dict):
        return {key: _shifted(item) for key, item in value.items()}
    return "wrong"
_right = %(name)s
def %(name)s(*args, **kwargs):
    return _shifted(_right(*args, **kwargs))
"""


def mutants(code: str, name: str, *, most: int) -> Iterator[tuple[str, str]]:
    """Give wrong programs with what is wrong with them: the result first, then operators, evenly over the code."""
    tree = ast.parse(code)
    if any(isinstance(node, ast.FunctionDef) and node.name == name for node in tree.body):
        yield "another result", code + SHIFTED % {"name": name}
    places = [place for place, node in enumerate(ast.walk(tree)) if _can_swap(node)]
    step = max(1, len(places) // most) if most else 1
    for place in places[::step][:most]:
        made = copy.deepcopy(tree)
        node = next(one for at, one in enumerate(ast.walk(made)) if at == place)
        assert isinstance(node, ast.BinOp)
        before = type(node.op).__name__
        node.op = SWAPPED[type(node.op)]
        yield f"{before} to {type(node.op).__name__} in line {node.lineno}", ast.unparse(made)


def _can_swap(node: ast.AST) -> bool:
    if not isinstance(node, ast.BinOp) or type(node.op) not in SWAPPED:
        return False
    return not isinstance(node.left, ast.Constant | ast.List)
