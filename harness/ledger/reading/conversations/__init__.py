"""Samples that are conversations of many requests: their turns, the calls that were made in them, how they ended."""
