"""Simulated models on seven tasks like those of the index: success probabilities, answers and what they cost.

Scores lie around those published for o1, and tokens are together about 3,000 an answer. Everything is drawn from one
seeded generator. Long answers are wrong more often, up to 3 % of answers run away to the output cap (and are wrong),
and every other model has lengths with two humps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from harness.loaders import load_suite
from harness.precision import Stratum
from harness.precision.bank import predicted

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CAP_TOKENS = 32_768


@dataclass(frozen=True, slots=True)
class Subject:
    """What is typical of a task: logit of a middling model's score, and output tokens of a reasoning model."""

    name: str
    ease: float
    tokens: float
    input_tokens: float
    units: int | None = None


SUBJECTS = (
    Subject("mmlu_pro", 1.66, 2200, 250),
    Subject("hle", -2.4, 6000, 300),
    Subject("gpqa_diamond", 1.1, 3300, 250),
    Subject("aime_2024", 0.95, 6500, 150),
    Subject("math_500", 3.3, 2000, 150),
    Subject("scicode", -0.6, 1800, 1500, units=80),
    Subject("livecodebench", 0.75, 3600, 600),
)


def index_strata() -> tuple[Stratum, ...]:
    """The tasks of `aa_index_v2`, with its item counts, repeats and weights."""
    members = {member.suite: member for member in load_suite("aa_index_v2").members}
    return tuple(
        Stratum(
            task=subject.name,
            n_units=subject.units or members[subject.name].expected_rows or 0,
            n_items=members[subject.name].expected_rows or 0,
            repeats=members[subject.name].epochs or 1,
            weight=float(Fraction(members[subject.name].weight)),
        )
        for subject in SUBJECTS
    )


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """The samples of a task: their units and their difficulty, the same for every model."""

    unit: Integers
    difficulty: Floats

    @property
    def ends(self) -> Integers:
        """Number of samples in the first 0, 1, 2, ... units."""
        return np.concatenate([[0], np.cumsum(np.bincount(self.unit))])


@dataclass(frozen=True, slots=True, kw_only=True)
class Character:
    """What sets a model apart.

    Attributes:
        ability: added to every task's logit; `talent` to each task's.
        sharpness: spread of the logits of samples in each task; repeat noise falls with it.
        wordiness: log factor on output tokens; `habit` the same in each task.
        wrong_length: log factor on the length of wrong answers.
        runaway: share of answers that run to the cap.
        two_humps: tasks in which a third of the answers are four times as long.
        usd_per_token: price of output; input costs a quarter.
        common: share of a sample's difficulty that models of its kind have in common.
    """

    ability: float
    talent: tuple[float, ...]
    sharpness: tuple[float, ...]
    wordiness: float
    habit: tuple[float, ...]
    length_sd: float
    wrong_length: float
    runaway: float
    two_humps: bool
    usd_per_token: float
    common: float


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """All answers of a model to a task, by pass and sample, and its chance of a right one on each sample."""

    items: Items
    chance: Floats
    scores: Floats
    tokens: Floats
    usd: Floats

    @property
    def truth(self) -> float:
        """Mean success probability."""
        return float(self.chance.mean())


def draw_items(rng: np.random.Generator, strata: tuple[Stratum, ...]) -> tuple[Items, ...]:
    """Draw the samples of every task; half of the difficulty of samples in a group is the group's."""
    found = []
    for stratum in strata:
        own = rng.standard_normal(stratum.n_items)
        if stratum.n_units == stratum.n_items:
            found.append(Items(np.arange(stratum.n_items), own))
            continue
        sizes = 1 + rng.multinomial(stratum.n_items - stratum.n_units, np.full(stratum.n_units, 1 / stratum.n_units))
        unit = np.repeat(np.arange(stratum.n_units), sizes)
        shared = rng.standard_normal(stratum.n_units)[unit]
        found.append(Items(unit, np.sqrt(0.5) * (own + shared)))
    return tuple(found)


