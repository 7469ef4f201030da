"""A ledger opened for reading only: it shows what others write, and nothing of it or beside it changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import text

from harness.errors import LedgerError, NoLedgerError
from harness.ledger import Ledger
from harness.ledger.schema.versions import upgrade_ledger
from tests.support.ledger_rows import fill

READ = """
import sys
from harness.errors import LedgerError
from harness.ledger import Ledger
try:
    with Ledger.open(sys.argv[1], read_only=True) as ledger:
        print([run.run_id for run in ledger.runs()])
except LedgerError as error:
    print(error)
"""


def test_it_sees_what_is_written_meanwhile_and_writes_nothing(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as writing, Ledger.open(ledger_url, read_only=True) as reading:
        assert reading.runs() == []
        fill(writing)
        assert [run.run_id for run in reading.runs()] == [run.run_id for run in writing.runs()] != []
        refused: list[Callable[[], object]] = [
            lambda: reading.set_budget("day", 1),
            lambda: reading.finish_run("r", "failed"),
            reading.writer,
            lambda: reading.importing().__enter__(),
        ]
        for write in refused:
            with pytest.raises(LedgerError, match="opened for reading only"):
                write()


def test_the_database_itself_refuses_to_write(ledger_url: str) -> None:
    Ledger.open(ledger_url).close()
    with Ledger.open(ledger_url, read_only=True) as ledger:
        for statement in ("DELETE FROM runs", "CREATE TABLE more (x INTEGER)"):
            with pytest.raises(LedgerError, match=r"(?i)read-?only"), ledger.reading() as connection:
                connection.execute(text(statement))


@pytest.mark.postgres
def test_twenty_pages_that_read_within_what_they_read_do_not_wait_for_each_other(postgres_url: str) -> None:
    """Each holds a connection and asks for another: with no more than fifteen, all of them stood still for 30 s."""
    Ledger.open(postgres_url).close()
    with Ledger.open(postgres_url, read_only=True) as ledger, ExitStack() as pages:
        for _ in range(20):
            pages.enter_context(ledger.at_one_moment()).runs()
        assert ledger.runs() == []


def test_a_postgresql_session_is_read_only_by_default_and_keeps_its_own_options(postgres_url: str) -> None:
    Ledger.open(postgres_url).close()
    with Ledger.open(postgres_url, read_only=True) as ledger, ledger.at_one_moment() as still, still.reading() as asked:
        assert asked.execute(text("SHOW default_transaction_read_only")).scalar_one() == "on"
        assert asked.execute(text("SHOW transaction_isolation")).scalar_one() == "repeatable read"
        assert asked.execute(text("SHOW search_path")).scalar_one().startswith("ledger_")


def test_nothing_is_made_where_there_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(NoLedgerError):
        Ledger.open(tmp_path / "folder" / "none.db", read_only=True)
    assert not list(tmp_path.iterdir())


def test_no_files_are_left_beside_a_ledger_that_was_looked_at(empty_ledger: Path, tmp_path: Path) -> None:
    """Readers cannot remove the -wal and -shm that they make."""
    path = tmp_path / "ledger #1?.db"
    shutil.copy(empty_ledger, path)
    before = path.read_bytes()
    with Ledger.open(path, read_only=True) as ledger:
        ledger.runs()
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_an_older_ledger_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "older.db"
    upgrade_empty(path, "0004")
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="this ledger has schema 0004") as caught:
        Ledger.open(path, read_only=True)
    assert f"benchtab db upgrade --db {path}" in str(caught.value)
    assert path.read_bytes() == before
    upgrade_ledger(str(path))
    with Ledger.open(path, read_only=True) as ledger:
        assert ledger.runs() == []


def upgrade_empty(path: Path, version: str) -> None:
    """Make an empty ledger of an older schema."""
    path.touch()
    upgrade_ledger(str(path), target=version)


def test_a_file_that_another_one_replaced_is_read_anew(ledger: Ledger, empty_ledger: Path, tmp_path: Path) -> None:
    path = tmp_path / "seen.db"
    shutil.copy(empty_ledger, path)
    with Ledger.open(path, read_only=True) as reading:
        assert reading.runs() == []
        fill(ledger)
        ledger.close()  # its rows are all in the file then
        Path(ledger.database).replace(path)
        assert len(reading.runs()) == 1


@pytest.fixture
def closed_folder(ledger: Ledger) -> Iterator[Path]:
    """Give a ledger with a run, in a folder and a file that may be read and not written."""
    fill(ledger)
    path = Path(ledger.database)
    yield path
    path.parent.chmod(0o755)


def _read_without_rights(path: Path) -> str:
    """Read a ledger in a process that may write nothing of it, root's right to do so taken away."""
    path.parent.chmod(0o555)
    command = [sys.executable, "-B", "-c", READ, str(path)]
    if os.getuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("tests run as root, and there is no setpriv (util-linux) that takes its rights away")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    return asked.stdout + asked.stderr


def test_a_ledger_in_a_folder_without_write_permission_is_read(ledger: Ledger, closed_folder: Path) -> None:
    """As after a run (the file alone), and during one (the run's own -wal and -shm beside it)."""
    for found in closed_folder.parent.iterdir():
        found.chmod(0o444)
    assert "['" in _read_without_rights(closed_folder)
    closed_folder.parent.chmod(0o755)
    ledger.close()
    assert "['" in _read_without_rights(closed_folder)
    assert [found.name for found in closed_folder.parent.iterdir()] == [closed_folder.name]


def test_rows_that_cannot_be_read_there_are_never_left_out_in_silence(ledger: Ledger, closed_folder: Path) -> None:
    copy = closed_folder.parent / "copy"
    copy.mkdir()
    for ending in ("", "-wal"):  # without the -shm that a reader would have to make
        shutil.copy(f"{closed_folder}{ending}", copy / f"ledger.db{ending}")
    assert (copy / "ledger.db-wal").stat().st_size > 0
    said = _read_without_rights(copy / "ledger.db")
    copy.chmod(0o755)
    assert "the newest rows of this ledger are in ledger.db-wal" in said
