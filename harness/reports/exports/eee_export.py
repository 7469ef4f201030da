"""Every Eval Ever records (evalevalai's schema 0.3.0): one aggregate a cell, one instance record a sample and repeat.

Data flows whole samples -> `Evaluation`, whose instances are read one by one and whose aggregate is known at their end.
Equal ledgers give equal records. The schema counts all input, cached or not, as `input_tokens`, and has no place for
dollars, repeats and retries: those are texts of `metadata`, exact.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.instants import from_us
from harness.ledger import CellRecord, Ledger, RunRecord
from harness.ledger.reading.attempt_rows import attempts_by_id
from harness.money import plain
from harness.pricing.book import PriceBook
from harness.reports.exports.attempt_rates import AttemptRates
from harness.reports.exports.sample_bills import SampleBills
from harness.reports.exports.whole_samples import (
    Conversations,
    WholeSample,
    cells_of,
    spoken_text,
    storable_text,
    whole_samples,
)
from harness.reports.facts.report_facts import Spend

SCHEMA_VERSION = "0.3.0"
UNNAMED = "unknown"
Json = dict[str, Any]


@dataclass(slots=True)
class _TaskScores:
    """Scores of one task's samples as they are written; where waves drew them, each stands for several."""

    total: float = 0.0
    weight: float = 0.0
    n_scored: int = 0
    n_records: int = 0
    is_drawn: bool = False


@dataclass(slots=True)
class Evaluation:
    """One cell of one run: an evaluation in the schema's sense.

    Attributes:
        folder: below which the data store keeps it: `data/<suite>/<developer>/<model>`.
        file_id: a UUID of version 4 in form, made from run and cell.
    """

    run: RunRecord
    cell: CellRecord
    _samples: Iterator[list[WholeSample]]
    _ledger: Ledger
    _tasks: dict[str, _TaskScores] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """Where the data store keeps it."""
        return "/".join(("data", *map(_one_segment, (self.cell.suite, self.cell.provider, self.cell.model))))

    @property
    def file_id(self) -> str:
        """Name of its files."""
        digest = hashlib.sha256(self.evaluation_id.encode()).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"

    @property
    def model_id(self) -> str:
        """`developer/model`; the setting is no part of it."""
        return f"{self.cell.provider}/{self.cell.model}"

    @property
    def evaluation_id(self) -> str:
        """What joins instances to their aggregate."""
        setting = f"@{self.cell.setting}" if self.cell.setting else ""
        return f"{self.cell.suite}/{self.model_id.replace('/', '_')}{setting}/{self.run.run_id}"

    def instances(self) -> Iterator[Json]:
        """Give the record of every sample that was asked; reads the ledger."""
        for some in self._samples:
            errors = self._errors(some)
            for one in some:
                if one.standing.tried is not None:
                    yield self._instance(one, errors.get(one.standing.tried.attempt_id))

    def _errors(self, some: Sequence[WholeSample]) -> dict[int, str]:
        failed = [
            one.standing.tried.attempt_id
            for one in some
            if one.standing.tried is not None and one.standing.tried.status not in ("succeeded", "reused")
        ]
        return {
            row.attempt_id: storable_text(": ".join(filter(None, (row.error_class, row.error_message))) or row.status)
            for row in attempts_by_id(self._ledger, failed)
        }

    def _instance(self, one: WholeSample, error: str | None) -> Json:
        score = one.counted_score
        task = self._tasks.setdefault(one.sample.task, _TaskScores())
        task.n_records += 1
        if score is not None:
            weight = 1.0 if one.drawn is None else 1 / one.drawn.inclusion_probability
            task.total += weight * score
            task.weight += weight
            task.n_scored += 1
            task.is_drawn = one.drawn is not None
        elif error is None:
            error = f"not scored: {one.reason}"
        return {
            "schema_version": SCHEMA_VERSION,
            "evaluation_id": self.evaluation_id,
            "model_id": self.model_id,
            "evaluation_name": one.sample.task,
            "evaluation_result_id": _result_id(one.sample.task),
            "sample_id": one.sample.sample_id,
            **_said(one),
            "evaluation": {"score": score or 0.0, "is_correct": score == 1.0, "num_turns": max(1, _n_turns(one))},
            "token_usage": _token_usage(one),
            "performance": _performance(one),
            "error": None if score is not None else error,
            "metadata": _metadata(one),
        }

    def aggregate(self, samples_sha256: str) -> Json:
        """Give the aggregate; call it once the instances are read.

        Args:
            samples_sha256: digest of the file that holds them.
        """
        created, finished = self.run.created_at_us, self.run.finished_at_us or self.run.created_at_us
        return {
            "schema_version": SCHEMA_VERSION,
            "evaluation_id": self.evaluation_id,
            "evaluation_timestamp": _seconds(created),
            "retrieved_timestamp": _seconds(finished),
            "source_metadata": {
                "source_name": "benchtab",
                "source_type": "evaluation_run",
                "source_organization_name": UNNAMED,
                "evaluator_relationship": "third_party",
                "additional_details": {"run_id": self.run.run_id, "run_status": self.run.status},
            },
            "eval_library": {"name": "benchtab", "version": self.run.harness_version},
            "model_info": self._model_info(),
            "evaluation_results": [self._result(task, found) for task, found in self._tasks.items() if found.n_scored],
            "detailed_evaluation_results": {
                "format": "jsonl",
                "file_path": f"{self.folder}/{self.file_id}_samples.jsonl",
                "hash_algorithm": "sha256",
                "checksum": samples_sha256,
                "total_rows": sum(found.n_records for found in self._tasks.values()),
            },
        }

    def _model_info(self) -> Json:
        details = {"deployment_type": UNNAMED, "model_availability": UNNAMED}
        if self.cell.setting:
            details["setting"] = self.cell.setting
        if self.cell.simulated:
            details["simulated"] = "true"
        return {
            "name": self.cell.model,
            "id": self.model_id,
            "developer": self.cell.provider,
            "inference_platform": self.cell.provider,
            "additional_details": details,
        }

    def _result(self, task: str, found: _TaskScores) -> Json:
        what = "all samples, estimated from those that waves drew" if found.is_drawn else "the samples"
        dataset = {"suite_version": self.cell.suite_version, "suite_sha256": self.cell.suite_sha256}
        result: Json = {
            "evaluation_result_id": _result_id(task),
            "evaluation_name": task,
            "source_data": {"dataset_name": self.cell.suite, "source_type": "other", "additional_details": dataset},
            "evaluation_timestamp": _seconds(self.run.created_at_us),
            "metric_config": {
                "evaluation_description": f"mean score of {what}; replies without an answer count as wrong",
                "metric_id": "mean_score",
                "metric_name": "mean score",
                "metric_unit": "proportion",
                "lower_is_better": False,
                "score_type": "continuous",
                "min_score": 0.0,
                "max_score": 1.0,
            },
            "score_details": {
                "score": found.total / found.weight,
                "details": {"n_scored": str(found.n_scored), "n_records": str(found.n_records)},
            },
        }
        if self.cell.settings_sent:
            sent = {name: _text(value) for name, value in sorted(self.cell.settings_sent.items())}
            result["generation_config"] = {"additional_details": sent}
        return result


