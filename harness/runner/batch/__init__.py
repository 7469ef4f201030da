"""A run over a provider's batch endpoint: lines handed over, taken in, settled."""
