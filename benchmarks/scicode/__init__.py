"""SciCode held against its reference solutions, and what we read and compare against its own package."""
