"""A reproduction as the JSON object of the contract and as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from harness.documents.table import Column, Table
from harness.instants import exact_utc_text
from harness.money import plain
from harness.reproduction.feasible import MTOK, Candidate, RowResult, TokenBounds, price_text
from harness.reproduction.results import Reproduction

Rebuilt = Sequence[tuple[str, int, Decimal]]


def reproduction_object(solved: Reproduction, rebuilt: Rebuilt) -> dict[str, object]:
    """Write the JSON contract of `reproduce --json`; fields are only ever added.

    Args:
        solved: what was computed.
        rebuilt: per model, requests and dollars of the reconstructed ledger's report.
    """
    table, joint = solved.table, solved.joint
    shared = list(joint.input_tokens.values())
    return {
        "name": table.name,
        "source": table.source[0].url,
        "sources": [source.model_dump(mode="json") for source in table.source],
        "price_book_sha256": solved.price_book_sha256,
        "rows": [_row(result) for result in solved.rows],
        "joint": {
            "assumptions": list(joint.assumptions),
            "input_tokens": shared[0] if shared else None,
            "input_tokens_by_prompts": dict(joint.input_tokens),
            "output_tokens": dict(joint.output_tokens),
        },
        "groups": [
            {
                "name": group.group.name,
                "published_usd": plain(group.group.published_usd),
                "explained_usd": plain(group.explained_usd),
                "quote": group.group.quote,
            }
            for group in solved.groups
        ],
        "slips": [
            {
                "claim": slip.claim.claim,
                "published": plain(slip.claim.published_usd_per_mtok),
                "price_book": plain(slip.price_book_usd_per_mtok),
                "source": slip.source,
            }
            for slip in solved.slips
        ],
        "reconstructed": [{"model": model, "n_requests": n, "usd": plain(usd)} for model, n, usd in rebuilt],
        "not_determined": list(table.not_determined),
    }


def _row(result: RowResult) -> dict[str, object]:
    stated = result.row.stated_output_tokens
    return {
        "model": result.row.model,
        "published_usd": plain(result.row.published_usd),
        "stated_output_tokens": None if stated is None else {"low": stated.low, "high": stated.high},
        "candidates": [_candidate(candidate) for candidate in result.candidates],
        "not_determined": list(result.not_determined),
        "sources": list(result.row.sources),
    }


def _candidate(candidate: Candidate) -> dict[str, object]:
    vintage, stated = candidate.vintage, candidate.stated_output_usd
    return {
        "price": {
            "model": vintage.model,
            "effective_from": _start(vintage.effective_from),
            "input_usd_per_mtok": plain(vintage.input_usd_per_mtok),
            "output_usd_per_mtok": plain(vintage.output_usd_per_mtok),
            "provider": vintage.provider,
            "source": vintage.source,
        },
        "feasible": candidate.feasible,
        "why_not": candidate.why_not,
        "input_tokens": _bounds(candidate.input_tokens),
        "output_tokens": _bounds(candidate.output_tokens),
        "input_tokens_with_all_rows": _bounds(candidate.input_with_all),
        "output_tokens_with_all_rows": _bounds(candidate.output_with_all),
        "stated_output_usd": None if stated is None else {"low": plain(stated[0]), "high": plain(stated[1])},
    }


def _bounds(bounds: TokenBounds | None) -> dict[str, int | None] | None:
    return None if bounds is None else {"low": bounds.low, "high": bounds.high}


def _start(instant: datetime | None) -> str | None:
    return None if instant is None else exact_utc_text(instant)


def reproduction_tables(solved: Reproduction, rebuilt: Rebuilt) -> list[Table]:
    """Make the tables for a terminal: what fits, the joint solution, totals, slips, the reconstructed bill."""
    return [
        _fits_table(solved),
        _joint_table(solved),
        _groups_table(solved),
        *([_slips_table(solved)] if solved.slips else []),
        *([_rebuilt_table(solved, rebuilt)] if rebuilt else []),
    ]


def _fits_table(solved: Reproduction) -> Table:
    columns = (
        Column(name="model", title="model"),
        Column(name="published", kind="usd", title="published"),
        Column(name="price", title="price in/out"),
        Column(name="fits", title="fits"),
        Column(name="input", kind="decimal", title="input tokens"),
        Column(name="output", kind="decimal", title="output tokens"),
    )
    rows = [
        (
            result.row.model if place == 0 else "",
            result.row.published_usd if place == 0 else "",
            f"{price_text(candidate.vintage)}  {candidate.vintage.model}",
            "yes" if candidate.feasible else "no",
            _range(candidate.input_tokens),
            _range(candidate.output_tokens),
        )
        for result in solved.rows
        for place, candidate in enumerate(result.candidates)
    ]
    return Table(name="fits", title=solved.table.title, columns=columns, rows=rows, notes=tuple(_fit_notes(solved)))


def _fit_notes(solved: Reproduction) -> list[str]:
    found = []
    for result in solved.rows:
        model = result.row.model
        found += [f"{model}: {candidate.why_not}" for candidate in result.candidates if candidate.why_not]
        found += [_stated_note(result, candidate) for candidate in result.fitting if candidate.stated_output_usd]
        found += [f"{model}, not determined: {point}" for point in result.not_determined]
    return [*found, *(f"not determined: {point}" for point in solved.table.not_determined)]


def _stated_note(result: RowResult, candidate: Candidate) -> str:
    low, high = candidate.stated_output_usd or (Decimal(0), Decimal(0))
    return (
        f"{result.row.model}: of ${result.row.published_usd:,}, the stated output is ${low:,.2f} to ${high:,.2f} "
        f"at {price_text(candidate.vintage)}"
    )


def _range(bounds: TokenBounds | None) -> str:
    if bounds is None:
        return "–"
    return f"{bounds.low / MTOK:.2f}M to " + ("any" if bounds.high is None else f"{bounds.high / MTOK:.2f}M")


def _joint_table(solved: Reproduction) -> Table:
    joint = solved.joint
    rows = [(f"input, {name}", f"{count:,}") for name, count in joint.input_tokens.items()]
    rows += [(f"output, {model}", f"{count:,}") for model, count in joint.output_tokens.items()]
    return Table(
        name="joint",
        title="One solution, every statement at its stated value",
        columns=(Column(name="what", title="tokens of"), Column(name="tokens", kind="integer", title="tokens")),
        rows=rows,
        notes=tuple(f"assumed: {text}" for text in joint.assumptions),
    )


def _groups_table(solved: Reproduction) -> Table:
    columns = (
        Column(name="group", title="group total"),
        Column(name="published", kind="usd", title="published"),
        Column(name="explained", kind="usd", title="named rows"),
        Column(name="share", kind="percent", title="share"),
        Column(name="quote", title="as published"),
    )
    rows = [
        (
            group.group.name,
            group.group.published_usd,
            group.explained_usd,
            f"{100 * group.explained_usd / group.group.published_usd:.1f} %",
            group.group.quote,
        )
        for group in solved.groups
    ]
    return Table(name="groups", title="Group totals", columns=columns, rows=rows)


def _slips_table(solved: Reproduction) -> Table:
    columns = (
        Column(name="claim", title="published statement"),
        Column(name="published", kind="usd", title="published"),
        Column(name="price_book", kind="usd", title="price book"),
        Column(name="source", title="source of the price"),
    )
    rows = [
        (slip.claim.claim, slip.claim.published_usd_per_mtok, slip.price_book_usd_per_mtok, slip.source)
        for slip in solved.slips
    ]
    return Table(name="slips", title="Slips in the published text", columns=columns, rows=rows)


def _rebuilt_table(solved: Reproduction, rebuilt: Rebuilt) -> Table:
    columns = (
        Column(name="model", title="reconstructed"),
        Column(name="n_requests", kind="integer", title="requests"),
        Column(name="usd", kind="usd", title="cost in our report"),
        Column(name="published", kind="usd", title="published"),
    )
    published = {row.model: row.published_usd for row in solved.table.row}
    rows = [(f"{model} (reconstructed)", n, usd, published[model]) for model, n, usd in rebuilt]
    return Table(
        name="reconstructed",
        title="The published bill, rebuilt request by request",
        columns=columns,
        rows=rows,
        notes=("reconstructed: tokens solved from published dollars and spread over the requests, not measured.",),
    )
