"""Versions of the program side by side, each in a virtual environment of its own, and the one that is in use.

    PREFIX/versions/0.1.0-3f2a9c0d/   an environment; `.complete` in it once it is whole
    PREFIX/current                    link to the one in use; units and people start PREFIX/current/bin/phoenix
    PREFIX/trial                      NEW PREVIOUS TRIES UNIT: a new version that the core has not greeted yet
    PREFIX/unit-before                the unit that PREVIOUS ran with; it goes back to UNIT with it
    PREFIX/rolled-back                NEW PREVIOUS: a new version that did not come up
    PREFIX/before-start               what the agent's unit runs before each start: counts the tries, and goes back
    PREFIX/.lock                      held while a version is built and put in use
    PREFIX/.switching                 held for the moments in which link, unit and trial change together

A version is never changed once it is whole, and is removed only when it is neither in use nor the one before. What a
trial goes back to is always a version that its core has greeted.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import re
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

    def is_newer_than(self, offered: str) -> bool:
        """Whether the version in use is newer than this one. What can't be read as a version is not."""
        here, there = _numbers(self.version), _numbers(offered)
        return bool(here and there) and here > there

    @property
    def version(self) -> str:
        """Of Phoenix, the one in use; empty: none."""
        return self.current.rpartition("-")[0]

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

    def switch(self, name: str, unit: str = "", renew: "Callable[[], None]" = lambda: None) -> str:
        """Make a version the one in use, from its next start on; returns the one before. Where there was one, and the
        agent's service goes back by itself, the new one is on trial; the version that was greeted last ends a trial.

        `unit`: the service's unit file, if there is one, and `renew` brings it to what the new version wants. It goes
        back with the version. Call it `alone`. What `renew` raises comes out, and nothing is changed then."""
        with self._changing():
            previous = self.current
            if previous == name:
                return previous
            self._remove("rolled-back")
            proven = self._proven(previous)
            tried = proven not in ("", name) and os.path.exists(self._at("before-start"))
            unit_there = os.path.exists(unit)
            before = {path: _content(path) for path in (self._at("trial"), self._at("unit-before"), unit)}
            try:
                if tried:
                    self._begin_trial(name, previous, proven, unit if unit_there else "")
                if unit_there:
                    renew()
                self._point(name)
            except BaseException as error:
                for path, content in before.items():
                    self._put_back(path, content)
                if isinstance(error, OSError):
                    raise failed_in(self.prefix, error) from None
                raise
            if not tried:
                self._remove("trial")
            return previous

    def confirm(self, name: str) -> bool:
        """The core has greeted this version: it stays. True where it had been on trial; older ones are removed then."""
        with self._changing():
            trial = self.trial()
            if trial is None or trial[0] != name:
                return False
            self._remove("trial")
        self._remove_but((name, trial[1]))
        return True

    def trial(self) -> "tuple[str, str, int] | None":
        """The version on trial, the one to go back to, and how many more starts it has."""
        words = self._words("trial")
        return (words[0], words[1], int(words[2])) if len(words) in (3, 4) and words[2].isdigit() else None

    def rolled_back(self) -> str:
        """The version that did not come up and was given up; empty: none."""
        words = self._words("rolled-back")
        return words[0] if words else ""

    def _begin_trial(self, name: str, previous: str, proven: str, unit: str) -> None:
        """While the version in use is on trial itself, the unit that was kept is still the one to go back to."""
        if previous == proven:
            if unit:
                self._write(self._at("unit-before"), _content(unit) or b"")
            else:
                self._remove("unit-before")
        self._write(self._at("trial"), f"{name} {proven} {TRIES} {unit}\n".encode())

    def _proven(self, current: str) -> str:
        """The version to go back to: of one that is on trial, the one before it. Empty: there is none that is whole."""
        trial = self.trial()
        name = trial[1] if trial is not None and trial[0] == current else current
        return name if name and os.path.exists(self.path(name, COMPLETE)) else ""

    def _remove_but(self, kept: "tuple[str, ...]") -> None:
        """Not while somebody builds: the next version that stays does it then."""
        with contextlib.suppress(Stop), self.alone():
            for other in os.listdir(self._at("versions")):
                if other not in (*kept, self.current):
                    shutil.rmtree(self.path(other), ignore_errors=True)

    @contextlib.contextmanager
    def _changing(self) -> "Iterator[None]":
        """Waits for whoever else does; moments."""
        lock = os.open(self._at(".switching"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _at(self, name: str) -> str:
        return os.path.join(self.prefix, name)

    def _words(self, name: str) -> "list[str]":
        return (_content(self._at(name)) or b"").decode("utf-8", "replace").split()

    def _point(self, name: str) -> None:
        new = self._at("current.next")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        os.symlink(os.path.join("versions", name), new)
        os.replace(new, self._at("current"))
        _sync(self.prefix)

    def _remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._at(name))

    def _put_back(self, path: str, content: "bytes | None") -> None:
        if content == _content(path):
            return
        if content is None:
            os.unlink(path)
        else:
            self._write(path, content)

    def _write(self, path: str, content: bytes) -> None:
        with open(path + ".next", "wb") as out:
            os.fchmod(out.fileno(), 0o644)
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.replace(path + ".next", path)
        _sync(os.path.dirname(path))


def _content(path: str) -> "bytes | None":
    """None: it isn't there, or can't be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _sync(path: str) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _numbers(version: str) -> "tuple[int, ...]":
    match = re.match(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?", version)
    return tuple(int(part or 0) for part in match.groups()) if match else ()


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
