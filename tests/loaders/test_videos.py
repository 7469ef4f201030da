"""Videos: the frames that are shown, what stands for them in digests, and files that are damaged or mean harm."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.generated_clips import COLOURS, SUITE, write_clip, write_clips
from harness.errors import InputError
from harness.loaders.suite_files import framed, load_suite
from harness.loaders.tasks import load_task
from harness.messages import Clip, ImagePart
from harness.runner.plan import sample_sha256
from harness.suites.image_sizes import image_size
from harness.suites.sample import LoadedTask, Sample
from harness.suites.suite import Frames


def load(suite: Path, frames: Frames | None = None) -> LoadedTask:
    return load_task(framed(load_suite(str(suite)), frames).tasks[0], suite_path=suite)


def clip_of(sample: Sample) -> Clip:
    assert isinstance(sample.input, tuple)
    clip, text = sample.input
    assert isinstance(clip, Clip)
    assert isinstance(text, str)
    return clip


def picture(part: ImagePart) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    codec = av.CodecContext.create("mjpeg", "r")
    assert isinstance(codec, av.VideoCodecContext)
    (frame,) = [*codec.decode(av.Packet(part.data)), *codec.decode(None)]
    return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)


def colour(part: ImagePart) -> str:
    shown = picture(part)
    middle = shown[shown.shape[0] // 4 : -shown.shape[0] // 4, shown.shape[1] // 4 : -shown.shape[1] // 4]
    mean = middle.reshape(-1, 3).mean(axis=0)
    return min(COLOURS, key=lambda name: float(np.abs(mean - np.array(COLOURS[name])).sum()))


def counting_clip(path: Path, n_frames: int, *, size: tuple[int, int] = (64, 32), rate: int = 10) -> None:
    """Write a video whose frames carry their numbers, as eight stripes, black or white."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.gop_size = 5
        for number in range(n_frames):
            stripes = np.array([255 * (number >> bit & 1) for bit in range(8)], dtype=np.uint8)
            row = stripes.repeat(size[0] // 8)[:, None]
            shown = np.ascontiguousarray(np.broadcast_to(row, (size[1], size[0], 3)))
            frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def numbers(parts: Sequence[ImagePart]) -> list[int]:
    stripes = [picture(part).mean(axis=(0, 2)).reshape(8, -1).mean(axis=1) > 127 for part in parts]
    return [sum(1 << bit for bit in range(8) if shown[bit]) for shown in stripes]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "videos").mkdir()
    (tmp_path / "clips.toml").write_text(SUITE)
    return tmp_path


@pytest.fixture
def rows(folder: Path) -> Callable[..., Path]:
    """Write rows that ask about videos; gives the suite's file."""

    def write(*videos: dict[str, object], suite: str = SUITE) -> Path:
        asked = {"question": "Which?", "options": ["red", "blue"], "answer": "A", "frames_needed": 1}
        lines = [json.dumps({"id": f"{number}", **asked, **video}) for number, video in enumerate(videos)]
        (folder / "clips.jsonl").write_text("\n".join(lines))
        path = folder / "clips.toml"
        path.write_text(suite)
        return path

    return write


STRETCHES = SUITE.replace('video = "video"', 'video = "video"\nvideo_start = "start"\nvideo_end = "end?"')


def test_the_answer_can_be_read_off_the_frames_in_their_order_when_there_are_enough(tmp_path: Path) -> None:
    suite = write_clips(tmp_path, 16, seed=3)
    seen_at = {}
    for count in (4, 16):
        for sample in load(suite, Frames(count=count)).samples:
            shown = [name for name, _ in groupby(map(colour, clip_of(sample).frames()))]
            place = ["first", "second", "third", "fourth"].index(str(sample.input).split(" came ")[1].split("?")[0])
            answer = (sample.choices or ())["ABCD".index(sample.target)]
            seen_at[count, sample.sample_id] = shown[place : place + 1] == [answer]
            if count >= sample.metadata["frames_needed"]:
                assert shown[place] == answer, (count, sample.sample_id)
    assert not all(right for (count, _), right in seen_at.items() if count == 4), "four frames miss short squares"


def test_so_many_frames_stand_at_the_centres_of_equal_spans(folder: Path, rows: Callable[..., Path]) -> None:
    counting_clip(folder / "videos" / "count.mp4", 40)
    (sample,) = load(rows({"video": "count.mp4"}), Frames(count=4)).samples
    assert numbers(clip_of(sample).frames()) == [5, 15, 25, 35]
    (sample,) = load(rows({"video": "count.mp4"}), Frames(count=1)).samples
    assert numbers(clip_of(sample).frames()) == [20]


