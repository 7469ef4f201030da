"""Caps on spending over the whole ledger: what counts against each, and what is left."""
