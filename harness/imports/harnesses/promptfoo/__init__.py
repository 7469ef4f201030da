"""Results of promptfoo: its JSON and JSON Lines exports and its own database."""
