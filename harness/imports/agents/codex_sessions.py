"""Rollouts of Codex: JSON Lines with a running total of the session and the usage of the last request beside it.

Data flows the lines of a session -> token counts whose total has changed -> records. A forked session, and that of a
sub-agent, begins with the counts of its parent, written anew: they belong to the parent's file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.declared import Json, JsonObject
from harness.imports.agents.coding_sessions import SUBSCRIPTION, project_run
from harness.imports.containers.json_stream import lines
from harness.imports.containers.json_values import a_count, a_text, an_object
from harness.imports.gateways.logged_answers import checked_usage, doubt_in
from harness.imports.gateways.logged_rows import digest_of
from harness.imports.harnesses.asked_models import NO_MODEL
from harness.imports.log_formats import Format, Source, SourceFile
from harness.imports.log_instants import instant_us
from harness.imports.log_peeks import Peek
from harness.imports.log_records import Broken, ImportedAttempt, ImportedCell, ImportedUsage, Noted, Record
from harness.imports.refusal import ImportRefused
from harness.imports.usages import unsure
from harness.usage.kinds import RESPONSES

NAME = "codex"
COUNTS = ("input_tokens", "cached_input_tokens", "cache_write_input_tokens", "output_tokens", "reasoning_output_tokens")
REPLAY_US = 1_000_000
"""A fork writes its parent's lines anew within the second in which it is made; no request is answered that fast."""
_LINES = frozenset({"session_meta", "turn_context", "event_msg", "response_item", "compacted"})
Counts = tuple[int, ...]


def role_of(look: Peek) -> str | None:
    """Recognise a session by the types of its lines; those of 2025 before token counts are known, and refused."""
    rows = [row for row in look.rows if isinstance(row, dict)]
    if any(str(row.get("type")) in _LINES and isinstance(row.get("payload"), dict) for row in rows):
        return "session"
    is_old = {"id", "timestamp", "instructions"} <= look.first.keys() and "message" not in look.first
    return "old" if is_old and look.container == "lines" else None


def read(source: Source) -> Iterator[Record]:
    """Give each request of each session.

    Raises:
        ImportRefused: the session is of a version that wrote no token counts.
    """
    for file in source.files:
        if file.role == "old":
            raise ImportRefused(
                "is a session of a Codex before September 2025: it has no token counts", where=file.name
            )
        yield from _Session(file=file).records()


@dataclass(slots=True, kw_only=True)
class _Session:
    """One pass over a file.

    Attributes:
        total: running total so far; None = none was seen.
        moved: by how much it grew last.
        began_us: instant of the first line.
        inherited: total that another session had when this one was made from it.
        lost: what the total grew by beside the requests whose lines are here.
    """

    file: SourceFile
    run: str = NAME
    provider: str = "openai"
    model: str = NO_MODEL
    effort: str | None = None
    is_fork: bool = False
    began_us: int | None = None
    total: Counts | None = None
    moved: Counts = (0,) * len(COUNTS)
    n_aborted: int = 0
    inherited: Counts | None = None
    lost: Counts = (0,) * len(COUNTS)
    cells: dict[tuple[str, str | None], ImportedCell] = field(default_factory=dict)

    def records(self) -> Iterator[Record]:
        rows = [row for row in self.file.look.rows if isinstance(row, dict)]
        meta, context = _first_of(rows, "session_meta"), _first_of(rows, "turn_context")
        self.began_us = next((at for row in rows if (at := instant_us(row.get("timestamp"))) is not None), None)
        self.provider = a_text(meta.get("model_provider")) or self.provider
        self.is_fork = _is_fork(meta)
        run = project_run(
            NAME,
            a_text(meta.get("cwd")) or a_text(context.get("cwd")),
            version=a_text(meta.get("cli_version")),
            created_at_us=self.began_us,
        )
        self.run = run.key
        yield run
        for line in lines(self.file.file):
            if isinstance(line, Broken):
                yield line
            else:
                yield from self._line(an_object(line.value), f"{self.file.name}:{line.number}")
        yield from self._notes()

    def _line(self, row: JsonObject, where: str) -> Iterator[Record]:
        payload = an_object(row.get("payload"))
        kind = (row.get("type"), payload.get("type"))
        if kind[0] == "turn_context":
            self.model = a_text(payload.get("model")) or self.model
            self.effort = a_text(payload.get("effort"))
        elif kind == ("event_msg", "turn_aborted"):
            self.n_aborted += 1
        elif kind == ("event_msg", "token_count") and isinstance(payload.get("info"), dict):
            yield from self._count(an_object(payload["info"]), row, where)

    def _count(self, info: JsonObject, row: JsonObject, where: str) -> Iterator[Record]:
        """Take a count of tokens: the request's own, where the session's total has moved."""
        self.model = a_text(info.get("model")) or self.model
        raw_total, raw = an_object(info.get("total_token_usage")), an_object(info.get("last_token_usage"))
        at_us = instant_us(row.get("timestamp"))
        if raw_total and not self._has_moved(_counts(raw_total), _counts(raw) if raw else None, at_us):
            return
        raw = raw or dict(zip(COUNTS, self.moved, strict=True))
        if not any(_counts(raw)):
            return
        usage = _usage(raw)
        if (doubt := doubt_in(usage)) is not None:
            yield Broken(where=where, reason=doubt)
            return
        yield ImportedAttempt(
            cell=self._cell(),
            identity=_identity(row.get("timestamp"), _counts(raw_total), _counts(raw)),
            model_served=self.model if self.model != NO_MODEL else None,
            usage=usage,
            started_at_us=at_us,
            finished_at_us=at_us,
        )

    def _has_moved(self, total: Counts, last: Counts | None, at_us: int | None) -> bool:
        """Whether a total says something new of this session; keeps by how much it has moved, and what is missing."""
        before, self.total = self.total, total
        if total == before:
            return False  # the same event once more
        if self._is_inherited(before, total, last, at_us):
            self.inherited = total
            return False
        grown = None if before is None else tuple(map(_minus, total, before))
        if grown is None or min(grown) < 0:  # the first one, or counted anew from zero
            self.moved = total
            return True
        self.moved = grown
        missing = grown if last is None else tuple(map(_minus, grown, last))
        if last is not None and min(missing) >= 0:
            self.lost = tuple(map(sum, zip(self.lost, missing, strict=True)))
        return True

    def _is_inherited(self, before: Counts | None, total: Counts, last: Counts | None, at_us: int | None) -> bool:
        """Whether a count was taken over from another session.

        A first one whose total is more than its request, or, in a fork, one that was written as soon as the fork was
        made, or that has not grown since.
        """
        if before is None and last is not None and (total[0], total[3]) != (last[0], last[3]):
            return True
        if not self.is_fork:
            return False
        if at_us is not None and self.began_us is not None and at_us - self.began_us <= REPLAY_US:
            return True
        return self.inherited is not None and total != last and _size(total) <= _size(self.inherited)

    def _cell(self) -> ImportedCell:
        cell = ImportedCell(run=self.run, suite=NAME, provider=self.provider, model=self.model, setting=self.effort)
        return self.cells.setdefault((self.model, self.effort), cell)

    def _notes(self) -> Iterator[Noted]:
        detail = "Codex keeps nothing of requests that it repeated"
        yield Noted(run=self.run, name="retries_lost", detail=detail, lower_bound=True)
        if self.inherited is not None and not self.is_fork:
            total = _shown(self.inherited)
            detail = f"{self.file.name} begins with the total of another session, which is left out ({total})"
            yield Noted(run=self.run, name="total_differs", detail=detail)
        if any(self.lost):
            detail = f"{self.file.name}: the running total holds requests whose lines are missing ({_shown(self.lost)})"
            yield Noted(run=self.run, name="samples_missing", detail=detail, lower_bound=True)
        if self.n_aborted:
            detail = (
                f"{self.file.name}: turns that were interrupted: {self.n_aborted}; what they had used is not in the log"
            )
            yield Noted(run=self.run, name="not_finished", detail=detail, lower_bound=True)


