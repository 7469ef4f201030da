"""Which schema a database has, making a new one, and leading an older one to the newest by alembic's migrations.

A new ledger is made from `tables.py` directly (alembic takes a quarter of a second to import) and stamped; a test holds
that this equals running every migration.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.dialects import registry
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.exc import DBAPIError

from harness.errors import LedgerError, NoLedgerError
from harness.ledger.connections import database_url, explain, make_engine, shown, writing
from harness.ledger.schema.tables import SCHEMA_VERSION, metadata
from harness.ledger.schema.triggers import statements

VERSION_TABLE = "alembic_version"
ONLY_ADDED_TO = frozenset({"0002", "0003", "0004", "0005", "0006"})
"""Versions to which later ones only add (empty columns and tables, values that a column may hold): such a ledger is led
to the newest by whoever opens it first."""


def schema_version(connection: Connection) -> str | None:
    """Read the schema version; None for a database without any tables.

    Raises:
        LedgerError: there are tables, and they are not a ledger's.
    """
    found = set(inspect(connection).get_table_names())
    if not found:
        return None
    if VERSION_TABLE not in found:
        raise LedgerError(
            f"this database holds other tables ({', '.join(sorted(found)[:5])}), not a ledger",
            fix="name another file or database with --db",
        )
    return connection.execute(text(f"SELECT max(version_num) FROM {VERSION_TABLE}")).scalar_one_or_none()


def create_schema(connection: Connection) -> None:
    """Make every table, index and trigger in an empty database and stamp its version."""
    script = _script(f"{connection.dialect.name}.{connection.dialect.driver}")
    # PostgreSQL takes them all at once, SQLite one at a time
    for statement in (";\n".join(script),) if connection.dialect.name == "postgresql" else script:
        connection.exec_driver_sql(statement)
    connection.execute(text(f"INSERT INTO {VERSION_TABLE} VALUES (:version)"), {"version": SCHEMA_VERSION})


@cache  # a process that makes several ledgers works their statements out once
def _script(name: str) -> tuple[str, ...]:
    dialect = registry.load(name)()
    if dialect.name == "postgresql":
        _repeat_conditions()
    made: list[str] = []
    metadata.create_all(
        MockConnection(dialect, lambda element, *_, **__: made.append(str(element.compile(dialect=dialect)))),
        checkfirst=False,
    )
    # as alembic makes it
    versions = (
        f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL,"
        f" CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY (version_num))"
    )
    return (*made, *statements(dialect.name), versions)


def _repeat_conditions() -> None:
    """Give partial indexes their condition for PostgreSQL too; `tables.py` states it for SQLite, since naming the other
    dialect there would import it, asyncpg's part included, at the start of every run."""
    for table in metadata.tables.values():
        for index in table.indexes:
            index.dialect_options["postgresql"]["where"] = index.dialect_options["sqlite"]["where"]


def prepare_schema(engine: Engine, *, database: str, create: bool, upgrade: bool = True) -> None:
    """Check that the schema is the one this program writes; make it in an empty database when asked to.

    An older one that only lacks columns or tables is given them, unless `upgrade` is off.

    Raises:
        LedgerError: the schema is older (says how to upgrade), newer, not a ledger's, or absent without `create`.
    """
    with engine.connect() as connection:
        version = _known_place(connection, database)
    if version is None:
        if not create:
            raise NoLedgerError(
                "there is no ledger here", where=database, fix="run something first, or name another --db"
            )
        with writing(engine).begin() as connection:
            if connection.dialect.name == "postgresql":  # two first runs at once: one makes the tables, one waits
                connection.execute(text("SELECT pg_advisory_xact_lock(7310521)"))
            version = _known_place(connection, database)
            if version is None:
                create_schema(connection)
                version = SCHEMA_VERSION
    if upgrade and version in ONLY_ADDED_TO:
        with suppress(DBAPIError):  # one that may not be written is refused below
            version = upgrade_schema(engine)[1]
    refuse_other_version(version, database)


def _known_place(connection: Connection, database: str) -> str | None:
    try:
        return schema_version(connection)
    except LedgerError as error:
        raise LedgerError(error.message, where=database, fix=error.fix) from None


def refuse_other_version(version: str, database: str) -> None:
    """Raise LedgerError unless `version` is the one this program writes."""
    if version == SCHEMA_VERSION:
        return
    if version < SCHEMA_VERSION:
        raise LedgerError(
            f"this ledger has schema {version}, this program needs {SCHEMA_VERSION}",
            where=database,
            fix=f"make a copy of it, then run: benchtab db upgrade --db {database}",
        )
    raise LedgerError(
        f"this ledger has schema {version}, newer than this program's {SCHEMA_VERSION}",
        where=database,
        fix="update benchtab",
    )


def upgrade_schema(engine: Engine, *, target: str = "head") -> tuple[str | None, str]:
    """Run the migrations up to `target`; returns the version before and after.

    Raises:
        LedgerError: the schema is newer than this program.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    with writing(engine).begin() as connection:
        if connection.dialect.name == "postgresql":  # two programs at once: one leads, one finds it done
            connection.execute(text("SELECT pg_advisory_xact_lock(7310521)"))
        before = schema_version(connection)
        if before is not None and before > SCHEMA_VERSION:
            refuse_other_version(before, str(engine.url.database))
        config.attributes["connection"] = connection
        command.upgrade(config, target)
        after = schema_version(connection)
    assert after is not None
    return before, after


def upgrade_ledger(name: str, *, target: str = "head") -> tuple[str | None, str]:
    """Lead the ledger of this name to the newest schema; returns the version before and after.

    Raises:
        LedgerError: there is no such file, it is not a ledger, or its schema is newer than this program.
    """
    url = database_url(name)
    database = shown(url)
    if url.get_backend_name() == "sqlite" and not Path(database).exists():
        raise NoLedgerError("there is no ledger here", where=database, fix="name another --db")
    engine = make_engine(url)
    try:
        return upgrade_schema(engine, target=target)
    except DBAPIError as error:
        raise explain(error, database) from error
    finally:
        engine.dispose()
