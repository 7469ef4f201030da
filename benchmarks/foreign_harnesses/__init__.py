"""Other people's harnesses against the simulated server: what they log, imported, beside what the server billed."""
