"""A litellm that asks nobody, for packages that import it on their way: what a worker runs can spend no money.

Data flows nowhere: whatever is called of it raises. It also spares each worker seconds and a hundred megabytes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NoReturn

NAMES = ("litellm", "litellm.caching", "litellm.caching.caching", "litellm.main")


class ModelAsked(RuntimeError):
    """Code of an environment's package wanted to send a request that no ledger would know of."""


class _Refusing:
    """Anything that is imported from litellm; making one is asking."""

    def __init__(self, *_: object, **__: object) -> None:
        raise ModelAsked("environments ask no models")


def _refuse(*_: object, **__: object) -> NoReturn:
    raise ModelAsked("environments ask no models")


class _NoModels(ModuleType):
    """One of litellm's modules; names that are looked up in it are types that nobody can make."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Refusing


@contextmanager
def without_models() -> Iterator[None]:
    """Import packages with a litellm that asks nobody; afterwards it is found as it was before."""
    before = {name: sys.modules[name] for name in NAMES if name in sys.modules}
    for name in NAMES:
        sys.modules[name] = _NoModels(name)
    whole: Any = sys.modules["litellm"]
    whole.disable_cache = lambda: None
    whole.completion = whole.acompletion = _refuse
    try:
        yield
    finally:
        for name in NAMES:
            del sys.modules[name]
        sys.modules.update(before)
