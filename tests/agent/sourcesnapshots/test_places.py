"""Which file systems a backup reads is told without a look at what may not answer."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phoenix_core.agent.sourcesnapshots.hostkinds import Kinds, host_kinds
from phoenix_core.agent.sourcesnapshots.mounttable import MountTable
from phoenix_core.agent.sourcesnapshots.places import Places
from tests.agent.sourcesnapshots.commandsdouble import AnsweredCommands, recorded

TABLE = MountTable(
    (
        b"1 0 8:1 / / rw - ext4 /dev/sda1 rw",
        b"2 1 0:40 / /mnt/far rw - nfs4 server:/x rw",
        b"3 1 8:2 / /srv rw - xfs /dev/sdb1 rw",
        b"4 2 0:41 / /mnt/far/deep rw - fuse.sshfs host:/ rw",
    )
)


@pytest.fixture
def kinds(tmp_path: Path) -> Kinds:
    return host_kinds(tmp_path, commands=AnsweredCommands({"lvs *": recorded("lvs-none.json")}))


@pytest.fixture(autouse=True)
def never_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file server doesn't answer: whoever looks at something on it would wait for good."""

    def guarded(call: Callable[..., Any], answer: Any = None) -> Callable[..., Any]:
        def looks(path: Any, *arguments: Any, **options: Any) -> Any:
            if isinstance(path, (bytes, str)):
                assert not os.fsencode(path).startswith(b"/mnt/far"), path
            return call(path, *arguments, **options) if answer is None else answer

        return looks

    monkeypatch.setattr(os.path, "isdir", guarded(os.path.isdir, answer=True))
    for module, name in ((os.path, "lexists"), (os, "lstat"), (os, "stat"), (os, "open")):
        monkeypatch.setattr(module, name, guarded(getattr(module, name)))


def places(kinds: Kinds, *paths: bytes, crossing: tuple[bytes, ...] = (), out: bytes = b"-") -> Places:
    return Places(paths, crossing, TABLE, kinds, lambda path: path == out or path.startswith(out + b"/"))


def test_what_is_left_out_or_not_crossed_into_is_not_looked_at(kinds: Kinds) -> None:
    for some in (places(kinds, b"/", crossing=(b"/",), out=b"/mnt"), places(kinds, b"/")):
        plan = some.plan()
        assert b"/mnt/far" not in plan.live
        assert set(some.seams({b"/"})) == {b"/srv"}


def test_what_is_crossed_into_is_read_live_without_a_look(kinds: Kinds) -> None:
    some = places(kinds, b"/", crossing=(b"/",))
    live = some.plan().live
    assert set(live) == {b"/", b"/srv", b"/mnt/far", b"/mnt/far/deep"}
    assert live[b"/mnt/far"] == "there are no snapshots of nfs4 file systems"
    assert set(some.seams({b"/"})) == {b"/srv", b"/mnt/far", b"/mnt/far/deep"}


def test_a_source_on_it_is_read_where_it_is_mounted(kinds: Kinds) -> None:
    some = places(kinds, b"/", b"/mnt/far/data")
    assert b"/mnt/far" in some.plan().live
    assert set(some.seams({b"/"})) == {b"/srv", b"/mnt/far"}
