"""What a backup takes by content rules: filters of files, several rules together, tagged caches, Phoenix's own data."""

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from phoenix_core.agent.errors import PathExcluded
from phoenix_core.agent.linuxjobs import live_backup
from phoenix_core.agentlink.reports import BackupResult
from phoenix_core.agentlink.ruleorder import RuleOrder
from tests.agent.backup.running import back_up
from tests.agent.backup.test_sources import paths_in
from tests.agent.vault_rig import RigPorts, VaultRig

DAY_S = 86_400
TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# a cache"


def rule(*paths: Path, name: str = "web", **fields: Any) -> RuleOrder:
    return RuleOrder(tuple(map(os.fsencode, paths)), name, **fields)


def by_rules(
    rig: VaultRig, *rules: RuleOrder, parent: BackupResult | None = None, **more: Any
) -> tuple[BackupResult, RigPorts]:
    paths = [path for each in rules for path in each.paths]
    return back_up(rig, *paths, parent=parent, rules=rules, **more)


def taken(rig: VaultRig, source: Path, *rules: RuleOrder) -> set[str]:
    """Files below the source, and folders with a slash."""
    result, _ = by_rules(rig, *rules)
    return files_of(rig, result, source)


def files_of(rig: VaultRig, result: BackupResult, source: Path) -> set[str]:
    return {path for path in paths_in(rig, result.snapshot_id, source) if not (source / path).is_dir()}


def tree_of(rig: VaultRig, result: BackupResult, source: Path) -> bytes:
    """Stands for the source's entry and all that is below it."""
    return rig.entries(result.snapshot_id)[os.fsencode(source)].tree


def fill(source: Path, *names: str, size: int = 10, age_s: float = 0) -> None:
    for name in names:
        file = source / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * size)
        if age_s:
            os.utime(file, (time.time() - age_s,) * 2)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"only_extensions": ("jpg",)}, {"a.jpg", "B.JPG", "deep/c.Jpg"}),
        ({"only_extensions": ("gz",), "not_extensions": ("tar.gz",)}, {"z.gz"}),
        ({"not_extensions": ("jpg", "gz")}, {"plain", ".jpg", "deep/d.txt"}),
        ({"includes": ("/**/deep/",)}, {"deep/c.Jpg", "deep/d.txt"}),
        ({"includes": ("*.gz", "!*.tar.gz")}, {"z.gz"}),
        ({"excludes": ("deep/", "*.gz")}, {"a.jpg", "B.JPG", ".jpg", "plain"}),
    ],
)
def test_of_the_files_only_those_that_the_rule_s_names_mean_are_taken(
    rig: VaultRig, source: Path, fields: dict[str, Any], expected: set[str]
) -> None:
    fill(source, "a.jpg", "B.JPG", ".jpg", "plain", "x.tar.gz", "z.gz", "deep/c.Jpg", "deep/d.txt")
    assert taken(rig, source, rule(source, **fields)) == expected


def test_sizes_and_ages_are_limited_and_their_bounds_are_within(rig: VaultRig, source: Path) -> None:
    fill(source, "empty", size=0)
    fill(source, "small", size=99)
    fill(source, "least", size=100)
    fill(source, "most", size=5000)
    fill(source, "large", size=5001)
    assert taken(rig, source, rule(source, smallest_bytes=100, largest_bytes=5000)) == {"least", "most"}
    fill(source, "old", age_s=40 * DAY_S)
    fill(source, "middle", age_s=10 * DAY_S)
    fill(source, "to come", age_s=-5 * DAY_S)
    for name in ("empty", "small", "least", "most", "large"):
        (source / name).unlink()
    assert taken(rig, source, rule(source, changed_within_s=30 * DAY_S)) == {"middle", "to come"}
    assert taken(rig, source, rule(source, older_than_s=5 * DAY_S)) == {"old", "middle"}
    assert taken(rig, source, rule(source, older_than_s=5 * DAY_S, changed_within_s=30 * DAY_S)) == {"middle"}


def test_folders_links_and_pipes_are_kept_whatever_files_are_taken(rig: VaultRig, source: Path) -> None:
    fill(source, "folder/a.txt")
    (source / "empty.txt").mkdir()
    (source / "link.txt").symlink_to("folder/a.txt")
    os.mkfifo(source / "pipe.txt")
    result, _ = by_rules(rig, rule(source, only_extensions=("jpg",), smallest_bytes=1 << 30))
    assert paths_in(rig, result.snapshot_id, source) == {"folder", "empty.txt", "link.txt", "pipe.txt"}