def test_long_ways_are_jumped_over_to_the_same_frames(folder: Path, rows: Callable[..., Path]) -> None:
    counting_clip(folder / "videos" / "long.mp4", 60, rate=1)
    (sample,) = load(rows({"video": "long.mp4"}), Frames(count=3)).samples
    assert numbers(clip_of(sample).frames()) == [10, 30, 50]


def test_a_frame_is_never_shown_twice(folder: Path, rows: Callable[..., Path]) -> None:
    counting_clip(folder / "videos" / "short.mp4", 3)
    (sample,) = load(rows({"video": "short.mp4"}), Frames(count=8)).samples
    assert numbers(clip_of(sample).frames()) == [0, 1, 2]
    assert clip_of(sample).n_frames == 3
    assert clip_of(sample).most_frames == 8


def test_every_second_frame_and_no_more_than_may_be_shown(folder: Path, rows: Callable[..., Path]) -> None:
    counting_clip(folder / "videos" / "count.mp4", 11)
    suite = rows({"video": "count.mp4"})
    (sample,) = load(suite, Frames(every=2)).samples
    assert numbers(clip_of(sample).frames()) == [0, 2, 4, 6, 8, 10]
    assert clip_of(sample).n_frames == 6
    with pytest.raises(InputError) as refused:
        load(suite, Frames(every=2, at_most=5))
    assert "every 2. frame would be 6 frames, and at most 5" in refused.value.findings[0].message


def test_a_part_of_a_video_is_shown_where_rows_state_seconds(folder: Path, rows: Callable[..., Path]) -> None:
    counting_clip(folder / "videos" / "count.mp4", 40)
    suite = rows(
        {"video": "count.mp4", "start": 1.0, "end": 2.0}, {"video": "count.mp4", "start": "3"}, suite=STRETCHES
    )
    part, rest = load(suite, Frames(count=2)).samples
    assert numbers(clip_of(part).frames()) == [12, 17]
    assert numbers(clip_of(rest).frames()) == [32, 37]
    assert part.sample_id != rest.sample_id
    (every, _) = load(suite, Frames(every=4)).samples
    assert numbers(clip_of(every).frames()) == [10, 14, 18]


def test_frames_are_scaled_down_and_never_up(folder: Path, rows: Callable[..., Path]) -> None:
    counting_clip(folder / "videos" / "wide.mp4", 4, size=(256, 128))
    counting_clip(folder / "videos" / "small.mp4", 4, size=(32, 48))
    wide, small = load(rows({"video": "wide.mp4"}, {"video": "small.mp4"}), Frames(count=2)).samples
    assert [image_size(part.data) for part in clip_of(wide).frames()] == [(64, 32)] * 2
    assert clip_of(wide).frame_size == (64, 32)
    assert [image_size(part.data) for part in clip_of(small).frames()] == [(32, 48)] * 2


def test_a_folder_of_numbered_pictures_is_a_video(folder: Path, rows: Callable[..., Path]) -> None:
    counting_clip(folder / "videos" / "count.mp4", 12)
    suite = rows({"video": "count.mp4"})
    (whole,) = load(suite, Frames(every=1)).samples
    pictures = folder / "videos" / "100% of it"
    pictures.mkdir()
    for number, part in enumerate(clip_of(whole).frames(), start=7):
        (pictures / f"{number:05}.jpg").write_bytes(part.data)
    suite = rows({"video": "100% of it", "start": 1}, suite=STRETCHES)
    (sample,) = load(suite, Frames(count=3)).samples
    assert numbers(clip_of(sample).frames()) == [4, 7, 10]
    digest = sample_sha256(sample)
    (pictures / "00018.jpg").write_bytes((pictures / "00017.jpg").read_bytes())
    assert sample_sha256(load(suite, Frames(count=3)).samples[0]) != digest
    outside = folder.parent / "outside.jpg"
    outside.write_bytes((pictures / "00010.jpg").read_bytes())
    (pictures / "00010.jpg").unlink()
    (pictures / "00010.jpg").symlink_to(outside)
    with pytest.raises(InputError) as refused:
        load(suite)
    assert "leads out of its folder" in refused.value.findings[0].message
    (pictures / "00010.jpg").unlink()
    with pytest.raises(InputError) as refused:
        load(suite)
    assert "numbered without a gap" in refused.value.findings[0].message


def test_samples_hold_no_pictures(tmp_path: Path) -> None:
    suite = write_clips(tmp_path, 2)
    for sample in load(suite).samples:
        clip = clip_of(sample)
        assert not [name for name in Clip.__slots__ if isinstance(getattr(clip, name), bytes)]
        first, again = clip.frames(), clip.frames()
        assert first == again
        assert first[0] is not again[0], "decoded anew, not kept"


