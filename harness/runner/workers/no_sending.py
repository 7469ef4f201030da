"""What stands in the place of a model where nothing may be sent: a worker that only scores needs no key.

It is the adapter of such a worker, so that the rest of a session is the same for all.
"""

from __future__ import annotations

from typing import NoReturn

from harness.errors import ErrorClass, ProviderError
from harness.models import ModelSpec
from harness.providers.base import Prepared, Request
from harness.runner.plan import PreparedRun


class NoSending:
    """An adapter that reaches nothing."""

    def __init__(self, spec: ModelSpec) -> None:
        self.name = spec.provider

    def prepare(self, request: Request) -> Prepared:
        """Map a request to what would be sent: nothing."""
        return Prepared(request=request, parameters={})

    async def send(self, prepared: Prepared, *, timeout_s: float) -> NoReturn:  # noqa: ARG002  # the interface
        """Refuse.

        Raises:
            ProviderError: always; nothing was billed.
        """
        raise ProviderError("this worker only scores: it sends nothing", error_class=ErrorClass.INTERNAL, billed="no")

    async def aclose(self) -> None:
        """Nothing is open."""


def no_adapter(prepared: PreparedRun, spec: ModelSpec) -> NoSending:  # noqa: ARG001  # as `provider_of`
    """Make what stands in the place of a model's adapter."""
    return NoSending(spec)
