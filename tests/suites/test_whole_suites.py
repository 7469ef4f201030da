"""Whole suites end to end: images over HTTP, a suite of a user, 27 tasks at once, an index of seven suites."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows, score_rows, transcript_rows
from harness.models import parse_model
from harness.pricing.price_files import load_price_book
from harness.reports.facts.assembly import spend_report
from harness.runner import RunSpec, prepare_run
from tests.support.loopback import CHAT_ANSWER, Reply, Seen, serve
from tests.support.runs import number_suite, run
from tests.support.shared_data import shared
from tests.support.stand_ins import write_stand_ins

NEXTQA = """
name = "nextqa_text"
version = "1"
title = "NExT-QA without its videos"

[[tasks]]
name = "nextqa_text"
prompt = \"\"\"
A question about a video of {frames} frames that you cannot see. Guess; the last line must be Answer: <letter>

{question}?

{choices}\"\"\"
max_output_tokens = 1024

[tasks.scorer]
name = "multiple_choice"

[tasks.dataset]
source = "files"
path = "doc-doc/NExT-QA"
revision = "6b92588ab4496268fa1caab9414a8b998ee063c5"
local = "nextqa/val_first20.csv"
target_form = "index"

[tasks.dataset.fields]
id = ["video", "qid"]
question = "question"
choices = ["a0", "a1", "a2", "a3", "a4"]
target = "answer"
frames = "frame_count"
"""


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def images_of(seen: Seen) -> list[bytes]:
    """The images of a request, as the server decodes them from its content parts."""
    found = []
    for part in seen.body["messages"][-1]["content"]:
        if part["type"] == "image_url":
            head, _, data = part["image_url"]["url"].partition(",")
            assert head == "data:image/png;base64"
            found.append(base64.b64decode(data, validate=True))
    return found


@pytest.mark.parametrize("model", ["openai/gpt-4o", "openai-compatible/any"])
async def test_images_arrive_as_content_parts_with_their_bytes_where_the_question_names_them(
    sqlite: Ledger, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    folder = shared("data/questions/mmmu_pro")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    said = {"role": "assistant", "content": "It is plain to see.\nAnswer: A"}
    async with serve() as server:
        server.always = Reply(body={**CHAT_ANSWER, "choices": [{"index": 0, "finish_reason": "stop", "message": said}]})
        await asyncio.to_thread(
            run, "mmmu_pro", [model], sqlite, base_url=f"{server.url}/v1", data_dir=folder.parent, concurrency=1
        )
    rows = [json.loads(line) for line in (folder / "sample.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(server.seen) == len(rows) == 3
    sent = {tuple(images_of(seen)) for seen in server.seen}
    assert sent == {tuple((folder / "images" / name).read_bytes() for name in row["images"]) for row in rows}
    louis = next(seen for seen in server.seen if "Louis Black" in json.dumps(seen.body))
    before, image, after = louis.body["messages"][-1]["content"]
    assert (before["type"], image["type"], after["type"]) == ("text", "image_url", "text")
    assert after["text"].lstrip().startswith("of Louis Black")
    right = Counter(one.value_millionths for one in score_rows(sqlite))
    assert right[1_000_000] == sum(row["answer"] == "A" for row in rows)
    stored = json.dumps([row.messages for row in transcript_rows(sqlite, "run-1")])
    assert stored.count("image/png;sha256=") == 3
    assert "base64" not in stored


def test_a_users_suite_file_makes_video_questions_into_text_questions(sqlite: Ledger, tmp_path: Path) -> None:
    folder = shared("data/questions/nextqa")
    path = tmp_path / "nextqa_text.toml"
    path.write_text(NEXTQA, encoding="utf-8")
    result = run(str(path), ["sim/reasoner", "sim/direct"], sqlite, data_dir=folder.parent)
    assert (result.status, result.warnings) == ("complete", ())
    found = list(score_rows(sqlite))
    assert len(found) == 40
    assert {one.sample_id for one in found} >= {"4010069381-6", "4882821564-1"}
    assert {one.reason for one in found} <= {None, "no_answer", "truncated"}
    shown = {str(row.messages[-1]["content"]) for row in transcript_rows(sqlite, "run-1")}
    assert any("how do the two man play the instrument?" in text and "A) roll the handle" in text for text in shown)


def test_all_27_tasks_of_big_bench_hard_run_and_are_reported_by_task(sqlite: Ledger) -> None:
    data = shared("data/questions/bbh").parent
    run("bbh", ["sim/direct"], sqlite, data_dir=data, limit=4)
    (row,) = spend_report(sqlite, load_price_book(), ["run-1"]).rows
    assert len(row.facts.tasks) == 27
    assert all(len(task.sample_ids) == 4 for task in row.facts.tasks)
    assert row.n_unscored == 0


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stand_ins(tmp_path_factory.mktemp("stand-ins"))


INDEX_WEIGHTS = {
    "mmlu_pro": 1 / 6,
    "hle": 1 / 6,
    "gpqa_diamond": 1 / 6,
    "aime_2024": 1 / 8,
    "math_500": 1 / 8,
    "scicode": 1 / 8,
    "livecodebench": 1 / 8,
}


@pytest.mark.parametrize(("epochs", "n_requests"), [(1, 16_097), (None, 19_465)])
def test_the_index_plans_its_published_number_of_requests(stand_ins: Path, epochs: int | None, n_requests: int) -> None:
    spec = RunSpec(suites=("aa_index_v2",), models=(parse_model("sim/direct"),), data_dir=stand_ins, epochs=epochs)
    prepared = prepare_run(spec, run_id="r", book=load_price_book(), now=datetime.now(UTC))
    assert len(prepared.items) == n_requests
    weights = {task.task.name: task.task.weight for task in prepared.suites[0].tasks}
    assert weights == pytest.approx(INDEX_WEIGHTS)


def test_the_index_runs_on_simulated_models_through_to_its_interval(sqlite: Ledger, stand_ins: Path) -> None:
    run(
        "aa_index_v2", ["sim/direct"], sqlite, data_dir=stand_ins, limit=3, epochs=1, unsafe_exec=True,
        judge=parse_model("sim/direct"),
    )  # fmt: skip
    (row,) = spend_report(sqlite, load_price_book(), ["run-1"]).rows
    scores = {task.task: sum(task.score_sums) / len(task.score_sums) for task in row.facts.tasks}
    assert row.score.value == pytest.approx(sum(INDEX_WEIGHTS[name] * score for name, score in scores.items()))
    low, value, high = row.score.ci_low, row.score.value, row.score.ci_high
    assert low is not None and value is not None and high is not None  # noqa: PT018  # one claim: there is an interval
    assert 0 <= low < value < high <= 1
    assert row.n_unscored == 0
    assert row.facts.judge.n_attempts > 0


def invoke(*arguments: str) -> Any:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return result


@pytest.mark.parametrize("shown", [["--json"], []])
def test_the_same_run_twice_prints_the_same_report_to_the_byte_and_sends_nothing(
    tmp_path: Path, shown: list[str]
) -> None:
    db = str(tmp_path / "ledger.db")
    suite = number_suite(tmp_path, 25)
    command = ["run", suite, "-m", "sim/reasoner", "-m", "sim/flaky", "--run-id", "twice", "--db", db, *shown]
    first = invoke(*command)
    with Ledger.open(db) as ledger:
        attempts = list(attempt_rows(ledger))
    second = invoke(*command)
    assert second.stdout_bytes == first.stdout_bytes
    assert len(first.stdout_bytes) > 500
    with Ledger.open(db) as ledger:
        assert list(attempt_rows(ledger)) == attempts
