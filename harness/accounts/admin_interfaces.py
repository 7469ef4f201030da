"""Usage and costs from a provider's own interface, with an admin key from the environment; pages become files.

One request a page, whose redirects are not followed: the key goes to the provider's address and nowhere else. Data
flows provider and stretch of time -> requests -> pages as they came, in a folder that `account_files` reads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlencode

from harness.errors import ErrorClass, InputError, MissingKeyError, ProviderError
from harness.imports.containers.log_files import LogFile
from harness.instants import utc_text
from harness.providers.batch_api.endpoint import BatchEndpoint

MOST_PAGES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminInterface:
    """How an account is asked.

    Attributes:
        source: where it is described.
        keys: environment variables of which one holds the key.
        headers: made from the key.
        questions: paths with their parameters, made for a stretch of time.
    """

    source: str
    base_url: str
    keys: tuple[str, ...]
    headers: Callable[[str], Mapping[str, str]]
    questions: Callable[[datetime, datetime], Sequence[tuple[str, Sequence[tuple[str, str]]]]]


def _bearer(key: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _openai(start: datetime, end: datetime) -> Sequence[tuple[str, Sequence[tuple[str, str]]]]:
    when = [("start_time", str(int(start.timestamp()))), ("end_time", str(int(end.timestamp()))),
            ("bucket_width", "1d")]  # fmt: skip
    by = [("group_by", name) for name in ("model", "batch", "service_tier")]
    return (
        ("/organization/usage/completions", [*when, *by, ("limit", "31")]),
        ("/organization/costs", [*when, ("group_by", "line_item"), ("limit", "180")]),
    )


def _anthropic(start: datetime, end: datetime) -> Sequence[tuple[str, Sequence[tuple[str, str]]]]:
    when = [("starting_at", utc_text(start)), ("ending_at", utc_text(end)), ("bucket_width", "1d"), ("limit", "31")]
    by = [("group_by[]", name) for name in ("model", "service_tier")]
    return (
        ("/v1/organizations/usage_report/messages", [*when, *by]),
        ("/v1/organizations/cost_report", [*when, ("group_by[]", "description")]),
    )


def _openrouter(_start: datetime, _end: datetime) -> Sequence[tuple[str, Sequence[tuple[str, str]]]]:
    return (("/activity", ()),)  # it takes no dates: the last 30 completed days


INTERFACES: Mapping[str, AdminInterface] = {
    "openai": AdminInterface(
        source="https://platform.openai.com/docs/api-reference/usage",
        base_url="https://api.openai.com/v1",
        keys=("OPENAI_ADMIN_KEY",),
        headers=_bearer,
        questions=_openai,
    ),
    "anthropic": AdminInterface(
        source="https://platform.claude.com/docs/en/build-with-claude/usage-cost-api",
        base_url="https://api.anthropic.com",
        keys=("ANTHROPIC_ADMIN_KEY",),
        headers=lambda key: {"x-api-key": key, "anthropic-version": "2023-06-01"},
        questions=_anthropic,
    ),
    "openrouter": AdminInterface(
        source="https://openrouter.ai/docs/api/api-reference/analytics",
        base_url="https://openrouter.ai/api/v1",
        keys=("OPENROUTER_PROVISIONING_KEY", "OPENROUTER_ADMIN_KEY"),
        headers=_bearer,
        questions=_openrouter,
    ),
}
"""By provider."""


def admin_key(provider: str, environment: Mapping[str, str]) -> str:
    """Find the key of a provider's account.

    Raises:
        InputError: accounts of that provider cannot be fetched.
        MissingKeyError: its key is not in the environment.
    """
    if provider not in INTERFACES:
        raise InputError(f"accounts of {provider} cannot be fetched", where="--provider",
                         fix=f"one of {', '.join(INTERFACES)}, or give files")  # fmt: skip
    names = INTERFACES[provider].keys
    key = next((environment[name] for name in names if environment.get(name)), None)
    if key is None:
        raise MissingKeyError(f"no admin key for {provider}: the environment variable {names[0]} is not set",
                              where=f"--provider {provider}", fix=f"export {names[0]}=...")  # fmt: skip
    return key


async def fetch_account(
    provider: str, key: str, stretch: tuple[datetime, datetime], folder: Path, *, base_url: str | None = None
) -> list[LogFile]:
    """Fetch all pages of a provider's usage and costs into a folder.

    Args:
        stretch: from, and to (excluded).
        base_url: another address of the interface; the key goes there.

    Raises:
        ProviderError: no answer, a status that is no success, or a redirect.
    """
    interface = INTERFACES[provider]
    endpoint = BatchEndpoint(provider, base_url or interface.base_url, interface.headers(key))
    files: list[LogFile] = []
    try:
        for number, (path, parameters) in enumerate(interface.questions(*stretch)):
            files += await _pages(endpoint, path, parameters, folder / f"{provider}_{number}")
    finally:
        await endpoint.aclose()
    return files


async def _pages(
    endpoint: BatchEndpoint, path: str, parameters: Sequence[tuple[str, str]], stem: Path
) -> list[LogFile]:
    files: list[LogFile] = []
    page, seen = "", set[str]()
    for number in range(MOST_PAGES):
        asked = [*parameters, *([("page", page)] if page else [])]
        answer = await endpoint.call("GET", f"{path}?{urlencode(asked, quote_via=quote)}" if asked else path)
        file = stem.with_name(f"{stem.name}_page{number + 1}.json")
        file.write_text(json.dumps(answer), encoding="utf-8")
        files.append(LogFile(path=file, name=f"{path} page {number + 1}"))
        page = str(answer.get("next_page") or "")
        if answer.get("has_more") is not True or not page:
            return files
        if page in seen:
            break
        seen.add(page)
    raise ProviderError(f"{path} gives its pages in a circle", error_class=ErrorClass.MALFORMED_RESPONSE)
