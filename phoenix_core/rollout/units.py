"""The units of systemd: the files in `unitfiles`, with the program and the folders of this host in them."""

import re
from importlib import resources
from pathlib import Path

from phoenix_core import rollout
from phoenix_core.rollout.errors import DataUnfit
from phoenix_core.rollout.program import Program

STATE = Path("/var/lib")
PROGRAM = "/opt/phoenix/bin/phoenix"
ALLOWING = "agent run --allow-upgrade\n"
"""In the unit of an agent that its core's operators may upgrade."""
_PLAIN = re.compile(r"/[A-Za-z0-9._/+@=-]*")
"""What a unit takes as it stands, without quotes and escapes."""


def unit_file(name: str) -> str:
    return resources.files(rollout).joinpath("unitfiles", name).read_text("utf-8")


def core_unit(program: Program, data: Path, vault: Path | None) -> str:
    """`vault`: where it lies, if not in the data directory. Raises DataUnfit."""
    text = _with_folders("phoenix-core.service", program, data)
    writable = [str(each) for each in (_outside_state(data), vault) if each is not None]
    for path in writable:
        _check_plain(Path(path))
    if writable:
        text = text.replace("# ReadWritePaths=/srv/phoenix/vault\n", f"ReadWritePaths={' '.join(writable)}\n")
    return text


def agent_unit(program: Program, data: Path, *, allow_upgrade: bool) -> str:
    """`allow_upgrade`: the core's operators may upgrade the agent. Raises DataUnfit."""
    text = _with_folders("phoenix-agent.service", program, data)
    if program.versions is not None:
        before = f"ExecStartPre=-{program.versions.prefix}/before-start\n"
        text = text.replace("# ExecStartPre=-/opt/phoenix/before-start\n", before)
    return text.replace("agent run\n", ALLOWING) if allow_upgrade else text


def _with_folders(name: str, program: Program, data: Path) -> str:
    _check_plain(data)
    _check_plain(program.path)
    text = unit_file(name).replace(PROGRAM, str(program.path))
    text = re.sub(r"(?m)^Environment=PHOENIX_DATA=.*$", f"Environment=PHOENIX_DATA={data}", text)
    if _outside_state(data):
        return re.sub(r"(?m)^StateDirectory(Mode)?=.*\n", "", text)
    return re.sub(r"(?m)^StateDirectory=.*$", f"StateDirectory={data.relative_to(STATE)}", text)


def _outside_state(data: Path) -> Path | None:
    """systemd makes the folder where it lies in /var/lib."""
    return None if data.is_relative_to(STATE) and data != STATE else data


def _check_plain(path: Path) -> None:
    if not _PLAIN.fullmatch(str(path)):
        raise DataUnfit(
            path=path,
            detail="its name has blanks or signs that a unit can't hold",
            advice="Choose a path of letters, digits and . _ + @ = -.",
        )
