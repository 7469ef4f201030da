"""The documentation is true: reference pages are what the code says, and every command on the pages works."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from docs import generate
from docs.markdown import attributes
from docs.pictures import PICTURE
from docs.reference_code import TABLES
from harness.cli import main
from harness.imports.known_formats import FORMATS
from tests.support.command_lines import said_here

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
GROUPS = {"prices", "suites", "runs", "db", "budgets"}


@dataclass(frozen=True, slots=True)
class Block:
    """A code block of a page: its language, what stands behind it, and its text."""

    kind: str
    info: str
    body: str

    @property
    def file(self) -> str | None:
        found = re.search(r"file=(\S+)", self.info)
        return None if found is None else found.group(1)

    @property
    def is_run(self) -> bool:
        return self.kind in ("sh", "python") and "no-run" not in self.info


def blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in FENCE.findall(page.read_text(encoding="utf-8"))]


def commands(block: Block) -> list[tuple[str, int]]:
    """Shell lines with the exit code that the page states (`# exit 3`; else 0)."""
    found = []
    for line in block.body.splitlines():
        stated = re.search(r"#\s*exit (\d+)", line)
        if line.strip() and not line.startswith("#"):
            found.append((re.sub(r"\s+#.*", "", line), int(stated.group(1)) if stated else 0))
    return found


@pytest.mark.parametrize("name", generate.PAGES)
def test_the_reference_is_what_the_code_says(name: str) -> None:
    made = generate.NOTICE + generate.PAGES[name]().rstrip() + "\n"
    stored = (generate.FOLDER / name).read_text(encoding="utf-8")
    assert stored == made, f"docs/reference/{name} is stale: run `python -m docs.generate`"


def test_every_key_and_table_of_the_reference_is_explained() -> None:
    from harness.ledger.schema.tables import metadata

    assert set(TABLES) == set(metadata.tables)
    for name in ("suites.md", "prices.md", "nightly.md", "exports.md"):
        page = (generate.FOLDER / name).read_text(encoding="utf-8")
        assert not re.findall(r"^\| `.*\|\s*\|$", page, re.MULTILINE), name


def test_attribute_sections_are_read_with_their_continued_lines() -> None:
    class Thing:
        """A thing.

        Attributes:
            one, two: first line
                and second line.
            three: alone.
        """

    assert attributes(Thing) == {
        "one": "first line and second line.",
        "two": "first line and second line.",
        "three": "alone.",
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_on_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, in one empty folder, on simulated models, with the exit codes that the page states."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCHTAB_DB", raising=False)
    for block in blocks(page):
        if block.file is not None:
            (tmp_path / block.file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / block.file).write_text(block.body, encoding="utf-8")
        elif block.is_run and block.kind == "python":
            exec(compile(block.body, page.name, "exec"), {})  # noqa: S102  # our own page
        elif block.is_run:
            for line, code in commands(block):
                assert exit_code(line, monkeypatch) == code, line


def exit_code(line: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command line in this process, which has imported everything already."""
    words = shlex.split(line)
    assert words[0] == "benchtab", f"a page runs benchtab only: {line}"
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@cache
def _help(words: tuple[str, ...]) -> str:
    done = said_here(*words, "--help")
    assert done.code == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_of_commands_that_are_not_run_exists(page: Path) -> None:
    lines = [line for block in blocks(page) if block.kind == "sh" and not block.is_run for line, _ in commands(block)]
    for words in (shlex.split(line) for line in lines if line.startswith("benchtab ")):
        names = tuple(words[1 : 3 if words[1] in GROUPS else 2])
        for word in words[1 + len(names) :]:
            if word.startswith("-"):
                option = word.partition("=")[0]
                assert re.search(rf"(?<![-\w]){re.escape(option)}\b", _help(names)), (names, option)


def test_every_format_of_logs_has_its_command_on_the_page_about_them() -> None:
    page = (DOCS / "your-logs.md").read_text(encoding="utf-8")
    missing = [one.name for one in FORMATS if one.read is not None and f"benchtab import {one.example}" not in page]
    assert missing == []


def test_every_link_inside_the_documentation_leads_somewhere() -> None:
    for page in [*PAGES, *(DOCS / "reference").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), (page.name, target)


def test_the_workflow_is_yaml_and_its_command_exists() -> None:
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load((DOCS / "github-workflow.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["nightly"]["steps"]
    assert all(("uses" in step) != ("run" in step) for step in steps)
    (gate,) = [step["run"] for step in steps if "benchtab nightly" in step.get("run", "")]
    assert "Usage: benchtab nightly" in _help((gate.split()[1],))


def test_the_weekly_workflow_for_prices_is_yaml_and_runs_commands_that_exist() -> None:
    yaml = pytest.importorskip("yaml")
    text = (DOCS / "prices-workflow.yml").read_text(encoding="utf-8")
    steps = yaml.safe_load(text)["jobs"]["import"]["steps"]
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"]) for step in steps if "uses" in step)
    asked = set(re.findall(r"benchtab (prices \w+)", text))
    assert asked == {"prices import", "prices check"}
    for words in asked:
        assert f"Usage: benchtab {words}" in _help(tuple(words.split()))
    assert "secrets." not in text


def test_the_picture_needs_no_network_and_names_no_machine() -> None:
    svg = PICTURE.read_text(encoding="utf-8")
    assert len(svg) < 100_000
    assert "simulated" in svg
    assert "@font-face" not in svg
    assert not re.search(r"url\(\s*[\"']?http|href|/work/|/home/|/tmp/", svg)


def test_nothing_in_the_documentation_names_this_machine() -> None:
    for page in [*DOCS.rglob("*.md"), DOCS / "github-workflow.yml"]:
        assert not re.search(r"/work/|/tmp/|/root/", page.read_text(encoding="utf-8")), page.name


def test_the_workflow_pins_actions_by_commit_and_gives_keys_to_one_step_only() -> None:
    text = (DOCS / "github-workflow.yml").read_text(encoding="utf-8")
    used = re.findall(r"uses: (\S+)", text)
    assert len(used) == 4
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action) for action in used)
    steps = text.split("      - ")
    holding = [step for step in steps if "secrets." in step]
    assert len(holding) == 1
    assert "run: .venv/bin/benchtab nightly" in holding[0]
    assert "permissions: {}" in steps[0]
