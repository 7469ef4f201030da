"""A chat server on loopback for runs that drive their own event loop: answers what a function says, counts requests."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from harness.pricing import PriceBook
from harness.pricing.price_files import load_price_book

PRICE = """
provider = "openai-compatible"
[[price]]
model = "m"
effective_from = "2020-01-01"
input = "1"
output = "2"
source = "test"
confidence = "declared"
checked_on = 2026-11-22
"""

Answer = Callable[[int], tuple[int, bytes]]
"""From the number of a request (0, 1, ...) to a status and a body."""


class Asked:
    """What reached the server.

    Attributes:
        url: base address for `base_url`.
        bodies: of the requests, in the order in which they came.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.bodies: list[dict[str, Any]] = []


@contextmanager
def answering(answer: Answer) -> Iterator[Asked]:
    """Serve on loopback until the block ends."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # the library's name
            body = self.rfile.read(int(self.headers["content-length"]))
            with lock:
                number = len(asked.bodies)
                asked.bodies.append(json.loads(body))
            status, content = answer(number)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the library's name
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    asked = Asked(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def chat(text: str = "Answer: 1", *, usage: object = None, **more: Any) -> bytes:
    """A chat completion; `usage` None = 20 tokens in, 10 out."""
    stated = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30} if usage is None else usage
    message = {"role": "assistant", "content": text}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return json.dumps({"id": "r", "model": "m", "choices": choices, "usage": stated, **more}).encode()


def priced(folder: Path) -> PriceBook:
    """A price book in which `openai-compatible/m` costs 1 and 2 dollars a million tokens."""
    (folder / "prices").mkdir(exist_ok=True)
    (folder / "prices" / "m.toml").write_text(PRICE)
    return load_price_book(folder / "prices")
