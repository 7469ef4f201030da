"""Multiple choice: the right letter is found by the strongest rule that fires, and the rule is recorded."""

from __future__ import annotations

import itertools
import json

import pytest

from harness.scorers import WEAK_RULES
from harness.scorers.choice import settle
from harness.scorers.cues import cues
from harness.suites import Sample
from tests.support.choice_replies import SAMPLE, TEN_STONES, scored, stone
from tests.support.shared_data import shared


@pytest.mark.parametrize(
    ("text", "letter", "rule"),
    [
        ("Answer: B", "B", "answer_line"),
        ("**Answer: B**", "B", "answer_line"),
        ("**Answer:** (B) green", "B", "answer_line"),
        ("Answer: B because green is right", "B", "answer_line"),
        ("The final answer: B.", "B", "answer_line"),
        (r"Answer: $\boxed{B}$ and so on" + "\n" + r"\boxed{C}", "C", "boxed"),
        (r"So \boxed{\text{B}}", "B", "boxed"),
        ("I think the answer is (C).", "C", "answer_is"),
        ("the answer is option **D**", "D", "answer_is"),
        ("I would take option C here", "C", "option_words"),
        ("After some thought:\n\nB.\n", "B", "lone_letter"),
        ("B. green", "B", "only_line"),
        ("**(C)** blue", "C", "only_line"),
        ("Answer: green", "B", "option_text"),
    ],
)
def test_the_chain_finds_the_letter_and_names_its_rule(text: str, letter: str, rule: str) -> None:
    found = scored(text)
    assert (found.answer, found.rule) == (letter, rule)


def test_the_last_answer_line_wins() -> None:
    assert scored("Answer: A\nOn reflection that is wrong.\nAnswer: B").value == 1.0


def test_a_strong_rule_beats_a_later_weak_one() -> None:
    found = scored("Answer: B\nNote that option C is also tempting.\nC\n")
    assert (found.answer, found.rule) == ("B", "answer_line")


def test_ordinary_prose_is_not_an_answer() -> None:
    assert scored("I believe that a careful reader sees it. A dog barks.").reason == "no_answer"
    assert scored("Answer: I am not sure").reason == "no_answer"


def test_a_letter_beyond_the_options_is_no_answer() -> None:
    assert scored("Answer: G").reason == "no_answer"


def test_a_list_of_options_is_not_an_answer() -> None:
    assert scored("A. red\nB. green\nC. blue").reason == "no_answer"


def test_recorded_direct_answers_of_a_real_model_are_read_as_their_authors_did() -> None:
    path = shared("data/questions/mmmu_pro/sample.jsonl")
    for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        ten = Sample(task="t", sample_id="1", input="?", target=row["answer"], choices=tuple("abcdefghij"))
        found = scored(row["gpt4o_direct"], ten)
        assert (found.answer, found.value == 1.0) == (row["gpt4o_pred"], row["gpt4o_right"])


def test_weak_rules_are_named_so_that_reports_can_count_them() -> None:
    assert {scored("option B").rule, scored("B").rule} <= WEAK_RULES
    assert scored("Answer: B").rule not in WEAK_RULES


def test_a_reply_of_ten_million_characters_takes_bounded_time() -> None:
    assert scored("**" * 5_000_000).reason == "no_answer"
    assert scored("\n" * 10_000_000 + "Answer: B").value == 1.0


