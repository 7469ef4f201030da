"""Prompts: a task's template and one item's fields become the message that is sent.

Pure. Data flows template + fields -> text (or text and image parts); later, earlier answers -> the finished prompt.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from harness.messages import ContentPart, ImagePart
from harness.replies.reply_code import find_code
from harness.replies.thinking import separate
from harness.suites.sample import Metadata, Sample

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DERIVED_FIELDS = frozenset({"choices", "letters", "earlier_code"})
_PLACEHOLDER = re.compile(r"\{\{(?P<literal>\w+)\}\}|\{(?P<name>[A-Za-z_]\w*)\}")
_IMAGE_MARK = re.compile(r"<image (\d+)>")
_EARLIER_BEGIN, _EARLIER_END = "# earlier steps", "# end of earlier steps"
_EARLIER_PART = re.compile(f"^{_EARLIER_BEGIN}$.*^{_EARLIER_END}$", re.MULTILINE | re.DOTALL)
_EARLIER_MARK = "\u27e6code of {sample_id}\u27e7"


@lru_cache(maxsize=256)
def placeholders(template: str) -> frozenset[str]:
    """Names that a template asks for; `{{name}}` is literal text, and so is every other brace."""
    return frozenset(match["name"] for match in _PLACEHOLDER.finditer(template) if match["name"])


def lettered(choices: Sequence[str]) -> str:
    """List options one a line: `A) first`."""
    return "\n".join(f"{letter}) {choice}" for letter, choice in zip(LETTERS, choices, strict=False))


def render(template: str, fields: Mapping[str, object], *, choices: Sequence[str] | None = None) -> str:
    """Fill a template's placeholders.

    Args:
        template: text with `{field}` placeholders; `{choices}` and `{letters}` come from the options.
        fields: the item's fields; lists are joined by newlines.

    Raises:
        KeyError: the template names a field that the item does not have.
    """
    known = dict(fields)
    if choices is not None:
        known |= {"choices": lettered(choices), "letters": ", ".join(LETTERS[: len(choices)])}

    def fill(match: re.Match[str]) -> str:
        if match["literal"]:
            return "{" + match["literal"] + "}"
        value = known[match["name"]]
        return "\n".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

    return _PLACEHOLDER.sub(fill, template).strip()


def with_images(text: str, images: Sequence[ImagePart]) -> tuple[ContentPart, ...]:
    """Put each image where the text marks it (`<image 2>`); images without a mark come first."""
    parts: list[ContentPart] = []
    used: set[int] = set()
    rest = 0
    for match in _IMAGE_MARK.finditer(text):
        index = int(match[1]) - 1
        if index >= len(images) or index in used:
            continue
        used.add(index)
        parts += [text[rest : match.start()], images[index]]
        rest = match.end()
    parts.append(text[rest:])
    unmarked = [image for index, image in enumerate(images) if index not in used]
    return tuple(part for part in [*unmarked, *parts] if not isinstance(part, str) or part.strip())


def text_of(content: str | Sequence[ContentPart]) -> str:
    """The text of a message, images left out."""
    return content if isinstance(content, str) else "\n".join(part for part in content if isinstance(part, str))


def images_of(content: str | Sequence[ContentPart]) -> tuple[ImagePart, ...]:
    """The images of a message."""
    return () if isinstance(content, str) else tuple(part for part in content if isinstance(part, ImagePart))


def earlier_marks(sample_ids: Sequence[str]) -> str:
    """The text that stands for earlier answers until they are known; empty when there are none."""
    if not sample_ids:
        return ""
    marks = [_EARLIER_MARK.format(sample_id=sample_id) for sample_id in sample_ids]
    return "\n\n".join([_EARLIER_BEGIN, *marks, _EARLIER_END])


def question_key(text: str) -> str:
    """A prompt without the earlier answers inside it: the same before and after they are filled in.

    Prompts that carry none are their own key; the simulated models recognise questions by it.
    """
    return _EARLIER_PART.sub("", text) if _EARLIER_BEGIN in text else text


def with_earlier_answers(sample: Sample, answers: Mapping[str, str | None]) -> Sample:
    """Fill a sample's prompt with the code of the samples that it depends on.

    Args:
        sample: one whose metadata has `depends_on`; any other is returned as it is.
        answers: reply text by sample id; None or absent = that step has no answer, its signature stands in.

    Returns:
        the sample as it is to be sent and scored: `metadata["earlier_code"]` holds the code that tests need.
    """
    needed: Sequence[str] = sample.metadata.get("depends_on", ())
    if not needed:
        return sample
    signatures: Mapping[str, str] = sample.metadata.get("earlier_signatures", {})
    codes = {one: _code_of(answers.get(one), signatures.get(one, "")) for one in needed}
    assert isinstance(sample.input, str)
    text = sample.input
    for one, code in codes.items():
        text = text.replace(_EARLIER_MARK.format(sample_id=one), code)
    earlier = "\n\n".join(part for part in (code_before(sample.metadata), *codes.values()) if part)
    return dataclasses.replace(sample, input=text, metadata={**sample.metadata, "earlier_code": earlier})


def code_before(metadata: Metadata) -> str:
    """What stands before every program of a sample: imports, as programs need them or as the prompt shows them, and the
    code that the benchmark supplies."""
    imports = metadata.get("program_imports") or metadata.get("imports", "")
    return "\n\n".join(part for part in (imports, metadata.get("supplied_code", "")) if part)


def _code_of(answer: str | None, signature: str) -> str:
    said = separate(answer or "").answer  # answers stored by older versions may still hold their thinking
    names = re.findall(r"^(?:def|class)\s+(\w+)", signature, re.MULTILINE)
    code = find_code(said, names).code or said.strip()
    return code or f"{signature.rstrip()}\n    raise NotImplementedError('this step was not answered')"
