"""The wheels that a core keeps for servers: replaced as a whole, and nothing else comes out by that way."""

import os
from pathlib import Path

import msgspec
import pytest

from phoenix_core import __version__
from phoenix_core.rollout.bundle import MANIFEST, BundleShelf
from phoenix_core.rollout.errors import BundleDamaged, BundleMissing, BundleOutdated, WheelUnknown
from tests.rollout.standin import bundle_of, phoenix, wheel


@pytest.fixture
def shelf(tmp_path: Path) -> BundleShelf:
    return BundleShelf(tmp_path / "bundle")


def read(shelf: BundleShelf, sha256: str) -> bytes:
    descriptor, length = shelf.open_wheel(sha256)
    try:
        return os.read(descriptor, length + 1)
    finally:
        os.close(descriptor)


def test_what_was_put_comes_out_and_what_was_there_before_is_gone(shelf: BundleShelf, tmp_path: Path) -> None:
    first, second = phoenix(tmp_path, __version__), wheel(tmp_path, "other", "1.0")
    shelf.put(bundle_of(__version__, [first, second]), [first, second])
    before = shelf.current()
    assert read(shelf, before.wheels[second.name].sha256) == second.read_bytes()

    shelf.put(bundle_of(__version__, [first]), [first])
    assert list(shelf.current().wheels) == [first.name]
    assert len(list((shelf.folder / "wheels").iterdir())) == 1
    with pytest.raises(WheelUnknown):
        shelf.open_wheel(before.wheels[second.name].sha256)


def test_without_wheels_it_says_how_to_make_them(shelf: BundleShelf) -> None:
    with pytest.raises(BundleMissing) as error:
        shelf.current()
    assert "phoenix core bundle" in error.value.what_to_do


def test_wheels_of_another_version_are_not_served(shelf: BundleShelf, tmp_path: Path) -> None:
    old = phoenix(tmp_path, "0.0.9")
    shelf.put(bundle_of("0.0.9", [old]), [old])
    with pytest.raises(BundleOutdated, match=r"0\.0\.9"):
        shelf.open_wheel(shelf.whatever_there_is().wheels[old.name].sha256)


@pytest.mark.parametrize("text", [b"", b"{}", b"\xff", b'{"version": 1}'])
def test_a_list_that_makes_no_sense_is_told(shelf: BundleShelf, text: bytes) -> None:
    shelf.folder.mkdir()
    (shelf.folder / MANIFEST).write_bytes(text)
    with pytest.raises(BundleDamaged):
        shelf.current()


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "cut", "gone"])
def test_what_is_in_a_wheels_place_and_isnt_the_wheel_is_not_served(
    shelf: BundleShelf, tmp_path: Path, kind: str
) -> None:
    file = phoenix(tmp_path, __version__)
    shelf.put(bundle_of(__version__, [file]), [file])
    sha256 = shelf.current().wheels[file.name].sha256
    place = shelf.folder / "wheels" / f"{sha256}.whl"
    content = place.read_bytes()
    place.unlink()
    if kind == "link":
        (tmp_path / "elsewhere").write_bytes(content)
        place.symlink_to(tmp_path / "elsewhere")
    elif kind == "folder":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "cut":
        place.write_bytes(content[:-1])
    with pytest.raises(BundleDamaged):
        shelf.open_wheel(sha256)


def test_a_name_in_the_list_leads_nowhere_else(shelf: BundleShelf, tmp_path: Path) -> None:
    file = phoenix(tmp_path, __version__)
    bundle = bundle_of(__version__, [file])
    shelf.put(bundle, [file])
    (shelf.folder / "secret.whl").write_bytes(b"x" * bundle.wheels[file.name].size)
    named = msgspec.structs.replace(bundle.wheels[file.name], sha256="../secret")
    (shelf.folder / MANIFEST).write_bytes(msgspec.json.encode(msgspec.structs.replace(bundle, wheels={"a": named})))
    with pytest.raises(BundleDamaged):
        shelf.open_wheel("../secret")


# --- root, in the folder of the user that the core runs as -----------------------------------------------------------

NOBODY = (65534, 65534)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="acts as another user")


@pytest.fixture
def theirs(short_path: Path) -> Path:
    """A data directory of somebody else, in a place that he can reach."""
    short_path.chmod(0o755)
    data = short_path / "data"
    data.mkdir()
    os.chown(data, *NOBODY)
    return data


@as_root
def test_what_root_puts_into_somebodys_data_is_his(theirs: Path, tmp_path: Path) -> None:
    file = phoenix(tmp_path, __version__)
    shelf = BundleShelf(theirs / "bundle")
    shelf.put(bundle_of(__version__, [file]), [file], NOBODY)
    assert list(shelf.current().wheels) == [file.name]
    assert {path.stat().st_uid for path in theirs.rglob("*")} == {NOBODY[0]}
    assert os.geteuid() == 0


@as_root
@pytest.mark.parametrize("name", ["bundle", "bundle/wheels"])
def test_a_link_of_his_leads_root_nowhere(theirs: Path, tmp_path: Path, name: str) -> None:
    secret = theirs.with_name("etc")
    secret.mkdir(mode=0o755)
    link = theirs / name
    if link.parent != theirs:
        link.parent.mkdir()
        os.chown(link.parent, *NOBODY)
    link.symlink_to(secret)
    file = phoenix(tmp_path, __version__)
    with pytest.raises(PermissionError):
        BundleShelf(theirs / "bundle").put(bundle_of(__version__, [file]), [file], NOBODY)
    assert (secret.stat().st_uid, list(secret.iterdir())) == (0, [])
    assert os.geteuid() == 0
