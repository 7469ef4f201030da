"""Usage -> disjoint billable meters, so that each token is charged exactly once.

Data flows `Usage` (inclusive totals and parts) -> `meters` -> the cost engine, which multiplies and adds.
"""

from __future__ import annotations

from harness.usage.values import Meter, Usage


def meters(usage: Usage) -> dict[Meter, int]:
    """Split a usage into disjoint quantities; zeros and unknown totals are left out.

    Tokens that are both cached and audio are CACHE_READ_AUDIO alone, cached images CACHE_READ_IMAGE. Reasoning that is
    not itemised is part of OUTPUT.
    Usage of other models (`usage.other_models`) is not in here: it has its own meters and its own price.
    """
    quantities: dict[Meter, int] = {}
    if usage.input_tokens is not None:
        cached_audio, cached_image = usage.cache_read_audio_tokens or 0, usage.cache_read_image_tokens or 0
        parts = (
            (Meter.CACHE_READ, (usage.cache_read_tokens or 0) - cached_audio - cached_image),
            (Meter.CACHE_READ_AUDIO, cached_audio),
            (Meter.CACHE_READ_IMAGE, cached_image),
            (Meter.CACHE_WRITE_5M, usage.cache_write_5m_tokens or 0),
            (Meter.CACHE_WRITE_1H, usage.cache_write_1h_tokens or 0),
            (Meter.INPUT_AUDIO, (usage.input_audio_tokens or 0) - cached_audio),
            (Meter.INPUT_IMAGE, (usage.input_image_tokens or 0) - cached_image),
        )
        quantities[Meter.INPUT] = usage.input_tokens
        for meter, quantity in parts:
            if quantity:
                quantities[meter] = quantity
                quantities[Meter.INPUT] -= quantity
    if usage.output_tokens is not None:
        reasoning = usage.reasoning_tokens or 0
        audio, image = usage.output_audio_tokens or 0, usage.output_image_tokens or 0
        quantities[Meter.REASONING] = reasoning
        quantities[Meter.OUTPUT] = usage.output_tokens - reasoning - audio - image
        quantities[Meter.OUTPUT_AUDIO], quantities[Meter.OUTPUT_IMAGE] = audio, image
    for meter, quantity in usage.fees.items():
        quantities[meter] = quantities.get(meter, 0) + quantity
    return {meter: quantity for meter, quantity in quantities.items() if quantity}