def _first_of(rows: list[JsonObject], kind: str) -> JsonObject:
    """Give what the first line of a type holds; empty where there is none."""
    return next((an_object(row.get("payload")) for row in rows if row.get("type") == kind), {})


def _is_fork(meta: JsonObject) -> bool:
    """Whether a session was made from another one: by hand, or as a sub-agent's."""
    subagent = an_object(an_object(meta.get("source")).get("subagent"))
    return bool(a_text(meta.get("forked_from_id")) or "thread_spawn" in subagent)


def _counts(raw: JsonObject) -> Counts:
    return tuple(a_count(raw.get(name)) or 0 for name in COUNTS)


def _minus(one: int, other: int) -> int:
    return one - other


def _size(counts: Counts) -> int:
    return counts[0] + counts[3]


def _shown(counts: Counts) -> str:
    return ", ".join(f"{name} {count}" for name, count in zip(COUNTS, counts, strict=True) if count)


def _identity(timestamp: Json, total: Counts, last: Counts) -> str:
    """Name a request by its instant and the two counts: alike in every copy of the session's file."""
    return digest_of([timestamp, list(total), list(last)])


def _usage(raw: JsonObject) -> ImportedUsage:
    """Read a request's counts: input includes what was cached, output includes reasoning, in every version.

    The total is not asked: writers of this format differ in whether it adds reasoning once more.
    """
    counts = {name: raw[name] for name in COUNTS if name in raw}
    given, read, written, output, reasoning = (a_count(counts.get(name)) or 0 for name in COUNTS)
    if min(given, read, written, output, reasoning) >= 0 and (read + written > given or reasoning > output):
        return unsure(NAME, raw, "parts_exceed_total", f"more cached than input, or reasoning than output: {counts}")
    answer: JsonObject = {
        "input_tokens": counts.get(COUNTS[0]),
        "input_tokens_details": {"cached_tokens": counts.get(COUNTS[1]), "cache_write_tokens": counts.get(COUNTS[2])},
        "output_tokens": counts.get(COUNTS[3]),
        "output_tokens_details": {"reasoning_tokens": counts.get(COUNTS[4])},
    }
    return ImportedUsage(usage=checked_usage(RESPONSES, answer).usage, raw=raw, kind=NAME)


FORMAT = Format(
    name=NAME,
    title="Codex sessions",
    looks_for="JSON Lines of type session_meta, turn_context and event_msg (~/.codex/sessions)",
    role_of=role_of,
    read=read,
    example="~/.codex/sessions",
    cannot_tell=(
        "Requests that failed, were repeated or were interrupted: the spend is a lower bound.",
        "Ids of requests, stated costs and the tier.",
        "Scores: sessions are no benchmark.",
        SUBSCRIPTION,
    ),
)
