"""Which address each model of a run is asked at, and whether the provider's key may go there.

Data flows the texts of `--base-url` and the models of the run -> `Endpoints` -> an `Endpoint` for each model. Pure, but
for remembering the secrets inside addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from harness.errors import InputError
from harness.models import ModelSpec
from harness.secrets import holds_mask, learn_url, redact_url

COMPATIBLE = "openai-compatible"
"""The provider of endpoints of the user's own, which `--base-url` names."""
SIMULATED = "sim"
"""The provider of the models of this package, which cost nothing."""

BaseUrls = str | Sequence[str] | None
"""`--base-url` as given: URL, NAME=URL, or several of them; a NAME is a provider or a model."""

_NAMED = re.compile(r"(?P<name>[^?#]+?)=(?P<url>[A-Za-z][A-Za-z0-9+.-]*://.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where one model is asked.

    Attributes:
        url: None = the provider's own address.
        with_key: whether the provider's key goes there; an address that was not named for it gets none.
    """

    url: str | None = None
    with_key: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """The addresses of a run.

    Attributes:
        named: by provider, `provider/model` or `provider/model@setting`.
        bare: an address without a name: for openai-compatible models, or without its key for `keyless`.
        keyless: models of the run's only provider, where it has no openai-compatible one.
    """

    named: Mapping[str, str] = field(default_factory=dict)
    bare: str | None = None
    keyless: frozenset[ModelSpec] = frozenset()

    def of(self, spec: ModelSpec) -> Endpoint:
        """Find a model's address."""
        for name in (str(spec), spec.name, spec.provider):
            if name in self.named:
                return Endpoint(url=self.named[name], with_key=self._one_host(spec.provider))
        if self.bare is None:
            return Endpoint()
        if spec.provider == COMPATIBLE:
            return Endpoint(url=self.bare, with_key=self._one_host(COMPATIBLE))
        return Endpoint(url=self.bare, with_key=False) if spec in self.keyless else Endpoint()

    def _one_host(self, provider: str) -> bool:
        """Whether a key that belongs to nobody by name (OPENAI_COMPATIBLE_API_KEY) can only mean one host."""
        if provider != COMPATIBLE:
            return True
        urls = [url for name, url in self.named.items() if name.partition("/")[0] == COMPATIBLE]
        return len({urlsplit(url)[:2] for url in (*urls, *((self.bare,) if self.bare else ()))}) < 2


def listed(given: BaseUrls) -> tuple[str, ...]:
    """Write the given addresses as a tuple."""
    return () if given is None else (given,) if isinstance(given, str) else tuple(given)


def shown(given: BaseUrls) -> str | list[str] | None:
    """Write the given addresses as they may be stored and shown: without keys; one as a text, as ever."""
    masked = [redact_url(text) for text in listed(given)]
    return None if not masked else masked[0] if len(masked) == 1 else masked


def endpoints(
    given: BaseUrls, models: Iterable[ModelSpec], judges: Iterable[ModelSpec] = (), *, check_names: bool = True
) -> Endpoints:
    """Read `--base-url` for the models of a run.

    Args:
        check_names: refuse names that no model has.

    Raises:
        InputError: an address or a name is wrong, or it is not clear whose address it is.
    """
    asked = _reached(models)
    every = [*asked, *_reached(judges)]
    named: dict[str, str] = {}
    for text in listed(given):
        name, url = _named(text) or (_BARE, text)
        check_base_url(url)
        if named.setdefault(name, url) != url:
            raise InputError(f"two addresses for {name or 'no model by name'}", where="--base-url", fix=_FIX)
        if check_names and name != _BARE:
            _check_name(name, every)
    bare = named.pop(_BARE, None)
    return Endpoints(named=named, bare=bare, keyless=_keyless(bare, asked, every))


def _reached(specs: Iterable[ModelSpec]) -> list[ModelSpec]:
    return [spec for spec in specs if spec.provider != SIMULATED]


def _check_name(name: str, every: Sequence[ModelSpec]) -> None:
    if not any(name in (str(spec), spec.name, spec.provider) for spec in every):
        known = ", ".join(sorted({spec.name for spec in every}))
        raise InputError(f"{name!r} names no model of this run ({known})", where="--base-url", fix=_FIX)


_BARE = ""
_FIX = "write NAME=URL once for each, NAME being a provider or a model, for example --base-url openai=http://HOST/v1"


def _keyless(bare: str | None, asked: Sequence[ModelSpec], every: Sequence[ModelSpec]) -> frozenset[ModelSpec]:
    """Models that a bare address may mean although they are not openai-compatible: those of the only provider."""
    if bare is None or any(spec.provider == COMPATIBLE for spec in every):
        return frozenset()
    providers = sorted({spec.provider for spec in asked})
    if len(providers) > 1:
        raise InputError(
            f"--base-url names none of {', '.join(providers)}, and a URL alone is for openai-compatible models",
            where="--base-url",
            fix=f"write whose address it is: --base-url {providers[0]}={redact_url(bare)}",
        )
    return frozenset(asked)


def _named(text: str) -> tuple[str, str] | None:
    found = _NAMED.fullmatch(text.strip())
    if found and "://" not in found["name"]:
        return found["name"], found["url"]
    before, equals, after = text.partition("=")
    return (before, after) if equals and "://" not in before and "?" not in before else None


def check_base_url(base_url: str) -> SplitResult:
    """Take an http(s) address apart.

    Raises:
        InputError: it is none, holds a name or password, or a key that was masked when it was stored.
    """
    learn_url(base_url)
    try:
        parts = urlsplit(base_url.strip())
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, brackets that hold no address
        is_address = False
    if holds_mask(base_url):
        raise InputError(
            f"the key in {base_url} was not stored with the run",
            where="--base-url",
            fix="give the whole address again with --base-url",
        )
    if not is_address:
        raise InputError(
            f"not a base URL: {redact_url(base_url)!r}",
            where="--base-url",
            fix="write for example http://127.0.0.1:8000/v1, or NAME=URL",
        )
    if "@" in parts.netloc:
        raise InputError(
            "--base-url holds a user name or password, which would be stored with the run",
            where="--base-url",
            fix="leave it out of the address; a key goes into the environment (OPENAI_COMPATIBLE_API_KEY)",
        )
    return parts
