"""What a ledger holds: runs, budgets, forecasts; what goes in from logs, and out to files and accounts."""
