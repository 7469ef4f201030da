"""A published spend table is solved from its dollars, statements and dated prices; nothing is typed in."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from harness.cli import reproduce as command
from harness.errors import InputError
from harness.ledger import Ledger
from harness.pricing import Price, PriceBook
from harness.reports.facts.assembly import spend_report
from harness.reproduction.linear import Constraint, at_least, at_most, is_feasible, value_range
from harness.reproduction.published import TokenRange, load_published
from harness.reproduction.rebuild import rebuild, rebuilt_bill, spread
from harness.reproduction.results import Reproduction, reproduce
from harness.usage.values import Meter

NAME = "artificial-analysis-2025-04"


def price(name: str, start: str, usd_in: str, usd_out: str) -> Price:
    provider, _, model = name.partition("/")
    return Price(
        provider=provider,
        model=model,
        rates={Meter.INPUT: Decimal(usd_in), Meter.OUTPUT: Decimal(usd_out)},
        effective_from=datetime.fromisoformat(start).replace(tzinfo=UTC),
        source="https://example.org/prices",
    )


BOOK = PriceBook(
    rows=(
        price("openai/o1", "2024-12-17", "15", "60"),
        price("openai/o3-mini", "2025-01-31", "1.1", "4.4"),
        price("openai/o1-mini", "2024-09-12", "3", "12"),
        price("openai/o1-mini", "2025-01-31", "1.1", "4.4"),
        price("openai/gpt-4o-2024-05-13", "2024-05-13", "5", "15"),
        price("openai/gpt-4o-2024-08-06", "2024-08-06", "2.5", "10"),
        price("openai/gpt-4.5-preview", "2025-02-27", "75", "150"),
        price("anthropic/claude-3-7-sonnet-20250219", "2025-02-24", "3", "15"),
        price("anthropic/claude-3-5-sonnet-20241022", "2024-10-22", "3", "15"),
        price("openai/o1", "2025-05-01", "1", "2"),  # later than the table: never a candidate
    )
)


@pytest.fixture(scope="module")
def solved() -> Reproduction:
    return reproduce(load_published(NAME), BOOK)


def test_o1s_dollars_and_statement_leave_a_range_of_input_tokens(solved: Reproduction) -> None:
    """15 I + 60 O = 2767.05 with O in 44..45 million: I from 4.47 to 8.47 million."""
    (candidate,) = solved.rows[0].candidates
    assert candidate.input_tokens is not None
    assert candidate.input_tokens.low == pytest.approx(4_470_000, abs=400)
    assert candidate.input_tokens.high == pytest.approx(8_470_000, abs=400)
    assert candidate.input_with_all is not None
    assert candidate.input_with_all.high == pytest.approx(6_025_967, abs=400)  # with GPT-4o's dollars and the ratio


def test_gpt_4o_fits_only_the_price_of_may_2024(solved: Reproduction) -> None:
    result = next(row for row in solved.rows if row.row.model == "GPT-4o")
    fits = {candidate.vintage.input_usd_per_mtok: candidate for candidate in result.candidates}
    assert set(fits) == {Decimal(5), Decimal("2.5")}
    assert fits[Decimal(5)].feasible
    assert fits[Decimal(5)].vintage.model == "gpt-4o-2024-05-13"
    assert not fits[Decimal("2.5")].feasible
    assert fits[Decimal("2.5")].input_tokens is None
    why = fits[Decimal("2.5")].why_not or ""
    assert "$2.50/$10" in why
    assert "o1" in why
    output = fits[Decimal(5)].output_tokens
    assert output is not None
    assert output.low == pytest.approx(5_250_000, abs=15_000)
    assert output.high == pytest.approx(5_770_000, abs=15_000)


def test_the_joint_solution_with_the_ratio_of_eight(solved: Reproduction) -> None:
    """5 I + 15 x = 108.85 and 15 I + 480 x = 2767.05: x = 2440.5 / 435 million."""
    x = Fraction(24405, 4350)
    assert solved.joint.output_tokens["GPT-4o"] == round(x * 10**6) == 5_610_345
    assert solved.joint.output_tokens["o1"] == round(8 * x * 10**6) == 44_882_759
    assert solved.joint.input_tokens["index prompts"] == round((Fraction(10885, 500) - 3 * x) * 10**6) == 4_938_966


@pytest.mark.parametrize(
    ("model", "low", "high"),
    [
        ("o3-mini-high", 76.8e6, 77.2e6),
        ("Claude 3.7 Sonnet (thinking)", 97.65e6, 98.15e6),
        ("Claude 3.5 Sonnet (October 2024)", 4.1e6, 4.55e6),
    ],
)
def test_the_other_rows_imply_their_output(solved: Reproduction, model: str, low: float, high: float) -> None:
    result = next(row for row in solved.rows if row.row.model == model)
    output = result.fitting[0].output_tokens
    assert output is not None
    assert output.high is not None
    assert low <= output.low < output.high <= high
    assert output.low <= solved.joint.output_tokens[model] <= output.high


def test_both_readings_of_o1_mini_are_not_determined(solved: Reproduction) -> None:
    result = next(row for row in solved.rows if row.row.model == "o1-mini")
    assert [candidate.vintage.input_usd_per_mtok for candidate in result.fitting] == [Decimal("1.1"), Decimal(3)]
    outputs = [candidate.output_tokens for candidate in result.fitting]
    assert outputs[0] is not None
    assert outputs[1] is not None
    assert outputs[0].low == pytest.approx(30.6e6, abs=0.1e6)
    assert outputs[1].low == pytest.approx(10.3e6, abs=0.1e6)
    assert any("$1.10/$4.40" in point and "$3/$12" in point for point in result.not_determined)
    assert "o1-mini" not in solved.joint.output_tokens


def test_named_rows_explain_part_of_the_group_totals(solved: Reproduction) -> None:
    explained = {group.group.name: (group.explained_usd, group.group.published_usd) for group in solved.groups}
    assert explained["reasoning"] == (Decimal("4738.21"), Decimal(5200))
    assert explained["non_reasoning"] == (Decimal("190.26"), Decimal(2400))


def test_the_articles_slip_is_found_by_the_price_book(solved: Reproduction) -> None:
    (slip,) = solved.slips
    assert slip.claim.published_usd_per_mtok == 600
    assert slip.price_book_usd_per_mtok == 150


def test_a_claim_that_agrees_with_the_book_is_no_slip() -> None:
    table = load_published(NAME)
    right = table.model_copy(
        update={"claim": (table.claim[0].model_copy(update={"published_usd_per_mtok": Decimal(150)}),)}
    )
    assert reproduce(right, BOOK).slips == ()


def test_rebuilt_totals_cost_the_published_dollars_to_the_cent(solved: Reproduction) -> None:
    for rebuilt in solved.rebuilt:
        vintage = rebuilt.candidate.vintage
        micro_usd = (
            vintage.input_usd_per_mtok * rebuilt.input_tokens + vintage.output_usd_per_mtok * rebuilt.output_tokens
        )
        assert round(micro_usd / 10**6, 2) == solved.table.find(rebuilt.model).published_usd
    assert len(solved.rebuilt) == 6


def test_a_later_price_is_never_a_candidate(solved: Reproduction) -> None:
    assert len(solved.rows[0].candidates) == 1


def changed(model: str, **values: Any) -> Reproduction:
    """Solve the shipped table with one row changed."""
    table = load_published(NAME)
    rows = tuple(row.model_copy(update=values) if row.model == model else row for row in table.row)
    return reproduce(table.model_copy(update={"row": rows}), BOOK)


def test_other_dollars_give_another_answer() -> None:
    """The solver computes: had GPT-4o cost $68.45, only $2.50/$10 would fit, and $5/$15 would not."""
    solved = changed("GPT-4o", published_usd=Decimal("68.45"))
    result = next(row for row in solved.rows if row.row.model == "GPT-4o")
    assert [candidate.vintage.input_usd_per_mtok for candidate in result.fitting] == [Decimal("2.5")]


def test_a_statement_that_contradicts_its_own_row_is_named() -> None:
    said = TokenRange(low=90_000_000, high=91_000_000, quote="over 90 million")
    result = changed("o1", stated_output_tokens=said).rows[0]
    assert result.fitting == ()
    assert "over 90 million" in (result.candidates[0].why_not or "")
    assert any(point.startswith("everything") for point in result.not_determined)


USER_TABLE = """
name = "mine"
title = "My table"
suite = "mine"
suite_version = "1"
at = 2025-04-10T00:00:00Z
n_requests = 100
[[source]]
name = "blog"
url = "https://example.org"
[[row]]
model = "o1"
published_usd = "75"
prices = ["openai/o1"]
shares_input = "prompts"
sources = ["blog"]
"""


def write(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_users_table_with_one_row_and_no_statements(tmp_path: Path) -> None:
    """75 dollars at 15/60: input from 0 to 5 million, output from 0 to 1.25 million (and half a cent)."""
    solved = reproduce(load_published(write(tmp_path, USER_TABLE)), BOOK)
    candidate = solved.rows[0].fitting[0]
    assert candidate.input_tokens is not None
    assert (candidate.input_tokens.low, candidate.input_tokens.high) == (0, 5_000_333)
    assert candidate.output_tokens is not None
    assert (candidate.output_tokens.low, candidate.output_tokens.high) == (0, 1_250_083)


def test_mistakes_in_a_table_are_reported_with_their_keys(tmp_path: Path) -> None:
    wrong = USER_TABLE.replace('published_usd = "75"', 'published_usd = "-75"').replace("n_requests", "n_request")
    with pytest.raises(InputError) as caught:
        load_published(write(tmp_path, wrong))
    places = {finding.where for finding in caught.value.findings}
    assert {"n_request", "n_requests", "row[1].published_usd"} <= places


def test_an_unknown_row_or_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="source 'nobody'"):
        load_published(write(tmp_path, USER_TABLE.replace('sources = ["blog"]', 'sources = ["nobody"]')))


def test_a_model_without_any_price_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no price for openai/o9"):
        reproduce(load_published(write(tmp_path, USER_TABLE.replace("openai/o1", "openai/o9"))), BOOK)


def test_an_unknown_table_names_the_known_ones() -> None:
    with pytest.raises(InputError, match=NAME):
        load_published("no-such-table")


def random_constraints(rng: random.Random) -> list[Constraint]:
    found = []
    for number in range(rng.randint(1, 6)):
        terms = {name: Fraction(rng.randint(-4, 4)) for name in ("x", "y", "z")}
        make = at_most if rng.random() < 0.6 else at_least
        found.append(make(terms, Fraction(rng.randint(-6, 10)), f"c{number}"))
    return found


def test_the_exact_solver_agrees_with_scipy() -> None:
    """150 random programs: the same verdict, and the same limits to nine digits."""
    from scipy.optimize import linprog

    rng = random.Random(42)
    seen = {"infeasible": 0, "bounded": 0, "unbounded": 0}
    for _ in range(150):
        constraints = random_constraints(rng)
        names = ("x", "y", "z")
        matrix = [[float(c.terms.get(name, 0)) for name in names] for c in constraints]
        bounds = [float(c.bound) for c in constraints]
        low = linprog([1, 0, 0], A_ub=matrix, b_ub=bounds)
        # presolve calls an unbounded program infeasible now and then
        high = linprog([-1, 0, 0], A_ub=matrix, b_ub=bounds, options={"presolve": False})
        ours = value_range("x", constraints)
        assert is_feasible(constraints) == (low.status != 2)
        if low.status == 2:
            assert ours is None
            seen["infeasible"] += 1
            continue
        assert ours is not None
        assert float(ours.low) == pytest.approx(low.fun, abs=1e-9)
        if ours.high is None:
            assert high.status in (3, 4)
            seen["unbounded"] += 1
        else:
            assert float(ours.high) == pytest.approx(-high.fun, abs=1e-9)
            seen["bounded"] += 1
    assert min(seen.values()) > 10


def test_a_program_on_which_the_first_phase_may_oscillate_has_no_solution() -> None:
    """w >= 10, y >= 9/4 w and y <= w cannot be; sympy 1.14 answers x = 5/2 at z = 1, w = 0."""
    written = [
        ({"w": "3/2", "y": "-2/3"}, "0"),
        ({"w": "-3/5", "x": "-1/2", "y": "-1/2"}, "1"),
        ({"w": "-1/3", "y": "1/3"}, "0"),
        ({"w": "1", "x": "-3/5", "y": "1"}, "-3/2"),
        ({"z": "1"}, "1"),
        ({"x": "-2/5", "y": "3/4", "z": "4/3"}, "4/3"),
        ({"w": "-1/5", "z": "2"}, "-2"),
        ({"w": "1/2", "x": "-1/5", "y": "1/2", "z": "3/5"}, "2/3"),
    ]
    constraints = [
        at_most({name: Fraction(factor) for name, factor in terms.items()}, Fraction(bound), "")
        for terms, bound in written
    ]
    assert value_range("x", constraints) is None
    assert not is_feasible(constraints)


def test_the_rebuilt_ledger_lands_on_the_published_dollars(solved: Reproduction) -> None:
    """A smaller number of requests, the same totals: the ordinary report gives the dollars to the cent."""
    smaller = replace(solved, table=solved.table.model_copy(update={"n_requests": 97}))
    published = {row.model: row.published_usd for row in solved.table.row}
    bill = rebuilt_bill(smaller, BOOK)
    assert [(model, 97, published[model]) for model, _, _ in bill] == bill
    assert len(bill) == 6


def test_rebuilt_rows_are_marked_reconstructed(solved: Reproduction, tmp_path: Path) -> None:
    smaller = replace(solved, table=solved.table.model_copy(update={"n_requests": 3}))
    with Ledger.open(tmp_path / "rebuilt.db") as ledger:
        report = spend_report(ledger, BOOK, rebuild(smaller, ledger))
    assert {row.facts.mark for row in report.rows} == {"reconstructed"}
    assert sum(row.facts.solve.tokens.output_tokens for row in report.rows) == sum(
        r.output_tokens for r in solved.rebuilt
    )


def test_spread_tokens_add_up() -> None:
    assert spread(10, 4) == [3, 3, 2, 2]
    assert sum(spread(44_882_759, 16_097)) == 44_882_759


def invoke(*arguments: str) -> Result:
    app = typer.Typer()
    app.callback()(lambda: None)
    command.register(app)
    return CliRunner().invoke(app, ["reproduce", *arguments], catch_exceptions=False)


def test_the_command_prints_the_contract_for_a_users_table(tmp_path: Path) -> None:
    result = invoke(write(tmp_path, USER_TABLE), "--json")
    document = json.loads(result.stdout)
    assert set(document) >= {"name", "source", "rows", "joint", "groups", "slips", "reconstructed"}
    (row,) = document["rows"]
    (candidate,) = row["candidates"]
    assert candidate["price"]["model"] == "o1"
    assert candidate["price"]["output_usd_per_mtok"] == "60"
    assert set(candidate["price"]) >= {"model", "effective_from", "input_usd_per_mtok", "output_usd_per_mtok"}
    assert (candidate["feasible"], candidate["why_not"]) == (True, None)
    assert set(candidate["input_tokens"]) == {"low", "high"}
    assert row["stated_output_tokens"] is None
    assert document["reconstructed"] == [{"model": "o1", "n_requests": 100, "usd": "75"}]


def test_the_command_prints_the_shipped_table_for_people() -> None:
    """With the shipped price book: the same verdicts as with the book of this file."""
    text = invoke("--no-rebuild").stdout
    assert "$108.85 at $2.50/$10 needs 19.54M to 22.84M input tokens" in text
    assert "4.47M to 8.47M" in text
    assert "4,738.21" in text
    assert "$150.00" in text
