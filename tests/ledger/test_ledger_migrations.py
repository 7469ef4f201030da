"""Migrations are frozen: a column that is added today changes nothing of how older ledgers are led here."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import inspect

from harness.ledger.connections import database_url, make_engine
from harness.ledger.schema import versions
from harness.ledger.schema.tables import SCHEMA_VERSION
from tests.support.planting import copy_package

CHECKOUT = Path(__file__).parents[2]
MIGRATIONS = sorted(Path(versions.__file__).with_name("migrations").glob("versions/v*.py"))
NEXT = f"{int(SCHEMA_VERSION) + 1:04}"
NEXT_MIGRATION = f"""
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "{NEXT}", "{SCHEMA_VERSION}", None, None


def upgrade() -> None:
    op.add_column("attempts", sa.Column("trace_id", sa.Text(), nullable=True))
"""
UPGRADE = """
import sys
import traceback
from pathlib import Path

import harness
from harness.ledger import Ledger, upgrade_ledger

copy, *asked = sys.argv[1:]
assert Path(harness.__file__).is_relative_to(copy), harness.__file__
for one in asked:
    start, _, url = one.partition("=")
    try:
        if "://" not in url:
            Path(url).touch()
        if start:
            assert upgrade_ledger(url, target=start) == (None, start)
        print(start, "->", *upgrade_ledger(url))
        Ledger.open(url).close()
    except Exception:
        print(start, "->", traceback.format_exc())
"""


@pytest.fixture(scope="module")
def tomorrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package in which attempts have one more column, which a trigger guards, and a migration for it."""
    copy = copy_package(CHECKOUT, tmp_path_factory.mktemp("tomorrow"))
    ledger = copy / "harness" / "ledger"
    for file, old, new in (
        ("columns.py", "ATTEMPT_COLUMNS: tuple[AttemptColumn, ...] = (", '_text(name="trace_id"),'),
        ("schema/triggers.py", "SENT_FACTS = (", '"trace_id",'),
    ):
        held = (ledger / file).read_text(encoding="utf-8")
        assert held.count(old) == 1
        (ledger / file).write_text(held.replace(old, f"{old}\n    {new}"), encoding="utf-8")
    tables = ledger / "schema" / "tables.py"
    held = tables.read_text(encoding="utf-8")
    tables.write_text(
        held.replace(f'SCHEMA_VERSION = "{SCHEMA_VERSION}"', f'SCHEMA_VERSION = "{NEXT}"'), encoding="utf-8"
    )
    (ledger / "schema" / "migrations" / "versions" / f"v{NEXT}_trace.py").write_text(NEXT_MIGRATION, encoding="utf-8")
    return copy


@pytest.mark.parametrize("backend", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_a_new_column_of_a_guarded_table_does_not_break_older_migrations(
    tomorrow: Path, tmp_path: Path, request: pytest.FixtureRequest, backend: str
) -> None:
    """A migration read the triggers of today: on PostgreSQL "column new.trace_id does not exist", for every version."""
    starts = ["", *(migration.stem[1:5] for migration in MIGRATIONS)]
    if backend == "sqlite":
        urls = [str(tmp_path / f"{start}.db") for start in starts]
    else:
        new_url: Callable[[], str] = request.getfixturevalue("new_postgres_url")
        urls = [new_url() for _ in starts]
    done = subprocess.run(
        [sys.executable, "-c", UPGRADE, str(tomorrow), *map("=".join, zip(starts, urls, strict=True))],
        cwd=tomorrow,
        env={**os.environ, "PYTHONPATH": str(tomorrow)},
        capture_output=True,
        text=True,
        check=False,
    )
    wanted = [f"{start} -> {start or None} {NEXT}" for start in starts]
    assert (done.returncode, done.stdout.splitlines()) == (0, wanted), done.stderr
    for url in urls:
        engine = make_engine(database_url(url))
        assert "trace_id" in {column["name"] for column in inspect(engine).get_columns("attempts")}
        engine.dispose()


@pytest.mark.parametrize("migration", MIGRATIONS, ids=lambda path: str(path.stem))
def test_a_migration_reads_nothing_that_can_change(migration: Path) -> None:
    tree = ast.parse(migration.read_text(encoding="utf-8"))
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [f"{'.' * node.level}{node.module}" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {name.split(".")[0] for name in names} <= {"__future__", "typing", "sqlalchemy", "alembic"}
