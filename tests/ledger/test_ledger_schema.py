"""The ledger's schema: one for both databases, migrated or new; older and newer ones are refused with what to do."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
import typer
from sqlalchemy import inspect, text
from typer.testing import CliRunner

from harness.cli.books import db, runs
from harness.errors import InputError, LedgerError
from harness.ledger import Ledger, UsageFacts
from harness.ledger.connections import database_url, make_engine, writing
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.ledger.schema.tables import SCHEMA_VERSION, metadata
from harness.ledger.schema.versions import upgrade_ledger
from tests.support.ledger_rows import fill, outcome, start


def cli() -> typer.Typer:
    """The two nouns of this page, without the other commands."""
    app = typer.Typer()
    db.register(app)
    runs.register(app)
    return app


def described(url: str) -> list[tuple[object, ...]]:
    """Everything that the database says about its schema."""
    engine = make_engine(database_url(url))
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            found = connection.execute(text("SELECT type, name, tbl_name, sql FROM sqlite_master")).all()
            lines = [(row[0], row[1], row[2], _parts(row[3] or "")) for row in found]
        else:
            lines = [tuple(row) for row in connection.execute(text(_POSTGRES_SCHEMA)).all()]
    engine.dispose()
    return sorted(lines, key=str)


def _parts(statement: str) -> tuple[object, ...]:
    """The columns and constraints of a CREATE statement: their order and the white space mean nothing."""
    head, _, body = "".join(statement.split()).partition("(")
    body, _, ending = body.rpartition(")")
    return (head, sorted(body.split(",")), ending)


_POSTGRES_SCHEMA = """
    SELECT 'column', table_name, column_name, data_type || ' ' || is_nullable FROM information_schema.columns
        WHERE table_schema = current_schema()
    UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = current_schema()::regnamespace
    UNION ALL SELECT 'index', tablename, indexname, replace(indexdef, current_schema(), '') FROM pg_indexes
        WHERE schemaname = current_schema()
    UNION ALL SELECT 'trigger', tgrelid::regclass::text, tgname, replace(pg_get_triggerdef(oid), current_schema(), '')
        FROM pg_trigger WHERE NOT tgisinternal AND tgfoid IN
            (SELECT oid FROM pg_proc WHERE pronamespace = current_schema()::regnamespace)
"""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def two_urls(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Two empty databases of one kind."""
    if request.param == "sqlite":
        return str(tmp_path / "new.db"), str(tmp_path / "migrated.db")
    url: str = request.getfixturevalue("postgres_url")
    other = url + "_migrated"
    engine = make_engine(database_url(url))
    with writing(engine).begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {other.rpartition('%3D')[2]}"))
    engine.dispose()
    return url, other


def test_a_new_ledger_equals_a_migrated_one(two_urls: tuple[str, str], tmp_path: Path) -> None:
    new, migrated = two_urls
    Ledger.open(new).close()
    if "://" not in migrated:
        Path(migrated).touch()
    assert upgrade_ledger(migrated, target="0001") == (None, "0001")
    with pytest.raises(LedgerError, match="has schema 0001, this program needs 0007") as caught:
        Ledger.open(migrated)
    assert "benchtab db upgrade --db" in str(caught.value.fix)
    assert upgrade_ledger(migrated) == ("0001", SCHEMA_VERSION)
    assert upgrade_ledger(migrated) == (SCHEMA_VERSION, SCHEMA_VERSION)
    Ledger.open(migrated).close()
    assert described(migrated) == described(new)


def test_the_newest_migration_is_the_one_this_program_writes() -> None:
    from alembic.script import ScriptDirectory

    from harness.ledger.schema import versions as schema

    assert ScriptDirectory(str(Path(schema.__file__).with_name("migrations"))).get_current_head() == SCHEMA_VERSION


