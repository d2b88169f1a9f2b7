"""The operator's own command with another snapshot in it, where an error names one that holds what was asked for."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from phoenix_core.domain.errors import ErrorView, RemoteError

Command = Callable[[str], Sequence[str]]
"""The words of the whole command, every option that was given among them, with this snapshot in place of its own."""


def with_command(view: ErrorView, command: Command) -> ErrorView:
    """The error; where it names a snapshot to take instead, its hint names the command that does."""
    snapshot = str(view.fields.get("instead", ""))
    if not snapshot:
        return view
    words = shlex.join(("phoenix", *command(snapshot)))
    return msgspec.structs.replace(view, hint=f"{view.hint} The same command with it: `{words}`.")


@contextmanager
def naming(command: Command) -> Iterator[None]:
    """What the core refuses in the block is told with the command."""
    try:
        yield
    except RemoteError as error:
        raise RemoteError(with_command(error.view(), command)) from error
