"""Mathematical answers: LaTeX, Unicode and plain text read in full into exact values, and compared as such.

Runs in the worker processes of `harness.math_workers` only, since sympy is heavy and replies are hostile. Data flows
text -> `notation.tidy` -> `reader.read` -> values -> `equality.same`.
"""
