"""Runs that ask only as much as a wanted precision needs: their design, their waves, and what is said of them."""
