"""The page and the report of one sample tell a conversation turn by turn, as text, however long or hostile."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from harness.ledger import Ledger, ScoreRecord
from harness.pricing.price_files import load_price_book
from harness.rendering.json_text import to_json
from harness.reports.samples.conversation import indented
from harness.reports.samples.one_sample import WHOLE, one_sample
from harness.reports.samples.sample_document import Answers, sample_document
from harness.secrets import learn
from harness.view.answers.index_building import built_index, extend
from harness.view.answers.index_turns import LIMITS
from harness.view.page_addresses import sample_address, samples_address
from tests.reports.test_trajectory_figures import AT_LIMIT, NOT_BILLED, SOLVED
from tests.support.report_ledgers import AT_US, add_run, many, used
from tests.support.trajectory_ledgers import Conversation, Spoken, add_conversations
from tests.support.viewed import csv_rows, viewer

MODEL = "openai/gpt-4.1"
LONG = Conversation(
    spoken=[
        *(Spoken(calls=[(f"look_{n}", f'{{"n": {n}.50}}')], results=[f'{{"found": {n}}}']) for n in range(30)),
        Spoken(text="None.", reasoning="I looked everywhere."),
    ]
)
HOSTILE = Conversation(
    spoken=(
        Spoken(text="<script>alert(1)</script>", calls=[("</code><b>x</b>", '{"a": "</pre><img src=x>'), ("twice", "")],
               results=["<script>alert(2)</script>", "\u202etxet"]),
        Spoken(text="done"),
    ),
)  # fmt: skip
ANEW = Conversation(
    spoken=(
        Spoken(calls=[("old", "{}")], results=["old"]),
        Spoken(status=None),
        Spoken(turn=0, calls=[("new", "{}")], results=["fresh"]),
        Spoken(status="timed_out", usage=NOT_BILLED),
        Spoken(turn=1, text="ended", usage=used(10, 1)),
    )
)
BY_USER = Conversation(
    spoken=(
        Spoken(by="user_simulator", calls=[("reboot", "{}")], results=["rebooted"]),
        Spoken(by="user_simulator", text="It still fails."),
        Spoken(calls=[("check", "{}")]),
    ),
    score=None,
    reason="at_limit",
    rule="limit:turns",
)
JUDGED = Conversation(
    spoken=(Spoken(text="Bye."),), score=0.5, rule="ended:user_stop", answer='{"actions":1.0,"says":0.0}'
)
ALL = {
    "judged": JUDGED,
    "a": SOLVED,
    "limit": AT_LIMIT,
    "long": LONG,
    "hostile": HOSTILE,
    "anew": ANEW,
    "user": BY_USER,
}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with Ledger.open(tmp_path_factory.mktemp("conversations") / "ledger.db") as opened:
        asyncio.run(add_conversations(opened, "run-t", {MODEL: {(name, 0): found for name, found in ALL.items()}}))
        yield opened


@pytest.fixture(scope="module")
def asked(ledger: Ledger) -> TestClient:
    return viewer(ledger)


def _address(name: str) -> str:
    return sample_address("run-t", 1, list(ALL).index(name) + 1)


def _object(ledger: Ledger, name: str) -> dict[str, object]:
    found = one_sample(ledger, load_price_book(), 1, list(ALL).index(name) + 1, text_bytes=WHOLE)
    assert found is not None
    document = sample_document(Answers(samples=(found,), address=lambda _: "/"))
    (answer,) = json.loads(to_json(document.fields()))["answers"]
    told: dict[str, object] = answer["conversation"]
    return told


def test_turns_stand_in_order_with_calls_results_and_dollars(asked: TestClient) -> None:
    text = unescape(asked.get(_address("a")).text)
    places = [text.index(said) for said in ('"bag": 7', "belt 4", "Which flight?", "LH 7", "send", "It is on belt 4.")]
    assert places == sorted(places)
    assert "1,200 in (1,000 cached), 30 out, $0.00114, 1.00 s" in text
    assert "4 turns of the model, 3 tool calls, 10.0 s from the first request to the last answer" in text
    assert text.count('<details class="turn by-') == 5


def test_the_opening_is_not_told_twice(asked: TestClient) -> None:
    text = unescape(asked.get(_address("a")).text)
    asked_part = text[text.index('id="asked-head"') : text.index('id="said-head"')]
    assert "Where is my bag?" in asked_part
    assert "Which flight?" not in asked_part


def test_a_long_conversation_is_folded_in_its_middle(asked: TestClient) -> None:
    text = asked.get(_address("long")).text
    turns = re.findall(r'<details class="turn by-solve" id="turn-(\d+)-solve"( open)?>', text)
    assert [int(number) for number, is_open in turns if is_open] == [0, 1, 2, 28, 29, 30]
    assert len(turns) == 31
    assert "&#34;n&#34;: 7.50" in text  # as the model wrote it, laid out


def test_nothing_in_a_conversation_is_active(asked: TestClient) -> None:
    for address in (_address("hostile"), f"{_address('hostile')}?rendered=1"):
        page = asked.get(address).text
        assert "&lt;script&gt;alert(2)&lt;/script&gt;" in page
        assert not re.search(r"<script>alert|<img|<b>x", page)
        assert "\\u202etxet" in page


def test_the_parts_of_a_verdict_and_why_it_ended_are_said(asked: TestClient) -> None:
    text = unescape(asked.get(_address("judged")).text)
    assert "it ended because of: user_stop" in text
    assert "its score has parts: actions 1.0, says 0.0" in text
    assert "its score has parts" not in asked.get(_address("a")).text


def test_an_attempt_of_a_conversation_can_be_looked_at_alone(asked: TestClient) -> None:
    text = unescape(asked.get(_address("a")).text)
    links = re.findall(r'href="([^"]+\?attempt=\d+)">attempt', text)
    alone = unescape(asked.get(links[3]).text)
    assert "Tool calls" in alone
    assert "The conversation turn by turn" in alone
    assert "calls <code>lookup</code>" in alone  # in what was asked: the call of the first turn


def test_what_was_begun_anew_is_told_from_its_new_beginning(ledger: Ledger) -> None:
    told = _object(ledger, "anew")
    turns = told["turns"]
    assert isinstance(turns, list)
    assert (told["n_attempts_left_behind"], told["n_turns"], told["n_tool_calls"]) == (2, 2, 1)
    assert turns[0]["tool_calls"] == [{"name": "new", "arguments": "{}", "result": "fresh"}]
    assert (turns[1]["text"], len(turns[1]["attempts"])) == ("ended", 2)


def test_each_party_has_the_results_of_its_own_calls(ledger: Ledger) -> None:
    """The last call was made before the limit, and no request told its result."""
    told = _object(ledger, "user")
    turns = told["turns"]
    assert isinstance(turns, list)
    assert [(turn["purpose"], [call["result"] for call in turn["tool_calls"]]) for turn in turns] == [
        ("user_simulator", ["rebooted"]), ("user_simulator", []), ("solve", [None]),
    ]  # fmt: skip
    assert told["limit"] == "turns"


def test_a_terminal_tells_the_same(ledger: Ledger) -> None:
    found = one_sample(ledger, load_price_book(), 1, list(ALL).index("limit") + 1, text_bytes=WHOLE)
    assert found is not None
    document = sample_document(Answers(samples=(found,), address=lambda _: "/"))
    assert document.terminal is not None
    written = "\n".join(str(piece) for piece in document.terminal(80))
    assert "it ended at a limit: turns" in written
    assert "[1] model" in written


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"a":1.50}', '{\n  "a": 1.50\n}'),
        ('{"a": 123456789012345678901234567890}', '{"a": 123456789012345678901234567890}'),
        ("{no json", "{no json"),
        ("plain", "plain"),
        ("", ""),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_json_is_laid_out_and_anything_else_left_alone(text: str, shown: str) -> None:
    assert indented(text) == shown


def test_the_list_of_samples_has_columns_and_filters_of_conversations(asked: TestClient, ledger: Ledger) -> None:
    rows = {row["sample_id"]: row for row in csv_rows(asked, samples_address("run-t"))}
    told = {name: (row["n_turns"], row["n_tool_calls"], row["limit"], row["duration_s"]) for name, row in rows.items()}
    assert told["a"] == ("4", "3", "", "10.0")
    assert told["limit"] == ("2", "2", "turns", "7.0")
    assert told["anew"] == ("2", "1", "", "3.0")
    assert told["user"] == ("1", "1", "turns", "3.0")
    page = asked.get(samples_address("run-t")).text
    assert '<select name="limit">' in page
    for query, wanted in (({"limit": "turns"}, {"limit", "user"}), ({"turns_min": "5"}, {"long"}),
                          ({"calls_max": "1"}, {"anew", "user", "judged"})):  # fmt: skip
        assert {row["sample_id"] for row in csv_rows(asked, samples_address("run-t", **query))} == wanted
    ordered = csv_rows(asked, samples_address("run-t", sort="-turns"))
    assert [row["n_turns"] for row in ordered] == ["31", "4", "2", "2", "2", "1", "1"]


def test_a_key_in_a_call_or_its_result_is_masked(tmp_path: Path) -> None:
    key = "sk-" + "conversation-0123456789"
    leaky = Conversation(
        spoken=(Spoken(text=key, calls=[(key, f'{{"key": "{key}"}}')], results=[f"it was {key}"]), Spoken(text="ok"))
    )
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        asyncio.run(add_conversations(ledger, "run-t", {MODEL: {("a", 0): leaky}}))
        learn(key)  # after it was stored: what a ledger holds may be older than what is known
        page = viewer(ledger).get(sample_address("run-t", 1, 1)).text
        found = one_sample(ledger, load_price_book(), 1, 1, text_bytes=WHOLE)
        assert found is not None
        document = sample_document(Answers(samples=(found,), address=lambda _: "/"))
        assert document.terminal is not None
        written = [page, to_json(document.fields()), str(list(document.terminal(80)))]
    assert [key in text for text in written] == [False, False, False]


def test_a_list_of_single_requests_has_none_of_them(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        asyncio.run(add_run(ledger, "run-s", {MODEL: many(3, 1.0, 50)}))
        asked = viewer(ledger)
        page = asked.get(samples_address("run-s")).text
        (row, *_) = csv_rows(asked, samples_address("run-s"))
    assert {"n_turns", "n_tool_calls", "limit"}.isdisjoint(row)
    assert "turns_min" not in page
    assert '<select name="limit">' not in page


def test_a_list_that_was_read_goes_on_with_what_is_new(tmp_path: Path) -> None:
    """A run is under way: its index is brought up to date, and a sample whose next turn failed is not pending."""
    lost = Conversation(spoken=(Spoken(), Spoken(status="failed", usage=NOT_BILLED)), score=None)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        asyncio.run(add_conversations(ledger, "run-t", {MODEL: {("a", 0): SOLVED, ("b", 0): lost}}))
        built = built_index(ledger, load_price_book(), "run-t")
        assert built.columns["n_turns"].tolist() == [4, 1]
        assert [built.reasons[number] for number in built.why().tolist()] == ["", "failed"]
        score = ScoreRecord(attempt_id=5, planned_id=1, cell_id=1, scorer="environment", scorer_version="2",
                            scored_at_us=AT_US, value_millionths=0, rule="limit:seconds")  # fmt: skip

        async def rescore() -> None:
            async with ledger.writer() as writer:
                await writer.add_score(score)

        asyncio.run(rescore())
        assert extend(built, ledger, load_price_book())
        assert LIMITS[int(built.columns["limit"][0])] == "seconds"
