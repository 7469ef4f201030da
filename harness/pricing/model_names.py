"""Model names as people type them, with the name they may have meant where one is wrong: told, never used.

Data flows typed text -> `ModelSpec`; the shipped price book is read only once a name is wrong.
"""

from __future__ import annotations

from harness.errors import InputError, similar
from harness.models import ModelSpec, parse_model

_MOST = 4


def read_model(text: str, *, where: str = "--model") -> ModelSpec:
    """Read `provider/model[@setting]`; where the provider is missing, say which ones list such a model.

    Raises:
        InputError: it is no model name.
    """
    try:
        return parse_model(text)
    except InputError as error:
        fix = error.fix or ""
        if found := _meant(text):
            fix = f"write {' or '.join(found)}?"
        raise InputError(error.message, where=where, fix=fix) from None


def _meant(text: str) -> list[str]:
    """Full names of priced models that are called like this, or nearly."""
    body, at, setting = text.strip().partition("@")
    if not body or "/" in body:
        return []
    listed = _listed()
    found = [model for model in listed if model.lower() == body.lower()]
    names = [name for model in found or similar(body, listed, cutoff=0.75) for name in listed[model]]
    return [name + at + setting for name in names[:_MOST]]


def _listed() -> dict[str, list[str]]:
    """Priced models -> their full names, in the order of these."""
    from harness.pricing.price_files import load_price_book

    book = load_price_book(None)
    found: dict[str, list[str]] = {}
    for name in sorted(f"{one}/{model}" for one in {row.provider for row in book.rows} for model in book.models(one)):
        found.setdefault(name.partition("/")[2], []).append(name)
    return found
