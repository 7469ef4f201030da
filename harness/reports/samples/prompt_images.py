"""Images of a question: the ledger keeps their digests, and the suite's own data may still hold them.

Data flows a run's suites and data folder -> samples of the task -> images by digest. Only files on this machine are
read, nothing is downloaded, and an image is shown only where its digest is the one that was asked.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness.errors import HarnessError
from harness.ledger import PlannedRecord, RunRecord
from harness.loaders.suite_files import load_suite, suite_file
from harness.loaders.tasks import load_task, local_bytes
from harness.loaders.unpacking import UnreadableError
from harness.messages import ImagePart
from harness.runner.plan import VIDEO, image_sha256
from harness.suites.suite import Task

MOST_DATA_BYTES = 200_000_000
"""Of a task's files: larger ones are not read for a page."""
MOST_IMAGE_BYTES = 5_000_000
FRAMES = "frames of a video, which are decoded only when they are sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptImage:
    """An image of a question.

    Attributes:
        source: the image as a data address, empty where it is not shown.
        why: why it is not shown, empty where it is.
    """

    source: str = ""
    why: str = ""


def prompt_images(run: RunRecord, planned: PlannedRecord, digests: Iterable[str]) -> dict[str, PromptImage]:
    """Find images of a question by their digests, where the suite's data are on this machine."""
    asked = list(digests)
    videos = {digest: _shown(None, FRAMES) for digest in asked if digest.startswith(VIDEO)}
    wanted = [digest for digest in asked if digest not in videos]
    if not wanted:
        return videos
    try:
        found, why = _images_of_task(run, planned), "the suite's data hold no such image now"
    except HarnessError as error:
        found, why = {}, error.message
    except (OSError, UnreadableError):
        found, why = {}, "the suite's data cannot be read"
    return videos | {digest: _shown(found.get(digest), why) for digest in wanted}


def _shown(image: ImagePart | None, why: str) -> PromptImage:
    if image is None:
        return PromptImage(why=f"not shown: {why}")
    if len(image.data) > MOST_IMAGE_BYTES:
        return PromptImage(why=f"not shown: it has {len(image.data):,} bytes")
    return PromptImage(source=f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}")


def _images_of_task(run: RunRecord, planned: PlannedRecord) -> Mapping[str, ImagePart]:
    given = run.config.get("data_dir")
    named = run.config.get("suites", ())
    names = tuple(str(name) for name in named) if isinstance(named, list | tuple) else ()
    return _task_images(names, planned.suite, planned.task, str(given) if given else None)


@lru_cache(maxsize=2)
def _task_images(names: tuple[str, ...], suite: str, task: str, data_dir: str | None) -> Mapping[str, ImagePart]:
    data = None if data_dir is None else Path(data_dir)
    for name in names:
        loaded = load_suite(name)
        wanted = next((each for each in loaded.tasks if each.name == task), None)
        if loaded.name == suite and wanted is not None:
            return _read(wanted, suite_file(name), data)
    raise HarnessError("its suite is not on this machine")


def _read(task: Task, path: Path, data_dir: Path | None) -> dict[str, ImagePart]:
    size = local_bytes(task, suite_path=path, data_dir=data_dir)
    if size is None:
        raise HarnessError("its data are not on this machine")
    if size > MOST_DATA_BYTES:
        raise HarnessError(f"its data have {size:,} bytes, too many to be looked through here")
    samples = load_task(task, suite_path=path, data_dir=data_dir).samples
    parts = (part for sample in samples if not isinstance(sample.input, str) for part in sample.input)
    return {image_sha256(part): part for part in parts if isinstance(part, ImagePart)}
