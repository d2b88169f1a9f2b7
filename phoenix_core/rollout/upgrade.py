"""A newer version from the core, beside the one that runs; the agent changes over by itself, between two jobs."""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from phoenix_core.rollout.errors import NotInstalledHere, NotNewer, UpgradeFailed
from phoenix_core.rollout.onserver.core import Core
from phoenix_core.rollout.onserver.python import find_pythons
from phoenix_core.rollout.onserver.stop import Stop
from phoenix_core.rollout.onserver.targets import choose
from phoenix_core.rollout.onserver.unit import renew_unit
from phoenix_core.rollout.onserver.versions import Versions
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
        if versions.is_newer_than(offered):
            raise NotNewer(offered=offered, version=versions.version)
        python, target = choose(bundle, _pythons())
        with versions.alone():
            name = versions.build(core, bundle, target, str(python["path"]))
            command = versions.path(name, "bin", "phoenix")
            previous = versions.switch(name, _unit(system), lambda: renew_unit(command, str(data)))
            return Upgraded(offered, name, previous)
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


def _pythons() -> list[dict[str, Any]]:
    """The Python that this version was made with comes first, if it is there still. Raises Stop."""
    own: list[dict[str, Any]] = []
    with suppress(Stop):
        own = find_pythons(os.path.realpath(sys.executable))
    try:
        return own + find_pythons(then="type the command again")
    except Stop:
        if own:
            return own
        raise


def _unit(system: System) -> str:
    """The agent's unit, where it is a service of this system that may be written; empty: there is none."""
    unit = system.at(UNITS / AGENT_UNIT)
    return str(unit) if system.root is None and os.geteuid() == 0 and unit.exists() else ""
