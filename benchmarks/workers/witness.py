"""PostgreSQL's own account of who wrote facts: triggers that note each writing session and the instant.

Independent of the ledger's rules: sessions name themselves (`benchtab process 7 on HOST`), the server's clock says
when.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

TABLES = ("attempts", "transcripts", "scores")
_MAKE = """
    CREATE SCHEMA witness;
    CREATE TABLE witness.writes (session text NOT NULL, fact text NOT NULL, at_us bigint NOT NULL);
    CREATE FUNCTION witness.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO witness.writes VALUES (current_setting('application_name'), TG_TABLE_NAME,
            (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
        RETURN NULL;
    END $$;
"""
_WATCH = "CREATE TRIGGER witness AFTER INSERT OR UPDATE ON {} FOR EACH STATEMENT EXECUTE FUNCTION witness.note()"
_LATE = """
    SELECT worker.run_id, worker.name, count(*) FROM workers AS worker
    JOIN witness.writes ON writes.session = 'benchtab ' || worker.name AND writes.at_us > worker.ended_at_us
    WHERE worker.state = 'lost' AND NOT EXISTS (
        SELECT 1 FROM workers AS again WHERE again.name = worker.name AND again.worker_id <> worker.worker_id
            AND writes.at_us BETWEEN again.started_at_us AND coalesce(again.ended_at_us, writes.at_us)
    ) GROUP BY 1, 2 ORDER BY 1, 2
"""
"""A process that lost its server enlists again, as another worker of the same name, and may write as that one."""
_BEFORE = """
    SELECT count(*) FROM workers AS worker
    JOIN witness.writes ON writes.session = 'benchtab ' || worker.name AND writes.at_us <= worker.ended_at_us
    WHERE worker.state = 'lost'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostWrites:
    """What lost workers wrote.

    Attributes:
        late: run, worker and number of writes after its loss.
        n_before: their writes before it, so that one sees that the witness sees.
    """

    late: list[tuple[str, str, int]]
    n_before: int


def watch(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Note from now on who writes facts of the ledger on this connection's search path."""
    connection.execute(_MAKE.encode())
    for table in TABLES:
        connection.execute(_WATCH.format(table).encode())


def lost_writes(connection: psycopg.Connection[tuple[object, ...]]) -> LostWrites:
    """Say what lost workers wrote, before and after their loss."""
    late = [(str(run), str(name), int(str(n))) for run, name, n in connection.execute(_LATE.encode())]
    (counted,) = connection.execute(_BEFORE.encode())
    return LostWrites(late=late, n_before=int(str(counted[0])))
