"""A folder that is reached by a very long way of links, so that looking where it leads takes a while."""

from pathlib import Path

LINKS = 250
STEPS = 800


def long_way_to(folder: Path, beside: Path) -> Path:
    """Another path of `folder`, by links in the new folder `beside`. Only who follows link by link gets through: for
    the kernel there are too many."""
    (beside / "a").mkdir(parents=True)
    for number in range(LINKS):
        (beside / f"l{number}").symlink_to("a/../" * STEPS)
    (beside / "end").symlink_to(folder)
    return beside.joinpath(*(f"l{number}" for number in range(LINKS)), "end")
