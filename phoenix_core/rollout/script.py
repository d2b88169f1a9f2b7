"""The script that the core serves to servers, and the one line that fetches it, checks it and runs it.

The line trusts nobody: it takes whatever answers, compares its SHA-256 with the one that the operator's core printed,
and only then runs it. The script, not the line, then proves the core by the fingerprint in the token.
"""

import asyncio
import hashlib
from importlib import resources

from phoenix_core.rollout import onserver

SCRIPT_PATH = "/install/v1/script"
ORDER = ("stop", "python", "core", "targets", "versions", "unit", "install")
"""Of the files, each after those that it imports."""
_BEGIN = '''"""Brings Phoenix onto this server, from its core; see phoenix_core/rollout/onserver."""
import sys, types
def load(name, text):
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(text, name, "exec"), module.__dict__)
for name in ("phoenix_core", "phoenix_core.rollout", "phoenix_core.rollout.onserver"):
    load(name, "")
'''


def script() -> bytes:
    """The files in one, the same bytes for every core of this version."""
    folder = resources.files(onserver)
    parts = [_BEGIN]
    for name in ORDER:
        text = folder.joinpath(f"{name}.py").read_text("utf-8")
        parts.append(f"load({f'{onserver.__name__}.{name}'!r}, {text!r})\n")
    parts.append(f"sys.exit(sys.modules[{f'{onserver.__name__}.install'!r}].main(sys.argv[1:]))\n")
    return "".join(parts).encode("utf-8")


class ServedScript:
    """The script of a core, read once, when it is first asked for."""

    def __init__(self) -> None:
        self._content = b""

    async def content(self) -> bytes:
        if not self._content:
            self._content = await asyncio.to_thread(script)
        return self._content


def install_line(token: str, url: str, content: bytes) -> str:
    """What to paste at the server, for any shell. The token goes through a pipe: as an argument, other users of the
    server would see it in the list of processes, and sudo would write it to its log. Python runs isolated (-I), so that
    no file of the folder where the line is pasted, and no variable, can pass for a part of its library."""
    digest = hashlib.sha256(content).hexdigest()
    source = ";".join(
        (
            "import sys,ssl,hashlib,urllib.request as u",
            "sys.version_info>(3,6)and ssl.OPENSSL_VERSION_INFO>(1,1,1)or sys.exit('phoenix: too old: Python '+"
            "sys.version.split()[0]+', '+ssl.OPENSSL_VERSION+'. Install Python 3.11 or newer beside it and put its"
            " name, such as python3.11, in place of python3.')",
            "sys.excepthook=lambda t,e,b:print('phoenix: the core can not be asked:',e)",
            f"s=u.urlopen('{url}{SCRIPT_PATH}',timeout=60,context=ssl._create_unverified_context()).read()",
            f"hashlib.sha256(s).hexdigest()=='{digest}' or sys.exit('phoenix: what came is not the script of your core,"
            " or the core was upgraded since: make a new line with phoenix server add. Nothing was changed.')",
            "exec(s)",
        )
    )
    return f'echo {token} | sudo python3 -I -c "{source}"'
