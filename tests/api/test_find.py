"""The search over all snapshots: each version once, told where it is, and nothing read twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta

import pytest

from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.reading import FileVersion, SearchLine
from phoenix_core.domain.requests import BackupRequest, RestoreRequest
from phoenix_core.domain.states import JobState
from tests.engine.fake_agent import FakeAgent, Files
from tests.engine.rig import Rig

HISTORY: tuple[Files, ...] = (
    {"/srv/a/notes.txt": b"one", "/srv/b/notes.txt": b"other", "/srv/b/keep": b"k"},
    {"/srv/a/notes.txt": b"one", "/srv/b/notes.txt": b"other", "/srv/b/keep": b"k"},
    {"/srv/a/notes.txt": b"two", "/srv/b/notes.txt": b"other", "/srv/b/keep": b"k"},
    {"/srv/a/notes.txt": b"one", "/srv/b/keep": b"k"},
)


@pytest.fixture
async def history(rig: Rig, agent: FakeAgent) -> list[str]:
    """Ids of the snapshots, the oldest first."""
    for files in HISTORY:
        await backed_up(rig, agent, files)
    return [each.id for each in reversed(await rig.client.snapshots())]


async def backed_up(rig: Rig, agent: FakeAgent, files: Files, server: str = "web1") -> None:
    agent.files = files
    job = await rig.ended((await rig.client.backup(BackupRequest(server=server, paths=("/srv",)))).id)
    assert job.state is JobState.SUCCESSFUL, job.error


async def lines(rig: Rig, pattern: str, **more: object) -> list[SearchLine]:
    async with aclosing(rig.client.find_versions(pattern, **more)) as found:  # type: ignore[arg-type]
        return [line async for line in found]


async def versions(rig: Rig, pattern: str, **more: object) -> list[FileVersion]:
    return [line.version for line in await lines(rig, pattern, **more) if line.version is not None]


async def test_each_version_is_found_once_with_the_snapshots_that_have_it(rig: Rig, history: list[str]) -> None:
    first, second, third, fourth = history
    found = await versions(rig, "notes")
    assert [(each.path, each.size, each.snapshots, each.newest, each.oldest, each.gone) for each in found] == [
        ("/srv/a/notes.txt", 3, 3, fourth, first, False),
        ("/srv/a/notes.txt", 3, 1, third, third, True),
        ("/srv/b/notes.txt", 5, 3, third, first, True),
    ]
    assert {each.server_name for each in found} == {"web1"}
    assert second not in {each.newest for each in found}


async def test_what_many_snapshots_share_is_read_once(rig: Rig, agent: FakeAgent) -> None:
    files = {f"/srv/{number}/f{number}": b"%d" % number for number in range(20)}
    await backed_up(rig, agent, files)
    (one,) = [line.end for line in await lines(rig, "nothing") if line.end]
    for _ in range(4):
        await backed_up(rig, agent, files)
    (five,) = [line.end for line in await lines(rig, "nothing") if line.end]
    assert (one.folders, one.entries) == (22, 41)
    assert five == one


async def test_a_name_is_looked_at_once_in_its_folder_however_many_snapshots_have_it(
    rig: Rig, history: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []

    def fits(path: str, name: str) -> bool:
        looked_at.append(path)
        return False

    monkeypatch.setattr("phoenix_core.api.find.matcher", lambda pattern: fits)
    assert await versions(rig, "notes") == []
    below = ["/srv/a", "/srv/a/notes.txt", "/srv/b", "/srv/b/keep", "/srv/b/notes.txt"]
    assert sorted(looked_at) == ["/srv", *below]


async def test_a_found_version_can_be_restored_as_it_is_named(rig: Rig, agent: FakeAgent, history: list[str]) -> None:
    version = (await versions(rig, "notes", path="/srv/a"))[1]
    request = RestoreRequest(server=version.server_name, snapshot=version.newest, paths=(version.path,))
    assert (await rig.ended((await rig.client.restore(request)).id)).state is JobState.SUCCESSFUL
    assert agent.restored == {"/srv/a/notes.txt": b"two"}


async def test_server_folder_and_times_narrow_it(rig: Rig, agent: FakeAgent, history: list[str]) -> None:
    other = await rig.agent("web2")
    await backed_up(rig, other, {"/srv/a/notes.txt": b"web2's"}, "web2")
    assert [each.server_name for each in await versions(rig, "notes")] == ["web1", "web1", "web1", "web2"]
    assert [each.size for each in await versions(rig, "notes", server="web2")] == [6]
    assert {each.path for each in await versions(rig, "notes", path="/srv/b")} == {"/srv/b/notes.txt"}
    assert await versions(rig, "notes", path="/srv/nowhere") == []
    second = await rig.client.snapshot(history[1])
    until = (second.created_at + timedelta(microseconds=1)).isoformat()
    assert [each.snapshots for each in await versions(rig, "notes", server="web1", until=until)] == [2, 2]
    assert [each.snapshots for each in await versions(rig, "notes", server="web1", since=until)] == [1, 1, 1]


async def test_names_of_any_bytes_are_found(rig: Rig, agent: FakeAgent) -> None:
    await backed_up(rig, agent, {"/srv/line\nbreak": b"x", "/srv/back\\slash": b"y"})
    assert [each.path for each in await versions(rig, "line\\x0Ab")] == ["/srv/line\\x0abreak"]
    assert [each.path for each in await versions(rig, "back\\sl")] == ["/srv/back\\\\slash"]
    assert [each.path for each in await versions(rig, "/srv/line*")] == ["/srv/line\\x0abreak"]


async def test_as_many_come_as_were_asked_for(rig: Rig, history: list[str]) -> None:
    found = await lines(rig, "*", limit=2)
    assert len([line for line in found if line.version]) == 2
    assert (found[-1].end is not None, found[-1].truncated) == (True, True)
    assert not (await lines(rig, "*", limit=0))[-1].truncated


async def test_bad_questions_are_refused_before_anything_comes(rig: Rig, history: list[str]) -> None:
    for more, message in (
        ({"pattern": ""}, "A search needs a pattern"),
        ({"pattern": "x", "since": "yesterday"}, "since=yesterday is no time"),
        ({"pattern": "x", "until": "2026-11-24"}, "names no time zone"),
        ({"pattern": "x", "path": "srv"}, "holds no srv"),
        ({"pattern": "x", "server": "web9"}, "no server named web9"),
    ):
        with pytest.raises(RemoteError, match=message):
            await lines(rig, **more)


async def test_a_damaged_folder_is_counted_and_the_rest_is_found(rig: Rig, agent: FakeAgent) -> None:
    await backed_up(rig, agent, {"/srv/a/notes": b"a"})
    first = {pack.pack_id for pack in await asyncio.to_thread(lambda: list(rig.node().packs()))}
    await backed_up(rig, agent, {"/srv/a/notes": b"a", "/srv/b/notes": b"b"})
    for pack in (rig.data.vault / "packs").rglob("*"):
        if pack.is_file() and bytes.fromhex(pack.name) not in first:
            pack.write_bytes(pack.read_bytes()[:700] + b"damaged" + pack.read_bytes()[707:])
    found = await lines(rig, "notes")
    assert [line.version.path for line in found if line.version] == ["/srv/a/notes"]
    assert found[-1].end is not None
    assert found[-1].end.unreadable > 0
    assert [line.version.gone for line in found if line.version] == [False]


async def test_who_has_seen_enough_ends_it(rig: Rig, history: list[str]) -> None:
    search: AsyncIterator[SearchLine]
    async with aclosing(rig.client.find_versions("*", limit=0)) as search:
        assert (await anext(search)).version is not None
    assert (await rig.client.status()).servers == 1


async def test_a_lost_snapshot_is_told_and_nothing_is_called_gone_by_it(rig: Rig, history: list[str]) -> None:
    """What the newest held isn't known any more."""
    assert [each.gone for each in await versions(rig, "notes")] == [False, True, True]
    (rig.data.vault / "snapshots" / history[-1]).unlink()
    found = await lines(rig, "notes")
    assert found[-1].end is not None
    assert found[-1].end.lost == 1
    assert [(each.version.newest, each.version.gone) for each in found if each.version] == [
        (history[2], False),
        (history[1], False),
        (history[2], False),
    ]


async def test_what_the_search_leaves_out_calls_nothing_gone(rig: Rig, history: list[str]) -> None:
    third = await rig.client.snapshot(history[2])
    until = (third.created_at + timedelta(microseconds=1)).isoformat()
    found = await versions(rig, "notes", until=until)
    assert [(each.newest, each.gone) for each in found] == [
        (history[2], False),
        (history[1], False),
        (history[2], False),
    ]


async def test_a_path_of_any_length_is_found(rig: Rig, agent: FakeAgent) -> None:
    """Longer than what a reader of lines takes."""
    folders = ["\1" * 250] * 200
    await backed_up(rig, agent, {"/".join(("/srv", *folders, "notes")): b"x"})
    (found,) = await versions(rig, "notes")
    assert found.path == "/".join(("/srv", *folders, "notes")).replace("\1", r"\x01")
