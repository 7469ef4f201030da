"""Test cases -> JUnit XML, as GitHub, GitLab and Jenkins read it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol
from xml.etree import ElementTree as ET

from harness.rendering.printable import printable


class Case(Protocol):
    """A test case: `outcome` is `passed`, or the name of the element that says otherwise."""

    @property
    def suite(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def message(self) -> str: ...


def to_junit(name: str, cases: Iterable[Case]) -> str:
    """Write one test suite; characters that XML does not allow are written as escapes."""
    listed = list(cases)
    counts = {kind: sum(case.outcome == kind for case in listed) for kind in ("failure", "error", "skipped")}
    root = ET.Element(
        "testsuite",
        name=name,
        tests=str(len(listed)),
        failures=str(counts["failure"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
    )
    for case in listed:
        element = ET.SubElement(root, "testcase", classname=printable(case.suite), name=printable(case.name))
        if case.outcome != "passed":
            ET.SubElement(element, case.outcome, message=printable(case.message))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
