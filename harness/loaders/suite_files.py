"""Suite files: found by name or path, read, checked and completed. Everything wrong with a file is said at once.

Data flows TOML -> `Suite`, or findings with their key paths.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.errors import Finding, InputError, did_you_mean, similar
from harness.loaders.samples import FILTER_TESTS, NOT_METADATA, canonical
from harness.resources import shipped
from harness.scorers import SCORERS
from harness.suites import prompts
from harness.suites.suite import DatasetRef, Frames, Member, ScorerRef, Suite, Task
from harness.typed_files import key_path, mistakes, parse_toml, refusal

PROSE = ("title", "description", "citation")
"""Parts of a suite that only people read."""


def list_suites() -> tuple[str, ...]:
    """Names of the shipped suites."""
    return tuple(sorted(path.stem for path in shipped("suites").glob("*.toml")))


def suite_file(name_or_path: str) -> Path:
    """Find a suite's file: a shipped suite by its name, a user's own by its path (`./mine.toml`).

    Raises:
        InputError: there is no such suite; similar names are listed.
    """
    if name_or_path.endswith(".toml") or "/" in name_or_path:
        path = Path(name_or_path)
        if path.is_file():
            return path
        near = similar(path.name, (one.name for one in path.parent.glob("*.toml")))
        fix = f"similar: {', '.join(str(path.parent / one) for one in near)}" if near else "name a suite's TOML file"
        raise InputError("there is no such suite file", where=str(path.absolute()), fix=fix)
    path = shipped("suites") / f"{name_or_path}.toml"
    if path.is_file():
        return path
    if Path(f"{name_or_path}.toml").is_file():
        raise InputError(
            f"there is no shipped suite {name_or_path!r}", fix=f"for your own, write ./{name_or_path}.toml"
        )
    near = similar(name_or_path, list_suites(), cutoff=0.4)
    raise InputError(
        f"there is no suite called {name_or_path!r}" + (f"; similar: {', '.join(near)}" if near else ""),
        fix="see `benchtab suites list`, or give the path of your own file, such as ./mine.toml",
    )


def load_suite(name_or_path: str) -> Suite:
    """Read, check and complete a suite; an index suite comes with its members' tasks, weighted.

    Raises:
        InputError: the file is missing or wrong; every mistake is listed with its key path.
    """
    path = suite_file(name_or_path)
    suite, findings = read_suite(path)
    if suite is None or findings:
        raise refusal("the suite file", findings, where=str(path))
    return suite


def framed(suite: Suite, asked: Frames | None) -> Suite:
    """Write into each task with videos which frames it shows, and into the suite's name, which tells rows apart.

    Args:
        suite: as its file says; one without videos is returned as it is.
        asked: the frames of every task, in place of what the suite says; the longest side stays the suite's.
    """
    shown: dict[str, None] = {}
    tasks = []
    for task in suite.tasks:
        own = task.dataset.shown_frames
        if own is not None:
            chosen = own if asked is None else asked.model_copy(update={"longest_side": own.longest_side})
            shown[chosen.label] = None
            task = task.model_copy(update={"dataset": task.dataset.model_copy(update={"frames": chosen})})
        tasks.append(task)
    if not shown:
        return suite
    framed = suite.model_copy(update={"tasks": tuple(tasks), "name": f"{suite.name}.{'-and-'.join(shown)}"})
    return framed.model_copy(update={"sha256": suite_sha256(framed)})


def read_suite(path: Path) -> tuple[Suite | None, list[Finding]]:
    """Read a suite file as far as possible, with everything that is wrong with it."""
    suite, findings = _read_alone(path)
    if suite is not None and suite.is_index:
        suite, more = _expand(suite, path)
        findings += more
    if suite is None:
        return None, findings
    findings += [finding for task in suite.tasks for finding in task_findings(task)]
    return suite.model_copy(update={"sha256": suite_sha256(suite)}), findings


def _read_alone(path: Path) -> tuple[Suite | None, list[Finding]]:
    """Read a suite file without the suites that it names."""
    try:
        document = parse_toml(path.read_bytes())
    except OSError as error:
        return None, [Finding(where=str(path), message=f"cannot be read: {error}")]
    except ValueError as error:
        return None, [Finding(where=str(path), message=f"is not TOML: {error}")]
    document, findings = _with_defaults(document)
    if "sha256" in document:
        findings.append(Finding(where="sha256", message="is computed, it cannot be written in the file"))
    try:
        suite = Suite.model_validate(document)
    except ValidationError as error:
        return None, findings + mistakes(error, Suite) + _loose_findings(document)
    return suite, findings


def suite_sha256(suite: Suite) -> str:
    """Digest of everything in a suite that can change a result, its members' tasks included; prose is left out."""
    facts = suite.model_dump(mode="json", exclude={"sha256", *PROSE}, exclude_defaults=True)
    return hashlib.sha256(canonical(facts).encode()).hexdigest()


