"""Reference pages of what the program offers: commands, Python API, export columns, ledger tables."""

from __future__ import annotations

import inspect
import re
from typing import Any

from docs.markdown import docstring, prose, table

UNITS = {
    "_us": "microseconds since 1970-01-01 UTC",
    "_pico_usd": "1e-12 USD",
    "_usd": "USD, exact decimal",
    "_tokens": "tokens",
    "_millionths": "1e-6",
}
TABLES = {
    "runs": "What was asked for, with which code, suites and prices.",
    "cells": "One suite on one model setting within a run: one row of a report.",
    "planned_samples": "Every sample drawn before the first request, with its place in the draw. Immutable.",
    "parameter_sets": "Every parameter as sent, stored once.",
    "budget_sets": "Sets of budgets that an attempt counts against, stored once.",
    "usage_groups": "Everything that the price of an attempt depends on, stored once.",
    "attempts": "One row per request, committed before it leaves and settled before its answer is read. Append-only.",
    "prompts": "Messages as sent (zstd), stored once.",
    "transcripts": "Answers (zstd). May be deleted to save space; the facts stay.",
    "scores": "Scores or the reason why there is none; the newest of an attempt counts. Append-only.",
    "budgets": "Caps and what counts against them: settled (`spent`) and in flight or possibly billed (`reserved`).",
    "batches": "Batches handed to providers, so that they are collected after a restart.",
    "batch_lines": "Which attempt is which line of a batch.",
    "draws": "Which planned samples a wave drew for a cell, written before they are asked. Append-only.",
    "forecasts": "What a run or one of its cells was expected to cost, with what it was made from. Append-only.",
    "imported_files": "Files of other tools that a run was imported from; counts are of all files read together, and"
    " stand with the first. Append-only.",
    "workers": "Who works on a run: a process each, which writes only as long as it is known to live (PostgreSQL).",
    "drivers": "The process that offers a run's work to workers, and the options that all of them follow.",
    "chains": "What workers take: planned samples that are asked one after the other, named by the first of them.",
    "paces": "What all workers of a run together may send to one model.",
    "imported_costs": "What the tool that wrote a log says that a request cost; it never replaces the list price."
    " Append-only.",
    "invoiced": "What a provider's account says of an attempt whose bill was not known. Append-only.",
}


def command_line() -> str:
    """Write every command with its arguments and options."""
    import typer

    from harness.cli.app import app
    from harness.cli.terminal.help_pages import with_value_names

    root: Any = with_value_names(typer.main.get_command(app))
    parts = [
        "# Command line\n",
        "Data goes to stdout, progress and messages to stderr. Exit codes: 0 good, 1 failed, 2 bad arguments or input"
        " file,\n3 budget reached (partial results kept, resumable), 4 regression gate, 5 inconclusive gate, 130"
        " interrupted\n(resumable).\n",
    ]
    for name, command in sorted(root.commands.items()):
        parts += _command(f"benchtab {name}", command)
    return "\n".join(parts)


def _command(path: str, command: Any) -> list[str]:
    if hasattr(command, "commands"):
        return [part for name, inner in command.commands.items() for part in _command(f"{path} {name}", inner)]
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and one.name != "help"]
    usage = " ".join([path, *(_shown_argument(one) for one in arguments), *(["[OPTIONS]"] if options else [])])
    parts = [f"## `{path}`\n", f"{inspect.cleandoc(command.help or '')}\n", f"`{usage}`\n"]
    rows = [(f"`{_shown_argument(one)}`", getattr(one, "help", None) or "", "") for one in arguments]
    rows += [(_names(one), one.help or "", _default(one)) for one in options]
    if rows:
        parts.append(table(("argument or option", "meaning", "default"), rows))
    return parts


def _shown_argument(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name.strip('[]')}]" + ("..." if argument.nargs == -1 else "")


