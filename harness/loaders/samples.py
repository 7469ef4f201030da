"""Rows become samples: fields are mapped, targets read, options shuffled, rows filtered, digests taken. Pure.

Data flows row (a mapping of columns) -> `Sample`, or `BadRowError` with everything that is wrong with that row.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import orjson

from harness.instants import parse_instant
from harness.loaders.row_answers import BadRowError, is_missing, is_plain, options_of, references_of, shown
from harness.messages import Clip, ContentPart, ImagePart
from harness.scorers import SCORERS
from harness.suites import prompts
from harness.suites.sample import Sample
from harness.suites.suite import DatasetRef, Task

ReadImage = Callable[[object], ImagePart]
ReadClip = Callable[[object, object, object], Clip]
"""Of a video's file name, with the seconds at which the part to be shown begins and ends (or None)."""
ALWAYS_NEEDED = frozenset({"id", "question", "target", "choices", "video"})
TAKES_SEVERAL = frozenset({"text"})
"""Scorers that read `metadata["targets"]`: each of several right answers counts."""
VIDEO_FIELDS = frozenset({"video", "video_start", "video_end"})
NOT_METADATA = frozenset({"id", "target", "choices", "images", "difficulty", "question", "documents"}) | VIDEO_FIELDS
FILTER_TESTS = frozenset({"from", "to", "not", "missing"})


def column(row: Mapping[str, object], path: str) -> object:
    """Read a column; a dotted path goes into nested tables and lists (`meta.level`, `messages.-1.content`).

    A full name wins over a path.

    `input|question` takes the first of the two that the row has.

    Raises:
        KeyError: there is no such column.
    """
    names = [path] if path in row else path.split("|")
    path = next((name for name in names if name in row), names[0])
    if path in row:
        return row[path]
    value: object = row
    for part in path.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list | tuple) and _is_place(part, len(value)):
            value = value[int(part)]
        else:
            raise KeyError(path)
    return value


def _is_place(part: str, length: int) -> bool:
    digits = part.removeprefix("-")
    return digits.isascii() and digits.isdigit() and -length <= int(part) < length


def passes(row: Mapping[str, object], filters: Mapping[str, object]) -> bool:
    """Decide whether a row passes all filters.

    Raises:
        BadRowError: a filter names a column that the row does not have.
    """
    try:
        return all(_matches(column(row, name), wanted) for name, wanted in filters.items())
    except KeyError as error:
        raise BadRowError([(str(error.args[0]), "the filter's column is missing")]) from None
    except (TypeError, ValueError) as error:
        raise BadRowError([(", ".join(filters), f"cannot be compared with the filter: {error}")]) from None


def _matches(value: object, wanted: object) -> bool:
    if isinstance(wanted, list | tuple):
        return value in wanted
    if not isinstance(wanted, Mapping):
        return bool(value == wanted)
    tests: dict[str, Callable[[object], bool]] = {
        "from": lambda bound: _ordered(value, bound) >= _ordered(bound, bound),
        "to": lambda bound: _ordered(value, bound) <= _ordered(bound, bound),
        "not": lambda other: value not in other if isinstance(other, list | tuple) else value != other,
        "missing": lambda yes: (value is None or value == "") is bool(yes),
    }
    return all(tests[name](argument) for name, argument in wanted.items())


