"""Brings Phoenix onto this server: what the line of `phoenix server add` runs, with the token on standard input.

In this order: whether this server can run Phoenix is looked at before anything is changed; the core proves by the
fingerprint in the token that it is the core; the wheels go into a version of their own; the server is enrolled; the
version becomes the one in use; the service is installed. Started again after an interruption it goes on with what is
whole.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from typing import Any

from phoenix_core.rollout.onserver.core import first_core, read_token
from phoenix_core.rollout.onserver.python import find_pythons
from phoenix_core.rollout.onserver.stop import Stop
from phoenix_core.rollout.onserver.targets import choose
from phoenix_core.rollout.onserver.unit import UNIT, clean_environment, renew_unit
from phoenix_core.rollout.onserver.versions import PREFIX, Versions

DATA = "/var/lib/phoenix-agent"
INTERRUPTED = 130


def main(arguments: "list[str]") -> int:
    """The exit code: 0, or 1 with the reason on standard error."""
    sys.excepthook = sys.__excepthook__
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        _install(_options(arguments))
    except Stop as stop:
        sys.stderr.write(f"phoenix: {stop.message}\n" + (f"  {stop.advice}\n" if stop.advice else ""))
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("phoenix: interrupted. Paste the line again to go on; with a new token if it says so.\n")
        return INTERRUPTED
    return 0


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _options(arguments: "list[str]") -> Any:
    parser = argparse.ArgumentParser(prog="install", description="Bring Phoenix onto this server.")
    parser.add_argument("--prefix", default=PREFIX, help="where the program goes; default: %(default)s")
    parser.add_argument("--data", default=DATA, help="the agent's data directory; default: %(default)s")
    parser.add_argument("--python", default="", help="the Python to use; default: the first that can be used")
    parser.add_argument("--no-service", action="store_true", help="install and enrol only; needs no root")
    parser.add_argument("--allow-upgrade", action="store_true", help="let the core's operators upgrade this agent")
    return parser.parse_args(arguments)


def _install(options: Any) -> None:
    token = sys.stdin.readline().strip()
    urls, fingerprint = read_token(token)
    if not sys.platform.startswith("linux"):
        raise Stop(f"Phoenix runs on Linux; this is {sys.platform}.")
    if os.geteuid() != 0 and not options.no_service:
        raise Stop(
            "This must run as root, since an agent reads every file. Nothing was changed.",
            "Put sudo in front of python3 in the line, or add --no-service at its end for an agent of this user's own.",
            "root_needed",
        )
    pythons = find_pythons(options.python)
    core, bundle = first_core(urls, fingerprint)
    python, target = choose(bundle, pythons)
    versions = Versions(options.prefix, _say)
    with versions.alone():
        _refuse_older(versions, str(bundle["version"]))
        name = versions.build(core, bundle, target, str(python["path"]))
        program = versions.path(name, "bin", "phoenix")
        _enrol(program, options.data, token)
        more = ("--allow-upgrade",) if options.allow_upgrade else ()
        unit = "" if options.no_service else UNIT
        versions.switch(name, unit, lambda: renew_unit(program, options.data, more))
    program = os.path.join(versions.prefix, "current", "bin", "phoenix")
    if options.no_service:
        _say(f"Start it with: {program} agent run --data {options.data}")
        return
    _call([program, "agent", "install", "--data", options.data, *more])


def _refuse_older(versions: Versions, offered: str) -> None:
    if versions.is_newer_than(offered):
        raise Stop(
            f"The core offers version {offered}, older than {versions.version}, which is in use here. "
            "Nothing was changed.",
            "Upgrade the core first; then `phoenix core bundle` there, and a new line. To take the older version all "
            "the same: `phoenix agent uninstall` here, which keeps the enrolment, then paste the line again.",
            "upgrade_not_newer",
        )


def _enrol(program: str, data: str, token: str) -> None:
    """The token goes over standard input, where other users of this server can't see it."""
    command = [program, "agent", "enroll", "-", "--keep", "--json", "--data", data]
    done = subprocess.run(
        command, input=(token + "\n").encode(), stdout=subprocess.PIPE, env=clean_environment(), check=False
    )
    try:
        answer = json.loads(done.stdout.decode("utf-8"))
        if done.returncode:
            raise Stop(answer["error"]["message"], answer["error"]["hint"], answer["error"]["code"])
        _say("Enrolled as {}.".format(answer["name"]))
    except (ValueError, KeyError, TypeError):
        raise Stop(f"It failed to enrol, with exit code {done.returncode}.", "Paste the line again.") from None


def _call(command: "list[str]") -> None:
    sys.stdout.flush()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, env=clean_environment(), check=False)
    if done.returncode:
        raise Stop("It stopped at: {}".format(" ".join(command)), "Put right what it says; then paste the line again.")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
