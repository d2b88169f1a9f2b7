"""Snapshots over the API: names, folders, search, differences, removal."""

import asyncio

import pytest

from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.requests import BackupRequest, RestoreRequest
from phoenix_core.domain.states import JobState
from tests.engine.fake_agent import FakeAgent
from tests.engine.rig import Rig


async def test_a_snapshot_is_found_by_id_prefix_and_latest(rig: Rig, snapshots: list[str]) -> None:
    older, newer = snapshots
    assert (await rig.client.snapshot("latest")).id == newer
    assert (await rig.client.snapshot("latest", server="web1")).id == newer
    assert (await rig.client.snapshot(older[:8].upper())).id == older
    assert [each.id for each in await rig.client.snapshots(limit=1)] == [newer]
    assert (await rig.client.snapshot(newer)).parent == older


async def test_folders_are_listed_page_by_page(rig: Rig, snapshots: list[str]) -> None:
    names: list[str] = []
    after = ""
    while True:
        page = await rig.client.entries(snapshots[0], "/srv", after=after, limit=2)
        names += [entry.name for entry in page.entries]
        assert page.total == 3
        after = page.next_after
        if not after:
            break
    assert names == ["docs", "docs-2", "etc"]
    (root,) = (await rig.client.entries(snapshots[0])).entries
    assert (root.path, root.type) == ("/srv", "directory")


async def test_one_entry_is_shown(rig: Rig, snapshots: list[str]) -> None:
    entry = await rig.client.entry(snapshots[0], "/srv/etc/hosts")
    assert (entry.type, entry.size, entry.mode) == ("file", 19, 0o644)
    assert (await rig.client.entry(snapshots[0], "/")).type == "directory"


async def test_a_path_that_is_not_there_is_named(rig: Rig, snapshots: list[str]) -> None:
    for path in ("/no/such", "/srv/etc/hosts/below", "relative", "/srv/../etc"):
        with pytest.raises(RemoteError) as error:
            await rig.client.entry(snapshots[0], path)
        assert error.value.view().code == "path_not_in_snapshot", path


async def test_a_path_that_another_snapshot_holds_is_found_there(rig: Rig, snapshots: list[str]) -> None:
    older, newer = snapshots
    with pytest.raises(RemoteError, match=f"Snapshot {newer[:12]} of web1, taken .* holds no /srv/etc/passwd") as error:
        await rig.client.entry("latest", "/srv/etc/passwd")
    assert f"Snapshot {older[:12]}, taken " in error.value.view().hint
    assert error.value.view().fields["instead"] == older[:12]
    with pytest.raises(RemoteError) as error:
        await rig.client.entry("latest", "/srv/nowhere")
    assert "it backed up: /srv." in error.value.view().hint


async def test_a_restore_of_what_an_older_snapshot_holds_names_that_one(rig: Rig, snapshots: list[str]) -> None:
    older, newer = snapshots
    request = RestoreRequest(server="web1", paths=("/srv/etc/passwd",), destination="/tmp/a b", check_only=True)
    failed = await rig.ended((await rig.client.restore(request)).id)
    assert failed.error is not None
    assert newer[:12] in failed.error.message
    assert f"Snapshot {older[:12]}, taken " in failed.error.hint
    assert failed.error.fields["instead"] == older[:12]
    assert "phoenix restore" not in failed.error.hint  # it would lack what the core doesn't know was asked for


async def test_a_snapshot_that_holds_only_some_of_the_paths_is_not_named(rig: Rig, snapshots: list[str]) -> None:
    request = RestoreRequest(server="web1", paths=("/srv/etc/passwd", "/srv/docs/new.txt"), destination="/tmp/x")
    failed = await rig.ended((await rig.client.restore(request)).id)
    assert failed.error is not None
    assert failed.error.fields["instead"] == ""
    assert snapshots[0][:12] not in failed.error.hint


async def test_a_snapshot_of_another_server_is_told_whose_it_is(rig: Rig, snapshots: list[str]) -> None:
    await rig.agent("web2")
    for request in (
        rig.client.restore(RestoreRequest(server="web2", snapshot=snapshots[0], destination="/tmp/x")),
        rig.client.snapshot(snapshots[0], server="web2"),
    ):
        with pytest.raises(RemoteError, match="is of web1, not of web2") as error:
            await request
        assert "name web1 as the server, and add --to-server web2" in error.value.view().hint


async def test_an_id_that_is_too_short_is_told_so(rig: Rig, snapshots: list[str]) -> None:
    with pytest.raises(RemoteError, match="too short") as error:
        await rig.client.snapshot(snapshots[0][:5])
    assert "6 digits" in error.value.view().hint
    with pytest.raises(RemoteError, match="no snapshot named zzzz"):
        await rig.client.snapshot("zzzz")


