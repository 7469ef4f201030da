"""Secrets out of everything that is stored or shown: the one place that knows what keys look like and which are ours.

Data flows environment and addresses -> `learn_environment`, `learn_url`, `learn` -> values known to this process;
texts -> `redact` (messages) or `redact_known` (a model's words) -> texts without them. Imports nothing of this package.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from threading import Lock
from typing import TypeVar
from urllib.parse import SplitResult, quote, unquote, unquote_plus, urlsplit

import orjson

MASK = "[redacted]"
LONGEST_MESSAGE = 20_000
"""Characters of a message that are kept at most: a server may send megabytes."""

_SHORTEST = 4
_SHORTEST_OF_ENVIRONMENT = 8
_KEY_LIKE = 16
_ANY = TypeVar("_ANY")

_VARIABLE = re.compile(
    r"(?:^|_)(?:[A-Z0-9]*(?:KEYS?|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE)|PWD|PASS|CREDENTIALS?)(?=_|$)", re.IGNORECASE
)
_NOT_THE_VALUE = re.compile(r"_(?:FILE|PATH|DIR|NAME|HOST|TYPE|LIMIT|COUNT)$", re.IGNORECASE)
_WORKING_FOLDERS = frozenset({"PWD", "OLDPWD"})

_NAMES = (
    r"authorization|(?:x-)?(?:goog-)?api[-_ ]?key|(?:subscription|account|private|access|secret)[-_ ]?key(?:[-_]?id)?"
    r"|(?:access|auth|refresh|id|session|security|bearer|api)[-_ ]?token|secret|pass(?:word|wd|phrase)|pwd"
    r"|x-amz-(?:signature|credential)"
)
_SHORT_NAMES = "key|token|sig|signature|code|auth|pass|credential|jwt|sas"
_QUERY_NAME = re.compile(
    rf"(?:.*[-_.])?(?:{_NAMES}|{_SHORT_NAMES})|[a-z]+(?:password|apikey|token|secret)", re.IGNORECASE
)
"""Query parameters that hold a secret by their name; others are masked when their value looks like a key."""

_SHORT_MARKS = "sk|rk|pk"
_MARKS = "gsk|hf|xai|nvapi|pplx|csk|tgp|fw|r8|glpat|ghp|gho|ghs|github_pat"
"""How providers' keys begin."""
_BEGINS = re.compile(rf"(?:{_SHORT_MARKS}|{_MARKS}|key)[-_]|AIza|AKIA|ASIA|eyJ")
"""What a text holds wherever the last of the patterns matches: a tenth of the time for the many without."""

