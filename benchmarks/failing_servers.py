"""Hold our books to the cent against a server that bills failed, cut and odd answers too.

Run as `python -m benchmarks.failing_servers [--runs 200] [--seed 0]`: each run asks a loopback server directly or
through litellm, whole or streamed, half of them under a cap. The server states usage or an amount in good answers,
error statuses, answers without a message, cut and broken streams. It holds when every attempt whose answer stated its
bill is charged exactly that, when none that stated nothing is taken for free (but for failures of Anthropic, which
by its own word are), and when no cap is exceeded by more than the server's own excess over its list.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from benchmarks.billed_answers import INPUT_USD, OUTPUT_USD, Answer, draw_answer
from benchmarks.budgets import silent
from benchmarks.generated_suite import write_suite
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import AttemptRow, attempt_rows
from harness.models import parse_model
from harness.money import from_pico, to_pico_ceiling
from harness.pricing import PriceBook
from harness.pricing.price_files import load_price_book
from harness.runner import RunSpec, SessionOptions, run_suites
from harness.runner.requests.policy import RetryLimits

CAP_TOKENS = 300
LIMITS = RetryLimits(first_wait_s=0.002, longest_wait_s=0.004)
MODELS = {
    "openai-compatible/money": "chat",
    "openai/money": "chat",
    "mistral/money": "chat",
    "anthropic/claude-money": "messages",
}


class BillingServer:
    """A loopback server in a thread of its own; `answers` holds what each request id was given."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.draw = random.Random(0)
        self.dialect, self.streamed = "chat", False
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.url = ""

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._talk, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._started.set()
        self._loop.run_forever()
        server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._answer(reader, writer):
                pass
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in head[1:]}
        await reader.readexactly(int(headers.get("content-length", 0)))
        answer = draw_answer(self.dialect, streamed=self.streamed, cap_tokens=CAP_TOKENS, draw=self.draw)
        self.answers[headers["x-client-request-id"]] = answer
        if answer.drops:
            return False
        writer.write(answer.http())
        await writer.drain()
        return not answer.is_cut

    def __enter__(self) -> BillingServer:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One run held against the server's books; amounts in picodollars.

    Attributes:
        stated_pico: what the server's answers stated.
        charged_pico: what the ledger charged the same attempts.
        excess_pico: what answers stated above the worst case of their request.
        ledger_pico: everything that the ledger counts against the cap, unknown bills included.
        wrong: attempts whose books differ, in words.
    """

    label: str
    n_attempts: int
    n_stated: int
    stated_pico: int
    charged_pico: int
    excess_pico: int
    ledger_pico: int
    cap_pico: int | None
    kinds: Counter[str]
    wrong: tuple[str, ...]

    @property
    def over_pico(self) -> int:
        """By how much the cap was exceeded beyond the server's own excess; 0 = it held."""
        if self.cap_pico is None:
            return 0
        return max(0, max(self.stated_pico, self.ledger_pico) - self.cap_pico - self.excess_pico)


def price_book(folder: Path) -> PriceBook:
    """The shipped prices and the server's own list."""
    own = folder / "prices"
    own.mkdir()
    for name in MODELS:
        provider, model = name.split("/")
        (own / f"{provider}.toml").write_text(
            f'provider = "{provider}"\n[[price]]\nmodel = "{model}"\neffective_from = "2020-01-01"\n'
            f'input = "{INPUT_USD * 10**6:f}"\noutput = "{OUTPUT_USD * 10**6:f}"\nsource = "the server of this proof"\n'
            'confidence = "declared"\nchecked_on = 2026-11-22\n'
        )
    return load_price_book(own)


