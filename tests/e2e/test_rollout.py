"""A server that has nothing but Python: the real line, real wheels of the real program, no package index, a backup."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import tree
from tests.e2e.rig import Machine

PATIENCE_S = 600


@pytest.mark.timeout(PATIENCE_S)
def test_one_line_brings_the_program_onto_a_server_and_its_agent_backs_it_up(bare: Machine) -> None:
    bare.init()
    bare.start_core()
    carry_wheels(bare, bare.json("core", "bundle", "--own"))
    line = bare.json("server", "add", "web1")["install_line"]
    server = Machine(bare.folder, "server", core=bare)
    prefix = bare.folder / "opt"
    try:
        done = paste(line, server, prefix)
        assert done.returncode == 0, done.stdout + done.stderr
        program = prefix / "current" / "bin" / "phoenix"
        assert str(prefix) in module_of(program), "what runs there is what was installed, not the tests' own"
        server.agent_program = (str(program),)
        server.start_agent()
        (listed,) = bare.json("server", "list")
        assert (listed["name"], listed["connected"], listed["version_standing"]) == ("web1", True, "current")
        source = tree.make(bare.folder / "source", files=20, size=4000, seed=1)
        assert bare.json("backup", "web1", str(source))["state"] == "successful"

        again = paste(line, server, prefix)
        assert again.returncode == 0, "the token is used up, and the server is what it is already"
        assert len(list((prefix / "versions").iterdir())) == 1
        upgraded = subprocess.run(
            [str(program), "agent", "upgrade", "--data", str(server.data), "--json"],
            capture_output=True,
            text=True,
            check=True,
        )
        told = json.loads(upgraded.stdout)
        assert told["previous"] == told["name"], "it has the core's version already"

        spent = paste(line, Machine(bare.folder, "other", core=bare), prefix)
        assert spent.returncode == 1
        assert "activation token was used" in spent.stderr
    finally:
        server.clean_up()


def carry_wheels(core: Machine, own: dict[str, Any]) -> None:
    """The way to a core without Internet: gathered elsewhere, from an index of what is installed here, into a folder
    that somebody else prepared; and taken from there."""
    index, carried, secret = (core.folder / name for name in ("index", "carried", "secret"))
    index.mkdir()
    carried.mkdir()
    for name, wheel in own["wheels"].items():
        os.link(core.data / "bundle" / "wheels" / f"{wheel['sha256']}.whl", index / name)
    secret.write_text("somebody's")
    (carried / next(iter(own["wheels"]))).symlink_to(secret)
    (target,) = own["targets"]
    kind = [word for part in ("python", "machine", "libc") for word in (f"--{part}", target[part])]
    core.environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)}
    core.json("core", "bundle", "--to", str(carried), *kind)
    assert secret.read_text() == "somebody's", "what the link led to"
    core.environment["PIP_FIND_LINKS"] = ""
    assert core.json("core", "bundle", "--from", str(carried), *kind)["wheels"] == own["wheels"]


def paste(line: str, server: Machine, prefix: Path) -> "subprocess.CompletedProcess[str]":
    """As a user without root would, who looks after the agent himself; pip can ask nobody for anything."""
    options = f"--prefix {prefix} --data {server.data} --no-service"
    return subprocess.run(
        ["sh", "-c", f"{line.replace('| sudo ', '| ')} {options}"],
        capture_output=True,
        text=True,
        check=False,
        env={**server.environment, "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_FIND_LINKS": ""},
        timeout=PATIENCE_S,
    )


def module_of(program: Path) -> str:
    python = program.with_name("python")
    code = "import phoenix_core; print(phoenix_core.__file__)"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(
        [str(python), "-c", code], capture_output=True, text=True, check=True, env=environment, cwd="/"
    ).stdout
