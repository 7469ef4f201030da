"""Documentation, and what makes its generated parts: `python -m docs.generate`, `python -m docs.pictures`."""