def _ordered(value: Any, bound: object) -> Any:
    """Make a value comparable with a bound: with a number as a number, else as a UTC instant in ISO form."""
    if isinstance(bound, int | float):
        return float(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    elif isinstance(value, str):
        value = parse_instant(value, zoneless="utc")
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


_NO_METADATA: Mapping[str, object] = {}
"""Shared by all samples that have none: a dictionary of their own would be a twentieth of what they take."""


def build_sample(
    task: Task, row: Mapping[str, object], *, read_image: ReadImage, read_clip: ReadClip | None = None
) -> Sample:
    """Make one sample of one row.

    Raises:
        BadRowError: columns are missing or have the wrong form; all problems of the row.
    """
    fields = _mapped(task, row)
    options = options_of(fields["choices"]) if not is_missing(fields.get("choices")) else None
    choices = list(options.texts) if options is not None else None
    sample_id = _sample_id(task, fields, choices)
    target, *others = references_of(task.dataset, fields.get("target"), options)
    metadata = _metadata(fields)
    if choices is not None and task.shuffle_options_seed is not None:
        order = _shuffled(len(choices), seed=task.shuffle_options_seed, sample_id=sample_id)
        choices = list(map(choices.__getitem__, order))
        target = prompts.LETTERS[order.index(prompts.LETTERS.index(target))]
        metadata["option_order"] = order
    if others:
        _accept_several(task, metadata, [target, *others])
    sample = Sample(
        task=task.name,
        sample_id=sample_id,
        input=_shown(_input(task, fields, choices, read_image), fields, read_clip),
        target=target,
        system=task.system,
        choices=tuple(choices) if choices is not None else None,
        difficulty=_difficulty(task.dataset, fields.get("difficulty"), sample_id),
        metadata=metadata or _NO_METADATA,
    )
    if problem := SCORERS[task.scorer.name].check_target(sample):
        raise BadRowError([("target", problem)])
    return sample


def _mapped(task: Task, row: Mapping[str, object]) -> dict[str, object]:
    """Our fields of a row; images and `column?` may be absent or empty, everything that is asked may not."""
    fields: dict[str, object] = {}
    problems: list[tuple[str, str]] = []
    needed = ALWAYS_NEEDED | prompts.placeholders(task.prompt)
    for ours, theirs in task.dataset.fields.items():
        if ours == "images":
            fields[ours] = _listed_images(row, theirs)
            continue
        if isinstance(theirs, str) and theirs.endswith("?"):
            value = _optional(row, theirs[:-1])
            if not is_missing(value):
                fields[ours] = value
            continue
        try:
            fields[ours] = _value(row, theirs)
        except KeyError as error:
            has = ", ".join(map(str, row))[:200]
            problems.append((ours, f"column {error.args[0]!r} is missing; the row has {has}"))
            continue
        if ours in needed and (problem := _problem(ours, fields[ours])):
            problems.append((ours, f"column {theirs!r} {problem}"))
    if problems:
        raise BadRowError(problems)
    return fields


def _value(row: Mapping[str, object], columns: str | Sequence[str]) -> object:
    return column(row, columns) if isinstance(columns, str) else [column(row, one) for one in columns]


def _metadata(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: _plain(value) for name, value in fields.items() if name not in NOT_METADATA}


def _optional(row: Mapping[str, object], path: str) -> object:
    try:
        return column(row, path)
    except KeyError:
        return None


def _problem(field: str, value: object) -> str | None:
    """Say why a value that is asked or scored by cannot be used; None when it can."""
    if type(value) is str:
        return None if value.strip() else "is empty"
    if is_missing(value):
        return "is empty"
    if field in ("choices", "target"):  # read, and refused, by `row_answers`
        return None
    parts = value if isinstance(value, list | tuple) else [value]
    if all(map(is_plain, parts)):
        return None
    return f"is no text: {shown(value)}; name the part that is, such as 'messages.0.content'"


def _accept_several(task: Task, metadata: dict[str, object], targets: list[str]) -> None:
    """Keep all right answers of a row for a scorer that can take more than one."""
    if task.scorer.name not in TAKES_SEVERAL:
        known = ", ".join(sorted(TAKES_SEVERAL))
        raise BadRowError([("target", f"lists {len(targets)} right answers; only the scorers {known} take several")])
    metadata["targets"] = targets


def _listed_images(row: Mapping[str, object], columns: str | Sequence[str]) -> list[object]:
    values = [row.get(name) for name in ([columns] if isinstance(columns, str) else columns)]
    flat = [one for value in values for one in (value if isinstance(value, list) else [value])]
    return [one for one in flat if one is not None and one != ""]


def _shuffled(count: int, *, seed: int, sample_id: str) -> list[int]:
    """A permutation that depends only on the seed and the sample."""
    digest = hashlib.sha256(f"{seed}:{sample_id}".encode()).digest()
    order = list(range(count))
    random.Random(int.from_bytes(digest)).shuffle(order)
    return order


def _input(
    task: Task, fields: Mapping[str, Any], choices: list[str] | None, read_image: ReadImage
) -> str | tuple[ContentPart, ...]:
    earlier = [fields.get("supplied_code", ""), prompts.earlier_marks(fields.get("depends_on", ()))]
    derived = {"earlier_code": "\n\n".join(filter(None, earlier)) or "# nothing yet: this is the first step"}
    try:
        text = prompts.render(task.prompt, {**derived, **fields}, choices=choices)
    except KeyError as error:
        raise BadRowError([(str(error.args[0]), "the prompt asks for a field that the row does not have")]) from None
    try:
        images = [read_image(one) for one in fields.get("images", ())]
    except (OSError, ValueError) as error:
        raise BadRowError([("images", str(error))]) from None
    return prompts.with_images(text, images) if images else text


def _shown(
    asked: str | tuple[ContentPart, ...], fields: Mapping[str, Any], read_clip: ReadClip | None
) -> str | tuple[ContentPart, ...]:
    """Put the clip of a row that has one before what is asked."""
    if read_clip is None or "video" not in fields:
        return asked
    try:
        clip = read_clip(*(fields.get(name) for name in ("video", "video_start", "video_end")))
    except (OSError, ValueError) as error:
        raise BadRowError([("video", str(error))]) from None
    return (clip, asked) if isinstance(asked, str) else (clip, *asked)


def _difficulty(dataset: DatasetRef, value: Any, sample_id: str) -> float:
    """Scale a stated difficulty to 0..1; without one, spread samples evenly by their id."""
    if value is not None and dataset.difficulty_range is not None:
        easiest, hardest = dataset.difficulty_range
        try:
            return min(1.0, max(0.0, (float(value) - easiest) / (hardest - easiest)))
        except (TypeError, ValueError):
            raise BadRowError([("difficulty", f"{value!r} is not a number")]) from None
    return int.from_bytes(hashlib.sha256(sample_id.encode()).digest()[:4]) / 2**32


def _sample_id(task: Task, fields: Mapping[str, object], choices: list[str] | None) -> str:
    """The stated id, its columns joined; else one from what is asked: it does not depend on the row's place."""
    stated = fields.get("id")
    if stated is not None:
        return "-".join(map(str, stated)) if isinstance(stated, list | tuple) else str(stated)
    named = prompts.placeholders(task.prompt) | VIDEO_FIELDS
    asked = {name: _plain(fields[name]) for name in sorted(named) if name in fields}
    if choices is not None:
        asked["choices"] = choices
    return hashlib.sha256(canonical(asked).encode()).hexdigest()[:16]


def _plain(value: object) -> object:
    """Keep JSON values; dates and the like become text."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value)


def canonical(value: object) -> str:
    """Canonical JSON: sorted keys, no spaces, for digests."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # integers past 64 bits, lone surrogates
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _content_sha256(sample: Sample) -> str:
    """Digest of what was loaded; a run's plan has its own (`runner.plan.sample_sha256`)."""
    parts = [sample.input] if isinstance(sample.input, str) else sample.input
    shown = [part if isinstance(part, str) else _part_facts(part) for part in parts]
    facts = [sample.sample_id, shown, sample.system, sample.target, sample.choices, sample.metadata]
    return hashlib.sha256(canonical(facts).encode("utf-8", "surrogatepass")).hexdigest()


def _part_facts(part: ImagePart | Clip) -> Mapping[str, str]:
    """What stands for a part in that digest: videos are not read for it, their plan's digest has their bytes."""
    if isinstance(part, Clip):
        return {"video": part.described}
    return {"image": hashlib.sha256(part.data).hexdigest()}


def samples_sha256(samples: Sequence[Sample]) -> str:
    """Digest over samples, independent of their order."""
    digest = hashlib.sha256()
    for one in sorted(_content_sha256(sample) for sample in samples):
        digest.update(one.encode())
    return digest.hexdigest()
