"""Readers of the logs of providers, gateways and instrumentation, one module per format."""
