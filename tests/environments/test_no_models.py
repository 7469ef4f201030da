"""Packages of environments cannot ask models: their litellm refuses, and the real one is untouched afterwards."""

from __future__ import annotations

import importlib
import sys

import pytest

from harness.environments.no_models import ModelAsked, without_models


def test_what_a_package_imports_of_litellm_refuses_to_be_used() -> None:
    before = {name: module for name, module in sys.modules.items() if name.startswith("litellm")}
    with without_models():
        litellm = importlib.import_module("litellm")
        completion, response = litellm.completion, importlib.import_module("litellm.main").ModelResponse
        litellm.disable_cache()
    with pytest.raises(ModelAsked):
        completion(model="gpt-4.1", messages=[])
    with pytest.raises(ModelAsked):
        response()
    assert {name: module for name, module in sys.modules.items() if name.startswith("litellm")} == before
