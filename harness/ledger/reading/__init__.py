"""Facts out of the ledger: sums, attempts, causes. All SQL that reads stands here."""
