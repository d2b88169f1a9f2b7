"""The system that a service is installed on: this one, or one in a folder, as where an image is built.

Files are written below the folder; what needs the running system (its manager, its users) is done only on this one.
"""

import os
import shutil
import subprocess
from pathlib import Path

import msgspec

from phoenix_core.host.atomicfile import make_folders, write_atomic
from phoenix_core.rollout.errors import CommandFailed, RootNeeded, WriteFailed

UNITS = Path("/etc/systemd/system")
WANTS = UNITS / "multi-user.target.wants"
BOOTED = Path("/run/systemd/system")
COMMAND_S = 120.0


class File(msgspec.Struct, frozen=True):
    """A file, or with `target` a symbolic link, that an installation wants to be there."""

    path: Path
    content: str = ""
    mode: int = 0o644
    target: str = ""


class Change(msgspec.Struct, frozen=True):
    """What becomes of one file."""

    path: str
    state: str
    """`new`, `changed`, `same`."""
    content: str


class System:
    def __init__(self, root: Path | None = None) -> None:
        self.root = None if root is None or root == Path("/") else root.absolute()

    @property
    def booted(self) -> bool:
        """Whether systemd runs here and can be told to start something."""
        return self.root is None and BOOTED.is_dir()

    def at(self, path: Path) -> Path:
        """Where a path of that system is from here."""
        return path if self.root is None else self.root / path.relative_to("/")

    def require_root(self, command: str) -> None:
        """Raises RootNeeded, with what to type; an image in a folder needs no more than leave to write there."""
        if self.root is None and os.geteuid() != 0:
            raise RootNeeded(command=command)

    # --- files -------------------------------------------------------------------------------------------------------

    def changes(self, files: list[File]) -> list[Change]:
        return [Change(str(file.path), self._state(file), file.target or file.content) for file in files]

    def write(self, files: list[File]) -> list[Change]:
        """Bring the files there; what differs is replaced, a unit that somebody changed is kept beside as `.before`.

        Raises WriteFailed."""
        changes = self.changes(files)
        for file, change in zip(files, changes, strict=True):
            if change.state != "same":
                try:
                    self._put(file, changed=change.state == "changed")
                except OSError as error:
                    raise WriteFailed(path=file.path, detail=error.strerror or error) from error
        return changes

    def remove(self, paths: list[Path]) -> list[Path]:
        """Those that were there. Raises WriteFailed."""
        gone: list[Path] = []
        for path in paths:
            try:
                self.at(path).unlink()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise WriteFailed(path=path, detail=error.strerror or error) from error
            gone.append(path)
        return gone

    def _state(self, file: File) -> str:
        place = self.at(file.path)
        try:
            if file.target:
                return "same" if os.readlink(place) == file.target else "changed"
            same = place.read_text("utf-8") == file.content and place.stat().st_mode & 0o777 == file.mode
        except FileNotFoundError:
            return "new"
        except (OSError, UnicodeDecodeError):
            return "changed"
        return "same" if same else "changed"

    def _put(self, file: File, *, changed: bool) -> None:
        place = self.at(file.path)
        make_folders(place.parent, 0o755)
        if file.target:
            place.unlink(missing_ok=True)
            place.symlink_to(file.target)
            return
        if changed and place.is_file():
            shutil.copy2(place, place.with_name(f"{place.name}.before"))
        write_atomic(place, file.content.encode(), file.mode)

    # --- the running system ------------------------------------------------------------------------------------------

    def run(self, *command: str) -> str:
        """Raises CommandFailed."""
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=COMMAND_S, stdin=subprocess.DEVNULL, check=False
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise CommandFailed(command=" ".join(command), detail=error) from error
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())[-400:]
            raise CommandFailed(command=" ".join(command), detail=said or f"exit code {done.returncode}")
        return done.stdout

    def is_active(self, unit: str) -> bool:
        if not self.booted:
            return False
        try:
            return self.run("systemctl", "is-active", unit).strip() == "active"
        except CommandFailed:
            return False

    def make_users(self, configuration: Path) -> bool:
        """As a file of systemd-sysusers says; False where there is no such program. Raises CommandFailed."""
        if shutil.which("systemd-sysusers") is None:
            return False
        self.run("systemd-sysusers", *([f"--root={self.root}"] if self.root else []), str(self.at(configuration)))
        return True
