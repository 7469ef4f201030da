"""Printed pages as HTML."""
