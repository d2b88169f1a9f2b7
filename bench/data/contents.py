"""File contents as servers have them: text, binaries, already compressed. The same seed gives the same bytes."""

import random
from array import array
from collections.abc import Callable
from functools import cache

SLOTS = 1 << 16
MIB = 1 << 20

Make = Callable[[random.Random, int], bytes]


class Dice(random.Random):
    """Seeded by whatever names the thing that is generated."""

    def __init__(self, *name: object) -> None:
        super().__init__("/".join(map(str, name)))


def text(dice: random.Random, length: int) -> bytes:
    """Words as frequent as in prose or source code; zstd makes about a third of it."""
    return _joined(_words(), dice, length)


def binary(dice: random.Random, length: int) -> bytes:
    """Short patterns, some much more frequent than others, as in machine code; zstd makes about half of it."""
    return _joined(_patterns(), dice, length)


def compressed(dice: random.Random, length: int) -> bytes:
    """What can't be made smaller."""
    return dice.randbytes(length)


def _joined(table: tuple[list[bytes], float], dice: random.Random, length: int) -> bytes:
    """Pieces of the table, drawn evenly from its slots."""
    slots, mean_bytes = table
    pieces: list[bytes] = []
    have = 0
    while have < length:
        count = max(16, int((length - have) / mean_bytes * 1.02))
        piece = b"".join(map(slots.__getitem__, array("H", dice.randbytes(2 * count))))
        pieces.append(piece)
        have += len(piece)
    return b"".join(pieces)[:length]


@cache
def _words() -> tuple[list[bytes], float]:
    dice = Dice("words")
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    weights = [13, 9, 8, 8, 7, 7, 6, 6, 6, 4, 4, 3, 3, 2, 2, 2, 2, 2, 1, 1, 2, 1, 0.2, 0.1, 0.2, 0.1]
    ends = [" "] * 12 + ["\n", ", ", ". ", "(", ");\n    ", " = ", "_", "\n\n"]
    words = [
        ("".join(dice.choices(letters, weights, k=dice.randint(2, 11))) + dice.choice(ends)).encode()
        for _ in range(12_000)
    ]
    return _zipf(words, dice)


@cache
def _patterns() -> tuple[list[bytes], float]:
    dice = Dice("patterns")
    patterns = [dice.randbytes(dice.randint(2, 9)) + bytes(dice.choice((0, 0, 1, 3))) for _ in range(9_000)]
    return _zipf(patterns, dice)


def _zipf(pieces: list[bytes], dice: random.Random) -> tuple[list[bytes], float]:
    """65,536 slots; the piece of rank n has a share of them that falls as 1/n."""
    weights = [1 / (rank + 3) for rank in range(len(pieces))]
    slots = dice.choices(pieces, weights, k=SLOTS)
    return slots, sum(map(len, slots)) / SLOTS
