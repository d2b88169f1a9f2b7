"""Streams: what a program prints, or somebody hands to an agent, backed up under a name as one file; their names, and
where they are in a snapshot."""

import re
from collections.abc import Sequence

import msgspec

from phoenix_core.domain.policies import SCRIPT_NAME

FOLDER = "/phoenix-streams"
"""The folder of a snapshot that streams lie in, so that none is taken for a file of the server."""
NAME = re.compile(r"\w[\w.@+-]{0,99}")


class Stream(msgspec.Struct, frozen=True):
    """A stream to be backed up."""

    name: str
    script: str
    """Name of the script on the agent whose standard output is the data; empty: it is handed to the agent."""
    handed: str = ""
    """Names who hands it to the agent, on its own host."""


def path_of(name: str) -> str:
    """Where it is in its snapshot."""
    return f"{FOLDER}/{name}"


def name_of(paths: Sequence[str]) -> str:
    """The stream that a snapshot of these paths holds; empty: it is one of files."""
    above, _, name = paths[0].rpartition("/") if len(paths) == 1 else ("", "", "")
    return name if above == FOLDER else ""


def handed(name: str, by: str) -> Stream:
    """Raises ValueError with what is wrong."""
    return Stream(_named(name), "", by)


def checked(name: str, script: str) -> Stream:
    """Raises ValueError with what is wrong."""
    _named(name)
    if not SCRIPT_NAME.fullmatch(script):
        raise ValueError(f"{script or 'nothing'} is no plain file name of letters, digits, -, _ and .")
    return Stream(name, script)


def parse(line: str) -> Stream:
    """Of a content rule's `name=script`. Raises ValueError with what is wrong."""
    name, sign, script = line.partition("=")
    if not sign:
        raise ValueError(f"{line} is not of the form NAME=SCRIPT")
    return checked(name.strip(), script.strip())


def _named(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(f"{name or 'nothing'} is no name of a stream: letters, digits and . @ + - _, up to 100")
    return name
