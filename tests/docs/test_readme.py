"""The README's first minute: its two commands exist, its examples are accepted, the files it names are there."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from harness.loaders import load_suite, load_task
from harness.pricing.price_files import load_price_book
from tests.support.command_lines import said_here

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def test_the_first_screen_has_exactly_two_set_up_commands_and_then_real_models() -> None:
    shell = [body for kind, body in BLOCKS if kind == "sh"]
    commands = [line.split("#")[0].strip() for line in shell[0].strip().splitlines()]
    assert commands == ["make run", "make test"]
    assert "benchtab run starter -m openai/o1 -m openai/gpt-4o --budget-usd 5" in shell[1]
    assert README.index("make run") < README.index("## Why")


def test_the_example_suite_is_accepted_and_loads_its_example_row(tmp_path: Path) -> None:
    (suite,) = [body for kind, body in BLOCKS if kind == "toml" and "mine.toml" in body and "[[tasks]]" in body]
    row = re.search(r"# (\{.*\})", suite)
    assert row is not None
    (tmp_path / "mine.toml").write_text(suite, encoding="utf-8")
    (tmp_path / "mine.jsonl").write_text(row.group(1) + "\n", encoding="utf-8")
    loaded = load_suite(str(tmp_path / "mine.toml"))
    (sample,) = load_task(loaded.tasks[0], suite_path=tmp_path / "mine.toml").samples
    assert (sample.target, json.loads(row.group(1))["question"] in str(sample.input)) == ("5", True)


def test_the_example_price_is_laid_over_the_shipped_ones(tmp_path: Path) -> None:
    (price,) = [body for kind, body in BLOCKS if kind == "toml" and "[[price]]" in body]
    (tmp_path / "mine.toml").write_text(price, encoding="utf-8")
    book = load_price_book(tmp_path)
    found = book.at("openai-compatible", "my-model", datetime(2026, 11, 22, tzinfo=UTC))
    assert found is not None
    assert set(found.rates.values()) == {Decimal("0.10"), Decimal("0.40")}


def test_every_option_that_the_readme_uses_exists() -> None:
    lines = [line.split(" #")[0].strip() for kind, body in BLOCKS if kind == "sh" for line in body.splitlines()]
    commands = [shlex.split(line) for line in lines if "benchtab " in line]
    used: dict[tuple[str, ...], set[str]] = {}
    for words in commands:
        n_names = 2 if words[1] in {"prices", "suites", "runs", "db"} else 1
        used.setdefault(tuple(words[1 : 1 + n_names]), set()).update(
            re.match(r"-[-a-z]+", word).group()  # type: ignore[union-attr]  # the filter below makes it match
            for word in words
            if re.match(r"-[-a-z]+", word)
        )
    for names, options in used.items():
        done = said_here(*names, "--help")
        assert done.code == 0, done.stderr
        for option in options:
            assert re.search(rf"(?<![-\w]){re.escape(option)}\b", done.stdout), (names, option)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^):]+)\)", README))))
def test_every_file_that_the_readme_links_to_exists(target: str) -> None:
    assert (ROOT / target).exists(), target
