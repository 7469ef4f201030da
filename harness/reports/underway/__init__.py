"""What runs under way cost so far."""
