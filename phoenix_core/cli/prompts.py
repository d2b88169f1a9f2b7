"""Asks at the terminal. One Ctrl-C, SIGTERM or hang-up while it waits ends the command at once."""

import contextlib
import getpass
import signal
import sys
from collections.abc import Iterator
from types import FrameType

from phoenix_core.host.stopsignals import HANG_UP

SIGNALS = (signal.SIGINT, signal.SIGTERM, *HANG_UP)


def ask(prompt: str) -> str:
    """A line, shown as it is typed; empty at the end of input. The prompt goes to standard error."""
    with interruptible():
        sys.stderr.write(prompt)
        sys.stderr.flush()
        return sys.stdin.readline().rstrip("\n")


def ask_secret(prompt: str) -> str:
    """A line that isn't shown; empty at the end of input."""
    with interruptible():
        try:
            return getpass.getpass(prompt)
        except EOFError:
            return ""


def read_line() -> str:
    """The next line of standard input, without a prompt."""
    with interruptible():
        return sys.stdin.readline().rstrip("\n")


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """An event loop takes a first signal for a request to cancel its task, which can't be while this thread reads: the
    read would go on, and take what is typed next, maybe a passphrase, for the shell."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    wakeup = signal.set_wakeup_fd(-1)  # the loop isn't told: the exception tells all who wait
    try:
        for number, handler in handlers.items():
            if handler not in (None, signal.SIG_IGN):
                signal.signal(number, _interrupt)
        yield
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            sys.stderr.write("\n")
        raise
    finally:
        for number, handler in handlers.items():
            if handler is not None:
                signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
