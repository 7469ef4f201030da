"""CONTRIBUTING's table is true: a thing is added to a copy of the project, used there, and the files touched are told.

The copy runs in a process of its own; nothing but the files that a test names differs from the original.
"""

from __future__ import annotations

import filecmp
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_lines import said_in_one_process

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("harness", "pricing", "suites")
PRICE = """
[[price]]
model = "{model}"
effective_from = "{since}"
input = "{input}"
output = "{output}"
source = "https://example.org/prices"
checked_on = 2026-11-22
confidence = "high"
"""
SUITE = """
name = "yes_or_no"
version = "1"
title = "Yes or no"

[[tasks]]
name = "questions"
prompt = "{{question}} End with a line 'Answer: yes' or 'Answer: no'."
scorer = {{ name = "{scorer}" }}
max_output_tokens = 500
max_output_tokens_reasoning = 500

[tasks.dataset]
source = "files"
path = "yes_or_no"
revision = "1"
local = "{rows}"
fields = {{ id = "id", question = "question", target = "answer" }}
"""
ROWS = [{"id": f"q{i}", "question": f"Is {i} even?", "answer": "no" if i % 2 else "yes"} for i in range(4)]
USAGE = {"prompt_tokens": 1_000_000, "completion_tokens": 100_000, "total_tokens": 1_100_000}


