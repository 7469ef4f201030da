"""The nightly job end to end on simulated models: planted regressions close the gate, noise and first nights do not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET  # our own files, nothing untrusted

import pytest
import typer
from typer.testing import CliRunner

from harness.cli import nightly as command
from harness.errors import InputError, UnpricedModelError
from harness.instants import to_us
from harness.ledger import Ledger
from harness.models import parse_model
from harness.nightly.ci_log import workflow_commands
from harness.nightly.config import read_config
from harness.nightly.history import job_history
from harness.nightly.night import accept_run, night_run_id, run_night
from harness.nightly.night_result import Night, is_night_of
from harness.nightly.outputs import FILES, write_files
from harness.nightly.summary import junit_cases
from harness.pricing.price_files import load_price_book
from harness.rendering.junit import to_junit
from tests.support.runs import Watcher
from tests.support.simulated_nights import serving, write_suite

FIRST_NIGHT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
GATE = '[gate]\nmax_cost_increase = "10%"\nmax_score_drop = "5pt"\n'


class Job:
    """A nightly job in a temporary folder: one ledger, one suite, a config that a test may change between nights."""

    def __init__(self, folder: Path, n_samples: int = 150) -> None:
        self.folder = folder
        self.db = folder / "ledger.db"
        self.config = folder / "nightly.toml"
        self.suite = write_suite(folder, n_samples)
        self.nights = 0

    def write(self, models: str, rest: str = GATE, run: str = "") -> None:
        self.config.write_text(
            f'name = "job"\n[matrix]\nsuites = ["./sums.toml"]\nmodels = [{models}]\n[run]\n{run}\n{rest}',
            encoding="utf-8",
        )

    def night(self, models: str, rest: str = GATE, *, run: str = "", pricing: Path | None = None) -> Night:
        """Run the next night, a day after the one before, and write its files."""
        self.write(models, rest, run)
        started = FIRST_NIGHT + timedelta(days=self.nights)
        self.nights += 1
        config, book = read_config(self.config), load_price_book(pricing)
        with Ledger.open(self.db) as ledger:
            made = run_night(
                config,
                folder=self.folder,
                ledger=ledger,
                book=book,
                wall_us=lambda: to_us(started),
                observe=lambda _: _watched(Watcher()),
            )
            write_files(made, self.folder / "out", ledger=ledger, book=book, history=config.output.history)
        return made

    def command(self, *options: str) -> Any:
        """Run `benchtab nightly` in this process, with the real clock."""
        app = typer.Typer()
        app.callback()(lambda: None)
        command.register(app)
        return CliRunner().invoke(app, ["nightly", str(self.config), "--db", str(self.db), "-q", *options])


class _watched:  # noqa: N801  # used like contextlib's functions
    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def __enter__(self) -> Watcher:
        return self._watcher

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def test_the_first_night_has_no_baseline_and_passes(job: Job) -> None:
    night = job.night('"sim/reasoner@low"')
    assert (night.verdict, night.exit_code, night.base) == ("no baseline", 0, None)


def test_the_same_night_again_passes(job: Job) -> None:
    first, second = job.night('"sim/reasoner@low"'), job.night('"sim/reasoner@low"')
    assert (second.verdict, second.exit_code, second.base) == ("pass", 0, first.result.run_id)


def test_a_planted_cost_regression_ends_with_4_and_names_usage(job: Job) -> None:
    """The row that ran at low effort runs at high effort under the same place in the matrix."""
    job.night('"sim/reasoner@low"')
    night = job.night('{ model = "sim/reasoner@high", replaces = "sim/reasoner@low" }')
    assert (night.verdict, night.exit_code) == ("regression", 4)
    assert night.comparison is not None
    (row,) = night.comparison.rows
    assert (row.cost_verdict, row.cause) == ("regression", "usage")
    assert row.score_verdict != "regression"
    assert row.price_ratio == 1.0
    assert "output tokens" in (job.folder / "out" / "summary.md").read_text(encoding="utf-8")


def test_a_planted_score_regression_ends_with_4(job: Job) -> None:
    job.night('"sim/reasoner@high"')
    night = job.night('{ model = "sim/direct", replaces = "sim/reasoner@high" }')
    assert night.exit_code == 4
    assert night.comparison is not None
    (row,) = night.comparison.rows
    assert (row.score_verdict, row.cost_verdict) == ("regression", "pass")


def test_a_planted_price_change_ends_with_4_and_names_the_price(job: Job, tmp_path: Path) -> None:
    job.night('"sim/reasoner@low"')
    dearer = tmp_path / "prices"
    dearer.mkdir()
    (dearer / "sim.toml").write_text(
        """
