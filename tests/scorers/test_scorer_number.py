"""Numbers are compared exactly, wherever a reply hides them."""

from __future__ import annotations

import gzip
import json
from fractions import Fraction

import pytest

from harness.scorers import SCORERS, Score, score
from harness.scorers.number import parse_number
from harness.suites import Sample, ScorerRef
from tests.support.shared_data import shared


def sample(target: str) -> Sample:
    return Sample(task="t", sample_id="1", input="?", target=target)


def scored(text: str, target: str, **options: object) -> Score:
    outcome = score(ScorerRef(name="number", options=options), text=text, sample=sample(target), finish_reason="stop")
    assert isinstance(outcome, Score)
    return outcome


STATES = [
    ("Answer: 12 cm^2", "12"),
    ("\\boxed{27\\text{ cm}^3}", "27"),
    ("Answer: 9.8 m/s^2", "9.8"),
    ("Answer: 44 g of CO_2", "44"),
    ("Answer: 3/4 hours", "3/4"),
    ("\\boxed{\\frac{3}{4}\\text{ hours}}", "3/4"),
    ("Answer: 3/4 of the cake", "0.75"),
    ("Answer: 3 1/2", "3.5"),
    ("\\boxed{3\\frac{1}{2}}", "7/2"),
    ("Answer: ¾", "0.75"),
    ("So she earned \\$9{,}500 in total", "9500"),
    ("Answer: 8 000", "8000"),
    ("Answer: 1,00,000", "100000"),
    ("Answer: 1'000'000", "1000000"),
    ("Answer: –5", "-5"),
    ("Answer: 1 million", "1000000"),
    ("Answer: 2:00 PM", "2"),
    ("Answer: 100 m^2", "100"),
    ("Answer: –4", "-4"),
    ("Answer: 10^3", "1000"),
    ("Answer: 10³", "1000"),
    ("Answer: 12_000", "12000"),
    ("Answer: 1.234,5", "1234.5"),
    ("Answer: 1,234.5", "1234.5"),
    ("Answer: 3,5", "3.5"),
    ("Answer: 6.02×10^23", "6.02e23"),
    ("Answer: 6.02 \\times 10^{23}", "6.02e23"),
    ("Answer: 1.5e-4", "0.00015"),
    ("Answer: ٤٢", "42"),
    ("Answer: ４２", "42"),
    ("Answer: १२", "12"),
    ("Answer: −7", "-7"),
    ("Answer: $1,234.50", "1234.5"),
    ("Answer: -$5", "-5"),
    ("Answer: $-5", "-5"),
    ("Answer: 60%", "60"),
    ("Answer: 60 %", "60"),
    ("Answer: x = 7", "7"),
    ("Answer: 3 + 4 = 7", "7"),
    ("Answer: 36 (3 boxes of 12)", "36"),
    ("Answer: 36 out of 40", "36"),
    ("Answer: 36 apples.", "36"),
    ("Answer: **36**", "36"),
    ("**Answer:** 36", "36"),
    ("Answer:\n\n36", "36"),
    ("The answer is:\n\n36", "36"),
    ("The answer is 36.", "36"),
    ("The answer is 36. So he has 4 left over.", "36"),
    ("Antwort: 36", "36"),
    ("答案：36", "36"),
    ("答え: 36", "36"),
    ("Ответ: 36", "36"),
    ("উত্তর: ৩৬", "36"),
    ("คำตอบ: 36", "36"),
    ("Réponse : 36", "36"),
    ("Jibu: 36", "36"),
    ("Answer: seven", "7"),
    ("Answer: Twenty-one boxes", "21"),
    ("#### 36", "36"),
    ("So he has 36 apples left.", "36"),
    ("48 - 5 = 43", "43"),
    ("Answer: 2½", "2.5"),
    ("Answer: 1½ hours", "1.5"),
    ("Answer: 1/3", "1/3"),
    ("Answer: 10^{-3}", "0.001"),
    ("Answer: 5kg", "5"),
    ("Answer: 5 kg", "5"),
    ("Answer: €5", "5"),
    ("Answer: 5€", "5"),
    ("Answer: £3.20", "3.2"),
    ("Answer: 42°", "42"),
    ("Answer: 90^\\circ", "90"),
    ("<answer>36</answer>", "36"),
    ('{"answer": 36}', "36"),
    ('{"answer": "36"}', "36"),
    ("Answer: `36`", "36"),
    ("\\boxed{36}", "36"),
    ("$36$", "36"),
    ("Answer: $\\boxed{36}$", "36"),
    ("Answer: 36, because 3*12=36", "36"),
    ("Answer: 36 since each box has 12", "36"),
    ("Answer: about 36", "36"),
    ("Answer: approximately 36", "36"),
    ("Answer: ≈ 36", "36"),
    ("Answer: +36", "36"),
    ("Answer: - 36", "-36"),
    ("Answer: 36!", "36"),
    ("Answer: 2 dozen", "24"),
    ("Answer: 3.5 billion", "3500000000"),
    ("Answer: $5k", "5000"),
    ("Answer: 1 234 567", "1234567"),
    ("Answer: 1\u202f234\u202f567", "1234567"),
    ("Answer: 1\u00a0234", "1234"),
    ("Answer: 1.234.567", "1234567"),
    ("Answer: 007", "7"),
    ("Answer: .5", "0.5"),
    ("Answer: -.5", "-0.5"),
    ("Answer: -1/2", "-0.5"),
    ("Answer: -3 1/2", "-3.5"),
    ("\\boxed{-\\frac{3}{4}}", "-0.75"),
    ("\\boxed{\\dfrac{3}{4}}", "0.75"),
    ("\\boxed{\\text{36 apples}}", "36"),
    ("Answer: 3 and 1/2", "3.5"),
    ("Answer: 12万", "120000"),
    ("Answer: 5² ", "25"),
    ("Answer: 36 minutes\nConfidence: 95%", "36"),
    ("Answer: The total is 36", "36"),
    ("Answer: 36 m³", "36"),
    ("Answer: 36 m2", "36"),
    ("Answer: H2O: 18 g", "18"),
    ("Final Answer: 36", "36"),
    ("Answer: _36_", "36"),
    ("The final answer is $\\boxed{36}$.", "36"),
    ("答案是36。", "36"),
    ("La respuesta es 36.", "36"),
    ("Answer: USD 36", "36"),
    ("Answer: Rs. 500", "500"),
    ("Answer: 36/1", "36"),
    ("Answer: 5 × 10^2", "500"),
    ("Answer: 2^10", "1024"),
    ("Answer: 10 km/h", "10"),
    ("Answer: 7:00", "7"),
    ("Answer: 1,234,567.89", "1234567.89"),
    ("Answer: 25%", "25"),
    ("Answer: 3.0", "3"),
    ("The answer is **72**.", "72"),
    ("The final answer is 72 jars.", "72"),
    ("Therefore, she has 72 jars in total.", "72"),
    ("Answer: $72.00", "72"),
    ("Answer: 72.", "72"),
    ("Answer: 72 (seventy-two)", "72"),
    ("Answer: 7/2 cups", "3.5"),
    ("Answer: one hundred", "100"),
    ("Answer: There are 72 jars.", "72"),
    ("Answer: He needs 72 more.", "72"),
    ("Answer: Total cost = $72", "72"),
    ("Answer: 72 + 0 = 72", "72"),
    ("Answer: 72, i.e. 6 dozen", "72"),
    ("#### 1,234", "1234"),
    ("#### -5", "-5"),
    ("\\boxed{1{,}234}", "1234"),
    ("\\boxed{\\$1,234}", "1234"),
    ("\\boxed{72\\%}", "72"),
    ("\\boxed{72^\\circ}", "72"),
    ("\\boxed{x=72}", "72"),
    ("\\boxed{72 \\text{ jars}}", "72"),
    ("\\boxed{-72}", "-72"),
    ("\\boxed{\\mathbf{72}}", "72"),
    ("\\[72\\]", "72"),
    ("$$72$$", "72"),
    ("72", "72"),
    ("72 jars", "72"),
    ("Answer: 10:00 AM", "10"),
    ("Answer: 1.5 hours", "1.5"),
    ("Answer: 1 1/2 hours", "1.5"),
    ("Answer: 0.75", "3/4"),
    ("Answer: 75 cents", "75"),
    ("Answer: 2 × 10³", "2000"),
    ("Answer: 4.5×10⁻³", "0.0045"),
    ("Answer: 72 km²", "72"),
    ("Answer: 72 m³/s", "72"),
    ("Answer: 72 °C", "72"),
    ("Answer: 72°F", "72"),
    ("Answer: minus 5", "-5"),
    ("Answer: -5.5", "-5.5"),
    ("Answer: (72)", "72"),
    ("Answer: [72]", "72"),
    ("Answer: {72}", "72"),
    ("Answer: «72»", "72"),
    ("Answer: 72$", "72"),
    ("Answer: 72 USD", "72"),
    ("Answer: ₹72", "72"),
    ("Answer: ¥72", "72"),
    ("Answer: 72元", "72"),
    ("答案是72个苹果", "72"),
    ("Answer: 72\n\nExplanation: 3*24=72", "72"),
    ("Answer: 72\n#### 72", "72"),
    ("So 3 * 24 = 72. The answer is 72.", "72"),
    ("The total is 72", "72"),
    ("It takes 72 minutes (1 hour 12 minutes)", "72"),
    ("Answer: 5 000 000", "5000000"),
    ("Answer: 5.000.000", "5000000"),
    ("Answer: 12,5 %", "12.5"),
    ("Answer: .25", "1/4"),
    ("Answer: 1/4 + 1/4 = 1/2", "0.5"),
    ("Answer: 72-ish", "72"),
    ("Answer: #72", "72"),
    ("Answer: No. 72", "72"),
    ("Answer: 72 → done", "72"),
    ("Answer: ~72", "72"),
    ("Answer: <72>", "72"),
]
STATES_NOT = [
    ("Answer: 72-75", "75"),
    ("Answer: 72–75", "75"),
    ("Answer: 72/75", "75"),
    ("Answer: 7.2", "2"),
    ("Answer: 7,2", "2"),
    ("Answer: 7 2", "2"),
    ("Answer: 172", "72"),
    ("Answer: 7200", "72"),
    ("Answer: 72e3", "72"),
    ("Answer: 72k", "72"),
    ("Answer: 72 thousand", "72"),
    ("Answer: 72 hundred", "72"),
    ("Answer: 72 x 2", "2"),
    ("Answer: 72 * 2", "2"),
    ("Answer: 2^72", "72"),
    ("Answer: 72!", "2"),
    ("Answer: x^72", "72"),
    ("Answer: x_72", "72"),
    ("Answer: sqrt(72)", "72"),
    ("Answer: √72", "72"),
    ("Answer: \\sqrt{72}", "72"),
    ("Answer: \\log 72", "72"),
    ("Answer: |72|", "2"),
    ("Answer: 7:20", "20"),
    ("Answer: 07/20/2024", "2024"),
    ("Answer: 2024-07-20", "20"),
    ("Answer: 1.2.72", "72"),
    ("Answer: 192.168.0.72", "72"),
    ("Answer: v72b", "72"),
    ("Answer: 72 or 73", "73"),
    ("Answer: between 72 and 73", "73"),
    ("Answer: 72 to 1", "1"),
    ("Answer: 72:1", "1"),
    ("Answer: not 72", "72"),
    ("Answer: 3 hours and 72 minutes", "72"),
    ("The answer is unknown. I counted 72", "71"),
    ("Answer: -72", "72"),
    ("Answer: −72", "72"),
    ("Answer: minus 72", "72"),
    ("Answer: 72%", "0.72"),
    ("Answer: ⁷²", "72"),
    ("Answer: 10⁷²", "72"),
    ("Answer: 1/72", "72"),
    ("Answer: ⅐", "7"),
    ("Answer: 72 1/2", "72"),
    ("Answer: 72½", "72"),
    ("Answer: 0.72", "72"),
    ("Answer: 72i", "72"),
    ("Answer: 72π", "72"),
    ("Answer: 72\\pi", "72"),
    ("Answer: 72n", "72"),
    ("Answer: a72", "72"),
    ("Answer: $72M", "72"),
    ("Answer: 72 billion", "72"),
    ("Answer: 72万", "72"),
    ("Answer: 72..73", "73"),
    ("Answer: 72, 73", "73"),
    ("Answer: 72; 73", "73"),
    ("Answer: 12 cm^2", "2"),
    ("\\boxed{27\\text{ cm}^3}", "3"),
    ("Answer: 3/4 hours", "4"),
    ("Answer: 3/4 hours", "3"),
    ("Answer: 2 2/3", "3"),
    ("Answer: 2 2/3", "2"),
    ("So she earned \\$9{,}500 in total", "500"),
    ("Answer: 711", "11"),
    ("Answer: 2:30 PM", "30"),
    ("Answer: 2:30", "2"),
    ("Answer: 10^3", "3"),
    ("Answer: 10^3", "10"),
    ("Answer: 10³", "103"),
    ("Answer: 1.5e-4", "4"),
    ("Answer: 1.5e-4", "1.5"),
    ("Answer: 6.02×10^23", "23"),
    ("Answer: 6.02×10^23", "10"),
    ("Answer: 1,234", "234"),
    ("Answer: 1 234", "234"),
    ("Answer: 3 and 5", "5"),
    ("Answer: 3, 5", "5"),
    ("Answer: 3-5", "5"),
    ("Answer: 3 to 5", "5"),
    ("Answer: 2√3", "2"),
    ("Answer: 2√3", "3"),
    ("Answer: 2\\sqrt{3}", "3"),
    ("Answer: 2\\sqrt{3}", "2"),
    ("Answer: 3x", "3"),
    ("Answer: 2π", "2"),
    ("Answer: 3 + 4", "4"),
    ("Answer: 3:4", "4"),
    ("Answer: 12/3/2024", "2024"),
    ("Answer: 1.2.3", "3"),
    ("Answer: 2 hours 30 minutes", "30"),
    ("Answer: 5 feet 3 inches", "3"),
    ("Answer: 3 dollars and 50 cents", "50"),
    ("Answer: 1 million", "1"),
    ("Answer: $5k", "5"),
    ("Answer: 5²", "5"),
    ("Answer: 5²", "2"),
    ("Answer: 36 out of 40", "40"),
    ("Answer: 36 (3 boxes of 12)", "12"),
    ("Answer: ½", "1"),
    ("Answer: ½", "2"),
    ("Answer: 3½", "3"),
    ("Answer: –5", "5"),
    ("Answer: 1,00,000", "0"),
    ("Answer: 1'000", "1"),
    ("Answer: 1.234.567", "567"),
    ("Answer: H2O", "2"),
    ("Answer: x_1", "1"),
    ("Answer: x^2", "2"),
    ("The date was 3/4/2024", "2024"),
    ("So 12:30", "30"),
    ("Answer: 5!", "120"),
    ("Answer: 12 or 13", "13"),
    ("Answer: 3±1", "1"),
    ("Answer: 3.14e", "3"),
    ("Answer: 1e400", "1"),
    ("I cannot say.", "0"),
    ("Answer: 10%", "0.1"),
    ("Answer: 5 m^{-2}", "-2"),
    ("Answer: 5 m⁻²", "-2"),
    ("Answer: 5 m⁻²", "2"),
    ("\\frac{3}{4}", "4"),
    ("\\boxed{\\frac{x}{4}}", "4"),
    ("Answer: log_2 8", "2"),
    ("Answer: 2(3)", "3"),
    ("Answer: 3,5,7", "7"),
    ("Answer: 12,34", "34"),
    ("Answer: ２０％", "2"),
    ("Answer: 0x1F", "1"),
    ("Answer: 1/2/3", "3"),
    ("Answer: A4", "4"),
    ("Answer: 3rd of 5", "5"),
]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ("42.", 42),
        ("$1,234.50", Fraction(2469, 2)),
        ("-3", -3),
        ("\u22127", -7),
        ("60%", 60),
        ("3/4", Fraction(3, 4)),
        (r"\frac{3}{4}", Fraction(3, 4)),
        (r"-\frac34", Fraction(-3, 4)),
        ("1e3", 1000),
        ("0.1", Fraction(1, 10)),
        (".5", Fraction(1, 2)),
        (r"\$18", 18),
    ],
)
def test_a_written_number_is_read_exactly(text: str, value: Fraction) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text", ["", "forty", "1,23", "12 34", "--5", "1/0", r"\frac123", None, "NaN", "Infinity", "9" * 5000]
)
def test_what_is_no_number_is_none(text: str | None) -> None:
    assert parse_number(text) is None


