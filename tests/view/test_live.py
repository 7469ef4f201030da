"""A run under way: its page and its events say what a report over the same rows would, at the cost of what is new."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.support.wait import WebDriverWait
from sqlalchemy import event
from starlette.testclient import TestClient

from harness.errors import LedgerError, ProviderError
from harness.ledger import NO_USAGE, Ledger
from harness.ledger.reading.underway.live_rows import run_holder
from harness.ledger.writing.writer import Writer
from harness.models import ModelSpec
from harness.pricing.price_files import load_price_book
from harness.reports.facts.assembly import run_spends
from harness.runner.requests.attempt_ends import Spent
from harness.view.live.answer_pace import Pace
from harness.view.live.live_values import LiveState, LiveTask
from harness.view.live.live_words import words_of
from harness.view.live.run_reader import RunReader
from harness.view.live.watching import Watches
from tests.support.answering import answering, chat
from tests.support.ledger_rows import NOON_US, Filled, fill, outcome, start
from tests.support.running_commands import line_with, running
from tests.support.runs import Watcher, number_suite, run
from tests.support.view_servers import served
from tests.support.viewed import viewer

BOOK = load_price_book()


def write(ledger: Ledger, work: Callable[[Writer], Awaitable[object]]) -> None:
    """Write as a run does."""

    async def all_of_it() -> None:
        async with ledger.writer() as writer:
            await work(writer)

    asyncio.run(all_of_it())


def reader_of(ledger: Ledger, run_id: str = "run-1") -> RunReader:
    return RunReader(ledger, BOOK, run_id)


# what it says


class Pausing(Watcher):
    """Stands still at every tenth end of a request, and holds the live figures against a report's."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger, self.reader = ledger, reader_of(ledger)
        self.settled = 0
        self.states: list[LiveState] = []

    def attempt_settled(self, model: ModelSpec, *, spent: Spent, error: ProviderError | None) -> None:
        self.settled += 1
        if self.settled % 10:
            return
        before = run_spends(self.ledger, BOOK, ["run-1"])["run-1"]
        state = self.reader.read()
        if before == run_spends(self.ledger, BOOK, ["run-1"])["run-1"]:  # nothing was committed meanwhile
            assert state.spend == before
            self.states.append(state)


def test_the_dollars_of_a_run_under_way_are_those_of_a_report_over_the_same_rows(
    ledger: Ledger, tmp_path: Path
) -> None:
    """Retries, timeouts of unknown bill and cut answers among them; the reader saw each row once."""
    watcher = Pausing(ledger)
    suite = number_suite(tmp_path, 60, cap=300)
    run(suite, ["sim/reasoner@high", "sim/flaky", "sim/direct"], ledger, watcher=watcher, budget_usd=Decimal(50))
    totals = [state.spend.cost.total for state in watcher.states]
    assert len(totals) > 5
    assert totals == sorted(totals)
    assert totals[0] < totals[-1]
    assert any(state.spend.n_unknown_usage > state.spend.n_open_attempts for state in watcher.states)
    assert all(state.standing == "under way" for state in watcher.states)
    assert [budget.scope for budget in watcher.states[0].budgets] == ["run:run-1"]
    last = watcher.reader.read()
    assert last.is_over
    assert last.spend == reader_of(ledger).read().spend
    assert (last.n_planned, last.n_answered) == (180, 180)
    assert last.n_retries == last.spend.n_failed_attempts > 0


def test_one_who_watched_from_the_start_knows_what_one_who_comes_late_knows(ledger_url: str) -> None:
    """Before the first request, request by request, and in columns, on both databases."""
    with Ledger.open(ledger_url) as ledger, ledger.run_lock("run-1"):
        filled, watched = fill(ledger), reader_of(ledger)
        assert watched.read().spend.n_attempts == 0

        async def fail_once(writer: Writer) -> None:
            failed = await writer.send(start(filled, 1))
            await writer.settle(outcome(failed, status="timed_out", error_class="timeout", usage=NO_USAGE))
            again = start(filled, 1, request_id="again", try_number=2, retry_of=failed, reserved_pico_usd=7)
            await writer.send(again)

        write(ledger, fail_once)
        states = [watched.read()]
        answered(ledger, filled, 2, 2)
        states.append(watched.read())
        late = replace(reader_of(ledger).read(), as_of_us=states[-1].as_of_us)
        assert late.spend == run_spends(ledger, BOOK, ["run-1"])["run-1"]
        assert replace(states[-1], spend=late.spend, cells=late.cells) == late
        assert states[-1].spend.cost.total == late.spend.cost.total > 0
        assert [(cell.n_answered, cell.n_failed, cell.n_retries) for cell in states[-1].cells] == [(2, 0, 1), (0, 0, 0)]
        assert [cell.tasks for cell in late.cells] == [cell.tasks for cell in states[-1].cells]
        assert late.spend.n_open_attempts == late.n_retries == len(late.failures) == 1


