"""Readers of the logs of evaluation tools, one module per format."""
