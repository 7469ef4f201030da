"""A judge model decides: the suite's template becomes one more request, and the last word of its reply a score.

Data flows reply + sample -> `JudgeCall`; judge's reply -> `finish_judgement` -> `Score`. Undecided is unscored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from harness.messages import Message
from harness.scorers.values import JudgeCall, Score
from harness.suites import prompts
from harness.suites.sample import Sample
from harness.suites.suite import MOST_OUTPUT_TOKENS
from harness.typed_files import Strict

LONGEST_JUDGED = 40_000
_PLACES = frozenset({"question", "reference", "reply"})
_VERDICT = re.compile(r"^[\s*_`#>]{0,10}verdict[\s*_`]{0,5}:[\s*_`]{0,5}([A-Za-z_]+)", re.IGNORECASE | re.MULTILINE)


Word = Annotated[str, Field(pattern=r"^[A-Za-z_]+$")]
Value = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]


class JudgeOptions(Strict):
    """Options of `judge`.

    Attributes:
        prompt: template with {question}, {reference} and {reply}; must ask for a last line `Verdict: <word>`.
        verdicts: word -> value from 0 to 1; upper and lower case are the same word.
        model: the judge, `provider/model`; None = named on the command line.
        max_output_tokens: cap for the judge's reply.
        version: raised with every change of the prompt; stored with each score.
        without_answer: verdict on a reply that is empty, refused or cut before any answer, which no judge is asked
            about; None = such a reply counts as wrong.
        question: field whose text the judge is shown as {question}; None = the whole prompt, which may be long.
    """

    prompt: str
    verdicts: Mapping[Word, Value] = Field(min_length=1, default_factory=lambda: {"CORRECT": 1.0, "INCORRECT": 0.0})
    model: str | None = None
    max_output_tokens: int = Field(default=1024, ge=16, le=MOST_OUTPUT_TOKENS)
    version: str = "1"
    question: str | None = None
    without_answer: Word | None = None

    @field_validator("prompt")
    @classmethod
    def _complete(cls, prompt: str) -> str:
        asked = prompts.placeholders(prompt)
        if asked != _PLACES:
            raise ValueError("the judge's prompt needs {question}, {reference} and {reply}, and nothing else")
        return prompt

    @model_validator(mode="after")
    def _known_verdict(self) -> JudgeOptions:
        if self.without_answer is not None and self.without_answer.casefold() not in map(str.casefold, self.verdicts):
            raise ValueError(f"without_answer is none of the verdicts {', '.join(self.verdicts)}")
        return self

    @field_validator("verdicts")
    @classmethod
    def _distinct(cls, verdicts: Mapping[str, float]) -> Mapping[str, float]:
        if len({word.casefold() for word in verdicts}) < len(verdicts):
            raise ValueError("two verdicts differ in upper and lower case only")
        return verdicts


def score_by_judge(options: Mapping[str, object], *, text: str, sample: Sample) -> JudgeCall:
    """Ask a judge about one reply; long replies are cut in the middle, which the judge is told."""
    chosen = JudgeOptions.model_validate(options)
    asked = prompts.text_of(sample.input) if chosen.question is None else sample.metadata[chosen.question]
    facts = {"question": asked, "reference": sample.target, "reply": _shortened(text)}
    message = Message(role="user", content=prompts.render(chosen.prompt, facts))
    return JudgeCall(
        messages=(message,),
        model=chosen.model,
        max_output_tokens=chosen.max_output_tokens,
        verdicts=chosen.verdicts,
        answer=text.strip()[-2_000:],
        rule=f"judge {chosen.version}",
    )


def score_without_answer(options: Mapping[str, object]) -> Score | None:
    """Score a reply that holds no answer as the suite's verdict for it; None = the suite names none."""
    chosen = JudgeOptions.model_validate(options)
    if chosen.without_answer is None:
        return None
    values = {word.casefold(): value for word, value in chosen.verdicts.items()}
    told = f"{chosen.without_answer}: the reply holds no answer, and no judge was asked"
    return Score(value=values[chosen.without_answer.casefold()], rule=f"judge {chosen.version}", explanation=told)


def _shortened(text: str) -> str:
    half = LONGEST_JUDGED // 2
    cut = f"\n[... {len(text) - LONGEST_JUDGED} characters left out ...]\n"
    return text if len(text) <= LONGEST_JUDGED else text[:half] + cut + text[-half:]


def finish_judgement(call: JudgeCall, text: str) -> Score:
    """Read a judge's reply: the last `Verdict:` line counts, and only a word that the suite names."""
    words = {word.casefold(): value for word, value in call.verdicts.items()}
    found = _VERDICT.findall(text[-LONGEST_JUDGED:])
    bare = text.strip().strip("*_`. ").casefold()
    word = found[-1].casefold() if found else bare
    if word in words:
        return Score(value=words[word], answer=call.answer, rule=call.rule, explanation=text.strip()[-500:])
    return Score(
        reason="undecided", answer=call.answer, rule=call.rule, explanation=f"the judge said {text.strip()[-200:]!r}"
    )
