"""Which wheels a kind of server needs: by their own metadata, read as that server would read it."""

from pathlib import Path

import pytest

from phoenix_core.rollout.bundle import BundleShelf
from phoenix_core.rollout.errors import BundleFailed
from phoenix_core.rollout.gather import NoWheel, Pip, gather
from phoenix_core.rollout.make import make_bundle
from phoenix_core.rollout.targets import Kind, all_kinds, libc_needed, own_kind, target_of
from tests.rollout.standin import wheel

DEBIAN = Kind("3.11", "x86_64", "glibc")
NEWER = Kind("3.13", "aarch64", "glibc")
ALPINE = Kind("3.12", "x86_64", "musl")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    return folder


def names(wheels: list[Path]) -> list[str]:
    return sorted(each.name for each in wheels)


def test_markers_are_those_of_the_server_and_extras_are_followed(tmp_path: Path, index: Path) -> None:
    own = wheel(
        tmp_path,
        "phoenix-backup",
        "0.1.0",
        needs=["needed[fast]>=1", 'old-only; python_version < "3.12"', 'windows-only; sys_platform == "win32"'],
    )
    wheel(index, "needed", "1.5", needs=['speed; extra == "fast"', 'docs; extra == "docs"', "needed"])
    wheel(index, "needed", "1.4")
    wheel(index, "old-only", "2.0", needs=["deeper"])
    wheel(index, "deeper", "1.0")
    for tag in ("cp311-cp311-manylinux_2_17_x86_64", "cp313-cp313-manylinux_2_28_aarch64"):
        wheel(index, "speed", "3.0", tag=tag)
    source, pure = Pip(tmp_path, index), dict[str, Path]()
    older = gather(own, DEBIAN, source, pure)
    assert names(older) == [
        "deeper-1.0-py3-none-any.whl",
        "needed-1.5-py3-none-any.whl",
        "old_only-2.0-py3-none-any.whl",
        "phoenix_backup-0.1.0-py3-none-any.whl",
        "speed-3.0-cp311-cp311-manylinux_2_17_x86_64.whl",
    ]
    assert names(gather(own, NEWER, source, pure)) == [
        "needed-1.5-py3-none-any.whl",
        "phoenix_backup-0.1.0-py3-none-any.whl",
        "speed-3.0-cp313-cp313-manylinux_2_28_aarch64.whl",
    ]
    assert target_of(DEBIAN, older, 0).libc_version == "2.17"
    with pytest.raises(NoWheel, match="speed"):
        gather(own, ALPINE, source, pure)


def test_the_version_that_runs_here_is_taken_before_a_newer_one(tmp_path: Path, index: Path) -> None:
    from humanize import __version__ as here

    own = wheel(tmp_path, "phoenix-backup", "0.1.0", needs=["humanize"])
    wheel(index, "humanize", here)
    wheel(index, "humanize", "999.0")
    assert f"humanize-{here}-py3-none-any.whl" in names(gather(own, DEBIAN, Pip(tmp_path, index), {}))


def test_of_several_wheels_the_one_for_the_oldest_library_is_taken(tmp_path: Path, index: Path) -> None:
    own = wheel(tmp_path, "phoenix-backup", "0.1.0", needs=["speed"])
    for minor in (34, 28, 17):
        wheel(index, "speed", "1.0", tag=f"cp311-abi3-manylinux_2_{minor}_x86_64")
    found = gather(own, DEBIAN, Pip(tmp_path, index), {})
    assert "speed-1.0-cp311-abi3-manylinux_2_17_x86_64.whl" in names(found)


def test_a_wheel_says_which_library_it_needs() -> None:
    assert libc_needed("a-1-py3-none-any.whl", "glibc") == (0, 0)
    assert libc_needed("a-1-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "glibc") == (2, 17)
    assert libc_needed("a-1-cp311-cp311-musllinux_1_2_x86_64.whl", "musl") == (1, 2)
    assert libc_needed("a-1-cp311-cp311-linux_x86_64.whl", "glibc") > (2, 17)


def test_where_nothing_can_be_had_the_old_wheels_stay(tmp_path: Path, index: Path) -> None:
    shelf = BundleShelf(tmp_path / "bundle")
    said: list[str] = []
    with pytest.raises(BundleFailed, match="no wheel of") as error:
        make_bundle(shelf, [own_kind()], only_from=index, say=said.append)
    assert "--from" in error.value.what_to_do
    assert not shelf.folder.exists()
    assert "Left out" in said[0]


def test_all_kinds_of_servers_are_meant_unless_some_are_named() -> None:
    assert len(all_kinds()) == 16
    assert [each.shown for each in all_kinds(("3.12",), ("x86_64",), ("musl",))] == ["Python 3.12, x86_64, musl"]
