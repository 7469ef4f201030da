"""`benchtab prices`."""
