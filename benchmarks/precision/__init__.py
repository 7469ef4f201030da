"""The proof of `harness.precision`: simulated models on a suite like the index, through the real planner."""
