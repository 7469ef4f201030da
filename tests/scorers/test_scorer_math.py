"""Formulas are equal when they mean the same, and hostile ones cost bounded time and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys

from harness.formulas.tidying import is_worded
from harness.scorers import MathCheck, Score
from tests.support.math_forms import perturbed, rewritten
from tests.support.math_replies import finished, outcome
from tests.support.shared_data import shared


def values(pairs: list[tuple[str, str]]) -> list[float | None]:
    return [one.value for one in finished([outcome(f"\\boxed{{{answer}}}", target) for answer, target in pairs])]


EQUAL = [
    ("0.5", "\\frac{1}{2}"),
    ("\\dfrac12", "\\frac{1}{2}"),
    ("42.", "42"),
    ("1,000", "1000"),
    ("x = 5", "5"),
    ("2 + x", "x+2"),
    ("(x-1)(x+1)", "x^2-1"),
    ("\\sqrt{8}", "2\\sqrt{2}"),
    ("90^\\circ", "90"),
    ("\\text{Evelyn}", "Evelyn"),
    ("\\left(3,\\frac{\\pi}{2}\\right)", "(3, \\pi/2)"),
    ("15\\text{ cm}^2", "15\\mbox{ cm}^2"),
    ("\\{2, 1\\}", "\\{1, 2\\}"),
    ("4√2 + 8", "4\\sqrt{2}+8"),
    ("3√13", "3\\sqrt{13}"),
    ("½", "\\frac{1}{2}"),
    ("5²", "25"),
    ("x²+1", "x^2+1"),
    ("10³", "1000"),
    ("2π", "2\\pi"),
    ("4 sqrt(2) + 8", "4\\sqrt{2}+8"),
    ("sqrt(2)/2", "\\frac{\\sqrt{2}}{2}"),
    ("\\frac{1}{\\sqrt{2}}", "\\frac{\\sqrt{2}}{2}"),
    ("-1, 4", "4, -1"),
    ("x=-1 \\text{ or } x=4", "-1, 4"),
    ("x = -1 or x = 4", "-1,4"),
    ("1 \\pm \\sqrt{19}", "1+\\sqrt{19}, 1-\\sqrt{19}"),
    ("1-\\sqrt{19},1+\\sqrt{19}", "1 \\pm \\sqrt{19}"),
    ("\\{-2, 1+\\sqrt5, 1-\\sqrt5\\}", "\\{1\\pm\\sqrt{5},-2\\}"),
    ("y = 3 + 2x", "y = 2x + 3"),
    ("2x+3", "y = 2x + 3"),
    ("10x-14y+22z+8=0", "5x - 7y + 11z + 4 = 0"),
    ("-2 \\le x \\le 7", "x \\in [-2,7]"),
    ("[-2,7]", "x \\in [-2,7]"),
    ("x > 5", "(5,\\infty)"),
    ("(5,∞)", "(5,\\infty)"),
    ("(3,\\infty) \\cup (-\\infty,2)", "(-\\infty, 2) \\cup (3, \\infty)"),
    ("1 4/5", "1\\frac{4}{5}"),
    ("9/5", "1\\frac{4}{5}"),
    ("137.5", "137 \\frac{1}{2}"),
    ("1.602\\times 10^{-19}", "1.602 \\cdot 10^{-19}"),
    ("1.602e-19", "1.602\\times10^{-19}"),
    ("1011_{2}", "1011_2"),
    ("C", "\\text{(C)}"),
    ("(C)", "\\text{(C)}"),
    ("\\textbf{(C)}", "\\text{(C)}"),
    ("even", "\\text{even}"),
    ("Even", "\\text{even}"),
    ("1 - e^{-1}", "1 - \\frac{1}{\\mathrm{e}}"),
    ("\\frac{2^{2005}+1}{3\\cdot 2^{2006}}", "\\frac{2^{2005}+1}{3 \\cdot 2^{2006}}"),
    ("\\frac{1}{3}+\\frac{1}{6}", "\\frac12"),
    ("10080", "10,\\!080"),
    ("11111111100", "11,\\! 111,\\! 111,\\! 100"),
    ("$32,348", "\\$32,\\!348"),
    ("864", "864 \\mbox{ inches}^2"),
    ("864 square inches", "864 \\mbox{ inches}^2"),
    ("5.4", "5.4 \\text{ cents}"),
    ("\\begin{bmatrix}-1/3\\\\2/3\\\\5/3\\end{bmatrix}", "\\begin{pmatrix} -1/3 \\\\ 2/3 \\\\ 5/3 \\end{pmatrix}"),
    ("6.72 \\times 10^{-5}", ".0000672"),
    ("\\frac{57}{160}", ".35625"),
    ("\\tan(\\pi/2 - x)", "\\cot x"),
    ("\\frac{\\cos x}{\\sin x}", "\\cot x"),
    ("p-q", "p - q"),
    ("ab+5b+2a+10", "(a+5)(b+2)"),
    ("\\frac{9a+11}{20}", "\\frac{11+9a}{20}"),
    ("6r^{2}-4r-24", "2(3r^2-2r-12)"),
    ("274i+1", "1+274i"),
    ("\\binom{5}{2}", "10"),
    ("5!", "120"),
    ("\\log_2 8", "3"),
    ("\\ln e^2", "2"),
    ("|{-3}|", "3"),
    ("0.\\overline{3}", "\\frac13"),
    ("0.333", "0.333"),
    ("0.33333", "0.333"),
    ("\\frac{1}{3}", "0.333"),
    ("3.14159", "3.142"),
    ("270/7^\\circ", "\\frac{270}7\\text{ degrees}"),
    ("(2,12) \\cup (12,102)", "(12,102) ∪ (2,12)"),
    ("x^2", "x²"),
    ("\\sqrt[3]{8}", "2"),
    ("∛8", "2"),
    ("-√3", "-\\sqrt{3}"),
    ("√(x+1)", "\\sqrt{x+1}"),
    ("3·4", "12"),
    ("12÷4", "3"),
    ("6/2", "3"),
    ("7", "7"),
    ("−5", "-5"),
    ("5\\%", "5"),
    ("\\frac{4}{3}\\pi r^3", "\\frac{4\\pi r^3}{3}"),
    ("(\\frac{3}{5},\\frac{8}{3}]", "\\left(\\frac{3}{5},\\frac{8}{3}\\right]"),
    ("f(x) = x^2", "x^2"),
    ("(x,y)=(1,2)", "(1,2)"),
    ("2^{10}", "1024"),
    ("1 000 000", "1000000"),
    ("5\\text{ million}", "5000000"),
    ("30 degrees", "30^\\circ"),
    ("30°", "30^\\circ"),
    ("18\\pi+3", "3+18π"),
    ("\\frac{1}{2}x + 3", "x/2+3"),
    ("e^{i\\pi}", "-1"),
    ("\\sin^2 x + \\cos^2 x", "1"),
    ("a_1+a_2", "a_2+a_1"),
    ("\\lfloor 3.7 \\rfloor", "3"),
    ("2*3", "6"),
    ("x^{-1}", "\\frac1x"),
    ("10 / 4 = 2.5", "2.5"),
    ("x \\approx 3.142", "3.142"),
    ("$x=3$", "3"),
    ("\\text{3}", "3"),
    ("3 \\text{ and } 5", "3, 5"),
    ("\\mathbf{7}", "7"),
    ("x≥2", "[2,\\infty)"),
    ("{1,2,3}", "\\{1,2,3\\}"),
    ("\\frac{3}{4}\\text{ cups}", "\\frac34"),
    ("3/4", "\\frac34"),
    ("(1,2)", "(1, 2)"),
    ("\\left(1,2\\right)", "(1,2)"),
    ("-\\frac{1}{2}", "\\frac{-1}{2}"),
    ("\\frac{-1}{2}", "-\\frac12"),
    ("x=2,3", "2,3"),
    ("x=2, x=3", "2,3"),
    ("x \\in \\{2,3\\}", "\\{2,3\\}"),
    ("2,3", "\\{2,3\\}"),
    ("y=x+1", "x+1"),
    ("\\sqrt{12}", "2\\sqrt3"),
    ("2^{1/2}", "\\sqrt2"),
    ("2^(1/2)", "\\sqrt2"),
    ("e^2", "e^{2}"),
    ("\\ln(2)", "\\ln 2"),
    ("\\log_{10}100", "2"),
    ("n(n+1)/2", "\\frac{n(n+1)}{2}"),
    ("(n^2+n)/2", "\\frac{n(n+1)}{2}"),
    ("1+i", "i+1"),
    ("\\frac{\\sqrt{3}}{3}", "\\frac{1}{\\sqrt{3}}"),
    ("0.5", "½"),
    ("50", "50\\%"),
    ("12.0", "12"),
    ("1.20", "1.2"),
    ("3.5 \\times 10^2", "350"),
    ("2·3", "6"),
    ("5 cm", "5"),
    ("5", "5\\text{ cm}"),
    ("5cm", "5 \\text{ cm}"),
    ("\\$5", "5"),
    ("$5$", "5"),
    ("\\(5\\)", "5"),
    ("\\text{5}", "5"),
    ("5.", "5"),
    ("5 \\,", "5"),
    ("x=5.", "5"),
    ("{5}", "5"),
    ("+5", "5"),
    ("A=5", "5"),
    ("\\theta = \\frac{\\pi}{3}", "\\frac{\\pi}{3}"),
    ("60^{\\circ}", "60"),
    ("π/3", "\\frac{\\pi}{3}"),
    ("\\pi \\approx 3.14", "\\pi"),
    ("a^2+2ab+b^2", "(a+b)^2"),
    ("(x+1)^{10}", "(1+x)^{10}"),
    ("2^{100}", "2^{50}\\cdot 2^{50}"),
    ("\\sum", "\\sum"),
    ("\\text{Yes}", "yes"),
    ("yes", "\\text{Yes}"),
    ("No", "\\text{no}"),
    ("\\text{odd}", "odd"),
    ("\\infty", "∞"),
    ("[0,\\infty)", "x\\geq 0"),
    ("1", "1"),
    ("\\begin{pmatrix}1&0\\\\0&1\\end{pmatrix}", "\\begin{bmatrix}1&0\\\\0&1\\end{bmatrix}"),
    ("3\\sqrt{2}+1", "1+3√2"),
    ("x+y=3", "y+x=3"),
    ("x+y-3=0", "x+y=3"),
    ("2x+2y=6", "x+y=3"),
    ("\\cos(2x)", "2\\cos^2 x-1"),
    ("\\tan x", "\\frac{\\sin x}{\\cos x}"),
    ("n!/(2!)", "\\frac{n!}{2}"),
    ("1", "1"),
    ("\\frac{x^2-1}{x-1}", "x+1"),
    ("|x|", "|x|"),
    ("\\sqrt{x^2}", "|x|"),
    ("7,8,9", "9,8,7"),
    ("3:4", "3:4"),
    ("12:30", "12:30"),
    ("\\frac{7}{2}", "3.5"),
    ("10,000", "10000"),
    ("10\\,000", "10000"),
    ("1\\!,\\!234", "1234"),
    ("x^{2}y", "x^2 y"),
    ("yx^2", "x^2y"),
    ("\\dfrac{1}{3}", "1/3"),
    ("2\\frac{1}{3}", "\\frac73"),
    ("2 \\frac{1}{3}", "\\frac73"),
    ("\\frac{a}{b}", "a/b"),
]


DIFFERENT = [
    ("x=2", "2,3"),
    ("2,3", "2"),
    ("(2,3)", "(3,2)"),
    ("\\{2,3\\}", "\\{2,4\\}"),
    ("x+y=3", "x+y=4"),
    ("x-y=3", "x+y=3"),
    ("|x|", "x"),
    ("50%", "0.5"),
    ("0.50", "50"),
    ("12", "12.5"),
    ("1.2", "1.25"),
    ("1.25", "1.3"),
    ("3.1", "3.14"),
    ("355/113", "\\pi"),
    ("1.73", "\\sqrt3"),
    ("(-2)^2", "-4"),
    ("-2^2", "4"),
    ("2x", "x^2"),
    ("\\sin 2x", "2\\sin x"),
    ("i", "1"),
    ("ab", "a+b"),
    ("n!", "n"),
    ("3!", "3"),
    ("10", "10!"),
    ("5 kg", "5\\text{ g}"),
    ("(1,2]", "(1,2)"),
    ("\\text{yes}", "\\text{no}"),
    ("2^{99}", "2^{100}"),
    ("99999999999999999999", "100000000000000000000"),
    ("x \\ne 2", "2"),
    ("x<2", "2"),
    ("\\text{less than }2", "2"),
    ("about 2", "3"),
    ("none", "0"),
    ("\\emptyset", "0"),
    ("undefined", "0"),
    ("0/0", "0"),
    ("\\frac{0}{0}", "0"),
    ("5\\text{ or }7", "5"),
    ("x=5\\text{ if }y=2", "5"),
    ("1", "2"),
    ("5 + C", "5"),
    ("x + C", "x"),
    ("2n", "2n+1"),
    ("A", "B"),
    ("(A)", "\\text{(B)}"),
    ("12_5", "12_7"),
    ("12_5", "12"),
    ("12", "12_5"),
    ("3/4/5", "3/4"),
    ("1.2.3", "1.2"),
    ("2..3", "2"),
    ("5,000", "5"),
    ("1,000", "1"),
    ("\\frac12", "12"),
    ("\\frac{1}{2}3", "\\frac{1}{23}"),
    ("2^3 4", "2^{34}"),
    ("x_1", "x_2"),
    ("3\\text{ thousand}", "3"),
    ("\\sqrt", "2"),
    ("5^\\circ 30'", "5"),
    ("\\overline{AB}", "AB"),
    ("f(x)=2", "x"),
    ("4√2 + 8", "8"),
    ("5²", "5"),
    ("4 sqrt(2) + 8", "8"),
    ("1.602\\times10^{-19}", "6.626\\times10^{-34}"),
    ("1 + \\frac{1}{\\mathrm{e}}", "1 - \\frac{1}{\\mathrm{e}}"),
    ("\\frac{1}{2^{98}}", "\\frac{1}{2^{99}}"),
    ("1011_3", "1011_2"),
    ("4\\sqrt(2)", "4"),
    ("2, 4, \\ldots, 2n", "1, 2, \\ldots, n"),
    ("\\frac{1}{3 \\cdot 2^{2006}}", "\\frac{2^{2005}+1}{3 \\cdot 2^{2006}}"),
    ("700001", "700002"),
    ("711", "11"),
    ("0.33", "\\frac{1}{3}"),
    ("x+3", "x+2"),
    ("(2, 1)", "(1, 2)"),
    ("[0, 1)", "[0, 1]"),
    ("\\text{Zoe}", "\\text{Evelyn}"),
    ("-5", "5"),
    ("3 1/2", "31/2"),
    ("3\\frac12", "312"),
    ("12 34", "1234"),
    ("2.54", "2.5"),
    ("2.5", "2.54"),
    ("1.4142", "\\sqrt{2}"),
    ("3.14", "\\pi"),
    ("x=3, y=4", "3"),
    ("3, 5", "5"),
    ("(3,5)", "[3,5]"),
    ("5 km", "5\\text{ m}"),
    ("5", "5\\text{ million}"),
    ("I think 5", "5"),
    ("5 or 6", "5"),
    ("5+", "5"),
    ("5 apples and 3 pears", "5"),
    ("5 +/- 1", "5"),
    ("9^{9^{9^9}}", "2"),
    ("9^{9^{9^9}}", "x+1"),
    ("(10^9)!", "2"),
    ("\\sqrt{x}", "x"),
    ("x^2", "2x"),
    ("X", "x"),
    ("\\sin x", "\\cos x"),
    ("10", "10_2"),
    ("y=2x+3", "y=2x-3"),
    ("2x+3", "y=2x-3"),
    ("x>5", "x<5"),
    ("x \\ge 5", "(5,\\infty)"),
    ("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{pmatrix}2\\\\1\\end{pmatrix}"),
    ("\\begin{pmatrix}1&2\\end{pmatrix}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"),
    ("1/0", "0"),
    ("\\frac{1}{0}", "1"),
    ("", "1"),
    ("\\infty", "-\\infty"),
    ("0", "\\emptyset"),
    ("x", "y"),
    ("3i", "3"),
    ("1,2", "1,2,3"),
    ("1,1,2", "1,2,2"),
    ("10^{100}+1", "10^{100}"),
    ("0.1", "0.10001"),
    ("1.0001", "1"),
    ("0.5%", "50"),
    ("2^{3^2}", "64"),
    ("unknown", "5"),
    ("\\text{none}", "5"),
    ("no solution", "5"),
    ("5?", "6"),
    ("1e-9", "0"),
    ("0.0000001", "0"),
    ("\\frac{1}{2}a", "1/2"),
    ("6.6e-34", "1.6e-19"),
    ("3x", "3"),
    ("5\\text{ or }6", "5"),
    ("\\pm 2", "2"),
    ("2", "\\pm 2"),
    ("x^2+1=0", "x^2-1=0"),
]


def test_the_same_value_in_another_form_is_right() -> None:
    assert [pair for pair, value in zip(EQUAL, values(EQUAL), strict=True) if value != 1.0] == []


def test_another_value_is_wrong() -> None:
    assert [pair for pair, value in zip(DIFFERENT, values(DIFFERENT), strict=True) if value == 1.0] == []


def test_plain_numbers_are_settled_without_a_worker() -> None:
    assert isinstance(outcome(r"\boxed{0.5}", r"\frac{1}{2}"), Score)
    assert isinstance(outcome(r"\boxed{x+1}", "1+x"), MathCheck)


def test_the_last_box_counts_and_its_rule_is_recorded() -> None:
    found = outcome(r"First \boxed{3}, no: \boxed{\frac{1}{2}} (not 7).", r"\frac{1}{2}")
    assert isinstance(found, Score)
    assert (found.value, found.rule) == (1.0, "boxed")


def test_math_500_references_equal_themselves_and_a_rewritten_form_and_differ_from_a_perturbed_one() -> None:
    """Every eighth reference here; `python -m benchmarks.scoring` shows all 500 by subject."""
    path = shared("data/questions/math500/test.jsonl")
    answers = [json.loads(line)["answer"] for line in path.read_text(encoding="utf-8").splitlines()][::8]
    forms = [(form, answer) for answer in answers for form in (answer, rewritten(answer)[1], perturbed(answer))]
    assert all(form != target for form, target in forms[1::3])
    expected = [1.0, 1.0, 0.0] * len(answers)
    found = zip(forms, values(forms), expected, strict=True)
    assert [(form, value) for form, value, right in found if value != right] == []


def test_the_worker_itself_finds_references_equal_to_themselves() -> None:
    only_text = {"\\sum", "3:4", "12:30"}
    targets = [target for _, target in EQUAL if not is_worded(target) and target not in only_text] + [
        r"\begin{pmatrix} -7 \\ 16 \end{pmatrix}",
        r"(-\infty, 2) \cup (3, \infty)",
    ]
    scores = finished([MathCheck(answer=target, target=target) for target in targets])
    assert [one.value for one in scores] == [1.0] * len(targets)


def test_a_tower_of_powers_is_a_wrong_answer_and_not_left_out_of_the_mean() -> None:
    assert values([("9^{9^{9^9}}", "2"), ("9^{9^{9^9}}", "x+1"), ("(10^9)!", "3!")]) == [0.0, 0.0, 0.0]


def test_several_boxes_make_a_list_and_a_part_of_it_is_not_the_answer() -> None:
    three = "The roots are \\boxed{3}, \\boxed{5} and \\boxed{7}."
    found = finished(
        [outcome(three, "3, 5, 7"), outcome(three, "7"), outcome("\\boxed{-1} or $x = \\boxed{4}$", "-1, 4")]
    )
    assert [one.value for one in found] == [1.0, 0.0, 1.0]


def test_the_formula_of_a_sentence_is_the_answer() -> None:
    replies = [
        "The answer is $\\frac{1}{2}$.",
        "So the final answer is:\n\n$$\\frac{1}{2}$$",
        "Answer: $x = 0.5$, since it halves",
    ]
    assert [one.value for one in finished([outcome(reply, "\\frac{1}{2}") for reply in replies])] == [1.0] * 3


def test_scoring_imports_nothing_heavy() -> None:
    program = "import sys; import harness.scorers; assert not {'sympy', 'math_verify', 'asyncio'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
