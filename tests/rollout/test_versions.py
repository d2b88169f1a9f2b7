"""Versions side by side: built from what the core serves, put in use at once, taken back where one doesn't come up.

Wheels are small ones; core, TLS, pip, environments and the shell are real."""

import asyncio
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core import __version__
from phoenix_core.agentlink.ca import CertificateAuthority
from phoenix_core.agentlink.certificates import key_pem, make_request
from phoenix_core.rollout.bundle import BundleShelf
from phoenix_core.rollout.onserver.core import Core, first_core, read_token
from phoenix_core.rollout.onserver.python import find_python
from phoenix_core.rollout.onserver.stop import Stop
from phoenix_core.rollout.onserver.versions import TRIES, Versions, target_for
from phoenix_core.rollout.units import unit_file
from tests.engine.rig import Rig
from tests.rollout.standin import bundle_of, phoenix, wheel


@pytest.fixture
def versions(short_path: Path) -> Versions:
    return Versions(str(short_path / "opt"))


def serve(shelf: BundleShelf, wheels: list[Path]) -> None:
    shelf.put(bundle_of(__version__, wheels), wheels)


async def build(core: Rig, versions: Versions) -> str:
    """As the installer does it."""
    token = await core.client.activation_token()
    urls, fingerprint = read_token(token.token)

    def work() -> str:
        found, bundle = first_core(urls, fingerprint)
        python = find_python()
        with versions.alone():
            return versions.build(found, bundle, target_for(bundle, python), str(python["path"]))

    return await asyncio.to_thread(work)


async def stopped(work: Any) -> Stop:
    with pytest.raises(Stop) as stop:
        await work
    return stop.value


