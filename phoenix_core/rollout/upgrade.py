"""A newer version from the core, beside the one that runs; the agent changes over by itself, between two jobs."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from phoenix_core import __version__
from phoenix_core.domain.versions import parsed
from phoenix_core.rollout.errors import NotInstalledHere, NotNewer, UpgradeFailed
from phoenix_core.rollout.onserver.core import Core
from phoenix_core.rollout.onserver.python import find_python
from phoenix_core.rollout.onserver.stop import Stop
from phoenix_core.rollout.onserver.versions import Versions, target_for
from phoenix_core.rollout.program import Program
from phoenix_core.rollout.services import AGENT_UNIT
from phoenix_core.rollout.system import UNITS, System


class Upgraded(msgspec.Struct, frozen=True):
    version: str
    name: str
    """Of the version's folder."""
    previous: str
    """The one that was in use; the same where nothing was changed."""


def upgrade(
    program: Program, urls: Sequence[str], ca_pem: str, data: Path, say: Callable[[str], None], *, system: System
) -> Upgraded:
    """Bring the core's version here and put it in use from the agent's next start on. `urls`, `ca_pem`: where the core
    is and how it is known, as the agent's enrolment has it. Blocks, for a minute.

    Raises NotInstalledHere, NotNewer, UpgradeFailed; nothing is changed then."""
    if program.versions is None:
        raise NotInstalledHere(path=program.path)
    versions = Versions(program.versions.prefix, say)
    try:
        core, bundle = _first(urls, ca_pem)
        offered = str(bundle["version"])
        if (parsed(offered) or (0, 0, 0)) < (parsed(__version__) or (0, 0, 0)):
            raise NotNewer(offered=offered, version=__version__)
        python = _python()
        target = target_for(bundle, python)
        with versions.alone():
            name = versions.build(core, bundle, target, str(python["path"]))
            _renew_unit(versions.path(name, "bin", "phoenix"), data, system)
            return Upgraded(offered, name, versions.switch(name))
    except Stop as stop:
        raise UpgradeFailed(detail=stop.message, advice=stop.advice) from stop


def _first(urls: Sequence[str], ca_pem: str) -> tuple[Core, dict[str, Any]]:
    problem: Stop | None = None
    for url in urls:
        core = Core(url, ca_pem)
        try:
            return core, core.bundle()
        except Stop as stop:
            if stop.code != "core_unreachable":
                raise
            problem = problem or stop
    assert problem is not None
    raise problem


def _python() -> dict[str, Any]:
    """The Python that this version was made with, if it is there still."""
    try:
        return find_python(os.path.realpath(sys.executable))
    except Stop:
        return find_python()


def _renew_unit(program: str, data: Path, system: System) -> None:
    """As the new version wants it, where the agent is a service."""
    if system.root is not None or os.geteuid() != 0 or not system.at(UNITS / AGENT_UNIT).exists():
        return
    command = [program, "agent", "install", "--no-start", "--data", str(data), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise Stop(f"The new version could not renew the agent's unit: {(done.stdout or done.stderr).strip()[-400:]}")
