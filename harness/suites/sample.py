"""What loading makes of a task: samples, each one benchmark item, rendered and ready to send. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.messages import ContentPart
from harness.suites.suite import Task

Metadata = Mapping[str, Any]
"""What a scorer needs besides the reference: JSON values, each key known to its scorer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetsRef:
    """Where the numbers are that a sample's tests compare with, in a file of the user's that is too large to be held.

    Attributes:
        path: the HDF5 file on this machine.
        step: its group.
        count: tests, each with a group of its own.
    """

    path: str
    step: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One benchmark item, rendered and ready to send.

    Attributes:
        task: name of its task.
        sample_id: stable over runs and over reordering of the file.
        input: the user message: a text, or text and image parts.
        target: the reference answer in the scorer's form (letter, number, text, or empty for program tests).
        system: the system message, None for none.
        choices: options in the order shown, for multiple choice; None elsewhere.
        difficulty: 0 (easy) to 1 (hard) where known or derived; decides how often simulated models are right.
        metadata: what the scorer needs besides (tests, entry point, subject); JSON values only. Known keys:
            `option_order` (original index of each option shown), `group` (samples that are drawn together),
            `depends_on` (ids of earlier samples whose answers fill the prompt: `prompts.with_earlier_answers`),
            `targets_sha256` (digest of the file that `targets` names).
        targets: where the numbers of its tests are; None = it needs none, or they are not on this machine.
    """

    task: str
    sample_id: str
    input: str | tuple[ContentPart, ...]
    target: str
    system: str | None = None
    choices: tuple[str, ...] | None = None
    difficulty: float = 0.5
    metadata: Metadata = field(default_factory=dict)
    targets: TargetsRef | None = None


def sample_mark(task: str, sample_id: str) -> str:
    """A short name for a sample: 12 hexadecimal digits, the same in every run and process."""
    return hashlib.sha256(f"{task}\0{sample_id}".encode(errors="surrogatepass")).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTask:
    """A task with its samples in file order.

    Attributes:
        revision: the revision that was loaded (commit, or `local:<sha256>`).
        samples_sha256: digest over the loaded samples.
        warnings: not pinned, unexpected row count and the like.
    """

    task: Task
    samples: tuple[Sample, ...]
    revision: str
    samples_sha256: str
    warnings: tuple[str, ...] = ()
