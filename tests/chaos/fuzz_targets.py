"""All that is fuzzed, in the order of the report."""

from tests.chaos.fuzz_target import Target
from tests.chaos.fuzz_vault import DESCRIPTORS, MERGED, PACKS, SNAPSHOTS, TREES
from tests.chaos.fuzz_wire import TOKENS, WIRE

TARGETS: tuple[Target, ...] = (PACKS, TREES, SNAPSHOTS, WIRE, TOKENS, DESCRIPTORS, MERGED)


def named(name: str) -> Target:
    return next(each for each in TARGETS if each.name == name)
