"""What a batch server may answer to a look or a hand-over: the run goes on, or stops with words and can be resumed.

Each trait spoils one kind of answer of the loopback server. Whatever it is, nothing is handed over twice without being
said to be possibly billed, and no answered line is missing from the budget.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from harness.ledger.batch_states import open_batches
from tests.support.batch_traits import BOTH, CLAUDE, LINES, OPENAI, Played, edited, gone, of_the_first_batch, page
from tests.support.loopback_batches import Batches, serve_batches

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
        assert stopped.result.exit_code == (0 if what == "create" and status < 307 else 1)
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


BROKEN: dict[str, Callable[[bytes], bytes | web.Response]] = {
    "a page of HTML": lambda _: page(),
    "refused": lambda _: page(400),
    "an error of the server": lambda _: page(500),
}


@BOTH
@pytest.mark.parametrize("trait", BROKEN)
async def test_results_that_are_broken_for_good_stop_two_sessions_and_no_more(
    play: Callable[[str], Played], model: str, trait: str
) -> None:
    """They stopped every session, and the run could never end."""
    played = play(model)
    played.books.spoil = of_the_first_batch(played.books, BROKEN[trait])
    first = await played.session()
    assert (first.result.exit_code, first.result.models[0].n_left) == (1, LINES)
    assert "tries once more" in str(first.result.models[0].stopped_by)
    assert len(open_batches(played.ledger, "r")) == 1
    await played.check_bought_again_on_resume()


@BOTH
async def test_results_that_come_when_they_are_asked_for_once_more_are_taken(
    play: Callable[[str], Played], model: str
) -> None:
    played = play(model)
    played.books.spoil = lambda what, body: page(400) if what == "results" else body
    assert (await played.session()).result.exit_code == 1
    played.books.spoil = None
    assert (await played.session()).result.exit_code == 0
    played.check_complete()


@BOTH
@pytest.mark.parametrize("status", [401, 429])
async def test_a_provider_that_refuses_the_account_is_no_reason_to_give_a_batch_up(
    play: Callable[[str], Played], model: str, status: int
) -> None:
    played = play(model)
    played.books.spoil = lambda what, body: page(status) if what == "results" else body
    for _ in range(3):
        assert (await played.session()).result.exit_code == 1
    played.books.spoil = None
    assert (await played.session()).result.exit_code == 0
    played.check_complete()


@BOTH
async def test_a_batch_that_the_provider_does_not_know_any_more_stops_two_sessions_and_no_more(
    play: Callable[[str], Played], model: str
) -> None:
    played = play(model)
    played.books.spoil = lambda what, body: (
        gone() if what in ("poll", "results") and len(played.books.batches) == 1 else body
    )
    first = await played.session()
    assert "tries once more" in str(first.result.models[0].stopped_by)
    await played.check_bought_again_on_resume()


@pytest.mark.parametrize("state", [{}, {"status": "pondering"}, {"status": "in_progress"}, {"status": [1]}])
async def test_an_odd_state_when_the_files_are_asked_for_is_no_reason_to_give_lines_up(
    play: Callable[[str], Played], state: dict[str, Any]
) -> None:
    played, looks = play(OPENAI), itertools.count()
    played.books.spoil = lambda what, body: (
        json.dumps(state).encode() if what == "poll" and 0 < next(looks) < 9 else body
    )
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
        return edited(lambda lines: [*lines[1:], lines[1]])(body) if what == "results" else body

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


@BOTH
@pytest.mark.parametrize("trait", NAMELESS)
async def test_a_batch_whose_id_was_not_said_is_found_by_its_name(
    play: Callable[[str], Played], model: str, trait: str
) -> None:
    played = play(model)
    played.books.spoil = lambda what, body: NAMELESS[trait]() if what == "create" else body
    assert (await played.session()).result.exit_code == 0
    played.check_complete()
    assert len(played.books.batches) == 1


async def test_a_batch_that_version_0_1_lost_at_anthropic_is_possibly_billed(
    play: Callable[[str], Played], tmp_path: Path
) -> None:
    """Its lines do not carry its key, so nobody can say whether it arrived."""
    played = play(CLAUDE)
    played.books.spoil = lambda what, body: page(500) if what in ("create", "list") else body
    stopped = await played.session()
    assert (stopped.result.exit_code, stopped.result.models[0].n_left) == (1, LINES)
    database = sqlite3.connect(tmp_path / "ledger.db")
    database.execute("DROP TRIGGER batches_facts")
    database.execute("UPDATE batches SET submission_key = '0123456789abcdef0123456789abcdef'")
    database.commit()
    database.close()
    played.books.spoil = None
    resumed = await played.session()
    assert resumed.result.exit_code == 0
    assert any("4 lines" in text and "possibly billed" in text for text in resumed.notices)
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


@BOTH
@pytest.mark.parametrize("trait", LISTS)
async def test_a_list_of_batches_that_cannot_be_read_is_no_reason_to_hand_over_again(
    play: Callable[[str], Played], model: str, trait: str
) -> None:
    played = play(model)
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
    played = play(model)
    assert (await played.session()).result.exit_code == 0
    played.check_complete()
    assert not any("basic" in str(headers).lower() for _, _, headers in played.books.seen)
