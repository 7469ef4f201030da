"""Indexes of several suites: how much of one a score covers, and what a task of it costs."""
