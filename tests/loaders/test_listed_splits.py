"""Splits that a file beside the rows lists: only the listed rows are loaded, from folders and from packages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.loaders import load_suite, load_task
from harness.suites import LoadedTask
from tests.support.stand_in_packages import write_package

SUITE = """
name = "listed"
version = "1"
title = "Listed"

[[tasks]]
name = "quiz"
prompt = "{question}"
scorer = { name = "text" }

[tasks.dataset]
path = "stand-in-quiz"
source = "%s"
revision = "1.2"
local = "quiz/rows.json"
split = "%s"
split_file = "quiz/splits.json"
fields = { id = "name", question = "q", target = "a" }
"""
ROWS = json.dumps([{"name": name, "q": f"{name}?", "a": name} for name in ("one", "two", "three", 4)]).encode()
SPLITS = json.dumps({"base": ["three", "one", "4", "nobody"], "small": ["two"], "broken": "two"}).encode()


def loaded(folder: Path, source: str, split: str) -> LoadedTask:
    (folder / "listed.toml").write_text(SUITE % (source, split))
    path = folder / "listed.toml"
    return load_task(load_suite(str(path)).tasks[0], suite_path=path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "quiz").mkdir()
    (tmp_path / "quiz" / "rows.json").write_bytes(ROWS)
    (tmp_path / "quiz" / "splits.json").write_bytes(SPLITS)
    return tmp_path


def test_only_rows_that_the_split_lists_are_loaded(folder: Path) -> None:
    assert [sample.sample_id for sample in loaded(folder, "files", "base").samples] == ["one", "three", "4"]
    assert [sample.sample_id for sample in loaded(folder, "files", "small").samples] == ["two"]


def test_a_package_carries_its_splits_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"quiz/rows.json": ROWS, "quiz/splits.json": SPLITS}
    monkeypatch.syspath_prepend(str(write_package(tmp_path / "site", "stand-in-quiz", "1.2", files)))
    assert [sample.sample_id for sample in loaded(tmp_path, "package", "small").samples] == ["two"]
    (tmp_path / "site" / "quiz" / "splits.json").write_text('{"small": ["one"]}')
    with pytest.raises(InputError, match="was changed after it was installed"):
        loaded(tmp_path, "package", "small")


def test_a_split_that_is_not_listed_is_an_error_and_not_the_whole_file(folder: Path) -> None:
    with pytest.raises(InputError, match="lists no split 'tests'; it has base, small, broken"):
        loaded(folder, "files", "tests")
    with pytest.raises(InputError, match="lists no split 'broken'"):
        loaded(folder, "files", "broken")
    (folder / "quiz" / "splits.json").write_text("{")
    with pytest.raises(InputError, match="file of splits cannot be read"):
        loaded(folder, "files", "base")
    (folder / "quiz" / "splits.json").unlink()
    with pytest.raises(InputError, match="is not on this machine") as missing:
        loaded(folder, "files", "base")
    assert "quiz/splits.json" in (missing.value.where or "")