def said_by(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def installed(versions: Versions) -> list[str]:
    return sorted(os.listdir(Path(versions.prefix, "versions")))


async def test_a_version_is_built_once_and_one_that_lies_about_itself_is_not_kept(
    core: Rig, shelf: BundleShelf, versions: Versions, tmp_path: Path
) -> None:
    serve(shelf, [phoenix(tmp_path, __version__), wheel(tmp_path, "needed", "1.0")])
    os.makedirs(versions.path("0.0.9-interrupted"))
    name = await build(core, versions)
    assert installed(versions) == [name], "what an interrupted run left is gone"
    assert said_by(versions.path(name, "bin", "phoenix"), "--version") == f"phoenix {__version__}\n"
    made = os.stat(versions.path(name)).st_mtime_ns
    assert await build(core, versions) == name
    assert os.stat(versions.path(name)).st_mtime_ns == made

    serve(shelf, [phoenix(tmp_path, __version__, says="6.6.6")])
    assert "says of itself: phoenix 6.6.6" in (await stopped(build(core, versions))).message
    assert installed(versions) == [name]


async def test_a_wheel_that_is_not_what_the_core_said_is_never_installed(
    core: Rig, shelf: BundleShelf, versions: Versions, tmp_path: Path
) -> None:
    serve(shelf, [phoenix(tmp_path, __version__)])
    (place,) = (shelf.folder / "wheels").iterdir()
    changed = bytearray(place.read_bytes())
    changed[100] ^= 1
    place.write_bytes(bytes(changed))
    stop = await stopped(build(core, versions))
    assert "is not what the core said" in stop.message
    assert installed(versions) == []


async def test_too_little_space_is_told_before_anything_is_fetched(
    core: Rig, shelf: BundleShelf, versions: Versions, tmp_path: Path
) -> None:
    wheels = [phoenix(tmp_path, __version__)]
    bundle = bundle_of(__version__, wheels)
    huge = msgspec.structs.replace(bundle.targets[0], unpacked_bytes=1 << 60)
    shelf.put(msgspec.structs.replace(bundle, targets=(huge,)), wheels)
    stop = await stopped(build(core, versions))
    assert (stop.code, "Nothing was changed" in stop.message) == ("no_space", True)
    assert installed(versions) == []


async def test_a_disk_that_fills_up_on_the_way_leaves_nothing_half(
    core: Rig, shelf: BundleShelf, short_path: Path, tmp_path: Path
) -> None:
    serve(shelf, [phoenix(tmp_path, __version__)])
    with small_disk(short_path / "small") as place:
        versions = Versions(str(place))
        assert (await stopped(build(core, versions))).code == "no_space"
        assert installed(versions) == []


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """It has the space, and not the inodes."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=90m,nr_inodes=200", "none", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


async def test_only_one_builds_at_a_time(versions: Versions) -> None:
    with versions.alone(), pytest.raises(Stop, match="Another installation"), Versions(versions.prefix).alone():
        pass


# --- whom it trusts --------------------------------------------------------------------------------------------------


async def test_a_core_with_another_fingerprint_is_not_asked_for_wheels(core: Rig) -> None:
    urls, _ = read_token((await core.client.activation_token()).token)
    stop = await stopped(asyncio.to_thread(first_core, urls, b"\0" * 32))
    assert stop.code == "untrusted_core"
    assert "fingerprint" in stop.message
    assert "Nothing was changed" in stop.message


async def test_the_next_address_is_tried_and_a_core_that_is_nowhere_is_told(core: Rig, shelf: BundleShelf) -> None:
    urls, fingerprint = read_token((await core.client.activation_token()).token)
    dead = "https://127.0.0.1:9"
    stop = await stopped(asyncio.to_thread(first_core, [dead], fingerprint))
    assert (stop.code, dead in stop.message, "firewall" in stop.advice) == ("core_unreachable", True, True)
    stop = await stopped(asyncio.to_thread(first_core, [dead, *urls], fingerprint))
    assert stop.code == "bundle_missing", "the second one answered"


async def test_another_peer_of_the_same_authority_cannot_pass_for_the_core(core: Rig, tmp_path: Path) -> None:
    """A storage node's certificate may serve TLS, and is of the core's authority."""
    ca = CertificateAuthority.open(core.data.pki)
    key = Ed25519PrivateKey.generate()
    issued = ca.issue(make_request(key), "storage", "n1")
    (tmp_path / "cert.pem").write_text(issued.certificate_pem)
    (tmp_path / "key.pem").write_bytes(key_pem(key))
    served = await _serve_tls(tmp_path)
    with pytest.raises(Stop) as stop:
        await asyncio.to_thread(Core(served, ca.ca_pem).bundle)
    assert stop.value.code == "untrusted_core"
    assert "not that of a core" in stop.value.message


async def _serve_tls(folder: Path) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    return f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


# --- in use, on trial, taken back ------------------------------------------------------------------------------------


def placed(versions: Versions, *names: str) -> None:
    """Whole versions, without what is in them, and the service's guard."""
    for name in names:
        command = Path(versions.path(name, "bin", "phoenix"))
        command.parent.mkdir(parents=True)
        command.write_text("#!/bin/sh\n")
        command.chmod(0o755)
        Path(versions.path(name, ".complete")).write_text("")
    guard = Path(versions.prefix, "before-start")
    guard.write_text(unit_file("before-start"))
    guard.chmod(0o755)


def start(versions: Versions) -> str:
    """What a unit does before it starts the agent; the version that it starts then."""
    subprocess.run([f"{versions.prefix}/before-start"], check=True, capture_output=True, cwd="/")
    return versions.current


def test_a_new_version_that_never_comes_up_gives_way_to_the_one_before(versions: Versions) -> None:
    placed(versions, "0.1.0-a", "0.2.0-b")
    assert versions.switch("0.1.0-a") == ""
    assert versions.trial() is None, "there is nothing to go back to"
    assert versions.switch("0.2.0-b") == "0.1.0-a"
    assert [start(versions) for _ in range(TRIES)] == ["0.2.0-b"] * TRIES
    assert start(versions) == "0.1.0-a"
    assert (versions.trial(), versions.rolled_back()) == (None, "0.2.0-b")
    assert start(versions) == "0.1.0-a"


def test_a_version_that_its_core_greeted_stays_and_the_oldest_goes(versions: Versions) -> None:
    placed(versions, "0.1.0-a", "0.2.0-b")
    versions.switch("0.1.0-a")
    versions.switch("0.2.0-b")
    assert start(versions) == "0.2.0-b"
    assert not versions.confirm("0.1.0-a"), "the one before says nothing about the new one"
    assert versions.confirm("0.2.0-b")
    assert [start(versions) for _ in range(TRIES + 2)] == ["0.2.0-b"] * (TRIES + 2)
    placed(versions, "0.3.0-c")
    versions.switch("0.3.0-c")
    assert versions.confirm("0.3.0-c")
    assert installed(versions) == ["0.2.0-b", "0.3.0-c"]


def test_an_upgrade_cut_off_between_its_two_steps_changes_nothing(versions: Versions) -> None:
    placed(versions, "0.1.0-a", "0.2.0-b")
    versions.switch("0.1.0-a")
    Path(versions.prefix, "trial").write_text("0.2.0-b 0.1.0-a 3\n")  # and the power fails before the link is moved
    assert [start(versions) for _ in range(5)] == ["0.1.0-a"] * 5
    assert versions.switch("0.2.0-b") == "0.1.0-a"
    assert start(versions) == "0.2.0-b"


def test_a_new_try_after_one_that_was_taken_back(versions: Versions) -> None:
    placed(versions, "0.1.0-a", "0.2.0-b")
    versions.switch("0.1.0-a")
    versions.switch("0.2.0-b")
    while start(versions) == "0.2.0-b":
        pass
    versions.switch("0.2.0-b")
    assert versions.rolled_back() == ""
    assert start(versions) == "0.2.0-b"


def test_without_a_service_that_could_go_back_nothing_is_on_trial(versions: Versions) -> None:
    placed(versions, "0.1.0-a", "0.2.0-b")
    Path(versions.prefix, "before-start").unlink()
    versions.switch("0.1.0-a")
    versions.switch("0.2.0-b")
    assert versions.trial() is None


def test_whoever_looks_while_versions_change_finds_one_of_them(versions: Versions) -> None:
    placed(versions, "0.1.0-a", "0.2.0-b")
    versions.switch("0.1.0-a")
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.add(os.readlink(f"{versions.prefix}/current"))

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(50):
        versions.switch("0.2.0-b")
        versions.switch("0.1.0-a")
    over.set()
    thread.join()
    assert seen == {"versions/0.1.0-a", "versions/0.2.0-b"}
