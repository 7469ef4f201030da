"""kill -9 at random moments: every acknowledged row is in the ledger, every settlement is whole."""

from __future__ import annotations

import json
import random
import subprocess
import sys

from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows, score_rows, transcript_rows
from tests.support.ledger_rows import fill

N_KILLS = 3

_WRITER = """
import asyncio, json, sys
from harness.ledger import AttemptOutcome, AttemptStart, Ledger, ScoreRecord, Transcript

url, attempt, cell_id, planned_id = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

def tell(*words):
    sys.stdout.write(json.dumps(words) + "\\n")
    sys.stdout.flush()

async def work(writer, worker):
    number = 0
    while True:
        number += 1
        sent = await writer.send(AttemptStart(
            request_id=f"{attempt}.{worker}.{number}", cell_id=cell_id, planned_id=planned_id,
            model_requested="reasoner", started_at_us=1, reserved_pico_usd=10, budget_scopes=("run:run-1",)))
        tell("sent", sent)
        await writer.settle(
            AttemptOutcome(attempt_id=sent, status="succeeded", finished_at_us=2, charged_pico_usd=3, billed="yes"),
            transcript=Transcript(messages=[{"role": "user", "content": f"{worker}.{number}"}], answer="x" * 500),
            score=ScoreRecord(attempt_id=sent, planned_id=planned_id, cell_id=cell_id, scorer="choice",
                              scorer_version="1", scored_at_us=3, value_millionths=0))
        tell("settled", sent)

async def main():
    async with Ledger.open(url).writer() as writer:
        await asyncio.gather(*(work(writer, worker) for worker in range(20)))

asyncio.run(main())
"""


def test_no_acknowledged_row_is_lost_when_the_process_is_killed(ledger_url: str) -> None:
    generator = random.Random(20261122)
    with Ledger.open(ledger_url) as ledger:
        filled = fill(ledger)
        ledger.set_budget("run:run-1", None)
        told: list[list[object]] = []
        for attempt in range(N_KILLS):
            arguments = [ledger_url, str(attempt), str(filled.cells[0]), str(filled.planned[0])]
            told.extend(_kill_after(generator.randrange(1, 400), arguments))
        rows = {row.attempt_id: row for row in attempt_rows(ledger)}
        sent = {number for what, number in told if what == "sent"}
        settled = {number for what, number in told if what == "settled"}
        assert len(settled) > N_KILLS
        assert sent <= rows.keys()
        assert settled <= {number for number, row in rows.items() if row.status == "succeeded"}
        whole = {number for number, row in rows.items() if row.status == "succeeded"}
        assert {row.attempt_id for row in score_rows(ledger)} == whole
        assert {row.attempt_id for row in transcript_rows(ledger, "run-1")} == whole
        budget = ledger.budget("run:run-1")
        assert budget is not None
        assert budget.spent_pico_usd == 3 * len(whole)
        assert budget.reserved_pico_usd == 10 * (len(rows) - len(whole))


def _kill_after(n_lines: int, arguments: list[str]) -> list[list[object]]:
    """Start a writer, kill it when it has acknowledged some rows, and return all that it said."""
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, *arguments], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    lines = [writer.stdout.readline() for _ in range(n_lines)]
    writer.kill()
    lines.extend(writer.stdout)  # what it had said before it died
    writer.wait()
    writer.stdout.close()
    assert writer.returncode == -9
    return [json.loads(line) for line in lines if line.endswith("\n")]
