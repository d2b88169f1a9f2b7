"""A Python on this server that can run Phoenix, or what to type to get one."""

import contextlib
import json
import os
import re
import shutil
import subprocess
from typing import Any

from phoenix_core.rollout.onserver.stop import Stop

OLDEST = (3, 11)
NAMES = ("python3", "python3.14", "python3.13", "python3.12", "python3.11")
PLACES = ("/usr/local/bin", "/usr/bin", "/opt/bin")
RELEASE_FILES = ["/etc/os-release", "/usr/lib/os-release"]
PACKAGES = (
    ("debian", 12, "apt-get install python3 python3-venv"),
    ("ubuntu", 24, "apt-get install python3 python3-venv"),
    ("ubuntu", 22, "apt-get install python3.11 python3.11-venv   (from universe)"),
    ("rhel", 10, "dnf install python3"),
    ("rhel", 8, "dnf install python3.11"),
    ("amzn", 2023, "dnf install python3.11"),
    ("fedora", 0, "dnf install python3"),
    ("sles", 15, "zypper install python311   (15 SP4 or later, Python 3 module)"),
    ("opensuse-leap", 15, "zypper install python311"),
    ("alpine", 0, "apk add python3"),
    ("arch", 0, "pacman -S python"),
)
"""Distribution, its release from which on there is a Python that will do, and the command. The first that fits."""
FACTS = """
import json, os, platform, sys, sysconfig
try:
    import ensurepip, venv
    venv_there = True
except ImportError:
    venv_there = False
libc, version = platform.libc_ver()
soabi = sysconfig.get_config_var("SOABI") or ""
print(json.dumps({"version": list(sys.version_info[:2]), "machine": platform.machine(), "venv": venv_there,
    "libc": "musl" if "musl" in soabi else libc, "libc_version": version,
    "cpython": sys.implementation.name == "cpython", "threaded": not sysconfig.get_config_var("Py_GIL_DISABLED")}))
"""


def find_pythons(named: str = "", then: str = "paste the line again") -> "list[dict[str, Any]]":
    """The Pythons that can run Phoenix, each with its path and facts; the one to take first is the first.

    `named`: look at this one alone. Raises Stop with what to type where there is none, and `then` what to do next."""
    without_venv = found = ""
    usable = []
    seen = set()
    names = [named] if named else [*NAMES, *(os.path.join(place, name) for place in PLACES for name in NAMES)]
    for name in names:
        path = shutil.which(name)
        if path is None or os.path.realpath(path) in seen:
            continue
        seen.add(os.path.realpath(path))
        facts = _facts(path)
        if facts is None:
            continue
        version = tuple(facts["version"])
        if version < OLDEST or not facts["cpython"] or not facts["threaded"]:
            found = found or "{}.{}".format(*version)
        elif not facts["venv"]:
            without_venv = without_venv or path
        else:
            usable.append(dict(facts, path=path))
    if not usable:
        raise _no_python(found, without_venv, then)
    return usable


def _facts(python: str) -> "dict[str, Any] | None":
    try:
        done = subprocess.run(
            [python, "-I", "-c", FACTS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=False
        )
        facts = json.loads(done.stdout.decode("utf-8"))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return facts if isinstance(facts, dict) else None


def _no_python(found: str, without_venv: str, then: str) -> Stop:
    system, release = system_of()
    if without_venv:
        return Stop(
            f"{without_venv} can't make virtual environments.",
            f"Type: {_venv_command(system, without_venv)}   Then {then}.",
            "python_without_venv",
        )
    has = f"has Python {found}" if found else "has no Python"
    return Stop(
        f"Phoenix needs CPython 3.11 or newer; this server {has} that it can use. Nothing was changed.",
        python_advice(system, release) + f" Then {then}; the Python that is there stays as it is.",
        "python_too_old",
    )


def system_of(files: "list[str]" = RELEASE_FILES) -> "tuple[str, str]":
    """Distribution and version as in os-release; a derivative goes by what it is like."""
    facts = {}
    for path in files:
        with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
            facts = dict(line.rstrip().split("=", 1) for line in file if "=" in line)
            break
    name = facts.get("ID", "").strip("\"'")
    known = {system for system, _, _ in PACKAGES}
    for each in [name, *facts.get("ID_LIKE", "").strip("\"'").split()]:
        family = {"suse": "sles", "opensuse": "sles", "centos": "rhel"}.get(each, each)
        if family in known:
            return family, facts.get("VERSION_ID", "").strip("\"'")
    return name, ""


def _venv_command(system: str, python: str) -> str:
    if system in ("debian", "ubuntu"):
        version = "{}.{}".format(*(_facts(python) or {"version": OLDEST})["version"])
        return f"apt-get install python{version}-venv"
    return "the package of your distribution that has Python's venv and ensurepip"


def python_advice(system: str, release: str) -> str:
    """How to get one, as the distributions have it."""
    number = ([int(part) for part in re.findall(r"\d+", release)[:1]] or [0])[0]
    for name, oldest, command in PACKAGES:
        if name == system and number >= oldest:
            return "Type: " + command
    return (
        "This release has none in its packages: bring the server to a newer release (Debian 12, Ubuntu 22.04, RHEL 8), "
        "or build Python 3.11 from its source into /usr/local with `make altinstall`."
    )
