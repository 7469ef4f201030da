"""Tasks: the rows of a data set become samples. Everything wrong with the rows is said at once.

Data flows `Task` + files or the hub -> `LoadedTask`. Nothing is sent to a model from here.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import Finding, InputError
from harness.loaders import listed_splits, local_files, numeric_targets, packages, samples
from harness.loaders.local_files import LocalFile
from harness.loaders.row_answers import BadRowError
from harness.loaders.scicode_steps import BESIDE
from harness.loaders.shapes import SHAPES
from harness.loaders.unpacking import UnreadableError
from harness.messages import ImagePart
from harness.suites.sample import LoadedTask, Sample, TargetsRef
from harness.suites.suite import DatasetRef, Task
from harness.typed_files import MOST_SHOWN, refusal

_Stored = Iterable[tuple[str, int, Mapping[str, object] | UnreadableError]]
"""Rows as they are stored: (place, row number, row)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Rows from somewhere, the revision, and what must be said about it.

    Attributes:
        folder: of the file that holds the rows.
        given: folders that the user gave.
    """

    rows: _Stored
    revision: str
    folder: Path | None
    given: Sequence[Path] = ()
    warnings: tuple[str, ...] = ()


def load_task(task: Task, *, suite_path: Path | None = None, data_dir: Path | None = None) -> LoadedTask:
    """Load a task's samples: from files under `data_dir` or beside the suite file, else from a package or the hub.

    Args:
        suite_path: the suite's file (`suite_file(name)`); its folder is searched for `dataset.local`.
        data_dir: folder of local data sets (`--data`), searched first.

    Raises:
        InputError: the data is missing or malformed; findings name file, row and field.
    """
    source = _source(task, suite_path=suite_path, data_dir=data_dir)
    loaded, findings = _read_samples(task, source)
    left_out: tuple[str, ...] = ()
    if findings and loaded and task.dataset.on_bad_row == "leave_out":
        left_out = _left_out(task, findings)
        findings = []
    unique, repeated = _with_unique_ids(loaded, has_id="id" in task.dataset.fields)
    findings += repeated
    if findings:
        fix = (
            "correct the rows or the mapping in the suite file, or have such rows left out "
            '(on_bad_row = "leave_out" under [tasks.dataset]); nothing was sent'
        )
        raise refusal(f"the data of task {task.name!r}", findings, fix=fix)
    if not unique:
        raise InputError(f"the data of task {task.name!r} has no rows after filtering", where=task.dataset.path)
    unique, unscored = _with_targets(task, unique, _folders(suite_path, data_dir))
    warnings = (*source.warnings, *left_out, *_count_warning(task, len(unique)), *unscored)
    return LoadedTask(
        task=task,
        samples=tuple(unique),
        revision=source.revision,
        samples_sha256=samples.samples_sha256(unique),
        warnings=warnings,
    )


def _with_targets(task: Task, loaded: list[Sample], folders: Sequence[Path]) -> tuple[list[Sample], tuple[str, ...]]:
    """Tell samples where the numbers are that their tests compare with; those of which there are none are named."""
    counts: dict[str, int] = {one.sample_id: count for one in loaded if (count := one.metadata.get("n_targets"))}
    if not counts or not task.dataset.targets:
        return loaded, ()
    places = task.dataset.target_places
    files = local_files.find_files(places, folders)
    if not files:
        told = f"{len(counts)} of {len(loaded)} samples will stay unscored: their numeric targets are not here"
        return loaded, (f"{task.name}: {told}; put {places[0]} into a folder and pass it as --data DIR",)
    missing = set(numeric_targets.missing_steps(files[0].path, counts))
    digest = local_files.files_sha256(files[:1])
    made = [
        dataclasses.replace(
            one,
            metadata={**one.metadata, "targets_sha256": digest},
            targets=TargetsRef(path=str(files[0].path), step=one.sample_id, count=counts[one.sample_id]),
        )
        if one.sample_id in counts and one.sample_id not in missing
        else one
        for one in loaded
    ]
    listed = ", ".join(sorted(missing)[:MOST_SHOWN])
    told = f"{task.name}: {len(missing)} samples will stay unscored: {files[0].path} has no targets of {listed}"
    return made, (told,) if missing else ()


def _left_out(task: Task, findings: Sequence[Finding]) -> tuple[str, ...]:
    """Name every row that is left out, the first 20 with the reason."""
    named = [f"{task.name}: left out {one.where}: {one.message}" for one in findings[:MOST_SHOWN]]
    more = len(findings) - len(named)
    return (*named, f"{task.name}: and {more} more rows left out") if more else tuple(named)


def _read_samples(task: Task, source: _Rows) -> tuple[list[Sample], list[Finding]]:
    """Make samples of all good rows, and findings of all bad ones."""
    loaded: list[Sample] = []
    findings: list[Finding] = []
    shape = SHAPES[task.dataset.shape]

    def read_image(value: object) -> ImagePart:
        return local_files.image_part(value, source.folder)

    read_clip = _clip_reader(task.dataset, source)
    for place, number, stored in source.rows:
        if isinstance(stored, UnreadableError):
            findings.append(Finding(where=f"{place} row {number}" if number else place, message=stored.message))
            continue
        try:
            rows = [row for row in shape(stored) if samples.passes(row, task.dataset.filters)]
            loaded += [samples.build_sample(task, row, read_image=read_image, read_clip=read_clip) for row in rows]
        except BadRowError as error:
            where = f"{place} row {number} field"
            findings += [Finding(where=f"{where} {name!r}", message=message) for name, message in error.problems]
    return loaded, findings


def _clip_reader(dataset: DatasetRef, source: _Rows) -> samples.ReadClip | None:
    choice = dataset.shown_frames
    if choice is None:
        return None
    from harness.loaders.video_files import VideoFolders

    return VideoFolders(rows=source.folder, given=source.given, below=dataset.video_folders, choice=choice).clip


def _count_warning(task: Task, count: int) -> tuple[str, ...]:
    expected = task.dataset.expected_rows
    if expected is None or expected == count:
        return ()
    return (f"{task.name}: {count} samples were loaded, {expected} are expected",)


def _with_unique_ids(loaded: Sequence[Sample], *, has_id: bool) -> tuple[list[Sample], list[Finding]]:
    """Tell equal rows apart by a running number; the same id twice in an id column is a mistake."""
    seen: Counter[str] = Counter()
    unique: list[Sample] = []
    for sample in loaded:
        seen[sample.sample_id] += 1
        again = seen[sample.sample_id]
        unique.append(sample if again == 1 else dataclasses.replace(sample, sample_id=f"{sample.sample_id}-{again}"))
    repeated = [
        Finding(where=f"sample {one!r}", message=f"the id occurs {n} times") for one, n in seen.items() if n > 1
    ]
    return unique, repeated if has_id else []


def has_local_data(task: Task, *, suite_path: Path | None = None, data_dir: Path | None = None) -> bool:
    """True when a task's data lies under `data_dir`, beside the suite file or in an installed package, so that
    loading needs no network.
    """
    return bool(_files_here(task.dataset, _folders(suite_path, data_dir)))


def local_bytes(task: Task, *, suite_path: Path | None = None, data_dir: Path | None = None) -> int | None:
    """Give the size of a task's local files as they lie there; None = it has none, and would be downloaded."""
    files = _files_here(task.dataset, _folders(suite_path, data_dir))
    return sum(path.stat().st_size for path in {file.path for file in files}) if files else None


