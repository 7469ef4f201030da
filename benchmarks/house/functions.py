"""Functions and their types: branches, parameters, and how often `Any` is written."""

from __future__ import annotations

import ast

from radon.complexity import cc_visit
from radon.visitors import Class

from benchmarks.house.checkout import Checkout, Measured
from benchmarks.house.rooms import code_lines

MANY_BRANCHES = 11
"""From here radon grades a function C."""
MANY_PARAMETERS = 7


def branching_functions(checkout: Checkout) -> Measured:
    """Functions and methods of cyclomatic complexity from 11 (as radon counts), the worst first."""
    found = [
        (block.complexity, f"{source.name}:{block.lineno} {block.name}")
        for source in checkout.sources
        for block in cc_visit(source.text)
        if not isinstance(block, Class) and block.complexity >= MANY_BRANCHES
    ]
    return _worst_first(found)


def long_signatures(checkout: Checkout) -> Measured:
    """Functions with more than six parameters (`self` and `cls` apart); a command has one for each of its options."""
    found = [
        (len(names), f"{source.name}:{node.lineno} {node.name}")
        for source in checkout.sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and len(names := _parameters(node)) >= MANY_PARAMETERS
        and not (source.name.startswith("harness/cli/") and _is_command(node))
    ]
    return _worst_first(found)


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    return [argument.arg for argument in arguments if argument.arg not in ("self", "cls")]


def _is_command(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("typer." in ast.unparse(argument.annotation) for argument in node.args.args if argument.annotation)


def any_per_thousand(checkout: Checkout) -> Measured:
    """How often `Any` is written, for each 1,000 lines of code, rounded up."""
    counts = [
        (sum(isinstance(node, ast.Name) and node.id == "Any" for node in ast.walk(source.tree)), source.name)
        for source in checkout.sources
    ]
    per_thousand = -(-1000 * sum(n for n, _ in counts) // code_lines(checkout).value)
    return Measured(per_thousand, tuple(f"{n:3} {name}" for n, name in sorted(counts, reverse=True) if n))


def _worst_first(found: list[tuple[int, str]]) -> Measured:
    return Measured(
        len(found), tuple(f"{n:3} {name}" for n, name in sorted(found, key=lambda pair: (-pair[0], pair[1])))
    )
