"""The one writer: attempts, settlements, reservations and scores, each in one transaction."""
