"""What cannot be shown says why, with the status that fits; of an error that nobody foresaw no page tells more."""

from __future__ import annotations

import asyncio
import html
import logging
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from harness.ledger import Ledger
from harness.pricing.price_files import PriceFiles, load_price_book
from harness.view.application import make_application
from harness.view.guard import SAFE_HEADERS, Door, Guard
from harness.view.page_values import Asked, Page, Shown, Sources
from harness.view.problems import Unforeseen
from tests.support.viewed import HERE

KEY = "sk-proj-" + "a1B2" * 12


def broken(_asked: Asked) -> Shown:
    raise KeyError(f"what {KEY}\nholds")


def test_an_error_that_nobody_foresaw_is_a_page_and_a_line_on_stderr_without_secrets(
    seen_ledger: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Ledger.open(seen_ledger, read_only=True) as ledger:
        pages = (Page(path="/", make=broken),)
        application = make_application(Sources(ledger=ledger, book=load_price_book()), pages)
        guarded = Guard(application, door=Door(), leaving=asyncio.Event())
        answer = TestClient(guarded, base_url=HERE).get(f"/?id={KEY}")
    assert answer.status_code == 500
    assert SAFE_HEADERS.items() <= dict(answer.headers).items()
    text = html.unescape(answer.text)
    assert "<h1>Something broke</h1>" in text
    assert "report the line that benchtab view wrote to stderr" in text
    for secret in (KEY, "KeyError", "Traceback", "holds"):
        assert secret not in text
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert line.startswith("cannot answer GET /: KeyError: ")
    assert "(test_problems.py:" in line
    assert KEY not in line
    assert "\n" not in line


async def test_an_answer_that_breaks_off_is_not_ended_as_if_it_were_whole(caplog: pytest.LogCaptureFixture) -> None:
    sent = list[Message]()

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("lost")

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    await Unforeseen(app)({"type": "http", "method": "GET", "path": "/runs"}, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[-1]["more_body"]
    assert "cannot answer GET /runs: ValueError: lost" in caplog.text


@pytest.mark.parametrize(
    ("run_id", "status", "words"), [("seen", 400, "mine.toml"), ("nothing", 404, "no run nothing")]
)
def test_mistakes_in_price_files_are_not_said_to_be_a_run_that_is_not_there(
    seen_ledger: Path, tmp_path: Path, run_id: str, status: int, words: str
) -> None:
    (tmp_path / "mine.toml").write_text("nonsense = 5\n")
    with Ledger.open(seen_ledger, read_only=True) as ledger:
        sources = Sources(ledger=ledger, book=load_price_book(), reread=PriceFiles(tmp_path).book)
        seen = TestClient(make_application(sources), base_url=HERE)
        once = seen.get(f"/runs/{run_id}/live?once=1")
        assert seen.get("/runs/seen").status_code == 400
    assert once.status_code == status
    assert words in once.json()["error"]
