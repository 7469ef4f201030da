"""Files of an account -> statements: recognised by their content, pages put together, the same money never twice.

A page that says there are more is refused unless the rest is given. Answers to the same question with and without
groups are two views of one sum: the finer one is used, when both say the same.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Literal

from harness.accounts import anthropic_account, openai_account, openrouter_account
from harness.accounts.account_fields import Fields, instant_us
from harness.accounts.account_rows import AccountRow, RowKind
from harness.accounts.focus_files import NEEDED, FocusColumns, focus_row
from harness.declared import Json
from harness.imports.containers import csv_rows
from harness.imports.containers.json_stream import walk
from harness.imports.containers.json_values import a_list, an_object
from harness.imports.containers.log_files import Readable
from harness.imports.log_records import Broken
from harness.imports.refusal import ImportRefused

Form = Literal["openai usage", "openai costs", "anthropic usage", "anthropic costs", "anthropic analytics usage",
               "anthropic analytics costs", "openrouter activity", "openrouter export", "openrouter generation",
               "focus"]  # fmt: skip
Reader = Callable[[Fields], Iterator[AccountRow]]
READERS: Mapping[Form, Reader] = {
    "openai usage": openai_account.usage_rows,
    "openai costs": openai_account.cost_rows,
    "anthropic usage": anthropic_account.usage_rows,
    "anthropic costs": anthropic_account.cost_rows,
    "anthropic analytics usage": anthropic_account.analytics_usage_rows,
    "anthropic analytics costs": anthropic_account.analytics_cost_rows,
    "openrouter activity": openrouter_account.activity_rows,
}
"""Readers of one element of a page's `data`."""
_KINDS: Mapping[Form, RowKind] = {form: "cost" if form.endswith("costs") else "usage" for form in READERS}
LOOKED_FOR = "pages of OpenAI's or Anthropic's usage and costs, OpenRouter's activity or generations, a FOCUS file"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFile:
    """One file and what it is.

    Attributes:
        form: None = a page without any use, of whatever question.
        start_us, end_us: from the first row to the last.
        has_more: its interface says that pages follow.
        grouped_by: what its rows tell apart.
    """

    file: Readable
    form: Form | None
    start_us: int
    end_us: int
    has_more: bool
    grouped_by: frozenset[str]
    billed_usd: Decimal
    n_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Files that answer one question together.

    Attributes:
        notes: sentences about what was left out because it says the same.
    """

    kind: RowKind
    provider: str
    files: tuple[AccountFile, ...]
    columns: FocusColumns = field(default_factory=FocusColumns)
    notes: tuple[str, ...] = ()

    def rows(self) -> Iterator[AccountRow]:
        """Read all rows, file by file."""
        for each in self.files:
            yield from file_rows(each.file, each.form, self.columns)


def file_rows(file: Readable, form: Form | None, columns: FocusColumns | None = None) -> Iterator[AccountRow]:
    """Read the rows of a file.

    Raises:
        ImportRefused: a row of it cannot be read: a bill is taken whole or not at all.
    """
    if form is None:
        return
    if form in ("openrouter export", "focus"):
        yield from _table_rows(file, form, columns or FocusColumns())
        return
    for number, (path, value) in enumerate(walk(file, ("data",))):
        if path[:1] != ("data",):
            continue
        with _placed(f"{file.name}, element {number} of data"):
            if form == "openrouter generation":
                yield openrouter_account.generation_row(_whole_generation(file))
                return
            yield from READERS[form](an_object(value))


def _table_rows(file: Readable, form: Form, columns: FocusColumns) -> Iterator[AccountRow]:
    for row in csv_rows.rows(file):
        if isinstance(row, Broken):
            raise ImportRefused(row.reason, where=row.where)
        fields = row.fields
        with _placed(f"{file.name}:{row.number}"):
            yield focus_row(fields, columns) if form == "focus" else openrouter_account.export_row(fields)


def _whole_generation(file: Readable) -> Fields:
    return {path[1]: value for path, value in walk(file, ("data",)) if len(path) > 1}


@contextmanager
def _placed(where: str) -> Iterator[None]:
    """Say where in a file a refusal happened."""
    try:
        yield
    except ImportRefused as error:
        error.where = error.where or where
        raise


def recognise(file: Readable, columns: FocusColumns | None = None) -> AccountFile:
    """Say what a file is, by its content, and read it once.

    Raises:
        ImportRefused: it is no statement of an account, or a row of it cannot be read.
    """
    form, has_more = _csv_form(file) or _json_form(file)
    start_us, end_us, told, billed, n_tokens = 2**62, 0, set[str](), Decimal(0), 0
    for row in file_rows(file, form, columns):
        start_us, end_us = min(start_us, row.start_us), max(end_us, row.end_us)
        names = ("model", "tier", "meter", "project", "request_id")
        told |= {name for name in names if getattr(row, name) is not None}
        billed += row.billed_usd or 0
        n_tokens += 0 if row.tokens is None else row.tokens.total
    if form is None or form.startswith(("openai", "anthropic")):
        start_us, end_us = _stretch(file, start_us, end_us)
    return AccountFile(
        file=file, form=form, start_us=start_us, end_us=end_us, has_more=has_more, grouped_by=frozenset(told),
        billed_usd=billed, n_tokens=n_tokens,
    )  # fmt: skip


def _stretch(file: Readable, start_us: int, end_us: int) -> tuple[int, int]:
    """Include buckets without use: they say that there was none."""
    for path, value in walk(file, ("data",)):
        if path[:1] == ("data",):
            bucket = an_object(value)
            start, end = (
                bucket.get("start_time", bucket.get("starting_at")),
                bucket.get("end_time", bucket.get("ending_at")),
            )
            if start is not None and end is not None:
                start_us, end_us = min(start_us, instant_us(start, "start")), max(end_us, instant_us(end, "end"))
    return start_us, end_us


def _csv_form(file: Readable) -> tuple[Form, bool] | None:
    if not file.name.lower().removesuffix(".gz").endswith((".csv", ".tsv", ".txt")):
        return None
    try:
        names = frozenset(csv_rows.header(file))
    except (csv.Error, UnicodeDecodeError):
        return None
    if names >= NEEDED:
        return "focus", False
    if names >= openrouter_account.ACTIVITY_COLUMNS:
        return "openrouter export", False
    raise ImportRefused(f"its columns are those of no account: {', '.join(sorted(names)[:8])}", where=file.name,
                        fix=f"give {LOOKED_FOR}")  # fmt: skip


def _json_form(file: Readable) -> tuple[Form | None, bool]:
    try:
        return _form_of_document(file)
    except ImportRefused as error:
        error.fix = error.fix or f"give {LOOKED_FOR}, each whole"
        raise


def _form_of_document(file: Readable) -> tuple[Form | None, bool]:
    has_more, found, seen = False, None, False
    members: dict[str, Json] = {}
    for path, value in walk(file, ("data",)):
        if path == ("has_more",):
            has_more = value is True
        if path[:1] == ("data",):
            seen = True
            if len(path) > 1:
                members[path[1]] = value
            elif found is None:
                found = _form_of(an_object(value))
    if "native_tokens_prompt" in members:
        return "openrouter generation", False
    if not seen and not has_more and found is None:
        raise ImportRefused("is no statement of an account", where=file.name, fix=f"give {LOOKED_FOR}")
    return found, has_more


def _form_of(element: Fields) -> Form | None:
    """Tell what an element of `data` is; None = a bucket without use."""
    if isinstance(element.get("group"), dict):
        return "anthropic analytics costs" if "cost" in element else "anthropic analytics usage"
    if "date" in element and "prompt_tokens" in element:
        return "openrouter activity"
    if "results" not in element:
        raise ImportRefused("elements of data are no buckets of an account", fix=f"give {LOOKED_FOR}")
    results = a_list(element["results"])
    return _form_of_bucket(element, an_object(results[0])) if results else None


def _form_of_bucket(bucket: Fields, first: Fields) -> Form:
    """Tell what a bucket is by its own fields and those of its first result."""
    if "start_time" in bucket:
        named = str(first.get("object", ""))
        return "openai costs" if "amount" in first or "costs" in named else "openai usage"
    return "anthropic costs" if "amount" in first else "anthropic usage"


def statements(files: Sequence[Readable], columns: FocusColumns | None = None) -> list[Statement]:
    """Put files together to statements, one for each question, none of them twice.

    Raises:
        ImportRefused: pages are missing, two files answer for the same time, or two views differ.
    """
    chosen = columns or FocusColumns()
    known = [recognise(file, chosen) for file in files]
    empty = [each for each in known if each.form is None]
    chains = _chains(known)
    if not chains:
        raise ImportRefused("no use in any of these files", where=", ".join(each.file.name for each in known))
    found = [_statement(form, _whole(form, chain, empty), chosen) for (form, _), chain in chains.items()]
    return _without_views(found)


def _chains(known: Sequence[AccountFile]) -> dict[tuple[Form, frozenset[str]], list[AccountFile]]:
    """Put files together that can be pages of one answer."""
    chains: dict[tuple[Form, frozenset[str]], list[AccountFile]] = {}
    for each in known:
        if each.form is not None:
            chains.setdefault((each.form, _dimensions(each)), []).append(each)
    return chains


def _statement(form: Form, files: Sequence[AccountFile], columns: FocusColumns) -> Statement:
    is_by_request = form in ("openrouter export", "openrouter generation")
    kind: RowKind = "request" if is_by_request else _KINDS.get(form, "cost")
    provider = "" if form == "focus" else form.partition(" ")[0]
    return Statement(kind=kind, provider=provider, files=tuple(files), columns=columns)


def _dimensions(each: AccountFile) -> frozenset[str]:
    """What keeps two answers to the same question apart: pages of one answer tell the same apart, or nothing yet."""
    return each.grouped_by & {"model", "meter"}


def _whole(form: Form, chain: Sequence[AccountFile], empty: Sequence[AccountFile]) -> list[AccountFile]:
    """Order the pages of an answer and refuse it where one is missing or given twice."""
    if form in ("openrouter export", "openrouter generation", "focus", "openrouter activity"):
        return list(chain)
    pages = _with_last_page(sorted(chain, key=lambda each: (each.start_us, not each.has_more)), empty)
    for before, after in pairwise(pages):
        _check_following(before, after, is_analytics="analytics" in form)
    return pages


def _with_last_page(pages: Sequence[AccountFile], empty: Sequence[AccountFile]) -> list[AccountFile]:
    """Add pages without use, of which none tells its question, where more pages have to follow."""
    found = list(pages)
    while found[-1].has_more:
        following = [each for each in empty if each.start_us >= found[-1].end_us and each not in found]
        if not following:
            raise ImportRefused(
                "says that more pages follow (has_more), and they are not given", where=found[-1].file.name,
                fix="give all pages of the answer, or fetch it with --provider",
            )  # fmt: skip
        found.append(min(following, key=lambda each: each.start_us))
    return found


def _check_following(before: AccountFile, after: AccountFile, *, is_analytics: bool) -> None:
    """Refuse a page that answers again for the time of the one before, or not from its end on."""
    if after.start_us < before.end_us and not (before.has_more and is_analytics):
        raise ImportRefused(
            f"answers for the same time as {before.file.name}", where=after.file.name, fix="give one of them"
        )
    if before.has_more and after.start_us > before.end_us and not is_analytics:
        raise ImportRefused(f"a page between {before.file.name} and this one is missing", where=after.file.name)


def _without_views(found: Sequence[Statement]) -> list[Statement]:
    """Keep the finest of several views of one sum.

    Raises:
        ImportRefused: views of the same time differ.
    """
    kept: dict[tuple[RowKind, str], Statement] = {}
    for each in sorted(found, key=_fineness, reverse=True):
        key = each.kind, each.provider
        if key not in kept:
            kept[key] = each
            continue
        finest = kept[key]
        mine, theirs = _sums(each), _sums(finest)
        names = ", ".join(part.file.name for part in each.files)
        if _differ(each, mine, theirs):
            raise ImportRefused(
                f"says {mine[0]:f} USD and {mine[1]:,} tokens where {finest.files[0].file.name} says {theirs[0]:f} USD"
                f" and {theirs[1]:,} tokens", where=names, fix="give one of them, for the same time and project",
            )  # fmt: skip
        note = f"{names} says the same as {finest.files[0].file.name} in other groups: counted once"
        kept[key] = Statement(kind=finest.kind, provider=finest.provider, files=finest.files, columns=finest.columns,
                              notes=(*finest.notes, note))  # fmt: skip
    return list(kept.values())


def _differ(each: Statement, mine: tuple[Decimal, int], theirs: tuple[Decimal, int]) -> bool:
    """Compare costs by their dollars, and usage by its tokens: quantities of costs are not in every view."""
    return mine[0] != theirs[0] if each.kind == "cost" else mine != theirs


def _fineness(each: Statement) -> tuple[bool, int]:
    told = frozenset[str]().union(*(part.grouped_by for part in each.files))
    return "model" in told, len(told)


def _sums(each: Statement) -> tuple[Decimal, int]:
    billed = sum((part.billed_usd for part in each.files), Decimal(0))
    return billed.normalize() + 0, sum(part.n_tokens for part in each.files)
