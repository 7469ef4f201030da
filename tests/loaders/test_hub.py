"""Hub data sets are asked for at their commit, kept in a cache, and refused with the way to get access."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.fake_hub import COMMIT, FakeHub, serve

REPO = "someone/questions"
LOAD = """
import json, sys
from pathlib import Path
from harness.errors import InputError
from harness.loaders import load_task
from harness.suites import Task
task = Task.model_validate_json(sys.argv[1])
try:
    loaded = load_task(task)
except InputError as error:
    print(json.dumps({"error": str(error)}))
else:
    print(json.dumps({
        "samples": [[one.sample_id, str(one.input)[:40], one.target] for one in loaded.samples],
        "images": [len(one.input) if not isinstance(one.input, str) else 0 for one in loaded.samples],
        "revision": loaded.revision, "warnings": loaded.warnings, "datasets_imported": "datasets" in sys.modules,
    }))
"""
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf"
    "c0f01f00050001ff89993d1d0000000049454e44ae426082"
)


def parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


def task(**dataset: Any) -> str:
    facts = {
        "path": REPO,
        "fields": {"id": "id", "question": "q", "target": "a"},
        "revision": COMMIT,
        **dataset,
    }
    return json.dumps({"name": "t", "prompt": "{question}", "scorer": {"name": "number"}, "dataset": facts})


def load(hub: FakeHub, folder: Path, asked: str) -> dict[str, Any]:
    """Load in a process of its own: the hub's libraries read their address when they are imported."""
    environment = {
        "PATH": os.environ["PATH"],
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(folder / "hf"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "BENCHTAB_CACHE": str(folder / "cache"),
    }
    done = subprocess.run(
        [sys.executable, "-c", LOAD, asked], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def questions() -> dict[str, bytes]:
    rows = [{"id": f"q{n}", "q": f"What is {n}?", "a": str(n), "year": 2020 + n} for n in range(5)]
    return {"data/test-00000-of-00001.parquet": parquet(rows)}


def test_a_pinned_data_set_is_asked_for_at_its_commit_and_then_comes_from_the_cache(tmp_path: Path) -> None:
    with serve(FakeHub(REPO, questions())) as hub:
        first = load(hub, tmp_path, task())
        assert [one[0] for one in first["samples"]] == ["q0", "q1", "q2", "q3", "q4"]
        assert (first["revision"], first["warnings"]) == (COMMIT, [])
        fetched = [path for path in hub.requests if ".parquet" in path and "/resolve/" in path]
        assert fetched
        assert all(COMMIT in path for path in fetched)
        hub.requests.clear()
        again = load(hub, tmp_path, task())
        assert again["samples"] == first["samples"]
        assert again["datasets_imported"] is False
        assert hub.requests == []


def test_an_unpinned_data_set_records_the_commit_it_got_and_warns(tmp_path: Path) -> None:
    with serve(FakeHub(REPO, questions())) as hub:
        found = load(hub, tmp_path, task(revision="main"))
    assert found["revision"] == COMMIT
    assert found["warnings"] == [f"{REPO} is not pinned: its newest commit {COMMIT} was loaded"]


def test_a_streamed_data_set_is_filtered_on_the_way(tmp_path: Path) -> None:
    with serve(FakeHub(REPO, questions())) as hub:
        found = load(hub, tmp_path, task(streaming=True, filters={"year": {"from": 2022, "to": 2023}}))
    assert [one[0] for one in found["samples"]] == ["q2", "q3"]


def test_images_of_a_hub_data_set_survive_the_cache(tmp_path: Path) -> None:
    rows = [{"id": "q", "q": "What is <image 1>?", "a": "1", "image_1": {"bytes": PIXEL, "path": "a.png"}}]
    fields = {"id": "id", "question": "q", "target": "a", "images": ["image_1", "image_2"]}
    with serve(FakeHub(REPO, {"data/test-00000-of-00001.parquet": parquet(rows)})) as hub:
        for _ in range(2):
            assert load(hub, tmp_path, task(fields=fields))["images"] == [3]


def test_a_gated_data_set_says_how_to_get_access_and_where_files_may_lie(tmp_path: Path) -> None:
    access = "accept the conditions and set HF_TOKEN, or put test.jsonl into DIR/gated/"
    with serve(FakeHub(REPO, questions(), gated=True)) as hub:
        found = load(hub, tmp_path, task(gated=True, access=access, local="gated/test.jsonl"))
        assert len(hub.requests) < 5
    assert "is gated and could not be loaded" in found["error"]
    assert access in found["error"]


def test_without_a_network_the_error_is_quick_and_names_the_local_files(tmp_path: Path) -> None:
    hub = FakeHub(REPO, {})
    hub.url = "http://127.0.0.1:9"
    found = load(hub, tmp_path, task(local="questions/test.jsonl"))
    assert "could not be loaded from the hub" in found["error"]
    assert "questions/test.jsonl" in found["error"]