def prove(folder: Path, *, runs: int, samples: int, seed: int) -> Iterator[Checked]:
    """Make the runs, one after the other."""
    for name in ("OPENAI", "MISTRAL", "ANTHROPIC"):
        os.environ[f"{name}_API_KEY"] = "loopback-only"
    draw, book, suite = random.Random(seed), price_book(folder), write_suite(folder, samples)
    with BillingServer() as server, Ledger.open(folder / "ledger.db") as ledger:
        for number in range(runs):
            name = draw.choice(list(MODELS))
            server.draw, server.dialect = random.Random(f"{seed}-{number}"), MODELS[name]
            server.streamed = draw.random() < 0.5
            server.answers = {}
            usual_usd = samples * (40 * INPUT_USD + CAP_TOKENS * OUTPUT_USD)
            cap_usd = usual_usd * Decimal(f"{draw.uniform(0.3, 3):.3f}") if draw.random() < 0.5 else None
            spec = RunSpec(
                suites=(str(suite),),
                models=(parse_model(name),),
                base_url=server.url + ("" if name.startswith("anthropic") else "/v1"),
                concurrency=draw.choice((1, 4, 16)),
                budget_usd=cap_usd,
                timeout_s=20.0,
                max_attempts=4,
                max_output_tokens=CAP_TOKENS,
                stream=server.streamed,
                sample_seed=number,
            )
            run_id = f"run-{number}"
            run_suites(
                spec, ledger=ledger, book=book, run_id=run_id, observe=silent, session=SessionOptions(limits=LIMITS)
            )
            budget = ledger.budget(f"run:{run_id}")
            yield _checked(
                f"{name} {'streamed' if server.streamed else 'whole'}",
                list(attempt_rows(ledger, [run_id])),
                server.answers,
                cap_pico=None if cap_usd is None else to_pico_ceiling(cap_usd),
                ledger_pico=0 if budget is None else budget.spent_pico_usd + budget.reserved_pico_usd,
            )


def _checked(
    label: str, rows: list[AttemptRow], answers: dict[str, Answer], *, cap_pico: int | None, ledger_pico: int
) -> Checked:
    wrong = [f"{len(answers)} requests at the server, {len(rows)} in the ledger"] if len(answers) != len(rows) else []
    stated = {
        key: to_pico_ceiling(answer.stated_usd) for key, answer in answers.items() if answer.stated_usd is not None
    }
    charged_pico = excess_pico = 0
    for row in rows:
        answer = answers.get(row.request_id)
        if answer is None:
            wrong.append(f"{row.request_id} never arrived at the server")
        elif row.request_id in stated:
            charged_pico += row.charged_pico_usd or 0
            excess_pico += max(0, stated[row.request_id] - row.reserved_pico_usd)
            if row.charged_pico_usd != stated[row.request_id]:
                wrong.append(f"{answer.kind}: stated {stated[row.request_id]}, charged {row.charged_pico_usd}")
        elif row.billed == "no" and answer.status < (400 if row.provider == "anthropic" else 600):
            wrong.append(f"{answer.kind}: nothing was stated, and it is taken as not billed")
    return Checked(
        label=label,
        n_attempts=len(rows),
        n_stated=len(stated),
        stated_pico=sum(stated.values()),
        charged_pico=charged_pico,
        excess_pico=excess_pico,
        ledger_pico=ledger_pico,
        cap_pico=cap_pico,
        kinds=Counter(answer.kind for answer in answers.values()),
        wrong=tuple(wrong),
    )


def report(checked: list[Checked]) -> bool:
    """Print the sums by path, the caps and every difference; says whether all holds."""
    for label in sorted({run.label for run in checked}):
        of_path = [run for run in checked if run.label == label]
        stated, charged = sum(run.stated_pico for run in of_path), sum(run.charged_pico for run in of_path)
        print(
            f"{label:<34} {len(of_path):3d} runs {sum(run.n_attempts for run in of_path):6d} attempts,"
            f" {sum(run.n_stated for run in of_path):5d} stated: ${from_pico(stated):.6f} - ledger"
            f" ${from_pico(charged):.6f} = {from_pico(stated - charged):f}"
        )
    kinds = sum((run.kinds for run in checked), Counter[str]())
    print("answers: " + ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()))
    capped = [run for run in checked if run.cap_pico is not None]
    kept = [run for run in capped if run.excess_pico == 0]
    print(
        f"caps: {len(capped)} runs, {sum(run.over_pico > 0 for run in capped)} above by more than the server's excess;"
        f" {len(kept)} where it kept to its list, {sum(run.over_pico > 0 for run in kept)} of them above"
    )
    wrong = [f"{run.label}: {line}" for run in checked for line in run.wrong]
    for line, count in Counter(wrong).most_common(20):
        print(f"  {line} ({count})")
    return not wrong and not any(run.over_pico for run in checked) and all(run.n_attempts for run in checked)


def main() -> None:
    """Run the proof and end with 1 when it fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--samples", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="benchtab-money-") as name:
        checked = list(prove(Path(name), runs=arguments.runs, samples=arguments.samples, seed=arguments.seed))
    holds = report(checked) and bool(checked)
    print(f"{len(checked)} runs: {'holds' if holds else 'FAILS'} ({time.monotonic() - started_s:.0f} s)")
    raise SystemExit(0 if holds else 1)


if __name__ == "__main__":
    main()
