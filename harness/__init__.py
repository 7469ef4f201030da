"""Cost-aware benchmark harness: what a benchmark cost, what it will cost, and whether it was worth it.

Importing this package is cheap: nothing heavy (litellm, datasets, pandas) is imported until it is used.
"""

__version__ = "0.1.0"
