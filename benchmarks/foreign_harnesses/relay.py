"""A relay on loopback that numbers the times a request was sent, so that the server draws anew for every one.

The simulated server answers equal requests of one number equally, faults included; tools send no number of their own.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class _Relay(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # the server holds requests that meet a timeout for longer than anybody waits

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(url)
        self._seen: Counter[bytes] = Counter()
        self._lock = threading.Lock()

    def number(self, body: bytes) -> str:
        digest = hashlib.sha256(body).digest()
        with self._lock:
            n = self._seen[digest]
            self._seen[digest] += 1
            return f"q{self._seen.total()}.e{n}.t{n}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        assert isinstance(self.server, _Relay)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {"Content-Type": "application/json", "X-Client-Request-Id": self.server.number(body)}
        upstream = http.client.HTTPConnection(self.server.upstream.hostname or "", self.server.upstream.port)
        with contextlib.closing(upstream), contextlib.suppress(ConnectionError, http.client.HTTPException):
            upstream.request("POST", self.path, body, headers)
            answer = upstream.getresponse()
            self._give(answer, answer.read())
            return
        self.close_connection = True  # dropped there, dropped here

    def _give(self, answer: http.client.HTTPResponse, content: bytes) -> None:
        self.send_response(answer.status)
        for name in ("Content-Type", "Retry-After", "x-request-id"):
            if value := answer.headers[name]:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing: the server keeps the books."""


@contextlib.contextmanager
def numbering(url: str) -> Iterator[str]:
    """Relay to a server's base URL; gives the relay's base URL."""
    with _Relay(url) as relay:
        thread = threading.Thread(target=relay.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{relay.server_address[1]}{relay.upstream.path}"
        finally:
            relay.shutdown()
            thread.join()
