"""A suite file is data: a typo is an error with its key path, and every mistake is told at once."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.loaders import load_suite, read_suite
from harness.suites import Suite

GOOD = """
name = "tiny"
version = "1"
title = "Tiny"

[[tasks]]
name = "sums"
prompt = "{question}"
scorer = { name = "number" }
dataset = { path = "tiny", source = "files", local = "tiny.jsonl", fields = { question = "q", target = "a" } }
"""


def mistakes(folder: Path, text: str) -> list[tuple[str, str]]:
    path = folder / "tiny.toml"
    path.write_text(text)
    _, findings = read_suite(path)
    return [(finding.where, finding.message) for finding in findings]


def test_a_good_file_has_no_mistakes(tmp_path: Path) -> None:
    assert mistakes(tmp_path, GOOD) == []


def test_every_mistake_is_told_at_once_with_its_key_path(tmp_path: Path) -> None:
    text = """
name = "Bad Name"
titel = "Typo"
version = "1"
title = "Bad"

[[tasks]]
name = "a"
prompt = "{qestion} {choices}"
epochs = 0
scorer = { name = "number" }
dataset = { path = "x", fields = { question = "q" } }

[[tasks]]
name = "b"
prompt = "no placeholder"
shuffle_options_seed = 1
scorer = { name = "guess" }
dataset = { path = "x", fields = { question = "q" }, filters = { day = { after = 1 } } }

[[tasks]]
name = "c"
prompt = "{question}"
scorer = { name = "number", options = { tolerence = 1, find = ["nowhere"] } }
dataset = { path = "x", target_form = "first_choice", fields = { question = "q" } }
"""
    places = [where for where, _ in mistakes(tmp_path, text)]
    assert places == [
        "name",
        "tasks[1].epochs",
        "titel",
        "tasks.a.prompt",
        "tasks.a.dataset.fields",
        "tasks.b.scorer.name",
        "tasks.b.prompt",
        "tasks.b.shuffle_options_seed",
        "tasks.b.dataset.filters.day",
        "tasks.c.scorer.options.find",
        "tasks.c.scorer.options.tolerence",
        "tasks.c.shuffle_options_seed",
    ]


def test_an_unknown_placeholder_is_a_mistake(tmp_path: Path) -> None:
    (where, message), *_ = mistakes(tmp_path, GOOD.replace("{question}", "{qestion}"))
    assert where == "tasks.sums.prompt"
    assert "{qestion} is none of dataset.fields" in message


def test_broken_toml_is_one_mistake_with_its_line(tmp_path: Path) -> None:
    ((where, message),) = mistakes(tmp_path, "name = \n")
    assert where.endswith("tiny.toml")
    assert "line 1" in message


@pytest.mark.parametrize(
    "text", ["tasks = 5", 'tasks = "x"', "tasks = [1, 2]", "defaults = 3", "[[tasks]]\ndataset = 1", ""]
)
def test_a_file_of_another_shape_is_refused_without_a_crash(tmp_path: Path, text: str) -> None:
    assert mistakes(tmp_path, text)


def test_a_digest_cannot_be_written_by_hand(tmp_path: Path) -> None:
    assert mistakes(tmp_path, 'sha256 = "00"\n' + GOOD)[0][0] == "sha256"


def test_the_digest_changes_with_the_meaning_and_not_with_the_layout(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        (tmp_path / "tiny.toml").write_text(text)
        return load_suite(str(tmp_path / "tiny.toml")).sha256

    first = digest(GOOD)
    assert digest("# a comment\n" + GOOD) == first
    assert digest(GOOD.replace('title = "Tiny"', 'title = "Very small"')) == first
    assert digest(GOOD.replace('prompt = "{question}"', 'prompt = "{question}!"')) != first
    assert digest(GOOD.replace('version = "1"', 'version = "2"')) != first


def test_defaults_are_laid_under_every_task(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(
        """
name = "two"
version = "1"
title = "Two"

[defaults]
prompt = "{question}"
scorer = { name = "text", options = { leading_letter = true } }
dataset = { path = "two", source = "files", fields = { question = "q", target = "a" } }

[[tasks]]
name = "first"
dataset = { local = "first.jsonl" }

[[tasks]]
name = "second"
scorer = { name = "number" }
dataset = { local = "second.jsonl" }
"""
    )
    first, second = load_suite(str(tmp_path / "two.toml")).tasks
    assert (first.dataset.path, first.dataset.local) == ("two", "first.jsonl")
    assert first.scorer.options == {"leading_letter": True}
    assert (second.scorer.name, second.scorer.options) == ("number", {})


def test_the_index_has_the_published_weights_repeats_and_sizes() -> None:
    index = load_suite("aa_index_v2")
    assert index.is_index
    found = {task.name: (task.weight, task.epochs, task.dataset.expected_rows) for task in index.tasks}
    assert found == {
        "mmlu_pro": (1 / 6, 1, 12_032),
        "hle": (1 / 6, 1, 2_684),
        "gpqa_diamond": (1 / 6, 5, 198),
        "aime_2024": (1 / 8, 10, 30),
        "math_500": (1 / 8, 3, 500),
        "scicode": (1 / 8, 3, 338),
        "livecodebench": (1 / 8, 3, 315),
    }
    assert sum(Fraction(member.weight).limit_denominator(100) for member in index.members) == 1
    assert {task.origin for task in index.tasks} >= {"mmlu_pro 1", "hle 1"}


def test_the_digest_of_an_index_follows_its_members(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(GOOD)
    (tmp_path / "both.toml").write_text(
        'name = "both"\nversion = "1"\ntitle = "Both"\n[[members]]\nsuite = "tiny"\nweight = "1/2"\n'
        '[[members]]\nsuite = "gsm8k"\nweight = 0.5\n'
    )
    before = load_suite(str(tmp_path / "both.toml"))
    assert [task.name for task in before.tasks] == ["sums", "gsm8k"]
    (tmp_path / "tiny.toml").write_text(GOOD.replace('version = "1"', 'version = "2"'))
    assert load_suite(str(tmp_path / "both.toml")).sha256 != before.sha256


def test_an_index_of_unknown_suites_names_them(tmp_path: Path) -> None:
    (tmp_path / "i.toml").write_text('name="i"\nversion="1"\ntitle="I"\n[[members]]\nsuite="mmlu_prp"\nweight="1/2"\n')
    with pytest.raises(InputError, match="mmlu_prp"):
        load_suite(str(tmp_path / "i.toml"))


def test_a_suite_without_tasks_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Suite(name="empty", version="1", title="Empty")
