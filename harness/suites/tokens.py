"""How many tokens a prompt will take, before it is sent: an estimate for people, an upper bound for reservations.

These numbers never reach the ledger's facts; what a request used is what its provider says.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.messages import Clip, ContentPart, ImagePart, Message, ToolSpec
from harness.suites.image_sizes import image_size
from harness.suites.image_tokens import CountImage, ImageTokens, count_unknown
from harness.suites.prompts import text_of
from harness.suites.sample import Sample

if TYPE_CHECKING:
    from tiktoken import Encoding

EstimateMethod = Literal["o200k", "characters/4"]
CHARACTERS_PER_TOKEN = 4
MESSAGE_OVERHEAD = 8
"""Tokens that chat formats put around a message; 3 to 8 in the published formats."""
TOOLS_OVERHEAD_UPPER = 1_000
"""What providers put before the tools of a request: 313 to 804 tokens in Anthropic's table, less elsewhere."""
_O200K_FILE = "fb374d419588a4632f3f557e76b4b70aebbca790"
"""SHA-1 of the vocabulary's address: the name under which tiktoken keeps o200k_base."""
_PIECE = 10_000
"""Texts are counted in pieces: tiktoken's pattern overflows its stack on runs of some hundred thousand blanks."""
_AT_ONCE = 128
"""Pieces counted together: each token is a Python integer for as long as its batch is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEstimate:
    """Estimated tokens of several texts, in order, and how they were estimated."""

    tokens: tuple[int, ...]
    method: EstimateMethod

    @property
    def total(self) -> int:
        """Sum over all texts."""
        return sum(self.tokens)


@functools.cache
def _encoding() -> Encoding | None:
    """The o200k vocabulary from a file on this machine; None when there is none (nothing is downloaded)."""
    folder = _vocabulary_folder()
    if folder is None:
        return None
    import tiktoken

    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    try:
        return tiktoken.get_encoding("o200k_base")
    except (OSError, ValueError):
        return None
    finally:
        if before is None:
            del os.environ["TIKTOKEN_CACHE_DIR"]
        else:
            os.environ["TIKTOKEN_CACHE_DIR"] = before


def _vocabulary_folder() -> Path | None:
    """The user's tiktoken cache, or the copy inside litellm's package, found without importing litellm."""
    candidates = [Path(own)] if (own := os.environ.get("TIKTOKEN_CACHE_DIR")) else []
    if (spec := importlib.util.find_spec("litellm")) is not None:
        places = spec.submodule_search_locations or ()
        candidates += [Path(place) / "litellm_core_utils" / "tokenizers" for place in places]
    return next((folder for folder in candidates if (folder / _O200K_FILE).is_file()), None)


def estimate(texts: Sequence[str]) -> TokenEstimate:
    """Estimate tokens of texts: counted with o200k where its vocabulary is on this machine, else characters / 4."""
    encoding = _encoding()
    if encoding is None:
        return _by_characters(texts)
    pieces = ((index, text[at : at + _PIECE]) for index, text in enumerate(texts) for at in range(0, len(text), _PIECE))
    tokens = [0] * len(texts)
    while batch := list(islice(pieces, _AT_ONCE)):
        counted = encoding.encode_ordinary_batch([piece for _, piece in batch], num_threads=os.cpu_count() or 1)
        for (index, _), ids in zip(batch, counted, strict=True):
            tokens[index] += len(ids)
    return TokenEstimate(tokens=tuple(tokens), method="o200k")


def _by_characters(texts: Sequence[str]) -> TokenEstimate:
    tokens = tuple(math.ceil(len(text) / CHARACTERS_PER_TOKEN) for text in texts)
    return TokenEstimate(tokens=tokens, method="characters/4")


def upper_bound_tokens(text: str) -> int:
    """A number of tokens that no byte-level vocabulary exceeds: one token takes at least one UTF-8 byte."""
    return len(text.encode("utf-8", "surrogatepass"))


def estimate_samples(samples: Sequence[Sample], *, roughly: bool = False) -> TokenEstimate:
    """Estimate the input tokens of samples: system message, prompt, typical images and message overhead.

    `image_tokens_of` counts the images as a model's provider does.

    Args:
        roughly: by characters, where time counts more than a tenth.
    """
    once = {id(sample): sample for sample in samples}  # repeats ask the same sample again
    texts = [text_of(sample.input) + (sample.system or "") for sample in once.values()]
    counted = _by_characters(texts) if roughly else estimate(texts)
    count_of = dict(zip(once, counted.tokens, strict=True))
    extra = [image_tokens_of([one]) + MESSAGE_OVERHEAD * (2 if one.system else 1) for one in samples]
    tokens = tuple(count_of[id(one)] + more for one, more in zip(samples, extra, strict=True))
    return TokenEstimate(tokens=tokens, method=counted.method)


def upper_bound_messages(
    messages: Sequence[Message],
    tools: Sequence[ToolSpec] = (),
    *,
    count_image: CountImage = count_unknown,
) -> int:
    """A number of input tokens of a conversation and its tools that no tokenizer exceeds, for reservations.

    Args:
        count_image: the rule of who counts images.
    """
    texts = sum(upper_bound_tokens(text_of(message.content)) for message in messages)
    shown = (message.content for message in messages if not isinstance(message.content, str))
    images = sum(most for content in shown for _, most in _images(content, count_image))
    calls = [call for message in messages for call in message.tool_calls]
    said = sum(upper_bound_tokens(call.call_id + call.name + call.arguments) for call in calls)
    offered = sum(
        upper_bound_tokens(tool.name + tool.description + json.dumps(dict(tool.parameters))) for tool in tools
    )
    # a call and a tool stand in markup of the provider's own, whose size it does not tell
    markup = (len(messages) + len(calls)) * 4 * MESSAGE_OVERHEAD + (TOOLS_OVERHEAD_UPPER if tools else 0)
    signed = sum(
        upper_bound_tokens(json.dumps(dict(part), default=str)) for message in messages for part in message.signed
    )
    return texts + images + said + offered + signed + markup


def image_tokens_of(samples: Sequence[Sample], count_image: CountImage = count_unknown) -> int:
    """Estimate the tokens of all images and frames of samples, by the rule of who counts them."""
    return sum(
        count for one in samples if not isinstance(one.input, str) for count, _ in _images(one.input, count_image)
    )


def _images(content: Sequence[ContentPart], count_image: CountImage) -> Iterator[ImageTokens]:
    """Tokens of each image of a message, and of the frames of each clip together."""
    for part in content:
        if isinstance(part, ImagePart):
            yield count_image(image_size(part.data))
        elif isinstance(part, Clip):
            one = count_image(part.frame_size)
            yield ImageTokens(one.estimate * part.n_frames, one.upper * part.most_frames)
