"""The spend report: rows, totals, tasks, repeats, notes."""