def test_what_is_open_is_a_bound_beside_the_dollars_and_no_part_of_them(ledger: Ledger) -> None:
    filled, reader = fill(ledger), reader_of(ledger)
    write(ledger, lambda writer: writer.send(start(filled, reserved_pico_usd=2 * 10**12, reserved_input_tokens=9)))
    state = reader.read()
    assert state.spend.n_open_attempts == 1
    figures = words_of(state).figures
    assert figures["dollars"] == ("$0.00", "at most $2.00 more: 1 open or of unknown usage")
    assert figures["in_flight"][0] == "1"
    write(ledger, lambda writer: writer.settle(outcome(1)))
    after = reader.read()
    assert after.spend.n_open_attempts == after.spend.possibly_billed_usd == 0
    assert after.spend.cost.total == run_spends(ledger, BOOK, ["run-1"])["run-1"].cost.total > 0
    assert words_of(after).figures["dollars"][1] == "nothing open"


def test_a_run_whose_process_died_is_not_said_to_be_running(ledger_url: str) -> None:
    """Its status stays `running` for ever: what tells is the lock, which its holder's death gives back."""
    with Ledger.open(ledger_url) as ledger:
        fill(ledger)
        reader = reader_of(ledger)
        dead = words_of(reader.read())
        assert dead.status.startswith("Nobody works on it")
        assert "benchtab run --resume run-1" in dead.status
        with ledger.run_lock("run-1"):
            alive = reader.read()
            assert alive.standing == "under way"
            assert "process" in (alive.holder or "")
        # a database server takes an instant to see that a session has ended
        assert any(reader.read().standing == "abandoned" for _ in range(1_000))


def test_asking_who_works_on_a_run_takes_nothing_from_it(ledger: Ledger) -> None:
    """Also of a lock's file that a killed process left behind."""
    with ledger.run_lock("run-1"):
        left = next(Path(ledger.database).parent.glob("*.lock"))
        assert run_holder(ledger, "run-1") is not None
    left.write_text("process 1 on elsewhere\n")
    assert run_holder(ledger, "run-1") is None
    with ledger.run_lock("run-1"):
        assert run_holder(ledger, "run-1") is not None


HOSTILE = "<img src=x onerror=alert(1)></script>\u202etxt.exe\x1b[2J"


