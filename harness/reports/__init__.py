"""Reports: facts from the ledger and the price book become tables and JSON objects."""
