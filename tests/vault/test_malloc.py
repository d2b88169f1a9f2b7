"""Tuning the allocator is safe to call anywhere, any number of times."""

import sys

import pytest

from phoenix_core.vault.malloc import keep_large_buffers


def test_it_says_whether_it_did_anything() -> None:
    assert keep_large_buffers() in (True, False)
    assert keep_large_buffers() == keep_large_buffers()


def test_elsewhere_than_on_linux_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_large_buffers() is False
