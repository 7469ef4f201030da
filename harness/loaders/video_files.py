"""Videos of a data set: found inside the folders that their user gave, looked at, and turned into `Clip` values.

Data flows a row's file name and its stretch -> `Clip`; frames are decoded by `video_decoding` when they are sent.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness.loaders.local_files import LFS_POINTER
from harness.loaders.video_decoding import Stretch, decoded_frames, files_of, looked_at, too_many
from harness.messages import Clip, ImagePart
from harness.suites.suite import Frames

BESIDE = ("", "videos", "video")
"""Folders in which videos lie beside their rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _VideoFile:
    """A file with what is shown of it."""

    path: Path
    stretch: Stretch
    choice: Frames

    def sha256(self) -> str:
        """Digest of the file's bytes and of what is shown of them; equal on every machine."""
        digest = hashlib.sha256(self.shown.encode())
        for file in files_of(self.path):
            stat = file.stat()
            digest.update(_content_sha256(file, stat.st_size, stat.st_mtime_ns).encode())
        return digest.hexdigest()

    @property
    def shown(self) -> str:
        start, end = f"{self.stretch.start_s:g}", self.stretch.end_s
        part = f"from {start} s" if end is None else f"{start}-{end:g} s"
        return f"{part}, {self.choice.label}, at most {self.choice.longest_side} px"

    def frames(self) -> tuple[ImagePart, ...]:
        """Decode the frames; raises ValueError with the file's name."""
        try:
            return decoded_frames(self.path, self.stretch, self.choice)
        except (OSError, ValueError) as error:
            raise ValueError(f"video {self.path.name}: {error}") from None


@lru_cache(maxsize=65_536)
def _content_sha256(path: Path, size: int, changed_ns: int) -> str:  # noqa: ARG001 - they tell a changed file
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFolders:
    """Where the videos of a data set may lie, and which of their frames are shown.

    Attributes:
        rows: the folder of the file that names them; None = there is none, and so no video.
        given: folders that the user gave: nothing outside of them is read.
        below: folders of the videos inside any of those.
    """

    rows: Path | None
    given: Sequence[Path]
    below: Sequence[str]
    choice: Frames

    def clip(self, name: object, start: object, end: object) -> Clip:
        """Find a video and say what will be shown of it.

        Raises:
            ValueError: it is not there, it is no video, or it is larger than the bounds of `video_decoding`.
            OSError: it cannot be read.
            InputError: the library that decodes videos is not installed.
        """
        try:
            path = self._found(name)
            facts = looked_at(path)
            stretch = Stretch(start_s=_seconds(start) or 0.0, end_s=_seconds(end))
            n_frames = _expected(self.choice, facts.n_frames_in(stretch.within(facts.duration_s)))
        except (OSError, ValueError) as error:
            raise ValueError(f"video {name!r}: {error}") from None
        file = _VideoFile(path=path, stretch=stretch, choice=self.choice)
        return Clip(
            name=str(name),
            described=f"{name}, {sum(each.stat().st_size for each in files_of(path))} bytes, {file.shown}",
            n_frames=n_frames,
            most_frames=self.choice.most,
            frame_size=facts.size_within(self.choice.longest_side),
            sha256=file.sha256,
            frames=file.frames,
        )

    def _found(self, name: object) -> Path:
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"not the name of a video: {name!r:.80}")
        allowed = [folder.resolve() for folder in self.given]
        for folder in self._places():
            path = folder / name
            if path.exists() and any(path.resolve().is_relative_to(each) for each in allowed):
                return _no_way_out(path) if path.is_dir() else _no_pointer(path)
        looked = ", ".join(str(folder) for folder in self.given) or "no folder: --data was not given"
        below = " or ".join(repr(each) for each in self.below if each)
        raise ValueError(f"it is not there (looked in {looked}{', below ' + below if below else ''})")

    def _places(self) -> Iterator[Path]:
        around = () if self.rows is None else (self.rows, self.rows.parent)
        for folder in dict.fromkeys((*around, *self.given)):
            for beside in BESIDE:
                yield from (folder / beside / below for below in self.below)


def _no_way_out(folder: Path) -> Path:
    """Refuse a folder of pictures of which one is a link to somewhere else."""
    inside = folder.resolve()
    if any(not picture.resolve().is_relative_to(inside) for picture in files_of(folder)):
        raise ValueError("one of its pictures is a link that leads out of its folder")
    return folder


def _no_pointer(path: Path) -> Path:
    with path.open("rb") as content:
        if content.read(len(LFS_POINTER)) == LFS_POINTER:
            raise ValueError(f"{path.name} is a Git LFS pointer, not the video: run `git lfs pull` in its repository")
    return path


def _seconds(value: object) -> float | None:
    if value is None or value == "":
        return None
    try:
        seconds = float(str(value))
    except ValueError:
        raise ValueError(f"{value!r:.40} is not a number of seconds") from None
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"{value!r:.40} is not a number of seconds from 0")
    return seconds


def _expected(choice: Frames, n_in_stretch: int | None) -> int:
    """How many frames a choice will give; where the file does not say how many it has, as many as there may be."""
    if choice.every is None:
        return choice.most if n_in_stretch is None else max(1, min(choice.most, n_in_stretch))
    if n_in_stretch is None:
        return choice.most
    expected = max(1, math.ceil(n_in_stretch / choice.every))
    if expected > choice.at_most:
        raise ValueError(too_many(choice, expected))
    return expected


def mean_frames(clips: Sequence[Clip]) -> float | None:
    """Mean number of frames that clips will show; None without one."""
    return sum(clip.n_frames for clip in clips) / len(clips) if clips else None


def frames_facts(choice: Frames, clips: Sequence[Clip]) -> Mapping[str, float | int]:
    """What the ledger keeps of a choice of frames: the rule, the longest side, and how many frames that is a clip."""
    rule = {"count": choice.count} if choice.every is None else {"every": choice.every, "at_most": choice.at_most}
    mean = mean_frames(clips)
    facts = {**rule, "longest_side": choice.longest_side, "per_clip": mean}
    return {name: value for name, value in facts.items() if value is not None}
