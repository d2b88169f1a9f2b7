"""A hostile vault, or a destination prepared with links, can't make a restore write outside its destination."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from phoenix_core.domain.states import ConflictRule
from phoenix_core.vault.kinds import PackKind
from tests.agent.restore.hostile import HostileAgent, Raw, entry, hostile_agent, store_under_false_id
from tests.agent.restore.rig import RestoreRig

Tree = Callable[[HostileAgent, Path], list[Raw]]


def names(path: Path) -> set[str]:
    return {str(each.relative_to(path)) for each in path.rglob("*")}


@pytest.fixture
def outside(rig: RestoreRig) -> Path:
    """A folder beside the destination that must stay as it is."""
    folder = rig.folder / "outside"
    folder.mkdir()
    (folder / "victim").write_bytes(b"untouched")
    return folder


def assert_untouched(outside: Path) -> None:
    assert names(outside) == {"victim"}
    assert (outside / "victim").read_bytes() == b"untouched"
    assert (outside / "victim").stat().st_nlink == 1


@pytest.mark.parametrize(
    "name",
    [
        b"..",
        b".",
        b"",
        b"../outside/planted",
        b"/etc/planted",
        b"a/b",
        b"a\0b",
        b"../../../../../../../../tmp/planted",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused_with_its_folder(rig: RestoreRig, outside: Path, name: bytes) -> None:
    with hostile_agent(rig.vault) as agent:
        bad = agent.folder(b"bad", agent.file(name, b"evil"))
        root = agent.tree(bad, agent.file(b"good", b"good"))
    result = rig.restore(root)
    assert [(each.path, each.reason) for each in result.missing] == [("/bad", "hostile_tree")]
    assert names(rig.target) == {"bad", "good"}
    assert_untouched(outside)


def test_two_entries_of_one_name_are_refused(rig: RestoreRig, outside: Path) -> None:
    with hostile_agent(rig.vault) as agent:
        link = agent.link(b"a", os.fsencode(outside))
        root = agent.tree(agent.folder(b"bad", link, agent.folder(b"a", agent.file(b"planted", b"evil"))))
    result = rig.restore(root)
    assert [(each.path, each.reason) for each in result.missing] == [("/bad", "hostile_tree")]
    assert_untouched(outside)


def test_a_link_of_one_restore_is_not_followed_by_the_next(rig: RestoreRig, outside: Path) -> None:
    with hostile_agent(rig.vault) as agent:
        first = agent.tree(agent.link(b"a", os.fsencode(outside)), agent.link(b"b", b"outside/victim"))
        second = agent.tree(
            agent.folder(b"a", agent.file(b"planted", b"evil"), agent.file(b"victim", b"evil")),
            agent.file(b"b", b"evil"),
        )
    rig.restore(first)
    assert (rig.target / "a" / "victim").read_bytes() == b"untouched"
    result = rig.restore(second)
    assert result.missing_count == 0
    assert not (rig.target / "a").is_symlink()
    assert (rig.target / "a" / "planted").read_bytes() == b"evil"
    assert not (rig.target / "b").is_symlink()
    assert_untouched(outside)


@pytest.mark.parametrize("rule", list(ConflictRule))
def test_links_at_the_destination_are_not_followed(rig: RestoreRig, outside: Path, rule: ConflictRule) -> None:
    with hostile_agent(rig.vault) as agent:
        root = agent.tree(
            agent.folder(b"deep", agent.folder(b"folder", agent.file(b"victim", b"evil"), agent.file(b"new", b"evil"))),
            agent.file(b"file", b"evil", mt=2**62),
            agent.folder(b"folder", agent.file(b"victim", b"evil"), agent.file(b"new", b"evil"), mt=2**62),
        )
    (rig.target / "deep").mkdir(parents=True)
    (rig.target / "deep" / "folder").symlink_to(outside)
    (rig.target / "folder").symlink_to(outside)
    (rig.target / "file").symlink_to(outside / "victim")
    rig.restore(root, conflict=rule)
    assert_untouched(outside)
    replaced = rule in {ConflictRule.OVERWRITE, ConflictRule.IF_OLDER}
    assert (rig.target / "folder").is_symlink() is not replaced
    assert (rig.target / "file").is_symlink() is not replaced


def test_folders_on_the_way_are_not_followed(rig: RestoreRig, outside: Path) -> None:
    with hostile_agent(rig.vault) as agent:
        root = agent.tree(agent.folder(b"way", agent.folder(b"to", agent.file(b"victim", b"evil"))))
    rig.target.mkdir()
    (rig.target / "way").symlink_to(outside)
    rig.restore(root, paths=[b"/way/to/victim"])
    assert_untouched(outside)
    assert (rig.target / "way" / "to" / "victim").read_bytes() == b"evil"


def test_hard_links_reach_nothing_outside(rig: RestoreRig, outside: Path) -> None:
    """Names of one 'file' that are of different kinds, and a first name that is a link to the outside."""
    same = {"i": 7, "dv": 9, "nl": 3}
    with hostile_agent(rig.vault) as agent:
        link = agent.link(b"a", os.fsencode(outside / "victim")) | same
        root = agent.tree(link, agent.link(b"b", b"elsewhere") | same, agent.file(b"c", b"evil", **same))
    result = rig.restore(root)
    assert result.missing_count == 0
    assert (rig.target / "a").is_symlink()
    assert (rig.target / "b").is_symlink()
    assert (rig.target / "c").read_bytes() == b"evil"
    assert_untouched(outside)


def test_content_that_is_not_what_its_file_says_is_not_restored(rig: RestoreRig) -> None:
    with hostile_agent(rig.vault) as agent:
        ref = agent.content(b"twelve bytes")
        tree = agent.content(b"PXT\x01\x00\x90")
        root = agent.tree(
            entry(b"absent", s=3, c=[[bytes(32), 3]]),
            entry(b"longer", s=13, c=[[ref.id, 13]]),
            entry(b"not a tree", t="d", d=tree.id),
            entry(b"shorter", s=11, c=[[ref.id, 11]]),
            entry(b"true", s=12, c=[[ref.id, 12]]),
        )
    result = rig.restore(root)
    reasons = {each.path: each.reason for each in result.missing}
    assert reasons == {"/absent": "damaged", "/longer": "damaged", "/not a tree": "damaged", "/shorter": "damaged"}
    assert names(rig.target) == {"true", "not a tree"}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_chunk_that_is_not_what_its_id_says_is_not_restored(rig: RestoreRig, workers: int) -> None:
    """In a pack that is sound but for that: its name, its tail and its seals are right, and so are the lengths."""
    data = store_under_false_id(rig.vault, PackKind.DATA, b"promise", b"poison!")
    tree = store_under_false_id(rig.vault, PackKind.META, b"an empty folder", b"PXT\x01\x00\x90")
    with hostile_agent(rig.vault) as agent:
        root = agent.tree(
            entry(b"file", s=7, c=[[data, 7]]),
            entry(b"folder", t="d", d=tree),
            agent.file(b"true", b"true"),
        )
    result = rig.restore(root, workers=workers)
    assert {each.path: each.reason for each in result.missing} == {"/file": "damaged", "/folder": "damaged"}
    assert names(rig.target) == {"folder", "true"}
    assert names(rig.target / "folder") == set()


def test_odd_but_harmless_entries_do_no_harm(rig: RestoreRig) -> None:
    """Names and targets that no file system takes make their entries missing, and nothing else."""
    with hostile_agent(rig.vault) as agent:
        root = agent.tree(
            agent.file(b"good", b"good"),
            agent.link(b"l" * 10, b"t" * 5000),
            agent.folder(b"m" * 300, agent.file(b"inside", b"x")),
            agent.file(b"n" * 300, b"x"),
            agent.file(b"o", b"x", x=[[b"no.such.space", b"v"], [b"user.fits", b"v"]], mt=-(2**63)),
        )
    result = rig.restore(root)
    assert {each.reason for each in result.missing} == {"ENAMETOOLONG"}
    assert len(result.missing) == 4
    assert [each.path for each in result.not_applied] == ["/o"]
    assert names(rig.target) == {"good", "o"}
    assert os.getxattr(rig.target / "o", "user.fits") == b"v"
