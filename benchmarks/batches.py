"""Kill batch runs everywhere, spoil what they are answered, and hold the ledger against the server's count of lines.

Run as `python -m benchmarks.batches [--lines 5000] [--kills 14]`: a run on a loopback server that speaks OpenAI's and
Anthropic's batch dialects is ended by SIGKILL while it reserves, uploads, waits and collects, and resumed each time.
The server is restarted meanwhile, a share of the results is spoilt, and so is every third look.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from harness.costs import cost_of
from harness.instants import from_us
from harness.ledger import Ledger
from harness.ledger.batch_states import attempts_in, stored_batches
from harness.ledger.reading.attempt_rows import attempt_rows, score_rows
from harness.models import parse_model
from harness.money import from_pico, plain
from harness.pricing.price_files import load_price_book
from harness.runner import PreparedRun, RunSpec, SessionOptions, run_suites
from harness.runner.batch.batch_lines import Waits
from harness.usage import parse_json, read_usage
from tests.support.loopback_batches import Batches, serve_batches
from tests.support.runs import Watcher, number_suite

RUN = "proof"
LIST_USD = {  # list price of a million input and output tokens, beside which the ledger's total must be half
    "openai/gpt-4o": (Decimal("2.5"), Decimal(10)),
    "anthropic/claude-3-7-sonnet-20250219": (Decimal(3), Decimal(15)),
}
WAITS = Waits(first_s=0.05, longest_s=0.2, doubt_s=1.0)


def tokens(question: str) -> tuple[int, int]:
    """Input and output tokens of an answer, decided by its question."""
    digest = hashlib.sha256(question.encode()).digest()
    return 20 + digest[0], 50 + digest[1] * 4


class Fated:
    """About one line in fifty: by its custom id, so that the next attempt has another fate."""

    def __init__(self, fate: str) -> None:
        self._fate = fate

    def __contains__(self, custom_id: object) -> bool:
        own_id = str(custom_id).partition("-")[0]  # at Anthropic the name of the batch follows
        return hashlib.sha256(f"{self._fate}{own_id}".encode()).digest()[0] % 50 == 0


EXPIRING, NAMELESS = Fated("expires"), Fated("has no custom_id")
SPOILT_LOOKS = (b"<html>down for maintenance</html>", b"null", b"[]", b'{"status": "pondering"}', b"")


class Spoiler:
    """Spoils a share of what the server answers; only lines without `custom_id` take an answer away."""

    def __init__(self) -> None:
        self.spoilt: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()

    def __call__(self, what: str, body: bytes) -> bytes:
        """Spoil the first upload, the first creation of a batch, every third look, and some lines."""
        self._asked[what] += 1
        if what in ("results", "errors"):
            return b"".join(self._line(line) for line in body.splitlines())
        findable = what in ("upload", "create")
        if (findable and self._asked[what] == 1) or (what == "poll" and self._asked[what] % 3 == 0):
            self.spoilt[what] += 1
            return b"{}" if findable else SPOILT_LOOKS[self.spoilt[what] % len(SPOILT_LOOKS)]
        return body

    def _line(self, line: bytes) -> bytes:
        document = json.loads(line)
        custom_id = document["custom_id"]
        added = {
            "broken line": b"{broken",
            "line without end": line[: len(line) // 2],
            "line of another batch": line.replace(custom_id.encode(), b"a0"),
            "second result": line,
            "contradiction": line.replace(b'tokens": ', b'tokens": 9'),
        }
        if custom_id in NAMELESS:
            self.spoilt["line without custom_id"] += 1
            return json.dumps({**document, "custom_id": None}).encode() + b"\r\n"
        said = [line, *(text for fate, text in added.items() if custom_id in Fated(fate))]
        self.spoilt.update(fate for fate in added if custom_id in Fated(fate))
        return b"\n".join(said) + b"\n"


@dataclass(slots=True)
class Proof:
    """What happened in one run, and whether it holds."""

    model: str
    lines: int
    killed: Counter[str] = field(default_factory=Counter)
    server_restarts: int = 0
    sessions: int = 0
    checks: dict[str, bool] = field(default_factory=dict)

    def check(self, claim: str, *, holds: bool) -> None:
        """Note and print one claim."""
        self.checks[claim] = holds
        print(f"  {'ok   ' if holds else 'WRONG'} {claim}")


class Hangman:
    """Runs the client as a process of its own and kills it when something armed happens."""

    def __init__(self, proof: Proof, folder: Path, suite: str, books: Batches) -> None:
        self.proof, self.folder, self.suite, self.books = proof, folder, suite, books
        self.armed: str | None = None
        self._process: asyncio.subprocess.Process | None = None
        self.restart_wanted = asyncio.Event()
        self._generator = random.Random(proof.model)

    async def watch(self, event: str) -> None:
        """Kill if this is what was waited for; ask for a new server at some looks."""
        if event == self.armed and self._process is not None:
            self.armed = None
            self.proof.killed[event] += 1
            self._process.kill()
            await asyncio.sleep(0.05)
        elif event in ("looked", "half") and self.armed in (None, "never") and self._generator.random() < 0.5:
            self.restart_wanted.set()

    async def session(self, moment: str | float | None) -> int | None:
        """Run until the end or the kill, at an event or so many seconds after the first write; gives the exit code."""
        words = [sys.executable, "-m", "benchmarks.batches", "--child", self.proof.model, str(self.folder), self.suite]
        words.append(self.books.url)
        self._process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
        self.proof.sessions += 1
        assert self._process.stdout is not None
        await self._process.stdout.readline()  # the plan is made, the session begins
        self.armed = moment if isinstance(moment, str) else "never"
        if moment is None:
            self.armed = None
        if isinstance(moment, float):
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(self._process.wait(), moment)
            self._process.kill()
            self.proof.killed["at a random instant"] += 1
        code = await self._process.wait()
        return None if code < 0 else code


@contextlib.asynccontextmanager
async def restartable(books: Batches, hangman_box: list[Hangman]) -> AsyncIterator[None]:
    """Serve on one port, and stop and start again whenever the hangman asks for it."""
    stack = contextlib.AsyncExitStack()
    await stack.enter_async_context(serve_batches(books))
    port = int(books.url.rsplit(":", 1)[1])

    async def keep() -> None:
        while True:
            hangman = hangman_box[0]
            await hangman.restart_wanted.wait()
            hangman.restart_wanted.clear()
            hangman.proof.server_restarts += 1
            await stack.aclose()
            await asyncio.sleep(0.3)
            await stack.enter_async_context(serve_batches(books, port=port))

    keeper = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await stack.aclose()


def moments(model: str, kills: int, seed: int) -> list[str | float]:
    """When to kill, session by session: first before the lines are at the provider, then while they are."""
    generator = random.Random(seed)
    named = ["uploaded", "taken"] if model.startswith("openai") else ["taken"]
    before: list[str | float] = [generator.uniform(0, 1) for _ in range(2)] + named
    after: list[str | float] = ["looked", "half", "looked"]
    n_random = max(0, kills - len(before) - len(after) - 1)
    return [*before, *after, *(generator.uniform(0, 1.5) for _ in range(n_random)), "half"]


async def prove(model: str, lines: int, kills: int, seed: int) -> Proof:
    """Run, kill, resume until it is complete, then count."""
    proof = Proof(model=model, lines=lines)
    print(f"{model}: {lines:,} lines")
    books = Batches()
    books.finished = books.sums = True
    books.tokens, books.looks_needed, books.expires = tokens, 6, EXPIRING
    books.spoil = spoiler = Spoiler()
    with tempfile.TemporaryDirectory(prefix="benchtab-batches-") as name:
        folder = Path(name)
        suite = number_suite(folder, lines)
        hangman = Hangman(proof, folder, suite, books)
        books.watch = hangman.watch
        async with restartable(books, [hangman]):
            code: int | None = None
            for moment in [*moments(model, kills, seed), None]:
                if (code := await hangman.session(moment)) is not None:
                    break
        proof.check(f"the last of {proof.sessions} sessions ended with exit code 0", holds=code == 0)
        print(f"  spoilt {dict(spoiler.spoilt)}")
        _count(proof, books, folder)
    return proof


def _count(proof: Proof, books: Batches, folder: Path) -> None:
    with Ledger.open(folder / "ledger.db", create=False) as ledger:
        rows = list(attempt_rows(ledger))
        batches = stored_batches(ledger, RUN)
        lost = {
            f"a{number}"
            for batch in batches
            if batch.status == "lost"
            for number in attempts_in(ledger, batch.batch_id or 0)
        }
        scored = [one.value_millionths for one in score_rows(ledger, [RUN])]
    statuses = Counter(row.status for row in rows)
    print(f"  killed {proof.killed.total()} times {dict(proof.killed)}, server restarted {proof.server_restarts} times")
    print(f"  {len(rows):,} attempts {dict(statuses)}, batches {dict(Counter(batch.status for batch in batches))}")
    run = [row for row in rows if row.status == "succeeded"]
    proof.check(f"{len(run):,} of {proof.lines:,} answered and scored right, once each", holds=(
        len({row.planned_id for row in run}) == len(run) == proof.lines and scored == [1_000_000] * proof.lines
    ))  # fmt: skip
    handed = [line["custom_id"].partition("-")[0] for batch in books.batches.values() for line in batch["lines"]]
    proof.check(f"{len(handed):,} lines reached the server, no custom id twice", holds=len(set(handed)) == len(handed))
    nameless = {custom_id for custom_id in handed if custom_id in NAMELESS} - lost
    expired = {custom_id for custom_id in handed if custom_id in EXPIRING} - lost - nameless
    needless = len(handed) - proof.lines - len(expired) - len(nameless)
    possibly_billed = sum(row.billed == "unknown" for row in rows)
    proof.check(
        f"lines handed over again without having expired ({len(expired)}) or lost their custom_id ({len(nameless)}):"
        f" {needless}; said to be possibly billed: {possibly_billed}",
        holds=needless == len(lost) and possibly_billed == len(lost) + len(nameless),
    )
    input_usd, output_usd = LIST_USD[proof.model]
    used = [tokens(f"What is {i} + {i + 1}? End with the answer alone on the last line.") for i in range(proof.lines)]
    listed = sum((n * input_usd + m * output_usd for n, m in used), Decimal(0)) / 1_000_000
    charged = from_pico(sum(row.charged_pico_usd or 0 for row in run))
    proof.check(
        f"charged ${plain(charged)}; the same tokens at the list price ${plain(listed)}; half of it exactly",
        holds=charged * 2 == listed,
    )
    book = load_price_book()
    recomputed = sum((_cost(book, row) for row in run), Decimal(0))
    proof.check(
        f"recomputed from the stored usage at the batch price: ${plain(recomputed)}", holds=recomputed == charged
    )


def _cost(book: object, row: object) -> Decimal:
    from harness.ledger.reading.attempt_rows import AttemptRow
    from harness.pricing import PriceBook

    assert isinstance(book, PriceBook)
    assert isinstance(row, AttemptRow)
    usage = read_usage(str(row.usage_kind), parse_json(str(row.raw_usage).encode()))
    at = from_us(row.finished_at_us or 0)
    cost = cost_of(book, usage, provider=row.provider, model=row.model, at=at, mode=row.mode)
    assert cost.usd is not None
    return cost.usd


def _child(model: str, folder: str, suite: str, url: str) -> int:
    """One session of the run, as the process that is killed."""

    @contextlib.contextmanager
    def observe(prepared: PreparedRun) -> Iterator[Watcher]:
        print("ready", prepared.run_id, flush=True)
        yield Watcher()

    base_url = url + ("/v1" if model.startswith("openai") else "")
    spec = RunSpec(suites=(suite,), models=(parse_model(model),), base_url=base_url, batch=True, max_attempts=8)
    with Ledger.open(Path(folder) / "ledger.db") as ledger:
        result = run_suites(
            spec,
            ledger=ledger,
            book=load_price_book(),
            run_id=RUN,
            observe=observe,
            session=SessionOptions(batch_waits=WAITS),
        )
    for stopped in result.models:
        if stopped.stopped_by is not None:
            print(f"  stopped: {stopped.stopped_by.message}", file=sys.stderr)
    return result.exit_code


def main() -> None:
    """Run the proof for both dialects and end with 1 when it fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=5_000)
    parser.add_argument("--kills", type=int, default=14)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=[name.split("/")[0] for name in LIST_USD], help="one dialect; default both")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        raise SystemExit(_child(*arguments.child))
    started_s = time.monotonic()
    proofs = [
        asyncio.run(prove(model, arguments.lines, arguments.kills, arguments.seed))
        for model in LIST_USD
        if arguments.only in (None, model.split("/")[0])
    ]
    holds = all(all(proof.checks.values()) for proof in proofs)
    print(f"{'holds' if holds else 'FAILS'} ({time.monotonic() - started_s:.0f} s)")
    raise SystemExit(0 if holds else 1)


if __name__ == "__main__":
    main()
