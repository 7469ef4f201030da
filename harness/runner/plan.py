"""What will be asked, drawn before the first request: samples, epochs, order and inclusion probabilities.

Pure. Loaded suites and a seed go in, chains of planned samples come out; the draw order interleaves tasks in
proportion, so that the first k samples of a plan are an unbiased draw from all of it.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from harness.providers.base import ImagePart
from harness.suites import LoadedTask, Sample, Suite, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSuite:
    """A suite with the samples of each of its tasks."""

    suite: Suite
    tasks: tuple[LoadedTask, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedItem:
    """One sample at one epoch.

    Attributes:
        draw_order: place in the plan of its run, 0 first.
        inclusion_probability: probability that this sample was drawn from its task, in (0, 1].
    """

    suite: Suite
    task: Task
    sample: Sample
    epoch: int
    draw_order: int
    inclusion_probability: float

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What identifies the item within a run: suite, task, sample and epoch."""
        return (self.suite.name, self.task.name, self.sample.sample_id, self.epoch)


Chain = tuple[PlannedItem, ...]
"""Items that one worker asks one after the other, because later ones need the answers of earlier ones."""


def sample_sha256(sample: Sample) -> str:
    """Digest of what is shown to the model and of the reference answer."""
    parts = (sample.input,) if isinstance(sample.input, str) else sample.input
    shown = [part if isinstance(part, str) else image_sha256(part) for part in parts]
    body = orjson.dumps([sample.system, shown, sample.target])
    return hashlib.sha256(body).hexdigest()


def image_sha256(image: ImagePart) -> str:
    """Digest of an image's bytes, with its media type."""
    return f"{image.media_type};sha256={hashlib.sha256(image.data).hexdigest()}"


def plan(
    suites: Sequence[LoadedSuite], *, seed: int, limit: int | None = None, epochs: int | None = None
) -> tuple[Chain, ...]:
    """Draw the samples of a run.

    Args:
        seed: decides which samples come first; the same seed and data give the same plan.
        limit: first N draws of each task; None = all. A draw is a sample, or a group of dependent samples.
        epochs: repeats of each sample; None = as each task says.
    """
    placed: list[tuple[float, int, int, list[tuple[Suite, LoadedTask, Sample, int, float]]]] = []
    for suite_index, loaded in enumerate(suites):
        for task_index, task in enumerate(loaded.tasks):
            draws = _drawn(task, seed=seed, suite_name=loaded.suite.name)
            kept = draws if limit is None else draws[:limit]
            probability = len(kept) / len(draws) if draws else 1.0
            repeats = range(epochs if epochs is not None else task.task.epochs)
            units = [(chain, epoch) for epoch in repeats for chain in kept]
            for position, (chain, epoch) in enumerate(units):
                entries = [(loaded.suite, task, sample, epoch, probability) for sample in chain]
                placed.append(((position + 0.5) / len(units), suite_index, task_index, entries))
    placed.sort(key=lambda unit: unit[:3])
    return tuple(_numbered(unit[3] for unit in placed))


def _numbered(units: Iterable[list[tuple[Suite, LoadedTask, Sample, int, float]]]) -> Iterable[Chain]:
    draw_order = 0
    for entries in units:
        chain = []
        for suite, task, sample, epoch, probability in entries:
            chain.append(
                PlannedItem(
                    suite=suite,
                    task=task.task,
                    sample=sample,
                    epoch=epoch,
                    draw_order=draw_order,
                    inclusion_probability=probability,
                )
            )
            draw_order += 1
        yield tuple(chain)


def _drawn(task: LoadedTask, *, seed: int, suite_name: str) -> list[tuple[Sample, ...]]:
    chains = _chains(task.samples)
    random.Random(f"{seed}/{suite_name}/{task.task.name}").shuffle(chains)
    return chains


def _chains(samples: Sequence[Sample]) -> list[tuple[Sample, ...]]:
    """Join samples that are drawn together (`metadata["group"]`), in file order."""
    chains: dict[str, list[Sample]] = {}
    for sample in samples:
        group = sample.metadata.get("group")
        chains.setdefault(f"one/{sample.sample_id}" if group is None else f"group/{group}", []).append(sample)
    return [tuple(chain) for chain in chains.values()]


def plan_sha256(chains: Sequence[Chain], settings: dict[str, Any]) -> str:
    """Digest of everything that decides what a run asks; resuming with another digest is refused."""
    digest = hashlib.sha256(orjson.dumps(settings, option=orjson.OPT_SORT_KEYS, default=str))
    for chain in chains:
        for item in chain:
            digest.update(orjson.dumps([*item.key, sample_sha256(item.sample)]))
    return digest.hexdigest()
