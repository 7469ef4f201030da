"""Environments by name, as suites ask for them. Each is imported when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.environments.environment import Environment
from harness.suites.sample import Sample

MakeEnvironment = Callable[[Mapping[str, object], Sample], Environment]
"""Makes one sample's world of the solver's options; raises InputError for options that it does not know."""

ENVIRONMENTS: dict[str, MakeEnvironment] = {}
