"""The page of a sample shows all that is known of it, as text, whatever a model wrote and however much of it."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from harness.ledger import AttemptOutcome, AttemptStart, CellRecord, Ledger, PlannedRecord, RunRecord, Transcript
from harness.messages import ImagePart
from harness.rendering.html.marked_text import marked_html
from harness.runner.plan import image_sha256
from harness.secrets import learn, redact_pieces
from harness.view.page_addresses import sample_address
from tests.support.every_bill import AT_US, EVERY, RETRIED, Billed, add_billed, add_every_bill
from tests.support.viewed import viewer

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
SUITE = """
name = "pictures"
version = "1"
title = "Pictures"

[[tasks]]
name = "looking"
prompt = "{question}"
scorer = { name = "text" }

[tasks.dataset]
source = "files"
path = "pictures"
local = "rows.jsonl"
fields = { id = "id", question = "question", images = "image", target = "target" }
"""


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with Ledger.open(tmp_path_factory.mktemp("every") / "ledger.db") as ledger:
        asyncio.run(add_every_bill(ledger))
        yield viewer(ledger)


def address_of(sample_id: str) -> str:
    """Address of a sample of that ledger: cells are in the order of the models' first samples."""
    models = list(dict.fromkeys(each.model for each in EVERY))
    names = [*(each.sample_id for each in EVERY), RETRIED]
    model = next((each.model for each in EVERY if each.sample_id == sample_id), "openai/o3")
    return sample_address("every", models.index(model) + 1, names.index(sample_id) + 1)


def test_every_kind_of_bill_has_its_page(every: TestClient) -> None:
    for case in EVERY:
        page = every.get(address_of(case.sample_id))
        assert page.status_code == 200, case
        assert "How this cost came about" in page.text
        assert case.kind in page.text


@pytest.mark.parametrize(
    ("sample_id", "words"),
    [
        ("plain", "at list price"),
        ("stated", "at list price; the provider states $0.00071"),
        ("stated-alone", "stated by the provider"),
        ("free", "free of charge"),
        ("unpriced", "no price is known"),
        ("open", "under way or never settled"),
        ("unknown", "usage not known"),
        ("refused", "not billed"),
        ("invoiced", "settled by an account"),
        ("reused", "reused, billed in an earlier run"),
        (RETRIED, "at list price"),
    ],
)
def test_a_cost_says_what_it_rests_on_and_not_always_a_list_price(
    every: TestClient, sample_id: str, words: str
) -> None:
    text = unescape(every.get(address_of(sample_id)).text)
    assert re.findall(r"</b>cost(?:, or more)?<small>([^<]*)</small>", text) == [words]


def test_a_page_shows_what_was_asked_said_judged_and_charged(every: TestClient) -> None:
    text = unescape(every.get(address_of(RETRIED)).text)
    for shown in ("What is 1/4 + 1/4?", "First I add, then I check.", "right", "boxed", "solving: $0.0006",
                  "its judge: $0.000945", "retry of", '"prompt_tokens": 100', '"temperature": 0', "req-retried",
                  "anthropic/claude-sonnet-4-5", "checked on"):  # fmt: skip
        assert shown in text, shown
    assert text.count("<details id=") == 3


def test_nothing_of_a_model_s_text_is_active(every: TestClient) -> None:
    for address in (address_of("plain"), f"{address_of('plain')}?rendered=1"):
        page = every.get(address).text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "\\u202etxet" in page
        assert "\u202e" not in page
        assert not re.search(r"<[^>]* (style|on[a-z]+)=", page)


