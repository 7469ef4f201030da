"""Whether a ledger has changed, told in milliseconds."""
