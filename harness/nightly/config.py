"""What a person types in nightly.toml, and how it becomes a run: matrix, budgets, thresholds, baseline, output.

Data flows TOML -> `NightlyConfig` (every mistake at once, with its key path) -> `RunSpec`, thresholds, caps. Paths in
the file are relative to the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from harness.errors import Finding, HarnessError, InputError
from harness.loaders.suite_files import suite_file
from harness.models import ModelSpec
from harness.money import parse_usd
from harness.pricing.model_names import read_model
from harness.reports.compare.comparison import Thresholds
from harness.reports.compare.gate_rules import OnInconclusive, parse_share
from harness.runner.failed_samples import MAX_FAILED, parse_max_failed
from harness.runner.options.frame_options import parse_frames
from harness.runner.options.precision_options import parse_confidence, parse_points
from harness.runner.spec import RunSpec
from harness.typed_files import Strict, mistakes, parse_toml, refusal

DEFAULT_SETTING = "default"
"""Stands for the provider's own setting in a list of settings."""


def _usd(value: object) -> object:
    """Read dollars as an exact decimal from "5", "0.25" or a whole number."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f'write dollars as a string, so that they are exact: "{value}"')
    try:
        return parse_usd(str(value), where="")
    except InputError as error:
        raise ValueError(f"{error.message}; {error.fix}") from None


def _model(value: object) -> object:
    if isinstance(value, ModelSpec):
        return value
    try:
        return read_model(str(value))
    except HarnessError as error:
        raise ValueError(f"{error.message}; {error.fix}") from None


def _read_by(parse: Callable[[str], object]) -> BeforeValidator:
    """Read a value by the command line's own reader of it."""

    def read(value: object) -> object:
        try:
            return parse(str(value))
        except HarnessError as error:
            raise ValueError(f"{error.message}; {error.fix}") from None

    return BeforeValidator(read)


def _share(unit: str) -> BeforeValidator:
    return _read_by(lambda text: parse_share(text, unit, ""))


Usd = Annotated[Decimal, BeforeValidator(_usd)]
MaxFailed = Annotated[float, _read_by(parse_max_failed)]
Model = Annotated[ModelSpec, BeforeValidator(_model)]
Points = Annotated[float, _read_by(lambda text: parse_points(text, ""))]
Confidence = Annotated[float, _read_by(parse_confidence)]
FrameChoice = Annotated[str, _read_by(parse_frames)]


class MatrixModel(Strict):
    """One model of the matrix with settings of its own.

    Attributes:
        settings: each makes a row; `default` is the provider's own setting; empty = the matrix' settings.
        replaces: the model of earlier nights that this one is compared with as long as the baseline does not have it.
    """

    model: Model
    settings: tuple[str, ...] = ()
    replaces: Model | None = None


class Matrix(Strict):
    """What is run: every suite on every model with every setting."""

    suites: tuple[str, ...] = Field(min_length=1)
    models: tuple[MatrixModel, ...]
    settings: tuple[str, ...] = Field(default=(), description="for models that name none of their own")

    @model_validator(mode="before")
    @classmethod
    def _names_are_models(cls, value: object) -> object:
        """Let a plain name stand for a table with that model."""
        if not isinstance(value, dict) or not isinstance(value.get("models"), list):
            return value
        return value | {"models": [{"model": one} if isinstance(one, str) else one for one in value["models"]]}

    @model_validator(mode="after")
    def _no_row_twice(self) -> Matrix:
        specs = self.specs()
        if not specs:
            raise ValueError("names no model")
        if twice := sorted({str(spec) for spec in specs if specs.count(spec) > 1}):
            raise ValueError(f"named twice: {', '.join(twice)}")
        return self

    def specs(self) -> list[ModelSpec]:
        """List every model setting of the matrix."""
        return [spec for entry in self.models for spec in self._settings_of(entry)]

    def replaced(self) -> dict[ModelSpec, ModelSpec]:
        """Map models to those of earlier nights that they stand in for."""
        return {spec: entry.replaces for entry in self.models if entry.replaces for spec in self._settings_of(entry)}

    def _settings_of(self, entry: MatrixModel) -> list[ModelSpec]:
        if entry.model.setting is not None:
            return [entry.model]
        settings = entry.settings or self.settings or (DEFAULT_SETTING,)
        return [
            ModelSpec(
                provider=entry.model.provider, model=entry.model.model, setting=None if one == DEFAULT_SETTING else one
            )
            for one in settings
        ]


class RunTable(Strict):
    """Options of the run, as of `benchtab run`."""

    epochs: int | None = Field(default=None, ge=1, strict=True)
    limit: int | None = Field(default=None, ge=1, strict=True)
    sample_seed: int = Field(default=0, strict=True)
    concurrency: int = Field(default=16, ge=1, strict=True)
    timeout_s: float = Field(default=600.0, gt=0, strict=True)
    max_attempts: int = Field(default=6, ge=1, strict=True)
    max_failed: MaxFailed = Field(
        default=MAX_FAILED,
        description='"5%" or "0.05": the night fails when more of a model\'s samples failed for good',
    )
    data: str | None = Field(default=None, description="folder of local data sets")
    temperature: float | None = Field(default=None, ge=0, strict=True)
    max_output_tokens: int | None = Field(default=None, ge=1, strict=True)
    service_tier: str | None = None
    base_url: str | list[str] | None = None
    judge: Model | None = None
    user_model: Model | None = None
    frames: FrameChoice | None = Field(default=None, description='frames of each video, `8` or `"every=2"`')
    rpm: float | None = Field(default=None, gt=0, strict=True)
    tpm: float | None = Field(default=None, gt=0, strict=True)
    batch: bool = Field(default=False, strict=True)
    precision: Points | None = Field(default=None, description='"1pt": ask only until each score is known so well')
    confidence: Confidence = Field(default=0.95, description='"95%": of that interval')
    bank: bool = Field(default=True, strict=True, description="other models' answers may say what is asked first")
    transcripts: bool = Field(default=True, strict=True)
    unsafe_exec: bool = Field(default=False, strict=True)


