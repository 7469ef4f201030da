"""The command line: parse, call, print. No logic lives here; one module per noun."""

from __future__ import annotations

import gc


def main() -> None:
    """Run `harness.cli.app`, with the garbage collector held back before anything large is imported."""
    # imports and plans make some hundred thousand objects that stay: looking at them again and again is lost time
    gc.set_threshold(300_000, 50, 100)
    from harness.cli import app

    app.main()


__all__ = ["main"]
