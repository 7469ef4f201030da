"""Forecasts of bills beside what the runs then cost."""
