"""How coarse the time stamps of file systems are: a file that changes again within one step of them keeps its stamp.

A kernel's own stamps step with its clock, each some milliseconds. FAT keeps times in steps of 2 s (on Windows rounded
up), ext3 and others in steps of 1 s. Such a stamp is known by itself: it has no fraction of a second.
"""

COARSE_NS = 2_000_000_000
_SECOND_NS = 1_000_000_000


def step_ns(stamp_ns: int, fine_ns: int) -> int:
    """The step that a stamp may have been rounded by; `fine_ns`: that of this system's clock."""
    return fine_ns if stamp_ns % _SECOND_NS else COARSE_NS


def may_change_unseen(stamp_ns: int, now_ns: int, fine_ns: int) -> bool:
    """Whether a file with this stamp may change from now on without its stamp changing. One that lies further in the
    future is old: the clock went back since."""
    step = step_ns(stamp_ns, fine_ns)
    ahead_ns = step if step == COARSE_NS else 0
    return -ahead_ns <= now_ns - stamp_ns < step
