"""Pre-flight token numbers: the estimate is quick and names its method, the upper bound never undercounts."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.messages import ImagePart, Message
from harness.suites import Sample, tokens
from harness.suites.image_tokens import MOST, TYPICAL


@settings(deadline=None)
@given(st.text(max_size=2_000))
def test_the_upper_bound_is_never_below_the_count(text: str) -> None:
    assert tokens.estimate([text]).tokens[0] <= tokens.upper_bound_tokens(text)


@pytest.mark.parametrize("text", ["a" * 300_000, " " * 300_000, "漢字" * 50_000, "\n" * 300_000])
def test_monotonous_texts_are_counted_in_bounded_time(text: str) -> None:
    started = time.perf_counter()
    assert 0 < tokens.estimate([text]).tokens[0] <= tokens.upper_bound_tokens(text)
    assert time.perf_counter() - started < 5


def test_the_vocabulary_on_this_machine_is_used_without_importing_litellm_or_asking_the_network() -> None:
    program = (
        "import sys; from harness.suites import tokens; e = tokens.estimate(['hello world', 'x' * 9]);"
        "assert e.method == 'o200k', e; assert e.tokens[0] == 2, e; assert 'litellm' not in sys.modules;"
        "import os; assert 'TIKTOKEN_CACHE_DIR' not in os.environ"
    )
    environment = {"PATH": "/usr/bin", "HTTPS_PROXY": "http://127.0.0.1:9"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


def test_images_and_system_messages_count() -> None:
    picture = ImagePart(media_type="image/png", data=b"x")
    plain = Sample(task="t", sample_id="1", input="Look here", target="")
    rich = Sample(task="t", sample_id="1", input=("Look here", picture), target="", system="Be brief")
    (small, large) = tokens.estimate_samples([plain, rich]).tokens
    assert large >= small + TYPICAL
    asked = (Message(role="user", content=plain.input),)
    shown = (Message(role="system", content="Be brief"), Message(role="user", content=rich.input))
    assert tokens.upper_bound_messages(shown) > tokens.upper_bound_messages(asked) + MOST


def test_the_total_is_the_sum_of_its_parts() -> None:
    counted = tokens.estimate(["one two", "", "three"])
    assert counted.total == sum(counted.tokens)
    assert counted.tokens[1] == 0