@dataclass(frozen=True)
class Copy:
    """A copy of the project's program and data."""

    root: Path

    def append(self, file: str, text: str) -> None:
        with (self.root / file).open("a", encoding="utf-8") as out:
            out.write(text)

    def replace(self, file: str, old: str, new: str) -> None:
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} is not once in {file}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def touched(self) -> list[str]:
        """Files that are new or differ from the original."""
        files = (path for name in FOLDERS for path in (self.root / name).rglob("*") if path.is_file())
        names = [path.relative_to(self.root).as_posix() for path in files if "__pycache__" not in path.parts]
        return sorted(
            name
            for name in names
            if not (ROOT / name).exists() or not filecmp.cmp(self.root / name, ROOT / name, shallow=False)
        )

    def run(self, *lines: str) -> list[str]:
        """Run lines of the copy's own `benchtab` in one process; gives what each prints."""
        database = str(self.root / "ledger.db")
        done = said_in_one_process(
            [shlex.split(line) for line in lines], cwd=self.root, path=str(self.root), BENCHTAB_DB=database
        )
        assert [one for one in done if one.code != 0] == []
        return [one.stdout for one in done]

    @contextmanager
    def simulated_server(self) -> Iterator[str]:
        """Serve the simulated models from the copy while the context lasts; gives their address."""
        words = [sys.executable, "-P", "-m", "harness", "simulate", "--port", "0"]
        environment = {**os.environ, "PYTHONPATH": str(self.root)}
        with subprocess.Popen(words, cwd=self.root, env=environment, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                yield server.stdout.readline().strip()
            finally:
                server.terminate()

    def bills(self, model: str, *instants: str) -> list[str | None]:
        """What a million input and 100,000 output tokens of an OpenAI model cost at each instant."""
        line = {"provider": "openai", "model": model, "usage_kind": "openai.chat", "usage": USAGE}
        asked = "".join(json.dumps({**line, "at": instant}) + "\n" for instant in instants)
        (self.root / "asked.jsonl").write_text(asked, encoding="utf-8")
        (answered,) = self.run("price asked.jsonl")
        return [json.loads(answer)["usd"] for answer in answered.splitlines()]

    def rows(self, folder: str) -> str:
        """Write the questions of a suite beside it; gives their file as the suite names it."""
        path = self.root / folder / "yes_or_no.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
        return path.name

    def report(self, suite: str) -> Any:
        """Run a suite on a simulated model; gives the row of its report."""
        _, report = self.run(f"run {suite} -m sim/reasoner", "report --json")
        return json.loads(report)["rows"][0]


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    for name in FOLDERS:
        # with what Python compiled: a file that a test changes is compiled anew, the others are as they were
        shutil.copytree(ROOT / name, tmp_path / name)
    return Copy(tmp_path)


def test_a_model_is_one_price(copy: Copy) -> None:
    copy.append("pricing/openai.toml", PRICE.format(model="gpt-new", since="2026-01-01", input="2", output="10"))
    assert copy.bills("gpt-new", "2026-02-01T00:00:00Z") == ["3"]  # 1 M * 2 + 0.1 M * 10 micro-USD
    assert copy.touched() == ["pricing/openai.toml"]


def test_a_price_change_is_one_more_row(copy: Copy) -> None:
    for since, dollars in (("2026-01-01", "2"), ("2026-06-01", "1")):
        copy.append("pricing/openai.toml", PRICE.format(model="gpt-new", since=since, input=dollars, output="10"))
    # 1 M * 2 + 0.1 M * 10 until the change, then 1 M * 1 + 0.1 M * 10
    assert copy.bills("gpt-new", "2026-05-31T23:59:59Z", "2026-06-01T00:00:00Z") == ["3", "2"]
    assert copy.touched() == ["pricing/openai.toml"]


def test_what_a_reasoning_model_takes_is_one_table_beside_its_price(copy: Copy) -> None:
    copy.append("pricing/openai.toml", PRICE.format(model="p7", since="2026-01-01", input="2", output="10"))
    copy.append(
        "pricing/models/openai.toml", '\n[[model]]\nnames = ["p7"]\nreasons = true\nefforts = ["low", "high"]\n'
    )
    (said,) = copy.run("run starter -m openai/p7@high --limit 1 --dry-run --json")
    (row,) = json.loads(said)
    assert row["model"] == "openai/p7@high"
    assert row["upper_bound_usd"] is not None
    assert copy.touched() == ["pricing/models/openai.toml", "pricing/openai.toml"]


def test_a_suite_is_one_file_and_its_data(copy: Copy) -> None:
    suite = SUITE.format(scorer="text", rows=copy.rows("suites"))
    (copy.root / "suites/yes_or_no.toml").write_text(suite, encoding="utf-8")
    assert copy.report("yes_or_no")["n_samples"] == len(ROWS)
    assert copy.touched() == ["suites/yes_or_no.jsonl", "suites/yes_or_no.toml"]


def test_a_scorer_is_a_function_and_a_line(copy: Copy) -> None:
    scorer = "harness/scorers/yes_no.py"
    (copy.root / scorer).write_text(
        "from harness.scorers.values import Score\n\n\n"
        "def score_yes_no(options, *, text, sample):\n"
        "    answer = text.strip().splitlines()[-1].removeprefix('Answer: ').rstrip('.')\n"
        "    return Score(value=float(answer == sample.target), answer=answer, rule='last_line')\n",
        encoding="utf-8",
    )
    copy.replace(
        "harness/scorers/__init__.py",
        "SCORERS: dict[str, Scorer] = {",
        "from harness.scorers.yes_no import score_yes_no\n\nSCORERS: dict[str, Scorer] = {\n"
        '    "yes_no": Scorer(version=1, score=score_yes_no, options=Strict, check_target=check_text_target),',
    )
    (copy.root / "mine.toml").write_text(SUITE.format(scorer="yes_no", rows=copy.rows(".")), encoding="utf-8")
    row = copy.report("mine.toml")
    assert row["n_samples"] == len(ROWS)
    assert row["n_unscored"] == 0
    assert copy.touched() == ["harness/scorers/__init__.py", scorer]


def test_a_provider_is_an_entry_and_its_prices(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWAI_API_KEY", "secret-of-newai")
    copy.replace(
        "harness/providers/catalogue.py",
        "PROVIDERS: Mapping[str, ProviderEntry] = {",
        "PROVIDERS: Mapping[str, ProviderEntry] = {\n"
        '    "newai": ProviderEntry(source="https://example.org", adapter="direct", keys=("NEWAI_API_KEY",)),',
    )
    price = PRICE.format(model="sim-direct", since="2026-01-01", input="2", output="10")
    (copy.root / "pricing/newai.toml").write_text(f'provider = "newai"\n{price}', encoding="utf-8")
    with copy.simulated_server() as url:
        _, report = copy.run(f"run starter -m newai/sim-direct --base-url {url} --limit 1", "report --json")
    (row,) = json.loads(report)["rows"]
    assert row["provider"] == "newai"
    assert Decimal(row["cost_usd"]["total"]) > 0
    assert copy.touched() == ["harness/providers/catalogue.py", "pricing/newai.toml"]


def test_a_report_is_a_table_and_a_line(copy: Copy) -> None:
    table = "harness/reports/spend/waste_table.py"
    (copy.root / table).write_text(
        "from harness.documents.table import Column, Table\n\n\n"
        "def waste_table(report):\n"
        "    columns = (Column(name='model'), Column(name='wasted', kind='usd'))\n"
        "    rows = [(row.facts.model, row.facts.solve.wasted_usd) for row in report.rows]\n"
        "    return Table(name='waste', title='Money down the drain', columns=columns, rows=rows)\n",
        encoding="utf-8",
    )
    copy.replace(
        "harness/reports/report_parts.py",
        "REPORTS: dict[str, ReportPart] = {",
        "from harness.reports.spend.waste_table import waste_table\n\n"
        "WASTE = ReportPart(\n"
        '    name="waste",\n'
        "    make=lambda shown: waste_table(shown.report),\n"
        '    on={"terminal", "markdown", "page", "export"},\n'
        ")\n"
        'REPORTS: dict[str, ReportPart] = {"waste": WASTE} | {',
    )
    forms = [f"report --format {form}" for form in ("table", "md", "html")]
    _, *shown, _ = copy.run("run starter -m sim/reasoner --limit 1", *forms, "export waste -o waste.csv")
    assert ["Money down the drain" in text for text in shown] == [True, True, True]
    assert (copy.root / "waste.csv").read_text(encoding="utf-8").startswith("model,wasted\nreasoner,")
    assert copy.touched() == ["harness/reports/report_parts.py", table]


def test_an_output_format_is_a_function_and_a_line(copy: Copy) -> None:
    writer = "harness/rendering/tab_separated.py"
    (copy.root / writer).write_text(
        "import io\n\n"
        "from harness.rendering.csv_text import write_csv\n\n\n"
        "def to_tabs(document):\n"
        "    out = io.StringIO()\n"
        "    write_csv(document.rows(), out)\n"
        "    return out.getvalue().replace(',', '\\t')\n",
        encoding="utf-8",
    )
    copy.replace(
        "harness/rendering/formats.py",
        "FORMATS: dict[str, Format] = {",
        "from harness.rendering.tab_separated import to_tabs\n\n"
        "FORMATS: dict[str, Format] = {\n"
        '    "tsv": Format(form="rows", endings=(".tsv",), text=to_tabs),',
    )
    _, text, _ = copy.run("run starter -m sim/reasoner --limit 1", "report --format tsv", "report -o report.tsv")
    assert text.startswith("suite\t")
    assert (copy.root / "report.tsv").read_text(encoding="utf-8").startswith("suite\t")
    assert copy.touched() == ["harness/rendering/formats.py", writer]


def test_the_table_names_what_these_tests_touch() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for row in (
        r"a model \|.*`\[\[price\]\]`",
        r"what a model takes.*`\[\[model\]\]`",
        r"a scorer.*`SCORERS`",
        r"a provider.*`PROVIDERS`",
        r"a report.*`REPORTS`",
        r"an output format.*`FORMATS`",
    ):
        assert re.search(rf"^\| {row}", table, re.MULTILINE), row
