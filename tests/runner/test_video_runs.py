"""Runs over videos: frames in order before the question, a row for each choice of them, and videos that break late."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from benchmarks.generated_clips import write_clips
from harness.errors import InputError
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.loaders.suite_files import framed, load_suite
from harness.loaders.tasks import load_task
from harness.messages import Clip
from harness.pricing.price_files import load_price_book
from harness.reports.facts.assembly import spend_report
from harness.runner.options.frame_options import frames_of, parse_frames
from harness.suites.suite import Frames
from tests.support.answering import answering, chat, priced
from tests.support.runs import run


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_clips(tmp_path_factory.mktemp("clips"), 12, seed=1))


def clips(suite: str, frames: Frames) -> dict[str, Clip]:
    loaded = load_task(framed(load_suite(suite), frames).tasks[0], suite_path=Path(suite))
    return {str(sample.input[1]): sample.input[0] for sample in loaded.samples if isinstance(sample.input[0], Clip)}


def test_frames_reach_a_server_in_the_order_of_the_video_before_the_question(suite: str, tmp_path: Path) -> None:
    with answering(lambda _: (200, chat("Answer: A"))) as asked, Ledger.open(tmp_path / "l.db", create=True) as ledger:
        made = run(
            suite,
            ["openai-compatible/m"],
            ledger,
            base_url=asked.url,
            book=priced(tmp_path),
            frames="4",
            limit=3,
        )
    assert made.exit_code == 0
    expected = clips(suite, Frames(count=4))
    assert len(asked.bodies) == 3
    for body in asked.bodies:
        (message,) = body["messages"]
        *images, question = message["content"]
        urls = [image["image_url"]["url"] for image in images]
        shown = [base64.b64decode(url.removeprefix("data:image/jpeg;base64,")) for url in urls]
        assert shown == [part.data for part in expected[question["text"]].frames()]


def test_each_choice_of_frames_is_a_row_of_its_own_and_dearer_with_more(suite: str, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db", create=True) as ledger:
        for frames in (None, "4", "every=6"):
            assert run(suite, ["sim/direct"], ledger, run_id=f"run-{frames}", frames=frames).exit_code == 0
        report = spend_report(ledger, load_price_book())
        plans = {each.plan_sha256 for each in ledger.runs()}
        planned = {one.sample_sha256 for each in ledger.runs() for one in ledger.planned(each.run_id)}
        kept = {each.run_id: each.suites[0].tasks[0].frames for each in ledger.runs()}
    rows = {row.facts.suite: row for row in report.rows}
    assert set(rows) == {"clips.8-frames", "clips.4-frames", "clips.every-6"}
    tokens = {name: row.facts.solve.tokens.entered_tokens for name, row in rows.items()}
    assert tokens["clips.8-frames"] - tokens["clips.4-frames"] == 12 * 4 * 255
    assert tokens["clips.8-frames"] == tokens["clips.every-6"], "48 frames, every sixth"
    assert len(plans) == 3
    assert len(planned) == 36
    assert kept == {
        "run-None": {"count": 8, "longest_side": 64, "per_clip": 8.0},
        "run-4": {"count": 4, "longest_side": 64, "per_clip": 4.0},
        "run-every=6": {"every": 6, "at_most": 64, "longest_side": 64, "per_clip": 8.0},
    }


def test_a_run_does_not_go_on_with_other_frames(suite: str, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db", create=True) as ledger:
        run(suite, ["sim/direct"], ledger, frames="4", limit=2)
        with pytest.raises(InputError):
            run(suite, ["sim/direct"], ledger, frames="8", limit=2)
        assert run(suite, ["sim/direct"], ledger, frames="4", limit=2).exit_code == 0


def test_answers_to_other_frames_are_not_reused(suite: str, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db", create=True) as ledger:
        for number, frames in enumerate(("4", "4", "8")):
            run(suite, ["sim/direct"], ledger, run_id=f"run-{number}", frames=frames, limit=3, reuse=True)
        statuses = [[row.status for row in attempt_rows(ledger, [f"run-{number}"])] for number in range(3)]
    assert statuses == [["succeeded"] * 3, ["reused"] * 3, ["succeeded"] * 3]


def test_too_few_frames_leave_a_simulated_model_to_guess(suite: str, tmp_path: Path) -> None:
    scores = {}
    with Ledger.open(tmp_path / "l.db", create=True) as ledger:
        for frames in ("4", "16"):
            run(suite, ["sim/reasoner@high"], ledger, run_id=frames, frames=frames, epochs=2)
        for row in spend_report(ledger, load_price_book()).rows:
            scores[row.facts.suite] = row.score.value or 0.0
    assert scores["clips.4-frames"] < scores["clips.16-frames"]


def test_a_video_that_breaks_behind_its_header_fails_its_sample_alone(tmp_path: Path) -> None:
    suite = write_clips(tmp_path, 4)
    broken = tmp_path / "videos" / "clip_0002.mp4"
    content = bytearray(broken.read_bytes())
    start = content.index(b"mdat") + 4
    size = int.from_bytes(content[start - 8 : start - 4]) - 8
    content[start + size // 2 : start + size] = b"\xff" * (size - size // 2)
    broken.write_bytes(bytes(content))
    with Ledger.open(tmp_path / "l.db", create=True) as ledger:
        made = run(str(suite), ["sim/direct"], ledger, max_failed=0.5)
        failed = [row for row in attempt_rows(ledger, ["run-1"]) if row.status == "failed"]
    assert made.exit_code == 0
    assert len(failed) == 1
    assert "clip_0002.mp4" in (failed[0].error_message or "")
    assert failed[0].billed == "no"


def test_frames_for_a_suite_without_videos_are_refused(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db", create=True) as ledger, pytest.raises(InputError) as refused:
        run("starter", ["sim/direct"], ledger, frames="8")
    assert "no task shows a video" in str(refused.value)


@pytest.mark.parametrize(
    ("typed", "choice"),
    [("8", Frames(count=8)), (" 08 ", Frames(count=8)), ("every=2", Frames(every=2)), ("EVERY=3", Frames(every=3))],
)
def test_a_choice_of_frames_is_read_as_typed(typed: str, choice: Frames) -> None:
    assert frames_of(parse_frames(typed)) == choice


@pytest.mark.parametrize("typed", ["0", "-1", "every=0", "8.5", "all", "", "513", "every", "8,16"])
def test_what_is_no_choice_of_frames_is_refused(typed: str) -> None:
    with pytest.raises(InputError):
        parse_frames(typed)
