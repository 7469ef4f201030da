"""What to run: a suite of tasks, each task a data set, a prompt and a scorer; a sample is one benchmark item.

What a person types (Suite, Task, DatasetRef) is a frozen pydantic model that refuses unknown keys; what loading makes
(Sample) is a dataclass. Pure: reading files is `harness.loaders`' work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.providers.base import ContentPart


class Strict(BaseModel):
    """A frozen table of a user's file: a typo is an error with its key path."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DatasetRef(Strict):
    """Where a task's rows come from: a hub data set or local files.

    `revision = "main"` means that no revision is known: the loader records the commit it got and warns.
    """

    path: str
    name: str | None = None
    split: str = "test"
    revision: str = "main"
    local: str | None = Field(default=None, description="file or glob under --data DIR, or beside the suite file")
    fields: Mapping[str, str] = Field(default_factory=dict, description="our field -> column (dotted path)")
    filters: Mapping[str, Any] = Field(default_factory=dict)
    expected_rows: int | None = None
    streaming: bool = False
    gated: bool = False
    access: str | None = Field(default=None, description="how to get access and where to put the files")
    licence: str = "not stated"


class ScorerRef(Strict):
    """A scorer's name in `harness.scorers.SCORERS` and its options."""

    name: str
    options: Mapping[str, Any] = Field(default_factory=dict)


class Task(Strict):
    """One data set with one prompt and one scorer."""

    name: str
    dataset: DatasetRef
    prompt: str = Field(description="template with {field} placeholders of the sample's fields")
    system: str | None = None
    scorer: ScorerRef
    epochs: int = Field(default=1, ge=1)
    max_output_tokens: int | None = Field(default=None, description="output cap for models that do not reason")
    max_output_tokens_reasoning: int | None = Field(default=None, description="output cap for models that reason")
    shuffle_options_seed: int | None = None
    weight: float | None = None


class Suite(Strict):
    """A named, versioned set of tasks. `sha256` is the digest of its canonical form, filled by the loader."""

    name: str
    version: str
    title: str
    description: str = ""
    citation: str = ""
    tasks: tuple[Task, ...]
    sha256: str = ""


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
        metadata: what the scorer needs besides (tests, entry point, subject); JSON values only.
    """

    task: str
    sample_id: str
    input: str | tuple[ContentPart, ...]
    target: str
    system: str | None = None
    choices: tuple[str, ...] | None = None
    difficulty: float = 0.5
    metadata: Mapping[str, Any] = field(default_factory=dict)


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


UnscoredReason = Literal["no_answer", "truncated", "refused", "failed", "unsandboxed", "undecided"]
