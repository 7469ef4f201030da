"""Where other projects' price lists lie: in the installed packages, in a wheel of another version, or in a file.

Data flows bytes on disk -> `litellm_map`, `genai_data` -> `PriceList`. No network, and neither package is imported:
their lists are read as data.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.pricing.lists.genai_data import DATA_FILE, read_genai
from harness.pricing.lists.litellm_map import MAP_FILE, read_litellm
from harness.pricing.lists.quotes import PriceList

LITELLM, GENAI = "litellm", "genai-prices"
_FILES: Mapping[str, tuple[str, str]] = {LITELLM: ("litellm", MAP_FILE), GENAI: ("genai_prices", DATA_FILE)}
_NO_CLOCK = date(2020, 2, 2)
"""Builds that do not keep the time of their files write this day or an earlier one."""


def installed_list(project: str, stated_on: date) -> PriceList | None:
    """Read the list that an installed package carries; None when it is not installed.

    Args:
        stated_on: the day on which it is known to say so; a package does not carry the day of its release.
    """
    package, file = _FILES[project]
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / file
    try:
        return _read(project, path.read_bytes(), version(project), stated_on, str(path))
    except (FileNotFoundError, PackageNotFoundError):
        return None


def installed_lists(stated_on: date) -> list[PriceList]:
    """Read the lists of all installed packages that carry one."""
    found = (installed_list(project, stated_on) for project in sorted(_FILES))
    return [each for each in found if each is not None]


def list_in_file(path: Path, stated_on: date | None, today: date) -> PriceList:
    """Read a wheel of either package, a folder that one is installed in, litellm's map, or genai-prices' data.py.

    Args:
        stated_on: the day of a list that carries none; a wheel's files may carry the day on which it was built.

    Raises:
        InputError: it is none of these.
    """
    try:
        if path.is_dir():
            return _in_folder(path, stated_on or today)
        if zipfile.is_zipfile(path):
            return _in_wheel(path, stated_on, today)
        project = GENAI if path.suffix == ".py" else LITELLM
        return _read(project, path.read_bytes(), f"({path.name})", stated_on or today, str(path))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path), fix="name a file or a wheel") from None


def _in_folder(path: Path, stated_on: date) -> PriceList:
    for project, (package, file) in _FILES.items():
        listed = path / package / file
        if listed.is_file():
            label = next((found.name.split("-")[1] for found in path.glob(f"{package}-*.dist-info")), f"({path.name})")
            return _read(project, listed.read_bytes(), label.removesuffix(".dist"), stated_on, str(listed))
    raise InputError("holds no price list", where=str(path), fix="name the folder that litellm or genai_prices lies in")


def _in_wheel(path: Path, stated_on: date | None, today: date) -> PriceList:
    with zipfile.ZipFile(path) as wheel:
        for project, (package, file) in _FILES.items():
            name = f"{package}/{file}"
            if name in wheel.namelist():
                built = datetime(*wheel.getinfo(name).date_time, tzinfo=UTC).date()
                day = built if built > _NO_CLOCK else stated_on or today
                return _read(project, wheel.read(name), path.name.split("-")[1], day, f"{path}: {name}")
    raise InputError("holds no price list", where=str(path), fix="name a wheel of litellm or of genai-prices")


def _read(project: str, raw: bytes, label: str, stated_on: date, where: str) -> PriceList:
    try:
        if project == GENAI:
            return read_genai(raw.decode("utf-8"), label, stated_on)
        prices: Any = json.loads(raw, parse_float=Decimal)
        return read_litellm(prices, label, stated_on)
    except (ValueError, SyntaxError, KeyError, TypeError, AttributeError) as error:
        fix = "name a wheel of litellm or of genai-prices, litellm's price map, or genai-prices' data.py"
        raise InputError(f"not a price list of {project}: {error}", where=where, fix=fix) from None
