"""Mathematical answers: LaTeX, Unicode and plain text read in full into exact values, and compared as such.

Runs in the worker processes of `harness.sandbox.math_pool` only, since sympy is heavy and replies are hostile. Data
flows text -> `tidying.tidy` -> `parser.read` -> values -> `equality.same`.
"""