class Budget(Strict):
    """Hard caps in dollars; day, month and models count everything in the ledger (UTC)."""

    run_usd: Usd | None = None
    per_sample_usd: Usd | None = None
    day_usd: Usd | None = None
    month_usd: Usd | None = None
    models: Mapping[str, Usd] = Field(default_factory=dict, description="provider/model -> cap over all time")
    mode: Literal["strict", "expected"] = "strict"


class Gate(Strict):
    """What the gate tolerates; a threshold left out is not asked."""

    max_cost_increase: Annotated[float | None, _share("%")] = None
    max_score_drop: Annotated[float | None, _share("pt")] = None
    on_inconclusive: OnInconclusive = Field(
        default="fail",
        description="what too few samples do: `fail` ends with 5, `warn` says so and ends with 0, `pass` ends with 0;"
        " such a night is no baseline in any case",
    )


class Baseline(Strict):
    """What a night is compared with: the last good run of the same suites, or a named run."""

    rule: Literal["last-good"] = "last-good"
    run: str | None = None


class Output(Strict):
    """Where the files go, and how many nights the history page shows."""

    folder: str = "nightly"
    history: int = Field(default=60, ge=2)


class NightlyConfig(Strict):
    """The whole file."""

    name: str = Field(default="nightly", pattern=r"^[a-z0-9][a-z0-9_.-]*$", description="names the job and its runs")
    pricing: str | None = Field(default=None, description="folder of your own price files")
    matrix: Matrix
    run: RunTable = RunTable()
    budget: Budget = Budget()
    gate: Gate = Gate()
    baseline: Baseline = Baseline()
    output: Output = Output()

    def run_spec(self, folder: Path) -> RunSpec:
        """Make the run that the matrix asks for; `folder` is where the file lies."""
        run = self.run
        return RunSpec(
            suites=tuple(_placed(name, folder) for name in self.matrix.suites),
            models=tuple(self.matrix.specs()),
            epochs=run.epochs,
            limit=run.limit,
            sample_seed=run.sample_seed,
            concurrency=run.concurrency,
            budget_usd=self.budget.run_usd,
            budget_mode=self.budget.mode,
            timeout_s=run.timeout_s,
            max_attempts=run.max_attempts,
            max_failed=run.max_failed,
            data_dir=None if run.data is None else folder / run.data,
            temperature=run.temperature,
            max_output_tokens=run.max_output_tokens,
            service_tier=run.service_tier,
            base_url=tuple(run.base_url) if isinstance(run.base_url, list) else run.base_url,
            keep_transcripts=run.transcripts,
            requests_per_minute=run.rpm,
            tokens_per_minute=run.tpm,
            unsafe_exec=run.unsafe_exec,
            judge=run.judge,
            user_model=run.user_model,
            frames=run.frames,
            max_usd_per_sample=self.budget.per_sample_usd,
            batch=run.batch,
            precision=run.precision,
            confidence=run.confidence,
            bank=run.bank,
        )

    def thresholds(self) -> Thresholds:
        """Give the gate's thresholds as shares."""
        return Thresholds(cost_increase=self.gate.max_cost_increase, score_drop=self.gate.max_score_drop)


def _placed(suite: str, folder: Path) -> str:
    """Make the path of a suite file relative to the config's folder; leave names of shipped suites."""
    return str(folder / suite) if suite.endswith(".toml") or "/" in suite else suite


def read_config(path: Path) -> NightlyConfig:
    """Read a config file.

    Raises:
        InputError: with every mistake and its key path.
    """
    try:
        document = parse_toml(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except ValueError as error:
        raise InputError(f"not a TOML file: {error}", where=str(path)) from None
    try:
        config = NightlyConfig.model_validate(document)
    except ValidationError as error:
        found = [*mistakes(error, NightlyConfig), *_wrong_suites(document, path.parent)]
        raise refusal("the nightly config", found, where=str(path)) from None
    if findings := _wrong_suites(document, path.parent):
        raise refusal("the nightly config", findings, where=str(path))
    return config


def _wrong_suites(document: Mapping[str, object], folder: Path) -> list[Finding]:
    """Suites of the matrix that are not there, whatever else is wrong with the file."""
    matrix = document.get("matrix")
    suites = matrix.get("suites") if isinstance(matrix, Mapping) else None
    found = []
    for number, name in enumerate(suites if isinstance(suites, list) else (), 1):
        try:
            suite_file(_placed(str(name), folder))
        except InputError as error:
            found.append(Finding(where=f"matrix.suites[{number}]", message=f"{error.message}; {error.fix}"))
    return found