def test_what_one_of_several_rules_takes_is_taken_and_what_one_excludes_is_not(rig: VaultRig, source: Path) -> None:
    fill(source, "www/index.html", "www/app.log", "www/photo.jpg", "logs/app.log", "logs/old.txt", "logs/core.tmp")
    web = rule(source / "www", name="web", not_extensions=("log",))
    logs = rule(source / "logs", source / "www", name="logs", only_extensions=("log",), excludes=("*.tmp",))
    assert taken(rig, source, web, logs) == {"www/index.html", "www/photo.jpg", "www/app.log", "logs/app.log"}
    pictures = rule(source, name="pictures", only_extensions=("jpg",), excludes=("/**/www/photo.*",))
    assert taken(rig, source, web, pictures) == {"www/index.html"}


def test_a_rule_s_filters_hold_for_what_it_names_only(rig: VaultRig, source: Path) -> None:
    fill(source, "a/one.jpg", "a/two.txt", "b/one.jpg", "b/two.txt")
    first, second = rule(source / "a", name="a", only_extensions=("jpg",)), rule(source / "b", name="b")
    assert taken(rig, source, first, second) == {"a/one.jpg", "b/one.jpg", "b/two.txt"}


def test_exceptions_of_one_rule_take_nothing_back_that_another_excludes(rig: VaultRig, source: Path) -> None:
    fill(source, "a/x.tmp", "b/x.tmp", "b/y.tmp")
    first = rule(source / "a", name="a", excludes=("*.tmp",))
    second = rule(source / "b", name="b", excludes=("*.bak", "!x.tmp"))
    assert taken(rig, source, first, second) == set()


def test_an_excluded_folder_on_the_way_to_a_source_is_left_out_with_the_source(rig: VaultRig, source: Path) -> None:
    fill(source, "cache/data", "cache/wanted/file", "deep/cache/wanted/file", "keep")
    named = (source, source / "cache" / "wanted", source / "deep" / "cache" / "wanted" / "file")
    result, ports = by_rules(rig, rule(*named, excludes=("cache/",)))
    assert paths_in(rig, result.snapshot_id, source) == {"deep", "keep"}
    assert (result.missing_count, result.left_out) == (0, 2)
    assert f"{named[1]} is not backed up: it is excluded." in ports.logged()


def test_of_an_excluded_folder_only_what_an_exception_takes_back_is_taken(rig: VaultRig, source: Path) -> None:
    fill(source, "cache/data", "cache/other/x", "cache/wanted/deep/file", "keep")
    wanted = source / "cache" / "wanted"
    result, ports = by_rules(rig, rule(source, wanted, excludes=("cache/", f"!{wanted}/")))
    expected = {"keep", "cache", "cache/wanted", "cache/wanted/deep", "cache/wanted/deep/file"}
    assert paths_in(rig, result.snapshot_id, source) == expected
    assert rig.entries(result.snapshot_id)[os.fsencode(source / "cache")].partial
    assert ports.logged() == ["Content rules leave out 1 entry: 1 by excludes."]
    again, _ = by_rules(rig, rule(source, wanted, excludes=("cache/", f"!{wanted}/")), parent=result)
    assert (again.read_bytes, tree_of(rig, again, source)) == (0, tree_of(rig, result, source))
    whole, _ = by_rules(rig, rule(source, wanted), parent=result)
    assert files_of(rig, whole, source) == {"cache/data", "cache/other/x", "cache/wanted/deep/file", "keep"}


def test_a_file_is_taken_though_a_source_is_named_below_it(rig: VaultRig, source: Path) -> None:
    fill(source, "file", "other")
    result, _ = by_rules(rig, rule(source, source / "file" / "below"))
    assert files_of(rig, result, source) == {"file", "other"}
    assert [(each.path, each.reason) for each in result.missing] == [(f"{source}/file/below", "not_found")]


def test_a_rule_whose_filters_another_one_undoes_is_told(rig: VaultRig, source: Path) -> None:
    fill(source, "logs/a.log", "logs/b.txt")
    logs = rule(source / "logs", name="logs", only_extensions=("log",))
    result, ports = by_rules(rig, rule(source, name="all"), logs)
    assert files_of(rig, result, source) == {"logs/a.log", "logs/b.txt"}
    assert any("rule logs leaves out" in text and "rule all takes all" in text for text in ports.logged())


