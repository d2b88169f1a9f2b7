"""What a disk, a thief or a clumsy hand does to a vault's objects: each a function on the files of a round's copy."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from phoenix_core.vault.packhead import HEAD_SIZE
from phoenix_core.vault.packtail import FOOTER_SIZE

PACK_KINDS = ("data", "meta")


@dataclass(frozen=True)
class Harm:
    """One damaged object."""

    kind: str
    """`flip`, `cut`, …"""
    what: str
    """`data`, `meta`, `snapshots`, `records`, `index`, `owner` or `vault.json`."""
    name: str
    """The file's name: for packs and snapshots their id in hex, for records their number."""
    blocks_whole: bool = False
    """Of a pack: head or tail may be damaged, and the blocks still lie somewhere, every byte of them."""


@dataclass
class Harms:
    """Damages objects of one copy, none of them twice."""

    store: Path
    dice: random.Random
    older: dict[str, bytes]
    """Older versions of objects, by name."""
    done: list[Harm] = field(default_factory=list)

    def objects(self, what: str) -> list[Path]:
        """Those that lie there and haven't been damaged yet."""
        spoilt = {(harm.what, harm.name) for harm in self.done}
        folders = {"data": "packs/data", "meta": "packs/meta"}
        if what in ("owner", "vault.json"):
            found = [self.store / what]
        else:
            found = sorted(path for path in (self.store / folders.get(what, what)).rglob("*") if path.is_file())
        return [path for path in found if path.is_file() and (what, path.name) not in spoilt]

    def harm(self, kind: str, what: str) -> int:
        """Damage an object of this sort, or two; returns how many (0: there is none, or it can't be done to it)."""
        before = len(self.done)
        _KINDS[kind](self, what)
        return len(self.done) - before

    def note(self, kind: str, what: str, path: Path, *, blocks_whole: bool = False) -> None:
        self.done.append(Harm(kind, what, path.name, blocks_whole and what in PACK_KINDS))

    def two(self, what: str) -> list[Path]:
        """Often of the same length, so that one fits into the other's place; none where there aren't two."""
        found = self.objects(what)
        one = self.dice.choice(found) if found else None
        others = [path for path in found if path != one]
        alike = [path for path in others if one is not None and path.stat().st_size == one.stat().st_size]
        if alike and self.dice.random() < 0.8:
            others = alike
        return [one, self.dice.choice(others)] if one is not None and others else []

    def one(self, what: str) -> Path | None:
        found = self.objects(what)
        return self.dice.choice(found) if found else None


def write(path: Path, data: bytes) -> None:
    """In a file of its own: the others are links to the pristine vault."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def _spares_blocks(pack: bytes, start: int, end: int) -> bool:
    """Whether bytes from `start` to `end` of a pack lie in its head or its tail alone."""
    blocks_end = len(pack) - FOOTER_SIZE - int.from_bytes(pack[-FOOTER_SIZE:][:4], "little")
    return end <= HEAD_SIZE or start >= blocks_end


def _flip(harms: Harms, what: str) -> None:
    path = harms.one(what)
    if path is not None:
        data = path.read_bytes()
        changed = bytearray(data)
        at = harms.dice.randrange(len(data)) if harms.dice.random() < 0.7 else harms.dice.randrange(-100, 0) % len(data)
        changed[at] ^= 1 << harms.dice.randrange(8)
        write(path, bytes(changed))
        harms.note("flip", what, path, blocks_whole=_spares_blocks(data, at, at + 1))


def _cut(harms: Harms, what: str) -> None:
    path = harms.one(what)
    if path is not None:
        data = path.read_bytes()
        at = harms.dice.randrange(len(data))
        write(path, data[:at])
        harms.note("cut", what, path, blocks_whole=_spares_blocks(data, at, len(data)))


def _grow(harms: Harms, what: str) -> None:
    path = harms.one(what)
    if path is not None:
        write(path, path.read_bytes() + harms.dice.randbytes(harms.dice.randint(1, 500)))
        harms.note("grow", what, path, blocks_whole=True)


def _zero(harms: Harms, what: str) -> None:
    """A sector of zeros, as a torn write leaves it."""
    path = harms.one(what)
    if path is not None:
        data = path.read_bytes()
        at = harms.dice.randrange(0, len(data), 512)
        zeros = bytes(len(data[at : at + 512]))
        if data[at : at + 512] != zeros:
            write(path, data[:at] + zeros + data[at + 512 :])
            harms.note("zero", what, path, blocks_whole=_spares_blocks(data, at, at + 512))


def _delete(harms: Harms, what: str) -> None:
    path = harms.one(what)
    if path is not None:
        path.unlink()
        harms.note("delete", what, path)


def _swap(harms: Harms, what: str) -> None:
    found = harms.two(what)
    if found:
        one, other = found
        first, second = one.read_bytes(), other.read_bytes()
        write(one, second)
        write(other, first)
        harms.note("swap", what, one, blocks_whole=True)
        harms.note("swap", what, other, blocks_whole=True)


def _replace(harms: Harms, what: str) -> None:
    """Another object's bytes under this one's name."""
    found = harms.two(what)
    if found:
        one, other = found
        write(one, other.read_bytes())
        harms.note("replace", what, one)


def _older(harms: Harms, what: str) -> None:
    """An older version of what changes: `vault.json` with another passphrase, `owner` of the node before, a record of a
    time before a hold."""
    there = harms.objects(what)
    paths = {harms.store / name: older for name, older in harms.older.items() if name.partition("/")[0] == what}
    changed = [path for path, older in paths.items() if path in there and path.read_bytes() != older]
    if changed:
        path = harms.dice.choice(changed)
        write(path, paths[path])
        harms.note("older", what, path)


_KINDS: dict[str, Callable[[Harms, str], None]] = {
    "flip": _flip,
    "cut": _cut,
    "grow": _grow,
    "zero": _zero,
    "delete": _delete,
    "swap": _swap,
    "replace": _replace,
    "older": _older,
}
KINDS = tuple(_KINDS)
