"""One row per attempt, charge, score or sample, for files that analysts read."""
