"""What a batch server may answer instead of what it should: the run goes on, or stops with words and can be resumed.

Each trait spoils one kind of answer of the loopback server. Whatever it is: every line that can be read is settled,
nothing is handed over twice without being said to be possibly billed, and no answered line is missing from the budget.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from harness.ledger import Ledger
from harness.ledger.batches import open_batches
from harness.ledger.stream import AttemptRow, attempt_rows, transcript_rows
from harness.models import parse_model
from harness.price_files import load_price_book
from harness.runner import PreparedRun, RunResult, RunSpec, run_suites
from harness.runner.batch_lines import Waits
from tests.loopback_batches import Batches, serve_batches
from tests.runs import Watcher, number_suite

OPENAI, CLAUDE = "openai/gpt-4o", "anthropic/claude-3-7-sonnet-20250219"
BOTH = pytest.mark.parametrize("model", [OPENAI, CLAUDE])
BOOK = load_price_book()
WAITS = Waits(first_s=0.001, longest_s=0.004, doubt_s=0.01, most_failures=12)
LINES = 4
ANSWER_PICO = {OPENAI: 13 * 1_250_000 + 8 * 625_000 + 30 * 5_000_000, CLAUDE: 30 * 7_500_000}
"""What one answer of the loopback server costs at least, at the batch price."""

Spoil = Callable[[bytes], bytes | web.Response]
Edit = Callable[[list[dict[str, Any]]], Any]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture
async def books() -> AsyncIterator[Batches]:
    made = Batches()
    made.finished = made.sums = True
    async with serve_batches(made) as served:
        yield served


@dataclass(slots=True)
class Session:
    """One session of the run and what it said."""

    result: RunResult
    notices: list[str]


class Played:
    """A run against a spoilt server, session by session."""

    def __init__(self, books: Batches, model: str, ledger: Ledger, folder: Path) -> None:
        self.books, self.model, self.ledger = books, model, ledger
        self._suite = number_suite(folder, LINES)

    async def session(self, **options: Any) -> Session:
        """Run or resume."""
        watcher = Watcher()

        @contextlib.contextmanager
        def observe(prepared: PreparedRun) -> Iterator[Watcher]:
            yield watcher

        spec = RunSpec(
            suites=(self._suite,),
            models=(parse_model(self.model),),
            base_url=self.books.url + ("/v1" if self.model == OPENAI else ""),
            batch=True,
            budget_usd=Decimal(5),
            **options,
        )
        result = await asyncio.to_thread(
            lambda: run_suites(spec, ledger=self.ledger, book=BOOK, run_id="r", observe=observe, batch_waits=WAITS)
        )
        return Session(result, watcher.notices)

    @property
    def rows(self) -> list[AttemptRow]:
        return list(attempt_rows(self.ledger))

    def check_complete(self, *, lost: int = 0) -> None:
        """All samples answered; `lost` lines had no result that could be read and were asked again."""
        rows = self.rows
        assert Counter(row.status for row in rows if row.status == "succeeded") == {"succeeded": LINES}
        assert len({row.planned_id for row in rows if row.status == "succeeded"}) == LINES
        assert len(rows) == LINES + lost
        assert Counter(row.billed for row in rows if row.status != "succeeded") == Counter({"unknown": lost})
        assert self.books.asked.total() == LINES + lost
        assert open_batches(self.ledger, "r") == []
        self.check_budget()

    async def check_bought_again_on_resume(self) -> None:
        """A whole batch is gone: the session ends with words, everything is settled, and the next one asks again."""
        stopped = await self.session()
        assert (stopped.result.exit_code, stopped.result.models[0].n_left) == (1, LINES)
        assert "possibly billed" in str(stopped.result.models[0].stopped_by)
        assert any("4 lines have no result that can be read" in text for text in stopped.notices)
        assert len(self.books.batches) == 1
        assert {(row.status, row.billed) for row in self.rows} == {("failed", "unknown")}
        assert (await self.session()).result.exit_code == 0
        self.check_complete(lost=LINES)

    def check_budget(self) -> None:
        """No line that the server answered is missing from the budget."""
        budget = self.ledger.budget("run:r")
        assert budget is not None
        least = self.books.asked.total() * ANSWER_PICO[self.model]
        assert budget.spent_pico_usd + budget.reserved_pico_usd >= least


@pytest.fixture
def play(books: Batches, ledger: Ledger, tmp_path: Path) -> Callable[[str], Played]:
    return lambda model: Played(books, model, ledger, tmp_path)


# results


def of_the_first_batch(books: Batches, spoil: Spoil) -> Callable[[str, bytes], bytes | web.Response]:
    """Spoil the results while there is one batch only; later ones are in order."""
    return lambda what, body: spoil(body) if what == "results" and body and len(books.batches) == 1 else body


def edited(change: Edit) -> Spoil:
    """Change parsed lines; bytes among them are sent as they are."""

    def spoil(body: bytes) -> bytes:
        lines = [json.loads(line) for line in body.splitlines()]
        changed = change(lines)
        parts = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in changed or lines]
        return b"\n".join(parts) + b"\n"

    return spoil


def beside(*extra: bytes, at: int = 1) -> Spoil:
    return edited(lambda lines: [*lines[:at], *extra, *lines[at:]])


def first_line(**fields: Any) -> Spoil:
    return edited(lambda lines: [{**lines[0], **fields}, *lines[1:]])


def without(*names: str) -> Spoil:
    return edited(lambda lines: [{k: v for k, v in lines[0].items() if k not in names}, *lines[1:]])


def answer_of(line: dict[str, Any]) -> dict[str, Any]:
    """The part of a line that the model wrote, in either dialect."""
    part: dict[str, Any] = line["response"]["body"] if "response" in line else line["result"]["message"]
    return part


def with_answer(**fields: Any) -> Spoil:
    def change(lines: list[dict[str, Any]]) -> None:
        answer_of(lines[0]).update(fields)

    return edited(change)


def as_bytes(old: bytes, new: bytes) -> Spoil:
    """Replace bytes of the first line only."""
    return lambda body: body.replace(old, new, 1)


DEEP = b'{"custom_id": "a1", "x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"

READ_WHOLE: dict[str, Spoil] = {
    "a broken line first": beside(b"{broken", at=0),
    "a broken line between": beside(b"{broken"),
    "a broken line last": beside(b'{"custom_id": "a1", "resp', at=LINES),
    "garbage before the first line": beside(b"\x00\xff garbage", at=0),
    "a page of HTML between": beside(b"<html>", b"<p>maintenance</p>"),
    "null and numbers between": beside(b"null", b"5", b'"text"', b"[]"),
    "a line nested too deep between": beside(DEEP),
    "a line without custom_id between": beside(b'{"result": {}, "response": {}}'),
    "a custom_id of another batch": beside(b'{"custom_id": "a999", "response": null}'),
    "a custom_id that is a list": beside(b'{"custom_id": ["a1"]}'),
    "a custom_id that is a number": beside(b'{"custom_id": 1}'),
    "every line twice": edited(lambda lines: [*lines, *lines]),
    "a byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "CRLF": lambda body: body.replace(b"\n", b"\r\n"),
    "empty lines": lambda body: b"\n\n" + body.replace(b"\n", b"\n \n\t\n"),
    "no line ends": lambda body: body.replace(b"\n", b" "),
    "one line that is a list": lambda body: b"[" + b",".join(body.splitlines()) + b"]",
    "no last line end": bytes.strip,
    "NaN in a field that nobody needs": lambda body: body.replace(b"{", b'{"x": NaN, "y": [-Infinity, 1e999], ', 1),
    "a number of 5,000 digits": lambda body: body.replace(b"{", b'{"x": ' + b"9" * 5_000 + b", ", 1),
    "bytes that are no UTF-8": lambda body: body.replace(b"{", b'{"x": "\xff\xfe\xc3", ', 1),
    "half a character": lambda body: body.replace(b"{", b'{"x": "\\ud83d", ', 1),
    "an unknown field nested deep": lambda body: body.replace(b"{", b'{"x": ' + b"[" * 80 + b"]" * 80 + b", ", 1),
}
"""Everything that was paid for can be read: each question is asked once, whatever stands beside its answer."""


@BOTH
@pytest.mark.parametrize("trait", READ_WHOLE)
async def test_every_line_that_can_be_read_is_settled(play: Callable[[str], Played], model: str, trait: str) -> None:
    played = play(model)
    played.books.spoil = of_the_first_batch(played.books, READ_WHOLE[trait])
    assert (await played.session()).result.exit_code == 0
    played.check_complete()


LOSES_ONE: dict[str, Spoil] = {
    "a line cut in the middle": edited(lambda lines: [json.dumps(lines[0]).encode()[:90], *lines[1:]]),
    "a line too few": edited(lambda lines: lines[1:]),
    "no custom_id": without("custom_id"),
    "a custom_id that is null": first_line(custom_id=None),
    "a custom_id that is empty": first_line(custom_id=""),
    "a custom_id that is an object": first_line(custom_id={"a": 1}),
    "the custom_id of another batch": first_line(custom_id="a12345"),
    "a custom_id of a million characters": first_line(custom_id="a" * 1_000_000),
    "a line nested too deep": edited(lambda lines: [DEEP, *lines[1:]]),
    "no outcome": without("response", "result"),
    "an outcome that is null": first_line(response=None, result=None),
    "an outcome that is a list": first_line(response=[1], result=[1]),
    "an outcome that is a text": first_line(response="yes", result="yes"),
    "an empty outcome": first_line(response={}, result={}),
    "an answer without content": with_answer(choices=None, content=None, usage=None),
    "an answer of the wrong kind": with_answer(choices=[5], content=5, usage=None),
}
"""One line has no answer that can be read: it is possibly billed, and asked again."""


@BOTH
@pytest.mark.parametrize("trait", LOSES_ONE)
async def test_a_line_that_cannot_be_read_is_possibly_billed_and_asked_again(
    play: Callable[[str], Played], model: str, trait: str
) -> None:
    played = play(model)
    played.books.spoil = of_the_first_batch(played.books, LOSES_ONE[trait])
    assert (await played.session()).result.exit_code == 0
    played.check_complete(lost=1)


@BOTH
async def test_a_line_that_is_never_readable_ends_the_run_within_its_attempts(
    play: Callable[[str], Played], model: str
) -> None:
    played = play(model)
    played.books.spoil = lambda what, body: without("custom_id")(body) if what == "results" and body else body
    ended = await played.session(max_attempts=2)
    assert (ended.result.status, ended.result.models[0].n_failed) == ("complete", 1)
    assert Counter(row.status for row in played.rows) == {"succeeded": 3, "failed": 2}
    assert played.books.asked.total() == LINES + 1
    played.check_budget()


@BOTH
async def test_broken_lines_are_counted_and_said_with_their_place(play: Callable[[str], Played], model: str) -> None:
    played = play(model)
    spoil = edited(lambda lines: [lines[0], b"{broken", *lines[1:3], b"{}", {**lines[3], "custom_id": "a77"}])
    played.books.spoil = of_the_first_batch(played.books, spoil)
    ended = await played.session()
    file = "output file" if model == OPENAI else "results file"
    lines = f"line 2 of the {file}: not JSON, line 5 of the {file}: no custom_id, line 6 of the {file}: its custom_id"
    (said,) = (text for text in ended.notices if "could not be taken" in text)
    assert f"3 results could not be taken ({lines}" in said
    assert "1 line has no result that can be read: possibly billed" in said
    run = played.ledger.run("r")
    assert run is not None
    assert run.warnings == ended.result.warnings
    assert any("3 results could not be taken" in warning for warning in run.warnings)
    played.check_complete(lost=1)


@BOTH
async def test_of_two_results_for_a_line_the_first_counts_and_the_second_is_said(
    play: Callable[[str], Played], model: str
) -> None:
    def change(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        second = json.loads(json.dumps(lines[0]))
        answer_of(second)["usage"] = {"prompt_tokens": 10**6, "completion_tokens": 5, "input_tokens": 10**6}
        return [*lines, second]

    played = play(model)
    played.books.spoil = of_the_first_batch(played.books, edited(change))
    ended = await played.session()
    played.check_complete()
    assert max(row.input_tokens or 0 for row in played.rows) < 1_000
    assert any("1 result contradicted an earlier one, which counts (line 5 of" in text for text in ended.notices)
    assert any("contradicted" in warning for warning in ended.result.warnings)


@pytest.mark.parametrize("code", ["200", 200.0, "200.0", None, True, [200], {"a": 1}, "abc", "", -1, 10**30, 201])
async def test_an_answer_counts_although_its_status_code_is_no_number(
    play: Callable[[str], Played], code: object
) -> None:
    def change(lines: list[dict[str, Any]]) -> None:
        lines[0]["response"]["status_code"] = code

    played = play(OPENAI)
    played.books.spoil = of_the_first_batch(played.books, edited(change))
    await played.session()
    played.check_complete()


@BOTH
async def test_usage_that_a_failed_line_states_is_charged(play: Callable[[str], Played], model: str) -> None:
    def change(lines: list[dict[str, Any]]) -> None:
        answer = answer_of(lines[0])
        error = {"type": "api_error", "message": "overloaded"}
        if model == OPENAI:
            lines[0]["response"] |= {"status_code": 400, "body": {"error": error, "usage": answer["usage"]}}
        else:
            lines[0]["result"] = {"type": "errored", "error": {"error": error}, "message": {"usage": answer["usage"]}}

    played = play(model)
    played.books.spoil = of_the_first_batch(played.books, edited(change))
    await played.session()
    (failed,) = (row for row in played.rows if row.status == "failed")
    (same,) = {row.charged_pico_usd for row in played.rows if row.status == "succeeded"}
    assert failed.charged_pico_usd == same
    assert failed.billed != "no"
    assert failed.raw_usage is not None
    played.check_budget()


@BOTH
@pytest.mark.parametrize("usage", [b"NaN", b"null", b"[]", b'"x"', b"-5", b'{"prompt_tokens": NaN}', b"{}"])
async def test_a_line_whose_usage_cannot_be_read_counts_at_its_worst_case(
    play: Callable[[str], Played], model: str, usage: bytes
) -> None:
    def spoil(body: bytes) -> bytes:
        line, rest = body.split(b"\n", 1)
        document = json.loads(line)
        answer_of(document)["usage"] = "USAGE"
        return json.dumps(document).encode().replace(b'"USAGE"', usage) + b"\n" + rest

    played = play(model)
    played.books.spoil = of_the_first_batch(played.books, spoil)
    await played.session()
    played.check_complete()
    budget = played.ledger.budget("run:r")
    assert budget is not None
    unknown = [row for row in played.rows if row.charged_pico_usd is None]
    assert [row.reserved_pico_usd for row in unknown] == [
        budget.spent_pico_usd - sum(row.charged_pico_usd or 0 for row in played.rows)
    ]


@BOTH
async def test_half_a_character_in_an_answer_is_kept(play: Callable[[str], Played], model: str) -> None:
    def change(lines: list[dict[str, Any]]) -> None:
        text = "7 \ud83d"
        answer = answer_of(lines[0])
        if model == OPENAI:
            answer["choices"][0]["message"]["content"] = text
        else:
            answer["content"] = [{"type": "text", "text": text}]

    played = play(model)
    played.books.spoil = of_the_first_batch(played.books, edited(change))
    await played.session()
    played.check_complete()
    assert "7 \ud83d" in [row.answer for row in transcript_rows(played.ledger, "r")]


# results that are not there at all


def page(status: int = 200) -> web.Response:
    return web.Response(text="<html>down for maintenance</html>", content_type="text/html", status=status)


def gone() -> web.Response:
    return web.json_response({"error": {"message": "No such file", "code": "not_found"}}, status=404)


@BOTH
@pytest.mark.parametrize("answer", [b"<html>back soon</html>", b"null", b"garbage", b"[]"])
async def test_a_page_in_the_place_of_results_stops_the_run_and_a_later_session_collects(
    play: Callable[[str], Played], model: str, answer: bytes
) -> None:
    played = play(model)
    played.books.spoil = lambda what, body: answer if what == "results" else body
    stopped = await played.session()
    assert (stopped.result.exit_code, stopped.result.models[0].n_left) == (1, LINES)
    assert "resume the run" in str(stopped.result.models[0].stopped_by)
    assert any("trying again" in text for text in stopped.notices)
    played.check_budget()
    played.books.spoil = None
    assert (await played.session()).result.exit_code == 0
    played.check_complete()


@BOTH
@pytest.mark.parametrize("answer", [b"", b"\n\n", None])
async def test_results_that_are_gone_for_good_are_possibly_billed_and_asked_again_only_on_resume(
    play: Callable[[str], Played], model: str, answer: bytes | None
) -> None:
    played = play(model)
    played.books.spoil = of_the_first_batch(played.books, lambda _: gone() if answer is None else answer)
    await played.check_bought_again_on_resume()


@BOTH
@pytest.mark.parametrize("status", [500, 503, 429, 408])
async def test_results_refused_for_a_moment_are_read_when_they_are_there(
    play: Callable[[str], Played], model: str, status: int
) -> None:
    left = [1, 2]

    def spoil(what: str, body: bytes) -> bytes | web.Response:
        return page(status) if what == "results" and left and left.pop() else body

    played = play(model)
    played.books.spoil = spoil
    await played.session()
    played.check_complete()


@pytest.mark.parametrize(
    "broken", [b"<html>", b"{broken", b"null", b'{"custom_id": 7}\n\xff', None, 500], ids=lambda value: str(value)[:12]
)
async def test_an_error_file_that_is_missing_or_broken_costs_no_answer(
    play: Callable[[str], Played], broken: bytes | int | None
) -> None:
    played = play(OPENAI)
    played.books.fails = {"a2"}
    left = [1, 2]

    def spoil(what: str, body: bytes) -> bytes | web.Response:
        if what != "errors" or len(played.books.batches) > 1:
            return body
        if isinstance(broken, int):
            return page(broken) if left and left.pop() else body
        return gone() if broken is None else broken

    played.books.spoil = spoil
    ended = await played.session()
    assert ended.result.exit_code == 0
    rows = played.rows
    assert Counter(row.status for row in rows)["succeeded"] == (3 if broken == 500 else LINES)
    played.check_budget()


@pytest.mark.parametrize("file_id", ["../../evil?x=", "a/b", "..", 5, ["f"], {"id": "f"}, "f" * 300, "é", "a b", True])
async def test_a_file_id_that_would_lead_elsewhere_is_not_asked_for(
    play: Callable[[str], Played], file_id: object
) -> None:
    played = play(OPENAI)

    def spoil(what: str, body: bytes) -> bytes:
        if what != "poll" or len(played.books.batches) > 1:
            return body
        return json.dumps({**json.loads(body), "output_file_id": file_id}).encode()

    played.books.spoil = spoil
    await played.check_bought_again_on_resume()
    assert not any("evil" in path for _, path, _ in played.books.seen)


# looking


LOOKS: dict[str, Callable[[], web.Response]] = {
    "a page of HTML": page,
    "null": lambda: web.json_response(None),
    "a list": lambda: web.json_response([]),
    "a number": lambda: web.json_response(5),
    "a text": lambda: web.json_response("ok"),
    "nothing": lambda: web.Response(body=b""),
    "no content": lambda: web.Response(status=204),
    "broken JSON": lambda: web.Response(body=b'{"id": "b'),
    "JSON nested too deep": lambda: web.Response(body=b"[" * 100_000),
    "bytes": lambda: web.Response(body=b"\xff\xfe\x00"),
    "an empty object": lambda: web.json_response({}),
    "a state that nobody knows": lambda: web.json_response({"status": "pondering", "processing_status": "pondering"}),
    "a state that is a list": lambda: web.json_response({"status": ["ended"], "processing_status": [1]}),
    "a state that is true": lambda: web.json_response({"status": True, "processing_status": True}),
    "500": lambda: page(500),
    "503 that asks for years": lambda: web.Response(status=503, headers={"Retry-After": "100000000"}),
    "503 that asks for a negative time": lambda: web.Response(status=503, headers={"Retry-After": "-5"}),
    "503 that asks for no number": lambda: web.Response(status=503, headers={"Retry-After": "soon"}),
    "503 that asks for NaN": lambda: web.Response(status=503, headers={"Retry-After": "nan"}),
    "429 until a far year": lambda: web.Response(status=429, headers={"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}),
    "a coding that is none": lambda: web.Response(body=b"x", headers={"Content-Encoding": "gzip"}),
    "529 with odd details": lambda: web.json_response({"error": {"details": 5, "type": ["x"]}}, status=529),
}


@BOTH
@pytest.mark.parametrize("trait", LOOKS)
async def test_an_odd_answer_while_looking_is_waited_for(play: Callable[[str], Played], model: str, trait: str) -> None:
    played, left = play(model), [1, 2, 3]
    played.books.spoil = lambda what, body: LOOKS[trait]() if what == "poll" and left and left.pop() else body
    ended = await played.session()
    assert ended.result.exit_code == 0
    assert any("trying again" in text for text in ended.notices)
    played.check_complete()


ENDLESS = ("a page of HTML", "null", "an empty object", "a state that nobody knows", "503 that asks for years", "500")


@BOTH
@pytest.mark.parametrize("trait", ENDLESS)
async def test_odd_answers_without_end_stop_the_run_and_a_later_session_collects(
    play: Callable[[str], Played], model: str, trait: str
) -> None:
    played = play(model)
    played.books.spoil = lambda what, body: LOOKS[trait]() if what == "poll" else body
    stopped = await played.session()
    assert (stopped.result.exit_code, stopped.result.models[0].n_left) == (1, LINES)
    assert "resume the run" in str(stopped.result.models[0].stopped_by)
    assert stopped.result.resume_command is not None
    assert {row.status for row in played.rows} == {"sent"}
    played.books.spoil = None
    assert (await played.session()).result.exit_code == 0
    played.check_complete()


@BOTH
@pytest.mark.parametrize("status", [302, 303, 307])
@pytest.mark.parametrize("what", ["poll", "results", "create"])
async def test_no_redirect_is_followed_and_no_key_leaves_with_it(
    play: Callable[[str], Played], monkeypatch: pytest.MonkeyPatch, model: str, what: str, status: int
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-batch-0123456789")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test-0123456789")
    elsewhere = Batches()
    async with serve_batches(elsewhere):
        headers = {"Location": elsewhere.url + "/v1/batches"}
        played = play(model)
        played.books.spoil = lambda asked, body: web.Response(status=status, headers=headers) if asked == what else body
        stopped = await played.session()
        assert stopped.result.exit_code == (0 if (what, model) == ("create", OPENAI) and status < 307 else 1)
        assert elsewhere.seen == []
    if stopped.result.exit_code:
        assert "redirect" in str(stopped.result.models[0].stopped_by)
    if (what, status) != ("create", 307):  # which asks for everything elsewhere: nothing was taken here
        played.check_budget()


@BOTH
@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_look_that_is_refused_for_good_stops_the_run_and_keeps_the_batch(
    play: Callable[[str], Played], model: str, status: int
) -> None:
    played = play(model)
    played.books.spoil = lambda what, body: page(status) if what == "poll" else body
    stopped = await played.session()
    assert (stopped.result.exit_code, stopped.result.models[0].n_left) == (1, LINES)
    assert "resume the run" in str(stopped.result.models[0].stopped_by)
    played.books.spoil = None
    assert (await played.session()).result.exit_code == 0
    played.check_complete()


FIELDS: dict[str, dict[str, Any]] = {
    "counts that are a text": {"request_counts": "many"},
    "counts that are null": {"request_counts": None},
    "counts that are a list": {"request_counts": [4]},
    "negative counts": {"request_counts": {"completed": -1, "succeeded": -1, "failed": -5, "total": -9}},
    "counts that are texts": {"request_counts": {"completed": "4", "succeeded": "4", "failed": None}},
    "fractions as counts": {"request_counts": {"completed": 0.5, "succeeded": 1e300, "failed": True}},
    "more answers than lines": {"request_counts": {"completed": 400, "succeeded": 400, "total": 400}},
    "an end in the far future": {"completed_at": 10**18, "ended_at": "9999-12-31T23:59:59-23:59"},
    "an end before the beginning": {"completed_at": -1, "ended_at": "0001-01-01T00:00:00+23:59"},
    "an end that is a text": {"completed_at": "yesterday", "ended_at": "yesterday"},
    "an end that is true": {"completed_at": True, "ended_at": True},
    "an end that is a fraction": {"completed_at": 1.5e9, "ended_at": 1.5e9},
    "an end that is a list": {"completed_at": [1], "ended_at": {}},
    "an end without a zone": {"completed_at": 0, "ended_at": "2026-01-01T00:00:00"},
    "an id that is another one": {"id": "../../evil?x="},
    "no id": {"id": None},
    "metadata that is a text": {"metadata": "x"},
    "errors beside success": {"errors": [5]},
}


@BOTH
@pytest.mark.parametrize("trait", FIELDS)
async def test_an_odd_field_of_the_state_changes_nothing(play: Callable[[str], Played], model: str, trait: str) -> None:
    played = play(model)
    played.books.spoil = lambda what, body: (
        json.dumps({**json.loads(body), **FIELDS[trait]}).encode() if what == "poll" else body
    )
    before_us = time.time_ns() // 1_000
    assert (await played.session()).result.exit_code == 0
    played.check_complete()
    assert all(before_us <= (row.finished_at_us or 0) <= time.time_ns() // 1_000 for row in played.rows)


@pytest.mark.parametrize("word", ["expired", "cancelled"])
@pytest.mark.parametrize(
    ("counts", "billed"),
    [
        ({"total": 4, "completed": 3, "failed": 0}, "no"),
        ({"total": 4, "completed": 4, "failed": 0}, "unknown"),
        ("three", "unknown"),
        (None, "unknown"),
    ],
)
async def test_a_line_of_a_batch_that_ended_early_costs_nothing_only_where_the_counts_say_so(
    play: Callable[[str], Played], word: str, counts: object, billed: str
) -> None:
    played = play(OPENAI)

    def spoil(what: str, body: bytes) -> bytes | web.Response:
        if len(played.books.batches) > 1:
            return body
        if what == "poll":
            return json.dumps({**json.loads(body), "status": word, "request_counts": counts}).encode()
        return edited(lambda lines: lines[1:])(body) if what == "results" else body

    played.books.spoil = spoil
    ended = await played.session()
    if word == "cancelled":
        assert "was cancelled at the provider" in str(ended.result.models[0].stopped_by)
        ended = await played.session()
    assert ended.result.exit_code == 0
    (lost,) = (row for row in played.rows if row.status != "succeeded")
    assert (lost.billed, lost.charged_pico_usd) == ((billed, 0) if billed == "no" else (billed, None))
    assert Counter(row.status for row in played.rows)["succeeded"] == LINES


@pytest.mark.parametrize("errors", [None, 5, "x", [], {"data": 5}, {"data": [5, {"message": 7}]}, {"data": [None]}])
async def test_a_batch_that_failed_for_a_reason_of_any_shape_stops_the_model_and_costs_nothing(
    play: Callable[[str], Played], errors: object
) -> None:
    played = play(OPENAI)
    failed = json.dumps({"status": "failed", "errors": errors, "request_counts": "none"}).encode()
    played.books.spoil = lambda what, body: failed if what == "poll" else body
    stopped = await played.session()
    assert (stopped.result.exit_code, stopped.result.models[0].n_left) == (1, LINES)
    assert {(row.status, row.billed) for row in played.rows} == {("cancelled", "no")}


# handing over


NAMELESS: dict[str, Callable[[], web.Response]] = {
    "an empty object": lambda: web.json_response({}),
    "an id that is null": lambda: web.json_response({"id": None}),
    "an id that is a number": lambda: web.json_response({"id": 5}),
    "an id that leads elsewhere": lambda: web.json_response({"id": "../../evil?x="}),
    "an id that is very long": lambda: web.json_response({"id": "b" * 10_000}),
    "an id with a line end": lambda: web.json_response({"id": "b\r\nX-Evil: 1"}),
    "null": lambda: web.json_response(None),
    "a list": lambda: web.json_response([{"id": "b"}]),
    "a page of HTML": page,
    "nothing": lambda: web.Response(body=b""),
    "500": lambda: page(500),
    "504": lambda: page(504),
}


@pytest.mark.parametrize("trait", NAMELESS)
async def test_an_upload_without_a_usable_answer_is_made_again_and_costs_nothing(
    play: Callable[[str], Played], trait: str
) -> None:
    played, left = play(OPENAI), [1, 2]
    played.books.spoil = lambda what, body: NAMELESS[trait]() if what == "upload" and left and left.pop() else body
    assert (await played.session()).result.exit_code == 0
    played.check_complete()
    assert len(played.books.batches) == 1


@pytest.mark.parametrize("trait", ["an empty object", "a page of HTML", "an id that leads elsewhere", "504"])
async def test_uploads_that_never_work_stop_the_run_and_cost_nothing(play: Callable[[str], Played], trait: str) -> None:
    played = play(OPENAI)
    played.books.spoil = lambda what, body: NAMELESS[trait]() if what == "upload" else body
    stopped = await played.session()
    assert (stopped.result.exit_code, stopped.result.models[0].n_left) == (1, LINES)
    assert {(row.status, row.billed, row.charged_pico_usd) for row in played.rows} == {("cancelled", "no", 0)}
    assert played.books.batches == {}


@pytest.mark.parametrize("trait", NAMELESS)
async def test_a_batch_whose_id_was_not_said_is_found_by_its_name(play: Callable[[str], Played], trait: str) -> None:
    played = play(OPENAI)
    played.books.spoil = lambda what, body: NAMELESS[trait]() if what == "create" else body
    assert (await played.session()).result.exit_code == 0
    played.check_complete()
    assert len(played.books.batches) == 1


@pytest.mark.parametrize("trait", ["an empty object", "a page of HTML", "an id that leads elsewhere", "504"])
async def test_a_batch_whose_id_was_not_said_and_that_has_no_name_is_possibly_billed(
    play: Callable[[str], Played], trait: str
) -> None:
    played = play(CLAUDE)
    played.books.spoil = lambda what, body: NAMELESS[trait]() if what == "create" else body
    stopped = await played.session()
    assert (stopped.result.exit_code, stopped.result.models[0].n_left) == (1, LINES)
    assert "possibly billed" in str(stopped.result.models[0].stopped_by)
    played.books.spoil = None
    assert (await played.session()).result.exit_code == 0
    played.check_complete(lost=LINES)


LISTS: dict[str, Callable[[], web.Response]] = {
    "a page of HTML": page,
    "null": lambda: web.json_response(None),
    "no data": lambda: web.json_response({}),
    "data that is a text": lambda: web.json_response({"data": "x"}),
    "rows that are null": lambda: web.json_response({"data": [None, 5]}),
    "a page without end": lambda: web.json_response({"data": [{"id": "b_x"}], "has_more": True}),
    "a last row without id": lambda: web.json_response({"data": [{"id": None}], "has_more": True}),
    "500": lambda: page(500),
}


@pytest.mark.parametrize("trait", LISTS)
async def test_a_list_of_batches_that_cannot_be_read_is_no_reason_to_hand_over_again(
    play: Callable[[str], Played], trait: str
) -> None:
    played = play(OPENAI)
    played.books.spoil = lambda what, body: (
        web.json_response({}) if what == "create" else LISTS[trait]() if what == "list" else body
    )
    stopped = await played.session()
    assert (stopped.result.exit_code, stopped.result.models[0].n_left) == (1, LINES)
    assert len(played.books.batches) == 1
    played.check_budget()
    played.books.spoil = None
    assert (await played.session()).result.exit_code == 0
    played.check_complete()


async def test_a_batch_that_is_listed_under_an_id_that_leads_elsewhere_is_neither_asked_for_nor_made_again(
    play: Callable[[str], Played],
) -> None:
    played = play(OPENAI)

    def spoil(what: str, body: bytes) -> bytes:
        document = json.loads(body)
        if what == "create":
            document["id"] = "../../evil?x="
        if what == "list":
            document["data"] = [{**batch, "id": "../../evil?x="} for batch in document["data"]]
        return json.dumps(document).encode()

    played.books.spoil = spoil
    for _ in range(2):
        stopped = await played.session()
        assert stopped.result.exit_code == 1
        assert "possibly billed" in str(stopped.result.models[0].stopped_by)
    assert len(played.books.batches) == 1
    assert not any("evil" in path for _, path, _ in played.books.seen)
    played.check_budget()


# the environment


@BOTH
async def test_a_password_of_netrc_is_not_sent(
    play: Callable[[str], Played], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password hunter2-secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-batch-0123456789")
    played = play(model)
    assert (await played.session()).result.exit_code == 0
    played.check_complete()
    assert {headers.get("authorization", "") for _, _, headers in played.books.seen} == {
        "Bearer sk-test-batch-0123456789" if model == OPENAI else ""
    }
