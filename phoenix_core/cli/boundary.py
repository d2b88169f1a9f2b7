"""Runs a command's work and turns what it raises into an exit code: the one error boundary of the command line."""

import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NoReturn

from phoenix_core.cli.output import print_error, warn
from phoenix_core.domain.errors import EXIT_CANCELLED, EXIT_DONE, ErrorView, PhoenixError
from phoenix_core.host.datadir import DataDirectory, default_data_directory
from phoenix_core.host.stopsignals import HANG_UP, call_on_signal


def data_directory(data: Path | None) -> DataDirectory:
    return DataDirectory(data or default_data_directory())


def execute(work: Coroutine[Any, Any, int | None], *, as_json: bool = False) -> NoReturn:
    """Run to the end; exit with what it returns (None: 0), or as its error says."""
    sys.exit(_run(work, as_json=as_json))


def _run(work: Coroutine[Any, Any, int | None], *, as_json: bool) -> int:
    _quiet_logs()
    try:
        return asyncio.run(_interruptible(work)) or EXIT_DONE
    except PhoenixError as error:
        view = error.view()
        print_error(view, as_json=as_json)
        return view.exit_code
    except (KeyboardInterrupt, asyncio.CancelledError):
        warn("phoenix: interrupted.")
        return EXIT_CANCELLED
    except BrokenPipeError:
        sys.stdout = None  # the reader has gone: nothing more to say, even at exit
        return EXIT_DONE
    except Exception as error:
        logging.getLogger(__name__).exception("a command failed")
        detail = f"{type(error).__name__}: {error}"
        print_error(
            ErrorView("internal", f"Something failed inside Phoenix: {detail}.", PhoenixError.hint), as_json=as_json
        )
        return PhoenixError.exit_code


async def _interruptible(work: Coroutine[Any, Any, int | None]) -> int | None:
    """SIGTERM and a hang-up end the work as Ctrl-C does: what is to be cleaned up, is. With nohup, no hang-up does."""
    task = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, *HANG_UP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            call_on_signal(number, task.cancel)
    return await task


def _quiet_logs() -> None:
    """Until a role sets its log file up, nothing is logged to the terminal."""
    import structlog

    if not structlog.is_configured():
        structlog.configure(
            logger_factory=structlog.stdlib.LoggerFactory(),
            wrapper_class=structlog.stdlib.BoundLogger,
            processors=[structlog.stdlib.filter_by_level, structlog.processors.KeyValueRenderer()],
        )
        logging.getLogger().addHandler(logging.NullHandler())
