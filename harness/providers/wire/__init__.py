"""Bodies on the wire: requests built, answers and event streams read. No I/O."""
