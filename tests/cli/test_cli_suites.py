"""The suites commands show sizes, sources and prompts, and tell every mistake of a file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from harness.cli import suites
from harness.errors import InputError
from harness.loaders import suite_file
from tests.suites.test_suites import GOOD


def run(*arguments: str) -> Result:
    app = typer.Typer()
    suites.register(app)
    return CliRunner().invoke(app, ["suites", *arguments], env={"COLUMNS": "200"})


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    (tmp_path / "tiny.toml").write_text(GOOD)
    rows = [{"q": f"What is {n} + 1?", "a": str(n + 1)} for n in range(40)]
    (tmp_path / "tiny.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "tiny.toml"


def test_list_names_every_shipped_suite() -> None:
    found = {row["suite"]: row for row in json.loads(run("list", "--json").stdout)}
    assert found["gsm8k"]["n_samples"] == 1319
    assert found["bbh"] | {"sha256": ""} == found["bbh"] | {"n_tasks": 27, "n_samples": 6511, "sha256": ""}
    assert found["gpqa_diamond"]["gated"] is True
    assert found["aa_index_v2"]["n_samples"] == 16_097


def test_show_prints_tasks_sizes_sources_tokens_and_the_first_prompt(tiny: Path) -> None:
    found = run("show", str(tiny))
    assert found.exit_code == 0
    assert "sums" in found.stdout
    assert "What is 0 + 1?" in found.stdout
    assert "local:" in found.stdout
    facts = json.loads(run("show", str(tiny), "--json").stdout)
    (task,) = facts["tasks"]
    assert (task["n_samples"], task["n_requests"]) == (40, 40)
    assert 40 * 6 < task["input_tokens"] < 40 * 30
    assert len(facts["sha256"]) == 64


def test_show_of_a_suite_whose_data_is_elsewhere_says_so_and_still_shows_its_size(tmp_path: Path) -> None:
    found = run("show", "arc_agi_2", "--json", "--data", str(tmp_path))
    (task,) = json.loads(found.stdout)["tasks"]
    assert (task["n_samples"], task["input_tokens"]) == (120, None)
    assert "is not on this machine" in task["problem"]


def test_check_of_a_good_suite_counts_its_samples(tiny: Path) -> None:
    found = run("check", str(tiny))
    assert found.exit_code == 0
    assert "1 task, 40 samples checked, no mistakes" in found.stdout


def test_check_tells_every_mistake_of_the_file(tiny: Path) -> None:
    tiny.write_text(GOOD.replace('"number"', '"nmber"').replace("{question}", "{qestion}"))
    found = run("check", str(tiny))
    assert isinstance(found.exception, InputError)
    assert [finding.where for finding in found.exception.findings] == ["tasks.sums.scorer.name", "tasks.sums.prompt"]


def test_check_tells_every_bad_row_of_the_data(tiny: Path) -> None:
    (tiny.parent / "tiny.jsonl").write_text('{"q": "1+1?", "a": "two"}\n{"q": "2+2?", "a": "4"}\n{"q": ""}\n')
    found = run("check", str(tiny))
    assert isinstance(found.exception, InputError)
    assert [finding.where.rpartition("/")[2] for finding in found.exception.findings] == [
        "tiny.jsonl row 1 field 'target'",
        "tiny.jsonl row 3 field 'question'",
        "tiny.jsonl row 3 field 'target'",
    ]


def test_check_of_a_suite_without_its_data_says_that_the_data_was_not_checked(tiny: Path) -> None:
    (tiny.parent / "tiny.jsonl").unlink()
    found = run("check", str(tiny))
    assert found.exit_code == 0
    assert f"looked in {tiny.parent}" in found.stderr
    assert "0 samples checked, no mistakes in the file; the data of sums was not checked" in found.stdout


def test_a_file_with_mistakes_everywhere_shows_each_of_them_at_once(tmp_path: Path) -> None:
    """A wrong number hid the wrong scorer, the wrong placeholder and the missing data of the same task."""
    file = tmp_path / "mine.toml"
    file.write_text(
        """
        name = "mine"
        version = 1
        titel = "Mine"
        [[tasks]]
        name = "a"
        prompt = "{questin}"
        max_output_tokens = "many"
        dataset = {path = "mine", source = "files", local = "none.jsonl", fields = {question = "q", target = "a"}}
        scorer = {name = "nubmer"}
        """
    )
    found = run("check", str(file))
    assert isinstance(found.exception, InputError)
    said = {finding.where: finding.message for finding in found.exception.findings}
    assert said["version"] == "must be a text in quotes (got 1)"
    assert said["title"] == "is missing"
    assert said["titel"] == "is not a known key; similar: title"
    assert said["tasks[1].max_output_tokens"] == "must be a whole number, without quotes (got 'many')"
    assert said["tasks.a.scorer.name"].startswith("unknown scorer 'nubmer'; similar: number")
    assert said["tasks.a.prompt"].startswith("{questin} is none of")
    assert "not on this machine" in said["tasks.a.dataset"]
    assert len(said) == 7


def test_the_name_of_a_file_beside_one_is_told_with_how_to_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").touch()
    with pytest.raises(InputError, match=r"write \./mine\.toml"):
        suite_file("mine")
    with pytest.raises(InputError, match=r"similar: mine\.toml"):
        suite_file("./min.toml")


def test_a_shipped_suite_is_checked_by_its_name() -> None:
    found = run("check", "workbench")
    assert found.exit_code == 0
    assert "2 tasks, 40 samples checked, no mistakes" in found.stdout
    assert "similar: workbench" in str(run("check", "workbnch").exception)


def test_the_first_message_of_a_conversation_is_not_taken_for_all_its_tokens() -> None:
    tools, user = json.loads(run("show", "workbench", "--json").stdout)["tasks"]
    for task in (tools, user):
        assert (task["n_samples"], task["n_requests"], task["input_tokens"]) == (20, None, None)
    assert "a sample is a conversation of many requests" in run("show", "workbench").stdout


@pytest.mark.parametrize(
    ("solver", "said"),
    [
        ('{ name = "tools", environment = "workbnch" }', "there is no environment 'workbnch'"),
        ('{ name = "tools" }', "solver tools needs `environment`"),
        ('{ name = "single_turn" }', "scorer `environment` needs a solver with an environment"),
    ],
)
def test_check_tells_what_a_run_would_refuse_of_a_solver(solver: str, said: str, tiny: Path) -> None:
    asked = f'scorer = {{ name = "environment" }}\nsolver = {solver}'
    tiny.write_text(re.sub(r"^scorer = .*$", asked, GOOD, flags=re.MULTILINE))
    found = run("check", str(tiny))
    assert isinstance(found.exception, InputError)
    assert any(said in finding.message for finding in found.exception.findings)
