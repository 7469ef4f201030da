"""Readers of usage payloads, one file a family of providers. Pure."""
