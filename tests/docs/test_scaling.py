"""The examples of docs/scaling.md can be taken as they are: scripts and YAML parse, commands are understood."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from harness.cli.app import app
from harness.runner.workers.worker_options import parse_kind, parse_workers

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "scaling.md").read_text(encoding="utf-8")
FILES = {name: (kind, body) for kind, name, body in re.findall(r"^```(\w+) file=(\S+)\n(.*?)^```", PAGE, re.M | re.S)}
LINES = [
    found.rstrip("'")
    for _, body in re.findall(r"^```(sh|bash)[^\n]*\n(.*?)^```", PAGE, re.M | re.S)
    for found in re.findall(r"benchtab (?:run|worker|runs) [^\n&#']+", body)
]


def understood(line: str) -> dict[str, Any]:
    """Have the application read a command line, without carrying it out."""
    command: Any = typer.main.get_command(app)
    context, words = typer.Context(command), shlex.split(line)[1:]
    while isinstance(command, TyperGroup):
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command, context = found, typer.Context(found, parent=context)
    given: dict[str, Any] = command.make_context(command.name, words, parent=context.parent).params
    return given


def test_a_line_with_an_option_that_does_not_exist_is_not_understood() -> None:
    with pytest.raises(Exception, match="No such option"):
        understood("benchtab worker night-7 --wrokers 3")


@pytest.mark.parametrize("line", LINES)
def test_the_application_understands_every_command_line(line: str) -> None:
    given = understood(line)
    if given.get("workers") is not None and not str(given["workers"]).startswith("ray"):
        parse_workers(str(given["workers"]))
    if "lease_s" in given:
        only = given["only"]
        assert parse_kind(None if only is None else str(only)) in ("all", "ask", "score")


def test_there_is_an_example_of_each_kind() -> None:
    assert set(FILES) == {"workers.sh", "workers.sbatch", "workers.yaml", "submit.sh"}
    assert len(LINES) >= 9


@pytest.mark.parametrize("name", [name for name, (kind, _) in FILES.items() if kind == "bash"])
def test_scripts_are_bash(name: str) -> None:
    done = subprocess.run(["bash", "-n"], input=FILES[name][1], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_kubernetes_job_runs_a_worker_with_time_to_drain_and_its_secrets_from_a_secret() -> None:
    job = pytest.importorskip("yaml").safe_load(FILES["workers.yaml"][1])
    assert job["kind"] == "Job"
    assert job["spec"]["parallelism"] > 1
    pod = job["spec"]["template"]["spec"]
    understood(shlex.join(pod["containers"][0]["command"]))
    assert pod["terminationGracePeriodSeconds"] > understood("benchtab run x")["timeout_s"]
    assert "secretRef" in pod["containers"][0]["envFrom"][0]
