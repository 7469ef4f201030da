"""What sessions of coding assistants have in common: all sessions in one working folder are one run, without samples.

Pure. Data flows what a session says of itself -> the run that it belongs to.
"""

from __future__ import annotations

from hashlib import blake2b

from harness.imports.log_records import ImportedRun

SUBSCRIPTION = "Whether a subscription paid for a session; the list price of its tokens is shown."


def project_run(fmt: str, folder: str | None, *, version: str | None, created_at_us: int | None) -> ImportedRun:
    """Make the run of a working folder.

    Args:
        folder: where the assistant worked, as the session says; None = it does not.
    """
    digest = blake2b((folder or "").encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    name = (folder or "").replace("\\", "/").rstrip("/").rpartition("/")[2]
    return ImportedRun(
        key=f"{fmt}-{digest}" if folder else fmt,
        tool=fmt,
        name=name or fmt,
        tool_version=version,
        created_at_us=created_at_us,
    )
