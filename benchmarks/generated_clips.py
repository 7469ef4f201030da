"""Small videos whose question needs the order of what they show: coloured squares, one after another.

Data flows a number of clips and a seed -> video files, their rows and a suite file in a folder of the caller's. Each
row says how many evenly spaced frames it takes to see every square up to the one that is asked.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import av
import numpy as np

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "red": (220, 30, 30),
    "green": (30, 170, 50),
    "blue": (40, 70, 220),
    "yellow": (235, 220, 40),
    "white": (245, 245, 245),
    "black": (15, 15, 15),
    "purple": (150, 40, 190),
    "cyan": (40, 210, 220),
}
BACKGROUND = (128, 128, 128)
SIDE = 64
N_FRAMES = 48
FRAMES_PER_S = 10
LADDER = (4, 8, 16, 32)
PLACES = ("first", "second", "third", "fourth")
SHORTEST = {12: 0.4, 6: 0.3, 3: 0.29, 2: 0.01}
"""Frames of a clip's shortest square -> share of such clips."""
SUITE = '''
name = "clips"
version = "1"
title = "Coloured squares, one after another"

[[tasks]]
name = "order"
prompt = """
The pictures are frames of a video, in order. Coloured squares are shown one after another.

{question}

{choices}

The last line of your reply must be
Answer: <letter>
with one of the letters {letters}."""
max_output_tokens = 16384

[tasks.scorer]
name = "multiple_choice"

[tasks.dataset]
source = "files"
path = "clips"
revision = "1"
local = "clips.jsonl"
target_form = "letter"
video_folder = "videos"

[tasks.dataset.fields]
id = "id"
video = "video"
question = "question"
choices = "options"
target = "answer"
frames_needed = "frames_needed"

[tasks.dataset.frames]
count = 8
longest_side = 64
'''


@dataclass(frozen=True, slots=True)
class Timeline:
    """The colours of a clip with the number of frames that each is shown, and the place that is asked."""

    colours: tuple[str, ...]
    lengths: tuple[int, ...]
    asked: int

    @property
    def frames(self) -> list[str]:
        """The colour of every frame."""
        return [colour for colour, length in zip(self.colours, self.lengths, strict=True) for _ in range(length)]

    def seen(self, count: int) -> list[str]:
        """The colours that so many evenly spaced frames show, each change once."""
        frames = self.frames
        shown = [frames[int((number + 0.5) * len(frames) / count)] for number in range(count)]
        return [colour for colour, _ in groupby(shown)]

    @property
    def frames_needed(self) -> int:
        """The fewest of the ladder from which on every rung shows all squares up to the asked one."""
        wanted = list(self.colours[: self.asked + 1])
        needed = N_FRAMES
        for count in reversed(LADDER):
            if self.seen(count)[: self.asked + 1] != wanted:
                break
            needed = count
        return needed


def timeline(dice: random.Random) -> Timeline:
    """Draw a clip: its shortest square decides how many frames are needed to see it."""
    shortest = dice.choices(list(SHORTEST), weights=list(SHORTEST.values()))[0]
    colours = tuple(dice.sample(list(COLOURS), 4))
    asked = dice.randrange(1, 4)
    short = dice.randrange(0, asked + 1)
    rest = (N_FRAMES - shortest) // 3
    lengths = [rest] * 4
    lengths[short] = shortest
    lengths[3 if short != 3 else 0] += N_FRAMES - sum(lengths)
    return Timeline(colours, tuple(lengths), asked)


def write_clip(path: Path, colours: Sequence[str], *, side: int = SIDE, codec: str = "mpeg4") -> None:
    """Write a video that shows these colours, one a frame."""
    pictures = {colour: _picture(colour, side) for colour in set(colours)}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FRAMES_PER_S)
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, FRAMES_PER_S)
        stream.bit_rate = 400_000
        for number, colour in enumerate(colours):
            frame = av.VideoFrame.from_ndarray(pictures[colour], format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _picture(colour: str, side: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    picture = np.full((side, side, 3), BACKGROUND, dtype=np.uint8)
    picture[side // 8 : -side // 8, side // 8 : -side // 8] = COLOURS[colour]
    return picture


def write_clips(folder: Path, n_clips: int, *, seed: int = 0) -> Path:
    """Write clips with their rows and suite; gives the suite's file."""
    dice = random.Random(seed)
    videos = folder / "videos"
    videos.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(n_clips):
        drawn = timeline(dice)
        name = f"clip_{number:04}.mp4"
        write_clip(videos / name, drawn.frames)
        rows.append(_row(number, name, drawn, dice))
    (folder / "clips.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    suite = folder / "clips.toml"
    suite.write_text(SUITE, encoding="utf-8")
    return suite


def _row(number: int, name: str, drawn: Timeline, dice: random.Random) -> dict[str, object]:
    options = list(drawn.colours)
    dice.shuffle(options)
    return {
        "id": f"clip-{number:04}",
        "video": name,
        "question": f"Which colour came {PLACES[drawn.asked]}?",
        "options": options,
        "answer": "ABCD"[options.index(drawn.colours[drawn.asked])],
        "frames_needed": drawn.frames_needed,
    }