@pytest.mark.parametrize(("tag", "is_cache"), [(TAG, True), ("Signature: something else", False), ("", False)])
def test_of_a_tagged_cache_only_the_tag_is_taken(rig: VaultRig, source: Path, tag: str, is_cache: bool) -> None:
    fill(source, "cache/deep/data", "cache/data", "data")
    (source / "cache" / "CACHEDIR.TAG").write_text(tag)
    whole = {"data", "cache/CACHEDIR.TAG", "cache/data", "cache/deep/data"}
    expected = {"data", "cache/CACHEDIR.TAG"} if is_cache else whole
    assert taken(rig, source, rule(source, skip_caches=True)) == expected
    assert taken(rig, source, rule(source)) == whole
    assert taken(rig, source, rule(source, source / "cache", skip_caches=True)) == whole
    inside = rule(source / "cache" / "deep", name="deep")
    assert taken(rig, source, rule(source, skip_caches=True), inside) == expected | {"cache/deep/data"}


def test_below_a_tagged_cache_only_what_is_named_is_taken_and_what_is_not_there_is_missing_once(
    rig: VaultRig, source: Path
) -> None:
    fill(source, "cache/data", "cache/way/named/file", "cache/way/other")
    (source / "cache" / "CACHEDIR.TAG").write_text(TAG)
    cache = source / "cache"
    inside = rule(cache / "way" / "named", cache / "gone", name="inside")
    result, _ = by_rules(rig, rule(source, skip_caches=True), inside)
    assert files_of(rig, result, source) == {"cache/CACHEDIR.TAG", "cache/way/named/file"}
    assert [each.path for each in result.missing] == [str(cache / "gone")]
    assert result.missing_count == 1


def test_a_link_is_no_tag(rig: VaultRig, source: Path, tmp_path: Path) -> None:
    (tmp_path / "tag").write_text(TAG)
    fill(source, "cache/data")
    (source / "cache" / "CACHEDIR.TAG").symlink_to(tmp_path / "tag")
    assert "cache/data" in taken(rig, source, rule(source, skip_caches=True))


def test_disk_images_are_cut_as_the_rule_that_names_them_says(rig: VaultRig, source: Path) -> None:
    fill(source, "vm/disk.bin", "other/disk.bin", "other/disk.img", size=600_000)
    vm = rule(source / "vm", name="vm", disk_images=("*.bin",))
    result, _ = by_rules(rig, vm, rule(source / "other", name="other", disk_images=("*.img",)))
    entries = rig.entries(result.snapshot_id)
    fixed = {name: entries[os.fsencode(source / name)].fixed_chunks for name in ("vm/disk.bin", "other/disk.bin")}
    assert fixed == {"vm/disk.bin": True, "other/disk.bin": False}
    assert entries[os.fsencode(source / "other/disk.img")].fixed_chunks


CHANGES: list[dict[str, Any]] = [
    {},
    {"only_extensions": ("jpg",)},
    {"largest_bytes": 50},
    {"excludes": ("two/", "file-1.*")},
    {"skip_caches": True},
    {"includes": ("one/", "*.jpg")},
    {"older_than_s": 5 * DAY_S},
    {"excludes": ("*.jpg",), "smallest_bytes": 20},
]


