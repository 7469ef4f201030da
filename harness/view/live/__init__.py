"""A run under way, as its page shows it: one reader for all who watch it, and events that say what is new."""
