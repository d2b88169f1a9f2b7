"""Makes malformed input from good input: bytes turned, cut, doubled, spliced; structures with parts of other kinds."""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

INTERESTING = (0, 1, -1, 15, 16, 31, 32, 33, 127, 128, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32)
EXTREMES = (*INTERESTING, 2**53, 2**63 - 1, 2**63, 2**64 - 1, -(2**31), -(2**63))
LARGEST_BYTES = 512 << 10
"""Of a structure: one that repeats parts of repeated parts would have hundreds of megabytes. What a target may take for
reading this much fits into its address space."""


def mutated(dice: random.Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds, changed in one to eight places."""
    data = bytearray(dice.choice(seeds))
    for _ in range(1 << dice.randrange(4)):
        dice.choice(_CHANGES)(dice, data, seeds)
    return bytes(data)


def _flip(dice: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    if data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _byte(dice: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    if data:
        data[dice.randrange(len(data))] = dice.randrange(256)


def _cut(dice: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    del data[dice.randrange(len(data) + 1) :]


def _drop(dice: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    at = dice.randrange(len(data) + 1)
    del data[at : at + dice.randrange(1, 40)]


def _insert(dice: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    at = dice.randrange(len(data) + 1)
    data[at:at] = dice.randbytes(dice.randrange(1, 40))


def _double(dice: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    at = dice.randrange(len(data) + 1)
    piece = data[at : at + dice.randrange(1, 200)]
    data[at:at] = piece * dice.randrange(1, 8)


def _splice(dice: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    other = dice.choice(seeds)
    at = dice.randrange(len(data) + 1)
    data[at:] = other[dice.randrange(len(other) + 1) :]


def _length(dice: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    """A field of a fixed layout."""
    size = dice.choice((1, 2, 4, 8))
    if len(data) >= size:
        at = dice.randrange(len(data) - size + 1)
        value = dice.choice(EXTREMES) % (1 << 8 * size)
        data[at : at + size] = value.to_bytes(size, dice.choice(("little", "big")))


_CHANGES: tuple[Callable[[random.Random, bytearray, Sequence[bytes]], None], ...] = (
    _flip,
    _byte,
    _cut,
    _drop,
    _insert,
    _double,
    _splice,
    _length,
)


def altered(dice: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A MessagePack structure with some of its parts replaced; now and then plain bytes."""
    if dice.random() < 0.3:
        return mutated(dice, seeds)
    try:
        value = msgspec.msgpack.decode(dice.choice(seeds))
        for _ in range(dice.randrange(1, 4)):
            value = changed(dice, value)
            if len(data := msgspec.msgpack.encode(value)) > LARGEST_BYTES:
                return mutated(dice, seeds)
    except (msgspec.MsgspecError, ValueError, OverflowError, TypeError, RecursionError):
        return mutated(dice, seeds)
    return data


def altered_json(dice: random.Random, seeds: Sequence[bytes]) -> bytes:
    """The same for JSON."""
    if dice.random() < 0.3:
        return mutated(dice, seeds)
    try:
        value = json.loads(dice.choice(seeds))
        for _ in range(dice.randrange(1, 4)):
            value = changed(dice, value, texts=True)
            if len(data := json.dumps(value).encode()) > LARGEST_BYTES:
                return mutated(dice, seeds)
    except (ValueError, TypeError, RecursionError):
        return mutated(dice, seeds)
    return data


def changed(dice: random.Random, value: Any, *, texts: bool = False) -> Any:
    """The value with one part of it changed. `texts`: no part becomes bytes."""
    if isinstance(value, list) and value and dice.random() < 0.85:
        return _changed_list(dice, list(value), texts=texts)
    if isinstance(value, dict) and value and dice.random() < 0.85:
        return _changed_map(dice, dict(value), texts=texts)
    if isinstance(value, bytes) and dice.random() < 0.6:
        return mutated(dice, [value])
    if isinstance(value, str) and dice.random() < 0.6:
        return mutated(dice, [value.encode(errors="replace")]).decode(errors="replace")
    return _something(dice, texts=texts)


def _changed_list(dice: random.Random, items: list[Any], *, texts: bool) -> list[Any]:
    at = dice.randrange(len(items))
    what = dice.randrange(8)
    if what == 0:
        del items[at]
    elif what == 1:
        items.insert(at, _something(dice, texts=texts))
    elif what == 2:
        items[at:at] = [items[at]] * dice.choice((1, 2, 300))
    elif what == 3:
        dice.shuffle(items)
    else:
        items[at] = changed(dice, items[at], texts=texts)
    return items


def _changed_map(dice: random.Random, items: dict[Any, Any], *, texts: bool) -> dict[Any, Any]:
    key = dice.choice(list(items))
    what = dice.randrange(6)
    if what == 0:
        del items[key]
    elif what == 1:
        items[dice.choice(("", "x", "type", "op", "n", "é"))] = _something(dice, texts=texts)
    else:
        items[key] = changed(dice, items[key], texts=texts)
    return items


def _something(dice: random.Random, *, texts: bool) -> Any:
    """A value of any kind, of odd ones sooner than of plain ones."""
    choices: tuple[Callable[[], Any], ...] = (
        lambda: dice.choice(EXTREMES),
        lambda: None,
        lambda: dice.random() < 0.5,
        lambda: dice.choice((0.0, -0.0, 1e308, -1.5)),
        lambda: "x" * dice.choice((0, 1, 32, 33, 5000)),
        lambda: "\0\ud7ff/é" * dice.randrange(3),
        list,
        dict,
        lambda: [dice.choice(INTERESTING)] * dice.choice((1, 3, 1000)),
        lambda: "" if texts else dice.randbytes(dice.choice((0, 1, 31, 32, 33, 64, 1288))),
        lambda: "AAAA" if texts else b"\0" * dice.choice((12, 16, 32, 48, 70_000)),
    )
    return dice.choice(choices)()
