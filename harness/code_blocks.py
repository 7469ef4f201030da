"""Fenced code blocks in a reply: where a model's program is. Pure."""

from __future__ import annotations


def code_block(text: str) -> str | None:
    """The last fenced code block; an opened one that is never closed counts to the end."""
    blocks: list[str] = []
    inside: list[str] | None = None
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            if inside is None:
                inside = []
            else:
                blocks.append("\n".join(inside))
                inside = None
        elif inside is not None:
            inside.append(line)
    if inside:
        blocks.append("\n".join(inside))
    return next((block for block in reversed(blocks) if block.strip()), None)
