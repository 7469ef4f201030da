"""The ledger and the simulated server's books agree request by request, whatever goes wrong on the way."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.books import hold, server_books, wrong_rows
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows


def asked(**options: object) -> argparse.Namespace:
    usual = {"suite": "starter", "route": "direct", "data": None, "concurrency": 8}
    return argparse.Namespace(**{**usual, **options})


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    folder = tmp_path_factory.mktemp("books")
    return folder, hold(asked(models=["sim-flaky", "sim-direct"], limit=6, timeout_s=2.0), folder)


def test_every_attempt_the_server_saw_is_a_row_with_the_same_tokens(books: tuple[Path, int]) -> None:
    folder, exit_code = books
    assert exit_code == 0
    sums, rows = server_books(folder / "billing.jsonl")
    assert sums["sim-flaky"]["requests"] > sums["sim-direct"]["requests"] == 18
    assert any(row["fault"] for row in rows.values())


def test_a_row_too_many_too_few_or_with_one_token_less_is_found(books: tuple[Path, int]) -> None:
    folder, _ = books
    _, served = server_books(folder / "billing.jsonl")
    with Ledger.open(folder / "ledger.db") as ledger:
        attempts = list(attempt_rows(ledger))
    assert list(wrong_rows(iter(attempts), served)) == []
    assert "no row in the ledger" in next(wrong_rows(iter(attempts[1:]), served))
    known = next(row for row in attempts if row.output_tokens)
    others = [row for row in attempts if row is not known]
    less = replace(known, output_tokens=(known.output_tokens or 0) - 1)
    assert "the server billed" in next(wrong_rows(iter([less, *others]), served))
    assert "never seen by the server" in next(wrong_rows(iter([replace(known, request_id="made up")]), served))
