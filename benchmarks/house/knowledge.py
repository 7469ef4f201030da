"""Knowledge that belongs in one place: names of providers, a token column, SQL, and what an addition touches."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.house.checkout import Checkout, Measured, Source, texts

COLUMN = "cache_write_1h_tokens"
PROVIDERS = (
    "ai21", "anthropic", "azure", "bedrock", "cerebras", "claude", "cohere", "deepseek", "fireworks", "fireworks_ai",
    "gemini", "google", "groq", "huggingface", "mistral", "moonshot", "nebius", "novita", "nvidia", "ollama", "openai",
    "openrouter", "perplexity", "replicate", "sambanova", "together", "together_ai", "vertex", "vertex_ai", "x-ai",
    "xai", "zai",
)  # fmt: skip
"""Providers as they, litellm or genai-prices spell them, and the two families whose names stand for their maker."""
KINDS = "harness/usage/kinds.py"
"""The table of usage kinds: their names ("openai.chat") begin with a provider's, but they are shapes of payloads."""

FOREIGN = (
    "harness/accounts/", "harness/imports/agents/", "harness/imports/gateways/", "harness/imports/harnesses/",
    "harness/reports/exports/otlp_export.py",
)  # fmt: skip
"""Readers and writers of other tools' files, and of providers' accounts: what such a tool calls a provider, and how a
provider states what it billed, is known in the module that reads it."""
FOREIGN_DATABASES = ("harness/imports/",)
"""Where databases of other tools are read: their tables are no part of the ledger."""

_NAMED = re.compile(
    r"(?:https://)?(?:[\w-]+\.)*(?:{})(?:[./]\S*|-\d\S*)?".format(
        "|".join(map(re.escape, sorted(PROVIDERS, key=len, reverse=True)))
    )
)
_SQL = re.compile(
    r"\bSELECT\s|\bINSERT INTO\s|\bDELETE FROM\s|\bUPDATE \w+ SET\b"
    r"|\bJOIN \S+ (?:\w+ )?(?:ON|USING)\b|\bGROUP BY\s|\bORDER BY\s"
)
_DRIVERS = {"sqlalchemy", "sqlite3", "psycopg"}


def knows_providers(checkout: Checkout) -> Measured:
    """Files that name a provider, adapters apart.

    A file names one when a whole string of it, neither docstring nor message, is a provider's name, host or address, a
    prefix of its models ("azure/", "gemini-3") or its usage kind ("xai.chat"). A module of `providers` or `usage` that
    is named after a provider or a route to several is its adapter or its usage reader, and may know it; so may what
    reads and writes files of other tools (`FOREIGN`).
    """
    files = [
        (source.name, sorted({text for text in texts(source.tree) if _NAMED.fullmatch(text)}))
        for source in checkout.sources
        if not _is_adapter(source) and source.name != KINDS
    ]
    return _listed((name, ", ".join(names)) for name, names in files if names)


def _is_adapter(source: Source) -> bool:
    if source.name.startswith(FOREIGN):
        return True
    words = set(source.stem.split("_"))
    return source.name.startswith(("harness/providers/", "harness/usage/")) and bool(
        words & {*PROVIDERS, "litellm"} or source.stem == "other_providers"
    )


def names_column(checkout: Checkout) -> Measured:
    """Files that name one column of tokens: what a new column would touch."""
    return _listed((source.name, "") for source in checkout.sources if COLUMN in source.text)


def sql_outside_ledger(checkout: Checkout) -> Measured:
    """Files outside `harness/ledger` that hold SQL or import what runs it, readers of other tools' databases apart."""
    inside = ("harness/ledger/", *FOREIGN_DATABASES)
    outside = [source for source in checkout.sources if not source.name.startswith(inside)]
    found = ((source.name, sorted(_sql(source.tree))) for source in outside)
    return _listed((name, "; ".join(statements)) for name, statements in found if statements)


def additions_tried(checkout: Checkout) -> Measured:
    """Tests that add a thing of CONTRIBUTING's table to a copy of the checkout and count the files touched."""
    tests = checkout.root / "tests" / "house" / "test_adding.py"
    tree = ast.parse(tests.read_text(encoding="utf-8") if tests.exists() else "")
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return _listed(
        (node.name, "")
        for node in functions
        if node.name.startswith("test_") and "copy" in [argument.arg for argument in node.args.args]
    )


def _sql(tree: ast.AST) -> Iterator[str]:
    for text in texts(tree):
        if _SQL.search(text):
            yield " ".join(text.split())[:60]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"import {alias.name}" for alias in node.names if alias.name.split(".")[0] in _DRIVERS)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in _DRIVERS:
            yield f"from {node.module}"


def _listed(files: Iterator[tuple[str, str]]) -> Measured:
    things = tuple(f"{Path(name).as_posix()}: {what}" if what else name for name, what in files)
    return Measured(len(things), things)
