"""Logs of Inspect AI: its archives and documents, samples, model events and scores."""
