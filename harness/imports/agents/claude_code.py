"""Sessions of Claude Code: JSON Lines with a line per content block, of which the last has an answer's final usage.

Data flows the lines of a session (also of a sub-agent) -> answers, joined on message and request id -> records. A
resumed session repeats the answers of the one before under its own session id: their identity is that of the answer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from harness.declared import Json, JsonObject
from harness.imports.agents.coding_sessions import SUBSCRIPTION, project_run
from harness.imports.containers.json_stream import lines
from harness.imports.containers.json_values import a_count, a_list, a_text, an_amount, an_object
from harness.imports.gateways.logged_answers import checked_usage, doubt_in
from harness.imports.gateways.logged_rows import digest_of
from harness.imports.harnesses.asked_models import NO_MODEL
from harness.imports.log_formats import Format, Source, SourceFile
from harness.imports.log_instants import instant_us
from harness.imports.log_peeks import Peek
from harness.imports.log_records import (
    Broken,
    ImportedAttempt,
    ImportedCell,
    ImportedRun,
    ImportedUsage,
    Noted,
    Record,
    Said,
)
from harness.providers.wire.answers import text_of, thoughts_of
from harness.providers.wire.finish_reasons import finish_reason
from harness.usage.kinds import MESSAGES

NAME = "claude_code"
SYNTHETIC = "<synthetic>"
"""Model of lines that the client wrote itself, for example that the service was overloaded."""
MOST_OPEN = 1024
"""Answers whose further lines are waited for; between two lines of one stand results of tools, never thousands."""
_MARKS = frozenset({"sessionId", "session_id", "requestId", "uuid", "costUSD"})
"""Of which every line with a message has at least one; `session_id` is the word of what it prints as it runs."""
_OLD_COUNTS = {
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "cacheCreationInputTokens": "cache_creation_input_tokens",
    "cacheReadInputTokens": "cache_read_input_tokens",
}


def role_of(look: Peek) -> str | None:
    """Recognise a session by lines with a message and a session id, or what older clients wrote."""
    return "session" if any(_is_of_session(row) for row in look.rows if isinstance(row, dict)) else None


def _is_of_session(row: JsonObject) -> bool:
    if "payload" in row:
        return False
    message = row.get("message")
    if not isinstance(message, dict):
        return row.get("type") == "summary" and "leafUuid" in row
    is_answer = row.get("type") in ("assistant", "user") or "usage" in message
    return is_answer and not _MARKS.isdisjoint(row)


def read(source: Source) -> Iterator[Record]:
    """Give each answer of each session once."""
    for file in source.files:
        yield from _Session(file=file, texts=source.texts).records()


@dataclass(slots=True)
class _Answer:
    """An answer while its lines are read."""

    identity: str
    row: JsonObject
    usage: JsonObject
    output: int
    began_us: int | None
    where: str
    asked: JsonObject = field(default_factory=dict)
    blocks: list[Json] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _Session:
    """One pass over a file.

    Attributes:
        asked: the last message of the user.
        has_endings: this version says how answers ended; older ones never did.
    """

    file: SourceFile
    texts: bool
    open: OrderedDict[str, _Answer] = field(default_factory=OrderedDict)
    cells: dict[tuple[str, str], ImportedCell] = field(default_factory=dict)
    asked: JsonObject = field(default_factory=dict)
    n_api_errors: int = 0
    has_endings: bool = False
    run: str = NAME

    def records(self) -> Iterator[Record]:
        run = _project(self.file.look)
        self.run = run.key
        yield run
        for line in lines(self.file.file):
            if isinstance(line, Broken):
                yield line
            else:
                yield from self._line(an_object(line.value), f"{self.file.name}:{line.number}")
        last = next(reversed(self.open.values()), None)
        while self.open:
            yield from self._close()
        yield from self._notes(last)

    def _notes(self, last: _Answer | None) -> Iterator[Noted]:
        """Say what the session leaves out, of its last answer also."""
        if self.has_endings and last is not None and an_object(last.row.get("message")).get("stop_reason") is None:
            detail = f"{last.where}: its last answer was still being written, with {last.output} output tokens so far"
            yield Noted(run=self.run, name="not_finished", detail=detail, lower_bound=True)
        detail = "Claude Code keeps nothing of requests that it repeated"
        if self.n_api_errors:
            detail += f", nor of the tries of {self.n_api_errors} that failed for good ({self.file.name})"
        yield Noted(run=self.run, name="retries_lost", detail=detail, lower_bound=True)

    def _line(self, row: JsonObject, where: str) -> Iterator[Record]:
        message = an_object(row.get("message"))
        if self.texts and row.get("type") == "user":
            self.asked = message
        if message.get("model") == SYNTHETIC:
            self.n_api_errors += row.get("isApiErrorMessage") is True
            return
        usage = an_object(message.get("usage")) or {name: row[name] for name in _OLD_COUNTS if name in row}
        if not usage:
            return
        found = self._answer(row, usage, where)
        if self.texts:
            found.blocks += a_list(message.get("content"))
        if len(self.open) > MOST_OPEN:
            yield from self._close()

    def _answer(self, row: JsonObject, usage: JsonObject, where: str) -> _Answer:
        """Give the answer that a line is of, with that usage of its lines which counts the most output."""
        identity = _identity(row, an_object(row.get("message")))
        output = a_count(usage.get("output_tokens", usage.get("outputTokens"))) or 0
        found = self.open.get(identity)
        if found is None:
            found = _Answer(identity, row, usage, output, instant_us(row.get("timestamp")), where, self.asked)
            self.open[identity] = found
        elif output >= found.output:  # earlier lines have what was counted when they were streamed
            found.row, found.usage, found.output, found.where = row, usage, output, where
        return found

    def _close(self) -> Iterator[Record]:
        """Give the answer that has been open longest."""
        _, answer = self.open.popitem(last=False)
        usage, row = _usage(answer.usage), answer.row
        if (doubt := doubt_in(usage)) is not None:
            yield Broken(where=answer.where, reason=doubt)
            return
        message = an_object(row.get("message"))
        ended = message.get("stop_reason")
        self.has_endings |= ended is not None
        yield ImportedAttempt(
            cell=self._cell(a_text(message.get("model")) or NO_MODEL, str(message.get("id"))),
            identity=answer.identity,
            model_served=a_text(message.get("model")),
            usage=usage,
            started_at_us=answer.began_us,
            finished_at_us=instant_us(row.get("timestamp")),
            stated_cost_usd=_cost(row),
            cost_note="the client's own price list" if _cost(row) is not None else None,
            service_tier=a_text(answer.usage.get("service_tier")),
            provider_request_id=a_text(row.get("requestId")) or a_text(message.get("id")),
            finish_reason=None if ended is None else finish_reason(ended),
            said=self._said(answer) if self.texts else None,
        )

    def _cell(self, model: str, message_id: str) -> ImportedCell:
        """Give a model's cell; the ids of answers that came by way of a cloud say so."""
        provider = {"msg_bdrk": "bedrock", "msg_vrtx": "vertex_ai"}.get(message_id[:8], "anthropic")
        cell = ImportedCell(run=self.run, suite=NAME, provider=provider, model=model)
        return self.cells.setdefault((provider, model), cell)

    def _said(self, answer: _Answer) -> Said:
        return Said(
            messages=[{"role": "user", "content": answer.asked.get("content")}] if answer.asked else [],
            answer=text_of(answer.blocks),
            reasoning=thoughts_of(answer.blocks) or None,
        )