def draw_character(rng: np.random.Generator, *, two_humps: bool = False, near: Character | None = None) -> Character:
    """Draw a model; `near` makes it comparable to another in ability."""
    n = len(SUBJECTS)
    return Character(
        ability=rng.normal(0, 0.6) if near is None else near.ability + rng.normal(0, 0.5),
        talent=tuple(rng.normal(0, 0.4, n)),
        sharpness=tuple(rng.uniform(2.5, 6.5, n)),
        wordiness=rng.normal(0, 0.5),
        habit=tuple(rng.normal(0, 0.3, n)),
        length_sd=rng.uniform(0.6, 1.1),
        wrong_length=rng.uniform(0.3, 1.2),
        runaway=rng.uniform(0, 0.03),
        two_humps=two_humps,
        usd_per_token=float(np.exp(rng.normal(0, 1))) * 1e-5,
        common=rng.uniform(0.65, 0.85),
    )


def bank(rng: np.random.Generator, suite: tuple[Items, ...], near: Character, n_models: int) -> list[Floats]:
    """Predict every sample from one answer each of models that are comparable to another."""
    others = [draw_character(rng, near=near) for _ in range(n_models)]
    return [
        predicted([(rng.random(len(items.unit)) < _able(rng, items, who, place)) for who in others])
        for place, items in enumerate(suite)
    ]


def answers(
    rng: np.random.Generator, strata: tuple[Stratum, ...], suite: tuple[Items, ...], who: Character
) -> list[Answers]:
    """Draw every answer of a model to every sample, in all passes."""
    return [
        _answers(rng, stratum.repeats, items, _hardness(rng, items, who), who, place)
        for place, (stratum, items) in enumerate(zip(strata, suite, strict=True))
    ]


def ladder(
    rng: np.random.Generator, strata: tuple[Stratum, ...], suite: tuple[Items, ...], who: Character
) -> list[list[Answers]]:
    """Draw the answers of one model at three efforts: each is abler and writes two and a half times as much.

    What makes a sample hard for the model is nearly the same at every effort: the variance of paired differences is
    about .45 of that of unpaired ones, at the lower end of .42 to .69 seen between real models.
    """
    shared = [_hardness(rng, items, who) for items in suite]
    found = []
    for step in (-1, 0, 1):
        effort = replace(who, ability=who.ability + 0.35 * step, wordiness=who.wordiness - 0.5 + step * np.log(2.5))
        own = [np.sqrt(0.97) * hard + np.sqrt(0.03) * rng.standard_normal(len(hard)) for hard in shared]
        found.append(
            [
                _answers(rng, stratum.repeats, items, own[place], effort, place)
                for place, (stratum, items) in enumerate(zip(strata, suite, strict=True))
            ]
        )
    return found


def _answers(rng: np.random.Generator, repeats: int, items: Items, hard: Floats, who: Character, place: int) -> Answers:
    subject, shape = SUBJECTS[place], (repeats, len(hard))
    able = _chance(hard, who, place)
    right = rng.random(shape) < able
    log = np.log(subject.tokens) - 0.5 * who.length_sd**2 + who.wordiness + who.habit[place] + 0.3 * hard
    log = log + who.wrong_length * ~right + who.length_sd * rng.standard_normal(shape)
    if who.two_humps:
        log = log + np.log(4) * (rng.random(shape) < 1 / 3)
    runaway = rng.random(shape) < who.runaway
    tokens = np.where(runaway, CAP_TOKENS, np.minimum(np.exp(log), CAP_TOKENS - 1))
    return Answers(
        items=items,
        chance=able * (1 - who.runaway),
        scores=(right & ~runaway).astype(float),
        tokens=tokens,
        usd=who.usd_per_token * (tokens + subject.input_tokens / 4),
    )


def _hardness(rng: np.random.Generator, items: Items, who: Character) -> Floats:
    own = rng.standard_normal(len(items.difficulty))
    return np.asarray(np.sqrt(who.common) * items.difficulty + np.sqrt(1 - who.common) * own)


def _chance(hard: Floats, who: Character, place: int) -> Floats:
    sharpness = who.sharpness[place]
    centre = SUBJECTS[place].ease * np.sqrt(1 + (sharpness / 1.7) ** 2) + who.ability + who.talent[place]
    return np.asarray(1 / (1 + np.exp(sharpness * hard - centre)))


def _able(rng: np.random.Generator, items: Items, who: Character, place: int) -> Floats:
    return _chance(_hardness(rng, items, who), who, place) * (1 - who.runaway)
