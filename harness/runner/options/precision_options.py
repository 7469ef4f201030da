"""How precise a run is to be, as a person writes it, and which options do not go with that.

Pure. Data flows `1pt`, `95%` -> shares; a `RunSpec` -> nothing, or one error with every option that contradicts others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.errors import Finding, InputError
from harness.precision import Target
from harness.runner.spec import RunSpec

_POINTS = re.compile(r"([0-9]{1,3}(?:\.[0-9]{0,6})?|\.[0-9]{1,6}) ?(?:pts?|%)")
_PER_CENT = re.compile(r"([0-9]{1,2}(?:\.[0-9]{0,6})?) ?%")


def parse_points(text: str, where: str) -> float:
    """Read half of an interval's width, `1pt` or `1%` (of a score in per cent), as a share.

    Raises:
        InputError: no number with its unit, or no width that an interval of a score can have.
    """
    found = _POINTS.fullmatch(text.strip().removeprefix("+-").removeprefix("±"))
    if found is None:
        raise InputError(
            f"not a precision: {text[:40]!r}", where=where, fix="write points with their unit: 1pt, 0.5pt (or 1%)"
        )
    share = round(float(found[1]) / 100, 10)
    if not 0 < share < 0.5:
        raise InputError(
            f"a precision of {found[1]} points", where=where, fix="use more than 0 and less than 50 points"
        )
    return share


def parse_confidence(text: str, where: str = "--confidence") -> float:
    """Read the level of an interval, `95%`, as a share.

    Raises:
        InputError: no number with its unit, or none from 50 % to below 100 %.
    """
    found = _PER_CENT.fullmatch(text.strip())
    share = round(float(found[1]) / 100, 10) if found is not None else 0.0
    if not 0.5 <= share < 1:
        raise InputError(
            f"not a confidence: {text[:40]!r}", where=where, fix="write per cent from 50% to below 100%, usually 95%"
        )
    return share


def points_word(share: object) -> str:
    """Write a precision as it is typed."""
    return f"{100 * float(str(share)):g}pt"


def per_cent_word(share: object) -> str:
    """Write a confidence as it is typed."""
    return f"{100 * float(str(share)):g}%"


def target_of(spec: RunSpec) -> Target | None:
    """The precision that a run goes on for; None = it asks everything."""
    if spec.difference is not None:
        return Target(half_width=spec.difference, level=spec.confidence, kind="difference")
    if spec.precision is None:
        return None
    return Target(half_width=spec.precision, level=spec.confidence, kind="difference" if is_ladder(spec) else "score")


def is_ladder(spec: RunSpec) -> bool:
    """Whether a precision is asked for of several settings of one model, and of nothing else."""
    return spec.precision is not None and len(spec.models) > 1 and len({model.name for model in spec.models}) == 1


def refuse_contradictions(spec: RunSpec) -> None:
    """Refuse options that cannot hold together with a precision.

    Raises:
        InputError: every such option with the reason.
    """
    if (spec.difference is None) != (spec.against is None):
        raise InputError(
            "a difference needs its width and the model that it is to",
            where="--difference, --against",
            fix="name both: --difference 2pt --against MODEL",
        )
    findings = list(_contradictions(spec))
    if findings:
        raise InputError(
            "options contradict each other",
            where=", ".join(dict.fromkeys(finding.where for finding in findings)),
            findings=findings,
            fix="leave one of them out",
        )


def _contradictions(spec: RunSpec) -> Iterator[Finding]:
    usual = RunSpec(suites=(), models=())
    if spec.precision is None and spec.difference is None:
        if spec.confidence != usual.confidence:
            yield Finding(where="--confidence", message="it is the confidence of --precision or --difference")
        return
    if spec.precision is not None and spec.difference is not None:
        yield Finding(where="--precision", message="a run goes on for a score or for a difference, not for both")
    decided = (("--pilot", spec.pilot, _PILOT), ("--limit", spec.limit, _LIMIT), ("--epochs", spec.epochs, _EPOCHS))
    yield from (Finding(where=option, message=why) for option, value, why in decided if value is not None)
    if spec.against is not None and set(spec.models) == {spec.against}:
        yield Finding(where="--against", message=f"{spec.against} is the only model of the run: name another with -m")


_PILOT = "a run for a precision begins with a pilot of its own"
_LIMIT = (
    "a precision is about the whole suite: the run itself decides how many samples each task needs, and the first N of"
    " a task are a suite of their own"
)
_EPOCHS = (
    "a precision is about the suite as it is defined, repeats included: the run itself decides where a repeat is worth"
    " more than another sample"
)
