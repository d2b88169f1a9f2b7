"""Asks Windows by PowerShell, which is part of every Windows Server: a script in, JSON out."""

import base64
import json
import subprocess
from collections.abc import Callable
from typing import Any

from phoenix_core.agent.windows.seam import WindowsFailure

TIMEOUT = 1460
FAILED = 1359
"""ERROR_TIMEOUT and ERROR_INTERNAL_ERROR of winerror.h, for what has no number of its own."""
_NO_WINDOW = 0x08000000
_BEFORE = (
    "$ErrorActionPreference='Stop'; $ProgressPreference='SilentlyContinue'; "
    "[Console]::OutputEncoding=[Text.UTF8Encoding]::new($false); try { "
)
_AFTER = (
    " } catch { [Console]::Out.Write((ConvertTo-Json -Compress -InputObject "
    "@{failed=$_.Exception.Message; code=$_.Exception.HResult})); exit 3 }"
)
Run = Callable[[list[str], float], tuple[int, bytes, bytes]]
"""Runs a command for so many seconds at most: exit code, output, error output. Raises TimeoutExpired, OSError."""


def run_command(command: list[str], timeout_s: float) -> tuple[int, bytes, bytes]:
    """Until it ends. One that takes too long is given up, not ended: what it asked of Windows may still come to be, and
    it writes that down."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        creationflags=_NO_WINDOW,
    )
    output, errors = process.communicate(timeout=timeout_s)
    return process.returncode, output, errors


class PowerShell:
    def __init__(self, run: Run = run_command) -> None:
        self._run = run

    def ask(self, call: str, script: str, timeout_s: float) -> Any:
        """What the script writes, as JSON; None for nothing. `call` names it in failures. Raises WindowsFailure."""
        try:
            code, output, errors = self._run(command_of(script), timeout_s)
        except subprocess.TimeoutExpired as error:
            raise WindowsFailure(TIMEOUT, call, detail=f"no answer within {timeout_s:.0f} s") from error
        except OSError as error:
            raise WindowsFailure(FAILED, call, detail=f"PowerShell can't be run: {error}") from error
        answer = _parsed(output)
        if isinstance(answer, dict) and "failed" in answer:
            number = int(answer.get("code") or FAILED) & 0xFFFFFFFF
            text = " ".join(str(answer["failed"]).split())
            raise WindowsFailure(number, call, detail=f"{text} (0x{number:08x})")
        if code != 0 or answer is _NO_JSON:
            text = " ".join((errors or output).decode("utf-8", "replace").split())[:300]
            raise WindowsFailure(FAILED, call, detail=text or f"PowerShell ended with exit code {code}")
        return answer


_NO_JSON = object()


def command_of(script: str) -> list[str]:
    """The command line; the script is encoded, so that no quoting of the shell's applies."""
    whole = _BEFORE + script + _AFTER
    encoded = base64.b64encode(whole.encode("utf-16-le")).decode("ascii")
    return ["powershell.exe", "-NoLogo", "-NoProfile", "-NonInteractive", "-EncodedCommand", encoded]


def quoted(text: str) -> str:
    """A string in PowerShell that stands for itself. All the quotation marks that it takes for one are doubled."""
    for mark in "'\u2018\u2019\u201a\u201b":
        text = text.replace(mark, mark + mark)
    return f"'{text}'"


def listed(answer: Any) -> list[dict[str, Any]]:
    """An answer that is to be a list: PowerShell 5.1 gives a single element bare, and some lists with their count."""
    if answer is None:
        return []
    if isinstance(answer, dict) and isinstance(answer.get("value"), list):
        answer = answer["value"]
    return [each for each in (answer if isinstance(answer, list) else [answer]) if isinstance(each, dict)]


def _parsed(output: bytes) -> Any:
    text = output.decode("utf-8-sig", "replace").strip()
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return _NO_JSON
