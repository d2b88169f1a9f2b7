"""Kinds of servers: what pip and environment markers have to be told to find the wheels of one that isn't this host."""

import platform
import sys
from pathlib import Path

import msgspec
from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

from phoenix_core.rollout.bundle import Target

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = ("x86_64", "aarch64")
LIBCS = ("glibc", "musl")
GLIBC_MINORS = range(5, 36)
"""glibc 2.5 to 2.35: Ubuntu 22.04 has the last, Debian 12 a newer one."""
MUSL_MINORS = range(1, 3)
_LEGACY = {"manylinux1": 5, "manylinux2010": 12, "manylinux2014": 17}


class Kind(msgspec.Struct, frozen=True):
    """A kind of server, before it is known which wheels fit it."""

    python: str
    machine: str
    libc: str

    @property
    def shown(self) -> str:
        return f"Python {self.python}, {self.machine}, {self.libc}"

    def pip_options(self) -> list[str]:
        """The oldest C library first, so that of several wheels the one that runs on most servers is taken."""
        if self.libc == "glibc":
            legacy = {minor: name for name, minor in _LEGACY.items()}
            names = [
                each
                for minor in GLIBC_MINORS
                for each in (f"manylinux_2_{minor}", *([legacy[minor]] if minor in legacy else []))
            ]
        else:
            names = [f"musllinux_1_{minor}" for minor in MUSL_MINORS]
        short = "cp" + self.python.replace(".", "")
        options = ["--implementation", "cp", "--python-version", self.python]
        options += [word for abi in (short, "abi3", "none") for word in ("--abi", abi)]
        return options + [word for name in names for word in ("--platform", f"{name}_{self.machine}")]

    def markers(self) -> dict[str, str]:
        """The environment that requirements' markers are read in."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }


def all_kinds(pythons: tuple[str, ...] = (), machines: tuple[str, ...] = (), libcs: tuple[str, ...] = ()) -> list[Kind]:
    """Empty: all that there are."""
    return [
        Kind(python, machine, libc)
        for libc in libcs or LIBCS
        for machine in machines or MACHINES
        for python in pythons or PYTHONS
    ]


def own_kind() -> Kind:
    """This host, with the Python that runs."""
    return Kind(f"{sys.version_info[0]}.{sys.version_info[1]}", platform.machine(), own_libc()[0])


def own_libc() -> tuple[str, str]:
    """This host's C library and its version."""
    name, version = platform.libc_ver()
    return (name, version) if name == "glibc" else ("musl", version or f"1.{MUSL_MINORS[-1]}")


def libc_needed(file_name: str, libc: str) -> tuple[int, int]:
    """The oldest version of the C library that a wheel runs with; (0, 0) where it needs none. A wheel that was built on
    a host for itself needs what this host has."""
    needs = [_needed(tag, libc) for tag in parse_wheel_filename(file_name)[3]]
    return min(needs)


def _needed(tag: Tag, libc: str) -> tuple[int, int]:
    if tag.platform == "any":
        return (0, 0)
    for legacy, minor in _LEGACY.items():
        if tag.platform.startswith(f"{legacy}_"):
            return (2, minor)
    parts = tag.platform.split("_")
    if parts[0] in {"manylinux", "musllinux"}:
        return (int(parts[1]), int(parts[2]))
    numbers = [int(part) for part in own_libc()[1].split(".")[:2] if part.isdigit()]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (99, 0)


def target_of(kind: Kind, wheels: list[Path], unpacked_bytes: int) -> Target:
    needed = max((libc_needed(wheel.name, kind.libc) for wheel in wheels), default=(0, 0))
    floor = (2, 5) if kind.libc == "glibc" else (1, 1)
    major, minor = max(needed, floor)
    return Target(
        python=kind.python,
        machine=kind.machine,
        libc=kind.libc,
        libc_version=f"{major}.{minor}",
        wheels=tuple(sorted(wheel.name for wheel in wheels)),
        unpacked_bytes=unpacked_bytes,
    )