def test_a_newer_schema_is_refused(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as ledger, writing(ledger.engine).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0099'"))
    for action in (Ledger.open, upgrade_ledger):
        with pytest.raises(LedgerError, match="schema 0099, newer") as caught:
            action(ledger_url)
        assert caught.value.fix == "update benchtab"


def test_every_table_is_strict_and_every_constraint_has_a_name(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.open(path).close()
    connection = sqlite3.connect(path)
    strict = {row[1]: row[5] for row in connection.execute("PRAGMA table_list") if not row[1].startswith("sqlite_")}
    assert {name for name, is_strict in strict.items() if not is_strict} == {"alembic_version"}
    assert connection.execute("PRAGMA page_size").fetchone() == (8192,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    assert all(constraint.name for table in metadata.tables.values() for constraint in table.constraints)
    with Ledger.open(path) as ledger, ledger.reading() as reading:
        assert reading.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert reading.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_another_program_s_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE photos (id INTEGER)")
    connection.close()
    with pytest.raises(LedgerError, match=r"other tables \(photos\)"):
        Ledger.open(path)
    text_file = tmp_path / "notes.txt"
    text_file.write_text("not a database, and long enough to have been one: " * 20)
    with pytest.raises(LedgerError, match="not a database") as caught:
        Ledger.open(text_file)
    assert caught.value.where == str(text_file)
    assert text_file.read_text().startswith("not a database")


def test_reading_does_not_make_a_ledger(tmp_path: Path) -> None:
    for action in (lambda path: Ledger.open(path, create=False), upgrade_ledger):
        with pytest.raises(LedgerError, match="no ledger here"):
            action(str(tmp_path / "absent.db"))
    assert list(tmp_path.iterdir()) == []


async def _one_attempt(ledger: Ledger) -> None:
    filled = fill(ledger)
    async with ledger.writer() as writer:
        await writer.settle(outcome(await writer.send(start(filled))))
        await writer.send(start(filled, 1))


async def test_db_info_and_runs_say_what_is_stored(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as ledger:
        await _one_attempt(ledger)
    info = json.loads(CliRunner().invoke(cli(), ["db", "info", "--db", ledger_url, "--json"]).stdout)
    assert (info["schema_version"], info["rows"]["attempts"], info["rows"]["runs"]) == (SCHEMA_VERSION, 2, 1)
    assert info["size_bytes"] > 10_000
    listed = json.loads(CliRunner().invoke(cli(), ["runs", "list", "--db", ledger_url, "--json"]).stdout)
    assert [(run["run_id"], run["n_attempts"], run["n_possibly_billed"]) for run in listed["runs"]] == [("run-1", 2, 1)]
    shown = json.loads(CliRunner().invoke(cli(), ["runs", "show", "run-1", "--db", ledger_url, "--json"]).stdout)
    assert [(cell["model"], cell["n_planned"], cell["n_answered"]) for cell in shown["cells"]] == [
        ("reasoner", 4, 1),
        ("direct", 4, 0),
    ]
    assert shown["suites"][0]["tasks"][0]["revision"] == "local:44"
    assert shown["config"] == {"limit": 5, "temperature": 0.5}
    for command in (["db", "info"], ["runs", "list"], ["runs", "show", "run-1"]):
        result = CliRunner().invoke(cli(), [*command, "--db", ledger_url])
        assert result.exit_code == 0, result.output
        assert "reasoner" in result.stdout or command == ["db", "info"]


def test_an_unknown_run_names_the_latest_ones(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        fill(ledger)
    result = CliRunner().invoke(cli(), ["runs", "show", "rum-1", "--db", str(path)])
    assert isinstance(result.exception, InputError)
    assert "the latest runs are: run-1" in str(result.exception)


def make_ledger(url: str, version: str) -> None:
    """Make a ledger of an older version."""
    if "://" not in url:
        Path(url).touch()
    upgrade_ledger(url, target=version)


@pytest.mark.parametrize("version", ["0002", "0003"])
async def test_a_ledger_of_an_older_version_is_opened_and_written_as_it_is(ledger_url: str, version: str) -> None:
    make_ledger(ledger_url, version)
    with Ledger.open(ledger_url) as ledger:
        assert ledger.runs() == []
        filled = fill(ledger)
        async with ledger.writer() as writer:
            attempt_id = await writer.send(start(filled, purpose="tool"))
            await writer.settle(outcome(attempt_id, usage=UsageFacts(input_tokens=1, usage_source="imported")))
        [row] = attempt_rows(ledger)
        assert (row.purpose, row.usage_source) == ("tool", "imported")
        if "://" not in ledger_url:
            with ledger.reading() as connection:
                assert connection.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
    assert upgrade_ledger(ledger_url) == (SCHEMA_VERSION, SCHEMA_VERSION)


def test_db_upgrade_leads_an_older_ledger_here(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.touch()
    upgrade_ledger(str(path), target="0001")
    info = json.loads(CliRunner().invoke(cli(), ["db", "info", "--db", str(path), "--json"]).stdout)
    assert info["schema_version"] == "0001"
    result = CliRunner().invoke(cli(), ["db", "upgrade", "--db", str(path)])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "schema 0001 -> 0007\n")
    engine = make_engine(database_url(path))
    assert "attempts" in inspect(engine).get_table_names()
    engine.dispose()
