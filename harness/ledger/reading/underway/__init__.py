"""What is new of runs that others write at the same time."""
