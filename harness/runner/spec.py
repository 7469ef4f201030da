"""What a person asks of a run, as values that can be stored and read back, so that a run id alone can resume it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from harness.declared import JsonObject
from harness.errors import InputError
from harness.models import ModelSpec, parse_model
from harness.money import plain
from harness.providers.endpoints import BaseUrls, shown

BudgetMode = Literal["strict", "expected"]
DECIDING = (
    "suites",
    "models",
    "epochs",
    "limit",
    "sample_seed",
    "temperature",
    "max_output_tokens",
    "service_tier",
    "judge",
    "user_model",
    "max_usd_per_sample",
    "batch",
    "precision",
    "confidence",
    "difference",
    "against",
    "bank",
    "frames",
)
"""Fields of `RunSpec` that decide what is asked: a resumed run must have the same."""
_LATER = frozenset(
    {"user_model", "max_usd_per_sample", "precision", "confidence", "difference", "against", "bank", "frames"}
)
"""Those that older runs know nothing of: at their defaults they are left out of a plan's digest."""
_MODELS = ("judge", "against", "user_model")
_DOLLARS = ("budget_usd", "max_usd_per_sample")
_LONGEST_RUN_ID = 200
_RUN_ID = re.compile(rf"[!-~](?:[ -~]{{0,{_LONGEST_RUN_ID - 2}}}[!-~])?")


def check_run_id(run_id: str) -> str:
    """Return a run id that can be stored, shown and sent along as a header with every request.

    Raises:
        InputError: it is empty, too long, or holds line breaks or other characters that cannot be printed.
    """
    if _RUN_ID.fullmatch(run_id):
        return run_id
    shown = repr(run_id if len(run_id) <= 60 else f"{run_id[:60]}...")
    raise InputError(
        f"not a name for a run: {shown}",
        where="--run-id",
        fix=f"use 1 to {_LONGEST_RUN_ID} letters, digits and signs of ASCII, without line breaks or control characters",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """The options of `benchtab run`.

    Attributes:
        suites: names of shipped suites or paths of suite files.
        models: what to ask.
        epochs: repeats of each sample; None = as each task says.
        limit: first N draws of each task; None = all.
        sample_seed: decides which samples come first.
        concurrency: requests in flight over all models.
        budget_usd: hard cap on this run; None = none.
        budget_mode: `strict` reserves each request's worst case, `expected` an empirical quantile.
        timeout_s: per attempt.
        max_attempts: requests per sample, over all sessions of the run that do not ask failed samples again.
        max_failed: share of a model's samples that may fail for good before the run counts as failed.
        data_dir: where local data sets lie; None = the hub.
        temperature, max_output_tokens, service_tier: None = the suite's or the provider's default.
        base_url: `URL` of the openai-compatible models, or `NAME=URL` of a provider or model, or several; None = the
            providers' own addresses. Stored without keys.
        keep_transcripts: store prompts and answers.
        requests_per_minute, tokens_per_minute: per model; None = no limit of ours.
        unsafe_exec: run programs without a sandbox.
        judge: model for judged tasks; None = as the suite says.
        user_model: plays the user of conversations; None = as the suite says.
        max_usd_per_sample: hard cap on what one sample may cost, judge and user included; None = as the suite says.
        reuse: take stored answers to the same request instead of sending.
        batch: use the provider's batch interface.
        batch_poll_s: longest wait between two looks at a batch.
        pilot: `200` samples of each model or `2%` of its answers are asked first, then the bill is forecast; None = all
            at once.
        frames: of videos that are shown: `8`, or `every=2`; None = as the suites say.
        stream: ask for streamed answers; None = where long reasoning could outlast an idle connection.
        precision: half of the interval's width, as a share, at which a score is known well enough; None = ask all.
        confidence: level of that interval.
        difference, against: likewise for the difference of each model to this one, on the same samples.
        bank: stored answers of other models may say what is asked first.
    """

    suites: tuple[str, ...]
    models: tuple[ModelSpec, ...]
    epochs: int | None = None
    limit: int | None = None
    sample_seed: int = 0
    concurrency: int = 16
    budget_usd: Decimal | None = None
    budget_mode: BudgetMode = "strict"
    timeout_s: float = 600.0
    max_attempts: int = 6
    max_failed: float = 0.05
    data_dir: Path | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    service_tier: str | None = None
    base_url: BaseUrls = None
    keep_transcripts: bool = True
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    unsafe_exec: bool = False
    judge: ModelSpec | None = None
    reuse: bool = False
    batch: bool = False
    batch_poll_s: float = 60.0
    stream: bool | None = None
    precision: float | None = None
    confidence: float = 0.95
    difference: float | None = None
    against: ModelSpec | None = None
    bank: bool = True
    pilot: str | None = None
    frames: str | None = None
    user_model: ModelSpec | None = None
    max_usd_per_sample: Decimal | None = None

    def to_json(self) -> JsonObject:
        """JSON values from which `from_json` builds the same spec."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        values["models"] = [str(model) for model in self.models]
        for name in _MODELS:
            model = getattr(self, name)
            values[name] = None if model is None else str(model)
        for name in _DOLLARS:
            usd = getattr(self, name)
            values[name] = None if usd is None else plain(usd)
        values["base_url"] = shown(self.base_url)
        values["data_dir"] = None if self.data_dir is None else str(self.data_dir)
        return values

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> RunSpec:
        """Build the spec that `to_json` wrote; fields that it does not know are left at their defaults."""
        known = {field.name for field in dataclasses.fields(cls)}
        values = {name: value for name, value in stored.items() if name in known}
        values["suites"] = tuple(values["suites"])
        values["models"] = tuple(parse_model(name) for name in values["models"])
        for name in _MODELS:
            if values.get(name) is not None:
                values[name] = parse_model(values[name])
        for name in _DOLLARS:
            if values.get(name) is not None:
                values[name] = Decimal(values[name])
        if isinstance(values.get("base_url"), list):
            values["base_url"] = tuple(values["base_url"])
        if values.get("data_dir") is not None:
            values["data_dir"] = Path(values["data_dir"])
        return cls(**values)

    def deciding(self) -> JsonObject:
        """The options that decide what is asked; a resumed run must have the same."""
        values = self.to_json()
        usual = {field.name: field.default for field in dataclasses.fields(self)}
        return {name: values[name] for name in DECIDING if name not in _LATER or values[name] != usual[name]}
