"""Which sample somebody means who names one: by its id, its task and id, an attempt, a request, or its place in a plan.

Data flows a name + runs -> planned samples of one run, every repeat, and what else the name could have meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.errors import InputError
from harness.ledger import Ledger
from harness.ledger.reading.viewed.sample_ids import (
    Meant,
    sample_of_attempt,
    sample_planned_as,
    samples_like,
    samples_named,
    samples_of_request,
)

OPTION = "--sample"
_LONGEST_NUMBER = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class MeantSamples:
    """What was named.

    Attributes:
        samples: of one run, suite, task and id: its repeats.
        cell_id, attempt_id: where an attempt was named: that one alone is meant.
        notes: what else the name could have meant.
    """

    samples: tuple[Meant, ...]
    cell_id: int | None = None
    attempt_id: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def first(self) -> Meant:
        """The first repeat."""
        return self.samples[0]


def meant_samples(ledger: Ledger, name: str, run_ids: Sequence[str]) -> MeantSamples:
    """Find the sample that a name means.

    Args:
        name: `SAMPLE`, `TASK/SAMPLE`, a request's id (ours or the provider's), the number of an attempt or of a planned
            sample; `sample:`, `request:`, `attempt:` or `planned:` before it says which.
        run_ids: where to look for samples by their ids, oldest first: the newest run that has it counts.

    Raises:
        InputError: there is none, with similar ones; or it is a sample of several tasks.
    """
    kind, sign, rest = name.partition(":")
    kinds = _KINDS if not (sign and kind in _KINDS) else {kind: _KINDS[kind]}
    wanted = name if len(kinds) > 1 else rest
    found = {each: list(look(ledger, wanted, run_ids)) for each, look in kinds.items()}
    matching = [each for each, samples in found.items() if samples]
    if not matching:
        raise _none(ledger, wanted, run_ids)
    chosen, *others = matching
    made = _of_one_sample(found[chosen], wanted, run_ids) if chosen == "sample" else _of_attempts(found[chosen])
    notes = tuple(f"{wanted} is also {_words(each, found[each][0])}" for each in others)
    return MeantSamples(
        samples=made.samples, cell_id=made.cell_id, attempt_id=made.attempt_id, notes=(*made.notes, *notes)
    )


def _by_sample(ledger: Ledger, name: str, run_ids: Sequence[str]) -> Iterator[Meant]:
    yield from samples_named(ledger, name, run_ids)
    parts = name.split("/")
    for at in range(1, len(parts)):  # names of tasks and samples may hold slashes
        yield from samples_named(ledger, "/".join(parts[at:]), run_ids, task="/".join(parts[:at]))


def _by_request(ledger: Ledger, name: str, _run_ids: Sequence[str]) -> Iterator[Meant]:
    # a provider's id has no index: numbers, which none is, are not looked for
    return iter([] if name.isdecimal() else samples_of_request(ledger, name))


def _by_number(look: Callable[[Ledger, int], list[Meant]]) -> Callable[[Ledger, str, Sequence[str]], Iterator[Meant]]:
    def found(ledger: Ledger, name: str, _run_ids: Sequence[str]) -> Iterator[Meant]:
        is_number = name.isascii() and name.isdecimal() and len(name) <= _LONGEST_NUMBER
        return iter(look(ledger, int(name)) if is_number else [])

    return found


_KINDS: dict[str, Callable[[Ledger, str, Sequence[str]], Iterator[Meant]]] = {
    "sample": _by_sample,
    "attempt": _by_number(sample_of_attempt),
    "planned": _by_number(sample_planned_as),
    "request": _by_request,
}
"""What a name may be, the likelier first."""


def _of_one_sample(found: Sequence[Meant], name: str, run_ids: Sequence[str]) -> MeantSamples:
    having = {each.run_id for each in found}
    runs = [run_id for run_id in run_ids if run_id in having]
    here = [each for each in found if each.run_id == runs[-1]]
    if len({_place(each) for each in here}) > 1:
        raise _several(here, name)
    notes = (f"also in runs {', '.join(runs[:-1])}: name one to see it there",) if len(runs) > 1 else ()
    return MeantSamples(samples=tuple(here), notes=notes)


def _place(one: Meant) -> tuple[str, str, str]:
    return one.suite, one.task, one.sample_id


def _several(here: Sequence[Meant], name: str) -> InputError:
    """Say of which tasks a sample is; suites may have a task of one name, where only a number tells them apart."""
    first = here[0]
    alike = [each for each in here if _place(each)[1:] == _place(first)[1:]]
    if len({each.suite for each in alike}) > 1:
        fix = "name one by planned:ID: " + ", ".join(f"planned:{each.planned_id} ({each.suite})" for each in alike)
    else:
        fix = f"name one of them: {first.task}/{first.sample_id}"
    tasks = (f"{task}/{sample_id} (suite {suite})" for suite, task, sample_id in dict.fromkeys(map(_place, here)))
    return InputError(f"{name!r} is a sample of several tasks: {', '.join(tasks)}", where=OPTION, fix=fix)


def _of_attempts(found: Sequence[Meant]) -> MeantSamples:
    first = found[0]
    return MeantSamples(samples=(first,), cell_id=first.cell_id, attempt_id=first.attempt_id)


def _words(kind: str, one: Meant) -> str:
    number = {"attempt": one.attempt_id, "planned": one.planned_id}.get(kind)
    named = f"{kind}:{number}" if number is not None else kind
    return f"{named}, of {one.task}/{one.sample_id} in run {one.run_id}"


def _none(ledger: Ledger, name: str, run_ids: Sequence[str]) -> InputError:
    near = samples_like(ledger, name.rpartition("/")[2], run_ids) if name else []
    listed = ", ".join(dict.fromkeys(f"{each.task}/{each.sample_id}" for each in near))
    return InputError(
        f"there is no sample, attempt or request {name!r}" + (f"; similar: {listed}" if listed else ""),
        where=OPTION,
        fix="give a sample's id, TASK/SAMPLE, attempt:ID or a request's id; --dearest 20 lists some",
    )
