"""Results of promptfoo: `-o out.json`, `-o out.jsonl` and `promptfoo.db`; a CSV export holds no tokens and is refused.

Data flows each form -> evaluations, each a header and its rows -> records. All forms name rows alike, so one evaluation
that is imported in two forms adds nothing twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from harness.declared import Json, JsonObject
from harness.imports.containers.json_stream import lines, walk
from harness.imports.containers.json_values import a_count, a_list, a_text, an_object, parse
from harness.imports.containers.sqlite_files import Database, Value, database
from harness.imports.harnesses.logged_settings import setting_of
from harness.imports.harnesses.promptfoo.promptfoo_rows import NAME, Layout, Rows
from harness.imports.log_formats import Format, Source, SourceFile
from harness.imports.log_instants import instant_us
from harness.imports.log_peeks import Peek
from harness.imports.log_records import Broken, ImportedRun, LoggedStatus, Noted, Record
from harness.imports.refusal import ImportRefused

VERSIONS = (3, 4)
_ROWS = ("results", "results")
_ROW = {"promptIdx", "testIdx", "testCase"}
_TABLES = {"evals", "eval_results"}
_TEXT_COLUMNS = {
    "test_case": "testCase", "prompt": "prompt", "provider": "provider", "response": "response",
    "grading_result": "gradingResult", "named_scores": "namedScores", "metadata": "metadata",
}  # fmt: skip
_COLUMNS = {
    "id": "id", "prompt_idx": "promptIdx", "test_idx": "testIdx", "prompt_id": "promptId", "latency_ms": "latencyMs",
    "cost": "cost", "error": "error", "score": "score", "failure_reason": "failureReason", "created_at": "createdAt",
}  # fmt: skip


def role_of(look: Peek) -> str | None:
    """Recognise the export by its versioned results, rows alone, the database's tables, and the CSV to refuse it."""
    if look.tables.keys() >= _TABLES:
        return "database"
    if look.columns:
        is_ours = {"Status", "Grader Reason"} <= set(look.columns)
        return "csv" if is_ours or _is_old_csv(look.columns) else None
    results = look.top.get("results")
    if isinstance(results, dict) and "version" in results and {"prompts", "results", "table"} & results.keys():
        return "export"
    return "rows" if look.first.keys() >= _ROW else None


_PROMPT_COLUMN = re.compile(r"\[[\w.-]+:[^\[\]]{1,80}\] \S")
"""`[openai:gpt-4o] Is this right?`, as promptfoo names a column by provider and prompt."""


def _is_old_csv(columns: tuple[str, ...]) -> bool:
    return any(map(_PROMPT_COLUMN.match, columns))


