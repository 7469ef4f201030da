"""Models that cost nothing and behave as told."""

from harness.simulation.simulated_models import (
    EFFORTS,
    FINGERPRINT,
    FLAKY_RATES,
    MODELS,
    OUTPUT_CAP_TOKENS,
    Answer,
    AnswerKey,
    Draw,
    Effort,
    answer,
    epoch_and_try,
    fault_of,
    find_model,
    prompt_of,
    retry_after_s,
)

__all__ = [
    "EFFORTS",
    "FINGERPRINT",
    "FLAKY_RATES",
    "MODELS",
    "OUTPUT_CAP_TOKENS",
    "Answer",
    "AnswerKey",
    "Draw",
    "Effort",
    "answer",
    "epoch_and_try",
    "fault_of",
    "find_model",
    "prompt_of",
    "retry_after_s",
]