def _with_defaults(document: dict[str, object]) -> tuple[dict[str, object], list[Finding]]:
    """Lay each task over the file's [defaults] table; `dataset` and `scorer` are merged key by key."""
    defaults = document.pop("defaults", {})
    tasks = document.get("tasks", [])
    if not isinstance(defaults, dict):
        return document, [Finding(where="defaults", message="must be a table")]
    if isinstance(tasks, list):
        document["tasks"] = [_laid_over(defaults, task) if isinstance(task, dict) else task for task in tasks]
    return document, []


def _laid_over(defaults: Mapping[str, object], task: Mapping[str, object]) -> dict[str, object]:
    merged = {**defaults, **task}
    for table in ("dataset", "scorer"):
        general, own = defaults.get(table), task.get(table)
        if isinstance(general, dict) and isinstance(own, dict):
            same_scorer = table == "dataset" or own.get("name") in (None, general.get("name"))
            merged[table] = {**general, **own} if same_scorer else own
    return merged


def _loose_findings(document: Mapping[str, object]) -> list[Finding]:
    """Mistakes inside the tasks of a file that is wrong elsewhere, so that one look shows them all."""
    tasks = document.get("tasks")
    found: list[Finding] = []
    for stated in tasks if isinstance(tasks, list) else ():
        task = _without_mistakes(stated)
        found += _scorer_alone(stated) if task is None else task_findings(task)
    return found


def _without_mistakes(stated: object) -> Task | None:
    """Read a task with the values left out that are wrong; None when it cannot be read without them."""
    try:
        return Task.model_validate(stated)
    except ValidationError as error:
        kept: Any = copy.deepcopy(stated)
        for one in error.errors():
            *place, last = one["loc"] or ("",)
            with contextlib.suppress(KeyError, IndexError, TypeError):
                del functools.reduce(lambda table, key: table[key], place, kept)[last]
    try:
        return Task.model_validate(kept)
    except ValidationError:
        return None


def _scorer_alone(task: object) -> list[Finding]:
    """What is wrong with the scorer of a task that is wrong elsewhere."""
    if not isinstance(task, Mapping):
        return []
    try:
        scorer = ScorerRef.model_validate(task.get("scorer"))
    except ValidationError:
        return []
    return _scorer_findings(scorer, below=("tasks", str(task.get("name", "?"))))


def _scorer_findings(named: ScorerRef, *, below: tuple[str, ...]) -> list[Finding]:
    scorer = SCORERS.get(named.name)
    if scorer is None:
        message = f"unknown scorer {named.name!r}{did_you_mean(named.name, SCORERS)}; known: {', '.join(SCORERS)}"
        return [Finding(where=key_path((*below, "scorer", "name")), message=message)]
    try:
        scorer.options.model_validate(named.options)
    except ValidationError as error:
        return mistakes(error, scorer.options, below=(*below, "scorer", "options"))
    return []


