"""Where a restore to Windows goes (WF6.3), and the room that it needs there (WF6.4)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from phoenix_core.agent.restore.errors import (
    DestinationForbidden,
    DestinationNotFolder,
    DestinationNotWritable,
    NotEnoughSpace,
    OtherFamily,
)
from phoenix_core.agent.windows.attributes import is_folder, is_link
from phoenix_core.agent.windows.errors import ABSENT, NoSuchDrive
from phoenix_core.agent.windows.names import folded_bytes, to_text
from phoenix_core.agent.windows.paths import below, in_vault, live_root, split, told
from phoenix_core.agent.windows.seam import Windows, WindowsFailure
from phoenix_core.domain.amounts import size
from phoenix_core.vault.entry import Entry
from phoenix_core.vault.windowsentry import is_windows

CLUSTER_BYTES = 4096


@dataclass(frozen=True)
class Destination:
    """`root`: its real path in extended form; empty for the original place, whose folders are drives."""

    path: bytes
    """As in a vault; `/` for the original place."""
    root: str
    exists: bool

    @property
    def is_original(self) -> bool:
        return not self.root


def check_family(entries: Iterable[Entry]) -> None:
    """`entries`: of the snapshot's `/`. Raises `OtherFamily` unless each is a volume of Windows."""
    for entry in entries:
        if not is_windows(entry):
            raise OtherFamily(of="Linux", to="Windows")


def validate(windows: Windows, wanted: bytes, targets: Sequence[bytes], state_dir: Path) -> Destination:
    """The destination that was asked for (empty: the original place, where `targets` will be written). Writes nothing.
    Raises a `RestoreError`, `NoDriveInPath`, `NoSuchDrive`."""
    own = _own(state_dir)
    letters = {volume.letter for volume in windows.volumes() if volume.letter}
    for path in [wanted] if wanted else targets:
        letter = split(path)[0]
        if letter not in letters:
            raise NoSuchDrive(letter=letter, drives=", ".join(f"{each}:" for each in sorted(letters)) or "none")
        _check_not_own(path, own)
    if not wanted:
        return Destination(b"/", "", exists=True)
    root, exists = _real(windows, wanted)
    path = in_vault(root)
    _check_not_own(path, own)
    return Destination(path, root, exists)


def _own(state_dir: Path) -> bytes:
    text = str(state_dir)
    return b"" if text.startswith("/") else folded_bytes(in_vault(text))


def _check_not_own(path: bytes, own: bytes) -> None:
    at = folded_bytes(path)
    if own and (at == own or at.startswith(own + b"/")):
        raise DestinationForbidden(path=told(path), detail="it is the agent's own folder")


def _real(windows: Windows, wanted: bytes) -> tuple[str, bool]:
    """The path with its junctions resolved as far as it exists, and whether all of it does."""
    letter, names = split(wanted)
    at = live_root(letter) + "\\"
    left = [to_text(name) for name in names]
    while left:
        nearer = below(at, left[0])
        try:
            facts = windows.details(nearer).facts
        except WindowsFailure as failure:
            if failure.code in ABSENT:
                break
            raise DestinationNotWritable(path=told(wanted), detail=str(failure)) from failure
        if not is_folder(facts):
            raise DestinationNotFolder(path=told(wanted), place=told(in_vault(nearer)))
        at = nearer
        left.pop(0)
        if is_link(facts):
            at = _real_path(windows, at, wanted)
    at = _real_path(windows, at, wanted)
    for name in left:
        at = below(at, name)
    return at, not left


def _real_path(windows: Windows, path: str, wanted: bytes) -> str:
    try:
        held = windows.hold_folder(path)
    except WindowsFailure as failure:
        raise DestinationNotWritable(path=told(wanted), detail=str(failure)) from failure
    try:
        return held.real_path
    finally:
        held.close()


class SpaceNeeds:
    """What a restore takes, per drive, told entry by entry."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._needed: dict[str, int] = {}
        self._free: dict[str, int] = {}

    def add(self, letter: str, entry: Entry, freed_bytes: int = 0) -> None:
        """An entry is written; what it replaces is freed after that."""
        taken = -(-entry.data_bytes // CLUSTER_BYTES) * CLUSTER_BYTES if entry.is_file else CLUSTER_BYTES
        self._needed[letter] = self._needed.get(letter, 0) + max(0, taken - freed_bytes)

    def check(self) -> None:
        """Raises `NotEnoughSpace`, `DestinationNotWritable`."""
        for letter, needed in sorted(self._needed.items()):
            place = f"{letter}:\\"
            try:
                free = self._free[letter] = self._windows.free_bytes(live_root(letter) + "\\")
            except WindowsFailure as failure:
                raise DestinationNotWritable(path=place, detail=str(failure)) from failure
            if needed > free:
                raise NotEnoughSpace(
                    place=place, needed=size(needed), free=size(free), needed_bytes=needed, free_bytes=free
                )

    @property
    def needed_bytes(self) -> int:
        return sum(self._needed.values())

    @property
    def free_bytes(self) -> int:
        return sum(self._free.values())
