"""From an answer to a stored score: pure scorers, checks in the sandbox, judges."""
