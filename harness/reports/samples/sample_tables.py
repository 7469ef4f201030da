"""A sample as tables: its answers, scores, attempts, bills, their lines and the prices behind them.

Pure. Data flows `OneSample` (one, or the same question on several models) -> `Table`s for terminal, page and files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from harness.documents.table import Column, Table
from harness.instants import from_us, utc_text
from harness.ledger.encoding import read_json
from harness.ledger.reading.attempt_rows import AttemptRow
from harness.money import add, from_pico, plain
from harness.reports.facts.report_facts import Spend
from harness.reports.prices.price_tables import alias_sentence
from harness.reports.samples.attempt_bills import AttemptBill, AttemptFacts, BillKind, BillLine, PriceUsed, what_if_usd
from harness.reports.samples.conversation import Conversation
from harness.reports.samples.one_sample import OneSample

_MODEL = Column(name="model", description="Model as asked for.")
_EPOCH = Column(name="epoch", kind="integer", description="Repeat of the sample, from 0.", drops=9)
_ATTEMPT = Column(name="attempt", kind="integer", description="Attempt, in the order sent.")
_PURPOSE = Column(name="purpose", description="`solve`, `judge`, `user_simulator` or `tool`.", drops=1)

_TURN = Column(name="turn", kind="integer", description="Place in the sample's conversation, from 0.", drops=3)

SCORE_COLUMNS = (
    _MODEL, _EPOCH, _ATTEMPT,
    Column(name="scored_at", kind="timestamp", unit="UTC", title="scored", drops=4),
    Column(name="scorer"),
    Column(name="scorer_version", title="version", drops=5),
    Column(name="score", kind="decimal", description="0 to 1; empty = unscored."),
    Column(name="reason", description="Why there is no score.", drops=1),
    Column(name="answer", description="Answer as extracted."),
    Column(name="rule", description="Extraction rule that fired.", drops=2),
    Column(name="explanation", description="What the scorer saw.", drops=3),
    Column(name="counts", kind="boolean", description="Whether it counts: the newest of the attempt that counts."),
)  # fmt: skip
ATTEMPT_COLUMNS = (
    _MODEL, _EPOCH, _ATTEMPT, _PURPOSE,
    Column(name="try", kind="integer", drops=2),
    Column(name="retry_of", kind="integer", title="retry of", drops=5),
    Column(name="status"),
    Column(name="sent_at", kind="timestamp", unit="UTC", title="sent", drops=7),
    Column(name="first_byte_s", kind="decimal", unit="s", title="first byte (s)", drops=6),
    Column(name="duration_s", kind="decimal", unit="s", title="duration (s)", drops=1),
    Column(name="http_status", kind="integer", title="HTTP", drops=4),
    Column(name="error_class", title="error", drops=3),
    Column(name="error_message", title="message", drops=4),
    Column(name="finish_reason", title="finish", drops=6),
    Column(name="model_requested", title="asked", drops=8),
    Column(name="model_served", title="served", drops=8),
    Column(name="service_tier", title="tier", drops=8),
    Column(name="mode", drops=8),
    Column(name="request_id", title="request", drops=9),
    Column(name="provider_request_id", title="provider's id", drops=9),
)  # fmt: skip
BILL_COLUMNS = (
    _MODEL, _EPOCH, _ATTEMPT, _PURPOSE,
    Column(name="bill", description="`charged`, `free`, `stated` (by the provider), `invoiced` (by an account),"
           " `reused` (billed in an earlier run), `open`, `usage unknown`, `unpriced` or `not billed`."),
    Column(name="usd", kind="amount", unit="USD", title="USD",
           description="As the report counts it; empty = not known."),
    Column(name="charged_usd", kind="amount", unit="USD", title="charged",
           description="As the provider states, else at list price.", drops=2),
    Column(name="list_usd", kind="amount", unit="USD", title="list price", drops=3),
    Column(name="most_usd", kind="amount", unit="USD", title="at most", description="Where it is not known.", drops=3),
    Column(name="reserved_usd", kind="amount", unit="USD", title="reserved", drops=7),
    Column(name="charged_then_usd", kind="amount", unit="USD", title="charged then",
           description="When it was settled, at the prices known then, rounded up.", drops=5),
    Column(name="stated_usd", kind="amount", unit="USD", title="stated", description="By the provider.", drops=4),
    Column(name="invoiced_usd", kind="amount", unit="USD", title="invoiced", description="By an account.", drops=4),
    Column(name="tool_usd", kind="amount", unit="USD", title="its tool says", drops=4),
    Column(name="billed", description="Whether the provider bills it by its rule.", drops=6),
    Column(name="notes", drops=8),
)  # fmt: skip
LINE_COLUMNS = (
    _MODEL, _EPOCH, _ATTEMPT, _PURPOSE,
    Column(name="meter"),
    Column(name="quantity", kind="integer"),
    Column(name="unit", drops=3),
    Column(name="usd_per_mtok", kind="amount", unit="USD", title="USD per million"),
    Column(name="usd_per_unit", kind="amount", unit="USD", title="USD each", drops=4),
    Column(name="usd", kind="amount", unit="USD", title="USD"),
    Column(name="price_row", title="price row", drops=1),
    Column(name="price_from", kind="timestamp", unit="UTC", title="in force from", drops=4),
)  # fmt: skip
PRICE_COLUMNS = (
    Column(name="attempts"),
    Column(name="price_row", title="price row"),
    Column(name="from", title="in force from"),
    Column(name="until", drops=5),
    Column(name="applied", title="what held for it", description="Tier, size of the prompt, region, time.", drops=3),
    Column(name="name", title="reached by", description="Aliases followed, with their factors.", drops=4),
    Column(name="source", kind="link", drops=2),
    Column(name="checked_on", title="checked on", drops=1),
    Column(name="confidence", drops=6),
    Column(name="file", title="row", drops=7),
)  # fmt: skip

OPEN = "open"
"""What stands for the start of a price that was always in force."""


def scores_table(samples: Sequence[OneSample]) -> Table:
    """Lay out every score, in the order recorded: what rescoring changed stays to be seen."""
    rows = []
    for one in samples:
        newest = {score.attempt_id: score.score_id for score in one.scores}
        for score in one.scores:
            value = None if score.value_millionths is None else score.value_millionths / 1_000_000
            counts = score.attempt_id == one.counted_attempt_id and newest[score.attempt_id] == score.score_id
            rows.append((
                *_who(one), score.attempt_id, from_us(score.scored_at_us), score.scorer, score.scorer_version, value,
                score.reason, score.answer, score.rule, score.explanation, counts,
            ))  # fmt: skip
    return Table(name="scores", title="Scores", columns=SCORE_COLUMNS, rows=rows)


def attempts_table(samples: Sequence[OneSample]) -> Table:
    """Lay out every attempt of every purpose, in the order sent; with its turn where samples are conversations."""
    has_turns = any(row.turn is not None for *_, row in _attempts(samples))
    place = ATTEMPT_COLUMNS.index(_PURPOSE) + 1
    columns = (*ATTEMPT_COLUMNS[:place], *((_TURN,) if has_turns else ()), *ATTEMPT_COLUMNS[place:])
    rows = [
        (*_who(one), row.attempt_id, row.purpose, *((row.turn,) if has_turns else ()), row.try_number, row.retry_of,
         row.status, from_us(row.started_at_us),
         None if row.first_byte_us is None else row.first_byte_us / 1_000_000, each.duration_s, row.http_status,
         row.error_class, row.error_message, row.finish_reason, f"{row.provider_asked}/{row.model_requested}",
         row.model_served, row.service_tier, row.mode, row.request_id, row.provider_request_id)
        for one, each, row in _attempts(samples)
    ]  # fmt: skip
    return Table(name="attempts", title="Attempts", columns=columns, rows=rows)


def bills_table(samples: Sequence[OneSample]) -> Table:
    """Lay out what each attempt cost, beside what else is said of it."""
    rows = [(*_who(one), *_bill_cells(each)) for one, each, _ in _attempts(samples)]
    return Table(name="bills", title="What each attempt cost", columns=BILL_COLUMNS, rows=rows)


def _bill_cells(each: AttemptFacts) -> tuple[object, ...]:
    row, bill = each.row, each.bill
    return (
        row.attempt_id, row.purpose, bill.kind, bill.usd, bill.charged_usd, bill.list_usd, bill.bound_usd,
        _pico(row.reserved_pico_usd or None), _pico(row.charged_pico_usd), row.stated_cost_usd,
        _pico(each.told[-1].billed_pico_usd) if each.told else None,
        None if each.tool is None else each.tool.stated_cost_usd, row.billed, "; ".join(_notes(each)) or None,
    )  # fmt: skip


def lines_table(samples: Sequence[OneSample]) -> Table:
    """Lay out the bill meter by meter, as the export `charges` has it."""
    rows = [
        (*_who(one), row.attempt_id, row.purpose, *_line_cells(line))
        for one, each, row in _attempts(samples)
        for line in each.bill.lines
    ]
    notes = tuple(_total_sentences(samples)) if len(samples) == 1 else ()
    return Table(name="charges", title="How this cost came about", columns=LINE_COLUMNS, rows=rows, notes=notes)


def prices_table(samples: Sequence[OneSample]) -> Table:
    """Lay out the price rows behind the bills: since when, what held, who says so, and when that was checked."""
    used: dict[tuple[object, ...], list[int]] = {}
    for _, each, row in _attempts(samples):
        for price in each.bill.prices:
            used.setdefault(_price_cells(price), []).append(row.attempt_id)
    rows = [(", ".join(map(str, attempts)), *cells) for cells, attempts in used.items()]
    return Table(name="prices", title="Prices behind it", columns=PRICE_COLUMNS, rows=rows)


def price_sentences(samples: Sequence[OneSample]) -> Iterator[str]:
    """Say the same in sentences, for lines too narrow for the table."""
    for row in prices_table(samples).rows:
        attempts, name, start, until, applied, reached, source, checked_on, confidence, where = row
        ends = ("from", None if start == OPEN else start), ("until", until)
        span = " ".join(f"{word} {instant}" for word, instant in ends if instant)
        held = f"; {applied}" if applied else ""
        in_force = f", in force {span}" if span else ""
        yield f"{name} (attempt {attempts}){in_force}{held}" + (f"; reached by: {reached}" if reached else "")
        if source:
            yield f"  {source}; checked on {checked_on}; confidence {confidence}; {where}"


def _total_sentences(samples: Sequence[OneSample]) -> Iterator[str]:
    for one in samples:
        yield from cost_sentences(one)


def conversation_sentences(one: OneSample, told: Conversation) -> Iterator[str]:
    """Say how far a conversation went, how long it took, and what ended it."""
    calls = "" if told.n_calls is None else f", {told.n_calls:,} tool {'call' if told.n_calls == 1 else 'calls'}"
    wall = "" if told.wall_s is None else f", {told.wall_s:,.1f} s from the first request to the last answer"
    yield f"{told.n_turns:,} {'turn' if told.n_turns == 1 else 'turns'} of the model{calls}{wall}"
    if one.limit is not None:
        yield f"it ended at a limit: {one.limit}"
    rule = one.whole.rule or ""
    if rule.startswith(_ENDED):
        yield f"it ended because of: {rule.removeprefix(_ENDED)}"
    if parts := _parts_of_score(one.whole.answer):
        yield f"its score has parts: {parts}"
    if told.n_left_behind:
        before = f"{told.n_left_behind:,} {'request' if told.n_left_behind == 1 else 'requests'}"
        yield f"it was begun anew: {before} before that are billed and not shown here"


_ENDED = "ended:"
"""What the rule of a score begins with where an environment judged its end state."""


def _parts_of_score(answer: str | None) -> str:
    """Word the named parts of a verdict, which lie where other scorers have the answer; empty = it is no such thing."""
    try:
        parts = None if answer is None or not answer.startswith("{") else read_json(answer)
    except ValueError:
        parts = None
    return ", ".join(f"{name} {value}" for name, value in parts.items()) if isinstance(parts, Mapping) else ""


def cost_sentences(one: OneSample) -> Iterator[str]:
    """Say what a sample cost, by purpose where there are several, and what it would have cost asked differently."""
    parts = [("solving", one.standing.solve, {"solve"}), ("its judge", one.standing.judge, {"judge"}),
             ("simulated users and tools", one.standing.others, {"user_simulator", "tool"})]  # fmt: skip
    for name, spend, purposes in parts:
        if spend.n_attempts or name == "solving":
            charged = [each.bill.charged_usd for each in one.attempts if each.row.purpose in purposes]
            yield f"{name}: {spend_words(spend, add(usd for usd in charged if usd is not None))}"
    yield from _otherwise(one)


def _otherwise(one: OneSample) -> Iterator[str]:
    solving = [each.bill for each in one.attempts if each.row.purpose == "solve"]
    is_conversation = any(each.row.turn is not None for each in one.attempts)
    for question, words in (("batch", "as a batch"), ("no-cache", "without a cache")):
        if is_conversation and question == "batch":
            continue  # each of its turns waits for the one before
        usd = what_if_usd(solving, question)
        if usd is not None and usd != one.standing.solve.known_usd:
            yield f"the same {words}: ${plain(usd)}"


_BASES: Mapping[BillKind, str] = {
    "charged": "at list price",
    "free": "free of charge",
    "stated": "stated by the provider",
    "invoiced": "settled by an account",
    "reused": "reused, billed in an earlier run",
    "open": "under way or never settled",
    "usage unknown": "usage not known",
    "unpriced": "no price is known",
    "not billed": "not billed",
}


def cost_basis(one: OneSample) -> str:
    """Say in a few words what the cost of solving rests on: list prices, what the provider states, an account."""
    bills = [each.bill for each in one.attempts if each.row.purpose == "solve"]
    kinds = [bill.kind for bill in bills]
    # what was not billed adds nothing, and says nothing of the others
    told = [kind for kind in kinds if kind != "not billed"] or kinds
    words = [_basis(bill) for bill in bills if bill.kind in told]
    return ", ".join(dict.fromkeys(words)) or "nothing was asked"


def _basis(bill: AttemptBill) -> str:
    if bill.kind == "stated" and bill.list_usd is not None and bill.charged_usd is not None:
        return f"at list price; the provider states ${plain(bill.charged_usd)}"
    return _BASES[bill.kind]


def spend_words(spend: Spend, charged_usd: Decimal) -> str:
    """Write what was spent to the last digit, and say when it is not all, or not what was charged."""
    usd = spend.known_usd
    if usd is None:
        return "not known"
    more = " or more: not everything of it is known" if spend.is_lower_bound else ""
    if spend.n_uncached_logs:
        more = f" or less: cached tokens count as fresh ones{'; or more' if spend.is_lower_bound else ''}"
    charged = "" if charged_usd == usd else f" at list price; charged as stated: ${plain(charged_usd)}"
    return f"${plain(usd)}{charged}{more}"


def _attempts(samples: Sequence[OneSample]) -> Iterator[tuple[OneSample, AttemptFacts, AttemptRow]]:
    return ((one, each, each.row) for one in samples for each in one.attempts)


def _who(one: OneSample) -> tuple[str, int]:
    return one.model_name, one.planned.epoch


def _pico(amount: int | None) -> Decimal | None:
    return None if amount is None else from_pico(amount)


def _notes(each: AttemptFacts) -> Iterator[str]:
    yield from each.bill.notes
    yield from (f"{name}: {detail}" for name, detail in each.flags)
    yield from (f"{fact.source}" for fact in each.told)
    if each.tool is not None and each.tool.note:
        yield each.tool.note


def _line_cells(line: BillLine) -> tuple[object, ...]:
    start = None if line.price_from_us is None else from_us(line.price_from_us)
    row = line.price_model if line.model is None else f"{line.model} (inside the answer)"
    return (line.meter, line.quantity, line.unit, line.usd_per_mtok, line.usd_per_unit, line.usd, row, start)


def _price_cells(price: PriceUsed) -> tuple[object, ...]:
    found = price.explanation.found
    reached = [alias_sentence(alias) for alias in price.explanation.aliases]
    if found is None:
        return (
            f"{price.explanation.name}: no price is known",
            None,
            None,
            None,
            "; ".join(reached) or None,
            *[None] * 4,
        )
    row = found.price
    return (
        row.name,
        utc_text(row.effective_from) or OPEN,
        utc_text(row.effective_until),
        "; ".join(price.applied) or "the list price",
        "; ".join(reached) or None,
        row.source,
        None if row.checked_on is None else row.checked_on.isoformat(),
        row.confidence,
        row.where,
    )
