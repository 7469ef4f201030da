"""Logs of the command line tool `llm`: its SQLite file, with `responses` or `turns`, and what `llm logs --json` writes.

Data flows rows of either table, or of the list -> one call each -> records. Details keep the names of the provider that
the plugin asked, with all zeros left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.declared import Json, JsonObject
from harness.imports.containers.json_values import a_count, a_text, an_object
from harness.imports.containers.sqlite_files import database
from harness.imports.gateways.logged_answers import checked_usage, doubt_in, logged_words
from harness.imports.gateways.logged_rows import Row, first_row, rows_in, unpacked
from harness.imports.harnesses.asked_models import NO_MODEL, UNKNOWN_PROVIDER
from harness.imports.harnesses.logged_settings import setting_of
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
from harness.imports.refusal import ImportRefused
from harness.providers.wire.finish_reasons import finish_reason
from harness.providers.wire.raw_answers import Received, stated_by
from harness.usage.kinds import CHAT, MESSAGES, RESPONSES

NAME = "llm"
TABLES = ("responses", "turns")
_NEEDED = frozenset({"id", "model", "datetime_utc", "duration_ms"})
_COUNTS = ("input_tokens", "output_tokens", "token_details")
_WANTED = (*sorted(_NEEDED), *_COUNTS, "resolved_model", "options_json", "response_json")
_TEXTS = ("prompt", "system", "response")
_PREFIXES = frozenset({
    "anthropic", "mistral", "openrouter", "gemini", "groq", "deepseek", "together", "fireworks", "cohere", "bedrock",
    "perplexity", "xai", "azure",
})  # fmt: skip
"""Plugins that name their models `provider/model`."""


def role_of(look: Peek) -> str | None:
    """Recognise the database by its tables, and the list by its members."""
    if look.tables:
        return "database" if any(set(look.tables.get(table, ())) >= _NEEDED for table in TABLES) else None
    row = first_row(look)
    return "list" if _NEEDED | {"conversation_id", "options_json"} <= row.keys() else None


def read(source: Source) -> Iterator[Record]:
    """Give each call.

    Raises:
        ImportRefused: the database is of a version that kept no tokens.
    """
    yield ImportedRun(key=NAME, tool=NAME, name=NAME)
    cells: dict[tuple[str, str, str | None], ImportedCell] = {}
    for file in source.files:
        for row in _rows(file, texts=source.texts):
            if isinstance(row, Broken):
                yield row
                continue
            where, fields = row
            call = _call(fields, cells, texts=source.texts)
            doubt = None if call.usage is None else doubt_in(call.usage)
            yield call if doubt is None else Broken(where=where, reason=doubt)
    detail = "llm keeps nothing of calls that failed, and one row for all tries of a call"
    yield Noted(run=NAME, name="retries_lost", detail=detail, lower_bound=True)


def _rows(file: SourceFile, *, texts: bool) -> Iterator[Row | Broken]:
    if file.role == "list":
        yield from rows_in(file)
        return
    wanted = (*_WANTED, *_TEXTS) if texts else _WANTED
    with database(file.file) as opened:
        tables = opened.tables()
        counted = [table for table in TABLES if set(_COUNTS[:2]) <= set(tables.get(table, ()))]
        if not counted:
            raise ImportRefused("is of a version of llm that kept no tokens (before 0.19)", where=file.name)
        for table in counted:  # a database that was upgraded has old calls in the one, new calls in the other
            query = _query(table, tables, wanted)
            for number, row in enumerate(opened.rows(query), 1):
                yield f"{file.name}: {table} row {number}", {name: _plain(value) for name, value in row.items()}


def _query(table: str, tables: Mapping[str, tuple[str, ...]], wanted: tuple[str, ...]) -> str:
    """Write the query of a table; the texts of turns are kept in parts, and whole beside them for searching."""
    columns = [f"{table}.{name}" for name in wanted if name in tables[table]]
    if "prompt" not in wanted or table != "turns" or "turn_search" not in tables:
        return f"SELECT {', '.join(columns)} FROM {table} ORDER BY {table}.id"  # names of ours
    columns += ["turn_search.prompt", "turn_search.response"]
    searched = "LEFT JOIN turn_search ON turn_search.turn_id = turns.id"
    return f"SELECT {', '.join(columns)} FROM turns {searched} ORDER BY turns.id"  # names of ours


def _plain(value: int | float | str | bytes | None) -> Json:
    return None if isinstance(value, bytes) else value


def _call(row: JsonObject, cells: dict[tuple[str, str, str | None], ImportedCell], *, texts: bool) -> ImportedAttempt:
    provider, model = _asked(a_text(row.get("model")) or NO_MODEL)
    setting = setting_of(unpacked(row.get("options_json")))
    key = provider, model, setting
    cell = cells.setdefault(key, ImportedCell(run=NAME, suite=NAME, provider=provider, model=model, setting=setting))
    answer = unpacked(row.get("response_json"))
    stated = stated_by(answer, Received(provider=provider))
    began, took = instant_us(row.get("datetime_utc")), a_count(row.get("duration_ms"))
    return ImportedAttempt(
        cell=cell,
        identity=str(row.get("id")),
        model_served=a_text(row.get("resolved_model")) or stated.model,
        usage=_usage(row, provider),
        started_at_us=began,
        finished_at_us=began if began is None or took is None else began + max(0, took) * 1000,
        service_tier=stated.service_tier,
        provider_request_id=stated.request_id,
        finish_reason=None if stated.finish_reason is None else finish_reason(stated.finish_reason),
        said=_said(row, answer, provider) if texts else None,
    )


def _asked(name: str) -> tuple[str, str]:
    """Take provider and model apart, where the plugin names both; else nobody says who was asked."""
    provider, slash, model = name.partition("/")
    return (provider, model) if slash and model and provider in _PREFIXES else (UNKNOWN_PROVIDER, name)


def _usage(row: JsonObject, provider: str) -> ImportedUsage | None:
    """Read the counts by the names of their details, which are the provider's; None = none are kept."""
    given, output, details = a_count(row.get("input_tokens")), a_count(row.get("output_tokens")), _details(row)
    if given is None and output is None:
        return None
    raw: JsonObject = {"input_tokens": given, "output_tokens": output, "token_details": details}
    if any(name.startswith("cache_") for name in details) or provider == "anthropic":
        kind, answer = MESSAGES, {"input_tokens": given, "output_tokens": output, **details}
    elif "input_tokens_details" in details or "output_tokens_details" in details:
        kind, answer = RESPONSES, {"input_tokens": given, "output_tokens": output, **details}
    elif any(name.endswith("TokenCount") for name in details):  # the plugin has added thoughts to the output already
        cached, thoughts = details.get("cachedContentTokenCount"), details.get("thoughtsTokenCount")
        kind = CHAT
        answer = {
            "prompt_tokens": given,
            "completion_tokens": output,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": thoughts},
        }
    else:
        kind, answer = CHAT, {"prompt_tokens": given, "completion_tokens": output, **details}
    return ImportedUsage(usage=checked_usage(kind, answer).usage, raw=raw, kind=NAME)


def _details(row: JsonObject) -> JsonObject:
    return unpacked(row.get("token_details"))


def _said(row: JsonObject, answer: JsonObject, provider: str) -> Said:
    asked: list[Json] = [
        {"role": role, "content": row[name]}
        for role, name in (("system", "system"), ("user", "prompt"))
        if row.get(name)
    ]
    words = a_text(row.get("response"))
    if words is None:
        return logged_words(asked, answer, provider)
    return Said(messages=[an_object(one) for one in asked], answer=words)


FORMAT = Format(
    name=NAME,
    title="llm (logs.db, llm logs --json)",
    looks_for="SQLite with a table responses or turns, or the list that `llm logs list -n 0 --json` writes",
    role_of=role_of,
    read=read,
    example="logs.db",
    cannot_tell=(
        "Who was asked, unless the model's name says it: name the provider with prices of your own.",
        "Zero and unknown: zeros are left out of its details.",
        "Calls that failed, and tries of calls: the spend is a lower bound.",
        "Cached tokens of Claude unless the plugin's cache option was on.",
        "Samples, scores and stated costs.",
    ),
)
