"""Installed packages of our own making: a folder for `sys.path` with data files and what pip writes beside them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path


def write_package(folder: Path, name: str, version: str, files: Mapping[str, bytes]) -> Path:
    """Write a package's files and its dist-info into `folder`, as an installation would; give the folder."""
    lines = [_written(folder, place, content) for place, content in files.items()]
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    lines += [_written(folder, f"{info}/METADATA", metadata), f"{info}/RECORD,,"]
    (folder / info / "RECORD").write_text("\n".join(lines) + "\n")
    return folder


def _written(folder: Path, place: str, content: bytes) -> str:
    """Write one file, and give its line in RECORD."""
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{place},sha256={digest},{len(content)}"
