"""The line that is pasted at a server, run by a real shell and a real Python, where it must not go on."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from phoenix_core import __version__
from phoenix_core.agentlink.activation import encode, new_token
from phoenix_core.domain.errors import RemoteError
from phoenix_core.domain.requests import ActivationTokenRequest
from phoenix_core.rollout.bundle import BundleShelf
from phoenix_core.rollout.script import install_line
from tests.engine.rig import Rig
from tests.rollout.standin import bundle_of, phoenix

INSTALL = ActivationTokenRequest(name="web1", install=True)


async def line_of(core: Rig, shelf: BundleShelf, folder: Path) -> str:
    wheel = phoenix(folder, __version__)
    shelf.put(bundle_of(__version__, [wheel]), [wheel])
    return (await core.client.activation_token(INSTALL)).install_line


async def paste(line: str, *options: str, cwd: str = "/", **variables: str) -> "subprocess.CompletedProcess[str]":
    """At a server where the user is root already, without sudo."""
    command = " ".join((line.replace("| sudo ", "| "), *options))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return await asyncio.to_thread(
        subprocess.run,
        ["sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        env={**environment, **variables},
        cwd=cwd,
    )


async def test_a_core_without_wheels_makes_no_line_and_no_token(core: Rig, shelf: BundleShelf, tmp_path: Path) -> None:
    with pytest.raises(RemoteError) as error:
        await core.client.activation_token(INSTALL)
    assert error.value.view().code == "bundle_missing"
    old = phoenix(tmp_path, "0.0.9")
    shelf.put(bundle_of("0.0.9", [old]), [old])
    with pytest.raises(RemoteError) as error:
        await core.client.activation_token(INSTALL)
    assert error.value.view().code == "bundle_outdated"


@pytest.mark.parametrize(
    "address", ["http://core:8443", "https://core:8443/x", "https://a'b", 'https://a"b', "https://$(id)"]
)
async def test_an_address_that_a_shell_could_misread_is_refused(
    core: Rig, shelf: BundleShelf, tmp_path: Path, address: str
) -> None:
    await line_of(core, shelf, tmp_path)
    with pytest.raises(RemoteError) as error:
        await core.client.activation_token(ActivationTokenRequest(install=True, address=address))
    assert error.value.view().code == "usage"


async def test_the_line_has_the_token_in_a_pipe_and_nothing_that_a_shell_expands(
    core: Rig, shelf: BundleShelf, tmp_path: Path
) -> None:
    line = await line_of(core, shelf, tmp_path)
    token, command = line.split(" | ")
    assert re.fullmatch(r"echo phx1\.[A-Za-z0-9_-]+", token)
    assert "phx1." not in command
    assert not set("$`!\\") & set(command)
    assert command.count('"') == 2
    assert command.startswith("sudo python3 -I -c ")
    assert "\n" not in line


async def test_a_script_that_is_not_the_cores_is_not_run(core: Rig, shelf: BundleShelf, tmp_path: Path) -> None:
    line = await line_of(core, shelf, tmp_path)
    assert core.core is not None
    token = line.split()[1]
    wrong = install_line(token, core.core.link_url, b"another script")
    done = await paste(wrong, "--prefix", str(tmp_path / "opt"), "--no-service")
    assert done.returncode == 1
    assert "not the script of your core" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "opt").exists()


async def test_a_core_that_cannot_be_reached_is_told_without_a_traceback(
    core: Rig, shelf: BundleShelf, tmp_path: Path
) -> None:
    line = await line_of(core, shelf, tmp_path)
    await core.stop()
    done = await paste(line, "--prefix", str(tmp_path / "opt"), "--no-service")
    assert done.returncode == 1
    assert "the core can not be asked" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "opt").exists()


async def test_another_cores_token_stops_it_before_anything_is_changed(
    core: Rig, shelf: BundleShelf, tmp_path: Path
) -> None:
    """As where the address leads to an impostor who serves the same script: its authority has another fingerprint."""
    line = await line_of(core, shelf, tmp_path)
    assert core.core is not None
    foreign = encode(new_token([core.core.link_url], b"\1" * 32))
    done = await paste(line.replace(line.split()[1], foreign), "--prefix", str(tmp_path / "opt"), "--no-service")
    assert done.returncode == 1
    assert "is not the core that made the token" in done.stderr
    assert "Nothing was changed" in done.stderr
    assert not (tmp_path / "opt").exists()


async def test_a_server_that_cannot_run_phoenix_is_told_before_the_core_is_asked(
    core: Rig, shelf: BundleShelf, tmp_path: Path
) -> None:
    line = await line_of(core, shelf, tmp_path)
    done = await paste(line, "--prefix", str(tmp_path / "opt"), "--no-service", "--python", "/bin/false")
    assert done.returncode == 1
    assert "needs CPython 3.11 or newer" in done.stderr
    assert not (tmp_path / "opt").exists()


async def test_what_lies_in_the_folder_where_it_is_pasted_passes_for_no_part_of_python(
    core: Rig, shelf: BundleShelf, tmp_path: Path
) -> None:
    """Root pastes it, maybe in a folder that others may write to."""
    line = await line_of(core, shelf, tmp_path)
    here = tmp_path / "here"
    here.mkdir()
    for name in ("hashlib", "ssl", "sitecustomize", "argparse"):
        (here / f"{name}.py").write_text("raise SystemExit('another module ran')\n")
    done = await paste(line, "--no-service", "--python", "/bin/false", cwd=str(here), PYTHONPATH=str(here))
    assert "another module ran" not in done.stdout + done.stderr
    assert "needs CPython 3.11 or newer" in done.stderr


@pytest.mark.parametrize(
    "old", ["sys.version_info = (3, 5, 2, 'final', 0)", "ssl.OPENSSL_VERSION_INFO = (1, 0, 2, 11, 15)"]
)
async def test_a_python_that_is_too_old_for_the_line_itself_is_told_what_to_do(
    core: Rig, shelf: BundleShelf, tmp_path: Path, old: str
) -> None:
    """Before 3.6 the script can't be read, and with an old OpenSSL the core can't be asked at all."""
    line = await line_of(core, shelf, tmp_path)
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -I -c "import sys, ssl; {old}; exec(sys.argv[1])" "$3"\n')
    python.chmod(0o755)
    done = await paste(line, "--no-service", PATH=f"{python.parent}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert "phoenix: too old: Python " in done.stderr
    assert "Install Python 3.11 or newer" in done.stderr
    assert "Traceback" not in done.stderr


async def test_an_older_version_is_not_installed_over_a_newer_one(
    core: Rig, shelf: BundleShelf, tmp_path: Path
) -> None:
    """As with a line of another core, or of one that was set back."""
    line = await line_of(core, shelf, tmp_path)
    newer = tmp_path / "opt" / "versions" / "99.0.0-abcdef12"
    newer.mkdir(parents=True)
    (newer / ".complete").write_text("")
    (tmp_path / "opt" / "current").symlink_to("versions/99.0.0-abcdef12")
    done = await paste(line, "--prefix", str(tmp_path / "opt"), "--no-service")
    assert done.returncode == 1
    assert f"The core offers version {__version__}, older than 99.0.0" in done.stderr
    assert (tmp_path / "opt" / "current").readlink() == Path("versions/99.0.0-abcdef12")
    assert [each.name for each in newer.parent.iterdir()] == [newer.name]
