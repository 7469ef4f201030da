"""Answers that pages share: a run's samples as columns, what is chosen of them, and in which order they stand."""
