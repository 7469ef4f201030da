"""Keys of providers: which environment variables may hold one, and whether one does.

Data flows a model and where it is asked -> the catalogue's variables -> the key, or the error that names what to set.
"""

from __future__ import annotations

import os

from harness.errors import MissingKeyError
from harness.models import ModelSpec
from harness.providers.catalogue import entry_of
from harness.providers.endpoints import Endpoint


def refuse_missing_key(spec: ModelSpec, endpoint: Endpoint) -> None:
    """Refuse a model whose key is not in the environment; an address of the user's own may need none.

    Raises:
        MissingKeyError: with the variable to set.
    """
    names = entry_of(spec.provider).keys
    if names and not endpoint.url and not any(os.environ.get(name) for name in names):
        raise MissingKeyError(
            f"no API key for {spec.provider}: the environment variable {names[0]} is not set",
            where=f"--model {spec}",
            fix=f"export {names[0]}=...",
        )


def key_for(spec: ModelSpec, endpoint: Endpoint) -> str | None:
    """The key that goes to an endpoint; None where none may, or where the user's own address has none.

    Raises:
        MissingKeyError: see `refuse_missing_key`.
    """
    refuse_missing_key(spec, endpoint)
    held = (os.environ.get(name) for name in entry_of(spec.provider).keys)
    return next(filter(None, held), None) if endpoint.with_key else None
