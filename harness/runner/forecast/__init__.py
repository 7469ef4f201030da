"""What a run will cost before it is sent, and what its rest still needs."""