def test_formulas_and_code_are_rendered_on_demand(every: TestClient) -> None:
    assert "<math" not in every.get(address_of("plain")).text
    page = every.get(f"{address_of('plain')}?rendered=1").text
    assert '<math display="inline"><mrow><mfrac>' in page
    assert """<code class="language-python">print('&lt;b&gt;')""" in page


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>\n"),
        ("![x](http://a/b.png)", "<p>![x](http://a/b.png)</p>\n"),
        ("<http://a.b> https://c.d", "<p>&lt;http://a.b&gt; https://c.d</p>\n"),
        ("<b onclick=x>y</b>", "<p>&lt;b onclick=x&gt;y&lt;/b&gt;</p>\n"),
        ("&#x202e;abc &lt;b&gt;", "<p>\\u202eabc &lt;b&gt;</p>\n"),
        ("# Head", "<h3>Head</h3>\n"),
        ("$5 and $6", "<p>$5 and $6</p>\n"),
        ("$\\newcommand{\\a}{b}\\a$", "<p><code>\\newcommand{\\a}{b}\\a</code></p>\n"),
        ("$a_b_c$", "<p><code>a_b_c</code></p>\n"),
        ("$\\text{<script>}$", '<p><math display="inline"><mrow><mtext>&lt;script&gt;</mtext></mrow></math></p>\n'),
    ],
)
def test_marked_text_makes_no_links_images_or_tags(text: str, wanted: str) -> None:
    assert marked_html(text) == wanted


def test_formulas_over_lines_are_no_lists_or_headings() -> None:
    made = marked_html("Then\n\\[\na\n- b\n= c\n\\]\nand")
    assert made.count("<math") == 1
    assert "<ul>" not in made
    assert "<h" not in made


def test_cells_of_tables_have_no_styles() -> None:
    made = marked_html("| a | b |\n|---|--:|\n| 1 | 2 |\n")
    assert '<td class="n">2</td>' in made
    assert "style" not in made


@pytest.mark.parametrize(
    "text", ["*a " * 5000, "[" * 20_000, "$" * 20_000, "|a" * 5000 + "\n" + "|-" * 5000, "> " * 9000]
)
def test_odd_texts_are_rendered_all_the_same(text: str) -> None:
    assert marked_html(text)


def test_a_long_text_is_cut_and_whole_as_a_file(tmp_path: Path) -> None:
    whole = "".join(f"line {number} of a long answer \u00e9\n" for number in range(60_000))
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        _add_one(ledger, config={}, messages=[{"role": "user", "content": "Write."}], answer=whole)
        view = viewer(ledger)
        page = view.get("/runs/one/samples/1/1")
        assert len(page.text) < 230_000
        assert "Show all as a file" in page.text
        file = view.get("/runs/one/samples/1/1?format=txt&table=answer")
    assert file.text == whole
    assert file.headers["content-type"] == "text/plain; charset=utf-8"
    assert file.headers["content-disposition"] == 'attachment; filename="answer.txt"'
    assert file.headers["x-content-type-options"] == "nosniff"


def test_thousands_of_calls_for_one_sample_are_a_table_and_some_details(tmp_path: Path) -> None:
    calls = [Billed(sample_id="many", kind="charged", payload={"prompt_tokens": 9, "completion_tokens": 1})] * 250
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        _add_one(ledger, config={}, messages=[{"role": "user", "content": "Go."}], answer="a")

        async def fill() -> None:
            async with ledger.writer() as writer:
                for number, call in enumerate(calls, 2):
                    await add_billed(writer, call, 1, 1, try_number=number)

        asyncio.run(fill())
        page = viewer(ledger).get("/runs/one/samples/1/1?attempt=240").text
    assert page.count('<details id="attempt-') == 201
    assert "51 more are in the table" in page
    assert 'id="attempt-240"' in page


