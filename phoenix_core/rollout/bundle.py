"""The wheels that a core keeps for other servers: DATA/bundle/bundle.json, and beside it wheels/<sha256>.whl.

bundle.json is replaced last and at once, so that a reader finds the old set or the new one. It says which wheels go
together for which kind of server (a *target*: Python, machine, C library).
"""

import os
import shutil
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec

from phoenix_core import __version__
from phoenix_core.host.actingas import acting_as
from phoenix_core.host.atomicfile import make_folders, sync_folder, write_atomic
from phoenix_core.rollout.errors import BundleDamaged, BundleMissing, BundleOutdated, WheelUnknown

FORMAT = 1
MANIFEST = "bundle.json"


Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Wheel(msgspec.Struct, frozen=True):
    sha256: Sha256
    size: int


class Target(msgspec.Struct, frozen=True):
    """A kind of server."""

    python: str
    """`3.11`"""
    machine: str
    """As `platform.machine()` has it: `x86_64`, `aarch64`."""
    libc: str
    """`glibc` or `musl`."""
    libc_version: str
    """The oldest that all its wheels run with."""
    wheels: tuple[str, ...]
    unpacked_bytes: int

    @property
    def shown(self) -> str:
        return f"Python {self.python}, {self.machine}, {self.libc} {self.libc_version} or newer"


class Bundle(msgspec.Struct, frozen=True):
    version: str
    """Of Phoenix."""
    wheels: dict[str, Wheel]
    """By file name."""
    targets: tuple[Target, ...]
    left_out: tuple[str, ...] = ()
    """Targets that there are no wheels for, and why; for people to read."""
    format: int = FORMAT

    @property
    def size(self) -> int:
        """Bytes of all wheels."""
        return sum(wheel.size for wheel in self.wheels.values())


class BundleShelf:
    """The bundle of a data directory. Its methods read and write files: not on an event loop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._manifest = folder / MANIFEST
        self._read: tuple[tuple[int, int], Bundle] | None = None

    def current(self) -> Bundle:
        """Raises BundleMissing, BundleOutdated, BundleDamaged."""
        bundle = self.whatever_there_is()
        if bundle.version != __version__:
            raise BundleOutdated(found=bundle.version, known=__version__)
        return bundle

    def whatever_there_is(self) -> Bundle:
        """Of any version of Phoenix. Raises BundleMissing, BundleDamaged."""
        try:
            status = self._manifest.stat()
            mark = (status.st_mtime_ns, status.st_ino)
            if self._read is None or self._read[0] != mark:
                self._read = (mark, msgspec.json.decode(self._manifest.read_bytes(), type=Bundle))
        except FileNotFoundError as error:
            raise BundleMissing from error
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BundleDamaged(path=self._manifest, detail=error) from error
        return self._read[1]

    def open_wheel(self, sha256: str) -> tuple[int, int]:
        """Descriptor and length of a wheel that the bundle names; nothing else can be opened through it.

        Raises WheelUnknown, BundleMissing, BundleOutdated, BundleDamaged."""
        wheel = next((each for each in self.current().wheels.values() if each.sha256 == sha256), None)
        if wheel is None:
            raise WheelUnknown
        path = self._wheel(wheel.sha256)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise BundleDamaged(path=path, detail=error.strerror or str(error)) from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size != wheel.size:
            os.close(descriptor)
            raise BundleDamaged(path=path, detail="it is not the file that was put there")
        return descriptor, wheel.size

    def put(self, bundle: Bundle, files: Iterable[Path], owner: tuple[int, int] | None = None) -> None:
        """Keep a bundle in place of the one before. `files`: its wheels, by their names. `owner`: user and group whose
        rights are used, where root runs. Raises OSError."""
        folder = self.folder / "wheels"
        with acting_as(owner):
            make_folders(folder)
        for file in files:
            content, place = file.read_bytes(), self._wheel(bundle.wheels[file.name].sha256)
            with acting_as(owner):
                if not (place.is_file() and place.stat().st_size == len(content)):
                    write_atomic(place, content)
        with acting_as(owner):
            sync_folder(folder)
            write_atomic(self._manifest, msgspec.json.encode(bundle))
            wanted = {self._wheel(wheel.sha256) for wheel in bundle.wheels.values()}
            for old in set(folder.iterdir()) - wanted:
                with suppress(OSError):
                    old.unlink()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wheel(self, sha256: str) -> Path:
        return self.folder / "wheels" / f"{sha256}.whl"
