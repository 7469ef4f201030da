"""Jobs of Harbor: trials with their totals and rewards, the steps of their trajectories, and single trajectories.

Data flows the files of a job -> a sample per task and trial. Where the steps add up to the trial's total, each is a
call; where they do not, the total is one, for that was spent. What an agent logged itself is not counted beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from harness.declared import JsonObject
from harness.imports.agents.atif_trajectories import Sums, header_of
from harness.imports.agents.harbor_trials import TrialCalls, scores_of
from harness.imports.agents.litellm_names import named
from harness.imports.containers.json_stream import members_of
from harness.imports.containers.json_values import a_count, a_list, a_text, an_amount, an_object
from harness.imports.harnesses.asked_models import NO_MODEL
from harness.imports.harnesses.logged_settings import setting_of
from harness.imports.log_formats import Format, Source, SourceFile
from harness.imports.log_instants import instant_us
from harness.imports.log_peeks import Peek
from harness.imports.log_records import (
    ImportedCell,
    ImportedRun,
    ImportedSample,
    Noted,
    Record,
    SampleKey,
)
from harness.imports.refusal import ImportRefused

NAME = "harbor"
TRIAL, JOB, TRAJECTORY, RAW = "trial", "job", "trajectory", "raw"
_AGENT = "agent"
_RESULTS = ("result.json", "result.json.gz", "result.json.zst", "result")


def role_of(look: Peek) -> str | None:
    """Recognise jobs, trials and trajectories; whatever else an agent logged inside of a trial is part of it."""
    top = look.top
    if str(top.get("schema_version") or "").startswith("ATIF-"):
        return TRAJECTORY
    if {"trial_name", "task_name", "agent_info"} <= top.keys():
        return TRIAL
    if {"stats", "n_total_trials"} <= top.keys():
        return JOB
    is_log = look.container in ("json", "lines", "sqlite", "csv")
    return RAW if is_log and _trial_around(look.file.path) is not None else None


def _trial_around(path: Path) -> Path | None:
    """Find the trial whose agent wrote a file."""
    for folder in path.parents:
        if folder.name == _AGENT and any((folder.parent / name).is_file() for name in _RESULTS):
            return folder.parent
    return None


def unit_of(path: Path, role: str) -> Path:
    """Say that all trials of a job belong together, with what is inside of them."""
    if role == JOB:
        return path.parent
    trial = path.parent if role == TRIAL else _trial_around(path)
    return path if trial is None else trial.parent


def read(source: Source) -> Iterator[Record]:
    """Give each trial as a sample, and each trajectory that lies beside none.

    Raises:
        ImportRefused: a file is of another version, the trials are not all that the job has, or there are only files
            of an agent's own.
    """
    job, trials = _results(source)
    by_trial = {_trial_around(file.file.path): file for file in source.of(TRAJECTORY)}
    run = _run(job, [trial for _, trial in trials])
    if trials:
        yield run
    job_reading = _Job(run=run.key, texts=source.texts)
    for file, trial in sorted(trials, key=lambda one: (str(one[1].get("started_at")), str(one[1].get("trial_name")))):
        yield from job_reading.trial(file, trial, by_trial.pop(file.file.path.parent, None))
    for trajectory in by_trial.values():
        yield from _alone(trajectory, texts=source.texts)
    if trials:
        yield from job_reading.notes(a_count(an_object(job.get("stats")).get("n_retries")) or 0)


def _results(source: Source) -> tuple[JsonObject, list[tuple[SourceFile, JsonObject]]]:
    """Read the result of the job, empty where there is none, and those of its trials.

    Raises:
        ImportRefused: as for `read`.
    """
    trials = [(file, _document(file)) for file in source.of(TRIAL)]
    job_file = source.one(JOB)
    if not trials and not source.of(TRAJECTORY):
        raise ImportRefused(
            "holds a job without its trials" if job_file else "is an agent's own log inside of a trial of Harbor",
            where=source.files[0].name,
            fix="name the folder of the job, or the format of the log (--format)",
        )
    if job_file is None:
        return {}, trials
    job = _document(job_file)
    _check(job, [trial for _, trial in trials], job_file.name)
    return job, trials


def _document(file: SourceFile) -> JsonObject:
    """Read a result, without the details that are of no use here and can be long.

    Raises:
        ImportRefused: it is of another version.
    """
    top = members_of(file.file)
    version = top.get("schema_version", 1)
    if version != 1:
        raise ImportRefused(f"schema_version {version!r} is not known", where=file.name, fix="read is version 1")
    return top


def _check(job: JsonObject, trials: list[JsonObject], name: str) -> None:
    """Compare the job's sums with its trials'."""
    stats = an_object(job.get("stats"))
    n_stated = a_count(stats.get("n_completed_trials", stats.get("n_trials")))
    if n_stated is None:
        return
    missing = f", {n_stated - len(trials)} trials are missing" if n_stated > len(trials) else ""
    found = [_totals(trial) for trial in trials]
    for key, counts in (
        ("n_input_tokens", [one.prompt for one in found]),
        ("n_output_tokens", [one.completion for one in found]),
    ):
        stated, summed = a_count(stats.get(key)), _summed(counts) or 0
        if missing or stated not in (None, summed):
            raise ImportRefused(
                f"the job states {n_stated} trials, {key} {stated}; the {len(trials)} found sum to {summed}{missing}",
                where=name,
                fix="give all trials of the job, or the trials without the job's own result.json",
            )


def _contexts(trial: JsonObject) -> list[JsonObject]:
    """Give what the agent of a trial says that it used, or the agents of its steps."""
    if whole := an_object(trial.get("agent_result")):
        return [whole]
    return [an_object(an_object(step).get("agent_result")) for step in a_list(trial.get("step_results"))]


def _totals(trial: JsonObject) -> Sums:
    """Sum what a trial used: of its agent, or of the agents of its steps."""
    contexts = _contexts(trial)
    counts = [_summed([a_count(one.get(name)) for one in contexts]) for name in
              ("n_input_tokens", "n_cache_tokens", "n_output_tokens")]  # fmt: skip
    costs = [cost for one in contexts if (cost := an_amount(one.get("cost_usd")))]
    usage = next((found for one in contexts if (found := an_object(one.get("model_usage")))), {})
    return Sums(
        prompt=counts[0],
        cached=counts[1],
        completion=counts[2],
        cost_usd=sum(costs, Decimal(0)) if costs else None,
        extra={"model_usage": usage} if len(contexts) == 1 else {},
    )


def _summed(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _run(job: JsonObject, trials: list[JsonObject]) -> ImportedRun:
    began = [text for trial in trials if (text := a_text(trial.get("started_at")))]
    agents = {str(an_object(trial.get("agent_info")).get("name")) for trial in trials}
    return ImportedRun(
        key=_job_id(job, trials) or f"trials since {min(began, default='')}",
        tool=NAME,
        name=" ".join(sorted(agents)) or NAME,
        created_at_us=instant_us(job.get("started_at")) or instant_us(min(began, default=None)),
        finished_at_us=instant_us(job.get("finished_at")),
        status="partial" if _is_going(job) else "complete",
    )


def _job_id(job: JsonObject, trials: list[JsonObject]) -> str | None:
    """Give the id of a job as it says itself, else as the first of its trials that names one."""
    ids = (job.get("id"), *(an_object(trial.get("config")).get("job_id") for trial in trials))
    return next((text for one in ids if (text := a_text(one))), None)


def _is_going(job: JsonObject) -> bool:
    """Whether there are trials that have not come to their end."""
    stats = an_object(job.get("stats"))
    return any(a_count(stats.get(f"n_{word}_trials")) for word in ("running", "pending", "cancelled"))


@dataclass(slots=True, kw_only=True)
class _Job:
    """The trials of a job, one after the other."""

    run: str
    texts: bool
    cells: dict[tuple[str, str, str, str | None], ImportedCell] = field(default_factory=dict)
    trials: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    differing: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)

    def trial(self, file: SourceFile, trial: JsonObject, trajectory: SourceFile | None) -> Iterator[Record]:
        """Give a trial."""
        cell = self._cell(trial)
        task = str(trial.get("task_name"))
        place = cell.suite, cell.provider, cell.model, task
        sample = SampleKey(sample_id=task, epoch=self.trials[place])
        self.trials[place] += 1
        checksum = a_text(trial.get("task_checksum"))
        yield ImportedSample(cell=cell, sample=sample, content_sha256=checksum)
        key = a_text(trial.get("id")) or f"{self.run}/{trial.get('trial_name')}"
        calls = TrialCalls(
            cell=cell,
            key=key,
            sample=sample,
            where=a_text(trial.get("trial_name")) or file.name,
            total=_totals(trial),
            window=_window(trial),
            trajectory=trajectory,
            header=None if trajectory is None else header_of(trajectory),
            texts=self.texts,
        )
        yield from calls.records()
        self.differing += calls.differing
        self.unsure += calls.unsure
        if calls.last is not None:
            yield from scores_of(trial, calls.last)

    def _cell(self, trial: JsonObject) -> ImportedCell:
        info = an_object(an_object(trial.get("agent_info")).get("model_info"))
        agent = an_object(an_object(trial.get("config")).get("agent"))
        provider, model = named(a_text(agent.get("model_name")))
        provider = a_text(info.get("provider")) or provider
        model = a_text(info.get("name")) or model
        setting = setting_of(an_object(agent.get("kwargs")))
        suite = a_text(trial.get("source")) or NAME
        key = suite, provider, model, setting
        cell = ImportedCell(run=self.run, suite=suite, provider=provider, model=model, setting=setting)
        return self.cells.setdefault(key, cell)

    def notes(self, n_retries: int) -> Iterator[Noted]:
        """Say what a job leaves out."""
        detail = "requests that an agent repeated are not kept"
        if n_retries:
            detail += f", nor what {n_retries} trials had used that were run anew"
        yield Noted(run=self.run, name="retries_lost", detail=detail, lower_bound=True)
        if self.differing:
            yield Noted(run=self.run, name="total_differs", detail="; ".join(self.differing[:5]))
        if self.unsure:
            yield Noted(run=self.run, name="usage_unsure", detail="; ".join(self.unsure[:5]), lower_bound=True)


def _window(trial: JsonObject) -> tuple[int | None, int | None]:
    """When the agent of a trial ran."""
    execution = an_object(trial.get("agent_execution"))
    began = instant_us(execution.get("started_at")) or instant_us(trial.get("started_at"))
    return began, instant_us(execution.get("finished_at")) or instant_us(trial.get("finished_at")) or began


def _alone(file: SourceFile, *, texts: bool) -> Iterator[Record]:
    """Give a trajectory that lies beside no trial: a run of its own, without a score."""
    header = header_of(file)
    key = header.key or f"{header.agent.get('name')}/{header.began_us}"
    agent = a_text(header.agent.get("name")) or NAME
    yield ImportedRun(
        key=key, tool=agent, name=agent, tool_version=a_text(header.agent.get("version")), created_at_us=header.began_us
    )
    provider, model = named(a_text(header.agent.get("model_name")))
    cell = ImportedCell(run=key, suite=NAME, provider=provider, model=model or NO_MODEL)
    calls = TrialCalls(
        cell=cell,
        key=key,
        sample=SampleKey(sample_id=key),
        where=file.name,
        total=header.total,
        window=(header.began_us, header.began_us),
        trajectory=file,
        header=header,
        texts=texts,
    )
    yield from calls.records()
    for name, said in (("total_differs", calls.differing), ("usage_unsure", calls.unsure)):
        if said:
            yield Noted(run=key, name=name, detail=said[0])
    detail = "requests that the agent repeated are not kept"
    yield Noted(run=key, name="retries_lost", detail=detail, lower_bound=True)


FORMAT = Format(
    name=NAME,
    title="Harbor jobs and ATIF trajectories",
    looks_for="result.json with trial_name and agent_info, or JSON with schema_version ATIF-v1.x",
    role_of=role_of,
    read=read,
    unit_of=unit_of,
    example="jobs/2026-01-31__12-00-00",
    cannot_tell=(
        "Epochs: trials of one task are numbered in the order of their beginnings.",
        "Cache writes and reasoning, where the steps do not add up to the total.",
        "What a call cost the user: its costs are estimates by litellm's price list of the day of the conversion.",
        "Trials that were run anew, and repeated requests: the spend is a lower bound.",
    ),
)
