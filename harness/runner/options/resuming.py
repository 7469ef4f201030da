"""Going on with a stored run: what it does with the options given now, and the refusal of those that ask otherwise.

Data flows stored options + options of this command -> the spec of a resumed run, or an error with both values of each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence

from harness.errors import Finding, InputError
from harness.ledger import Ledger
from harness.ledger.records import RunRecord
from harness.money import from_pico
from harness.runner.options.command_line import FLAGS, command, written
from harness.runner.spec import DECIDING, RunSpec


def stored_spec(ledger: Ledger, run_id: str, asked: RunSpec, given: Collection[str]) -> RunSpec:
    """What a stored run does when it goes on with the options given now; its budget is the latest one.

    Args:
        asked: this command's options.
        given: fields of it that the user named.

    Raises:
        InputError: there is no such run, it was not made here, or an option that decides what is asked differs.
    """
    stored = ledger.run(run_id)
    if stored is None:
        raise InputError(f"there is no run {run_id}", where=ledger.database, fix="see: benchtab runs list")
    again = "import its log again: what is new in it is added" if "imported" in stored.config else None
    refuse_made_elsewhere(stored, where="--resume", fix=again)
    spec = RunSpec.from_json(stored.config)
    budget = ledger.budget(f"run:{run_id}")
    if budget is not None and spec.budget_usd is not None and budget.cap_pico_usd is not None:
        spec = dataclasses.replace(spec, budget_usd=from_pico(budget.cap_pico_usd))
    return resumed(spec, asked, given, run_id=run_id)


def refuse_made_elsewhere(stored: RunRecord, *, where: str, fix: str | None) -> None:
    """Refuse to go on with a run that came into the ledger otherwise, as by an import of another tool's log.

    Raises:
        InputError: it has no options of ours.
    """
    if "suites" not in stored.config:
        said = f"run {stored.run_id} was not made by benchtab run, and cannot go on"
        raise InputError(said, where=where, fix=fix)


def resumed(stored: RunSpec, asked: RunSpec, given: Collection[str], *, run_id: str) -> RunSpec:
    """What a run does when it goes on: as stored, with the options given now.

    Args:
        asked: this command's options.
        given: fields of it that the user named.

    Raises:
        InputError: an option that decides what is asked differs; every such option with both values.
    """
    named = [name for name in DECIDING if name in given]
    if found := differences(stored.to_json(), asked.to_json(), named):
        raise asked_otherwise(run_id, found, where="--resume")
    return dataclasses.replace(stored, **{name: getattr(asked, name) for name in given})


def differences(
    stored: Mapping[str, object], asked: Mapping[str, object], names: Iterable[str] = DECIDING
) -> list[Finding]:
    """Options that decide what is asked and have another value than the run's."""
    usual = RunSpec(suites=(), models=()).to_json()
    return [
        Finding(
            where=FLAGS[name],
            message=f"{_shown(name, asked[name])} now, {_shown(name, stored.get(name, usual[name]))} in the run",
        )
        for name in names
        if _plain(asked[name]) != _plain(stored.get(name, usual[name]))
    ]


def _plain(value: object) -> object:
    return list(value) if isinstance(value, list | tuple) else value


def _shown(name: str, value: object) -> str:
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else written(name, value)


def asked_otherwise(run_id: str, findings: Sequence[Finding], *, where: str) -> InputError:
    """Refuse to go on with a run that asked something else."""
    return InputError(
        f"run {run_id} asked something else: these differ from what it asked",
        where=where,
        findings=findings,
        fix=f"leave them out ({command(['run', '--resume', run_id])}), or start a new run with another --run-id",
    )