def _folders(suite_path: Path | None, data_dir: Path | None) -> list[Path]:
    """Where local data may lie: --data first, then beside the suite's file."""
    if data_dir is not None and not data_dir.is_dir():
        raise InputError("the data folder does not exist", where=f"--data {data_dir}", fix="name an existing folder")
    return [folder for folder in (data_dir, suite_path.parent if suite_path else None) if folder is not None]


def _local_files(dataset: DatasetRef, folders: Sequence[Path]) -> tuple[LocalFile, ...]:
    copies = local_files.hub_copies(dataset.path, dataset.name, dataset.split) if dataset.source == "hub" else ()
    return local_files.find_files((*dataset.local_places, *copies), folders)


def _files_here(dataset: DatasetRef, folders: Sequence[Path]) -> tuple[LocalFile, ...]:
    """A user's own files, else those of an installed package."""
    own = _local_files(dataset, folders)
    return own if own or dataset.source != "package" else packages.installed_files(dataset)


def _source(task: Task, *, suite_path: Path | None, data_dir: Path | None) -> _Rows:
    dataset = task.dataset
    folders = _folders(suite_path, data_dir)
    if files := _local_files(dataset, folders):
        digest = local_files.files_sha256(files)
        rows_here = _of_split(_file_rows(files, dataset), task, folders, packaged=False)
        return _Rows(rows=rows_here, revision=f"local:{digest}", folder=files[0].folder, given=folders)
    if dataset.source == "files":
        raise _missing_files(task, folders)
    looked_in = [f"{folder}/{place}" for folder in folders for place in dataset.local_places]
    if dataset.source == "package":
        held = packages.read(dataset, looked_in=looked_in)
        rows_held = _of_split(_file_rows(held.files, dataset), task, folders, packaged=True)
        return _Rows(rows=rows_held, revision=held.revision, folder=held.files[0].folder, warnings=held.warnings)
    from harness.loaders import hub

    found = hub.read(dataset, looked_in=looked_in)
    rows = ((dataset.path, number, row) for number, row in found.rows)
    return _Rows(rows=rows, revision=found.revision, folder=None, given=folders, warnings=found.warnings)


def _of_split(rows: _Stored, task: Task, folders: Sequence[Path], *, packaged: bool) -> _Stored:
    """Rows that the data set's split lists, where a file says which those are."""
    dataset = task.dataset
    if dataset.split_file is None:
        return rows
    lists = dataset.model_copy(update={"local": dataset.split_file})
    found = packages.read(lists).files if packaged else local_files.find_files(lists.local_places, folders)
    if not found:
        raise _missing_files(task.model_copy(update={"dataset": lists}), folders)
    return listed_splits.of_split(rows, dataset, listed_splits.listed_ids(found[0], dataset.split))


def _file_rows(files: Sequence[LocalFile], dataset: DatasetRef) -> _Stored:
    for file in files:
        texts = local_files.texts_beside(file, dataset.beside)
        for found in local_files.rows_of(file, dataset.rows_key, dataset.columns):
            if isinstance(found, UnreadableError):
                yield file.name, found.row, found
                continue
            number, row = found
            yield file.name, number, {**row, BESIDE: texts} if texts else row


def _missing_files(task: Task, folders: Sequence[Path]) -> InputError:
    places = ", ".join(task.dataset.local_places)
    looked = ", ".join(map(str, folders)) or "no folder: --data was not given"
    return InputError(
        f"the data of task {task.name!r} is not on this machine",
        where=f"{places} (looked in {looked})",
        fix=task.dataset.access or f"put {places} into a folder and pass it as --data DIR",
    )
