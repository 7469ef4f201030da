"""The nightly job: a matrix from a config file is run, compared with the last good run, written up and gated.

Data flows nightly.toml -> `NightlyConfig` -> `run_night` -> `Night` -> files for people and for CI, and an exit code.
"""
