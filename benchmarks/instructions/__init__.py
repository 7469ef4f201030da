"""Verdicts of the scorer `instructions` beside those of the published checker."""
