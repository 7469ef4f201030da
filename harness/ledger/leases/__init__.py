"""One run, many workers: who they are, what each has taken, and what all of them together may send. PostgreSQL only."""
