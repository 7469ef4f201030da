"""The proof of conversations sees what it is to see: caps that did not hold, turns sent twice, bills that differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from decimal import Decimal

import pytest

from benchmarks.trajectories.chaotic_plans import Plan
from benchmarks.trajectories.talk_verdicts import Verdict, report, verdict_of
from benchmarks.trajectories.tormented_runs import TormentedRun
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows
from tests.support.conversing import bench_suite, converse, mover, parties

CAP = Decimal("0.1")
PLAN = Plan(
    run_id="run-1",
    models=("m",),
    user="u",
    judge=None,
    n_samples=2,
    concurrency=4,
    max_attempts=2,
    cap_usd=CAP,
    sample_cap_usd=CAP,
    raised_usd=None,
    max_output_tokens=None,
    is_expected=False,
    blows=(),
    asks_again=False,
)

UNSENT = dataclasses.replace(PLAN, run_id="run-2")


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """Two conversations under caps that are over and scored."""
    folder = tmp_path_factory.mktemp("talks")
    with Ledger.open(folder / "l.db") as opened, parties(mover) as asked:
        suite = bench_suite(folder / "s", 2)
        converse(suite, asked, opened, folder, budget_usd=CAP, max_usd_per_sample=CAP)
        yield opened


@pytest.fixture(name="books")
def server_books(ledger: Ledger) -> dict[str, int]:
    """What a server billed that agrees with the ledger."""
    return {row.request_id: row.charged_pico_usd or 0 for row in attempt_rows(ledger)}


def wrong_in(verdict: Verdict) -> set[str]:
    """What does not hold, by name."""
    lists = {**vars_of(verdict), **vars_of(verdict.bills)}
    return {name for name, found in lists.items() if isinstance(found, list) and found and name != "shares"}


def vars_of(record: object) -> Mapping[str, object]:
    return {name: getattr(record, name) for name in getattr(record, "__slots__", ())}


def held_against(ledger: Ledger, books: Mapping[str, int]) -> Verdict:
    return verdict_of(TormentedRun(plan=PLAN, exit_code=0), ledger, books)


def test_books_that_agree_hold(ledger: Ledger, books: dict[str, int], capsys: pytest.CaptureFixture[str]) -> None:
    verdict = held_against(ledger, books)
    assert wrong_in(verdict) == set()
    assert report([verdict])
    assert "MISSED" not in capsys.readouterr().out


def test_caps_that_the_servers_books_exceed_are_seen(
    ledger: Ledger, books: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    first = next(iter(books))
    verdict = held_against(ledger, books | {first: 2 * 10**11})
    assert wrong_in(verdict) == {"over_run", "over_sample", "differing"}
    assert not report([verdict])
    assert "MISSED" in capsys.readouterr().out


def test_a_turn_that_is_sent_again_though_it_is_settled_is_seen(ledger: Ledger, books: dict[str, int]) -> None:
    again = next(iter(books)).replace(".t1", ".t2")
    assert wrong_in(held_against(ledger, books | {again: 1})) == {"resent", "unlogged"}


def test_a_run_that_did_not_end_is_seen(ledger: Ledger, books: dict[str, int]) -> None:
    verdict = verdict_of(TormentedRun(plan=PLAN, exit_code=None), ledger, books)
    assert not report([verdict])


def test_a_refused_run_that_sent_something_is_seen(ledger: Ledger, books: dict[str, int]) -> None:
    refused = TormentedRun(plan=PLAN, exit_code=2)
    assert not report([verdict_of(refused, ledger, books)])
    assert report([verdict_of(TormentedRun(plan=UNSENT, exit_code=2), ledger, {})])