async def test_a_file_has_no_entries(rig: Rig, snapshots: list[str]) -> None:
    with pytest.raises(RemoteError, match=r"hosts is no folder .* it is a file") as error:
        await rig.client.entries(snapshots[0], "/srv/etc/hosts")
    restore = f"phoenix restore web1 --snapshot {snapshots[0][:12]} --path /srv/etc/hosts --to FOLDER"
    assert restore in error.value.view().hint


SEARCHES = [
    ("*.txt", "/", ["/srv/docs/a.txt", "/srv/docs/deep/b.txt", "/srv/docs-2/c.txt"]),
    ("HOSTS", "/", []),
    ("hosts", "/", ["/srv/etc/hosts"]),
    ("ost", "/", ["/srv/etc/hosts"]),
    ("*.txt", "/srv/docs", ["/srv/docs/a.txt", "/srv/docs/deep/b.txt"]),
    ("/srv/*/deep", "/", ["/srv/docs/deep"]),
    ("?.txt", "/srv/docs/deep", ["/srv/docs/deep/b.txt"]),
]


async def test_a_search_finds_by_name_and_by_path(rig: Rig, snapshots: list[str]) -> None:
    for pattern, path, found in SEARCHES:
        page = await rig.client.find(snapshots[0], pattern, path=path)
        assert [entry.path for entry in page.entries] == found, (pattern, path)


async def test_a_search_goes_on_where_a_page_ended(rig: Rig, snapshots: list[str]) -> None:
    found: list[str] = []
    after = ""
    while True:
        page = await rig.client.find(snapshots[0], "*", after=after, limit=1)
        found += [entry.path for entry in page.entries]
        after = page.next_after
        if not after:
            break
    everything = [entry.path for entry in (await rig.client.find(snapshots[0], "*")).entries]
    assert found == everything
    assert len(found) == 10


async def test_differences_between_two_snapshots(rig: Rig, snapshots: list[str]) -> None:
    page = await rig.client.diff(*snapshots)
    assert [(change.path, change.change) for change in page.changes] == [
        ("/srv/docs/new.txt", "added"),
        ("/srv/docs-2", "type"),
        ("/srv/docs-2/c.txt", "removed"),
        ("/srv/etc/hosts", "content"),
        ("/srv/etc/passwd", "removed"),
    ]
    pieces: list[str] = []
    after = ""
    while True:
        part = await rig.client.diff(*snapshots, after=after, limit=1)
        pieces += [change.path for change in part.changes]
        after = part.next_after
        if not after:
            break
    assert pieces == [change.path for change in page.changes]
    assert (await rig.client.diff(snapshots[0], snapshots[0])).changes == ()


async def test_a_removed_snapshot_is_gone_with_its_record_left(rig: Rig, snapshots: list[str]) -> None:
    assert (await rig.remove(snapshots[0])).state is JobState.SUCCESSFUL
    assert [each.id for each in await rig.client.snapshots()] == [snapshots[1]]
    assert len(await asyncio.to_thread(rig.node().records)) == 3
    with pytest.raises(RemoteError):
        await rig.client.snapshot(snapshots[0])
    await rig.restart()
    assert [each.id for each in await rig.client.snapshots()] == [snapshots[1]]
    assert await asyncio.to_thread(rig.node().snapshots) == [snapshots[1]]


async def test_latest_is_no_name_for_a_removal(rig: Rig, snapshots: list[str]) -> None:
    with pytest.raises(RemoteError) as error:
        await rig.client.remove_snapshot("latest", typed=snapshots[-1][:12])
    assert error.value.view().code == "usage"


async def test_names_that_are_no_text_travel_in_shown_form(rig: Rig, agent: FakeAgent) -> None:
    agent.files = {"/srv/line\nbreak": b"x"}
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    await rig.ended(job.id)
    (entry,) = (await rig.client.entries("latest", "/srv")).entries
    assert entry.name == "line\\x0abreak"
    assert (await rig.client.entry("latest", entry.path)).size == 1


async def test_where_nothing_was_backed_up_the_latest_is_not_there(rig: Rig) -> None:
    await rig.agent("web1")
    with pytest.raises(RemoteError, match=r"There is no snapshot\.") as error:
        await rig.client.snapshot("latest")
    assert "phoenix backup SERVER PATH" in error.value.view().hint
    with pytest.raises(RemoteError, match=r"There is no snapshot of web1\.") as error:
        await rig.client.snapshot("latest", server="web1")
    assert "phoenix backup web1 PATH" in error.value.view().hint
