"""All that is fuzzed, in the order of the report. A target is made where it is asked for, and no other is imported."""

import importlib

from tests.chaos.fuzz_target import Target

MODULES = {
    "pack": "fuzz_vault",
    "tree": "fuzz_vault",
    "snapshot": "fuzz_vault",
    "wire messages": "fuzz_wire",
    "tokens": "fuzz_wire",
    "descriptor": "fuzz_vault",
    "merged index": "fuzz_vault",
    "storage node": "fuzz_node",
}
"""By name of the target, where its `TARGETS` have it."""


def named(name: str) -> Target:
    targets: tuple[Target, ...] = importlib.import_module(f"tests.chaos.{MODULES[name]}").TARGETS
    return next(each for each in targets if each.name == name)
