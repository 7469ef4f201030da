"""Why an answer has no score, and which of those reasons count as wrong: scorers say it, the ledger keeps it, reports
count by it."""

from __future__ import annotations

from typing import Literal

UnscoredReason = Literal["no_answer", "truncated", "refused", "failed", "unsandboxed", "undecided", "at_limit"]

COUNTED_WRONG = frozenset({"no_answer", "truncated", "refused"})
"""Unscored replies that count as wrong: the model was asked, was billed and gave no right answer. Published protocols
count so. Where the reply or the verdict never came (`failed`, `unsandboxed`, `undecided`), nothing is known of the
model: such samples are left out; and so are those that reached a limit (`at_limit`) where their suite says so."""