def evaluations(ledger: Ledger, book: PriceBook, run_ids: Sequence[str] | None = None) -> Iterator[Evaluation]:
    """Give the evaluations of runs, cell by cell, each to be read before the next; `run_ids` None = every run."""
    bills, told = SampleBills(ledger, AttemptRates(book)), Conversations(ledger)
    for run, cell in cells_of(ledger, run_ids):
        yield Evaluation(run, cell, whole_samples(ledger, bills, cell, told), ledger)


def _result_id(task: str) -> str:
    return f"{task}:mean_score"


def _one_segment(name: str) -> str:
    """Write a name as one part of a path, as the data store wants its folders."""
    safe = "".join(letter if letter.isalnum() or letter in "-_.@" else "_" for letter in name)
    return safe if safe.strip(".") else UNNAMED


def _seconds(at_us: int) -> str:
    return str(at_us / 1_000_000)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _n_turns(one: WholeSample) -> int:
    return one.standing.n_answers if one.told is None else one.told.n_turns


def _said(one: WholeSample) -> Json:
    """Write what was asked and said: as one exchange, or as messages where several requests were answered."""
    texts, reference = one.texts, _references(one.sample.reference)
    raw = texts.question or ""
    sample_hash = None if texts.question is None else hashlib.sha256("".join((raw, *reference)).encode()).hexdigest()
    several = _n_turns(one) > 1
    answer = [] if one.answer is None or texts.reply is None else [_attribution(one, one.answer, several=several)]
    told: Json = {
        "sample_hash": sample_hash,
        "interaction_type": "multi_turn" if several else "single_turn",
        "input": {"raw": raw, "formatted": None, "reference": reference, "choices": None},
        "output": None,
        "messages": None,
        "answer_attribution": answer,
    }
    if several:
        return {**told, "messages": _messages(one)}
    trace = None if texts.reasoning is None else [texts.reasoning]
    return {**told, "output": {"raw": [] if texts.reply is None else [texts.reply], "reasoning_trace": trace}}


