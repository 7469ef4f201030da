"""Usage -> disjoint billable meters, so that each token is charged exactly once.

Data flows `Usage` (inclusive totals and parts) -> `meters` -> the cost engine, which multiplies and adds.
"""

from __future__ import annotations

from harness.usage.values import Meter, Usage


def meters(usage: Usage) -> dict[Meter, int]:
    """Split a usage into disjoint quantities; zeros and unknown totals are left out.

    Tokens that are both cached and audio are CACHE_READ_AUDIO alone. Reasoning that is not itemised is part of OUTPUT.
    Usage of other models (`usage.other_models`) is not in here: it has its own meters and its own price.
    """
    cached_audio = usage.cache_read_audio_tokens or 0
    audio = (usage.input_audio_tokens or 0) - cached_audio
    read = (usage.cache_read_tokens or 0) - cached_audio
    write_5m, write_1h = usage.cache_write_5m_tokens or 0, usage.cache_write_1h_tokens or 0
    image = usage.input_image_tokens or 0
    reasoning = usage.reasoning_tokens or 0
    audio_out, image_out = usage.output_audio_tokens or 0, usage.output_image_tokens or 0
    quantities: dict[Meter, int] = {}
    if usage.input_tokens is not None:
        plain = usage.input_tokens - cached_audio - audio - read - write_5m - write_1h - image
        quantities |= {
            Meter.INPUT: plain,
            Meter.CACHE_READ: read,
            Meter.CACHE_READ_AUDIO: cached_audio,
            Meter.CACHE_WRITE_5M: write_5m,
            Meter.CACHE_WRITE_1H: write_1h,
            Meter.INPUT_AUDIO: audio,
            Meter.INPUT_IMAGE: image,
        }
    if usage.output_tokens is not None:
        quantities |= {
            Meter.REASONING: reasoning,
            Meter.OUTPUT: usage.output_tokens - reasoning - audio_out - image_out,
            Meter.OUTPUT_AUDIO: audio_out,
            Meter.OUTPUT_IMAGE: image_out,
        }
    for meter, quantity in usage.fees.items():
        quantities[meter] = quantities.get(meter, 0) + quantity
    return {meter: quantity for meter, quantity in quantities.items() if quantity}
