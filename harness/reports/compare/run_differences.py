"""What differs between two runs besides their results: data, prices, code.

Pure. Data flows two `RunRecord`s -> sentences.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.ledger.records import RunRecord


def run_differences(base: RunRecord, head: RunRecord) -> Iterator[str]:
    """Say what else than the models may have moved a difference between two runs."""
    suites = ({suite.name: suite for suite in run.suites} for run in (base, head))
    before, now = suites
    for name in sorted(before.keys() & now.keys()):
        if before[name].sha256 != now[name].sha256:
            versions = (before[name].version, now[name].version)
            what = (
                f"version {versions[0]} before, {versions[1]} now" if versions[0] != versions[1] else "other contents"
            )
            yield f"different data: suite {name} has {what}"
    if base.sample_seed != head.sample_seed:
        yield f"samples were drawn in another order: seed {base.sample_seed} before, {head.sample_seed} now"
    if base.price_book_sha256 != head.price_book_sha256:
        yield "the price book changed between the two runs; amounts here are from the present book"
    if base.harness_version != head.harness_version:
        yield f"different harness: benchtab {base.harness_version} before, {head.harness_version} now"
    for run in (base, head):
        if run.status != "complete":
            yield f"run {run.run_id} is {run.status}: not everything planned is in it"