_ADDRESS_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)")
_PATTERNS = (
    # a header or an assignment: keep the name, mask the value
    re.compile(
        rf"(?i)((?:{_NAMES})[\"']?\s{{0,9}}[:=]\s{{0,9}}[\"']?(?:(?:bearer|basic)\s{{1,9}})?)[^\s\"',;&}}]{{4,}}"
    ),
    re.compile(r"(?i)(\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(rf"(?i)([?&#](?:x-)?(?:{_SHORT_NAMES})=)[^&\s\"'#]{{4,}}"),
    re.compile(r"(?i)(\bkey[:=] ?)(?=[^\s\"'&,}]{0,64}\d)[^\s\"'&,}]{6,}"),
    # an address with a password, with and without a scheme
    _ADDRESS_PASSWORD,
    re.compile(r"(?<![\w/.%+-])([\w.%+-]{1,64}:)[^\s/@:]{3,200}(?=@[\w.\[-]{1,200}:\d)"),
    # well-known shapes, masked whole; providers' own half-masked forms (`sk-ab***yz`) too
    re.compile(
        rf"()\b(?:{_SHORT_MARKS})(?:-[A-Za-z0-9_*-]{{6,}}|_(?=\w{{0,64}}\d)\w{{8,}})"
        rf"|()\b(?:{_MARKS})[-_][A-Za-z0-9_*-]{{10,}}"
        r"|()\bkey[-_](?=[A-Za-z0-9_-]{0,64}[\d*])[A-Za-z0-9_*-]{8,}"
        r"|()\bAIza[A-Za-z0-9_*-]{10,}|()\b(?:AKIA|ASIA)[A-Z0-9]{12,}"
        r"|()\beyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"
    ),
)
_IN_TEXTS = (
    re.compile(r"(?i)(\bbearer\s{1,9})(?=[A-Za-z_~+/=.-]{0,200}\d)[A-Za-z0-9._~+/=-]{16,}"),
    _ADDRESS_PASSWORD,
    _PATTERNS[-1],
)
"""What no text of a task holds by chance: bearer tokens, passwords in addresses, the shapes of keys."""


class _Known:
    """Values that are secret in this process, longest first: all of them, and those that no text holds by chance."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.values: tuple[str, ...] = ()
        self.unmistakable: tuple[str, ...] = ()

    def add(self, values: Iterable[str]) -> None:
        new = set(values).difference(self.values)
        if not new:
            return
        with self._lock:
            self.values = tuple(sorted(new.union(self.values), key=len, reverse=True))
            self.unmistakable = tuple(value for value in self.values if _is_unmistakable(value))


_KNOWN = _Known()


def learn(*secrets: str | None) -> None:
    """Remember values that must not be stored or shown from now on; None and very short ones are passed over."""
    known = (secret.strip() for secret in secrets if secret)
    _KNOWN.add(form for secret in known if len(secret) >= _SHORTEST for form in _forms(secret))


def learn_environment(environment: Mapping[str, str]) -> None:
    """Remember what environment variables say is secret: keys, tokens, passwords, and passwords inside addresses."""
    for name, value in environment.items():
        if "://" in value or name.lower().endswith("_proxy"):
            learn_url(value)
        if len(value) >= _SHORTEST_OF_ENVIRONMENT and _names_a_secret(name):
            learn(value)


def learn_url(url: str) -> None:
    """Remember the password, the keys in the query and the fragment of an address, with or without its scheme."""
    parts = _split(url)
    if parts is None:
        return
    user, found, password = parts.netloc.rpartition("@")[0].partition(":")
    learn(password if found else None, user if _looks_like_a_key(user) else None)
    learn(*(value for name, value in _query(parts) if _is_secret_parameter(name, value)))
    learn(parts.fragment if _looks_like_a_key(parts.fragment) else None)


def redact(text: str) -> str:
    """Mask what is or looks like a key, a token or a password in a message, and cut it to `LONGEST_MESSAGE`."""
    was_cut = len(text) > LONGEST_MESSAGE
    if was_cut:
        text = text[: LONGEST_MESSAGE + 1_000]  # a key that the cut went through must not stay in part
    for value in _KNOWN.values:
        if value in text:
            text = text.replace(value, MASK)
    for pattern in _PATTERNS:
        text = pattern.sub(lambda match: (match.group(1) or "") + MASK, text)
    return text[: LONGEST_MESSAGE - 1] + "…" if was_cut else text


def redact_known(text: str) -> str:
    """Mask this process's own secrets and nothing else, so that what a model writes about keys keeps its score."""
    for value in _KNOWN.unmistakable:
        if value in text:
            text = text.replace(value, MASK)
    return text


_LONGEST_SECRET = 8_192


def redact_pieces(pieces: Iterable[str]) -> Iterator[str]:
    """Do as `redact_known` for a text that comes in pieces: a secret that lies over an edge is masked, too."""
    waiting = ""
    for piece in pieces:
        waiting = redact_known(waiting + piece)
        yield waiting[:-_LONGEST_SECRET]
        waiting = waiting[-_LONGEST_SECRET:]
    yield waiting


def holds_known(texts: Iterable[str]) -> bool:
    """Say whether any of these texts holds a secret of this process; asked once for all, which every answer pays."""
    known = _KNOWN.unmistakable
    if not known:
        return False
    joined = "\n".join(texts)
    return any(secret in joined for secret in known)


def redact_values(value: _ANY) -> _ANY:
    """Mask this process's own secrets in all texts of JSON data; the same object when there are none."""
    if not _KNOWN.unmistakable or value is None:
        return value
    try:
        texts: Iterable[str] = (
            orjson.dumps(value, default=str).decode(),
        )  # a tenth of what looking at each part costs
    except orjson.JSONEncodeError:  # whole numbers past 64 bits, nests past all measure
        texts = _texts(value)
    return _redacted(value) if holds_known(texts) else value  # type: ignore[return-value]  # the same shape


def redact_texts(value: _ANY) -> _ANY:
    """Mask what is or has the well-known shape of a key in all texts of JSON data that others wrote, of any length.

    For logs of other tools: their keys were never in this process' environment, and their replies are scored already.
    """
    return _shapes_masked(value)  # type: ignore[return-value]  # the same shape


def holds_key(text: str) -> bool:
    """Say whether a text holds what `redact_texts` would mask."""
    *others, shapes = _IN_TEXTS
    if _BEGINS.search(text) and shapes.search(text):
        return True
    return any(pattern.search(text) for pattern in others) or any(key in text for key in _KNOWN.unmistakable)


def _shapes_masked(value: object, levels_left: int = 100) -> object:
    if isinstance(value, str):
        if len(value) < _SHORTEST_OF_ENVIRONMENT:
            return value
        value = redact_known(value)
        for pattern in _IN_TEXTS:
            value = pattern.sub(lambda match: (match.group(1) or "") + MASK, value)
        return value
    if not isinstance(value, Mapping | list | tuple):
        return value
    if not levels_left:
        return MASK
    if isinstance(value, Mapping):
        return {str(_shapes_masked(str(name))): _shapes_masked(part, levels_left - 1) for name, part in value.items()}
    return [_shapes_masked(part, levels_left - 1) for part in value]


_SWITCHES = ("true", "false")
_COUNTED = re.compile(r"(?:tokens|count|_(?:ms|us|s|usd))$", re.IGNORECASE)
"""Names of amounts: `time_to_first_token_ms` holds a word of secrets, and a number that is none."""


def masked_settings(value: Mapping[str, object]) -> dict[str, object]:
    """Mask secrets in settings that other tools wrote: by name (`api_key`), in headers and addresses, by shape."""
    found = _settings_masked(value)
    assert isinstance(found, dict)
    return found


def _settings_masked(value: object, levels_left: int = 50) -> object:
    if isinstance(value, str):
        return redact_url(value) if "://" in value and " " not in value else redact(value)
    if not isinstance(value, Mapping | list | tuple):
        return value
    if not levels_left:
        return MASK
    if isinstance(value, Mapping):
        return {
            str(name): MASK if _is_secret_setting(str(name), part) else _settings_masked(part, levels_left - 1)
            for name, part in value.items()
        }
    return [_settings_masked(part, levels_left - 1) for part in value]


def _is_secret_setting(name: str, value: object) -> bool:
    if not isinstance(value, str) or not value or value.lower() in _SWITCHES:
        return False
    if _COUNTED.search(name) and value.replace(".", "", 1).isdecimal():
        return False
    return _names_a_secret(name) or (len(value) >= _SHORTEST_OF_ENVIRONMENT and bool(_QUERY_NAME.fullmatch(name)))


def redact_url(url: str) -> str:
    """Mask the password, the keys in the query and the fragment of an address; NAME= before it and the rest stay."""
    parts = _split(url)
    if parts is None:
        return redact(url)
    before, at, place = parts.netloc.rpartition("@")
    if at:
        user, colon, _ = before.partition(":")
        shown_user = MASK if _looks_like_a_key(user) else user
        parts = parts._replace(netloc=f"{shown_user}:{MASK}@{place}" if colon else f"{shown_user}@{place}")
    shown = [
        f"{pair.partition('=')[0]}={MASK}" if _is_secret_parameter(*_pair(pair)) else redact(pair)
        for pair in parts.query.split("&")
    ]
    fragment = MASK if parts.fragment else ""
    written = parts._replace(path=redact(parts.path), query="&".join(shown), fragment=fragment).geturl()
    return written if "://" in url else written.removeprefix("//")


def holds_mask(text: str) -> bool:
    """Say whether something was masked in a text."""
    return MASK in text


def _names_a_secret(name: str) -> bool:
    return bool(_VARIABLE.search(name)) and not _NOT_THE_VALUE.search(name) and name not in _WORKING_FOLDERS


def _is_unmistakable(value: str) -> bool:
    """Whether a value can only be the secret: `ollama`, `not-needed` and 12345678 stand in answers by chance."""
    if len(value) >= _KEY_LIKE:
        return True
    return len(value) >= 8 and any(map(str.isdigit, value)) and any(map(str.isalpha, value))


def _looks_like_a_key(value: str) -> bool:
    return len(value) >= _KEY_LIKE and any(map(str.isdigit, value)) and any(map(str.isalpha, value))


def _is_secret_parameter(name: str, value: str) -> bool:
    return _QUERY_NAME.fullmatch(name) is not None or _looks_like_a_key(value)


def _forms(secret: str) -> set[str]:
    """The ways in which a value is written: as it is, in an address, in JSON."""
    plain = unquote(secret)
    escaped = (
        json.dumps(form, ensure_ascii=ascii_only)[1:-1] for form in (secret, plain) for ascii_only in (True, False)
    )
    return {secret, plain, quote(plain, safe=""), quote(plain), *escaped}


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url if "://" in url else f"//{url}")
    except ValueError:  # brackets that hold no IPv6 address
        return None


def _query(parts: SplitResult) -> list[tuple[str, str]]:
    return [_pair(pair) for pair in parts.query.split("&") if pair]


def _pair(pair: str) -> tuple[str, str]:
    name, _, value = pair.partition("=")
    return unquote_plus(name), unquote_plus(value)


def _texts(value: object) -> Iterator[str]:
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, Mapping):
            waiting.extend(part)
            waiting.extend(part.values())
        elif isinstance(part, list | tuple):
            waiting.extend(part)


def _redacted(value: object, levels_left: int = 100) -> object:
    if isinstance(value, str):
        return redact_known(value)
    if not isinstance(value, Mapping | list | tuple):
        return value
    if not levels_left:
        return MASK
    if isinstance(value, Mapping):
        return {redact_known(str(name)): _redacted(part, levels_left - 1) for name, part in value.items()}
    return [_redacted(part, levels_left - 1) for part in value]
