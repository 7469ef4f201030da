"""Environments by name, as suites ask for them. Each is imported when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.environments.environment import Environment
from harness.errors import InputError, did_you_mean
from harness.suites.sample import Sample

MakeEnvironment = Callable[[Mapping[str, object], Sample], Environment]
"""Makes one sample's world of the solver's options; raises InputError for options that it does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEnvironment:
    """An environment that suites can name.

    Attributes:
        foreign: its tools are somebody else's code: they may compute for ever, so they run in worker processes.
        check: what must be said of these options before a run, without importing any package; raises InputError for
            options that it does not know, and where a package is absent.
    """

    make: MakeEnvironment
    foreign: bool
    check: Callable[[Mapping[str, object]], tuple[str, ...]] = lambda options: ()  # noqa: ARG005


def _workbench(options: Mapping[str, object], sample: Sample) -> Environment:
    from harness.environments.workbench import open_workbench

    return open_workbench(options, sample)


def _check_workbench(options: Mapping[str, object]) -> tuple[str, ...]:
    from harness.environments.workbench import read_options

    read_options(options)
    return ()


def _tau2(options: Mapping[str, object], sample: Sample) -> Environment:
    from harness.environments.tau2 import open_tau2

    return open_tau2(options, sample)


def _check_tau2(options: Mapping[str, object]) -> tuple[str, ...]:
    from harness.environments.tau2 import check_tau2, read_options

    read_options(options)
    return check_tau2()


ENVIRONMENTS: dict[str, KnownEnvironment] = {
    "workbench": KnownEnvironment(make=_workbench, foreign=False, check=_check_workbench),
    "tau2": KnownEnvironment(make=_tau2, foreign=True, check=_check_tau2),
}


def environment_named(name: str | None) -> KnownEnvironment:
    """Look an environment up.

    Raises:
        InputError: there is none of that name.
    """
    if name is not None and name in ENVIRONMENTS:
        return ENVIRONMENTS[name]
    raise InputError(
        "the solver names no environment" if name is None else f"there is no environment {name!r}",
        where="solver.environment",
        fix=f"name one of {', '.join(ENVIRONMENTS)}{did_you_mean(name or '', ENVIRONMENTS)}",
    )