def test_digests_follow_the_file_and_the_choice_and_not_its_place(tmp_path: Path) -> None:
    here, there = tmp_path / "a", tmp_path / "b"
    first, second = write_clips(here, 2), write_clips(there, 2)
    assert load(first).samples_sha256 == load(second).samples_sha256
    digests = [sample_sha256(sample) for sample in load(first).samples]
    assert digests == [sample_sha256(sample) for sample in load(second).samples]
    assert digests != [sample_sha256(sample) for sample in load(first, Frames(count=16)).samples]
    assert load(first).samples_sha256 != load(first, Frames(count=16)).samples_sha256
    write_clip(there / "videos" / "clip_0000.mp4", ["red"] * 20)
    changed = [sample_sha256(sample) for sample in load(second).samples]
    assert changed[0] != digests[0]
    assert changed[1] == digests[1]


def test_a_choice_of_frames_is_part_of_the_suites_name(tmp_path: Path) -> None:
    suite = write_clips(tmp_path, 1)
    assert framed(load_suite(str(suite)), None).name == "clips.8-frames"
    assert framed(load_suite(str(suite)), Frames(count=32)).name == "clips.32-frames"
    assert framed(load_suite(str(suite)), Frames(every=2)).name == "clips.every-2"
    stated = framed(load_suite(str(suite)), Frames(count=8))
    assert stated.sha256 == framed(load_suite(str(suite)), None).sha256, (
        "the suite's own choice, stated, is the same measurement"
    )


def damaged(folder: Path) -> dict[str, str]:
    """Files that cannot be shown -> what is said of each."""
    videos = folder / "videos"
    counting_clip(videos / "good.mp4", 10)
    counting_clip(folder.parent / "outside.mp4", 10)
    (videos / "text.mp4").write_text("no video at all")
    (videos / "empty.mp4").write_bytes(b"")
    (videos / "cut.mp4").write_bytes((videos / "good.mp4").read_bytes()[:200])
    (videos / "list.mp4").write_text(f"ffconcat version 1.0\nfile {folder.parent / 'outside.mp4'}\n")
    (videos / "play.mp4").write_text(f"#EXTM3U\n#EXTINF:1,\n{folder.parent / 'outside.mp4'}\n#EXT-X-ENDLIST\n")
    (videos / "pointer.mp4").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    unreadable = "cannot be read as a video"
    return {
        "text.mp4": unreadable,
        "empty.mp4": unreadable,
        "cut.mp4": unreadable,
        "list.mp4": unreadable,
        "play.mp4": unreadable,
        "pointer.mp4": "Git LFS pointer",
        "none.mp4": "is not there",
        "../../outside.mp4": "is not there",
    }


def test_a_damaged_video_is_named_with_its_file_and_row(folder: Path, rows: Callable[..., Path]) -> None:
    said = damaged(folder)
    suite = rows(*({"video": name} for name in said))
    with pytest.raises(InputError) as refused:
        load(suite)
    assert len(refused.value.findings) == len(said)
    for number, (finding, (name, message)) in enumerate(zip(refused.value.findings, said.items(), strict=True), 1):
        assert f"clips.jsonl row {number} field 'video'" in finding.where
        assert name in finding.message
        assert message in finding.message


def test_damaged_videos_can_be_left_out(folder: Path, rows: Callable[..., Path]) -> None:
    names = ["good.mp4", *damaged(folder)]
    kept = SUITE.replace('revision = "1"', 'revision = "1"\non_bad_row = "leave_out"')
    loaded = load(rows(*({"video": name} for name in names), suite=kept))
    assert [clip_of(sample).name for sample in loaded.samples] == ["good.mp4"]
    assert len([line for line in loaded.warnings if "left out" in line]) == len(names) - 1


def test_seconds_that_are_none_or_lie_outside_are_refused(folder: Path, rows: Callable[..., Path]) -> None:
    counting_clip(folder / "videos" / "count.mp4", 10)
    stated: list[dict[str, object]] = [
        {"start": 5, "end": 6},
        {"start": 0.6, "end": 0.5},
        {"start": "soon"},
        {"start": -1},
        {"start": "nan"},
    ]
    with pytest.raises(InputError) as refused:
        load(rows(*({"video": "count.mp4"} | each for each in stated), suite=STRETCHES))
    assert len(refused.value.findings) == len(stated)


def test_what_decodes_videos_is_named_where_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = write_clips(tmp_path, 1)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError) as refused:
        load(suite)
    assert "benchtab[video]" in str(refused.value.fix)


@pytest.mark.parametrize("stated", ["count = 4\nevery = 2", "count = 0", "every = 0", "longest_side = 5", "fps = 3"])
def test_a_choice_of_frames_that_is_none_is_refused_with_its_key(folder: Path, stated: str) -> None:
    path = folder / "clips.toml"
    path.write_text(SUITE.replace("count = 8\nlongest_side = 64", stated))
    with pytest.raises(InputError) as refused:
        load_suite(str(path))
    assert any("frames" in finding.where for finding in refused.value.findings)
