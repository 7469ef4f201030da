"""Results of a batch that are not as they should be: what can be read is settled, what cannot is possibly billed.

Each trait spoils the results of the loopback server. Whatever it is, no answered line is missing from the budget.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from harness.ledger.reading.attempt_rows import transcript_rows
from tests.support.batch_traits import (
    BOTH,
    DEEP,
    LINES,
    OPENAI,
    Played,
    Spoil,
    answer_of,
    beside,
    edited,
    first_line,
    gone,
    of_the_first_batch,
    page,
    with_answer,
    without,
)

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
    ended = await played.session(max_attempts=2, max_failed=0.5)
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
async def test_half_a_character_is_replaced_and_the_answer_kept(play: Callable[[str], Played], model: str) -> None:
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
    assert "7 \ufffd" in [row.answer for row in transcript_rows(played.ledger, "r")]


# results that are not there at all


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
    ended = await played.session(max_failed=0.5)
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
