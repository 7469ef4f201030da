"""PostgreSQL's own account of who wrote facts: triggers that note each writing session and the instant.

Independent of the ledger's rules: writing sessions name their worker (`benchtab.worker_id`), the server's clock says
when.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

TABLES = ("attempts", "transcripts", "scores")
_MAKE = """
    CREATE SCHEMA witness;
    CREATE TABLE witness.writes (worker_id bigint, fact text NOT NULL, at_us bigint NOT NULL);
    CREATE FUNCTION witness.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO witness.writes VALUES (nullif(current_setting('benchtab.worker_id', true), '')::bigint,
            TG_TABLE_NAME, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
        RETURN NULL;
    END $$;
"""
_WATCH = "CREATE TRIGGER witness AFTER INSERT OR UPDATE ON {} FOR EACH STATEMENT EXECUTE FUNCTION witness.note()"
_LATE = """
    SELECT run_id, worker_id, count(*) FROM workers JOIN witness.writes USING (worker_id)
    WHERE at_us > ended_at_us GROUP BY 1, 2 ORDER BY 1, 2
"""
_COUNTS = """
    SELECT count(*) FILTER (WHERE state = 'lost' AND at_us <= ended_at_us), count(*) FILTER (WHERE worker_id IS NULL)
    FROM witness.writes LEFT JOIN workers USING (worker_id)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostWrites:
    """What workers wrote that were lost, or had ended.

    Attributes:
        late: run, id of the worker and number of its writes after its loss or end.
        n_before: writes of lost workers before their loss, so that one sees that the witness sees.
        n_nameless: writes of sessions that name no worker, of which nobody can tell.
    """

    late: list[tuple[str, int, int]]
    n_before: int
    n_nameless: int


def watch(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Note from now on who writes facts of the ledger on this connection's search path."""
    connection.execute(_MAKE.encode())
    for table in TABLES:
        connection.execute(_WATCH.format(table).encode())


def lost_writes(connection: psycopg.Connection[tuple[object, ...]]) -> LostWrites:
    """Say what workers wrote after they were lost or had ended."""
    late = [(str(run), int(str(worker)), int(str(n))) for run, worker, n in connection.execute(_LATE.encode())]
    ((n_before, n_nameless),) = connection.execute(_COUNTS.encode())
    return LostWrites(late=late, n_before=int(str(n_before)), n_nameless=int(str(n_nameless)))