STATES = [
    ("A: Let's think step by step. We know ... The answer is (G).", "G"),
    ("The answer is (B). Explanation: Option A is not right because I is.", "B"),
    ("The answer is (A) 5.\n\nQuestion: foo\nAnswer: Let's think step by step. The answer is (C).", "C"),
    ("The answer is (A).\n\nQuestion: foo\nOptions:\nA. x\nB. y\nAnswer: Let's think step by step. The", "A"),
    ("So the answer is I.", "I"),
    ("The answer is (I).", "I"),
    ("answer is **(D)**", "D"),
    ("The correct answer is: (F) $40,000", "F"),
    ("The answer is (J): None of the above", "J"),
    ("The answer is J, none of the above.", "J"),
    ("Thus, the best answer is option (H), the", "H"),
    ("**Answer: (B) 12.5 m/s**", "B"),
    ("The final answer is $\\boxed{(E)}$", "E"),
    ("The answer is (C)  since A is wrong", "C"),
    ("the answer is (D) because option (A) would require I = 3", "D"),
    ("Therefore, the answer is (A) None.", "A"),
    ("The answer is A.", "A"),
    ("the answer is A, B is wrong", "A"),
    ("The answer is (B) and (C) are wrong", "B"),
    ("The answer is: C. 42", "C"),
    ("The answer is (C) 42. However, the answer might also be (D).", "D"),
    ("I would choose option D.", "D"),
    ("My final answer is (B)", "B"),
    ("Hence, option (B) is correct.", "B"),
    ("Option (G) is the correct answer.", "G"),
    ("the correct option is (A) one", "A"),
    ("Thus the correct choice is B: two", "B"),
    ("Answer: (C). three", "C"),
    ("Answer is C", "C"),
    ("ANSWER: C", "C"),
    ("Answer- C", "C"),
    ("Ans: (C)", "C"),
    ("The answer is (C) three, not (D) four.", "C"),
    ("The answer is not (D) but (C).", "C"),
    ("So, (C) is the answer.", "C"),
    ("Thus, the answer must be (C).", "C"),
    ("It follows that answer choice (C) is right.", "C"),
    ("The correct answer is C) three.\n\nLet me know if you have other questions!", "C"),
    ("Final answer: **C**\n\nA) wrong. B) wrong.", "C"),
    ("\\text{The answer is (C)}", "C"),
    ("$\\text{Answer: C}$", "C"),
    ("The answer is (C", "C"),
    ("The answer is\n(C)", "C"),
    ("The answer is:\n\n(C) three", "C"),
    ("The correct answer is:\nC) three", "C"),
    ("Correct Answer:\n\n**C) three**", "C"),
    ("**C. three**\n\nExplanation: because A is bigger", "C"),
    ("The answer is (c).", "C"),
    ("the answer is option c", "C"),
    ("(C)", "C"),
    ("Based on the above, the most likely answer is (C) three.", "C"),
    ("I'm confident that the answer is C", "C"),
    ("Let's pick (C).", "C"),
    ("The answer to this question is (C).", "C"),
    ("The answer, based on calculations, is (C).", "C"),
    ("The probable answer is C.", "C"),
    ("The answer should be (C).", "C"),
    ("The answer would be C.", "C"),
    ("The answer will be (C).", "C"),
    ("The answer has to be (C).", "C"),
    ("The answer seems to be (C).", "C"),
    ("The answer appears to be (C).", "C"),
    ("The answer turns out to be (C).", "C"),
    ("This matches answer choice C.", "C"),
    ("This corresponds to option (C).", "C"),
    ("which is option C", "C"),
    ("which corresponds to (C).", "C"),
    ("The closest option is (C) three.", "C"),
    ("Closest answer: (C)", "C"),
    ("The answer is (C).<|eot_id|>", "C"),
    ("The answer is (C).\n\n---\n\n**Note:** option A is a distractor.", "C"),
    ("The answer is (C).\nConfidence: 90%", "C"),
    ("Answer: (C)\n\nReason: The answer A fails since I = 0", "C"),
    ("The answer is (C). I hope this helps.", "C"),
    ("The answer is (C). A is too small.", "C"),
    ("**The answer is C**", "C"),
    ("*The answer is (C).*", "C"),
    ("Answer:**C**", "C"),
    ("Answer:** C", "C"),
    ("Answer: ** C **", "C"),
    ("**Answer**\nC", "C"),
    ("## Answer: C", "C"),
    ("> Answer: C", "C"),
    ("- Answer: C", "C"),
    ("Answer : C", "C"),
    ("Answer：C", "C"),
    ("The answer is：C", "C"),
    ("正确选项是 C", "C"),
    ("选项C是正确的", "C"),
    ("答案为C", "C"),
    ("答案应为 C", "C"),
    ("本题答案：C", "C"),
    ("故答案为：C", "C"),
    ("因此，正确答案是C。", "C"),
    ("所以答案是 (C)。", "C"),
    ("よって、答えは C です。", "C"),
    ("したがって正解は (C) です", "C"),
    ("따라서 정답은 (C)입니다.", "C"),
    ("정답은 C번입니다", "C"),
    ("Die Antwort lautet C.", "C"),
    ("Richtige Antwort: C", "C"),
    ("La bonne réponse est C.", "C"),
    ("La réponse est donc C", "C"),
    ("La respuesta es C", "C"),
    ("Por lo tanto, la respuesta correcta es la C.", "C"),
    ("Portanto, a resposta correta é a letra C.", "C"),
    ("La risposta giusta è la C.", "C"),
    ("Правильный ответ: C", "C"),
    ("Ответ: вариант C", "C"),
    ("Верный ответ — C", "C"),
    ("সঠিক উত্তর হল C", "C"),
    ("সঠিক উত্তর: C", "C"),
    ("सही उत्तर (C) है", "C"),
    ("الإجابة الصحيحة هي (C)", "C"),
    ("إذن الجواب هو C", "C"),
    ("Jibu sahihi: C", "C"),
    ("Jibu ni C", "C"),
    ("Ìdáhùn tó tọ́ ni C", "C"),
    ("Jawaban: (C)", "C"),
    ("Jadi, jawabannya adalah C", "C"),
    ("Đáp án là C", "C"),
    ("คำตอบที่ถูกต้องคือ C", "C"),
    ("Doğru cevap: C", "C"),
    ("Poprawna odpowiedź to C", "C"),
    ("Správná odpověď je C", "C"),
    ("Juiste antwoord: C", "C"),
    ("Det rätta svaret är C", "C"),
    ("Oikea vastaus on C", "C"),
    ("A helyes válasz: C", "C"),
    ("Răspunsul corect este C", "C"),
    ("Η σωστή απάντηση είναι C", "C"),
    ("התשובה היא C", "C"),
    ("پاسخ صحیح: C", "C"),
    ("درست جواب C ہے", "C"),
    ("சரியான விடை: C", "C"),
    ("సరైన సమాధానం: C", "C"),
    ("The answer is (C). No other option fits.", "C"),
    ("The answer is C, not D.", "C"),
    ("Answer: C. Not A.", "C"),
    ("Answer: C\nNo doubt.", "C"),
    ("The answer is C; false leads aside.", "C"),
    ("Answer: C - no other", "C"),
]


