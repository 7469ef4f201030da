"""Every format of logs that is read, or known and refused: the one place to add another.

Data flows a `Peek` -> `recognised` -> the `Format` whose reader takes it, and the file's role in it.
"""

from __future__ import annotations

from harness.errors import did_you_mean
from harness.imports.agents import claude_code, codex_sessions, harbor_jobs, mini_swe_agent, tau2_bench
from harness.imports.gateways import (
    account_reports,
    anthropic_batch_files,
    calls,
    gemini_batch_files,
    litellm_logs,
    llm_logs,
    openai_batch_files,
    openrouter_logs,
    otel_spans,
)
from harness.imports.harnesses import evalscope, every_eval_ever, hal, helm, langfuse, lm_eval
from harness.imports.harnesses.inspect_ai import inspect_log
from harness.imports.harnesses.promptfoo import promptfoo_results
from harness.imports.log_formats import Format
from harness.imports.log_peeks import Peek, refuse_empty
from harness.imports.refusal import ImportRefused

FORMATS: tuple[Format, ...] = (
    # where two could fit, the narrower comes first; what lies inside of a trial of Harbor is no log of its own
    harbor_jobs.FORMAT,
    inspect_log.FORMAT,
    openai_batch_files.FORMAT,
    anthropic_batch_files.FORMAT,
    gemini_batch_files.FORMAT,
    claude_code.FORMAT,
    codex_sessions.FORMAT,
    mini_swe_agent.FORMAT,
    tau2_bench.FORMAT,
    lm_eval.FORMAT,
    promptfoo_results.FORMAT,
    otel_spans.FORMAT,
    litellm_logs.FORMAT,
    openrouter_logs.FORMAT,
    llm_logs.FORMAT,
    every_eval_ever.FORMAT,
    evalscope.FORMAT,
    helm.FORMAT,
    hal.FORMAT,
    langfuse.FORMAT,
    calls.FORMAT,
    account_reports.OPENAI_FORMAT,
    account_reports.ANTHROPIC_FORMAT,
    account_reports.FOCUS_FORMAT,
)


def format_named(name: str) -> Format:
    """Find a format by the name that a person typed.

    Raises:
        ImportRefused: there is none.
    """
    for one in FORMATS:
        if one.name == name:
            return one
    names = [one.name for one in FORMATS if one.read is not None]
    raise ImportRefused(
        f"no format {name!r}{did_you_mean(name, names)}", where="--format", fix=f"use one of: {', '.join(names)}"
    )


def recognised(look: Peek, asked: Format | None = None) -> tuple[Format, str]:
    """Say which format a file has and which role in it, by its content.

    Args:
        asked: the only format to try; None = all.

    Raises:
        ImportRefused: it is empty or of no known format (the message lists what was looked for), or of a known one that
            is not imported (the message says why).
    """
    refuse_empty(look)
    for one in FORMATS if asked is None else (asked,):
        role = one.role_of(look)
        if role is not None:
            if one.read is None:
                raise ImportRefused(f"{one.title}: {one.refusal}", where=look.name)
            return one, role
    if asked is not None:
        raise ImportRefused(f"is no {asked.title} log: that is {asked.looks_for}", where=look.name)
    looked_for = "".join(f"\n    {one.name}: {one.looks_for}" for one in FORMATS if one.read is not None)
    raise ImportRefused(
        f"is a log of no known format ({_seen(look)})",
        where=look.name,
        fix=f"name its format with --format. Looked for:{looked_for}",
    )


def _seen(look: Peek) -> str:
    names = list(look.members or look.tables or look.columns or look.top or look.first)
    shown = f" with {', '.join(str(name)[:40] for name in names[:8])}" if names else ""
    return {"lines": "JSON Lines", "json": "JSON", "csv": "CSV", "sqlite": "SQLite"}.get(
        look.container, look.container
    ) + shown
