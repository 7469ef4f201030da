"""The command line: parse, call, print. No logic lives here; one module per noun."""

from __future__ import annotations

import gc
import os


def main() -> None:
    """Run `harness.cli.app`, after two settings that must be there before anything large is imported."""
    # imports and plans make some hundred thousand objects that stay: looking at them again and again is lost time
    gc.set_threshold(300_000, 50, 100)
    # pydantic would look for plugins in the metadata of every installed package; set the variable to "" to have them
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    from harness.cli import app

    app.main()


__all__ = ["main"]
