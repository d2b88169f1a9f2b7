"""The keyring of the operating system, within bounds: a locked one may wait for a person for ever."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

TIMEOUT_S = 2.0
"""Nobody sits in front of a service."""
SERVICE = "phoenix-backup"

T = TypeVar("T")


class NoKeyring(Exception):
    """This host has none."""


class KeyringClosed(Exception):
    """It is there and doesn't open, or did not answer in time."""


def with_keyring(action: Callable[[Any], T]) -> T:
    """Do something with the keyring (a `keyring` backend). Blocks for TIMEOUT_S at most. Raises NoKeyring,
    KeyringClosed."""
    return _in_time(lambda: _opened(action))


def _opened(action: Callable[[Any], T]) -> T:
    import keyring
    import keyring.errors
    from keyring.backends import fail, null

    backend = keyring.get_keyring()
    if isinstance(backend, fail.Keyring | null.Keyring):
        raise NoKeyring("this host has no OS keyring")
    try:
        return action(backend)
    except keyring.errors.NoKeyringError as error:
        raise NoKeyring("this host has no OS keyring") from error
    except keyring.errors.KeyringError as error:
        raise KeyringClosed(str(error) or "it is locked") from error


def _in_time(action: Callable[[], T]) -> T:
    """Run in a thread that is given up after the time-out; keyrings offer none of their own."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(action())
        except BaseException as error:  # handed to the caller
            failure.append(error)

    thread = threading.Thread(target=run, name="keyring", daemon=True)
    thread.start()
    thread.join(TIMEOUT_S)
    if thread.is_alive():
        raise KeyringClosed(f"it did not answer within {TIMEOUT_S:g} s")
    if failure:
        if isinstance(failure[0], KeyringClosed | NoKeyring):
            raise failure[0]
        raise KeyringClosed(type(failure[0]).__name__) from failure[0]
    return outcome[0]
