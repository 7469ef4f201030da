"""A run that is exported as Every Eval Ever records and imported again is the same run to a report."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from harness.cli.app import command_line
from harness.ledger import Ledger
from harness.pricing.price_files import load_price_book
from harness.rendering.export_files import export_table
from harness.reports.facts.assembly import spend_report
from tests.support.report_ledgers import Try, add_run, many, used


async def test_an_exported_run_is_imported_with_equal_tokens_scores_and_dollars(tmp_path: Path) -> None:
    """Suite, task, setting, repeats, a cache and a retry among it; a failed request stays no wrong answer."""
    book = load_price_book()
    odd = {
        ("cached", 0): [Try(usage=used(600, 900, 700, cached=400))],
        ("cached", 1): [Try(usage=used(500, 800, 600, cached=500), score=0.5)],
        ("retried", 0): [Try(status="failed", usage=used(50, 5), score=None), Try(usage=used(70, 7))],
        ("mute", 0): [Try(usage=used(10, 3), score=None, reason="no_answer")],
        ("lost", 0): [Try(status="failed", usage=used(5, 0), score=None)],
    }
    with Ledger.open(tmp_path / "own.db") as ledger:
        await add_run(ledger, "r1", {"openai/gpt-5-mini@high": {**many(9, 0.8, 900, reasoning=80), **odd},
                                     "openai/gpt-5-mini": many(9, 0.6, 90)})  # fmt: skip
        own = {row.facts.name: row.facts for row in spend_report(ledger, book).rows}
        export_table(ledger, book, "eee", tmp_path / "store")
    other = str(tmp_path / "other.db")
    result = CliRunner().invoke(command_line(), ["import", str(tmp_path / "store"), "--db", other])
    assert result.exit_code == 0, result.output
    with Ledger.open(other) as ledger:
        runs = [run.run_id for run in ledger.runs()]
        again = {row.facts.name: row.facts for row in spend_report(ledger, book, runs).rows}
    assert again.keys() == own.keys()
    for name, facts in own.items():
        found = again[name]
        assert found.suite == facts.suite == "starter"
        assert found.solve.tokens == facts.solve.tokens
        assert found.solve.cost.total == facts.solve.cost.total
        for mine, theirs in zip(facts.tasks, found.tasks, strict=True):
            assert theirs.task == mine.task == "questions"
            assert dict(zip(theirs.sample_ids, theirs.score_sums, strict=True)) == dict(
                zip(mine.sample_ids, mine.score_sums, strict=True)
            )
            assert sorted(theirs.score_counts) == sorted(mine.score_counts)
