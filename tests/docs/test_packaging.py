"""What users install: the wheel finds its data elsewhere, the command starts quickly and imports nothing heavy."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.command_lines import said_here

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"litellm", "datasets", "pandas", "numpy", "scipy", "pyarrow", "sqlalchemy", "aiohttp"}

LOAD = """
from harness.loaders import list_suites, load_suite
from harness.pricing.price_files import load_price_book
from harness.resources import shipped
book = load_price_book()
assert "starter" in list_suites() and load_suite("starter").tasks
assert any(row.model == "o1" for row in book.rows)
assert list(shipped("published").glob("*.toml"))
import benchtab, harness
assert benchtab.run is harness.run
print(harness.__file__)
"""

WHAT_HELP_IMPORTS = """
import contextlib, sys
from harness.cli import main
sys.argv = ["benchtab", "--help"]
with contextlib.suppress(SystemExit):
    main()
print(*(name for name in sys.modules if "." not in name), file=sys.stderr)
"""
NOT_BEFORE_A_REQUEST = {
    *("litellm", "openai", "aiohttp", "datasets", "pandas", "numpy", "scipy", "pyarrow", "alembic", "ray"),
    "sqlalchemy.dialects.postgresql",
}

# an observer, as progress displays are, that ends the process when the first request is about to leave
UNTIL_THE_FIRST_REQUEST = """
import contextlib, os, sys
from harness.ledger import Ledger
from harness.models import parse_model
from harness.pricing.price_files import load_price_book
from harness.runner import RunSpec, run_suites

class Ending:
    def attempt_sent(self, model):
        print(*sorted(sys.modules), flush=True)
        os._exit(0)

    def forecast_made(self, forecast, *, spent):
        pass
    def samples_planned(self, model, n_samples):
        pass

    def notice(self, text):
        print(text, file=sys.stderr)

model, database = sys.argv[1:]
spec = RunSpec(suites=("starter",), models=(parse_model(model),), limit=1, base_url="http://127.0.0.1:9/v1")
with Ledger.open(database) as ledger:
    run_suites(spec, ledger=ledger, book=load_price_book(), observe=lambda _: contextlib.nullcontext(Ending()))
"""

NOT_FOR_A_REPORT = {
    *("litellm", "openai", "aiohttp", "datasets", "pandas", "pyarrow", "alembic", "requests", "scipy.stats"),
    *("harness.runner.execution", "harness.scorers", "harness.sandbox", "harness.simulation", "harness.loaders"),
    "sqlalchemy.dialects.postgresql",
}
WHAT_A_REPORT_IMPORTS = """
import contextlib, sys
from harness.cli import main
sys.argv = ["benchtab", "report", "--db", sys.argv[1], "--json"]
with contextlib.suppress(SystemExit):
    main()
