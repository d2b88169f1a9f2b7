"""Whether the space that is left for the vault is enough: one judgement for `doctor` and for alerts."""

from enum import Enum


class Space(Enum):
    ENOUGH = "enough"
    LOW = "low"
    """Plan for more."""
    NONE = "none"
    """Not more than the reserve: nothing more is taken."""


def judged(free_bytes: int, total_bytes: int, reserve_bytes: int) -> Space:
    if free_bytes <= reserve_bytes:
        return Space.NONE
    if free_bytes < 3 * reserve_bytes or free_bytes < total_bytes // 20:
        return Space.LOW
    return Space.ENOUGH