def test_what_a_server_said_of_a_failure_is_shown_as_text(ledger: Ledger) -> None:
    filled = fill(ledger)
    write(ledger, lambda writer: writer.send(start(filled)))
    failed = outcome(1, status="failed", error_class="server", error_message=HOSTILE, http_status=500, usage=NO_USAGE)
    write(ledger, lambda writer: writer.settle(failed))
    page = viewer(ledger).get("/runs/run-1").text
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;&lt;/script&gt;\\u202etxt.exe\\x1b[2J" in page
    (row,) = words_of(reader_of(ledger).read()).failures
    assert row[4].startswith("server: HTTP 500: <img")
    assert "\u202e" not in row[4]


def test_a_model_to_which_waves_may_give_more_or_nothing_yet_is_not_done(ledger: Ledger) -> None:
    fill(ledger)
    read = reader_of(ledger).read()
    task = LiveTask(task="math", n_planned=2, n_answered=1, n_failed=1)
    answered = [replace(cell, tasks=[task]) for cell in read.cells]
    nothing_planned = [replace(cell, tasks=[]) for cell in read.cells]
    said = [words_of(replace(read, cells=cells, is_open_ended=is_open_ended)).models[0][-1] for cells, is_open_ended
            in ((answered, False), (answered, True), (nothing_planned, False))]  # fmt: skip
    assert said == ["done", "–", "–"]


def test_without_a_script_the_page_is_read_again_by_itself(ledger: Ledger) -> None:
    fill(ledger)
    page = viewer(ledger).get("/runs/run-1").text
    assert '<noscript><meta http-equiv="refresh" content="10">' in page
    assert page.count("aria-live") == 1


def test_programs_have_the_same_figures_once_as_json(seen: TestClient) -> None:
    once = seen.get("/runs/seen/live?once=1").json()
    assert once == seen.get("/runs/seen/live", headers={"accept": "application/json"}).json() | {"as_of": once["as_of"]}
    assert once["standing"] == "complete"
    assert once["answers"]["n_answered"] == once["answers"]["n_planned"] == 6 * 2 * 140
    assert sum(model["answers"]["n_answered"] for model in once["models"]) == 6 * 2 * 140
    missing = seen.get("/runs/nothing/live?once=1")
    assert (missing.status_code, "there is no run nothing" in missing.json()["error"]) == (404, True)


def test_an_address_of_events_opened_in_a_browser_leads_to_the_page(seen: TestClient) -> None:
    found = seen.get("/runs/seen/live", headers={"accept": "text/html"}, follow_redirects=False)
    assert (found.status_code, found.headers["location"]) == (303, "/runs/seen")


def test_events_of_a_run_that_has_ended_are_its_whole_state_and_an_end(seen: TestClient) -> None:
    answer = seen.get("/runs/seen/live", headers={"accept": "text/event-stream", "last-event-id": "77"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    first, second = answer.text.strip().split("\n\n")
    assert first == "retry: 3000"
    number, name, data = second.split("\n")
    assert (number, name) == ("id: 1", "event: end")
    assert json.loads(data.removeprefix("data: "))["status"] == "Complete."


# pace


def pace(n_answers: int, every_s: float) -> Pace:
    made = Pace()
    for number in range(n_answers):
        made.take(NOON_US + round(number * every_s * 1e6))
    return made


def test_time_left_is_not_told_from_a_few_answers() -> None:
    assert pace(4, 1.0).time_left(100, NOON_US + 4_000_000, since_us=NOON_US) is None
    assert Pace().per_minute(NOON_US, since_us=NOON_US) is None


def test_time_left_has_an_interval_around_the_pace_of_the_last_minutes() -> None:
    left = pace(60, 1.0).time_left(120, NOON_US + 60_000_000, since_us=NOON_US)
    assert left is not None
    assert left.expected_s == pytest.approx(120.0)
    assert left.high_s is not None
    assert 80 < left.low_s < 120 < left.high_s < 180
    few = pace(5, 1.0).time_left(1, NOON_US + 5_000_000, since_us=NOON_US)
    assert few is not None
    assert few.high_s is None  # one answer may take any time


def test_a_pace_of_long_ago_tells_nothing_of_now() -> None:
    assert pace(100, 1.0).time_left(10, NOON_US + 1_000_000_000, since_us=NOON_US) is None


# what it costs


def steps_of(ledger: Ledger, reader: RunReader) -> int:
    """Count what the database does for one reading, in hundreds of its virtual machine's steps."""
    counted = [0]

    def count() -> int:
        counted[0] += 1
        return 0

    def watch(connection: Any, *_: object) -> None:
        connection.set_progress_handler(count, 100)

    event.listen(ledger.engine, "checkout", watch)
    reader.read()
    event.remove(ledger.engine, "checkout", watch)
    return counted[0]


def answered(ledger: Ledger, filled: Filled, first: int, count: int) -> None:
    """Store answers, and one request that is open."""

    async def store(writer: Writer) -> None:
        for number in range(first, first + count):
            attempt_id = await writer.send(start(filled, number, request_id=f"{filled.run_id}.{number}"))
            await writer.settle(outcome(attempt_id))

    write(ledger, store)


def test_an_event_costs_what_is_new_and_not_what_is_there(ledger: Ledger) -> None:
    filled, reader, steps = fill(ledger), reader_of(ledger), []
    other = fill(ledger, run_id="other")
    for number in (0, 40, 640):
        answered(ledger, filled, number, 40 if number < 640 else 5)
        reader.read()
        answered(ledger, other, number, 300 if number == 40 else 1)
        answered(ledger, filled, number + 300, 5)
        steps.append(steps_of(ledger, reader))
        if number == 40:
            answered(ledger, filled, 1_000, 600)
    assert steps[2] <= 1.2 * steps[0] + 5, steps
    assert reader.read().spend.cost.total == run_spends(ledger, BOOK, ["run-1"])["run-1"].cost.total


# who watches


class Counted:
    """A run that is read without a ledger: counts its readings, and may fail."""

    def __init__(self, state: LiveState) -> None:
        self.state, self.n_read, self.fails = state, 0, False

    def __call__(self) -> LiveState:
        self.n_read += 1
        if self.fails:
            raise LedgerError("the disk is gone")
        return self.state


@pytest.fixture
def going(ledger: Ledger) -> Counted:
    """A run that goes on for ever."""
    fill(ledger)
    return Counted(reader_of(ledger).read())


async def heard(events: AsyncIterator[Any], count: int) -> list[Any]:
    return [await anext(events) for _ in range(count)]


async def test_all_watchers_of_a_run_share_its_readings(going: Counted) -> None:
    watches = Watches(every_s=0.0)
    async with aclosing(watches.watch("run-1", going)) as one, aclosing(watches.watch("run-1", going)) as other:
        first, second = await asyncio.gather(heard(one, 5), heard(other, 5))
        assert first[-1][0] >= 5
        assert going.n_read <= max(first[-1][0], second[-1][0]) + 1
    n_read = going.n_read
    async with aclosing(watches.watch("other", Counted(going.state))) as clock:
        await heard(clock, 20)
    assert going.n_read <= n_read + 1  # nobody watches: nothing is read


async def test_a_slow_watcher_is_given_the_newest_state_only(going: Counted) -> None:
    watches = Watches(every_s=0.0)
    async with aclosing(watches.watch("run-1", going)) as slow, aclosing(watches.watch("run-1", going)) as quick:
        await heard(slow, 1)
        seen = await heard(quick, 12)
        ((number, _),) = await heard(slow, 1)
        assert number >= seen[-1][0]


async def test_a_watcher_of_a_quiet_run_hears_that_the_connection_stands(going: Counted) -> None:
    async with aclosing(Watches(every_s=60.0, heartbeat_s=0.001).watch("run-1", going)) as events:
        found = await heard(events, 40)
    assert None in found
    assert going.n_read == 1


async def test_a_ledger_that_cannot_be_read_for_a_while_ends_no_watch(going: Counted) -> None:
    going.fails = True
    async with aclosing(Watches(every_s=0.0).watch("run-1", going)) as events:
        ((_, problem),) = await heard(events, 1)
        assert isinstance(problem, LedgerError)
        going.fails = False
        found = await heard(events, 3)
        assert found[-1][1] is going.state


# a whole run

NOTE = """
window.seen = [];
const text = name => document.querySelector(`[data-figure=${name}]`)?.textContent;
const look = () => {
  const now = [Number(text("answers")), text("dollars")];
  if (JSON.stringify(now) !== JSON.stringify(seen.at(-1))) seen.push(now);
  if (document.querySelector(".live-ended").hidden) requestAnimationFrame(look);
  else window.hasSeenTheEnd = true;
};
look();
"""
"""Notes every change of two figures until the page says that the run has ended."""
SHOWN = "return window.seen.some(([answers]) => answers === arguments[0])"
HAS_ENDED = "return window.hasSeenTheEnd === true"


def has_shown(n_answers: int, browser: Any) -> bool:
    """Tell whether the page has ever shown so many answers."""
    return bool(browser.execute_script(SHOWN, n_answers))


@pytest.mark.browser
def test_a_run_is_seen_to_go_on_in_a_browser_until_its_report_stands_there(browser: Any, tmp_path: Path) -> None:
    """The run is a program of its own that is answered as far as the page has shown; the page is not touched."""
    file, allowed = tmp_path / "ledger.db", threading.Semaphore(4)
    Ledger.open(file).close()

    def answer(_: int) -> tuple[int, bytes]:
        assert allowed.acquire(timeout=240)
        return 200, chat(model="sim-direct")

    asked = ("run", "starter", "-m", "openai-compatible/sim-direct", "--limit", "20", "--concurrency", "2")
    wait = WebDriverWait(browser, 120, poll_frequency=0.05)
    with answering(answer) as server, served(file) as (host, port):
        words = (*asked, "--base-url", server.url, "--db", str(file), "--run-id", "going")
        browser.get_log("browser")
        with running(*words, folder=tmp_path, together=True) as going:
            line_with(going, "run going")
            browser.get(f"http://{host}:{port}/runs/going")
            browser.execute_script(NOTE)
            for n_answers, n_more in ((4, 3), (7, 5), (12, 1_000)):
                wait.until(partial(has_shown, n_answers))
                allowed.release(n_more)
            wait.until(lambda _: browser.execute_script(HAS_ENDED))
            seen = browser.execute_script("return window.seen")
        browser.find_element("css selector", ".live-ended a").click()
        wait.until(lambda _: browser.find_elements("css selector", "figure.chart"))
        assert browser.find_elements("css selector", "section[data-live]") == []
        severe = [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    counts = [answers for answers, _ in seen]
    assert counts == sorted(counts)
    with Ledger.open(file, create=False) as opened:
        state = RunReader(opened, BOOK, "going").read()
        assert tuple(seen[-1]) == (state.n_answered, words_of(state).figures["dollars"][0])
        assert state.spend == run_spends(opened, BOOK, ["going"])["going"]
    assert severe == []