def test_an_ending_is_not_the_whole_number() -> None:
    assert scored("Answer: 711", "11").value == 0.0


def test_no_digit_is_lost() -> None:
    assert scored("Answer: 700001", "700002").value == 0.0
    assert scored("Answer: 12345678901234567890", "12345678901234567891").value == 0.0


def test_a_full_stop_behind_a_number_does_not_make_it_wrong() -> None:
    assert scored("Answer: 42.", "42").value == 1.0


def test_no_answer_never_equals_no_reference() -> None:
    assert scored("I cannot say.", "n/a").reason == "no_answer"
    assert scored("Answer: 5", "n/a").value == 0.0


def test_the_last_answer_line_wins_over_later_numbers() -> None:
    found = scored("Answer: 3\nNo, wait.\n**Answer:** 4\n(checked 99 times)", "4")
    assert (found.value, found.rule) == (1.0, "answer_line")


def test_a_cut_reply_without_a_number_is_truncated_not_wrong() -> None:
    ref = ScorerRef(name="number")
    assert score(ref, text="", sample=sample("4"), finish_reason="length") == Score(
        reason="truncated", explanation="the reply ends at the output cap before an answer"
    )


def test_a_number_in_the_middle_of_a_cut_thought_is_not_its_answer() -> None:
    ref = ScorerRef(name="number")
    cut = score(ref, text="First 3 + 4 is 7, then", sample=sample("4"), finish_reason="length")
    assert isinstance(cut, Score)
    assert cut.reason == "truncated"
    settled = score(ref, text="Answer: 4\nLet me explain: 3", sample=sample("4"), finish_reason="length")
    assert isinstance(settled, Score)
    assert settled.value == 1.0


