"""The running program as a service would start it: where it is, and whether others than root could change it."""

import os
import stat
import sys
from pathlib import Path

import phoenix_core
from phoenix_core.rollout.errors import ProgramUnfit
from phoenix_core.rollout.onserver.versions import Versions

COMMAND = "phoenix"
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
HIDDEN_FROM_SERVICES = ("/home", "/root", "/run/user")


class Program:
    """`path`: what a unit starts. `versions`: where several are side by side, and `name` the running one's."""

    def __init__(self, path: Path, versions: Versions | None = None, name: str = "") -> None:
        self.path = path
        self.versions = versions
        self.name = name

    @property
    def switched(self) -> bool:
        """Another version was put in use since this one was started. Reads a link."""
        return self.versions is not None and self.versions.current not in {"", self.name}


def running_program() -> Program:
    """Of the environment that this Python is of; where it is one of several versions, by the link to the one in use."""
    environment = Path(sys.prefix)
    if environment.parent.name == "versions" and (environment.parent.parent / "current").is_symlink():
        prefix = environment.parent.parent
        return Program(prefix / "current" / "bin" / COMMAND, Versions(str(prefix)), environment.name)
    return Program(environment / "bin" / COMMAND)


def is_hidden_from_services(path: Path) -> bool:
    """Whether services that set ProtectHome don't see it."""
    return any(path.is_relative_to(home) for home in HIDDEN_FROM_SERVICES)


def check_fit(program: Path, *, hidden_homes: bool) -> None:
    """That the program and its Python are there, that nobody but root can change them, and that the service can reach
    them.

    `hidden_homes`: the service doesn't see the users' own folders. Raises ProgramUnfit."""
    package = Path(phoenix_core.__file__).parent
    for path in (program, program.resolve(), package, Path(sys.executable).resolve()):
        if hidden_homes and is_hidden_from_services(path):
            raise ProgramUnfit(path=program, detail=f"services don't see {path}, which is in a user's own folder")
        problem = _who_may_change(path)
        if problem:
            raise ProgramUnfit(path=program, detail=problem)


def _who_may_change(path: Path) -> str:
    """Empty: only root, or this user where it isn't root."""
    for place in (path, *path.parents):
        try:
            status = os.stat(place)
        except OSError as error:
            return f"{place}: {(error.strerror or str(error)).lower()}"
        if status.st_uid not in {0, os.geteuid()}:
            return f"{place} belongs to somebody else than root"
        sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
        if status.st_mode & _OTHERS_MAY_WRITE and not sticky:
            return f"others than root may write to {place}"
    return ""
