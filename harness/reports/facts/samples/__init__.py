"""A million samples of a run in a few bytes each."""
