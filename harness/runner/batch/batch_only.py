"""A batch interface in the place of a provider, for what prepares requests that never leave alone.

Data flows options + model -> `BatchOnly` -> lines of batches.
"""

from __future__ import annotations

from harness.errors import ErrorClass, InputError, ProviderError
from harness.models import ModelSpec
from harness.providers import make_batch_provider
from harness.providers.base import Prepared, Request, Response
from harness.providers.batch_api.batches import BatchProvider
from harness.providers.endpoints import Endpoint
from harness.runner.spec import RunSpec


class BatchOnly:
    """A batch interface in the place of a provider: it prepares requests, and none of them leaves alone."""

    def __init__(self, batches: BatchProvider) -> None:
        self.batches = batches
        self.name = batches.name

    def prepare(self, request: Request) -> Prepared:
        """Map a request to a line's body."""
        return self.batches.prepare(request)

    async def send(self, prepared: Prepared, *, timeout_s: float) -> Response:
        """Refuse."""
        del timeout_s
        raise ProviderError(
            f"{prepared.request.request_id} is sent in a batch only", error_class=ErrorClass.INTERNAL, billed="no"
        )

    async def aclose(self) -> None:
        """Close connections."""
        await self.batches.aclose()


def batch_provider(options: RunSpec, spec: ModelSpec, endpoint: Endpoint) -> BatchProvider:
    """Make the batch interface of a model.

    Raises:
        InputError: it has none, its key is missing, or the options cannot be had in a batch.
    """
    if options.service_tier is not None:
        raise InputError(
            f"a batch has its own price and takes no service tier: {options.service_tier!r}",
            where="--service-tier",
            fix="leave out --service-tier or --batch",
        )
    return make_batch_provider(spec, endpoint)
