"""Batch endpoints of providers: files handed over, watched and read."""
