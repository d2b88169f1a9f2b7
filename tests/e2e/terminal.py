"""The console in a pseudo-terminal of 80×24 that is its controlling one, and what is on its screen."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Sequence

from tests.e2e.rig import PHOENIX, Machine

ROWS, COLUMNS = 24, 80
PATIENCE_S = 60.0
ENTER, ESCAPE, DOWN, RIGHT, TAB = "\r", "\x1b", "\x1b[B", "\x1b[C", "\t"
_PIECE = re.compile(rb"\x1b\[([0-9;:?<>= $]*)([@-~])|\x1b\].*?(?:\x07|\x1b\\)|\x1b[^\[\]]|([^\x1b]+)", re.DOTALL)
_UNFINISHED = re.compile(rb"\x1b(?:\[[^@-~]*|\][^\x07]*)?\Z")


class Screen:
    """What a terminal would show: the console only moves the cursor and writes."""

    def __init__(self) -> None:
        self._cells = [[" "] * COLUMNS for _ in range(ROWS)]
        self._row = self._column = 0
        self._rest = b""

    def feed(self, data: bytes) -> None:
        data = self._rest + data
        cut = _UNFINISHED.search(data)
        end = cut.start() if cut else len(data)
        for length in range(1, 4):  # A character that has not arrived whole.
            if data[:end][-length:][:1] >= b"\xc0":
                lead = data[end - length]
                end -= length if length < (2 if lead < 0xE0 else 3 if lead < 0xF0 else 4) else 0
                break
        self._rest = data[end:]
        for piece in _PIECE.finditer(data[:end]):
            numbers, final, text = piece.groups()
            if text is not None:
                self._write(text.decode(errors="replace"))
            elif final == b"H":
                row, _, column = numbers.decode().partition(";")
                self._row, self._column = int(row or 1) - 1, int(column or 1) - 1

    def _write(self, text: str) -> None:
        for character in text:
            if character == "\n":
                self._row = min(self._row + 1, ROWS - 1)
            elif character == "\r":
                self._column = 0
            elif character >= " " and self._row < ROWS and self._column < COLUMNS:
                self._cells[self._row][self._column] = character
                self._column += 1

    @property
    def lines(self) -> list[str]:
        return ["".join(row).rstrip() for row in self._cells]

    def shows(self, texts: Sequence[str]) -> bool:
        shown = "\n".join(self.lines)
        return all(text in shown for text in texts)


class Terminal:
    """A console that runs on a machine's data directory."""

    def __init__(self, here: Machine) -> None:
        self.screen = Screen()
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._process = subprocess.Popen(
            ["setsid", "--ctty", *PHOENIX, "--data", str(here.data)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**here.environment, "TERM": "xterm-256color"},
        )
        os.close(slave)
        self._changed = threading.Condition()
        self._over = False
        self._reading = threading.Event()
        self._reading.set()
        self._hang_up, self._asked = os.pipe()
        self._reader = threading.Thread(target=self._read, name="terminal")
        self._reader.start()

    def sees(self, *texts: str) -> None:
        """Wait until the screen shows all of them."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or self.screen.shows(texts), PATIENCE_S)
            assert self.screen.shows(texts), f"the screen does not show {texts}:\n" + "\n".join(self.screen.lines)

    def type(self, *keys: str) -> None:
        for key in keys:
            os.write(self._master, key.encode())

    def stall(self) -> None:
        """Stop reading what the console writes, as a terminal does whose connection hangs, and fill its buffers."""
        self._reading.clear()
        self.type(*"1234" * 50)

    def go_on(self) -> None:
        self._reading.set()

    def hang_up(self) -> None:
        """The terminal goes away: the kernel tells the console."""
        self.go_on()
        if self._reader.is_alive():
            os.write(self._asked, b"!")
        self._reader.join()

    def ends(self) -> int:
        """The exit code, once the console has been left."""
        return self._process.wait(PATIENCE_S)

    def clean_up(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)
        self.hang_up()
        os.close(self._asked)
        os.close(self._hang_up)

    def _read(self) -> None:
        """Take in all that the console writes, until it closes its end or we close ours."""
        try:
            while self._master in select.select([self._master, self._hang_up], [], [])[0]:
                self._reading.wait()
                data = os.read(self._master, 65536)
                with self._changed:
                    self.screen.feed(data)
                    self._changed.notify_all()
        except OSError:
            pass  # The console has closed its end.
        os.close(self._master)
        with self._changed:
            self._over = True
            self._changed.notify_all()
