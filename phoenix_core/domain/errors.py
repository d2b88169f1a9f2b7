"""The root of all errors: a code, what happened to what, what to do next, and whether a retry can help.

Each package declares its errors in an `errors.py` of its own as subclasses of `PhoenixError`. An error travels as
`ErrorView` (code and fields); any front end can word it anew from the catalogue.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_MISSING_FILES = 3
EXIT_QUEUED = 4
EXIT_RESTART = 75
"""Of an agent that ends so that its service starts the version that was put in use."""
EXIT_CANCELLED = 130


class ErrorView(msgspec.Struct, frozen=True):
    """An error as it travels over HTTP, the agent link and into the catalog."""

    code: str
    message: str
    hint: str
    fields: dict[str, str | int] = {}
    retryable: bool = False
    exit_code: int = EXIT_FAILED


class PhoenixError(Exception):
    """Base of every error that a user may see. `template` and `hint` are filled from the keyword fields."""

    code: ClassVar[str] = "internal"
    template: ClassVar[str] = "Something failed inside Phoenix: {detail}."
    hint: ClassVar[str] = "Run `phoenix doctor`; the log named there has the details."
    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = EXIT_FAILED
    http_status: ClassVar[int] = 400

    def __init__(self, **fields: Any) -> None:
        self.fields: dict[str, str | int] = {
            name: value if isinstance(value, int) else str(value) for name, value in fields.items()
        }
        super().__init__(self.template.format(**self.fields))

    @property
    def message(self) -> str:
        return str(self)

    @property
    def what_to_do(self) -> str:
        return self.hint.format(**self.fields)

    def view(self) -> ErrorView:
        return ErrorView(
            code=self.code,
            message=self.message,
            hint=self.what_to_do,
            fields=self.fields,
            retryable=self.retryable,
            exit_code=self.exit_code,
        )


class RemoteError(PhoenixError):
    """An error that the other end of a connection reported; keeps the code, text and exit code it had there."""

    code = "remote"

    def __init__(self, view: ErrorView) -> None:
        Exception.__init__(self, view.message)
        self.fields = dict(view.fields)
        self._view = view

    @property
    def what_to_do(self) -> str:
        return self._view.hint

    def view(self) -> ErrorView:
        return self._view


class UsageError(PhoenixError):
    """What was asked for makes no sense, whatever the state of the system."""

    code = "usage"
    template = "{detail}"
    hint = "See `--help` of the command."
    exit_code = EXIT_USAGE


class NotFound(PhoenixError):
    """A named thing does not exist."""

    code = "not_found"
    template = "There is no {what} named {name}."
    hint = "List what there is with `phoenix {what} list`."
    http_status = 404


class Conflict(PhoenixError):
    """The thing is in a state in which this can't be done."""

    code = "conflict"
    template = "{detail}"
    hint = "{advice}"
    http_status = 409


class Cancelled(PhoenixError):
    """An operator cancelled the work."""

    code = "cancelled"
    template = "Cancelled by {who}."
    hint = "Start it again with `phoenix job retry {job}`."
    exit_code = EXIT_CANCELLED

    def __init__(self, *, who: str, job: str = "JOB") -> None:
        super().__init__(who=who, job=job)


def from_view_as(view: ErrorView, classes: Mapping[str, type[PhoenixError]]) -> PhoenixError:
    """The error that another process raised, as the class of its code; RemoteError where `classes` doesn't know it, or
    where it needs other fields."""
    cls = classes.get(view.code)
    if cls is None:
        return RemoteError(view)
    try:
        error = cls(**view.fields)
        _ = error.what_to_do  # is worded when it is shown, by the same fields
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return RemoteError(view)
    return error
