"""Help pages, shell completion, and output whose reader leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import harness
from harness.cli.app import command_line
from harness.cli.terminal.help_pages import with_value_names
from tests.support.command_lines import Said, said_here
from tests.support.runs import number_suite

BENCHTAB = Path(sys.executable).parent / "benchtab"


def said(*words: str, cwd: Path | None = None, **environment: str) -> Said:
    return said_here(*words, cwd=cwd, COLUMNS="80", **environment)


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


ALL = dict(commands(with_value_names(typer.main.get_command(command_line()))))


@pytest.mark.parametrize("words", [(), ("run",), ("runs", "show"), ("prices",)])
def test_h_is_help_everywhere(words: tuple[str, ...]) -> None:
    short, long = said(*words, "-h"), said(*words, "--help")
    assert short.code == 0
    assert short.stdout == long.stdout
    assert "Usage: benchtab" in short.stdout


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_a_help_page_names_values_and_never_the_parsers_types(path: tuple[str, ...]) -> None:
    command = ALL[path]
    with command.make_context("benchtab", [], resilient_parsing=True) as context:
        page = command.get_help(context)
    for inner in ("<int", "<str", "<float", "<list", "<file", "<path", "<directory", "[["):
        assert inner not in page


@pytest.mark.parametrize("path", [path for path, command in ALL.items() if command.epilog], ids=" ".join)
def test_examples_of_a_help_page_are_commands_that_exist_with_options_that_exist(path: tuple[str, ...]) -> None:
    lines = [line.strip() for line in ALL[path].epilog.splitlines() if line.strip().startswith("benchtab ")]
    assert lines
    for line in lines:
        words = line.partition("  #")[0].split()[1:]
        command = ALL[(words[0],)]
        flags = {flag for parameter in command.params for flag in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= flags, line
        assert len(line) <= 78


def completed(words: str, cwd: Path, **environment: str) -> list[str]:
    parts = words.split(" ")
    done = said(
        cwd=cwd,
        _BENCHTAB_COMPLETE="complete_bash",
        COMP_WORDS=words,
        COMP_CWORD=str(len(parts) - 1),
        **environment,
    )
    assert done.code == 0, done.stderr
    return done.stdout.split()


def test_bash_completes_commands_options_suites_models_and_runs(tmp_path: Path) -> None:
    database = tmp_path / "ledger.db"
    harness.run(number_suite(tmp_path / "suite", 1), "sim/direct", db=database, run_id="monday")
    (tmp_path / "mine.toml").touch()
    assert completed("benchtab rep", tmp_path) == ["report", "reproduce"]
    assert "--budget-usd" in completed("benchtab run --bud", tmp_path)
    assert completed("benchtab run start", tmp_path) == ["starter"]
    assert completed("benchtab run ./mi", tmp_path) == ["./mine.toml"]
    assert "openai/" in completed("benchtab run starter -m open", tmp_path)
    assert "openai/gpt-4o" in completed("benchtab run starter -m openai/gpt-4", tmp_path)
    assert completed("benchtab runs show mon", tmp_path, BENCHTAB_DB=str(database)) == ["monday"]
    assert completed("benchtab runs show mon", tmp_path, BENCHTAB_DB=str(tmp_path / "none.db")) == []


def test_a_shell_asks_the_installed_program() -> None:
    """As bash calls it; what it then answers is tested in this process, which has imported everything."""
    asked = {"_BENCHTAB_COMPLETE": "complete_bash", "COMP_WORDS": "benchtab rep", "COMP_CWORD": "1"}
    done = subprocess.run([BENCHTAB], env={**os.environ, **asked}, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["report", "reproduce"]


@pytest.mark.parametrize(("shell", "asked"), [("zsh", "benchtab rep"), ("fish", "benchtab rep")])
def test_other_shells_complete_likewise(shell: str, asked: str) -> None:
    done = said(
        _BENCHTAB_COMPLETE=f"complete_{shell}", _TYPER_COMPLETE_ARGS=asked, _TYPER_COMPLETE_FISH_ACTION="get-args"
    )
    assert "reproduce" in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_shown_and_installed_for_a_named_shell(shell: str, tmp_path: Path) -> None:
    script = said("--show-completion", shell).stdout
    assert f"_BENCHTAB_COMPLETE=complete_{shell}" in script
    done = said("--install-completion", shell, HOME=str(tmp_path))
    assert done.code == 0
    written = [path for path in tmp_path.rglob("*benchtab*") if path.is_file()]
    assert [path.read_text().strip() for path in written] == [script.strip()]
    assert str(written[0]) in done.stderr


def test_a_shell_without_completion_is_told_which_have_one() -> None:
    done = said("--show-completion", "ksh")
    assert done.code == 2
    assert "bash, zsh, fish" in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("words", "code"), [(("prices", "list"), 0), (("run", "no-such-suite", "-m", "sim/direct"), 2)]
)
def test_a_reader_that_leaves_does_not_change_the_exit_code(
    words: tuple[str, ...], code: int, unbuffered: str, tmp_path: Path
) -> None:
    """`benchtab nightly | head` ended with 1 in place of the gate's code."""
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run([BENCHTAB, *words], cwd=tmp_path, stdout=writer, stderr=writer, check=False, env=environment)
    os.close(writer)
    assert done.returncode == code
