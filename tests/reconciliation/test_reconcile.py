"""A ledger beside an account: differences have their right names, sides add up, settled bills are new facts."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from typer.testing import CliRunner

from benchmarks.reconciliation.__main__ import make_case, run_case
from benchmarks.reconciliation.books import START_US, Call, write_ledger
from benchmarks.reconciliation.invoices import FORMS, write_invoice
from harness.accounts.admin_interfaces import admin_key, fetch_account
from harness.cli.app import command_line
from harness.errors import InputError, MissingKeyError, ProviderError
from harness.instants import DAY_US
from harness.ledger import Ledger
from harness.ledger.reading.sums import invoiced_records
from harness.pricing.price_files import load_price_book
from harness.rendering.export_files import export_table
from harness.reports.facts.assembly import spend_report

BOOK = load_price_book()
CLI = CliRunner()
APP = command_line()


def call(number: int, day: int = 0, *, model: str = "gpt-5-mini", **others: Any) -> Call:
    tokens = {"input": 1_000 + 37 * number, "cache_read": 128 * (number % 3), "output": 500 + 11 * number}
    at_us = START_US + day * DAY_US + 3_600_000_000 + number * 1_000_000
    return Call(**{"model": model, "tier": "standard", "at_us": at_us, "tokens": tokens, "number": number,
                   "request_id": f"gen-{number}", **others})  # fmt: skip


CALLS = [call(number, number // 6) for number in range(18)]


async def stored(folder: Path, calls: list[Call], provider: str = "openai") -> str:
    with Ledger.open(folder / "ledger.db") as ledger:
        await write_ledger(ledger, provider, calls)
    return str(folder / "ledger.db")


def reconciled(db: str, *words: str) -> tuple[int, Mapping[str, Any]]:
    result = CLI.invoke(APP, ["reconcile", *words, "--db", db, "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, json.loads(result.stdout)["reconciliations"][0]


def by_name(made: Mapping[str, Any]) -> dict[str, Decimal]:
    return {line["name"]: Decimal(line["difference_usd"]) for line in made["lines"]}


def same(usd: Decimal) -> Decimal:
    return usd


@pytest.mark.parametrize("number", range(2 * len(FORMS)))
async def test_planted_faults_are_found_by_name_and_cents_add_up(number: int, tmp_path: Path) -> None:
    """The first of the invoices of `make proof-reconcile`: two of each form of account."""
    assert await run_case(make_case(random.Random(1_000_003 + number), number), BOOK, tmp_path) == []


async def test_a_bill_that_agrees_has_nothing_else(tmp_path: Path) -> None:
    db = await stored(tmp_path, CALLS)
    paths, billed = write_invoice(tmp_path, "openai", CALLS, same)
    code, made = reconciled(db, *map(str, paths), "--max-unexplained", "0%")
    assert code == 0
    assert Decimal(made["account_usd"]) == Decimal(made["ledger_usd"]) == billed
    assert by_name(made) == {"agreed": Decimal(0), "unexplained": Decimal(0)}


async def test_what_nothing_explains_closes_with_exit_4(tmp_path: Path) -> None:
    """A price that is neither a discount shared by all lines, nor another tier, nor rounding."""
    db = await stored(tmp_path, CALLS)
    paths, billed = write_invoice(tmp_path, "openai", CALLS, same)
    costs = json.loads(paths[2].read_text())
    costs["data"][1]["results"][2]["amount"]["value"] += 0.0137
    paths[2].write_text(json.dumps(costs))
    code, made = reconciled(db, *map(str, paths), "--max-unexplained", "0.5%")
    assert code == 4
    assert by_name(made)["unexplained"] == Decimal("0.0137")
    assert Decimal(made["unexplained_usd"]) == Decimal("0.0137")
    assert Decimal(made["account_usd"]) == billed + Decimal("0.0137")
    assert reconciled(db, *map(str, paths), "--max-unexplained", "99%")[0] == 0


async def test_a_possibly_billed_attempt_on_the_bill_is_settled_as_a_new_fact(tmp_path: Path) -> None:
    """Reports, samples and a second comparison count it; no row of the attempt changes; nothing is stored twice."""
    calls = [*CALLS, call(18, 1, is_known=False)]
    db = await stored(tmp_path, calls)
    with Ledger.open(db) as ledger:
        before = spend_report(ledger, BOOK).rows[0].facts.solve
        stored_rows = attempts(ledger, tmp_path / "before.csv")
    paths, _ = write_invoice(tmp_path, "openai", calls, same)
    usd = (Decimal(1666) * Decimal("0.25") + Decimal(698) * 2) / 1_000_000
    code, made = reconciled(db, *map(str, paths), "--dry-run")
    assert (code, by_name(made)["possibly_billed"]) == (0, usd)
    with Ledger.open(db) as ledger:
        assert list(invoiced_records(ledger)) == []
    assert reconciled(db, *map(str, paths))[1]["settled"][0]["attempt_id"] == 19
    with Ledger.open(db) as ledger:
        (fact,) = invoiced_records(ledger)
        assert fact.billed_pico_usd == int(usd * 10**12)
        assert fact.usage == {"input": 1666, "cache_read": 0, "cache_write": 0, "cache_write_1h": 0, "output": 698}
        assert "openai account (usage_1.json" in fact.source
        after = spend_report(ledger, BOOK).rows[0].facts.solve
        assert attempts(ledger, tmp_path / "after.csv") == stored_rows
        export_table(ledger, BOOK, "samples", tmp_path / "samples.csv")
    assert (before.n_unknown_usage, after.n_unknown_usage) == (1, 0)
    assert (before.is_lower_bound, after.is_lower_bound) == (True, False)
    assert after.cost.total - before.cost.total == usd
    assert after.n_attempts == before.n_attempts == 19
    with (tmp_path / "samples.csv").open(newline="") as file:
        assert sum(Decimal(row["cost_usd"]) for row in csv.DictReader(file)) == after.cost.total
    assert by_name(reconciled(db, *map(str, paths))[1]) == {"agreed": Decimal(0), "unexplained": Decimal(0)}
    with Ledger.open(db) as ledger:
        assert len(list(invoiced_records(ledger))) == 1


def attempts(ledger: Ledger, path: Path) -> str:
    export_table(ledger, BOOK, "attempts", path)
    return path.read_text()


async def test_a_possibly_billed_attempt_that_is_not_on_the_bill_is_settled_as_nothing(tmp_path: Path) -> None:
    calls = [*CALLS, call(18, 0, is_known=False)]
    db = await stored(tmp_path, calls)
    paths, _ = write_invoice(tmp_path, "openai", CALLS, same)
    _, made = reconciled(db, *map(str, paths))
    assert [(each["attempt_id"], each["usd"]) for each in made["settled"]] == [(19, "0")]
    with Ledger.open(db) as ledger:
        assert not spend_report(ledger, BOOK).rows[0].facts.solve.is_lower_bound


async def test_foreign_traffic_on_the_key_does_not_settle_what_it_cannot_be(tmp_path: Path) -> None:
    """Three requests more than the ledger has are not its one open attempt: nobody can tell which they are."""
    db = await stored(tmp_path, [*CALLS, call(18, 1, is_known=False)])
    foreign = [replace(call(number, 1), number=None) for number in (30, 31, 32)]
    paths, _ = write_invoice(tmp_path, "openai", [*CALLS, *foreign], same)
    _, made = reconciled(db, *map(str, paths))
    assert by_name(made).keys() == {"agreed", "foreign", "unexplained"}
    assert made["settled"] == []


async def test_another_model_on_the_key_is_foreign_even_without_a_price(tmp_path: Path) -> None:
    db = await stored(tmp_path, CALLS)
    paths, billed = write_invoice(tmp_path, "openai", CALLS, same)
    usage, costs = json.loads(paths[0].read_text()), json.loads(paths[2].read_text())
    usage["data"][0]["results"].append({
        "object": "organization.usage.completions.result", "model": "ft:nobody-knows", "batch": False,
        "service_tier": "default", "num_model_requests": 2, "input_tokens": 10, "input_cached_tokens": 0,
        "output_tokens": 20,
    })  # fmt: skip
    line = {"line_item": "ft:nobody-knows, output", "amount": {"value": 0.25, "currency": "usd"}}
    costs["data"][0]["results"].append(line)
    paths[0].write_text(json.dumps(usage))
    paths[2].write_text(json.dumps(costs))
    _, made = reconciled(db, *map(str, paths))
    assert by_name(made) == {"agreed": 0, "foreign": Decimal("0.25"), "unexplained": 0}
    assert Decimal(made["account_usd"]) == billed + Decimal("0.25")


async def test_why_somebody_elses_model_costs_what_it_does_is_not_explained(tmp_path: Path) -> None:
    """A discount on another program's model is foreign traffic as billed, and nothing of it is unexplained."""
    db = await stored(tmp_path, CALLS)
    others = [replace(call(number, 1, model="o4-mini"), number=None) for number in range(40, 44)]
    paths, billed = write_invoice(tmp_path, "openai", [*CALLS, *others], same)
    costs = json.loads(paths[2].read_text())
    for line in (each for bucket in costs["data"] for each in bucket["results"] if "o4-mini" in each["line_item"]):
        line["amount"]["value"] = float(Decimal(str(line["amount"]["value"])) * Decimal("0.37"))
    paths[2].write_text(json.dumps(costs))
    _, made = reconciled(db, *map(str, paths))
    found = by_name(made)
    assert found.keys() == {"agreed", "foreign", "unexplained"}
    assert found["unexplained"] == 0
    assert Decimal(made["account_usd"]) == found["foreign"] + Decimal(made["ledger_usd"])
    assert Decimal(made["account_usd"]) < billed


