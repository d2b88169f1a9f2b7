"""Versions of the program in their places, and what a unit does with them."""

import os
import subprocess
from pathlib import Path

from phoenix_core.rollout.onserver.versions import Versions
from phoenix_core.rollout.units import unit_file


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


def start(versions: Versions, path: str = "") -> str:
    """What a unit does before it starts the agent; the version that it starts then. `path`: of commands that are to be
    found first."""
    environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"}
    subprocess.run([f"{versions.prefix}/before-start"], check=True, capture_output=True, cwd="/", env=environment)
    return versions.current


def installed(versions: Versions) -> list[str]:
    return sorted(os.listdir(Path(versions.prefix, "versions")))
