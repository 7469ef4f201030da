"""Answers that a judge was to score and that have no verdict: how many each model of a run has, and why.

Data flows newest scores in the ledger -> counts beside how the models of a run ended.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import score_rows
from harness.models import ModelSpec
from harness.runner.endings import ModelResult
from harness.runner.plan import JUDGED, PreparedRun
from harness.runner.scoring.scores import NO_JUDGE

_REASON_LENGTH = 200


def with_verdicts(models: Sequence[ModelResult], prepared: PreparedRun, ledger: Ledger) -> list[ModelResult]:
    """Count the answers of each model whose judge gave no verdict; where no judge was named, none was to come."""
    if not prepared.is_judged:
        return list(models)
    found: dict[ModelSpec, Counter[str]] = {model.spec: Counter() for model in models}
    for row in score_rows(ledger, [prepared.run_id]):
        if row.scorer == JUDGED and row.reason == "undecided" and row.explanation != NO_JUDGE:
            spec = ModelSpec.of(row)
            found[spec][(row.explanation or "")[:_REASON_LENGTH]] += 1
    return [_with_reasons(model, found[model.spec]) for model in models]


def _with_reasons(model: ModelResult, reasons: Counter[str]) -> ModelResult:
    if not reasons:
        return model
    return dataclasses.replace(model, n_unjudged=reasons.total(), why_unjudged=reasons.most_common(1)[0][0])
