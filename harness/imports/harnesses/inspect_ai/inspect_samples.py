"""The parts of an Inspect log, whatever holds them: its header, and its samples with their events one by one.

Data flows a `.json` document or a `.eval` archive -> `header`, `samples` -> facts of each sample and its model events.
An archive holds a sample as one file, or (since 2026) as a shell and numbered chunks of its events.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.declared import JsonObject
from harness.imports.containers.archives import Member, members
from harness.imports.containers.json_stream import members_of, walk
from harness.imports.containers.json_values import a_list, an_object
from harness.imports.containers.log_files import Readable
from harness.imports.log_formats import SourceFile
from harness.imports.refusal import ImportRefused

START, HEADER = "_journal/start.json", "header.json"
_EVENTS, _OLD_EVENTS, _RETRIED = ("events",), ("transcript", "events"), ("error_retries", "events")
_LISTS = (_EVENTS, _OLD_EVENTS, _RETRIED)
_TEXTS = ("messages", "input", "store", "timelines", "attachments", "events_data")
_CHUNK = re.compile(r"(samples/.+_epoch_\d+)/(events|messages|attachments)/(\d+)\.json", re.DOTALL)
_SHELL = re.compile(r"(samples/.+_epoch_\d+)/sample\.json", re.DOTALL)
_WHOLE = re.compile(r"samples/.+_epoch_\d+\.json", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleEvent:
    """An event, and which try of its sample it belongs to.

    Attributes:
        is_of_failed_try: a try that ended in an error and was repeated; its calls were paid all the same.
    """

    event: JsonObject
    is_of_failed_try: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSample:
    """A sample: its own facts, and where its events are read from.

    Attributes:
        facts: members of the sample without events; without its long texts, too, unless they were asked for.
    """

    where: str
    facts: JsonObject
    chunks: tuple[Readable, ...] = ()
    member: Readable | None = None

    def events(self) -> Iterator[SampleEvent]:
        """Read the events in their order, those of failed tries after the others."""
        for chunk in self.chunks:
            for _, value in walk(chunk, ()):
                if isinstance(value, dict):
                    yield SampleEvent(event=value, is_of_failed_try=False)
        if self.member is None:
            yield from _events_of(self.facts)
            return
        for path, value in walk(self.member, *_LISTS):
            if path in _LISTS and isinstance(value, dict):
                yield SampleEvent(event=value, is_of_failed_try=path == _RETRIED)


def _events_of(facts: JsonObject) -> Iterator[SampleEvent]:
    own = a_list(facts.get("events")) or a_list(an_object(facts.get("transcript")).get("events"))
    for event in own:
        if isinstance(event, dict):
            yield SampleEvent(event=event, is_of_failed_try=False)
    for retried in a_list(facts.get("error_retries")):
        for event in a_list(an_object(retried).get("events")):
            if isinstance(event, dict):
                yield SampleEvent(event=event, is_of_failed_try=True)


def header(file: SourceFile) -> JsonObject:
    """Read all of a log but its samples; the header of a killed run is what it wrote when it began.

    Raises:
        ImportRefused: an archive holds neither header nor beginning, or the log is cut.
    """
    if file.look.container != "zip":
        found: JsonObject = {}
        for path, value in walk(file.file, ("samples",), ("reductions",), skip=True):
            if len(path) == 1:
                found[path[0]] = value
        return found
    inside = file.look.members or members(file.file)
    started = START if HEADER not in inside else HEADER
    if started not in inside:
        raise ImportRefused(f"holds neither {HEADER} nor {START}: not a whole Inspect log", where=file.name)
    found = _document(inside[started])
    return found if started == HEADER else {**found, "status": "started"}


def samples(file: SourceFile, *, texts: bool) -> Iterator[LoggedSample]:
    """Read one sample after the other.

    Args:
        texts: keep messages and attachments.
    """
    if file.look.container == "zip":
        yield from _archived(file.look.members or members(file.file), texts=texts)
    else:
        yield from _in_document(file)


def _in_document(file: SourceFile) -> Iterator[LoggedSample]:
    number = 0
    for path, value in walk(file.file, ("samples",)):
        if path == ("samples",) and isinstance(value, dict):
            number += 1
            yield LoggedSample(where=f"{file.name}: sample {number}", facts=value)


def _archived(inside: Mapping[str, Member], *, texts: bool) -> Iterator[LoggedSample]:
    """Read the samples of an archive; a large one is a shell, with its events in chunks beside it."""
    chunks = _chunks(inside)
    for name, member in inside.items():
        shell = _SHELL.fullmatch(name)
        if shell is not None or _WHOLE.fullmatch(name):
            sequences = chunks.get(shell.group(1), {}) if shell else {}
            facts = _facts(member, texts=texts)
            if sequences and texts:
                facts = {**facts, **_pooled(sequences)}
            yield LoggedSample(where=member.name, facts=facts, chunks=tuple(sequences.get("events", ())), member=member)


def _chunks(inside: Mapping[str, Member]) -> dict[str, dict[str, list[Member]]]:
    """List the chunks of each sample by sequence, in order; a chunk's name is the number of its first item."""
    numbered: dict[tuple[str, str], list[tuple[int, Member]]] = {}
    for name, member in inside.items():
        if chunk := _CHUNK.fullmatch(name):
            numbered.setdefault((chunk.group(1), chunk.group(2)), []).append((int(chunk.group(3)), member))
    found: dict[str, dict[str, list[Member]]] = {}
    for (sample, sequence), chunks in numbered.items():
        found.setdefault(sample, {})[sequence] = [member for _, member in sorted(chunks, key=lambda one: one[0])]
    return found


def _pooled(sequences: Mapping[str, list[Member]]) -> JsonObject:
    """Read the messages and attachments of a sample in chunks; events refer to both by number."""
    messages = [value for chunk in sequences.get("messages", ()) for _, value in walk(chunk, ())]
    attachments = [value for chunk in sequences.get("attachments", ()) for _, value in walk(chunk, ())]
    return {
        "events_data": {"messages": messages},
        "attachments": {str(number): text for number, text in enumerate(attachments)},
    }


def _facts(member: Member, *, texts: bool) -> JsonObject:
    """Read what a sample says of itself, its events passed over."""
    left_out = _LISTS if texts else (*_LISTS, *((name,) for name in _TEXTS))
    return members_of(member, *left_out)


def _document(member: Member) -> JsonObject:
    return members_of(member)
