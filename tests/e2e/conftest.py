"""Fixtures of the end-to-end tests."""

from collections.abc import Iterator

import pytest

from tests.e2e.rig import Machine, machine


@pytest.fixture
def bare() -> Iterator[Machine]:
    """A machine with an empty data directory."""
    with machine() as made:
        yield made


@pytest.fixture
def here(bare: Machine) -> Machine:
    """A machine with a vault, a core that runs, and its own agent, as server `one`, connected."""
    bare.init()
    bare.start_core()
    bare.enroll("one")
    bare.start_agent()
    return bare
