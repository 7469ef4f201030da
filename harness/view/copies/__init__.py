"""A run's pages as files that need no server."""
