"""Worlds that tools act on: what models call, and what the end state of a conversation is worth."""

from harness.environments.environment import Caller, Environment, Scene, ToolResult, Turn, Verdict
from harness.environments.hosting import EnvironmentHost, OpenEnvironment

__all__ = ["Caller", "Environment", "EnvironmentHost", "OpenEnvironment", "Scene", "ToolResult", "Turn", "Verdict"]
