"""Readers of the logs of agents and coding assistants, one module per format."""
