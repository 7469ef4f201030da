"""A small stand-in for the hub's data set API on loopback: enough for `datasets` to load files at a commit.

It keeps every request's path, so that a test can see what was asked and what a cache answered instead.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """One data set repository with files, at one commit; gated repositories refuse everything."""

    def __init__(self, repo: str, files: Mapping[str, bytes], *, gated: bool = False) -> None:
        self.repo = repo
        self.files = dict(files)
        self.gated = gated
        self.requests: list[str] = []
        self.url = ""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for one request."""
        self.requests.append(f"{method} {path}")
        if self.gated:
            return 403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "access to this data set is restricted"}, b""
        api, files = f"/api/datasets/{self.repo}/", f"/datasets/{self.repo}/resolve/"
        if path.startswith(files):
            _, _, name = path.removeprefix(files).partition("/")
            return self._file(name)
        if path == api.rstrip("/") or path.startswith(f"{api}revision/"):
            return _json({"id": self.repo, "sha": COMMIT, "siblings": [{"rfilename": name} for name in self.files]})
        if path.startswith(f"{api}tree/"):
            _, _, folder = path.removeprefix(f"{api}tree/").partition("/")
            return _json(self._tree(folder))
        if path.startswith(f"{api}paths-info/"):
            asked = json.loads(body)["paths"]
            return _json([entry for entry in self._tree("", recursive=True) if entry["path"] in asked])
        return 404, {"X-Error-Code": "EntryNotFound"}, b""

    def _tree(self, folder: str, *, recursive: bool = False) -> list[dict[str, Any]]:
        prefix = f"{folder}/" if folder else ""
        entries: dict[str, dict[str, Any]] = {}
        for name, data in self.files.items():
            if not name.startswith(prefix):
                continue
            first, slash, _ = name.removeprefix(prefix).partition("/")
            if slash:
                entries[prefix + first] = {"type": "directory", "path": prefix + first, "oid": "0" * 40, "size": 0}
            if not slash or recursive:
                entries[name] = {"type": "file", "path": name, "oid": _etag(data), "size": len(data)}
        return list(entries.values())

    def _file(self, name: str) -> tuple[int, dict[str, str], bytes]:
        data = self.files.get(name)
        if data is None:
            return 404, {"X-Error-Code": "EntryNotFound"}, b""
        return 200, {"ETag": f'"{_etag(data)}"', "X-Repo-Commit": COMMIT}, data


def _etag(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()  # noqa: S324 - an ETag, not a signature


def _json(value: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json", "X-Repo-Commit": COMMIT}, json.dumps(value).encode()


@contextmanager
def serve(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve a hub on loopback until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _go(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, data = hub.answer(self.command, unquote(urlsplit(self.path).path), body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_HEAD = do_POST = _go  # noqa: N815 - names that http.server looks for

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
