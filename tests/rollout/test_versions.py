"""Versions side by side: built from what the core serves, put in use at once, taken back where one doesn't come up.

Wheels are small ones; core, TLS, pip, environments and the shell are real."""

import asyncio
import hashlib
import os
import ssl
import subprocess
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
from phoenix_core.rollout.onserver.python import find_pythons
from phoenix_core.rollout.onserver.stop import Stop
from phoenix_core.rollout.onserver.targets import choose
from phoenix_core.rollout.onserver.versions import Versions
from tests.engine.rig import Rig
from tests.rollout.placed import installed
from tests.rollout.standin import bundle_of, phoenix, wheel


def serve(shelf: BundleShelf, wheels: list[Path]) -> None:
    shelf.put(bundle_of(__version__, wheels), wheels)


async def build(core: Rig, versions: Versions) -> str:
    """As the installer does it."""
    token = await core.client.activation_token()
    urls, fingerprint = read_token(token.token)

    def work() -> str:
        found, bundle = first_core(urls, fingerprint)
        python, target = choose(bundle, find_pythons())
        with versions.alone():
            return versions.build(found, bundle, target, str(python["path"]))

    return await asyncio.to_thread(work)


async def stopped(work: Any) -> Stop:
    with pytest.raises(Stop) as stop:
        await work
    return stop.value


def said_by(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


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


class ToldVersions(Versions):
    """Runs nothing, and keeps what it was to run."""

    def __init__(self, prefix: str) -> None:
        super().__init__(prefix)
        self.pip: list[str] = []
        self.wanted: list[str] = []

    def _run(self, command: list[str], what: str) -> str:
        if what == "pip":
            self.pip, self.wanted = command, Path(command[-1]).read_text().splitlines()
        return f"phoenix {__version__}"


async def test_pip_gets_the_cores_wheels_by_their_hashes_and_asks_no_index(
    core: Rig, shelf: BundleShelf, short_path: Path, tmp_path: Path
) -> None:
    wheels = [wheel(tmp_path, "needed", "1.0"), phoenix(tmp_path, __version__)]
    serve(shelf, wheels)
    versions = ToldVersions(str(short_path / "opt"))
    name = await build(core, versions)
    assert {"--isolated", "--no-index", "--require-hashes"} <= set(versions.pip)
    assert versions.pip[versions.pip.index("--only-binary") + 1] == ":all:", "nothing is built"
    assert versions.pip[versions.pip.index("--find-links") + 1] == versions.path(name, ".wheels")
    hashes = [hashlib.sha256(each.read_bytes()).hexdigest() for each in wheels]
    names = ["needed==1.0", f"phoenix_backup=={__version__}"]
    assert versions.wanted == [f"{each} --hash=sha256:{digest}" for each, digest in zip(names, hashes, strict=True)]


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
