"""Trajectories of mini-swe-agent: messages, with the raw response of each call beside the one that it became.

Data flows the trajectories of one folder -> a sample each, whose calls are the messages that have a response. A reply
that broke the agent's format is kept as a message of the user, and was paid like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.declared import Json, JsonObject
from harness.imports.agents.litellm_names import named
from harness.imports.containers.json_stream import walk
from harness.imports.containers.json_values import a_count, a_list, a_number, a_text, an_amount, an_object
from harness.imports.gateways.logged_answers import LoggedAnswer, checked_usage, logged_words, read_logged
from harness.imports.harnesses.logged_settings import setting_of
from harness.imports.log_formats import Format, Source, SourceFile
from harness.imports.log_instants import instant_us
from harness.imports.log_peeks import Peek
from harness.imports.log_records import (
    Broken,
    ImportedAttempt,
    ImportedCell,
    ImportedRun,
    ImportedSample,
    ImportedUsage,
    Noted,
    Record,
    SampleKey,
)
from harness.imports.refusal import ImportRefused
from harness.usage.kinds import LITELLM

NAME = "mini_swe_agent"
MESSAGES = ("messages",)
VERSIONS = ("mini-swe-agent-1", "mini-swe-agent-1.1")
_GATEWAYS = {"openrouter": "openrouter", "requesty": "requesty", "portkey": "portkey"}
"""Model classes that do not go by way of litellm, and whose model names belong to a gateway."""
_SUFFIXES = (".traj.json", ".trajectory.json", ".traj", ".json")


def role_of(look: Peek) -> str | None:
    """Recognise trajectories, and what lies beside them: predictions, and bare messages of the first versions."""
    top = look.top
    if str(top.get("trajectory_format") or "").startswith("mini-swe-agent"):
        return "trajectory"
    if "messages" in top and "model_stats" in an_object(top.get("info")):
        return "trajectory"
    if "model_patch" in an_object(next(iter(top.values()), None)):
        return "predictions"
    return "bare" if _is_bare(look) else None


def _is_bare(look: Peek) -> bool:
    """Whether a file is a list of messages alone, by its name one of an agent."""
    rows = [an_object(row) for row in a_list(look.document)[:2]]
    has_messages = bool(rows) and all({"role", "content"} == row.keys() for row in rows)
    return has_messages and look.name.endswith(_SUFFIXES[:3])


def unit_of(path: Path, role: str) -> Path:
    """Say that all trajectories of an output folder belong together, each alone or in a folder of its own name."""
    if role == "bare":
        return path
    return path.parent.parent if role == "trajectory" and path.parent.name == _stem(path) else path.parent


def _stem(path: Path) -> str:
    suffix = next((one for one in _SUFFIXES if path.name.endswith(one)), "")
    return path.name.removesuffix(suffix)


def read(source: Source) -> Iterator[Record]:
    """Give each trajectory as a sample with its calls.

    Raises:
        ImportRefused: a trajectory is of an unknown format, or holds texts alone.
    """
    headers = [(file, _header(file)) for file in _trajectories(source)]
    run = _run([header for _, header in headers])
    yield run
    cells: dict[tuple[str, str, str | None], ImportedCell] = {}
    for file, header in headers:
        yield from _Trajectory(run=run.key, file=file, header=header, cells=cells, texts=source.texts).records()
    detail = "mini-swe-agent keeps nothing of requests that litellm repeated"
    yield Noted(run=run.key, name="retries_lost", detail=detail, lower_bound=True)


def _trajectories(source: Source) -> list[SourceFile]:
    """Give the files that hold calls.

    Raises:
        ImportRefused: there are none, or one beside them holds texts alone.
    """
    for file in source.of("bare"):
        raise ImportRefused(
            "holds messages and no model, usage or cost: a trajectory of mini-swe-agent before 1.0", where=file.name
        )
    if not source.of("trajectory"):
        names = ", ".join(file.name for file in source.files)
        raise ImportRefused("holds predictions and no calls", where=names, fix="name the folder of the trajectories")
    return source.of("trajectory")


@dataclass(slots=True, kw_only=True)
class _Header:
    """What a trajectory says of the whole.

    Attributes:
        n_calls: calls that the agent counted.
        began_us: instant of the first call.
    """

    info: JsonObject
    sample: str
    model_name: str | None
    version: str | None
    n_calls: int | None
    began_us: int | None = None
    n_answers: int = 0


def _run(headers: list[_Header]) -> ImportedRun:
    """Make the run of all trajectories: of the first model, version and configuration that they name."""
    began = [at for header in headers if (at := header.began_us) is not None]
    model = next((header.model_name for header in headers if header.model_name), None)
    return ImportedRun(
        key=f"{model or NAME}/{min(began, default=0)}",
        tool=NAME,
        name=model,
        tool_version=next((header.version for header in headers if header.version), None),
        created_at_us=min(began, default=None),
        config=next((an_object(header.info.get("config")) for header in headers), {}),
    )


def _header(file: SourceFile) -> _Header:
    top: JsonObject = {}
    began_us, n_answers = None, 0
    for path, value in walk(file.file, MESSAGES):
        if path != MESSAGES:
            top[path[0]] = value
            continue
        message = an_object(value)
        if began_us is None and (response := _response(message)) is not None:
            began_us = _instant(message, response)
        n_answers += _response(message) is not None
    version = a_text(top.get("trajectory_format"))
    if version is not None and version not in VERSIONS:
        raise ImportRefused(
            f"trajectory_format {version!r} is not known", where=file.name, fix=f"read are {', '.join(VERSIONS)}"
        )
    info = an_object(top.get("info"))
    return _Header(
        info=info,
        sample=a_text(top.get("instance_id")) or _stem(file.file.path),
        model_name=a_text(_model(info).get("model_name")),
        version=a_text(info.get("mini_version")),
        n_calls=a_count(an_object(info.get("model_stats")).get("api_calls")),
        began_us=began_us,
        n_answers=n_answers,
    )


def _model(info: JsonObject) -> JsonObject:
    return an_object(an_object(info.get("config")).get("model"))


def _response(message: JsonObject) -> Json:
    """Find the response that a message came from: beside it, or the message itself; None = it came from no model."""
    extra = an_object(message.get("extra"))
    if extra.get("response") is not None:
        return extra["response"]
    return message if message.get("object") == "response" else None


def _instant(message: JsonObject, response: Json) -> int | None:
    said = a_number(an_object(message.get("extra")).get("timestamp"))
    answer = an_object(response)
    return instant_us(said if said is not None else answer.get("created", answer.get("created_at")))


@dataclass(slots=True, kw_only=True)
class _Trajectory:
    """One pass over the messages of a trajectory.

    Attributes:
        asked: messages since the last call.
    """

    run: str
    file: SourceFile
    header: _Header
    cells: dict[tuple[str, str, str | None], ImportedCell]
    texts: bool
    asked: list[Json] = field(default_factory=list)
    n_calls: int = 0
    n_without: int = 0

    def records(self) -> Iterator[Record]:
        sample = SampleKey(sample_id=self.header.sample)
        for path, value in walk(self.file.file, MESSAGES):
            if path != MESSAGES:
                continue
            message = an_object(value)
            response = _response(message)
            if response is not None or (not self.header.n_answers and message.get("role") == "assistant"):
                self.n_calls += 1
                yield self._call(message, response, sample)
                self.asked = []
            elif self.texts:
                self.asked.append({name: message.get(name) for name in ("role", "content")})
        if not self.n_calls:
            yield ImportedSample(cell=self._cell(None), sample=sample)
        yield from self._notes()

    def _call(self, message: JsonObject, response: Json, sample: SampleKey) -> Record:
        cell = self._cell(a_text(message.get("model_name")))
        extra, document = an_object(message.get("extra")), an_object(response)
        answer = read_logged(document, cell.provider)
        if answer.doubt is not None:
            return Broken(where=f"{self.file.name}: call {self.n_calls}", reason=answer.doubt)
        at_us = _instant(message, response)
        self.n_without += answer.usage is None
        return ImportedAttempt(
            cell=cell,
            identity=f"{document.get('id') or self.header.sample}/{at_us}/{self.n_calls}",
            sample=sample,
            model_served=answer.stated.model,
            usage=_usage(answer, cell.provider),
            started_at_us=at_us,
            finished_at_us=at_us,
            stated_cost_usd=an_amount(extra.get("cost")) or None,
            cost_note="litellm's price list of that day" if cell.provider not in _GATEWAYS else None,
            service_tier=answer.stated.service_tier,
            provider_request_id=a_text(document.get("id")),
            finish_reason=answer.finish_reason,
            refused=answer.stated.refused,
            said=logged_words(self.asked, document, cell.provider) if self.texts else None,
        )

    def _cell(self, model_name: str | None) -> ImportedCell:
        """Give the cell of a call; agents that choose among models say for each which it was."""
        config = an_object(self.header.info.get("config"))
        kind = str(config.get("model_type") or "").lower()
        name = model_name or self.header.model_name
        gateway = next((provider for word, provider in _GATEWAYS.items() if word in kind), None)
        provider, model = named(name) if gateway is None else (gateway, name or "")
        setting = setting_of(an_object(_model(self.header.info).get("model_kwargs")))
        key = provider, model, setting
        cell = ImportedCell(run=self.run, suite=NAME, provider=provider, model=model, setting=setting)
        return self.cells.setdefault(key, cell)

    def _notes(self) -> Iterator[Noted]:
        stated = self.header.n_calls
        if stated is not None and stated > self.n_calls:
            detail = f"{self.header.sample}: {stated} calls counted, {self.n_calls} in the trajectory"
            yield Noted(run=self.run, name="calls_missing", detail=detail, lower_bound=True)
        if self.n_without:
            detail = f"{self.header.sample}: {self.n_without} answers have no usage"
            yield Noted(run=self.run, name="usage_missing", detail=detail, lower_bound=True)


def _usage(answer: LoggedAnswer, provider: str) -> ImportedUsage | None:
    """Read a usage as litellm normalised it, where the call went by way of litellm."""
    usage = answer.usage
    if usage is None or usage.raw is None or "prompt_tokens" not in usage.raw or provider in _GATEWAYS:
        return usage
    return checked_usage(LITELLM, an_object(usage.raw))


FORMAT = Format(
    name=NAME,
    title="mini-swe-agent trajectories",
    looks_for="JSON with trajectory_format mini-swe-agent-1..., or info.model_stats and messages",
    role_of=role_of,
    read=read,
    unit_of=unit_of,
    example="OUTPUT_FOLDER",
    cannot_tell=(
        "Retries: requests that litellm repeated are not in it, so the spend is a lower bound.",
        "Whether a cost of 0 is free or unknown: it is taken as unknown.",
        "Whether the issue was resolved: that is in the report of SWE-bench.",
    ),
)
