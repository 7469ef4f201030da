"""The view as a server on a thread of the test's process, stopped when the test is done with it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from harness.ledger import Ledger
from harness.pricing.price_files import load_price_book
from harness.view.callers import Patience
from harness.view.page_values import Sources
from harness.view.serving import Place, ViewServer

ANY_PORT = Place(port=0)


@contextlib.contextmanager
def served(ledger: Path, place: Place = ANY_PORT, patience: Patience | None = None) -> Iterator[tuple[str, int]]:
    """Serve a ledger on a thread of this process; gives the address."""
    ready = threading.Event()
    with Ledger.open(ledger, read_only=True) as opened:
        sources = Sources(ledger=opened, book=load_price_book())
        server = ViewServer(sources, place, is_ready=lambda _: ready.set(), patience=patience)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            assert ready.wait(30)
            parts = urlsplit(server.address)
            assert parts.hostname
            assert parts.port
            yield parts.hostname, parts.port
        finally:
            server.stop()
            thread.join(30)
        assert not thread.is_alive()
