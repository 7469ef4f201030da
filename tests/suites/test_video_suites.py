"""MVBench and MLVU on stand-ins in their own layouts: every task finds its rows and its videos, and is scored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.generated_clips import write_clip
from harness.ledger import Ledger
from harness.loaders.suite_files import load_suite
from harness.loaders.tasks import load_task
from harness.loaders.video_decoding import Stretch, decoded_frames
from harness.messages import Clip
from harness.pricing.price_files import load_price_book
from harness.reports.facts.assembly import spend_report
from harness.scorers import SCORERS
from harness.suites.suite import Frames, Task
from tests.support.runs import run

COLOURS = ["red"] * 8 + ["blue"] * 8
STATED: Mapping[str, Mapping[str, object]] = {
    "mvbench": {"question": "What comes first?", "candidates": ["red", "blue"], "answer": "red"},
    "mlvu": {"question": "What comes last?", "candidates": ["red", "blue"], "answer": "blue", "duration": 1.6},
    "mlvu_open": {"question": "What is shown?", "answer": "a red square, then a blue one", "duration": 1.6},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one row for every task, laid out as the data sets are."""
    folder = tmp_path_factory.mktemp("data")
    clip = folder / "clip.mp4"
    write_clip(clip, COLOURS)
    pictures = [part.data for part in decoded_frames(clip, Stretch(), Frames(every=1))]
    for suite, stated in STATED.items():
        for task in load_suite(suite).tasks:
            _lay_out(folder, suite.removesuffix("_open"), task, stated, clip, pictures)
    return folder


def _lay_out(
    folder: Path, root: str, task: Task, stated: Mapping[str, object], clip: Path, pictures: list[bytes]
) -> None:
    rows = folder / task.dataset.local_places[0]
    rows.parent.mkdir(parents=True, exist_ok=True)
    videos = folder / root / "video" / task.dataset.video_folders[-1]
    videos.mkdir(parents=True, exist_ok=True)
    row = {"video": f"{task.name}.mp4", **stated}
    if task.name == "episodic_reasoning":
        row |= {"video": task.name, "start": 1.0, "end": 4.0, "fps": 3}
        (videos / task.name).mkdir()
        for number, picture in enumerate(pictures, start=1):
            (videos / task.name / f"{number:05}.jpg").write_bytes(picture)
    else:
        (videos / f"{task.name}.mp4").write_bytes(clip.read_bytes())
    rows.write_text(json.dumps([row]))


@pytest.mark.parametrize("name", STATED)
def test_every_task_finds_its_rows_and_videos_in_the_published_layout(name: str, data: Path) -> None:
    for task in load_suite(name).tasks:
        (sample,) = load_task(task, data_dir=data).samples
        assert isinstance(sample.input, tuple)
        clip, text = sample.input
        assert isinstance(clip, Clip)
        assert str(STATED[name]["question"]) in str(text)
        expected = {"mvbench": "A", "mlvu": "B", "mlvu_open": STATED[name]["answer"]}
        assert sample.target == expected[name]
        assert len(clip.frames()) == clip.n_frames == (8 if name == "mvbench" else 16)
        assert SCORERS[task.scorer.name].check_target(sample) is None


def test_mvbench_shows_the_stated_part_of_a_video(data: Path) -> None:
    (task,) = [task for task in load_suite("mvbench").tasks if task.name == "episodic_reasoning"]
    (sample,) = load_task(task, data_dir=data).samples
    assert isinstance(sample.input[0], Clip)
    assert sample.input[0].n_frames == 8
    assert "1-4 s" in sample.input[0].described


def test_mvbench_runs_whole_on_a_simulated_model_and_is_a_row_of_its_frames(data: Path, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db", create=True) as ledger:
        assert run("mvbench", ["sim/direct"], ledger, data_dir=data, frames="4").exit_code == 0
        (row,) = spend_report(ledger, load_price_book()).rows
    assert row.facts.suite == "mvbench.4-frames"
    assert row.n_samples == 20
    assert {task.task for task in row.facts.tasks} == {task.name for task in load_suite("mvbench").tasks}


def test_the_tasks_of_mlvu_weigh_the_same() -> None:
    weights = [task.weight for task in load_suite("mlvu").tasks]
    assert weights == [1 / 7] * 7
    assert [task.scorer.name for task in load_suite("mlvu_open").tasks] == ["judge"] * 2