def test_a_refusal_is_unscored() -> None:
    outcome = score(ScorerRef(name="number"), text="4", sample=sample("4"), refused=True)
    assert outcome == Score(reason="refused")


def test_a_tolerance_is_inclusive_and_exact() -> None:
    assert scored("Answer: 0.3", "0.1", tolerance="0.2").value == 1.0
    assert scored("Answer: 0.3000001", "0.1", tolerance="0.2").value == 0.0


def test_an_unknown_rule_is_refused_by_the_options() -> None:
    with pytest.raises(ValueError, match="unknown rules"):
        SCORERS["number"].options.model_validate({"find": ["crystal_ball"]})


def test_every_labelled_gsm8k_answer_is_scored_as_its_label_says() -> None:
    path = shared("data/questions/gsm8k/example_model_solutions.jsonl.gz")
    authors = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    agreed = total = 0
    for row in map(json.loads, gzip.decompress(path.read_bytes()).splitlines()):
        target = row["ground_truth"].rpartition("A:")[2].strip()
        for author in authors:
            found = scored(row[author]["solution"], target, find=["short_answer_line"])
            agreed += (found.value == 1.0) is row[author]["is_correct"]
            total += 1
    assert (agreed, total) == (5276, 5276)


def test_recorded_answers_of_a_real_model_reach_the_published_score() -> None:
    path = shared("data/recorded/gsm8k_answers/gsm_gpt-3.5-turbo-0125.jsonl.gz")
    right = total = 0
    for row in map(json.loads, gzip.decompress(path.read_bytes()).splitlines()):
        found = scored(row["output"][0], row["answer"].strip("# "), find=["json:answer"])
        right += found.value == 1.0
        total += 1
    assert (right, total) == (1060, 1319)
    assert round(100 * right / total, 2) == 80.36


@pytest.mark.parametrize(("text", "target"), STATES)
def test_a_number_is_found_in_every_form_in_which_it_is_stated(text: str, target: str) -> None:
    assert scored(text, target).value == 1.0


@pytest.mark.parametrize(("text", "target"), STATES_NOT)
def test_a_fragment_of_what_is_stated_is_not_credited(text: str, target: str) -> None:
    assert scored(text, target).value != 1.0


def test_a_stated_answer_that_is_no_number_does_not_fall_through_to_a_later_one() -> None:
    found = scored("Answer: between 3 and 5\nI counted 4 twice, so 4", "4")
    assert (found.value, found.rule) == (0.0, "answer_line")


def test_a_colon_is_not_an_answer() -> None:
    assert scored("The answer is:\n\n72", "72").value == 1.0
