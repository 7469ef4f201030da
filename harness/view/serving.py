"""The view as a server on this machine, until it is interrupted."""

from __future__ import annotations

import socket
from collections.abc import Callable

from harness.errors import InputError
from harness.view.application import make_application
from harness.view.page_values import Sources


def serve(sources: Sources, *, port: int, is_ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        port: 0 = any that is free.
        is_ready: hears the address.

    Raises:
        InputError: the port is taken.
    """
    import uvicorn

    listening = _listen("127.0.0.1", port)
    is_ready(f"http://127.0.0.1:{listening.getsockname()[1]}/")
    config = uvicorn.Config(make_application(sources), access_log=False, log_level="warning", server_header=False)
    uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError as error:
        made.close()
        raise InputError(
            f"cannot listen there: {error.strerror}", where=f"{host}:{port}", fix="another --port"
        ) from None
    return made
