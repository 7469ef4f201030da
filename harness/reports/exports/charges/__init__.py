"""Charges in columns: every attempt, meter by meter."""
