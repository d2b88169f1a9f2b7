"""What a `set` command changes: what is there, or something new."""

from collections.abc import Awaitable
from typing import TypeVar

from phoenix_core.domain.errors import NotFound, RemoteError

T = TypeVar("T")


async def known_or(asked: Awaitable[T], new: T) -> T:
    """What was asked for; `new` where the core says that there is none."""
    try:
        return await asked
    except RemoteError as error:
        if error.view().code != NotFound.code:
            raise
        return new
