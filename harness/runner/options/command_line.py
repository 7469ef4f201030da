"""A run's options as words of a command line: what is printed to go on with a run or to make it again.

Data flows stored options -> words -> one line quoted for the shell. The only place that writes commands for people to
paste.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from harness.runner.options.precision_options import per_cent_word, points_word
from harness.runner.spec import RunSpec


def number_word(value: object) -> str:
    """Write a value as it is typed."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An option of `benchtab run`.

    Attributes:
        field: of `RunSpec`.
        flag: as typed.
        off: what is typed for False; None = nothing (a plain flag), or the option takes a value.
        written: how a value is typed.
    """

    field: str
    flag: str
    off: str | None = None
    written: Callable[[object], str] = number_word

    def words(self, value: object) -> list[str]:
        """What is typed for a value, as stored in a run's config."""
        if self.field == "keep_transcripts":
            return [] if value else [self.flag]
        if isinstance(value, bool):
            typed = self.flag if value else self.off
            return [] if typed is None else [typed]
        return [word for one in _listed(value) for word in (self.flag, self.written(one))]


def _listed(value: object) -> list[object]:
    """One value for each time that its option is typed."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        return [f"{name}={one}" for name, one in value.items()]
    return list(value) if isinstance(value, list | tuple) else [value]


OPTIONS = (
    Option(field="epochs", flag="--epochs"),
    Option(field="limit", flag="--limit"),
    Option(field="sample_seed", flag="--sample-seed"),
    Option(field="temperature", flag="--temperature"),
    Option(field="max_output_tokens", flag="--max-output-tokens"),
    Option(field="service_tier", flag="--service-tier"),
    Option(field="judge", flag="--judge"),
    Option(field="user_model", flag="--user-model"),
    Option(field="max_usd_per_sample", flag="--max-usd-per-sample"),
    Option(field="batch", flag="--batch"),
    Option(field="precision", flag="--precision", written=points_word),
    Option(field="confidence", flag="--confidence", written=per_cent_word),
    Option(field="difference", flag="--difference", written=points_word),
    Option(field="against", flag="--against"),
    Option(field="bank", flag="--bank", off="--no-bank"),
    Option(field="frames", flag="--frames"),
    Option(field="data_dir", flag="--data"),
    Option(field="base_url", flag="--base-url"),
    Option(field="budget_usd", flag="--budget-usd"),
    Option(field="budget_mode", flag="--budget-mode"),
    Option(field="concurrency", flag="--concurrency"),
    Option(field="timeout_s", flag="--timeout-s"),
    Option(field="max_attempts", flag="--max-attempts"),
    Option(field="max_failed", flag="--max-failed"),
    Option(field="requests_per_minute", flag="--rpm"),
    Option(field="tokens_per_minute", flag="--tpm"),
    Option(field="reuse", flag="--reuse"),
    Option(field="batch_poll_s", flag="--batch-poll-s"),
    Option(field="pilot", flag="--pilot"),
    Option(field="stream", flag="--stream", off="--no-stream"),
    Option(field="keep_transcripts", flag="--no-transcripts"),
    Option(field="unsafe_exec", flag="--unsafe-exec"),
)
FLAGS = {"suites": "SUITE", "models": "--model", **{option.field: option.flag for option in OPTIONS}}


def written(field: str, value: object) -> str:
    """Write the value of an option as it is typed."""
    return next((option.written for option in OPTIONS if option.field == field), str)(value)


def command(words: Iterable[str]) -> str:
    """Write a command of the program, quoted for a POSIX shell."""
    return shlex.join(["benchtab", *words])


def run_words(config: Mapping[str, object]) -> list[str]:
    """The words that ask a stored run's question again: every option that differs from its default."""
    usual = RunSpec(suites=(), models=()).to_json()
    models = [word for model in _listed(config.get("models")) for word in ("-m", str(model))]
    return ["run", *map(str, _listed(config.get("suites"))), *models, *_changed(config, usual)]


def resume_words(run_id: str, spec: RunSpec, stored: Mapping[str, object]) -> list[str]:
    """The words that go on with a run as this session went on with it; `stored` is the run's config."""
    usual = RunSpec(suites=(), models=()).to_json() | dict(stored)
    return ["run", "--resume", run_id, *_changed(spec.to_json(), usual)]


def _changed(config: Mapping[str, object], usual: Mapping[str, object]) -> list[str]:
    return [
        word
        for option in OPTIONS
        if option.field in config and config[option.field] != usual[option.field]
        for word in option.words(config[option.field])
    ]
