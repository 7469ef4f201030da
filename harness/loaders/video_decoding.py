"""Single frames out of a video file, as JPEG bytes: by PyAV, which brings its own decoders (`benchtab[video]`).

The same file and choice give the same frames. What a file may make this process do is bounded: which formats are read,
how large a picture is, how many pictures are decoded and for how long; nothing but the file itself is opened.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from harness.errors import InputError
from harness.messages import ImagePart
from harness.suites.suite import Frames

if TYPE_CHECKING:
    from types import ModuleType

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,gif,ogg,asf"
"""Containers that hold pictures themselves; playlists, which name other files and addresses, are none of them."""
MOST_PIXELS = 64_000_000
"""Of one picture; twice that of the largest television format."""
MOST_DECODED = 200_000
"""Pictures decoded for one clip."""
MOST_DECODING_S = 300.0
LONGEST_STEP_S = 10.0
"""Seconds that are decoded through, rather than jumped over, to the next frame wanted."""
FOLDER_RATE = 3
"""Pictures a second of a video that is a folder of pictures: TVQA's, which MVBench asks about."""
_PICTURE = re.compile(r"[0-9]{1,9}\.(?:jpe?g|png)")
JPEG_QUANTISER = 3
"""Of libavcodec's scale from 2 (best) to 31."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFacts:
    """What the header of a video says; None = it does not."""

    width: int
    height: int
    duration_s: float | None
    frames_per_s: float | None

    def n_frames_in(self, stretch: Stretch) -> int | None:
        """About how many frames a stretch has."""
        if stretch.end_s is None or self.frames_per_s is None:
            return None
        return max(1, round((stretch.end_s - stretch.start_s) * self.frames_per_s))

    def size_within(self, longest_side: int) -> tuple[int, int]:
        """Width and height of a frame as it is sent."""
        return _scaled(self.width, self.height, longest_side)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The part of a video that is shown, in seconds from its beginning; `end_s` None = until it ends."""

    start_s: float = 0.0
    end_s: float | None = None

    def within(self, duration_s: float | None) -> Stretch:
        """The part that the video has; a stated end behind the video's own is the video's own.

        Raises:
            ValueError: nothing of it lies inside the video.
        """
        end_s = self.end_s if duration_s is None else min(duration_s, self.end_s or duration_s)
        if end_s is not None and self.start_s >= end_s:
            raise ValueError(f"nothing lies between second {self.start_s:g} and second {end_s:g}")
        return Stretch(start_s=self.start_s, end_s=end_s)


def too_many(choice: Frames, found: int) -> str:
    """Say that every k-th frame would be more than may be shown."""
    return (
        f"every {choice.every}. frame would be {found} frames, and at most {choice.at_most} may be shown: "
        "raise `every` or `at_most` under [tasks.dataset.frames], or use `count`"
    )


def looked_at(path: Path) -> VideoFacts:
    """Read a video's header; nothing is decoded.

    Raises:
        ValueError: it is no video of a known format, or its pictures are too large.
        OSError: it cannot be opened.
        InputError: PyAV is not installed.
    """
    with _opened(path) as (container, stream):
        return _facts(container, stream)


def decoded_frames(path: Path, stretch: Stretch, choice: Frames) -> tuple[ImagePart, ...]:
    """Decode the frames that a choice names, in the order of the video, as JPEG.

    Raises:
        ValueError: the video is damaged, shorter than the stretch, or past the bounds of this module.
        OSError: it cannot be opened.
        InputError: PyAV is not installed.
    """
    with _opened(path) as (container, stream):
        facts = _facts(container, stream)
        shown = stretch.within(facts.duration_s)
        walk = _Walk(container, stream)
        if choice.every is not None:
            frames = _every(walk, shown, choice)
        else:
            frames = _at_centres(walk, shown, choice.count or choice.most)
        parts = tuple(ImagePart(media_type="image/jpeg", data=_jpeg(one, choice.longest_side)) for one in frames)
    if not parts:
        raise ValueError(f"no picture could be decoded between second {shown.start_s:g} and {shown.end_s}")
    return parts


