"""The version, which everybody may import: this module imports nobody."""

__version__ = "0.1.0"
