"""A static copy of a run's view: the same pages, asked of the same application, as files that need no server.

Data flows a run's address -> pages that it leads to, within bounds -> files in a folder beside -> moved into place.
"""

from __future__ import annotations

import asyncio
import hashlib
import html
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, unquote, urlsplit

from harness.errors import HarnessError, InputError
from harness.version import __version__
from harness.view.application import make_application
from harness.view.copies.copied_page import copied, links_of
from harness.view.page_addresses import run_address, samples_address

if TYPE_CHECKING:
    from typing import BinaryIO

    from starlette.types import ASGIApp, Message

    from harness.view.page_values import Sources

START = "index.html"
_MARK = "benchtab-view.json"
"""Lies in every copy: a later one may take its place."""
_CHANGING = frozenset({"attempt", "rendered", "format", "table"})
"""Names in the address of one sample that change what its page shows; the others say where one came from."""

_SAMPLE, _QUESTION = r"/samples/\d+/\d+", r"/questions/\d+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much of a run is copied at most.

    Attributes:
        lists: parts of lists of samples.
        samples: pages of samples; of questions as many.
    """

    lists: int = 100
    samples: int = 500


def write_copy(sources: Sources, run_id: str, folder: Path, bounds: Bounds | None = None) -> Path:
    """Copy a run's view into a folder, which appears whole or not at all; gives the file to start at.

    Raises:
        InputError: the folder holds something else than an earlier copy.
        HarnessError: a page cannot be made.
    """
    folder = folder.expanduser().resolve()
    _refuse_other(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        asyncio.run(_Copy(make_application(sources), run_id, made, bounds or Bounds()).write())
        mark = {"run": run_id, "benchtab": __version__}
        (made / _MARK).write_text(json.dumps(mark) + "\n", encoding="utf-8")
        made.chmod(0o777 & ~_umask())
        _put(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder / START


def _refuse_other(folder: Path) -> None:
    if folder.is_dir() and (not any(folder.iterdir()) or (folder / _MARK).is_file()):
        return
    if folder.exists():
        raise InputError(
            "this holds other things than an earlier copy", where=str(folder), fix="name a new or an empty folder"
        )


def _put(made: Path, folder: Path) -> None:
    if folder.exists():
        earlier = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        folder.rename(earlier / "earlier")
        made.rename(folder)
        shutil.rmtree(earlier)
    else:
        made.rename(folder)


def _umask() -> int:
    now = os.umask(0)
    os.umask(now)
    return now


@dataclass(slots=True)
class _Copy:
    """One copy under way.

    Attributes:
        pages: HTML by address, of what is copied.
        files: name in the copy of every page, asset and table, by address.
    """

    app: ASGIApp
    run_id: str
    folder: Path
    bounds: Bounds
    pages: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    n_left_out: int = 0

    async def write(self) -> None:
        run, everything = run_address(self.run_id), samples_address(self.run_id)
        await self._page(run, START)
        wrong = samples_address(self.run_id, verdict="wrong")
        dearest = samples_address(self.run_id, dearest="1", sort="-cost")
        linked = [one for one in links_of(self.pages[run]).followed if urlsplit(one).path == everything]
        await self._lists([everything, dearest, wrong, *dict.fromkeys(linked)])
        await self._samples()
        await self._tables([run, everything, dearest, wrong])
        for address in tuple(self.pages):
            for asset in links_of(self.pages[address]).followed:
                if asset.startswith("/assets/") and asset not in self.files:
                    await self._file(asset, f"assets/{Path(asset).name}")
        note = self._note()
        for address, page in self.pages.items():
            text = copied(page, lambda other, here=address: self._file_of(other, here), note=note)  # type: ignore[misc]  # bound now
            (self.folder / self.files[address]).write_text(text, encoding="utf-8")

    async def _page(self, address: str, name: str) -> None:
        status, body = await _asked(self.app, address)
        if status != 200:
            raise HarnessError(f"a page cannot be copied: HTTP {status}", where=address)
        self.pages[address] = body.decode()
        self.files[address] = name

    async def _lists(self, firsts: Iterable[str]) -> None:
        """Copy lists part by part, the first of them to its end before the others."""
        n_lists = 0
        for first in firsts:
            part: str | None = first
            while part is not None and part not in self.files:
                if n_lists == self.bounds.lists:
                    self.n_left_out += 1
                    break
                query = urlsplit(part).query
                name = f"samples-{hashlib.sha256(query.encode()).hexdigest()[:10]}.html" if query else "samples.html"
                await self._page(part, name)
                n_lists += 1
                part = links_of(self.pages[part]).next_part

    async def _samples(self) -> None:
        """Copy the samples that the lists lead to, and their questions, in that order."""
        for kind, shape, n_numbers in (("sample", _SAMPLE, 2), ("question", _QUESTION, 1)):
            for address in tuple(self._linked(shape))[: self.bounds.samples]:
                numbers = "-".join(urlsplit(address).path.rsplit("/", n_numbers)[1:])
                await self._page(address, f"{kind}-{numbers}.html")

    def _linked(self, shape: str) -> Iterator[str]:
        """Give what lists lead to, each once, as the address without where one came from; that of all comes last."""
        path = re.compile(re.escape(run_address(self.run_id)) + shape)
        lists = [address for address in self.pages if urlsplit(address).path == samples_address(self.run_id)]
        lists.sort(key=lambda address: parse_qs(urlsplit(address).query).keys() <= {"page"})
        found = (urlsplit(link).path for address in lists for link in links_of(self.pages[address]).followed)
        yield from dict.fromkeys(one for one in found if path.fullmatch(one))

    async def _tables(self, addresses: Iterable[str]) -> None:
        """Copy the tables of these pages as CSV."""
        for address in addresses:
            for link in links_of(self.pages.get(address, "")).followed:
                asked = parse_qs(urlsplit(link).query)
                if asked.get("format") == ["csv"] and link not in self.files:
                    stem = Path(self.files[address]).stem
                    await self._file(link, f"{stem}-{re.sub('[^a-z0-9-]', '', asked['table'][0])}.csv")

    async def _file(self, address: str, name: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            status, _ = await _asked(self.app, address, into=file)
        if status != 200:
            raise HarnessError(f"a file cannot be copied: HTTP {status}", where=address)
        self.files[address] = name

    def _file_of(self, address: str, here: str) -> str | None:
        """Name the file of an address; a page that would show itself again under another address is none."""
        address, _, at = address.partition("#")
        found = self.files.get(address)
        parts = urlsplit(address)
        if found is None and not _CHANGING & parse_qs(parts.query).keys() and re.search(r"/\d+$", parts.path):
            found = self.files.get(parts.path)
            found = None if found == self.files[here] else found
        return found and (f"{quote(found)}#{at}" if at else quote(found))

    def _note(self) -> str:
        n_samples = sum(name.startswith("sample-") for name in self.files.values())
        n_all = sum(1 for _ in self._linked(_SAMPLE))
        cut = ", the list cut" if self.n_left_out else ""
        more = f" of {n_all:,} in these lists{cut}" if n_all > n_samples or cut else ""
        lists = {
            "all samples": samples_address(self.run_id),
            "the dearest": samples_address(self.run_id, dearest="1", sort="-cost"),
            "the wrong": samples_address(self.run_id, verdict="wrong"),
        }
        links = "".join(
            f' · <a href="{quote(self.files[address])}">{words}</a>'
            for words, address in lists.items()
            if address in self.files
        )
        return (
            f'\n<p class="note">A copy of run <a href="{START}">{html.escape(self.run_id)}</a>, with the pages of'
            f" {n_samples:,} samples{more}; what it leaves out is not linked{links}</p>"
        )


async def _asked(app: ASGIApp, address: str, *, into: BinaryIO | None = None) -> tuple[int, bytes]:
    """Ask the application for an address; gives status and body (empty where it goes `into` a file)."""
    parts, status, body = urlsplit(address), 0, bytearray()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(b"host", b"localhost")],
    }

    async def receive() -> Message:
        await asyncio.Event().wait()  # nobody leaves
        raise AssertionError

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        (body.extend if into is None else into.write)(message.get("body", b""))

    await app(scope, receive, send)
    return status, bytes(body)
