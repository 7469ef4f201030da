"""Multiple choice: the right letter is found by the strongest rule that fires, and the rule is recorded."""

from __future__ import annotations

import itertools
import json

import pytest

from harness.scorers import WEAK_RULES, Score, score
from harness.scorers.choice import settle
from harness.scorers.cues import cues
from harness.suites import Sample, ScorerRef
from tests.support.shared_data import shared

SAMPLE = Sample(task="t", sample_id="1", input="?", target="B", choices=("red", "green", "blue", "none of these"))


def scored(text: str, sample: Sample = SAMPLE) -> Score:
    outcome = score(ScorerRef(name="multiple_choice"), text=text, sample=sample, finish_reason="stop")
    assert isinstance(outcome, Score)
    return outcome


STONES = ("granite", "basalt", "marble", "slate")
TEN_STONES = ("gneiss", "granite", "basalt", "marble", "slate", "chalk", "flint", "shale", "chert", "tuff")
SAYS_C = [
    'Answer: "C"',
    "Answer: \u201cC\u201d",
    '```json\n{"reasoning": "it is metamorphic", "answer": "C"}\n```',
    "<answer>C</answer>",
    "Answer: <C>",
    "Answer: The correct option is (C) marble",
    "Answer: Ｃ",
    "C</s>",
    "Answer:\u200b C",
    "Überlegung.\n\nAntwort:\n\nAntwort: C",
    "\u5206\u6790\u5982\u4e0b\u3002\n\u7b54\u6848\uff1aC",
    "Réponse : C",
    "Respuesta: C",
    "**Final answer**\n\nI think it is basalt, so (C).",
    "The best option (i.e. the dark one) is C.",
    "Therefore, the correct answer is:\n\nThe answer is (C).",
    "The closest answer is 45. The answer is (C).",
    "Answer: \\( \\text{C} \\)",
    "Answer: \\(C\\)",
    "The answer is \\(C\\).",
    "Answer: \\[ C \\]",
    "answer: c",
    "(c)",
    "the answer is c.",
    "Answer: \\textbf{C}",
    "$\\boxed{\\text{(C) marble}}$",
    "\\boxed C",
    "So the answer is $\\mathbf{C}$",
    "{'answer': 'C'}",
    '{"answer_letter":"C"}',
    "答案是C",
    "\u6b63\u786e\u7b54\u6848\u662f **C**\u3002",
    "答えはCです",
    "\u6b63\u89e3\u306fC\u3067\u3059\u3002",
    "\u6b63\u7b54\uff1a C",
    "정답은 C입니다",
    "정답: C",
    "답: C",
    "Ответ: C",
    "Ответ: С",
    "\u041f\u0440\u0430\u0432\u0438\u043b\u044c\u043d\u044b\u0439 \u043e\u0442\u0432\u0435\u0442 \u2014 C",
    "\u0989\u09a4\u09cd\u09a4\u09b0: C",
    "\u0989\u09a4\u09cd\u09a4\u09b0\u0983 C",
    "الإجابة: C",
    "الإجابة الصحيحة هي C",
    "Jibu: C",
    "Idahun: C",
    "Ìdáhùn: C",
    "\u091c\u0935\u093e\u092c: C",
    "\u0909\u0924\u094d\u0924\u0930: C",
    "\u0938\u0939\u0940 \u0909\u0924\u094d\u0924\u0930 C \u0939\u0948",
    "Resposta: C",
    "Risposta: C",
    "Jawaban: C",
    "Antwort: C",
    "Die richtige Antwort ist C.",
    "La réponse correcte est la C.",
    "La respuesta correcta es la opción C.",
    "A resposta correta é C",
    "La risposta corretta è C",
    "Het juiste antwoord is C",
    "Svar: C",
    "Odpowiedź: C",
    "Đáp án: C",
    "Đáp án đúng là C",
    "คำตอบ: C",
    "\u0e04\u0e33\u0e15\u0e2d\u0e1a\u0e04\u0e37\u0e2d C",
    "Cevap: C",
    "Doğru cevap C",
    "Răspuns: C",
    "Válasz: C",
    "Vastaus: C",
    "Απάντηση: C",
    "תשובה: C",
    "پاسخ: C",
    "الجواب: C",
    "C",
    "C.",
    "(C)",
    "C) marble",
    "C. marble\n\nExplanation: it is metamorphic, unlike A and B.",
    "**C**",
    "**C. marble**",
    "C: marble",
    "marble",
    "Answer: marble",
    "The answer is marble.",
    "\\boxed{marble}",
    "The correct option is C",
    "The correct choice is (C).",
    "I choose C",
    "I'd go with (C).",
    "(C) is the correct answer.",
    "Option C is correct.",
    "Option C is the best choice.",
    "Final Answer: (C) marble",
    "### Final Answer\n\n**C**",
    "### Answer\nC",
    "Answer - C",
    "Answer \u2192 C",
    "ANSWER=C",
    "Answer is: (C)",
    "the answer is: **C**",
    "The answer is option C",
    "The answer is most likely C.",
    "The answer must be C",
    "The final answer is $\\boxed{C}$.",
    "Answer: C, because B is wrong",
    "Answer: C because A is not",
    "Answer: C (marble)",
    "Answer: (C) or in words marble",
    "**Answer**: C\n\nOption A is wrong. Option B is tempting.",
    "Answer: C.\n\nExplanation:\nA) is wrong\nB) is wrong\nD) no",
    "[ANSWER] C [/ANSWER]",
    "[[C]]",
    "Answer: [C]",
    "Answer: {C}",
    "Answer: \u24d2",
    "Answer: 𝐂",
    "Answer: \u24b8",
    "Answer: \u300cC\u300d",
    "\u7b54\u6848\uff1a\uff08C\uff09",
    "\u7b54\u6848\uff1a\u9009\u9879C",
    "\u6545\u9009C\u3002",
    "因此选 C",
    "选C",
    "My answer: C",
    "My choice is C.",
    "Selected option: C",
    "Final: C",
    "Choice: C",
    "Ans: C",
    "Ans. C",
    "The answer is (C) and here is why: A fails.",
    "The answer is C: marble",
    "The answer is C) marble",
    "The correct letter is C",
    "So it's C.",
    "Thus, C.",
    "Therefore, the answer is **(C) marble**.",
    "Hence (C).",
    "The answer is\n\n(C)",
    "The answer is:\n\n**C**",
    "The correct answer is\n\n\\[\\boxed{C}\\]",
    "| Answer | C |",
    "Answer: `C`",
    "Answer: *C*",
    "Answer: _C_",
    "Answer: 'C'",
    "Answer: C'",
    "Correct answer: C",
    "The correct answer to the question is C.",
    "Answer to Q1: C",
    "Answer (C)",
    "Answer C",
    "A: C",
    "Answer: Option (C)",
    "Answer: Choice C",
    "Answer: letter C",
    "The answer is letter C.",
    "Answer: A. No wait, Answer: C",
    "First I thought the answer is A. But the answer is C.",
    "Answer: B\n\nWait, I made a mistake. The answer is C.",
    "<final_answer>C</final_answer>",
    "<choice>C</choice>",
    "Answer:C",
    "answer:C.",
    "Respuesta correcta: C)",
    "Solution: C",
    "\u6700\u7ec8\u7b54\u6848\uff1aC",
    "\u56de\u7b54\uff1aC",
    "解答: C",
    "Answer: (C)</answer>",
    "The correct answer is option (C): marble.",
    "The correct answer is Option C.",
    "It is C.",
    "I believe the correct answer is C, marble.",
    "The answer is therefore C",
    "The answer is, therefore, C.",
    "The right answer is clearly C!",
    "Answer: C (A is too soft)",
    "Answer: **C** - marble",
    "Answer:\n- C",
    "The answer is \u201cC\u201d.",
    "The answer is 'C'.",
    "Jibu sahihi ni C",
    "Jawaban yang benar adalah C.",
    "Odpověď: C",
    "Відповідь: C",
    "Отговор: C",
    "Kwa hivyo jibu ni C.",
]
SAYS_NOT = [
    ("Answer: I don't know", "I", TEN_STONES),
    ("The picture is missing.\nAnswer: I cannot tell from this", "I", TEN_STONES),
    ("Answer: A rock that none of the options names", "A", STONES),
    ("Answer: E\n\nI looked at choice A first.", "A", STONES),
    ("Answer: F. None of them, though option B comes close.", "B", STONES),
    ("Option A is too soft. Option B is too light. Option D is wrong too.", "D", STONES),
    ("Answer: A and C", "C", STONES),
    ("Answer: A and C", "A", STONES),
    ("Answer: A, C", "A", STONES),
    ("Answer: A/B", "A", STONES),
    ("Answer: (A) or (B)", "A", STONES),
    ("Answer: AC", "A", STONES),
    ("\\boxed{A, B}", "A", STONES),
    ("\\boxed{A,B}", "B", STONES),
    ("The answer is either A or B", "B", STONES),
    ("The answer is not A.", "A", STONES),
    ("Both A and B are right", "B", STONES),
    ("If the answer is A, then it floats. I do not know.", "A", STONES),
    ("The wrong answer is A", "A", STONES),
    ("I don't think the answer is A.", "A", STONES),
    ("Answer: none of the above. Option A came close.", "A", STONES),
    ("Answer: A4 paper", "A", STONES),
    ("Answer: A-level", "A", STONES),
    ("Answer: I am not sure, maybe", "I", TEN_STONES),
    ("The answer is a rock", "A", STONES),
    ("Answer: a stone", "A", STONES),
    ("A. granite\nB. basalt\nC. marble\nD. slate", "D", STONES),
    ("I", "A", STONES),
    ("Answer: C++ is a language", "C", STONES),
    ("Answer: E = mc^2", "E", TEN_STONES),
    ("Answer: D's law", "D", STONES),
    ("Answer: purple\nI liked option B", "C", STONES),
    ("It could be A", "A", STONES),
    ("Both options A and B fit; answer: A or B", "B", STONES),
    ("Options A and B", "A", STONES),
    ("I would exclude option A", "A", STONES),
    ("A is not the answer", "A", STONES),
    ("(A) is the wrong answer", "A", STONES),
    ("The answer cannot be A", "A", STONES),
    ("Antwort: A und B", "A", STONES),
    ("Respuesta: A o B", "A", STONES),
    ("\u7b54\u6848\uff1aA\u548cB", "A", STONES),
    ("Respuesta: A menudo", "A", STONES),
    ("Ответ: В этом случае", "B", STONES),
    ("Answer: X", "A", STONES),
    ("The answer is i.e. unclear", "I", TEN_STONES),
    ("Answer: Z", "C", STONES),
    ("The answer isn't B", "B", STONES),
    ("Answer: A & B", "A", STONES),
    ("Answer: B, D", "D", STONES),
    ("Answer: all of the above", "A", STONES),
    ("I am sure. I", "I", TEN_STONES),
    ("Answer: I think none fit", "I", TEN_STONES),
    ("Réponse : A priori aucune", "A", STONES),
    ("Answer: A few of them", "A", STONES),
    ("Options: A, B, C, D", "D", STONES),
    ("It's neither A nor B.", "B", STONES),
    ("Answer: \\boxed{A} or \\boxed{B}", "B", STONES),
]


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


def stone(text: str, target: str, choices: tuple[str, ...] = STONES) -> Score:
    return scored(text, Sample(task="t", sample_id="1", input="?", target=target, choices=choices))


@pytest.mark.parametrize("text", SAYS_C)
def test_a_letter_is_read_in_every_form_and_language_that_models_write(text: str) -> None:
    assert stone(text, "C").answer == "C"


@pytest.mark.parametrize(("text", "letter", "choices"), SAYS_NOT)
def test_a_reply_that_does_not_settle_on_a_letter_is_not_credited_with_it(
    text: str, letter: str, choices: tuple[str, ...]
) -> None:
    assert stone(text, letter, choices).value != 1.0


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
