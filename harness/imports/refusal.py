"""Why a file is not imported: said before anything of it is kept."""

from __future__ import annotations

from harness.errors import InputError


class ImportRefused(InputError):
    """A log cannot be read, or reading it would give numbers that may be wrong; nothing of its unit is kept.

    Raise it from a container or a reader at any moment: what was read of the same unit before is taken back.
    """
