"""The agent's unit, brought by a version of the program to what that version wants it to be."""

import os
import subprocess

from phoenix_core.rollout.onserver.stop import Stop

UNIT = "/etc/systemd/system/phoenix-agent.service"


def renew_unit(program: str, data: str, more: "tuple[str, ...]" = ()) -> None:
    """`more`: further options of `agent install`. Raises Stop."""
    command = [program, "agent", "install", "--no-start", "--data", data, "--json", *more]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=clean_environment(),
        check=False,
    )
    if done.returncode:
        said = " ".join(done.stdout.decode("utf-8", "replace").split())[-400:]
        raise Stop(f"The new version could not renew the agent's unit: {said}. The version before stays in use.")


def clean_environment() -> "dict[str, str]":
    """Without what steers another Python or another Phoenix."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PHOENIX_"))}