def _names(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    if option.is_flag:
        return names
    return f"{names} `{option.metavar}`"


def _default(option: Any) -> str:
    if option.is_flag or option.default is None or option.default == [] or callable(option.default):
        return ""
    return f"`{option.default}`"


def python_api() -> str:
    """Write the functions and the class that `import harness` offers."""
    import harness
    from harness.api import RunOptions

    parts = ["# Python API\n", "```python\nimport harness  # `import benchtab` is the same\n```\n"]
    for function in (harness.run, harness.dry_run, harness.price, harness.report, harness.compare, harness.export):
        parts += _callable(f"harness.{function.__name__}", function)
    parts += ["## `harness.Ledger(db=None, *, pricing=None)`\n", f"{_sections(docstring(harness.Ledger))}\n"]
    methods = [
        (f"`{name}{_signature(method)}`", prose(method))
        for name, method in vars(harness.Ledger).items()
        if inspect.isfunction(method) and not name.startswith("_")
    ]
    parts.append(table(("method", "does"), methods))
    parts.append("## Options of `run`\n")
    rows = [(f"`{name}`", f"`{kind}`") for name, kind in inspect.get_annotations(RunOptions).items()]
    rows = [(name, re.sub(r"""ForwardRef\((["'])(.*)\1, module='harness.api'\)""", r"\2", kind)) for name, kind in rows]
    parts.append(table(("option", "type"), rows))
    return "\n".join(parts)


def _callable(name: str, function: Any) -> list[str]:
    return [f"## `{name}{_signature(function)}`\n", f"{_sections(docstring(function))}\n"]


def _signature(function: Any) -> str:
    found = inspect.signature(function)
    kept = [one.replace(annotation=inspect.Parameter.empty) for one in found.parameters.values() if one.name != "self"]
    return str(found.replace(parameters=kept, return_annotation=inspect.Signature.empty))


def _sections(text: str) -> str:
    """Turn docstring sections into lists."""
    lines, inside = [], False
    for line in text.splitlines():
        if line.strip() in ("Args:", "Returns:", "Raises:", "Attributes:"):
            inside = line.strip() in ("Args:", "Raises:", "Attributes:")
            lines += ["", f"**{line.strip().rstrip(':')}**", ""]
        elif inside and line.startswith("    ") and not line.startswith("     "):
            name, _, rest = line.strip().partition(": ")
            lines.append(f"- `{name}`: {rest}")
        else:
            lines.append(line.strip() if not inside else f"  {line.strip()}" if line.strip() else "")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def exports() -> str:
    """Write the columns of every export table with their types and units."""
    from harness.rendering.stream_files import arrow_schema
    from harness.reports.exports.attempt_exports import EXPORTED
    from harness.reports.exports.focus_columns import FOCUS
    from harness.reports.exports.sample_export import CONVERSED, DRAWN, SAMPLES
    from harness.reports.precision.precision_table import EXPORTED as ASKED_IN_WAVES
    from harness.reports.spend.spend_tables import FULL
    from harness.reports.trajectories.trajectory_tables import CONVERSED as CONVERSED_ROWS
    from harness.reports.trajectories.trajectory_tables import ROLE_COLUMNS

    tables = {
        "samples": (
            "One row per model setting, sample and repeat, those that were never sent included. Of a run that was asked"
            " in waves there are the\nsamples that were drawn. Columns from `stratum` on are there where some run was"
            " asked so, those from `n_turns` on where\nsome sample is a conversation of many requests.",
            [*SAMPLES, *DRAWN, *CONVERSED],
        ),
        "attempts": ("One row per request, whatever became of it.", EXPORTED["attempts"]),
        "scores": ("One row per score; older ones are kept (`is_newest`).", EXPORTED["scores"]),
        "charges": ("One row per attempt and meter, at list price.", EXPORTED["charges"]),
        "runs": ("One row per run.", EXPORTED["runs"]),
        "focus": (
            "Cost rows of FinOps FOCUS 1.2: one row per day, run, suite, model, tier and meter. Attempts without a"
            " known price or\nbill are in no row, and the command says how many. Amounts have a decimal point even"
            " where they are whole.",
            FOCUS,
        ),
        "report": (
            "The spend report: one row per suite and model setting. The columns from `this_suite_ci_low` on are there"
            " where some row was asked\nin waves; `score`, `cost_per_task_usd`, `cost_per_correct_usd` and"
            " `output_tokens_per_task` of such a row are estimates for the\nwhole suite, and `score_ci_low` and"
            " `score_ci_high` are its interval for this suite.",
            [column for column, _ in (*FULL, *ASKED_IN_WAVES)],
        ),
        "report, conversations": (
            "Columns that the report has besides where some sample is a conversation of many requests"
            " (see [methods](../methods.md)).",
            [column for column, _ in CONVERSED_ROWS],
        ),
        "role_spend": (
            "One row per row of the report and role that something was spent on: the model under test, who plays its"
            " user, judges, models\nthat tools ask.",
            ROLE_COLUMNS,
        ),
    }
    parts = [
        "# Export tables\n",
        "`benchtab export TABLE -o FILE` writes CSV, Parquet or Excel by the file's ending. Rows come in a stable"
        " order:\nequal ledgers give equal bytes. In CSV an empty cell means not known, amounts are exact decimals"
        " without exponent, instants are\nRFC 3339 in UTC, and a text that a spreadsheet would run as a formula begins"
        " with `'`. In Parquet not known is null, and every\ncolumn carries its unit and its meaning as metadata;"
        " `--floats` writes dollars as `double` for programs that take no decimals.\n",
        "An `.xlsx` file has texts as texts (no formulas, control characters as escapes such as `\\x1b`, line ends as"
        " line feeds,\n32,767 characters at most), instants as dates in UTC, which Excel does not know of, so the"
        " heading says it, and dollars as\nnumbers, of which Excel keeps 15 digits. A sheet holds 1,048,575 rows; more"
        " are refused.\n",
        "In pandas (`harness.Ledger().table(NAME)`) dollars are exact decimals, and Python refuses to multiply those"
        ' with floats:\nwrite `Decimal("1.2")`, or ask for `floats=True`. `DataFrame.to_excel` refuses time zones;'
        " `benchtab export TABLE -o x.xlsx`\nwrites them, or take the zone off: "
        "`frame.started_at.dt.tz_localize(None)`.\n",
        "Memory does not grow with the ledger. Of a SQLite ledger with 50,000 attempts or more, `attempts`, `scores`"
        " and `charges` are read\nby a second process (and so at the moment when it began to read), while the first one"
        " writes.\n",
    ]
    for name, (told, columns) in tables.items():
        rows = [
            (f"`{column.name}`", f"`{field.type}`", column.unit, column.description)
            for column, field in zip(columns, arrow_schema(columns), strict=True)
        ]
        parts += [f"## `{name}`\n", f"{told}\n", table(("column", "Parquet type", "unit", "meaning"), rows)]
    return "\n".join((*parts, *RECORDS))


RECORDS = (
    "## `eee`\n",
    "Records of [Every Eval Ever](https://github.com/evaleval/every_eval_ever), schema 0.3.0. `-o FOLDER` fills a data"
    " store's folder\n(`data/<suite>/<provider>/<model>/`): an aggregate for every suite on a model setting of a run,"
    " and its instance records;\n`-o FILE.jsonl` writes the instance records alone. There is one per sample and repeat"
    " that was asked. `token_usage` sums all\nsolving attempts of the sample whose usage is known, retries included;"
    " `input_tokens` is all input, cached or not, and\n`total_tokens` is input plus output. `evaluation_name` is the"
    " task, `dataset_name` the suite. What was never scored has an\n`error`, and is no wrong answer. The schema has no"
    " place for dollars: `metadata` has `cost_usd` (exact; list price, or as stated\nwhere there is none),"
    " `cost_is_lower_bound`, `judge_cost_usd`, `epoch` from 1, `setting`, `n_attempts`, `status` and more.\n",
    "## `otlp`\n",
    "Spans of [OpenTelemetry](https://opentelemetry.io) in OTLP JSON: `-o FILE.json` is one trace export, `-o"
    " FILE.jsonl` one a line,\nas collectors write files. Every request is a `chat` span with the names of the"
    " conventions for generative AI\n(`gen_ai.usage.input_tokens` includes cached input, `.output_tokens` includes"
    " reasoning), below a span of its sample\n(`sample.id`, `sample.epoch`); scores are events"
    " `gen_ai.evaluation.result`. What the conventions have no name for is\n`benchtab.*`, among it `benchtab.cost_usd`,"
    " an exact text. Answers reused from earlier runs were no requests and are no\nspans; a request that was never"
    " settled is a failed span without tokens.\n",
)
"""What is exported as records, in the formats of others."""


def ledger() -> str:
    """Write the ledger's tables."""
    from harness.ledger.schema.tables import SCHEMA_VERSION, metadata

    parts = [
        "# Ledger\n",
        f"Schema version {SCHEMA_VERSION}; the same tables in SQLite (STRICT, write-ahead log, fully synchronous) and"
        " in PostgreSQL.\n`benchtab db upgrade` leads an older ledger here. Read it with `benchtab export` or SQL;"
        " write it with benchtab only:\ntriggers refuse changes to settled rows.\n",
    ]
    for found in metadata.sorted_tables:
        rows = []
        for column in found.columns:
            marks = ["key"] if column.primary_key else []
            marks += [f"to `{key.target_fullname}`" for key in column.foreign_keys]
            rows.append(
                (f"`{column.name}`", _sql_type(column.type), "" if column.nullable else "never", ", ".join(marks),
                 _unit(column.name))
            )  # fmt: skip
        parts += [f"## `{found.name}`\n", f"{TABLES.get(found.name, '')}\n",
                  table(("column", "type", "null", "key", "unit"), rows)]  # fmt: skip
    return "\n".join(parts)


def _sql_type(kind: Any) -> str:
    return {"BigInteger": "integer", "SmallInteger": "0 or 1", "Double": "real", "LargeBinary": "bytes"}.get(
        type(kind).__name__, type(kind).__name__.lower()
    )


def _unit(name: str) -> str:
    if name == "first_byte_us":
        return "microseconds from sending"
    return next((unit for suffix, unit in UNITS.items() if name.endswith(suffix)), "")
