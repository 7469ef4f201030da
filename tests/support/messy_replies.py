"""Replies as untidy as models write them, with their truth known: material for measuring what scorers miss and credit.

Written by a seeded generator: each reply is a form (how an answer is announced, wrapped and surrounded, in one of
several languages) filled with a right or a wrong answer. Pure.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from harness.scorers import Outcome, Score, score
from harness.suites import Sample, ScorerRef
from harness.suites.prompts import LETTERS
from tests.support.math_replies import finished

MESSY_SCORERS = ("multiple_choice", "number", "text", "math")
Form = Callable[[str, random.Random], str]


@dataclass(frozen=True, slots=True)
class MessyReply:
    """A reply to one sample.

    Attributes:
        form: name of the form it was written in.
        right: whether the answer that it states is the reference.
        cut: it ends at the output cap.
    """

    scorer: str
    form: str
    text: str
    target: str
    right: bool
    choices: tuple[str, ...] | None = None
    cut: bool = False


_ANNOUNCED = {
    "en": "Answer: {}",
    "de": "Antwort: {}",
    "fr": "Réponse : {}",
    "es": "Respuesta: {}",
    "pt": "Resposta: {}",
    "it": "Risposta: {}",
    "zh": "答案：{}",
    "ja": "答え: {}",
    "ko": "정답: {}",
    "ru": "Ответ: {}",
    "ar": "الإجابة: {}",
    "hi": "उत्तर: {}",
    "bn": "উত্তর: {}",
    "sw": "Jibu: {}",
    "yo": "Ìdáhùn: {}",
    "id": "Jawaban: {}",
    "tr": "Cevap: {}",
    "vi": "Đáp án: {}",
    "pl": "Odpowiedź: {}",
    "nl": "Antwoord: {}",
}
_PROSE = {
    "en": "Let me compare them one by one. The second fails at once.",
    "de": "Ich vergleiche sie der Reihe nach. Das zweite scheidet aus.",
    "fr": "Je compare les possibilités. La deuxième ne convient pas.",
    "es": "Comparo las posibilidades. La segunda no sirve.",
    "zh": "让我们逐一分析。第二个不对。",
    "ru": "Сравним по порядку. Второе не подходит.",
    "ja": "順に比べます。二番目は違います。",
}
_FRAMES: dict[str, str] = {
    "line": "{prose}\n\nAnswer: {a}",
    "bold line": "{prose}\n\n**Answer: {a}**",
    "bold word": "{prose}\n**Answer:** {a}",
    "heading": "{prose}\n\n### Final Answer\n\n**Answer:** {a}",
    "own line below": "{prose}\n\nAnswer:\n\n{a}",
    "is": "{prose} The answer is {a}.",
    "is, colon": "{prose}\nSo the final answer is: {a}",
    "is, next line": "{prose} Therefore, the correct answer is:\n\n{a}",
    "boxed": "{prose} Hence \\boxed{{{a}}}.",
    "boxed in maths": "{prose}\n$$\\boxed{{{a}}}$$",
    "display": "{prose} The answer is $\\boxed{{{a}}}$.",
    "tag": "{prose}\n<answer>{a}</answer>",
    "json": '{{"reasoning": "{plain}", "answer": "{a}"}}',
    "fenced json": '```json\n{{"answer": "{a}"}}\n```',
    "quotes": '{prose}\nAnswer: "{a}"',
    "code": "{prose}\nAnswer: `{a}`",
    "reason": "{prose}\nAnswer: {a}, because nothing else fits.",
    "corrected": "{prose} Answer: {w}\n\nWait, that is wrong.\n\nAnswer: {a}",
    "said twice": "The answer is {a}.\n{prose}\nAnswer: {a}",
    "thought": "<think>\nAnswer: {w}? No.\n</think>\n\nAnswer: {a}",
    "thought, closed only": "The answer is {w}? No.\n</think>\nAnswer: {a}",
    "thought in brackets": "[THINK]\\boxed{{{w}}}[/THINK]The answer is {a}.",
    "end mark": "{prose}\nAnswer: {a}<|im_end|>",
    "hidden space": "{prose}\nAnswer:\u200b {a}",
    "list": "1. {prose}\n2. Answer: {a}",
    "channels": "<|channel|>analysis<|message|>Answer: {w}<|end|><|start|>assistant<|channel|>final<|message|"
    ">Answer: {a}",
}
_CUT_FORMS = ("<think>\nAnswer: {a}\nbut I must still", "[THINK]So \\boxed{{{a}}} perhaps, let")
_LETTER_FRAMES = {
    "brackets": "({a})",
    "bold": "**{a}**",
    "with text": "({a}) {text}",
    "dot": "{a}. {text}",
    "latex text": "\\(\\text{{{a}}}\\)",
    "latex": "\\[ {a} \\]",
    "angle": "<{a}>",
    "option": "option {a}",
    "square": "[{a}]",
}
_NOT_A_LETTER = (
    "Answer: I don't know",
    "Answer: {a} and {b}",
    "Answer: either {a} or {b}",
    "The answer is not {a}.",
    "If the answer is {a}, it sinks.",
    "Answer: none of the above, though option {a} is close.",
    "Option {a} is wrong. Option {b} is wrong, too.",
    "\\boxed{{{a}, {b}}}",
    "Answer: Z\n\nI looked at option {a} first.",
)
_NOT_A_NUMBER = (
    "Answer: {a}/7/2024",
    "Answer: {a}:30",
    "Answer: {a} to {b}",
    "Answer: {a} and {b}",
    "Answer: {a}√3",
    "Answer: {a}x + 1",
    "Answer: {b} m^{a}",
    "Answer: {b},{a}0 or so million",
    "Answer: {a} million",
    "I see {b} of them on 3/{a}/2024",
    "Answer: 10^{a}",
    "Answer: {b} + {a}",
    "Answer: v1.2.{a}",
)
_STONES = ("granite", "basalt", "marble", "slate", "chalk", "flint", "shale", "chert", "tuff", "gneiss")


def messy_replies(scorer: str, count: int, seed: int = 7) -> Iterator[MessyReply]:
    """Write replies for one scorer.

    Args:
        scorer: `multiple_choice`, `number`, `text` or `math`.
    """
    generator = random.Random(f"{scorer} {seed}")
    writers = {"multiple_choice": _choice, "number": _number, "text": _text, "math": _formula}
    for _ in range(count):
        yield writers[scorer](generator)


def _framed(generator: random.Random, answer: str, other: str) -> tuple[str, str]:
    """Announce an answer in a form of some language; `other` is what it is not."""
    if generator.random() < 0.25:
        language = generator.choice(sorted(_ANNOUNCED))
        return f"line in {language}", f"{_PROSE.get(language, _PROSE['en'])}\n\n{_ANNOUNCED[language].format(answer)}"
    name = generator.choice(sorted(_FRAMES))
    prose = _PROSE[generator.choice(sorted(_PROSE))]
    escaped = answer.replace("\\", "\\\\") if "json" in name else answer
    return name, _FRAMES[name].format(a=escaped, w=other, prose=prose, plain=prose)


def _cut(generator: random.Random, scorer: str, target: str, choices: tuple[str, ...] | None) -> MessyReply:
    text = generator.choice(_CUT_FORMS).format(a=target)
    return MessyReply(scorer, "cut while thinking", text, target, right=False, choices=choices, cut=True)


def _choice(generator: random.Random) -> MessyReply:
    count = generator.choice((4, 5, 10))
    choices = tuple(generator.sample(_STONES, count))
    target, other = generator.sample(LETTERS[:count], 2)
    if generator.random() < 0.05:
        return _cut(generator, "multiple_choice", target, choices)
    if generator.random() < 0.15:
        template = generator.choice([one for one in _NOT_A_LETTER if "Z" not in one or count < 26])
        text = template.format(a=target, b=other)
        target = "I" if "don't" in template and count == 10 else target
        return MessyReply("multiple_choice", f"no letter: {template}", text, target, right=False, choices=choices)
    right = generator.random() < 0.7
    said, not_said = (target, other) if right else (other, target)
    wrapping = generator.choice(["plain", "lower case", "full width", *sorted(_LETTER_FRAMES)])
    written = {"plain": said, "lower case": said.lower(), "full width": chr(ord(said) + 0xFEE0)}.get(wrapping)
    if written is None:
        written = _LETTER_FRAMES[wrapping].format(a=said, text=choices[LETTERS.index(said)])
    name, text = _framed(generator, written, not_said)
    return MessyReply("multiple_choice", f"{name} / {wrapping}", text, target, right=right, choices=choices)


def _number(generator: random.Random) -> MessyReply:
    value = generator.choice(
        (generator.randint(2, 99), generator.randint(1_000, 9_999_999), Fraction(generator.randint(1, 99), 4))
    )
    target = str(value)
    if generator.random() < 0.05:
        return _cut(generator, "number", target, None)
    if generator.random() < 0.15:
        small = generator.randint(2, 9)
        template = generator.choice(_NOT_A_NUMBER)
        return MessyReply(
            "number", f"no number: {template}", template.format(a=small, b=small + 1), str(small), right=False
        )
    right = generator.random() < 0.7
    other = value + generator.choice((1, 10, -1, 7))
    said, not_said = (value, other) if right else (other, value)
    wrapping, written = _written_number(generator, Fraction(said))
    name, text = _framed(generator, written, str(not_said))
    return MessyReply("number", f"{name} / {wrapping}", text, target, right=right)


def _written_number(generator: random.Random, value: Fraction) -> tuple[str, str]:
    forms = {
        "unit": "{} apples",
        "dollars": "${}",
        "area": "{} cm^2",
        "about": "about {}",
        "equation": "x = {}",
        "plain": "{}",
    }
    name = generator.choice(sorted(forms))
    if value.denominator != 1:
        whole, rest = divmod(value, 1)
        written = {"decimal": str(float(value)), "fraction": str(value)}
        if whole > 0 and name != "dollars":
            written["mixed"] = f"{whole} {rest}"
        kind = generator.choice(sorted(written))
        return f"{kind} {name}", forms[name].format(written[kind])
    grouped = f"{int(value):,}"
    styles = {
        "digits": str(value),
        "commas": grouped,
        "spaces": grouped.replace(",", "\u202f"),
        "swiss": grouped.replace(",", "'"),
    }
    styles |= {
        "latex": grouped.replace(",", "{,}"),
        "other digits": "".join(chr(0x0660 + int(digit)) for digit in str(int(value))),
    }
    kind = generator.choice(sorted(styles)) if value > 0 else "digits"
    return f"{kind} {name}", forms[name].format(styles[kind])


def _text(generator: random.Random) -> MessyReply:
    target, other = generator.sample(("Paris", "Lyon", "yes", "no", "valid", "invalid", "the red box", "07/14/2019"), 2)
    if generator.random() < 0.05:
        return _cut(generator, "text", target, None)
    right = generator.random() < 0.7
    said, not_said = (target, other) if right else (other, target)
    written = generator.choice((said, said.upper(), f"**{said}**", f"  {said} "))
    name, text = _framed(generator, written, not_said)
    return MessyReply("text", name, text, target, right=right)


_FORMULAS: Sequence[tuple[str, tuple[str, ...], str]] = (
    (r"4\sqrt{2}+8", ("4√2 + 8", r"8 + 4\sqrt 2", "8+4*sqrt(2)", r"4(\sqrt{2}+2)"), "8"),
    (r"\frac{1}{2}", ("½", "0.5", "1/2", r"\dfrac12", r"\frac{2}{4}"), "2"),
    ("x^2+1", ("x²+1", "1 + x^2", "x*x+1"), "x^2-1"),
    (r"\frac{\pi}{6}", ("π/6", r"\pi/6", r"\frac{1}{6}\pi"), r"\frac{\pi}{3}"),
    ("1, -2", ("-2, 1", "1 and -2", r"x=1 \text{ or } x=-2"), "1"),
    (r"(-\infty, 2)", ("x < 2", "(-∞,2)"), r"(-\infty, 2]"),
    ("1011_2", ("1011_{2}", r"1011_2"), "1011_3"),
    (r"6.626\times10^{-34}", (r"6.626 \cdot 10^{-34}", "6.626e-34"), r"1.602\times10^{-19}"),
    (r"3\frac{1}{2}", ("7/2", "3 1/2", "3.5", "3½"), "31/2"),
    ("1024", ("2^{10}", "1,024", "2^10"), "210"),
    (r"90^\circ", ("90", "90°", r"90 \text{ degrees}"), "9"),
    (r"\{1,2\}", (r"\{2, 1\}", "{1,2}"), "(1,2)"),
)


def _formula(generator: random.Random) -> MessyReply:
    target, right_forms, wrong = generator.choice(_FORMULAS)
    if generator.random() < 0.05:
        return _cut(generator, "math", target, None)
    right = generator.random() < 0.7
    said = generator.choice((target, *right_forms)) if right else wrong
    name, text = _framed(generator, said, wrong if right else target)
    return MessyReply("math", name, text, target, right=right)


def scored_replies(replies: Sequence[MessyReply]) -> list[Score]:
    """Score replies of one scorer, formulas in worker processes."""
    outcomes: list[Outcome] = []
    for reply in replies:
        sample = Sample(task="benchmark", sample_id="-", input="-", target=reply.target, choices=reply.choices)
        ended = "length" if reply.cut else "stop"
        outcomes.append(score(ScorerRef(name=reply.scorer), text=reply.text, sample=sample, finish_reason=ended))
    return finished(outcomes)
