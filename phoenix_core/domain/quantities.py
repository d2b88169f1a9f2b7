"""Sizes and times as people type them: `10M`, `30d`; and back. Bytes in powers of 1,024, days of 24 hours."""

import re

_TYPED = re.compile(r"(\d{1,15})\s*([a-z]*)")
_SIZES = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_TIMES = {"": 1, "s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}


def parse_size(text: str) -> int:
    """Bytes; K, M, G and T may have `iB` or `B` after them. Raises ValueError."""
    number, unit = _parts(text)
    unit = unit.removesuffix("b").removesuffix("i") if len(unit) > 1 else unit
    if unit not in _SIZES:
        raise ValueError(f"{text!r} is no size such as 500K, 10M or 2G")
    return number * _SIZES[unit]


def parse_time(text: str) -> int:
    """Seconds. Raises ValueError."""
    number, unit = _parts(text)
    if unit not in _TIMES:
        raise ValueError(f"{text!r} is no time such as 90s, 30min, 12h, 30d, 8w or 1y")
    return number * _TIMES[unit]


def typed_size(count: int) -> str:
    """As `parse_size` reads it, exactly."""
    return _typed(count, {"T": 1 << 40, "G": 1 << 30, "M": 1 << 20, "K": 1 << 10})


def typed_time(seconds: int) -> str:
    """As `parse_time` reads it, exactly."""
    return _typed(seconds, {"y": _TIMES["y"], "w": _TIMES["w"], "d": _TIMES["d"], "h": 3600, "min": 60, "s": 1})


def _parts(text: str) -> tuple[int, str]:
    match = _TYPED.fullmatch(text.strip().lower())
    return (int(match[1]), match[2]) if match else (0, "?")


def _typed(count: int, units: dict[str, int]) -> str:
    for unit, each in units.items():
        if count and count % each == 0:
            return f"{count // each}{unit}"
    return str(count)