@pytest.mark.parametrize("seed", range(4))
def test_an_incremental_after_a_rule_changed_has_the_tree_of_a_full_one(
    rig: VaultRig, source: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With and without the process that walks ahead; what is out now is gone, what is in now is read."""
    monkeypatch.setattr("phoenix_core.agent.backup.scanahead.ScanAhead.from_entries", 0)
    dice = random.Random(seed)
    for folder in ("one", "one/deep", "two", "two/cache", "three"):
        for number in range(4):
            ending = dice.choice(("jpg", "txt"))
            fill(source, f"{folder}/file-{number}.{ending}", size=dice.randrange(100), age_s=dice.randrange(9) * DAY_S)
    (source / "two" / "cache" / "CACHEDIR.TAG").write_text(TAG)
    parent, _ = by_rules(rig, rule(source, **dice.choice(CHANGES)))
    for _ in range(4):
        wanted = rule(source, **dice.choice(CHANGES))
        if dice.random() < 0.5:
            fill(source, f"three/new-{dice.randrange(9)}.jpg", size=dice.randrange(100))
        parent, ports = by_rules(rig, wanted, parent=parent, workers=dice.choice((1, 2)))
        full, _ = by_rules(rig, wanted)
        assert tree_of(rig, parent, source) == tree_of(rig, full, source)
        for name in ("files", "directories", "bytes", "left_out", "missing_count"):
            assert getattr(parent, name) == getattr(full, name), name
        assert not any("goes on in one process" in text for text in ports.logged())


def test_an_unchanged_source_is_not_read_again_whatever_the_rule_leaves_out(rig: VaultRig, source: Path) -> None:
    fill(source, "a.jpg", "b.txt", "deep/c.jpg", "deep/d.tmp", "cache/x")
    (source / "cache" / "CACHEDIR.TAG").write_text(TAG)
    wanted = rule(source, only_extensions=("jpg", "tag"), excludes=("*.tmp",), largest_bytes=1000, skip_caches=True)
    first, _ = by_rules(rig, wanted)
    second, _ = by_rules(rig, wanted, parent=first)
    assert (second.files, second.read_bytes, second.left_out) == (3, 0, first.left_out)
    assert tree_of(rig, second, source) == tree_of(rig, first, source)


def test_what_rules_leave_out_is_counted_and_said(rig: VaultRig, source: Path) -> None:
    fill(source, "a.jpg", "b.txt", "c.txt", "out/x", "out/y")
    result, ports = by_rules(rig, rule(source, only_extensions=("jpg",), excludes=("out/",)))
    assert result.left_out == 3
    assert "Content rules leave out 3 entries: 2 by only_extensions, 1 by excludes." in ports.logged()


def test_a_rule_that_takes_no_file_at_all_is_warned_of(rig: VaultRig, source: Path) -> None:
    fill(source, "a.txt")
    _, ports = by_rules(rig, rule(source, only_extensions=("jpg",)))
    assert any("Not one file" in text for text in ports.logged())


def test_a_named_file_that_its_rule_does_not_take_is_told_or_refused(rig: VaultRig, source: Path) -> None:
    fill(source, "a.txt", "b.jpg")
    fields: dict[str, Any] = {"only_extensions": ("jpg",)}
    result, ports = by_rules(rig, rule(source / "a.txt", source / "b.jpg", **fields))
    assert files_of(rig, result, source) == {"b.jpg"}
    assert f"{source / 'a.txt'} is not backed up: its content rule takes no such file." in ports.logged()
    with pytest.raises(PathExcluded, match="takes no such file"):
        by_rules(rig, rule(source / "a.txt", **fields))


def test_a_clock_far_from_the_core_s_is_told_where_ages_are_limited(rig: VaultRig, source: Path) -> None:
    fill(source, "a")
    month_ago_ns = time.time_ns() - 30 * DAY_S * 10**9
    limited = rule(source, changed_within_s=90 * DAY_S)
    _, ports = by_rules(rig, limited, core_time_ns=month_ago_ns)
    assert any("ahead of the core's" in text and "rule web" in text for text in ports.logged())
    for rules, told_ns in ((limited, time.time_ns()), (limited, 0), (rule(source), month_ago_ns)):
        _, ports = by_rules(rig, rules, core_time_ns=told_ns)
        assert ports.logged() == []


def test_vaults_data_directories_and_half_restored_files_are_left_out_wherever_they_lie(
    rig: VaultRig, source: Path
) -> None:
    fill(source, "file", "old-core/core.lock", "old-core/catalog.sqlite", "old-core/vault.key", "notes/core.lock")
    fill(source, "agent/peer.json", "agent/key.pem", "agent/cert.pem")
    fill(source, "www/.phoenix-j0123456789-7", "www/.phoenix-theme", "www/index.html")
    for folder in ("packs/meta", "snapshots", "records"):
        (source / "copy of a vault" / folder).mkdir(parents=True)
    (source / "snapshots").mkdir()
    result, ports = by_rules(rig, rule(source))
    assert files_of(rig, result, source) == {"file", "notes/core.lock", "www/.phoenix-theme", "www/index.html"}
    told = " ".join(ports.logged())
    for name in ("old-core", "agent", "www/.phoenix-j0123456789-7", "copy of a vault"):
        assert f"{source / name} is left out: it is Phoenix's own data." in told
    for path in (source / "old-core", source / "copy of a vault" / "packs"):
        with pytest.raises(PathExcluded, match="its own data"):
            by_rules(rig, rule(path))
    result, _ = by_rules(rig, rule(source / "old-core", source / "www"))
    assert files_of(rig, result, source) == {"www/.phoenix-theme", "www/index.html"}


def test_an_order_of_a_core_without_rules_is_done_as_ever(rig: VaultRig, source: Path) -> None:
    fill(source, "a", "b.tmp", "cache/x")
    (source / "cache" / "CACHEDIR.TAG").write_text(TAG)
    result, _ = back_up(rig, source, excludes=("*.tmp",))
    assert files_of(rig, result, source) == {"a", "cache/x", "cache/CACHEDIR.TAG"}


def test_why_all_files_are_read_is_told(rig: VaultRig, source: Path) -> None:
    fill(source, "a")
    order, ports = rig.backup_order(source, workers=1, why_full="re-read, every 10th run")
    live_backup(order, ports).run()
    (told,) = [body for body in ports.reports if getattr(body, "step", "") == "WF5.3"]
    assert getattr(told, "detail", "") == "full re-read, every 10th run"
