"""Secrets out of texts that are stored or shown: providers' error messages like to repeat keys."""

from __future__ import annotations

import re

MASK = "[redacted]"

_PATTERNS = (
    # a header or an assignment: keep the name, mask the value
    re.compile(
        r"(?i)((?:authorization|(?:x-)?api[-_ ]?key|x-goog-api-key|(?:access|auth)[-_ ]?token|secret|password)"
        r"[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic)\s+)?)[^\s\"',;&}]{4,}"
    ),
    re.compile(r"(?i)(\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"(?i)([?&](?:key|token|sig)=)[^&\s\"']{6,}"),
    # a URL with a password
    re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)"),
    # well-known shapes, masked whole; providers' own half-masked forms (`sk-ab***yz`) too
    re.compile(
        r"()\b(?:sk|rk|pk)-[A-Za-z0-9_*-]{6,}|()\b(?:gsk|hf|xai|nvapi|pplx|csk|tgp|fw|r8|glpat|ghp|gho|ghs|github_pat)"
        r"[-_][A-Za-z0-9_*-]{10,}|()\bAIza[A-Za-z0-9_*-]{10,}|()\b(?:AKIA|ASIA)[A-Z0-9]{12,}"
        r"|()\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"
    ),
)


def redact(text: str) -> str:
    """Mask what looks like an API key, a token, a password or an authorisation header."""
    for pattern in _PATTERNS:
        text = pattern.sub(lambda match: (match.group(1) or "") + MASK, text)
    return text