provider = "sim"

[[price]]
model = "reasoner"
effective_from = "2026-11-21"
input = "4"
cache_read = "1"
output = "16"
source = "planted: twice as dear from the second night on"
checked_on = 2026-11-20
confidence = "declared"
""",
        encoding="utf-8",
    )
    night = job.night('"sim/reasoner@low"', pricing=dearer)
    assert night.exit_code == 4
    assert night.comparison is not None
    (row,) = night.comparison.rows
    assert (row.cause, row.price_ratio, row.usage_ratio) == ("price", 2.0, 1.0)
    assert "the same tokens cost 2x at the new prices" in (job.folder / "out" / "summary.md").read_text("utf-8")


def test_noise_alone_does_not_end_with_4(job: Job) -> None:
    """Two nights over HTTP against the same models, whose answers are drawn anew."""
    models = '"openai-compatible/sim-reasoner@low", "openai-compatible/sim-direct"'
    exits = []
    for seed in (1, 2):
        with serving(job.suite, seed=seed) as url:
            night = job.night(models, run=f'base_url = "{url}"')
        exits.append(night.exit_code)
    assert exits[0] == 0
    assert exits[1] in (0, 5)
    assert night.comparison is not None
    assert all(row.cost_ratio.value != 1.0 for row in night.comparison.rows)  # it was noise, not the same answers


def test_a_regressed_night_is_never_the_next_baseline(job: Job) -> None:
    """Otherwise a regression would alarm once and be the new normal the night after."""
    first = job.night('"sim/reasoner@low"')
    worse = '{ model = "sim/reasoner@high", replaces = "sim/reasoner@low" }'
    exits = [job.night(worse) for _ in range(2)]
    assert [night.exit_code for night in exits] == [4, 4]
    assert {night.base for night in exits} == {first.result.run_id}


def test_an_accepted_night_is_the_next_baseline(job: Job) -> None:
    job.night('"sim/reasoner@low"')
    worse = '{ model = "sim/reasoner@high", replaces = "sim/reasoner@low" }'
    wanted = job.night(worse).result.run_id
    with Ledger.open(job.db) as ledger:
        accept_run(ledger, wanted)
    night = job.night(worse)
    assert (night.exit_code, night.base) == (0, wanted)


def test_only_complete_runs_can_be_accepted(job: Job) -> None:
    with Ledger.open(job.db) as ledger, pytest.raises(InputError, match="there is no run nothing"):
        accept_run(ledger, "nothing")


def test_a_named_run_is_the_baseline_whatever_happened_since(job: Job) -> None:
    first = job.night('"sim/reasoner@low"').result.run_id
    job.night('"sim/reasoner@low"')
    night = job.night('"sim/reasoner@low"', f'{GATE}[baseline]\nrun = "{first}"\n')
    assert night.base == first


def test_a_missing_named_baseline_is_refused_before_anything_is_sent(job: Job) -> None:
    with pytest.raises(InputError, match="there is no run gone"):
        job.night('"sim/direct"', '[baseline]\nrun = "gone"\n')
    with Ledger.open(job.db) as ledger:
        assert ledger.runs() == []


def test_another_version_of_a_suite_is_no_baseline(job: Job) -> None:
    job.night('"sim/direct"')
    path = Path(job.suite)
    path.write_text(path.read_text(encoding="utf-8").replace('version = "1"', 'version = "2"'), encoding="utf-8")
    assert job.night('"sim/direct"').base is None


def test_too_few_samples_end_with_5_and_say_how_many_more_would_decide(tmp_path: Path) -> None:
    job = Job(tmp_path, n_samples=15)
    job.night('"sim/reasoner@low"', '[gate]\nmax_score_drop = "1pt"\n')
    night = job.night('"sim/reasoner@low"', '[gate]\nmax_score_drop = "1pt"\n')
    assert (night.verdict, night.exit_code) == ("inconclusive", 5)
    assert "more samples would decide" in (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")


def test_a_reached_budget_ends_with_3_and_is_no_baseline(job: Job) -> None:
    job.night('"sim/reasoner@low"')
    night = job.night('"sim/reasoner@low"', GATE + '[budget]\nrun_usd = "0.20"\n')
    assert (night.verdict, night.exit_code) == ("budget reached", 3)
    assert job.night('"sim/reasoner@low"').base != night.result.run_id


@pytest.mark.parametrize("cap", ['day_usd = "0.20"', 'month_usd = "0.20"', 'models = { "sim/reasoner" = "0.20" }'])
def test_day_month_and_model_budgets_hold_over_the_whole_ledger(job: Job, cap: str) -> None:
    night = job.night('"sim/reasoner@low"', f"[budget]\n{cap}\n")
    spent = sum(row.facts.solve.cost.total for row in night.report.rows)
    assert night.exit_code == 3
    assert Decimal(0) < spent <= Decimal("0.20")
    assert any(budget.cap_pico_usd == 2 * 10**11 for budget in night.budgets)


def test_an_unpriced_model_under_a_budget_is_refused(job: Job) -> None:
    with pytest.raises(UnpricedModelError, match="no price"):
        job.night('"openai-compatible/nobody"', '[budget]\nrun_usd = "1"\n', run='base_url = "http://127.0.0.1:9"')


def test_every_mistake_in_a_config_is_said_at_once_with_its_key_path(tmp_path: Path) -> None:
    path = tmp_path / "nightly.toml"
    path.write_text(
        """