async def test_usage_without_costs_is_compared_at_list_price_and_says_so(tmp_path: Path) -> None:
    db = await stored(tmp_path, CALLS)
    paths, _ = write_invoice(tmp_path, "openai", CALLS[1:], same)
    _, made = reconciled(db, *map(str, paths[:2]))
    assert made["is_billed"] is False
    assert "the account states no costs: its usage is valued at list price" in made["notes"]
    assert [line["attempt_ids"] for line in made["details"] if line["name"] == "only_here"] == [[1]]


async def test_foreign_usage_without_a_price_says_that_its_zero_is_none(tmp_path: Path) -> None:
    db = await stored(tmp_path, CALLS)
    paths, _ = write_invoice(tmp_path, "openai", CALLS, same)
    usage = json.loads(paths[0].read_text())
    usage["data"][0]["results"].append({"model": "ft:nobody-knows", "batch": False, "service_tier": "default",
                                        "num_model_requests": 2, "input_tokens": 10, "output_tokens": 20})  # fmt: skip
    paths[0].write_text(json.dumps(usage))
    _, made = reconciled(db, *map(str, paths[:2]))
    assert [line["note"] for line in made["details"] if line["name"] == "foreign"] == ["no price is known for it"]


ROUTED = [call(number, model="openai/o4-mini-2025-04-16") for number in range(4)]


