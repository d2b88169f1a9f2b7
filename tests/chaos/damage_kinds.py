"""What a disk, a thief or a clumsy hand does to a vault's objects: each a function on the files of a round's copy."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

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


@dataclass
class Harms:
    """Damages objects of one copy, none of them twice."""

    store: Path
    dice: random.Random
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

    def note(self, kind: str, what: str, path: Path) -> None:
        self.done.append(Harm(kind, what, path.name))

    def one(self, what: str) -> Path | None:
        found = self.objects(what)
        return self.dice.choice(found) if found else None


def write(path: Path, data: bytes) -> None:
    """In a file of its own: the others are links to the pristine vault."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def _flip(harms: Harms, what: str) -> None:
    path = harms.one(what)
    if path is not None:
        data = bytearray(path.read_bytes())
        data[harms.dice.randrange(len(data))] ^= 1 << harms.dice.randrange(8)
        write(path, bytes(data))
        harms.note("flip", what, path)


def _cut(harms: Harms, what: str) -> None:
    path = harms.one(what)
    if path is not None:
        data = path.read_bytes()
        write(path, data[: harms.dice.randrange(len(data))])
        harms.note("cut", what, path)


def _grow(harms: Harms, what: str) -> None:
    path = harms.one(what)
    if path is not None:
        write(path, path.read_bytes() + harms.dice.randbytes(harms.dice.randint(1, 500)))
        harms.note("grow", what, path)


def _zero(harms: Harms, what: str) -> None:
    """A sector of zeros, as a torn write leaves it."""
    path = harms.one(what)
    if path is not None:
        data = path.read_bytes()
        at = harms.dice.randrange(0, len(data), 512)
        zeros = bytes(len(data[at : at + 512]))
        if data[at : at + 512] != zeros:
            write(path, data[:at] + zeros + data[at + 512 :])
            harms.note("zero", what, path)


def _delete(harms: Harms, what: str) -> None:
    path = harms.one(what)
    if path is not None:
        path.unlink()
        harms.note("delete", what, path)


def _swap(harms: Harms, what: str) -> None:
    found = harms.objects(what)
    if len(found) > 1:
        one, other = harms.dice.sample(found, 2)
        first, second = one.read_bytes(), other.read_bytes()
        write(one, second)
        write(other, first)
        harms.note("swap", what, one)
        harms.note("swap", what, other)


def _replace(harms: Harms, what: str) -> None:
    """Another object's bytes under this one's name."""
    found = harms.objects(what)
    if len(found) > 1:
        one, other = harms.dice.sample(found, 2)
        write(one, other.read_bytes())
        harms.note("replace", what, one)


_KINDS: dict[str, Callable[[Harms, str], None]] = {
    "flip": _flip,
    "cut": _cut,
    "grow": _grow,
    "zero": _zero,
    "delete": _delete,
    "swap": _swap,
    "replace": _replace,
}
KINDS = tuple(_KINDS)