def read(source: Source) -> Iterator[Record]:
    """Give each evaluation as a run.

    Raises:
        ImportRefused: it is a CSV, of an unknown version, or a red-team export.
    """
    readers: Mapping[str, Callable[[SourceFile, bool], Iterator[Record]]] = {
        "export": _read_export,
        "rows": _read_rows,
        "database": _read_database,
        "csv": _refuse_csv,
    }
    for file in source.files:
        yield from readers[file.role](file, source.texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evaluation:
    """One evaluation: what is known of it besides its rows.

    Attributes:
        rows: reads them, as often as needed; with each its place, or what is wrong with it.
    """

    key: str
    rows: Callable[[], Iterator[tuple[str, JsonObject] | Broken]]
    config: JsonObject = field(default_factory=dict)
    version: str | None = None
    created_at_us: int | None = None
    n_stated: int | None = None


def _refuse_csv(file: SourceFile, _texts: bool) -> Iterator[Record]:  # one of four readers
    raise ImportRefused(
        "promptfoo's CSV holds texts and pass marks, and no tokens",
        where=file.name,
        fix="export the same evaluation as JSON: promptfoo export eval ID -o results.json",
    )


def _read_export(file: SourceFile, texts: bool) -> Iterator[Record]:  # one of four readers
    head: dict[tuple[str, ...], Json] = dict(walk(file.file, _ROWS, ("vars",), skip=True))
    version = head.get(("results", "version"))
    if version not in VERSIONS:
        raise ImportRefused(
            f"promptfoo results of version {version!r}: versions {VERSIONS[0]} and {VERSIONS[1]} are read",
            where=file.name,
            fix="export the evaluation again with a newer promptfoo",
        )
    config, about = an_object(head.get(("config",))), an_object(head.get(("metadata",)))
    if config.get("redteam"):
        raise _red_team(file.name)
    stats = an_object(head.get(("results", "stats")))
    counts = [a_count(stats.get(name)) for name in ("successes", "failures", "errors")]
    created = instant_us(head.get(("results", "timestamp"))) or instant_us(about.get("evaluationCreatedAt"))

    def rows() -> Iterator[tuple[str, JsonObject] | Broken]:
        number = 0
        for path, value in walk(file.file, _ROWS):
            if path == _ROWS:
                number += 1
                yield _placed(f"{file.name}: result {number}", value)

    key = a_text(head.get(("evalId",))) or f"created {created}"
    yield from _records(
        _Evaluation(
            key=key,
            rows=rows,
            config=config,
            version=a_text(about.get("promptfooVersion")),
            created_at_us=created,
            n_stated=sum(count or 0 for count in counts) if any(counts) else None,
        ),
        texts=texts,
    )


def _read_rows(file: SourceFile, texts: bool) -> Iterator[Record]:  # one of four readers
    def rows() -> Iterator[tuple[str, JsonObject] | Broken]:
        for line in lines(file.file):
            yield line if isinstance(line, Broken) else _placed(f"{file.name}:{line.number}", line.value)

    first = a_text(file.look.first.get("id")) or "rows"
    if an_object(an_object(file.look.first.get("testCase")).get("metadata")).get("pluginId"):
        raise _red_team(file.name)
    yield from _records(_Evaluation(key=f"rows from {first}", rows=rows), texts=texts)


def _read_database(file: SourceFile, texts: bool) -> Iterator[Record]:  # one of four readers
    with database(file.file) as opened:
        for eval_row in list(opened.rows("SELECT * FROM evals ORDER BY created_at, id")):
            key, config = str(eval_row["id"]), _parsed(eval_row.get("config"))
            where = f"{file.name}: evaluation {key}"
            if eval_row.get("is_redteam") not in (None, 0, "0", "false") or config.get("redteam"):
                yield Broken(where=where, reason=_red_team(where).message)
                continue
            if {"results", "table"} & _parsed(eval_row.get("results")).keys():
                yield Broken(where=where, reason=f"results of version 2: version {VERSIONS[0]} is read")
                continue
            created = instant_us(a_count(eval_row.get("created_at")), "ms")
            rows = _database_rows(opened, key, where)
            yield from _records(_Evaluation(key=key, rows=rows, config=config, created_at_us=created), texts=texts)


def _database_rows(opened: Database, key: str, where: str) -> Callable[[], Iterator[tuple[str, JsonObject] | Broken]]:
    def rows() -> Iterator[tuple[str, JsonObject] | Broken]:
        query = "SELECT * FROM eval_results WHERE eval_id = ? ORDER BY test_idx, prompt_idx"
        for row in opened.rows(query, [key]):
            place = f"{where}, row {row['test_idx']!s}.{row['prompt_idx']!s}"
            try:
                texts = {ours: _json(row.get(theirs)) for theirs, ours in _TEXT_COLUMNS.items()}
            except ValueError as error:
                yield Broken(where=place, reason=f"not JSON: {error}")
                continue
            plain = {ours: row.get(theirs) for theirs, ours in _COLUMNS.items()}
            yield _placed(place, {**texts, **plain})

    return rows


def _json(text: Value) -> Json:
    return parse(text.encode()) if isinstance(text, str) and text else None


def _parsed(text: Value) -> JsonObject:
    try:
        return an_object(_json(text))
    except ValueError:
        return {}


def _placed(where: str, value: object) -> tuple[str, JsonObject] | Broken:
    row = an_object(value)
    if not row.get("provider") or not isinstance(row.get("testCase"), dict):
        return Broken(where=where, reason="names no provider or no test case: not a row of promptfoo's results")
    return where, row


def _red_team(where: str) -> ImportRefused:
    return ImportRefused(
        "a red-team export: attacks that are made up as it goes, of which no score is a benchmark's", where=where
    )


def _records(evaluation: _Evaluation, *, texts: bool) -> Iterator[Record]:
    """Read an evaluation's rows twice: what all of them are, then each."""
    layout, n_rows = Layout(), 0
    for placed in evaluation.rows():
        if not isinstance(placed, Broken):
            layout.see(placed[1])
            n_rows += 1
    n_missing = max(0, (evaluation.n_stated or 0) - n_rows)
    yield _run(evaluation, "partial" if n_missing else "complete")
    suite = a_text(evaluation.config.get("description")) or NAME
    reader = Rows(evaluation.key, suite, layout, dict(_providers(evaluation.config)), texts=texts)
    for placed in evaluation.rows():
        if isinstance(placed, Broken):
            yield placed
        else:
            yield from reader.records(placed[1], placed[0])
    yield from _notes(evaluation, n_rows, n_missing)


def _run(evaluation: _Evaluation, status: LoggedStatus) -> ImportedRun:
    kept = ("description", "providers", "prompts", "defaultTest", "evaluateOptions")
    return ImportedRun(
        key=evaluation.key,
        tool=NAME,
        tool_version=evaluation.version,
        name=a_text(evaluation.config.get("description")) or evaluation.key,
        created_at_us=evaluation.created_at_us,
        status=status,
        config={name: evaluation.config[name] for name in kept if evaluation.config.get(name)},
    )


def _providers(config: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """Give the providers that a configuration sets up, each under its label or its name."""
    for one in a_list(config.get("providers")):
        named = an_object(one)
        label = a_text(named.get("label")) or a_text(named.get("id"))
        if label:
            yield label, an_object(named.get("config"))


def _notes(evaluation: _Evaluation, n_rows: int, n_missing: int) -> Iterator[Noted]:
    if n_missing:
        detail = f"{evaluation.n_stated} results stated, {n_rows} in the export"
        yield Noted(run=evaluation.key, name="samples_missing", detail=detail, lower_bound=True)
    for label, own in _providers(evaluation.config):
        setting = setting_of(own)
        if setting is not None and setting_of(an_object(own.get("passthrough"))) is None:
            detail = f"{label}: {setting!r} was configured; promptfoo leaves it out for models that it does not know"
            yield Noted(run=evaluation.key, name="settings_unsure", detail=detail)
    detail = "promptfoo says nothing of requests that it repeated or that timed out"
    yield Noted(run=evaluation.key, name="retries_lost", detail=detail, lower_bound=True)


FORMAT = Format(
    name=NAME,
    title="promptfoo",
    looks_for="JSON with results.version, JSON Lines with promptIdx, testIdx and testCase, or SQLite with eval_results",
    role_of=role_of,
    read=read,
    example="results.json",
    cannot_tell=(
        "No model as served, and no settings as they were sent.",
        "Requests that were repeated or timed out are not in it.",
        "Graders have no model unless a test names one, and no cached tokens.",
        "JSON Lines have no time of the run, no version and no description.",
        "Costs are stated only for models in promptfoo's own table of prices.",
    ),
)