def _project(look: Peek) -> ImportedRun:
    """Give the run of the folder that the first lines name."""
    rows = [row for row in look.rows if isinstance(row, dict)]
    return project_run(
        NAME,
        next((cwd for row in rows if (cwd := a_text(row.get("cwd")))), None),
        version=next((version for row in rows if (version := a_text(row.get("version")))), None),
        created_at_us=next((at for row in rows if (at := instant_us(row.get("timestamp"))) is not None), None),
    )


def _cost(row: JsonObject) -> Decimal | None:
    return an_amount(row.get("costUSD")) or None


def _identity(row: JsonObject, message: JsonObject) -> str:
    """Name an answer alike in every copy of it: by the service's ids, or the line's own, or what the line says."""
    if message_id := a_text(message.get("id")):
        return f"{message_id}/{a_text(row.get('requestId')) or ''}"
    if line_id := a_text(row.get("uuid")):
        return f"uuid/{line_id}"
    return f"line/{digest_of(row)}"


def _usage(raw: JsonObject) -> ImportedUsage:
    old = {new: raw[name] for name, new in _OLD_COUNTS.items() if name in raw}
    usage = checked_usage(MESSAGES, old or raw)
    return ImportedUsage(usage=usage.usage, raw=raw, kind=NAME if old else MESSAGES)


FORMAT = Format(
    name=NAME,
    title="Claude Code sessions",
    looks_for="JSON Lines with message, sessionId and requestId (~/.claude/projects)",
    role_of=role_of,
    read=read,
    example="~/.claude/projects",
    cannot_tell=(
        "Requests that failed or were repeated: the spend is a lower bound.",
        "How much of the output was thinking.",
        "Scores: sessions are no benchmark.",
        SUBSCRIPTION,
    ),
)
