"""`benchtab run` at its edges: going on with a run, dry runs, and the commands that it prints."""

from __future__ import annotations

import json
import shlex
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.app import command_line
from harness.cli.terminal.options import place_words
from harness.errors import HarnessError, InputError
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.money import parse_usd, to_pico_ceiling
from harness.pricing.price_files import load_price_book
from harness.reports.facts.assembly import spend_report
from harness.reports.spend.spend_page import report_page
from harness.runner import RunSpec
from harness.runner.options.command_line import FLAGS, OPTIONS, command, run_words
from tests.support.runs import number_suite


class Shell:
    """A folder with a suite and a ledger, in which commands are run."""

    def __init__(self, folder: Path, suite: str | None = None) -> None:
        self.suite = suite or number_suite(folder, 8)
        self.db = folder / "ledger.db"

    def run(self, *words: str, code: int = 0) -> str:
        """Run `benchtab run ...`; gives all it said."""
        found = CliRunner().invoke(command_line(), ["run", *words, "--db", str(self.db)])
        if isinstance(found.exception, HarnessError):
            assert found.exception.exit_code == code, found.exception
            return str(found.exception)
        assert found.exit_code == code, found.output
        return found.output

    def rows(self) -> list[Any]:
        with Ledger.open(self.db, create=False) as ledger:
            return list(attempt_rows(ledger))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A run that its budget stopped; each test goes on with a copy of the ledger."""
    made = Shell(tmp_path_factory.mktemp("stopped"))
    made.run(made.suite, "-m", "sim/reasoner", "--run-id", "r", "--limit", "6", "--budget-usd", "0.05", code=3)
    return made


@pytest.fixture
def shell(stopped: Shell, tmp_path: Path) -> Shell:
    made = Shell(tmp_path, stopped.suite)
    shutil.copy(stopped.db, made.db)
    return made


# going on with a run


def test_resume_with_dry_run_sends_nothing_and_estimates_what_is_left(shell: Shell) -> None:
    before = shell.rows()
    said = json.loads(shell.run("--resume", "r", "--dry-run", "--json"))
    assert shell.rows() == before
    n_answered = sum(row.status == "succeeded" for row in before)
    assert 0 < n_answered < 6
    assert [row["n_requests"] for row in said] == [6 - n_answered]
    again = json.loads(
        shell.run(shell.suite, "-m", "sim/reasoner", "--limit", "6", "--run-id", "r", "--dry-run", "--json")
    )
    assert again == said


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--limit", "7"), "--limit: 7 now, 6 in the run"),
        (("--epochs", "2"), "--epochs: 2 now, not given in the run"),
        (("--temperature", "0.7"), "--temperature: 0.7 now, not given in the run"),
        (("--max-output-tokens", "10"), "--max-output-tokens: 10 now"),
        (("--sample-seed", "3"), "--sample-seed: 3 now, 0 in the run"),
        (("--service-tier", "flex"), "--service-tier: flex now"),
        (("--judge", "sim/direct"), "--judge: sim/direct now"),
        (("--batch",), "--batch: yes now, no in the run"),
        (("-m", "sim/direct"), "--model: sim/direct now, sim/reasoner in the run"),
        (("starter",), "SUITE: starter now"),
    ],
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_resume_refuses_what_would_ask_something_else_by_name(
    words: tuple[str, ...], named: str, dry: tuple[str, ...], shell: Shell
) -> None:
    before = shell.rows()
    assert named in shell.run("--resume", "r", *words, *dry, code=2)
    assert shell.rows() == before


def test_resume_takes_the_same_question_said_again(shell: Shell) -> None:
    shell.run(shell.suite, "-m", "sim/reasoner", "--limit", "6", "--resume", "r", "--budget-usd", "9")
    assert {row.status for row in shell.rows()} == {"succeeded"}


def test_resume_honours_every_option_that_may_change(shell: Shell) -> None:
    """After hitting rate limits a run must be able to go on slower."""
    said = shell.run(
        "--resume", "r", "--budget-usd", "0.051", "--budget-mode", "strict", "--rpm", "6000", "--tpm", "9000000",
        "--concurrency", "3", "--timeout-s", "5", "--max-attempts", "2", "--max-failed", "50%", "--no-transcripts",
        "--no-stream", "--reuse", code=3,
    )  # fmt: skip
    printed = next(line.strip() for line in said.splitlines() if line.strip().startswith("benchtab run --resume"))
    numbers = "--concurrency 3 --timeout-s 5 --max-attempts 2 --max-failed 0.5 --rpm 6000 --tpm 9000000 --reuse"
    rest = printed.partition(f"{numbers} --no-stream --no-transcripts --budget-usd ")[2].split()
    assert float(rest[0]) > 0.051, "what the rest needs"
    assert rest[1:] == ["--db", str(shell.db)]
    assert "--budget-mode" not in printed, "as it was"
    shell.run(*shlex.split(printed)[2:-2], "--budget-usd", "9")
    with Ledger.open(shell.db, create=False) as ledger:
        assert [run.status for run in ledger.runs()] == ["complete"]


def test_resume_goes_on_with_the_latest_budget(shell: Shell) -> None:
    shell.run("--resume", "r", "--budget-usd", "9")
    shell.run("--resume", "r")
    with Ledger.open(shell.db, create=False) as ledger:
        budget = ledger.budget("run:r")
    assert budget is not None
    assert budget.cap_pico_usd == to_pico_ceiling(Decimal(9))


def test_two_runs_in_one_command_are_refused(shell: Shell) -> None:
    assert "two runs are named" in shell.run("--resume", "r", "--run-id", "s", code=2)


# dry runs refuse what runs refuse


@pytest.mark.parametrize(
    "name", ["openai/gpt-4o@high", "sim/dirct", "sim/direct@high", "openia/x", "openai-compatible/m"]
)
def test_a_dry_run_refuses_what_the_run_refuses(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    shell = Shell(tmp_path)
    shell.run(shell.suite, "-m", name, "--dry-run", code=2)
    assert not shell.db.exists()


def test_a_dry_run_needs_no_key_and_says_that_the_run_will(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    shell = Shell(tmp_path)
    said = shell.run(shell.suite, "-m", "openai/o1", "--dry-run")
    assert "OPENAI_API_KEY is not set: the run would refuse to start" in said
    assert "openai/o1" in said


def test_a_dry_run_says_that_it_could_not_read_the_ledger_and_nothing_of_one_that_is_not_there(tmp_path: Path) -> None:
    """A ledger with a newer schema or spoiled bytes was passed over in silence, and its answers with it."""
    shell = Shell(tmp_path)
    dry = (shell.suite, "-m", "sim/reasoner", "--dry-run")
    assert "warning" not in shell.run(*dry)
    shell.db.write_bytes(b"no ledger at all" * 100)
    said = shell.run(*dry)
    assert "warning: the estimate knows of no stored answers, as the ledger cannot be read" in said
    assert "sim/reasoner" in said


# the commands that are printed


def test_printed_commands_are_quoted_for_the_shell() -> None:
    """A model called m$(touch X) ran its command when "Make this again" was pasted."""
    words = ["run", "it's", "-m", "openai-compatible/m$(touch X)", "--db", "a b.db"]
    assert shlex.split(command(words)) == ["benchtab", *words]
    assert "$(touch" not in command(words).replace("'openai-compatible/m$(touch X)'", "")


def test_the_command_that_makes_a_run_again_asks_the_same_question(tmp_path: Path) -> None:
    """Without --limit, --data or --epochs it cost several times as much."""
    shell = Shell(tmp_path)
    options = f"--limit 3 --epochs 2 --temperature 0.5 --budget-usd 5 --data {tmp_path} --sample-seed 4"
    shell.run(shell.suite, "-m", "sim/direct", "--run-id", "first", *options.split())
    with Ledger.open(shell.db, create=False) as ledger:
        page = report_page(spend_report(ledger, load_price_book(), ["first"]))
    again = shlex.split(page.commands[-1])
    shell.run(*again[2:], "--run-id", "second")
    with Ledger.open(shell.db, create=False) as ledger:
        first, second = ledger.runs()
    assert first.config == second.config
    assert first.plan_sha256 == second.plan_sha256


def test_every_option_of_a_run_can_be_written() -> None:
    fields = set(RunSpec.__dataclass_fields__)
    assert fields == set(FLAGS) == {"suites", "models", *(option.field for option in OPTIONS)}
    assert run_words({"suites": ["s"], "models": ["sim/direct"]}) == ["run", "s", "-m", "sim/direct"]


def test_a_password_of_a_database_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCHTAB_DB", raising=False)
    assert place_words(None, None) == []
    assert place_words("other.db", Path("p")) == ["--db", "other.db", "--pricing", "p"]
    assert "hush" not in " ".join(place_words("postgresql://me:hush@127.0.0.1/x", None))
    monkeypatch.setenv("BENCHTAB_DB", "elsewhere.db")
    assert place_words(None, None) == ["--db", "elsewhere.db"]
    address = "postgresql+psycopg://me:hush@127.0.0.1/x"
    monkeypatch.setenv("BENCHTAB_DB", address)
    assert place_words(None, None) == [], "a command with a masked address cannot be pasted; the variable has it"
    assert place_words(address, None)[0] == "--db"


# amounts


NO_AMOUNTS = ["1_0", "٣", "１", "1e30", "nan", "NaN", "inf", "-Infinity", "10000000", "-1", "0", "", "$", "five"]
NO_AMOUNTS += ["1,000", "5 USD", "0x10", "1e999999999", "9" * 5000, "0." + "0" * 40 + "1", "--5", "sNaN"]


@pytest.mark.parametrize("bad", NO_AMOUNTS)
def test_amounts_that_are_none_are_refused_without_a_traceback(bad: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_usd(bad, where="--budget-usd")
    assert caught.value.exit_code == 2
    assert caught.value.fix
    assert len(str(caught.value)) < 300


def test_amounts_are_read_exactly_and_fit_the_ledger() -> None:
    for text, amount in (("5", "5"), ("$0.25", "0.25"), (".5", "0.5"), ("5.", "5"), ("1e-3", "0.001"), (" 2 ", "2")):
        assert parse_usd(text, where="x") == Decimal(amount)
    assert parse_usd("0", where="x", zero_allowed=True) == 0
    assert to_pico_ceiling(parse_usd("9000000", where="x")) < 2**63
