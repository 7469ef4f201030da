"""The page about the code tells the truth: rooms, arrows and journeys are those of the import graph."""

from __future__ import annotations

import itertools
import re
from functools import cache
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
JOURNEYS = {
    title: [re.findall(r"`(harness/[\w/]+\.py)`", line) for line in re.findall(r"^\d+\. .*", body, re.MULTILINE)]
    for title, body in re.findall(r"^### (.+?)\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
}


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("harness", cache_dir=None)


def is_room(path: Path) -> bool:
    return (path / "__init__.py").exists()


def rooms_under(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if is_room(path)}


def arrows() -> list[tuple[str, str]]:
    picture = re.search(r"```mermaid\n(.*?)```", PAGE, re.DOTALL)
    assert picture is not None
    sides = [line.split("-->") for line in picture.group(1).splitlines() if "-->" in line]
    return [
        (user.strip(), used.strip())
        for users, useds in sides
        for user, used in itertools.product(users.split("&"), useds.split("&"))
    ]


def uses(user: str, used: str) -> bool:
    """Whether one module imports another, by itself or through the door of the other's room."""
    imported = graph().find_modules_directly_imported_by(user)
    door = used.rpartition(".")[0]
    return used in imported or (door in imported and used in graph().find_modules_directly_imported_by(door))


def module(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".")


def test_every_file_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(harness/[\w/]+\.py|tests/[\w/]+)`", PAGE))
    assert len(named) > 40
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_page_names_every_room_and_its_floors() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)$", PAGE, re.MULTILINE))
    assert set(rows) == rooms_under(ROOT / "harness")
    for room, told in rows.items():
        floors = rooms_under(ROOT / "harness" / room)
        assert {floor for floor in floors if f"`{floor}`" not in told} == set(), room


def test_the_page_names_every_loose_module() -> None:
    loose = {path.stem for path in (ROOT / "harness").glob("*.py")} - {"__init__"}
    assert {name for name in loose if f"`{name}`" not in PAGE} == set()


def test_every_arrow_of_the_picture_is_an_import() -> None:
    rooms = {
        name: {f"harness.{name}"} | graph().find_descendants(f"harness.{name}") for pair in arrows() for name in pair
    }
    for user, used in arrows():
        imported = set().union(*(graph().find_modules_directly_imported_by(name) for name in rooms[user]))
        assert imported & rooms[used], f"{user} --> {used}"


def test_every_room_is_in_the_picture() -> None:
    assert rooms_under(ROOT / "harness") <= {name for pair in arrows() for name in pair}


def test_the_page_tells_four_journeys() -> None:
    assert list(JOURNEYS) == ["Payload to dollar", "Suite to score", "Price row to bill", "Budget to settlement"]


@pytest.mark.parametrize("title", JOURNEYS)
def test_each_step_of_a_journey_is_connected_to_one_before(title: str) -> None:
    steps = JOURNEYS[title]
    assert len(steps) > 8
    passed = list(steps[0])
    for files in steps[1:]:
        for file in files:
            assert any(uses(module(file), module(other)) or uses(module(other), module(file)) for other in passed), (
                f"{file} neither imports nor is imported by {', '.join(passed)}"
            )
        passed += files
    assert all(steps), "a step names no file"
