"""Later backups: what is recognised as unchanged, what is read anew, and what an incremental needs from elsewhere."""

import os
from pathlib import Path

import pytest

from phoenix_core.agent.keycache import FILE_NAME
from phoenix_core.vault.entry import Entry
from tests.agent.backup.running import back_up
from tests.agent.vault_rig import VaultRig


@pytest.fixture
def three(source: Path) -> Path:
    for name in ("a", "b", "c"):
        (source / name).write_bytes(os.urandom(50_000))
    return source


def entry(rig: VaultRig, snapshot_id: str, path: Path) -> Entry:
    return rig.entries(snapshot_id)[os.fsencode(path)]


def test_only_what_changed_is_read(rig: VaultRig, three: Path) -> None:
    first, _ = back_up(rig, three)
    (three / "b").write_bytes(b"new content")
    (three / "c").unlink()
    (three / "d").write_bytes(b"a new file")
    second, ports = back_up(rig, three, parent=first)
    assert second.read_bytes == len(b"new content") + len(b"a new file")
    assert (second.changed_files, second.files, ports.estimate().changed_files) == (2, 3, 2)
    names = {path for path in rig.entries(second.snapshot_id) if path.startswith(os.fsencode(three) + b"/")}
    assert {os.path.basename(path) for path in names} == {b"a", b"b", b"d"}
    assert rig.content(entry(rig, second.snapshot_id, three / "b")) == b"new content"
    assert rig.content(entry(rig, second.snapshot_id, three / "a")) == (three / "a").read_bytes()
    assert rig.body(second.snapshot_id).parent == first.snapshot_id


