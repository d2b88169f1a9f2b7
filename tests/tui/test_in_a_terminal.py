"""The console as a process in a real (pseudo) terminal."""

import asyncio
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.tui.scripted_core import ScriptedCore

PROGRAM = """
import sys
from pathlib import Path
from phoenix_tui.app import run_blocking
Path(sys.argv[2]).write_text(run_blocking(Path(sys.argv[1]), embedded=True))
"""
FAILING = """
import sys
from pathlib import Path
from phoenix_core.domain.errors import PhoenixError
from phoenix_tui.app import run_blocking
from phoenix_tui.screens.jobs import JobsScreen
JobsScreen.show_model = lambda screen: screen.query_one("#no-such-widget")
try:
    answer = run_blocking(Path(sys.argv[1]), embedded=True)
except PhoenixError as error:
    answer = error.code
Path(sys.argv[2]).write_text(answer)
"""
PATIENCE_S = 60.0


class Terminal:
    """A console in a pseudo-terminal of 80×24."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._answer = data_dir / "answer"
        self.seen = b""

    async def start(self, program: str = PROGRAM) -> None:
        self.master, slave = pty.openpty()
        environment = dict(os.environ, TERM="xterm-256color", COLUMNS="80", LINES="24")
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, str(self._data_dir), str(self._answer),
            stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        asyncio.get_running_loop().add_reader(self.master, self._read)

    def _read(self) -> None:
        try:
            self.seen += os.read(self.master, 65536)
        except OSError:
            asyncio.get_running_loop().remove_reader(self.master)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.master)
        os.close(self.master)

    async def sees(self, text: bytes) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while text not in self.seen:
                assert self.process.returncode is None, self.seen.decode(errors="replace")
                await asyncio.sleep(0.02)

    def type(self, text: bytes) -> None:
        os.write(self.master, text)

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def answer(self) -> str:
        async with asyncio.timeout(PATIENCE_S):
            await self.process.wait()
        return self._answer.read_text()


@pytest_asyncio.fixture
async def terminal(core: ScriptedCore, tmp_path: Path) -> AsyncIterator[Terminal]:
    one = Terminal(tmp_path)
    await one.start()
    yield one
    await one.end()


@pytest_asyncio.fixture
async def failing(core: ScriptedCore, tmp_path: Path) -> AsyncIterator[Terminal]:
    """Its screen of jobs has an error."""
    one = Terminal(tmp_path)
    await one.start(FAILING)
    yield one
    await one.end()


async def test_it_shows_the_dashboard_and_leaves_with_the_operators_answer(terminal: Terminal) -> None:
    await terminal.sees(b"Needs attention")
    terminal.type(b"q")
    await terminal.sees(b"Keep the core running")
    terminal.type(b"\x1b[C")
    await terminal.sees(b"Stay")
    terminal.type(b"\r")
    assert await terminal.answer() == "keep"
    assert b"\x1b[?1049l" in terminal.seen
    terminal.close()


async def test_a_hang_up_keeps_the_core(terminal: Terminal) -> None:
    await terminal.sees(b"Needs attention")
    terminal.close()
    terminal.process.send_signal(signal.SIGHUP)
    assert await terminal.answer() == "keep"


async def test_a_termination_stops_it_and_gives_the_terminal_back(terminal: Terminal) -> None:
    await terminal.sees(b"Needs attention")
    terminal.process.send_signal(signal.SIGTERM)
    assert await terminal.answer() == "stop"
    assert b"\x1b[?1049l" in terminal.seen
    terminal.close()


async def test_an_error_of_its_own_is_no_wish_to_keep_the_core(failing: Terminal) -> None:
    await failing.sees(b"Needs attention")
    failing.type(b"3")
    assert await failing.answer() == "console_failed"
    assert b"no-such-widget" in failing.seen
    failing.close()
