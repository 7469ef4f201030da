"""Small slices of two proofs: a server that bills whatever becomes of its answers, and one that judges its client."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import failing_servers


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def test_every_dollar_that_a_failing_server_states_is_in_the_ledger(tmp_path: Path) -> None:
    checked = list(failing_servers.prove(tmp_path, runs=14, samples=8, seed=3))
    assert failing_servers.report(checked)
    assert sum(run.n_stated for run in checked) > 100
    assert sum(run.stated_pico for run in checked) == sum(run.charged_pico for run in checked) > 0
    assert {run.label.split()[1] for run in checked} == {"whole", "streamed"}


def test_a_server_that_fails_on_purpose_finds_no_fault_with_its_client() -> None:
    servers = pytest.importorskip("benchmarks.servers", reason="llmock is not installed (make test installs it)")
    targets = [target for target in servers.TARGETS if (target.name, target.path) in SLICE]
    outcomes = list(servers.meet_all(targets, samples=10, seed=0))
    assert len(outcomes) == 6
    assert [outcome.wrong for outcome in outcomes] == [()] * 6
    assert all(outcome.n_faults for outcome in outcomes)


SLICE = {("openai", "direct"), ("cohere", "litellm")}