name = "Bad Name"
colour = "red"
[matrix]
suites = []
models = ["o1", { model = "openai/o1", setting = "low" }]
[run]
limit = 0
[budget]
run_usd = 0.5
day_usd = "much"
[gate]
max_cost_increase = "a lot"
[baseline]
rule = "best"
[output]
""",
        encoding="utf-8",
    )
    with pytest.raises(InputError) as caught:
        read_config(path)
    found = {finding.where: finding.message for finding in caught.value.findings}
    assert set(found) == {
        "name", "colour", "matrix.suites", "matrix.models[1].model", "matrix.models[2].setting", "run.limit",
        "budget.run_usd", "budget.day_usd", "gate.max_cost_increase", "baseline.rule",
    }  # fmt: skip
    assert found["colour"] == "is not a known key"
    assert 'write dollars as a string, so that they are exact: "0.5"' in found["budget.run_usd"]
    assert "not a threshold" in found["gate.max_cost_increase"]


def test_a_night_may_ask_for_a_precision(job: Job) -> None:
    job.write('"sim/direct"', run='precision = "2pt"\nconfidence = "90%"\nbank = false')
    spec = read_config(job.config).run_spec(job.folder)
    assert (spec.precision, spec.confidence, spec.bank) == (0.02, 0.9, False)
    job.write('"sim/direct"', run="precision = 2")
    with pytest.raises(InputError) as caught:
        read_config(job.config)
    assert "write points with their unit" in caught.value.findings[0].message


def test_a_night_of_conversations_names_its_user_and_caps_each_sample(job: Job) -> None:
    job.write('"sim/direct"', rest='[budget]\nper_sample_usd = "0.25"', run='user_model = "sim/user"\nframes = 8')
    spec = read_config(job.config).run_spec(job.folder)
    assert (str(spec.user_model), spec.frames, spec.max_usd_per_sample) == ("sim/user", "8", Decimal("0.25"))
    job.write('"sim/direct"', run='frames = "every=0"')
    with pytest.raises(InputError) as caught:
        read_config(job.config)
    assert "not a choice of frames" in caught.value.findings[0].message


def test_a_model_setting_named_twice_is_refused(job: Job) -> None:
    job.write('"sim/reasoner@low", { model = "sim/reasoner", settings = ["low", "high"] }')
    with pytest.raises(InputError) as caught:
        read_config(job.config)
    assert caught.value.findings[0].message == "named twice: sim/reasoner@low"


def test_the_matrix_is_every_model_with_every_setting(job: Job) -> None:
    job.write('"sim/direct", { model = "sim/reasoner", settings = ["low", "default"] }')
    specs = read_config(job.config).run_spec(job.folder).models
    assert [str(spec) for spec in specs] == ["sim/direct", "sim/reasoner@low", "sim/reasoner"]
    replaced = '{ model = "sim/flaky", settings = ["low", "high"], replaces = "sim/reasoner@low" }'
    job.write(replaced)
    assert read_config(job.config).matrix.replaced() == {
        parse_model("sim/flaky@low"): parse_model("sim/reasoner@low"),
        parse_model("sim/flaky@high"): parse_model("sim/reasoner@low"),
    }


def test_the_files_are_complete_and_need_no_network(job: Job) -> None:
    job.night('"sim/reasoner@low", "sim/direct"')
    night = job.night('"sim/reasoner@low", { model = "sim/reasoner@high", replaces = "sim/direct" }')
    out = {name: (job.folder / "out" / name).read_text(encoding="utf-8") for name in FILES}
    for name in ("report.html", "history.html"):
        assert not re.search(r"""(src|href)\s*=\s*["']?https?:""", out[name])
        assert "@import" not in out[name]
    stored = json.loads(out["night.json"])
    assert (stored["exit_code"], stored["comparison"]["verdict"]) == (4, "regression")
    assert f"--accept {night.result.run_id}" in out["summary.md"]
    assert night.result.run_id in out["history.html"]