DISCUSSES = [
    ("Answer: B", "A"),
    ("The answer is B. Option A was tempting", "A"),
    ("I first chose A, but the answer is B", "A"),
    ("A", "B"),
    ("Answer: (A) and (B) are both correct", "A"),
    ("A vitamin deficiency causes this.", "A"),
    ("Answer: a", "B"),
    ("Choose A if you like; I do not know", "B"),
    ("So the choice between A and B remains open", "B"),
    ("The student said the answer is A, which is wrong; it cannot be determined", "B"),
    ("Options: A) granite B) basalt", "B"),
    ("Answer: the options given are A", "B"),
    ("It depends: A", "B"),
    ("Not B", "B"),
    ("Definitely not (B).", "B"),
    ("B is incorrect.", "B"),
    ("(B) can be ruled out", "B"),
    ("Neither (A) nor (B)", "B"),
    ("Both (A) and (B).", "B"),
    ("Answer: B or C", "C"),
    ("Answer: B / C", "B"),
    ("Answer: [B, C]", "B"),
    ("Answer: B&C", "B"),
    ("Answer: B, C, and D", "B"),
    ("Answer: B-C", "B"),
    ("Answer: (B)(C)", "B"),
    ("Answer: BC", "B"),
    ("Answer: B C", "B"),
    ("Answer: B+C", "B"),
    ('{"answer": ["A", "B"]}', "A"),
    ('{"answer": null}', "A"),
    ("Antwort: A oder B", "A"),
    ("答案：A、B", "A"),
    ("Ответ: A или B", "A"),
    ("Réponse : ni A ni B", "B"),
    ("Je ne sais pas. A", "B"),
    ("Answer: E", "A"),
    ("Answer: Both A and C", "C"),
    ("Answer: A?\nAnswer: unclear", "A"),
    ("Answer: A\n\nActually, I am not sure. Answer: cannot be determined", "A"),
    ("Answer: The answer is either (A) or (B)", "B"),
    ("The answer is A or B", "A"),
    ("Let A be the set. Then", "A"),
    ("Let me think about option A", "B"),
    ("Option A: granite is hard.\nOption B: basalt is dark.", "B"),
    ("**A.** granite\n**B.** basalt\n", "B"),
    ("Answer: Vitamin B", "B"),
    ("Answer: Hepatitis B", "B"),
    ("Answer: type A", "A"),
    ("The answer is vitamin C", "C"),
    ("The answer is plan B", "B"),
    ("Answer: 5 A", "A"),
    ("Answer: Mr. B", "B"),
]