def test_a_change_that_keeps_size_and_mtime_is_noticed(rig: VaultRig, three: Path) -> None:
    before = (three / "a").stat()
    first, _ = back_up(rig, three)
    fresh = os.urandom(50_000)
    (three / "a").write_bytes(fresh)
    os.utime(three / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
    second, _ = back_up(rig, three, parent=first)
    assert rig.content(entry(rig, second.snapshot_id, three / "a")) == fresh


def test_a_file_that_replaced_another_is_read(rig: VaultRig, three: Path) -> None:
    first, _ = back_up(rig, three)
    (three / "b").rename(three / "a")
    second, _ = back_up(rig, three, parent=first)
    assert second.read_bytes == 50_000
    assert second.new_raw_bytes < 5_000, "its content is there already"
    assert rig.content(entry(rig, second.snapshot_id, three / "a")) == (three / "a").read_bytes()


def test_a_change_of_mode_or_attribute_is_in_the_next_backup(rig: VaultRig, three: Path) -> None:
    first, _ = back_up(rig, three)
    (three / "a").chmod(0o601)
    os.setxattr(three / "b", "user.colour", b"blue")
    three.chmod(0o710)
    second, _ = back_up(rig, three, parent=first)
    assert entry(rig, second.snapshot_id, three / "a").mode == 0o601
    assert entry(rig, second.snapshot_id, three / "b").xattrs == ((b"user.colour", b"blue"),)
    assert entry(rig, second.snapshot_id, three).mode == 0o710


def test_a_type_that_changed(rig: VaultRig, three: Path) -> None:
    first, _ = back_up(rig, three)
    for name in ("a", "b", "c"):
        (three / name).unlink()
    (three / "a").mkdir()
    (three / "a" / "inside").write_text("x")
    (three / "b").symlink_to("a")
    os.mkfifo(three / "c")
    second, _ = back_up(rig, three, parent=first)
    third, _ = back_up(rig, three, parent=second)
    kinds = [entry(rig, third.snapshot_id, three / name).type.value for name in "abc"]
    assert kinds == ["d", "l", "p"]
    assert third.read_bytes == 0


def test_files_whose_chunks_became_unusable_are_read_anew(rig: VaultRig, three: Path) -> None:
    big = os.urandom(3 * 2**20)
    (three / "big").write_bytes(big)
    first, _ = back_up(rig, three)
    lost = [entry(rig, first.snapshot_id, three / "a").chunks[0].id]
    lost.append(entry(rig, first.snapshot_id, three / "big").chunks[-1].id)
    second, _ = back_up(rig, three, parent=first, unusable_chunks=lost)
    assert second.read_bytes == 50_000 + len(big)
    assert second.changed_files == 2


def test_files_whose_long_chunk_list_holds_an_unusable_chunk_are_read_anew(
    rig: VaultRig, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phoenix_core.vault.tree.CHUNKS_INLINE_MAX", 1)
    (source / "one.img").write_bytes(os.urandom(3 * 2**20))
    (source / "two.img").write_bytes(os.urandom(3 * 2**20))
    first, _ = back_up(rig, source)
    found = entry(rig, first.snapshot_id, source / "one.img")
    assert found.chunk_list
    by_data = next(iter(_refs(rig, found)))
    second, _ = back_up(rig, source, parent=first, unusable_chunks=[by_data])
    assert second.read_bytes == 3 * 2**20
    by_list, _ = back_up(rig, source, parent=first, unusable_chunks=[found.chunk_list])
    assert by_list.read_bytes == 3 * 2**20


def test_without_its_key_cache_the_agent_asks_the_core(rig: VaultRig, three: Path) -> None:
    first, _ = back_up(rig, three)
    order, ports = rig.backup_order(three, parent=first)
    ports.use_cache = False
    from phoenix_core.agent.linuxjobs import live_backup

    second = live_backup(order, ports).run()
    assert second.read_bytes == 0
    assert ports.asked_blocks


def test_keys_are_kept_for_this_user_only(rig: VaultRig, three: Path) -> None:
    back_up(rig, three)
    assert (rig.state_dir / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_a_parent_whose_trees_are_gone_makes_it_a_full_backup_with_a_warning(rig: VaultRig, three: Path) -> None:
    first, _ = back_up(rig, three)
    order, ports = rig.backup_order(three, parent=first)
    import msgspec

    from phoenix_core.agent.linuxjobs import live_backup
    from phoenix_core.agentlink.messages import ParentSnapshot

    order = msgspec.structs.replace(order, parent=ParentSnapshot(first.snapshot_id, os.urandom(32)))
    second = live_backup(order, ports).run()
    assert second.read_bytes == 150_000
    assert any("parent" in text for text in ports.logged())


def test_a_new_hard_link_to_an_unchanged_neighbour(rig: VaultRig, three: Path) -> None:
    os.link(three / "a", three / "a2")
    first, _ = back_up(rig, three)
    (three / "z").hardlink_to(three / "a")
    second, _ = back_up(rig, three, parent=first)
    assert second.read_bytes == 50_000, "a link more changes ctime: read again, once"
    third, _ = back_up(rig, three, parent=second)
    assert third.read_bytes == 0
    assert entry(rig, third.snapshot_id, three / "z").chunks == entry(rig, third.snapshot_id, three / "a").chunks


def test_many_folders_cost_few_calls_to_the_node(rig: VaultRig, source: Path) -> None:
    for number in range(400):
        (source / f"folder-{number:03}").mkdir()
        (source / f"folder-{number:03}" / "file").write_text(str(number))
    first, _ = back_up(rig, source)
    calls = 0
    locate = rig.node.desk.locate

    def counting(token: str, ids: list[bytes]) -> list[object]:
        nonlocal calls
        calls += 1
        return locate(token, ids)  # type: ignore[arg-type,return-value]

    rig.node.desk.locate = counting  # type: ignore[method-assign,assignment]
    second, _ = back_up(rig, source, parent=first)
    assert second.read_bytes == 0
    assert calls < 20


def _refs(rig: VaultRig, found: Entry) -> list[bytes]:
    from phoenix_core.vault.filelists import read_chunk_list
    from phoenix_core.vault.kinds import PackKind

    return [ref.id for ref in read_chunk_list(rig.reader(PackKind.META), found.chunk_list)]