def _references(reference: str | None) -> list[str]:
    """Read the right answers: one, or a JSON list of several."""
    if not reference:
        return []
    if reference.startswith("["):
        try:
            found = json.loads(reference)
        except ValueError:
            return [reference]
        if isinstance(found, list) and all(isinstance(each, str) for each in found):
            return found
    return [reference]


def _attribution(one: WholeSample, answer: str, *, several: bool) -> Json:
    return {
        "turn_idx": len(_messages(one)) - 1 if several else 0,
        "source": "messages[turn_idx].content" if several else "output.raw",
        "extracted_value": storable_text(answer),
        "extraction_method": one.rule or one.scorer or "custom",
        "is_terminal": True,
    }


def _messages(one: WholeSample) -> list[Json]:
    """Write the conversation that the last request carried, and its answer; empty where no transcripts were kept."""
    if one.said is None:
        return []
    spoken: list[tuple[str, str, str | None]] = [
        (str(message["role"]), storable_text(spoken_text(message)), None) for message in one.said.messages
    ]
    spoken.append(("assistant", one.texts.reply or "", one.texts.reasoning))
    return [
        {"turn_idx": place, "role": role, "content": content, "reasoning_trace": reasoning}
        for place, (role, content, reasoning) in enumerate(spoken)
    ]


def _token_usage(one: WholeSample) -> Json | None:
    """Count the tokens of all solving attempts of the sample whose usage is known; None = of none."""
    tokens = one.standing.solve.tokens
    if not one.standing.n_usage_known:
        return None
    input_tokens = tokens.input_tokens + tokens.cache_read_tokens + tokens.cache_write_tokens
    return {
        "input_tokens": input_tokens,
        "output_tokens": tokens.output_tokens,
        "total_tokens": input_tokens + tokens.output_tokens,
        "input_tokens_cache_write": tokens.cache_write_tokens,
        "input_tokens_cache_read": tokens.cache_read_tokens,
        "reasoning_tokens": tokens.reasoning_tokens,
    }


def _performance(one: WholeSample) -> Json | None:
    tried = one.standing.tried
    if tried is None or tried.status != "succeeded" or tried.finished_at_us is None:
        return None
    first = {} if tried.first_byte_us is None else {"time_to_first_byte_ms": str(tried.first_byte_us / 1_000)}
    latency_ms: float | None = (tried.finished_at_us - tried.started_at_us) / 1_000
    if one.told is not None:  # of the conversation, not of its last request
        latency_ms = None if one.told.wall_s is None else one.told.wall_s * 1_000
    return {"latency_ms": latency_ms, "additional_details": first or None}


def _metadata(one: WholeSample) -> Mapping[str, str]:
    tried, sample, cell = one.standing.tried, one.sample, one.cell
    assert tried is not None  # others have no record
    known = {
        "suite": cell.suite,
        "suite_version": cell.suite_version,
        "task": sample.task,
        "epoch": str(sample.epoch + 1),  # as converters of other tools count
        "provider": cell.provider,
        "setting": cell.setting,
        "simulated": "true" if cell.simulated else None,
        "status": tried.status,
        "unscored_reason": one.reason,
        "stop_reason": tried.finish_reason,
        "scorer": one.scorer,
        "started_at": from_us(tried.started_at_us).isoformat(),
        "request_id": tried.request_id,
        "n_attempts": str(one.standing.solve.n_attempts),
        **_dollars("cost", one.standing.solve),
        **_dollars("judge_cost", one.standing.judge),
        **_dollars("other_cost", one.standing.others),
        "tokens_are_lower_bound": "true" if one.standing.solve.n_unknown_usage else None,
    }
    return {name: value for name, value in known.items() if value is not None}


def _dollars(name: str, spend: Spend) -> Mapping[str, str | None]:
    if not spend.n_attempts:
        return {}
    usd = None if spend.known_usd is None else plain(spend.known_usd)
    return {f"{name}_usd": usd, f"{name}_is_lower_bound": "true" if spend.is_lower_bound else None}
