"""The nightly job: a matrix from a config file is run, compared with the last good run, written up and gated.

Data flows nightly.toml -> `NightlyConfig` -> `run_night` -> `Night` -> files for people and for CI, and an exit code.
"""

from harness.nightly.config import NightlyConfig, read_config
from harness.nightly.night import Night, accept_run, run_night

__all__ = ["Night", "NightlyConfig", "accept_run", "read_config", "run_night"]
