"""Rows read as Arrow columns: of a large SQLite file by a process of its own."""