async def test_a_request_without_an_amount_is_neither_free_nor_discounted(tmp_path: Path) -> None:
    """An empty amount is no $0: the attempt stays open, and of an answered one nothing explains the difference."""
    db = await stored(tmp_path, [*ROUTED, replace(call(4, model=ROUTED[0].model), is_known=False)], "openrouter")
    (path,), _ = write_invoice(tmp_path, "openrouter", [*ROUTED, call(4, model=ROUTED[0].model)], same)
    rows = list(csv.DictReader(path.open(newline="")))
    for row in (rows[3], rows[4]):
        row["cost_total"] = ""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    _, made = reconciled(db, str(path))
    assert by_name(made).keys() == {"agreed", "possibly_billed", "unexplained"}
    assert by_name(made)["unexplained"] < 0
    assert [(each["attempt_id"], each["usd"]) for each in made["settled"]] == [(5, None)]
    with Ledger.open(db) as ledger:
        assert [fact.billed_pico_usd for fact in invoiced_records(ledger)] == [None]
        assert spend_report(ledger, BOOK).rows[0].facts.solve.is_lower_bound
    table = CLI.invoke(APP, ["reconcile", str(path), "--db", db]).stdout
    assert "1 attempts were billed, by amounts that cannot be told" in table
    assert "settled, for $0" not in table


async def test_a_request_that_two_exports_hold_is_refused_by_its_id(tmp_path: Path) -> None:
    db = await stored(tmp_path, ROUTED, "openrouter")
    (path,), _ = write_invoice(tmp_path, "openrouter", ROUTED, same)
    other = path.with_name("again.csv")
    other.write_text(path.read_text())
    error = CLI.invoke(APP, ["reconcile", str(path), str(other), "--db", db]).exception
    assert isinstance(error, InputError)
    assert error.message == "request gen-0 is on the bill twice"


async def test_a_day_that_is_none_names_its_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "k-1")
    db = await stored(tmp_path, CALLS[:1])
    words = ["--provider", "openai", "--from", "2026-10-01", "--to", "someday"]
    error = CLI.invoke(APP, ["reconcile", *words, "--db", db]).exception
    assert isinstance(error, InputError)
    assert error.where == "--to"