def _av() -> ModuleType:
    try:
        import av
    except ImportError:
        raise InputError(
            "videos are decoded with PyAV, which is not installed",
            where="[tasks.dataset] fields.video",
            fix="pip install 'benchtab[video]'",
        ) from None
    return av


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and its first video stream; whatever the library says of a damaged file becomes a ValueError."""
    av = _av()
    name, kind, options = _numbered(path) if path.is_dir() else (f"file:{path}", None, {"format_whitelist": FORMATS})
    options["protocol_whitelist"] = "file"
    try:
        with av.open(name, format=kind, options=options, metadata_errors="replace") as container:
            if not container.streams.video:
                raise ValueError("holds no video")
            yield container, container.streams.video[0]
    except av.FFmpegError as error:
        raise ValueError(f"cannot be read as a video: {error.strerror}") from None


def files_of(path: Path) -> Sequence[Path]:
    """The file of a video, or the pictures of one that is a folder, in order."""
    if not path.is_dir():
        return (path,)
    pictures = sorted(each for each in path.iterdir() if _PICTURE.fullmatch(each.name))
    numbers = [int(each.stem) for each in pictures]
    alike = {(len(each.stem), each.suffix) for each in pictures}
    if len(alike) != 1 or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise ValueError("is a folder, but not of pictures of one kind that are numbered without a gap (00001.jpg)")
    return pictures


def _numbered(folder: Path) -> tuple[str, str, dict[str, str]]:
    """How the library is to open a folder of pictures: the pattern of their names, the format, its options."""
    first = files_of(folder)[0]
    pattern = f"{folder}/".replace("%", "%%") + f"%0{len(first.stem)}d{first.suffix}"
    return pattern, "image2", {"framerate": f"{FOLDER_RATE}", "start_number": f"{int(first.stem)}"}


def _facts(container: InputContainer, stream: VideoStream) -> VideoFacts:
    width, height = stream.codec_context.width, stream.codec_context.height
    if not 0 < width * height <= MOST_PIXELS:
        raise ValueError(f"its pictures are {width} x {height}, and at most {MOST_PIXELS:,} pixels are decoded")
    duration = None
    if stream.duration and stream.time_base:
        duration = float(stream.duration * stream.time_base)
    elif container.duration:
        duration = container.duration / 1_000_000
    rate = stream.average_rate or stream.guessed_rate
    if rate is None and duration and stream.frames:
        rate = Fraction(stream.frames) / Fraction(duration)
    return VideoFacts(width=width, height=height, duration_s=duration, frames_per_s=float(rate) if rate else None)


@dataclass(frozen=True, slots=True)
class _Picture:
    """A decoded picture, and when it is on screen, in seconds from the beginning of the video."""

    frame: VideoFrame
    at_s: float


class _Walk:
    """Goes forward through a video; long ways are jumped to the picture before them from which decoding can start."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container = container
        self._stream = stream
        self._base = stream.time_base or Fraction(1, 1000)
        self._first = stream.start_time or 0
        self._pictures = self._decoded()
        self._n_decoded = 0
        self._began = monotonic()
        self._shown: _Picture | None = None
        self._next: _Picture | None = None

    def at(self, instant_s: float) -> _Picture | None:
        """The picture on screen at an instant: the last one that began by then; before the first one, the first."""
        if instant_s - (self._next.at_s if self._next else 0.0) > LONGEST_STEP_S:
            self._jump(instant_s)
        if self._next is None:
            self._step()
        while self._next is not None and (self._next.at_s <= instant_s or self._shown is None):
            self._step()
        return self._shown

    def all_from(self, start_s: float) -> Iterator[_Picture]:
        """Every picture from an instant on."""
        first = self.at(start_s)
        while first is not None:
            yield first
            first = self._next
            self._step()

    def _step(self) -> None:
        self._shown = self._next or self._shown
        self._next = next(self._pictures, None)

    def _jump(self, instant_s: float) -> None:
        place = self._first + math.floor(Fraction(instant_s) / self._base)
        self._container.seek(place, stream=self._stream, backward=True)
        self._pictures, self._next = self._decoded(), None

    def _decoded(self) -> Iterator[_Picture]:
        for number, frame in enumerate(self._container.decode(self._stream)):
            self._n_decoded += 1
            if self._n_decoded > MOST_DECODED or monotonic() - self._began > MOST_DECODING_S:
                raise ValueError(f"takes more than {MOST_DECODED:,} pictures or {MOST_DECODING_S:g} s to decode")
            if frame.width * frame.height > MOST_PIXELS:
                raise ValueError(f"holds a picture of {frame.width} x {frame.height}")
            yield _Picture(frame, self._time_of(frame, number))

    def _time_of(self, frame: VideoFrame, number: int) -> float:
        if frame.pts is not None:
            return float((frame.pts - self._first) * self._base)
        rate = self._stream.average_rate or Fraction(25)
        return float(number / rate)


def _at_centres(walk: _Walk, shown: Stretch, count: int) -> Iterator[VideoFrame]:
    """The frames at the centres of so many equal spans, each once."""
    end_s = shown.end_s
    if end_s is None:
        raise ValueError("its header does not say how long it is: state `video_end`, or use `every`")
    span = (end_s - shown.start_s) / count
    last: _Picture | None = None
    for number in range(count):
        found = walk.at(shown.start_s + (number + 0.5) * span)
        if found is not None and found is not last:
            yield found.frame
            last = found


def _every(walk: _Walk, shown: Stretch, choice: Frames) -> Iterator[VideoFrame]:
    step = choice.every or 1
    n_shown = 0
    for number, picture in enumerate(walk.all_from(shown.start_s)):
        if shown.end_s is not None and picture.at_s >= shown.end_s and number:
            return
        if number % step:
            continue
        n_shown += 1
        if n_shown > choice.at_most:
            raise ValueError(too_many(choice, n_shown))
        yield picture.frame


def _scaled(width: int, height: int, longest_side: int) -> tuple[int, int]:
    """Scale down to a longest side; small pictures stay as they are."""
    longest = max(width, height)
    if longest <= longest_side:
        return width, height
    return max(1, round(width * longest_side / longest)), max(1, round(height * longest_side / longest))


def _jpeg(frame: VideoFrame, longest_side: int) -> bytes:
    """Write a picture as JPEG, upright and scaled down."""
    av = _av()
    width, height = _scaled(frame.width, frame.height, longest_side)
    picture = _upright(frame.reformat(width=width, height=height, format="rgb24"), frame.rotation)
    picture = picture.reformat(format="yuvj420p")
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, "yuvj420p"
    encoder.time_base = Fraction(1, 1)
    encoder.qmin = encoder.qmax = JPEG_QUANTISER
    picture.pts = None
    return b"".join(bytes(packet) for packet in (*encoder.encode(picture), *encoder.encode(None)))


def _upright(picture: VideoFrame, rotation: int) -> VideoFrame:
    """Turn a picture as its file says that it is to be shown (telephones write it so)."""
    turns = round(rotation / 90) % 4
    if not turns:
        return picture
    import numpy as np

    turned: Callable[..., VideoFrame] = type(picture).from_ndarray
    return turned(np.ascontiguousarray(np.rot90(picture.to_ndarray(), turns)), format="rgb24")
