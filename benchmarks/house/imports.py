"""The import graph: modules in cycles, and the longest chain of imports."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import grimp

from benchmarks.house.checkout import Checkout, Measured

Imports = Mapping[str, frozenset[str]]


def modules_in_cycles(checkout: Checkout) -> Measured:
    """Modules that import each other round a circle."""
    circles = [circle for circle in _circles(checkout.root) if len(circle) > 1]
    return Measured(sum(map(len, circles)), tuple(module for circle in circles for module in sorted(circle)))


def longest_chain(checkout: Checkout) -> Measured:
    """Modules on the longest path of imports, a circle of modules counted once."""
    imports = _imports(checkout.root)
    chains: dict[str, tuple[str, ...]] = {}
    for circle in _circles(checkout.root):  # a module comes after all that it imports
        reached = {target for module in circle for target in imports[module]} - circle
        below = max((chains[module] for module in sorted(reached)), key=len, default=())
        for module in circle:
            chains[module] = (module, *below)
    longest = max(chains.values(), key=len)
    return Measured(len(longest), longest)


@lru_cache
def _imports(root: Path) -> Imports:
    """Which modules of the package each one imports, read from this checkout and not from the installed package."""
    held = list(sys.path)
    sys.path.insert(0, str(root))
    try:
        graph = grimp.build_graph("harness", cache_dir=None)
    finally:
        sys.path[:] = held
    return {
        module: frozenset(graph.find_modules_directly_imported_by(module)) & graph.modules for module in graph.modules
    }


@lru_cache
def _circles(root: Path) -> list[frozenset[str]]:
    """Strongly connected parts of the graph (Tarjan 1972), each after the parts that it imports."""
    imports = _imports(root)
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    circles: list[frozenset[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for target in sorted(imports[module]):
            if target not in index:
                visit(target)
                low[module] = min(low[module], low[target])
            elif target in stack:
                low[module] = min(low[module], index[target])
        if low[module] == index[module]:
            at = stack.index(module)
            circles.append(frozenset(stack[at:]))
            del stack[at:]

    for module in sorted(imports):
        if module not in index:
            visit(module)
    return circles