async def test_the_table_shows_unexplained_and_adds_up_to_the_cent(tmp_path: Path) -> None:
    db = await stored(tmp_path, CALLS)
    paths, _ = write_invoice(tmp_path, "openai", CALLS, lambda usd: usd * Decimal("0.9"))
    result = CLI.invoke(APP, ["reconcile", *map(str, paths), "--db", db])
    assert result.exit_code == 0
    assert "price: discount" in result.stdout
    assert "10 % of the list price" in result.stdout
    assert "unexplained: 0.000 % of it" in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "there is no account to compare with"),
        (("--provider", "nobody"), "accounts of nobody cannot be fetched"),
        (("--provider", "openai"), "OPENAI_ADMIN_KEY is not set"),
        (("--run-id", "r9", "--provider", "openai"), "there is no run r9"),
    ],
)
async def test_wrong_calls_say_what_to_do(
    words: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_ADMIN_KEY", raising=False)
    db = await stored(tmp_path, CALLS[:1])
    result = CLI.invoke(APP, ["reconcile", *words, "--db", db])
    assert message in str(result.exception)


Handler = Callable[[web.Request], Any]


@asynccontextmanager
async def account_server(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


STRETCH = (datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 5, tzinfo=UTC))


@pytest.mark.parametrize(
    ("provider", "header", "value"),
    [
        ("openai", "Authorization", "Bearer k-1"),
        ("anthropic", "x-api-key", "k-1"),
        ("openrouter", "Authorization", "Bearer k-1"),
    ],
)
async def test_an_account_is_fetched_page_by_page_with_the_admin_key(
    provider: str, header: str, value: str, tmp_path: Path
) -> None:
    seen: list[tuple[str, str | None]] = []

    async def answer(request: web.Request) -> web.Response:
        assert request.headers[header] == value
        page = request.query.get("page")
        seen.append((request.path, page))
        more = page is None and "usage" in request.path
        return web.json_response({"data": [], "has_more": more, "next_page": "p 2" if more else None})

    async with account_server(answer) as url:
        files = await fetch_account(provider, "k-1", STRETCH, tmp_path, base_url=url)
    assert len(files) == len(seen)
    if provider != "openrouter":
        assert [page for path, page in seen if "usage" in path] == [None, "p 2"]
        assert [page for path, page in seen if "cost" in path] == [None]


async def test_an_admin_key_does_not_follow_a_redirect(tmp_path: Path) -> None:
    met: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        met.append(request.path)
        if request.path.startswith("/elsewhere"):
            return web.json_response({"data": [], "has_more": False})
        raise web.HTTPFound("/elsewhere")

    async with account_server(redirect) as url:
        with pytest.raises(ProviderError):
            await fetch_account("openai", "k-1", STRETCH, tmp_path, base_url=url)
    assert met == ["/organization/usage/completions"]


def test_a_missing_admin_key_names_its_variable() -> None:
    assert admin_key("anthropic", {"ANTHROPIC_ADMIN_KEY": "k"}) == "k"
    with pytest.raises(MissingKeyError, match="ANTHROPIC_ADMIN_KEY is not set"):
        admin_key("anthropic", {"ANTHROPIC_API_KEY": "k"})


async def test_usage_that_tells_batches_alone_does_not_make_flex_a_difference(tmp_path: Path) -> None:
    """Without grouping by service tier all that is no batch is one row: tiers of the ledger are joined likewise."""
    calls = [*CALLS, *(call(number, 1, tier="flex") for number in range(18, 22))]
    db = await stored(tmp_path, calls)
    paths, billed = write_invoice(tmp_path, "openai", calls, same)
    for path in paths[:2]:
        page = json.loads(path.read_text())
        for bucket in page["data"]:
            bucket["results"] = _joined(bucket["results"])
        path.write_text(json.dumps(page))
    _, made = reconciled(db, *map(str, paths))
    assert by_name(made) == {"agreed": 0, "unexplained": 0}
    assert Decimal(made["ledger_usd"]) == billed


def _joined(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    counts = ("num_model_requests", "input_tokens", "input_cached_tokens", "output_tokens")
    if not results:
        return []
    return [{**results[0], "service_tier": None, **{name: sum(each[name] for each in results) for name in counts}}]
