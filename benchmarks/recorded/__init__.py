"""Proofs against recorded responses: our counts and dollars beside what providers and other tools recorded.

`python -m benchmarks.recorded` prints every table; the tests in tests/test_recorded_*.py assert the same figures.
"""