def test_an_earlier_announcement_does_not_swallow_a_later_one() -> None:
    assert stone("The closest answer is 45. The answer is (G).", "G", TEN_STONES).value == 1.0
    assert stone("Therefore, the correct answer is:\n\nThe answer is (E).", "E", TEN_STONES).value == 1.0
    assert stone("Option F: no.\nSo the most accurate answer is:\n\nThe answer is (E).", "E", TEN_STONES).value == 1.0


def test_a_pronoun_or_an_article_is_no_letter() -> None:
    assert stone("Answer: I don't know", "I", TEN_STONES).reason == "no_answer"
    assert stone("Answer: A rock that none of the options names", "A").reason == "no_answer"
    assert stone("Answer: A granite", "A").value == 1.0
    assert stone("The answer is I.", "I", TEN_STONES).value == 1.0


def test_a_letter_beyond_the_options_does_not_fall_through_to_a_weaker_rule() -> None:
    assert stone("Answer: E\n\nI looked at choice A first.", "A").reason == "no_answer"


@pytest.mark.parametrize(("text", "letter"), STATES)
def test_the_letter_that_a_reply_states_last_is_found(text: str, letter: str) -> None:
    ten = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    assert stone(text, letter, ten).answer == letter


@pytest.mark.parametrize(("text", "letter"), DISCUSSES)
def test_a_letter_that_is_only_discussed_is_not_credited(text: str, letter: str) -> None:
    assert stone(text, letter).value != 1.0


def test_announcements_of_a_long_reply_come_last_first_from_every_line() -> None:
    lines = [f"Step {number}: the answer is B." if number % 3 else f"第{number}步 答案: C" for number in range(400)]
    text = "\n".join(["YANIT: A", *lines, "", "ANSWER: D", ""])
    starts = [cue.start for cue in cues(text)]
    assert starts == sorted(starts, reverse=True)
    found = [text[start:].split("\n", 1)[0] for start in starts]
    assert found[0] == "ANSWER: D"
    assert found[-1] == "YANIT: A"
    assert len(found) == 402


def test_a_plain_last_line_is_read_as_the_full_reading_reads_it() -> None:
    words, opening, closing = (
        ("Answer", "ANSWER", "Final answer", "answer"),
        ("", "(", "*", "**", "(*"),
        ("", ")", "*)"),
    )
    for before, noun, colon, gap, opened, letter, closed, end in itertools.product(
        ("", "If so:\n", "the wrong \n", "\\boxed{C}\n", "答案: C\n", "Answer: A\n**", "**"),
        words,
        (":", ":**"),
        ("", " "),
        opening,
        "ABI",
        closing,
        ("", ".", "\n", " \n\n", ".**", "**\n"),
    ):
        reply = f"{before}{noun}{colon}{gap}{opened}{letter}{closed}{end}"
        said = settle(reply, SAMPLE.choices or ())
        assert said is not None, reply
        assert (said.letter, said.rule) == (letter, "answer_line"), reply
        if letter != "I":
            found = scored(reply)
            assert (found.answer, found.rule) == (letter, "answer_line"), reply


@pytest.mark.parametrize(
    "line", ["It depends on whether the block slides", "This holds if the rock is warm", "So option B would be wrong "]
)
def test_doubt_ends_with_its_line(line: str) -> None:
    for stated, rule in (("Answer: C, which is slate", "answer_line"), ("Answer is C, slate", "answer_is")):
        found = scored(f"{line}\n{stated}")
        assert (found.answer, found.rule) == ("C", rule)
