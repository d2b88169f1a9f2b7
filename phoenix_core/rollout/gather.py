"""Gathers the wheels that Phoenix needs on a kind of server: its own, and by their metadata those of what it needs.

Versions are the ones that run here, so that agents run what the core runs. What isn't installed here, since only
another Python or machine needs it, comes in the newest version that fits.
"""

import importlib.metadata
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from email.parser import HeaderParser
from pathlib import Path
from typing import Protocol

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from phoenix_core.rollout.errors import BundleFailed
from phoenix_core.rollout.repack import repack
from phoenix_core.rollout.targets import Kind

PIP_S = 900.0
_NONE_FITS = "No matching distribution found for "
_NO_INDEX = ("Retrying (", "Could not fetch URL", "HTTP error", "Cannot connect to proxy")
"""What pip says where the index, and not the wheel, is missing."""


class NoWheel(Exception):
    """A distribution has no wheel for a kind of server; its name, for people to read."""


class Source(Protocol):
    def get(self, wanted: list[Requirement], kind: Kind) -> list[Path]:
        """One wheel for each, in any order. Raises NoWheel, BundleFailed."""


class Installed:
    """What is installed here; only this host's own kind can be had."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, wanted: list[Requirement], kind: Kind) -> list[Path]:
        return [repack(requirement.name, self._folder) for requirement in wanted]


class Pip:
    """What pip finds: in the package index that it is set up for here, or in a folder alone."""

    def __init__(self, folder: Path, only_from: Path | None = None) -> None:
        self._folder = folder
        self._only_from = only_from

    def get(self, wanted: list[Requirement], kind: Kind) -> list[Path]:
        place = self._folder / f"{kind.python}-{kind.machine}-{kind.libc}"
        place.mkdir(exist_ok=True)
        before = set(place.iterdir())
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
        command += ["--no-deps", "--only-binary", ":all:", "--dest", str(place), *kind.pip_options()]
        if self._only_from is not None:
            command += ["--no-index", "--find-links", str(self._only_from)]
        try:
            done = subprocess.run(
                [*command, *(_without_marker(each) for each in wanted)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=PIP_S,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise BundleFailed(detail=f"pip can't be run: {error}") from error
        if done.returncode:
            raise _explained(done.stdout)
        return sorted(set(place.iterdir()) - before)


def gather(own: Path, kind: Kind, source: Source, pure: dict[str, Path]) -> list[Path]:
    """All wheels for one kind of server. `pure`: wheels that fit every kind, by name, found before; added to.

    Raises NoWheel, BundleFailed."""
    found: dict[str, Path] = {canonicalize_name("phoenix-backup"): own}
    asked: set[tuple[str, str]] = set()
    todo = list(_requirements(own, "", kind))
    while todo:
        missing: dict[str, Requirement] = {}
        for requirement in todo:
            name = canonicalize_name(requirement.name)
            if name in pure and _fits(pure[name], requirement):
                found.setdefault(name, pure[name])
            elif name not in found:
                missing.setdefault(name, requirement)
        for wheel in source.get([_as_here(each) for each in missing.values()], kind) if missing else []:
            name = canonicalize_name(parse_wheel_filename(wheel.name)[0])
            found[name] = wheel
            if wheel.name.endswith("-none-any.whl") and "-py3-" in wheel.name.replace("py2.py3", "py3"):
                pure[name] = wheel
        todo = _next(todo, found, asked, kind)
    return sorted(found.values())


def _next(
    todo: list[Requirement], found: dict[str, Path], asked: set[tuple[str, str]], kind: Kind
) -> list[Requirement]:
    """What those in `todo` need in turn, and wasn't looked at before."""
    more: list[Requirement] = []
    for requirement in todo:
        name = canonicalize_name(requirement.name)
        if name not in found:
            raise NoWheel(requirement.name)
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) not in asked:
                asked.add((name, extra))
                more.extend(_requirements(found[name], extra, kind))
    return more


def _requirements(wheel: Path, extra: str, kind: Kind) -> Iterable[Requirement]:
    with zipfile.ZipFile(wheel) as opened:
        name = next(each for each in opened.namelist() if each.endswith(".dist-info/METADATA"))
        headers = HeaderParser().parsestr(opened.read(name).decode("utf-8", "replace"))
    for text in headers.get_all("Requires-Dist", []):
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise BundleFailed(
                detail=f"{wheel.name} needs {text!r}, which can't be read", advice="Report it."
            ) from error
        if requirement.marker is None or requirement.marker.evaluate({**kind.markers(), "extra": extra}):
            yield requirement


def _as_here(requirement: Requirement) -> Requirement:
    """In the version that is installed here, where one is that fits."""
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return requirement
    if not requirement.specifier.contains(version, prereleases=True):
        return requirement
    return Requirement(f"{requirement.name}=={version}")


def _fits(wheel: Path, requirement: Requirement) -> bool:
    return requirement.specifier.contains(parse_wheel_filename(wheel.name)[1], prereleases=True)


def _without_marker(requirement: Requirement) -> str:
    return f"{requirement.name}{requirement.specifier}"


def _explained(said: str) -> Exception:
    """Of pip's output: a wheel that there isn't, or a failure that concerns all."""
    for line in said.splitlines():
        if _NONE_FITS in line and not any(sign in said for sign in _NO_INDEX):
            return NoWheel(line.partition(_NONE_FITS)[2].split()[0])
    return BundleFailed(detail="pip said: " + " ".join(said.split())[-400:])


def unpacked_bytes(wheels: Iterable[Path]) -> int:
    total = 0
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as opened:
            total += sum(entry.file_size for entry in opened.infolist())
    return total