def test_a_prompt_that_is_no_list_of_messages_is_shown_as_it_is_stored(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        _add_one(ledger, config={}, messages={"not_stored": "nested too deep"}, answer="a")  # type: ignore[arg-type]
        page = viewer(ledger).get("/runs/one/samples/1/1")
    assert page.status_code == 200
    assert "nested too deep" in page.text


def test_next_and_previous_walk_along_the_list_of_the_address(every: TestClient) -> None:
    for _ in range(100):  # its samples are read meanwhile
        page = every.get(f"{address_of('plain')}?sort=cost").text
        if 'rel="next"' in page:
            break
        every.get("/runs/every/samples")
    assert re.search(r'<a class="button" href="/runs/every/samples/\d+/\d+\?sort=cost" rel="next" data-key="j">', page)
    assert "only wrong" in page


def test_a_secret_over_the_edge_of_two_pieces_is_masked() -> None:
    learn("sk-edge-0123456789abcdefghij")
    pieces = ["x" * 10_000 + " sk-edge-01234", "56789abcdefghij " + "y" * 10_000]
    assert "sk-edge" not in "".join(redact_pieces(pieces))


def test_images_of_the_suite_s_own_data_are_shown_and_others_are_said(tmp_path: Path) -> None:
    suite = tmp_path / "pictures.toml"
    suite.write_text(SUITE, encoding="utf-8")
    data = base64.b64encode(PIXEL).decode()
    row = f'{{"id": "p1", "question": "What?", "target": "a", "image": "data:image/png;base64,{data}"}}'
    (tmp_path / "rows.jsonl").write_text(row, encoding="utf-8")
    here = image_sha256(ImagePart(media_type="image/png", data=PIXEL))
    gone = f"image/png;sha256={'0' * 64}"
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        _add_one(ledger, config={"suites": [str(suite)]}, answer="a",
                 messages=[{"role": "user", "content": ["What?", {"image": here}, {"image": gone}]}])  # fmt: skip
        page = viewer(ledger).get("/runs/one/samples/1/1").text
    assert page.count('<img src="data:image/png;base64,') == 1
    assert "not shown: the suite&#39;s data hold no such image now" in page


@pytest.mark.parametrize(
    "address", ["/runs/every/samples/1/9999", "/runs/other/samples/1/1", "/runs/every/samples/x/1",
                "/runs/every/samples/1/1?attempt=99", "/runs/every/samples/1/99999999999999999999"]
)  # fmt: skip
def test_a_sample_that_is_not_there_is_said(every: TestClient, address: str) -> None:
    assert every.get(address).status_code == 404


def test_what_is_shown_of_the_bill_is_the_file(every: TestClient) -> None:
    file = every.get(f"{address_of('cached')}?format=csv&table=charges").text.splitlines()
    assert file[0].startswith("attempt,purpose,meter,quantity")
    assert [line.split(",")[2:4] for line in file[1:]] == [
        ["input", "800"], ["cache_read", "1200"], ["reasoning", "700"], ["output", "200"],
    ]  # fmt: skip


def _add_one(ledger: Ledger, *, config: dict[str, object], messages: list[dict[str, object]], answer: str) -> None:
    """Store a run `one` of one sample with one answer."""
    ledger.create_run(
        RunRecord(run_id="one", created_at_us=AT_US, plan_sha256="", harness_version="0", price_book_sha256="",
                  config=config)
    )  # fmt: skip
    (cell,) = ledger.add_cells(
        "one", [CellRecord(suite="pictures", suite_version="1", suite_sha256="", provider="openai", model="o3")]
    )
    (planned,) = ledger.add_planned(
        "one",
        [PlannedRecord(suite="pictures", task="looking", sample_id="p1", epoch=0, draw_order=0,
                       inclusion_probability=1.0, sample_sha256="")],
    )  # fmt: skip

    async def fill() -> None:
        async with ledger.writer() as writer:
            attempt_id = await writer.send(
                AttemptStart(request_id="one", cell_id=cell, planned_id=planned, model_requested="o3",
                             started_at_us=AT_US)
            )  # fmt: skip
            await writer.settle(
                AttemptOutcome(attempt_id=attempt_id, status="succeeded", finished_at_us=AT_US + 1),
                transcript=Transcript(messages=messages, answer=answer),
            )

    asyncio.run(fill())