print(*sorted(sys.modules), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    (built,) = folder.glob("*.whl")
    return built


def test_an_installed_wheel_finds_suites_and_prices_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "elsewhere"
    venv.create(environment, system_site_packages=False, with_pip=False)
    site = next((environment / "lib").glob("python*")) / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # the libraries come from the environment that runs the tests; harness itself only from the wheel
    libraries = next(Path(path) for path in sys.path if path.endswith("site-packages"))
    (site / "libraries.pth").write_text(f"{libraries}\n")
    done = subprocess.run(
        [environment / "bin" / "python", "-c", LOAD], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(str(site))


def test_the_wheel_ships_every_suite_and_price_file_and_nothing_of_the_workshop(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder in ("suites", "pricing"):
        for path in (ROOT / folder).rglob("*.*"):
            if path.is_file() and path.suffix in {".toml", ".jsonl"}:
                assert f"harness/_data/{path.relative_to(ROOT).as_posix()}" in names
    assert not [name for name in names if re.match(r"(tests|results|docs|benchmarks)/", name) or "__pycache__" in name]
    assert "harness/py.typed" in names


def test_help_imports_nothing_heavy() -> None:
    """Help texts are worked out when the command line is built, not when its modules are imported."""
    done = subprocess.run([sys.executable, "-c", WHAT_HELP_IMPORTS], capture_output=True, text=True, check=True)
    assert "Usage: " in done.stdout
    loaded = set(done.stderr.split())
    assert "harness" in loaded
    assert not HEAVY & loaded


@pytest.mark.parametrize("model", ["sim/direct", "openai-compatible/any"])
def test_a_run_imports_nothing_heavy_before_its_first_request(model: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNTIL_THE_FIRST_REQUEST, model, str(tmp_path / "ledger.db")],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "harness.runner.execution" in loaded
    assert not NOT_BEFORE_A_REQUEST & loaded


def test_a_report_imports_nothing_that_runs_scores_or_exports(tmp_path: Path) -> None:
    db = tmp_path / "ledger.db"
    assert said_here("run", "starter", "-m", "sim/direct", "--limit", "2", "--yes", "--db", str(db)).code == 0
    done = subprocess.run(
        [sys.executable, "-c", WHAT_A_REPORT_IMPORTS, str(db)], capture_output=True, text=True, check=True
    )
    assert '"sim"' in done.stdout, done.stdout
    loaded = set(done.stderr.split())
    assert "harness.reports.facts.assembly" in loaded
    assert not NOT_FOR_A_REPORT & loaded


def test_python_dash_m_harness_is_the_same_program() -> None:
    done = subprocess.run([sys.executable, "-m", "harness", "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"benchtab \d+\.\d+\.\d+\n", done.stdout)


def test_an_error_is_a_few_lines_with_exit_code_2_and_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "run", "no-such-suite", "-m", "sim/direct"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "BENCHTAB_DB": str(tmp_path / "l.db")},
    )
    assert done.returncode == 2
    assert "no-such-suite" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3
    assert done.stdout == ""


def test_quiet_and_verbose_hold_everywhere_and_only_vv_shows_a_traceback(tmp_path: Path) -> None:
    for words in (("-q", "report", "no-run"), ("report", "no-run", "-q"), ("report", "-v", "no-run")):
        done = said_here(*words, cwd=tmp_path)
        assert done.code in (1, 2)
        assert "Traceback" not in done.stderr
        assert "No such option" not in done.stderr
    shown = subprocess.run(
        [sys.executable, "-m", "harness", "report", "no-run", "-vv"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode in (1, 2)
    assert "Traceback" in shown.stderr


def test_malicious_litellm_releases_are_excluded_and_locks_hold_hashes_and_no_addresses() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (litellm,) = [one for one in project["dependencies"] if one.startswith("litellm")]
    assert "!=1.82.7" in litellm
    assert "!=1.82.8" in litellm
    for name in ("requirements.lock", "requirements-dev.lock", "requirements-suites.lock", ".ci/installer.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text, name
        for block in re.split(r"\n(?=\S)", text):
            assert "--hash=sha256:" in block, (name, block[:80])
        assert not re.search(r"^litellm==1\.82\.[78]\b", text, re.MULTILINE)


def named_libraries() -> tuple[set[str], set[str]]:
    """Top names of all that `harness` imports, and the strings of its code: a library's data is found by its name."""
    imported, strings = set[str](), set[str]()
    for path in (ROOT / "harness").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                strings.add(node.value)
    return imported - sys.stdlib_module_names - {"harness", "_typeshed"}, strings


WORKSHOP = {"build", "dev"}
"""Extras for those who change benchtab; the others are for those who use it."""


def test_what_is_imported_is_declared_and_what_is_declared_is_used() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {canonicalize_name(Requirement(one).name) for one in project["dependencies"]}
    extras = {name: wanted for name, wanted in project["optional-dependencies"].items() if name not in WORKSHOP}
    optional = {canonicalize_name(Requirement(one).name) for wanted in extras.values() for one in wanted}
    modules = {name: {canonicalize_name(one) for one in made_by} for name, made_by in packages_distributions().items()}
    imported, strings = named_libraries()
    carried = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements-suites.lock").read_text(), re.MULTILINE))
    assert carried <= optional  # their data is read, and their code is not imported by us
    assert optional - carried <= imported  # an extra is called as the library that it brings, which may not be here
    imported -= optional
    assert {name for name in imported if not modules.get(name, set()) & declared} == set()
    used = {one for name in imported | (strings & modules.keys()) for one in modules[name]}
    assert declared - used == set()


def test_make_help_explains_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    explained = set(re.findall(r"^([a-z][a-z-]*):.*## \S", makefile, re.MULTILINE))
    assert targets == explained
    assert {"help", "setup", "run", "test", "lint", "clean"} <= targets