def test_the_history_page_has_a_trend_per_row_and_a_mark_per_night(job: Job) -> None:
    for _ in range(3):
        job.night('"sim/reasoner@low"')
    job.night('{ model = "sim/reasoner@high", replaces = "sim/reasoner@low" }')
    page = (job.folder / "out" / "history.html").read_text(encoding="utf-8")
    svgs = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(svgs) == 2 * 3  # two rows: dollars, score and tokens each
    assert all(ET.fromstring(svg) is not None for svg in svgs)  # noqa: S314
    assert [svg.count("<circle") for svg in svgs] == [0, 0, 0, 3, 3, 3]
    assert [svg.count("<path") for svg in svgs] == [1, 1, 1, 0, 0, 0]
    assert "regression" in page


def test_junit_counts_failures_and_what_was_not_asked(job: Job) -> None:
    gate = '[gate]\nmax_cost_increase = "10%"\n'
    job.night('"sim/reasoner@low"', gate)
    job.night('{ model = "sim/reasoner@high", replaces = "sim/reasoner@low" }', gate)
    root = ET.parse(job.folder / "out" / "junit.xml").getroot()  # noqa: S314
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("3", "1", "1")
    names = [case.get("name") for case in root]
    assert names == ["run", "reasoner@high (simulated): cost", "reasoner@high (simulated): score"]


@pytest.mark.parametrize(("rule", "code"), [("fail", 5), ("warn", 0), ("pass", 0)])
def test_doubt_closes_the_gate_only_where_the_config_says_so(rule: str, code: int, tmp_path: Path) -> None:
    job = Job(tmp_path, n_samples=15)
    gate = f'[gate]\nmax_score_drop = "1pt"\non_inconclusive = "{rule}"\n'
    job.night('"sim/reasoner@low"', gate)
    night = job.night('"sim/reasoner@low"', gate)
    assert (night.verdict, night.exit_code) == ("inconclusive", code)
    doubted = {case.outcome for case in junit_cases(night) if case.message.startswith("inconclusive")}
    assert doubted == {"error" if rule == "fail" else "skipped"}
    log = [line for line in workflow_commands(night) if "inconclusive" in line]
    assert [line.partition(" ")[0] for line in log] == {"fail": ["::error"], "warn": ["::warning"], "pass": []}[rule]


def test_the_nights_page_begins_with_what_the_gate_said(job: Job) -> None:
    job.night('"sim/reasoner@low"')
    job.night('{ model = "sim/reasoner@high", replaces = "sim/reasoner@low" }')
    page = (job.folder / "out" / "report.html").read_text()
    assert "job: regression</h2>" in page
    assert page.index("job: regression</h2>") < page.index('class="figures"')
    assert "when the change is wanted" in page


def test_a_ledger_without_an_earlier_night_is_said_aloud(job: Job) -> None:
    first = job.night('"sim/direct"')
    assert "holds no earlier night of 'job'" in first.notes[0]
    assert "holds no earlier night" in (job.folder / "out" / "summary.md").read_text()
    assert next(iter(workflow_commands(first))).startswith("::warning title=job::the ledger ")
    assert job.night('"sim/direct"').notes == ()


def test_junit_writes_what_xml_does_not_allow_as_escapes() -> None:
    from harness.nightly.summary import JUnitCase

    text = to_junit("j", [JUnitCase(suite="s", name="a\x00<b>", outcome="failure", message='"\x1b[0m')])
    (case,) = ET.fromstring(text.encode())  # noqa: S314
    assert case.get("name") == "a\\x00<b>"


def test_the_command_ends_with_the_gates_code_and_prints_the_summary(job: Job) -> None:
    job.write('"sim/reasoner@low"')
    first = job.command()
    job.write('{ model = "sim/reasoner@high", replaces = "sim/reasoner@low" }')
    second = job.command("--json")
    assert (first.exit_code, second.exit_code) == (0, 4)
    assert first.stdout.startswith("### job: no baseline")
    made = json.loads(second.stdout)
    assert job.command("--accept", made["run"]).exit_code == 0
    assert job.command().exit_code == 0
    assert {path.name for path in (job.folder / "nightly").iterdir()} == set(FILES)


