"""Tests of the engine inside this process."""
import importlib.util

import pytest


@pytest.fixture(scope="session", autouse=True)
def module():
    assert importlib.util.find_spec("ringcast._core"), "run me by scripts/python (docs/building.md)"
