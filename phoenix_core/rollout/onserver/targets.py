"""Which of the core's wheels are for this server."""

from typing import Any

from phoenix_core.rollout.onserver.stop import Stop


def choose(bundle: "dict[str, Any]", pythons: "list[dict[str, Any]]") -> "tuple[dict[str, Any], dict[str, Any]]":
    """The first of this server's Pythons that the core has wheels for, and the target that it is. Raises Stop."""
    problem = None
    for python in pythons:
        try:
            return python, target_for(bundle, python)
        except Stop as stop:
            problem = problem or stop
    assert problem is not None
    raise problem


def target_for(bundle: "dict[str, Any]", facts: "dict[str, Any]") -> "dict[str, Any]":
    """Which of the bundle's targets this server's Python is. Raises Stop, naming those that there are."""
    here = "{}.{}".format(*facts["version"])
    for target in bundle["targets"]:
        same = (target["python"], target["machine"], target["libc"]) == (here, facts["machine"], facts["libc"])
        if same and _at_least(facts["libc_version"], target["libc_version"]):
            return target  # type: ignore[no-any-return]
    there = sorted({"{python} on {machine} with {libc} {libc_version}".format(**each) for each in bundle["targets"]})
    raise Stop(
        "The core has no wheels for Python {} on {} with {} {}. Nothing was changed.".format(
            here, facts["machine"], facts["libc"] or "an unknown C library", facts["libc_version"]
        ),
        "It has them for Python {}. Install one of these here, or make more at the core: `phoenix core bundle`.".format(
            ", ".join(there) or "no platform"
        ),
        "no_wheels_for_platform",
    )


def _at_least(there: str, wanted: str) -> bool:
    """An unknown version, as old Pythons give of musl, counts as new enough."""
    parts = [[int(part) for part in text.split(".")[:2] if part.isdigit()] for text in (there, wanted)]
    return not parts[0] or parts[0] >= parts[1]
