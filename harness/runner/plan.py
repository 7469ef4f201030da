"""What will be asked, drawn before the first request: samples, epochs, order and inclusion probabilities; `PreparedRun`
holds all of it.

Pure. Loaded suites and a seed go in, chains of planned samples come out; the draw order interleaves tasks in
proportion, so that the first k samples of a plan are an unbiased draw from all of it.
"""

from __future__ import annotations

import hashlib
import heapq
import operator
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from harness.messages import Clip, ImagePart
from harness.models import ModelSpec
from harness.pricing.book import PriceBook
from harness.providers.endpoints import SIMULATED, Endpoints
from harness.runner.spec import RunSpec
from harness.suites.sample import LoadedTask, Sample
from harness.suites.suite import Suite, Task

VIDEO = "video/"
"""How the digest of frames of a video begins; those of images begin with their media type."""
JUDGED = "judge"
"""The scorer that asks a model."""
BY_END_STATE = "environment"
"""The scorer that asks the environment of a conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSuite:
    """A suite with the samples of each of its tasks."""

    suite: Suite
    tasks: tuple[LoadedTask, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """One model of a run: whether it reasons, and whether it is one of the built-in simulated ones."""

    spec: ModelSpec
    reasons: bool | None
    simulated: bool


def is_simulated(spec: ModelSpec, book: PriceBook, now: datetime) -> bool:
    """Whether a model is one of the built-in ones, asked directly or over HTTP: its dollars are made up."""
    price = book.at(spec.provider, spec.model, now)
    return spec.provider == SIMULATED or (price is not None and price.provider == SIMULATED)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRun:
    """A run that can start.

    Attributes:
        chains: what is asked of each model, in draw order.
        endpoints: where each model and judge is asked.
        warnings: what a reader of the results must know (data not pinned, prices missing).
    """

    run_id: str
    spec: RunSpec
    suites: tuple[LoadedSuite, ...]
    chains: tuple[Chain, ...]
    models: tuple[ModelPlan, ...]
    plan_sha256: str
    warnings: tuple[str, ...]
    endpoints: Endpoints

    @property
    def items(self) -> list[PlannedItem]:
        """All planned samples, in draw order."""
        return [item for chain in self.chains for item in chain]

    @property
    def is_judged(self) -> bool:
        """Whether a judge is to score answers of any task."""
        return any(task.scorer.name == JUDGED for loaded in self.suites for task in loaded.suite.tasks)


def sample_sha256(sample: Sample) -> str:
    """Digest of what is shown to the model and of the reference answer."""
    parts = (sample.input,) if isinstance(sample.input, str) else sample.input
    shown = [part if isinstance(part, str) else part_sha256(part) for part in parts]
    body = orjson.dumps([sample.system, shown, sample.target])
    return hashlib.sha256(body).hexdigest()


def part_sha256(part: ImagePart | Clip) -> str:
    """Digest of an image, or of a video's file with the choice of its frames: their bytes differ between decoders."""
    if isinstance(part, Clip):
        return f"{VIDEO}frames={part.n_frames};sha256={part.sha256()}"
    return image_sha256(part)


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
    streams = [
        _placed(loaded.suite, task, seed=seed, limit=limit, epochs=epochs) for loaded in suites for task in loaded.tasks
    ]
    # lazily, and of equal places the earlier task's first
    return tuple(_numbered(heapq.merge(*streams, key=operator.itemgetter(0))))


_Unit = tuple[float, Suite, Task, Sequence[Sample], int, float]
"""Place in the plan, suite, task, the samples of one draw, epoch, inclusion probability."""


def _placed(suite: Suite, task: LoadedTask, *, seed: int, limit: int | None, epochs: int | None) -> Iterator[_Unit]:
    """The draws of one task, spread evenly over the plan."""
    draws = _drawn(task, seed=seed, suite_name=suite.name)
    kept = draws if limit is None else draws[:limit]
    repeats = epochs if epochs is not None else task.task.epochs
    for position in range(repeats * len(kept)):
        epoch, number = divmod(position, len(kept))
        place = (position + 0.5) / (repeats * len(kept))
        yield place, suite, task.task, kept[number], epoch, len(kept) / len(draws)


def _numbered(units: Iterable[_Unit]) -> Iterator[Chain]:
    draw_order = 0
    for _, suite, task, samples, epoch, probability in units:
        yield tuple(
            PlannedItem(
                suite=suite,
                task=task,
                sample=sample,
                epoch=epoch,
                draw_order=number,
                inclusion_probability=probability,
            )
            for number, sample in enumerate(samples, draw_order)
        )
        draw_order += len(samples)


def _drawn(task: LoadedTask, *, seed: int, suite_name: str) -> list[Sequence[Sample]]:
    draws = _draws(task.samples)
    random.Random(f"{seed}/{suite_name}/{task.task.name}").shuffle(draws)
    return draws


def _draws(samples: Sequence[Sample]) -> list[Sequence[Sample]]:
    """Join samples that are drawn together (`metadata["group"]`), in file order."""
    draws: list[Sequence[Sample]] = []
    groups: dict[object, list[Sample]] = {}
    for sample in samples:
        name = sample.metadata.get("group")
        if name is None:
            draws.append((sample,))
        elif name in groups:
            groups[name].append(sample)
        else:
            draws.append(groups.setdefault(name, [sample]))
    return draws


def plan_sha256(chains: Sequence[Chain], settings: Mapping[str, object]) -> str:
    """Digest of everything that decides what a run asks; resuming with another digest is refused."""
    digest = hashlib.sha256(orjson.dumps(settings, option=orjson.OPT_SORT_KEYS, default=str))
    for chain in chains:
        for item in chain:
            digest.update(orjson.dumps([*item.key, sample_sha256(item.sample)]))
    return digest.hexdigest()
