"""The ledger's tables, triggers and versions; migrations hold their own DDL."""