def task_findings(task: Task) -> list[Finding]:
    """What is wrong with a task that its types alone do not show."""
    found = _prompt_findings(task)
    known = ", ".join(sorted(FILTER_TESTS))
    for name, wanted in task.dataset.filters.items():
        strange = sorted(set(wanted) - FILTER_TESTS) if isinstance(wanted, dict) else []
        found += [(f"dataset.filters.{name}", f"unknown test {one!r}; known: {known}") for one in strange]
    shown = task.scorer.options.get("question") if task.scorer.name == "judge" else None
    if isinstance(shown, str) and (shown not in task.dataset.fields or shown in NOT_METADATA):
        known = ", ".join(name for name in task.dataset.fields if name not in NOT_METADATA)
        found.append(("scorer.options.question", f"{shown!r} is no field that a sample keeps; known: {known}"))
    below = ("tasks", task.name)
    return [
        *_scorer_findings(task.scorer, below=below),
        *(Finding(where=f"{key_path(below)}.{key}", message=message) for key, message in found),
    ]


def read_tasks(path: Path) -> list[Task]:
    """Read the tasks of a suite file as far as they are right, whatever is wrong with the rest."""
    try:
        document, _ = _with_defaults(parse_toml(path.read_bytes()))
    except (OSError, ValueError):
        return []
    tasks = document.get("tasks")
    read = map(_without_mistakes, tasks if isinstance(tasks, list) else ())
    return [task for task in read if task is not None]


def _prompt_findings(task: Task) -> list[tuple[str, str]]:
    fields = task.dataset.fields
    asked = prompts.placeholders(task.prompt)
    strange = sorted(asked - prompts.DERIVED_FIELDS - set(fields))
    known = ", ".join([*fields, "letters"])
    found = [("prompt", f"{{{name}}} is none of dataset.fields; known: {known}") for name in strange]
    if asked & {"choices", "letters"} and "choices" not in fields:
        found.append(("dataset.fields", "the prompt shows {choices} but no field `choices` is mapped"))
    if not asked:
        found.append(("prompt", "has no {field} placeholder, so every sample would be the same"))
    if task.shuffle_options_seed is not None and "choices" not in fields:
        found.append(("shuffle_options_seed", "there are no choices to shuffle"))
    if task.dataset.target_form == "first_choice" and task.shuffle_options_seed is None:
        found.append(("shuffle_options_seed", "is needed: with first_choice every answer would be A"))
    return found


def _expand(suite: Suite, path: Path) -> tuple[Suite, list[Finding]]:
    """Fill an index suite with its members' tasks."""
    tasks: list[Task] = list(suite.tasks)
    findings: list[Finding] = []
    for member in suite.members:
        try:
            tasks += _member_tasks(member, path)
        except InputError as error:
            findings.append(Finding(where=f"members.{member.suite}", message=error.message))
            findings += error.findings
    names = Counter(task.name for task in tasks)
    findings += [
        Finding(where="members", message=f"task {name!r} occurs {n} times") for name, n in names.items() if n > 1
    ]
    return suite.model_copy(update={"tasks": tuple(tasks)}), findings


def _member_tasks(member: Member, path: Path) -> list[Task]:
    beside = path.parent / f"{member.suite}.toml"
    file = suite_file(str(beside) if beside.is_file() else member.suite)
    source, findings = _read_alone(file)
    if source is None or findings:
        raise refusal("the suite file", findings, where=str(file))
    chosen = [task for task in source.tasks if member.task in (None, task.name)]
    if source.is_index or not chosen:
        raise InputError("is an index itself" if source.is_index else f"has no task {member.task!r}")
    epochs = member.model_dump(include={"epochs"}, exclude_none=True)
    changed = {"weight": member.weight / len(chosen), "origin": f"{source.name} {source.version}", **epochs}
    return [task.model_copy(update={**changed, "dataset": _member_rows(member, task.dataset)}) for task in chosen]


def _member_rows(member: Member, dataset: DatasetRef) -> DatasetRef:
    """The rows of a member that the index uses."""
    rows: dict[str, object] = {**member.model_dump(include={"expected_rows"}, exclude_none=True)}
    if member.filters:
        rows["filters"] = {**dataset.filters, **member.filters}
    return dataset.model_copy(update=rows)
