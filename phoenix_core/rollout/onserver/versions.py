"""Versions of the program side by side, each in a virtual environment of its own, and the one that is in use.

    PREFIX/versions/0.1.0-3f2a9c0d/   an environment; `.complete` in it once it is whole
    PREFIX/current                    link to the one in use; units and people start PREFIX/current/bin/phoenix
    PREFIX/trial                      NEW PREVIOUS TRIES: a new version that the core has not greeted yet
    PREFIX/rolled-back                NEW PREVIOUS: a new version that did not come up
    PREFIX/before-start               what the agent's unit runs before each start: counts the tries, and goes back

A version is never changed once it is whole, and is removed only when it is neither in use nor the one before.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

from phoenix_core.rollout.onserver.core import PIECE, Core
from phoenix_core.rollout.onserver.stop import Stop

PREFIX = "/opt/phoenix"
COMPLETE = ".complete"
TRIES = 3
SPARE_BYTES = 64 << 20
FILES_LEFT = 64
"""With fewer free inodes a file system counts as full."""
UNPACKED_FACTOR = 2
"""Of the unpacked size: with byte code."""
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")


def target_for(bundle: "dict[str, Any]", facts: "dict[str, Any]") -> "dict[str, Any]":
    """Which of the bundle's targets this server's Python is. Raises Stop, naming those that there are."""
    here = "{}.{}".format(*facts["version"])
    for target in bundle["targets"]:
        same = (target["python"], target["machine"], target["libc"]) == (here, facts["machine"], facts["libc"])
        if same and _at_least(facts["libc_version"], target["libc_version"]):
            return target  # type: ignore[no-any-return]
    there = sorted({"{python} on {machine} with {libc} {libc_version}".format(**each) for each in bundle["targets"]})
    raise Stop(
        "The core has no wheels for Python {} on {} with {} {}. Nothing was changed.".format(
            here, facts["machine"], facts["libc"] or "an unknown C library", facts["libc_version"]
        ),
        "It has them for Python {}. Install one of these here, or make more at the core: `phoenix core bundle`.".format(
            ", ".join(there) or "no platform"
        ),
        "no_wheels_for_platform",
    )


def _at_least(there: str, wanted: str) -> bool:
    """An unknown version, as old Pythons give of musl, counts as new enough."""
    parts = [[int(part) for part in text.split(".")[:2] if part.isdigit()] for text in (there, wanted)]
    return not parts[0] or parts[0] >= parts[1]


class Versions:
    def __init__(self, prefix: str = PREFIX, say: "Callable[[str], None]" = lambda text: None) -> None:
        self.prefix = os.path.abspath(prefix)
        self._say = say

    def path(self, name: str, *parts: str) -> str:
        return os.path.join(self.prefix, "versions", name, *parts)

    @property
    def current(self) -> str:
        """The name of the version in use; empty: none."""
        try:
            return os.path.basename(os.readlink(os.path.join(self.prefix, "current")))
        except OSError:
            return ""

    @contextlib.contextmanager
    def alone(self) -> "Iterator[None]":
        """Nobody else builds or switches meanwhile. Raises Stop where somebody does, or the place can't be written."""
        try:
            os.makedirs(os.path.join(self.prefix, "versions"), exist_ok=True)
            lock = os.open(os.path.join(self.prefix, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise failed_in(self.prefix, error) from None
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Stop(
                    f"Another installation or upgrade works in {self.prefix} just now.",
                    "Wait until it is through.",
                ) from None
            yield
        finally:
            os.close(lock)

    # --- building ----------------------------------------------------------------------------------------------------

    def build(self, core: Core, bundle: "dict[str, Any]", target: "dict[str, Any]", python: str) -> str:
        """Bring the core's version here, unless it is; nothing that is in use is touched. Call it `alone`.

        Returns its name. Raises Stop; what had begun is removed then."""
        wheels = {name: bundle["wheels"][name] for name in sorted(target["wheels"])}
        digest = hashlib.sha256(repr([(name, wheel["sha256"]) for name, wheel in wheels.items()]).encode()).hexdigest()
        name = "{}-{}".format(bundle["version"], digest[:8])
        if os.path.exists(self.path(name, COMPLETE)):
            return name
        self._remove_unfinished()
        self._check_space(target, wheels)
        umask = os.umask(0o022)
        try:
            self._fill(name, core, str(bundle["version"]), wheels, python)
        except OSError as error:
            shutil.rmtree(self.path(name), ignore_errors=True)
            raise failed_in(self.prefix, error) from None
        except BaseException:
            shutil.rmtree(self.path(name), ignore_errors=True)
            raise
        finally:
            os.umask(umask)
        return name

    def _fill(self, name: str, core: Core, version: str, wheels: "dict[str, Any]", python: str) -> None:
        fetched = self.path(name, ".wheels")
        os.makedirs(fetched)
        size = sum(int(wheel["size"]) for wheel in wheels.values())
        self._say(f"Fetching {len(wheels)} wheels, {size / 1e6:.0f} MB, from {core.url} ...")
        wanted = []
        for file, wheel in wheels.items():
            core.fetch(wheel, os.path.join(fetched, file))
            wanted.append("{}=={} --hash=sha256:{}\n".format(*file.split("-")[:2], wheel["sha256"]))
        with open(os.path.join(fetched, "wanted.txt"), "w", encoding="utf-8") as out:
            out.writelines(wanted)
        self._say(f"Installing Phoenix {version} into {self.path(name)} ...")
        self._run([python, "-I", "-m", "venv", self.path(name)], "making a virtual environment")
        pip = [
            self.path(name, "bin", "python"),
            "-I",
            "-m",
            "pip",
            "--isolated",
            "--disable-pip-version-check",
            "--no-input",
        ]
        what = ["install", "--quiet", "--no-index", "--no-cache-dir", "--only-binary", ":all:", "--require-hashes"]
        self._run([*pip, *what, "--find-links", fetched, "-r", os.path.join(fetched, "wanted.txt")], "pip")
        shutil.rmtree(fetched)
        answer = self._run([self.path(name, "bin", "phoenix"), "--version"], "the new version")
        if answer.split()[-1:] != [version]:
            raise Stop(f"What the core serves as version {version} says of itself: {answer.strip()}.")
        os.sync()
        with open(self.path(name, COMPLETE), "w", encoding="utf-8") as out:
            out.write(version + "\n")
            out.flush()
            os.fsync(out.fileno())

    def _run(self, command: "list[str]", what: str) -> str:
        environment = {key: value for key, value in os.environ.items() if key in _KEPT}
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)  # noqa: PLW1510
        said = done.stdout.decode("utf-8", "replace")
        if done.returncode:
            if os.strerror(errno.ENOSPC) in said or self._is_full():
                raise failed_in(self.prefix, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
            last = " ".join(said.split())[-600:]
            raise Stop(
                "It failed in {}, with exit code {}: {}".format(what, done.returncode, last or "it said nothing")
            )
        return said

    def _is_full(self) -> bool:
        """Not every program says that this is why it failed."""
        found = os.statvfs(self.prefix)
        return found.f_bavail * found.f_frsize < PIECE or (found.f_files > 0 and found.f_favail < FILES_LEFT)

    def _check_space(self, target: "dict[str, Any]", wheels: "dict[str, Any]") -> None:
        size = sum(int(wheel["size"]) for wheel in wheels.values())
        needed = size + UNPACKED_FACTOR * int(target["unpacked_bytes"]) + SPARE_BYTES
        free = shutil.disk_usage(self.prefix).free
        if free < needed:
            raise Stop(
                f"{self.prefix} has {free / 1e6:.0f} MB free; this needs {needed / 1e6:.0f} MB. Nothing was changed.",
                "Free some space, then run it again.",
                "no_space",
            )

    def _remove_unfinished(self) -> None:
        """What an interrupted run left."""
        for name in os.listdir(os.path.join(self.prefix, "versions")):
            if name != self.current and not os.path.exists(self.path(name, COMPLETE)):
                shutil.rmtree(self.path(name), ignore_errors=True)

    # --- switching ---------------------------------------------------------------------------------------------------

    def switch(self, name: str) -> str:
        """Make a version the one in use, from its next start on; returns the one before. Where there was one, and the
        agent's service goes back by itself, the new one is on trial. Call it `alone`."""
        previous = self.current
        if previous == name:
            return previous
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.prefix, "rolled-back"))
        guarded = os.path.exists(os.path.join(self.prefix, "before-start"))
        if guarded and previous and os.path.exists(self.path(previous, COMPLETE)):
            self._write("trial", f"{name} {previous} {TRIES}\n")
        self._point(name)
        return previous

    def confirm(self, name: str) -> bool:
        """The core has greeted this version: it stays. True where it had been on trial; older ones are removed then."""
        trial = self.trial()
        if trial is None or trial[0] != name:
            return False
        os.unlink(os.path.join(self.prefix, "trial"))
        for other in os.listdir(os.path.join(self.prefix, "versions")):
            if other not in (name, trial[1], self.current):
                shutil.rmtree(self.path(other), ignore_errors=True)
        return True

    def trial(self) -> "tuple[str, str, int] | None":
        """The version on trial, the one to go back to, and how many more starts it has."""
        words = self._words("trial")
        return (words[0], words[1], int(words[2])) if len(words) == 3 and words[2].isdigit() else None

    def rolled_back(self) -> str:
        """The version that did not come up and was given up; empty: none."""
        words = self._words("rolled-back")
        return words[0] if words else ""

    def _words(self, name: str) -> "list[str]":
        try:
            with open(os.path.join(self.prefix, name), encoding="utf-8") as file:
                return file.read().split()
        except OSError:
            return []

    def _point(self, name: str) -> None:
        new = os.path.join(self.prefix, "current.next")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        os.symlink(os.path.join("versions", name), new)
        os.replace(new, os.path.join(self.prefix, "current"))
        self._sync()

    def _write(self, name: str, text: str) -> None:
        path = os.path.join(self.prefix, name)
        with open(path + ".next", "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.replace(path + ".next", path)
        self._sync()

    def _sync(self) -> None:
        folder = os.open(self.prefix, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def failed_in(place: str, error: OSError) -> Stop:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Stop(
            f"{place} is full. What had begun is removed, and what is in use is as it was.",
            "Free some space, then run it again.",
            "no_space",
        )
    reason = error.strerror or str(error)
    where = error.filename or place
    return Stop(f"{where} can't be written to: {reason}.", "Put that right, then run it again.")
