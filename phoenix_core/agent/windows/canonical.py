"""A path as it is written on the disk: names in their own case, junctions above the last name resolved."""

from phoenix_core.agent.windows.attributes import is_link
from phoenix_core.agent.windows.names import folded, to_bytes, to_text
from phoenix_core.agent.windows.paths import below, in_vault, live_root, split
from phoenix_core.agent.windows.seam import Windows, WindowsFailure


def canonical(windows: Windows, path: bytes) -> bytes:
    """What isn't there stays as it was given: the scan tells it. Raises `NoDriveInPath`, ValueError."""
    letter, names = split(path)
    at, found = live_root(letter) + "\\", [letter.encode()]
    for number, raw in enumerate(names):
        name = to_text(raw)
        try:
            listing = windows.list_folder(at)
        except WindowsFailure:
            return b"/" + b"/".join([*found, *names[number:]])
        exact = next((facts for facts in listing if facts.name == name), None)
        match = exact or next((facts for facts in listing if folded(facts.name) == folded(name)), None)
        if match is None:
            return b"/" + b"/".join([*found, *names[number:]])
        at = below(at, match.name)
        found.append(to_bytes(match.name))
        if is_link(match) and number < len(names) - 1:
            resolved = _resolved(windows, at)
            if resolved is None:
                return b"/" + b"/".join([*found, *names[number + 1 :]])
            return canonical(windows, b"/".join([resolved, *names[number + 1 :]]))
    return b"/" + b"/".join(found)


def _resolved(windows: Windows, path: str) -> bytes | None:
    """Where a junction leads; None where that is no folder on a drive of this host."""
    try:
        held = windows.hold_folder(path)
    except WindowsFailure:
        return None
    try:
        return in_vault(held.real_path)
    finally:
        held.close()
