"""Samples that are conversations of many requests: what they took, who spent what in them, and what ended them."""
