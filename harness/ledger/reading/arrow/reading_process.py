"""Reads rows of a SQLite file through its Arrow driver, in a process of its own, and writes them as an Arrow stream.

The driver brings its own copy of SQLite, and two copies with one file open in one process break each other's locks: so
this file is run as a program that imports nothing of the package. Data flows standard input (JSON: `uri`, `query`,
`rows_per_batch`) -> standard output (Arrow IPC).
"""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Answer one request; the first row of the query stands for its types and is left out."""
    import adbc_driver_sqlite.dbapi as driver
    import pyarrow as pa

    asked = json.load(sys.stdin)
    with driver.connect(asked["uri"]) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(asked["rows_per_batch"])})
        cursor.execute(asked["query"])
        found = cursor.fetch_record_batch()
        n_left_out = 1
        with pa.ipc.new_stream(sys.stdout.buffer, found.schema) as written:
            for batch in found:
                written.write_batch(batch.slice(n_left_out))
                n_left_out = 0
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
