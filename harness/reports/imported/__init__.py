"""What reports say of runs that other tools made: what was imported, and what their logs say it cost."""