def test_a_night_that_a_budget_cut_short_goes_on_under_its_id(job: Job) -> None:
    job.write('"sim/reasoner@low"', '[budget]\nrun_usd = "0.20"\n')
    cut = json.loads(job.command("--json").stdout)
    job.write('"sim/reasoner@low"', '[budget]\nrun_usd = "10"\n')
    done = job.command("--json", "--run-id", cut["run"])
    assert (cut["exit_code"], done.exit_code) == (3, 0)
    assert json.loads(done.stdout)["report"]["rows"][0]["n_attempts"] == 150


def test_jobs_with_similar_names_do_not_share_nights(job: Job) -> None:
    job.night('"sim/direct"')
    with Ledger.open(job.db) as ledger:
        (run,) = ledger.runs()
    assert is_night_of(run, "job")
    assert not is_night_of(run, "jo")
    assert not is_night_of(run, "job-2")
    ids: Callable[[int], str] = lambda ms: night_run_id("job", FIRST_NIGHT + timedelta(milliseconds=ms))  # noqa: E731
    assert ids(0) < ids(1)


def test_the_job_keeps_its_state_in_either_database(job: Job, ledger_url: str) -> None:
    """The next night may run on another machine: verdict and baseline come from the ledger alone."""
    job.db = ledger_url  # type: ignore[assignment]  # a URL serves as well as a path
    first = job.night('"sim/reasoner@low"')
    worse = job.night('{ model = "sim/reasoner@high", replaces = "sim/reasoner@low" }')
    third = job.night('"sim/reasoner@low"')
    assert [night.exit_code for night in (first, worse, third)] == [0, 4, 0]
    assert third.base == first.result.run_id


# nights without answers


def _dead(job: Job, url: str, run: str = "") -> Night:
    options = f'base_url = "{url}"\nmax_attempts = 1\n{run}'
    return job.night('"openai-compatible/sim-direct"', run=options)


NOBODY = "http://127.0.0.1:9/v1"


def test_a_night_without_answers_fails_with_its_cause_and_never_becomes_the_baseline(job: Job) -> None:
    """A dead endpoint made the first baseline: every healthy night after it was inconclusive."""
    dead = _dead(job, NOBODY)
    assert (dead.verdict, dead.exit_code, dead.base) == ("failed", 1, None)
    summary = (job.folder / "out" / "summary.md").read_text(encoding="utf-8")
    assert "connection to 127.0.0.1:9" in summary
    assert "becomes the baseline" not in summary
    (case, *_) = ET.parse(job.folder / "out" / "junit.xml").getroot()  # noqa: S314
    assert [child.tag for child in case] == ["error"]
    assert "connection to 127.0.0.1:9" in case[0].attrib["message"]
    with serving(job.suite, seed=1) as url:
        healthy, again = _dead(job, url), _dead(job, url)
    assert (healthy.verdict, healthy.base) == ("no baseline", None)
    assert again.base == healthy.result.run_id


def test_a_dead_night_after_a_good_one_fails_and_draws_no_fall_to_zero(job: Job) -> None:
    with serving(job.suite, seed=1) as url:
        healthy = _dead(job, url)
    dead = _dead(job, NOBODY)
    assert (dead.verdict, dead.exit_code) == ("failed", 1)
    with Ledger.open(job.db) as ledger:
        _, (trend,) = job_history(ledger, load_price_book(), "job", nights=60)
    assert [point.usd_per_answer is None for point in trend.points] == [False, True]
    assert [point.output_tokens_per_answer is None for point in trend.points] == [False, True]
    with serving(job.suite, seed=1) as url:
        assert _dead(job, url).base == healthy.result.run_id


def test_a_night_of_an_earlier_version_that_failed_is_no_baseline(job: Job) -> None:
    dead = _dead(job, NOBODY)
    with Ledger.open(job.db) as ledger:
        ledger.finish_run(dead.result.run_id, "complete")  # as runs without an answer used to end
    with serving(job.suite, seed=1) as url:
        assert _dead(job, url).base is None


def test_a_config_says_how_many_samples_may_fail(job: Job) -> None:
    job.write('"sim/direct"', run='max_failed = "20%"')
    assert read_config(job.config).run_spec(job.folder).max_failed == 0.2
    job.write('"sim/direct"', run='max_failed = "5"')
    with pytest.raises(InputError, match="share of samples"):
        read_config(job.config)


def test_the_command_that_goes_on_with_a_night_is_complete(job: Job) -> None:
    options = 'base_url = "http://127.0.0.1:9/v1"\nmax_attempts = 1'
    job.write('"openai-compatible/sim-direct"', run=options)
    said = job.command().output
    assert f"benchtab nightly {job.config} --db {job.db} --run-id nightly-job-" in said.replace("\\", "")
