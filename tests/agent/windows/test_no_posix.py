"""The agent's way on Windows needs nothing that only POSIX systems have.

Its modules are imported without it, and the parts of it that run anywhere are run without it. What other packages
bring for each system is imported before.
"""

import subprocess
import sys
from pathlib import Path

BARE = """
import asyncio, concurrent.futures, logging.handlers, multiprocessing.connection, multiprocessing.pool, sqlite3, ssl
import subprocess, tempfile, uuid
import aiohttp, blake3, cryptography.hazmat.primitives.hpke, cryptography.x509, jwt, lmdb, msgspec, pathspec
import platformdirs, psutil, pyfastcdc, structlog, typer, zstandard
import os, signal, socket, sys

for name in "fcntl grp pwd resource termios tty pty syslog readline".split():
    sys.modules[name] = None
for name in '''O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_PATH O_NOATIME O_NONBLOCK O_NOCTTY RWF_NOWAIT SEEK_DATA SEEK_HOLE fork
        forkpty pread pwrite preadv pwritev sched_getaffinity geteuid getuid getegid getgid fchmod fchown chown lchown
        memfd_create setsid getpriority setpriority nice posix_fadvise statvfs fstatvfs getxattr setxattr listxattr
        removexattr mkfifo mknod makedev major minor syncfs'''.split():
    if hasattr(os, name):
        delattr(os, name)
for name in "pthread_sigmask SIGKILL SIGHUP SIGUSR1 SIGCHLD sigwait".split():
    delattr(signal, name)
pair = socket.socketpair
family = socket.AF_UNIX
socket.socketpair = lambda: pair(family)  # this system's own loops can't do without
for name in "AF_UNIX SOCK_CLOEXEC send_fds recv_fds SO_PEERCRED".split():
    if hasattr(socket, name):
        delattr(socket, name)
import phoenix_core.host.process
phoenix_core.host.process.IS_WINDOWS = True
"""


def run_bare(program: str, *arguments: str) -> str:
    """A program in a process of its own, after all of that is gone."""
    done = subprocess.run(
        [sys.executable, "-c", BARE + program, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_agent_and_its_windows_jobs_are_imported() -> None:
    loaded = run_bare(
        "import phoenix_core.agent.run, phoenix_core.agent.windows.native.host, phoenix_core.agent.windows.service\n"
        "print(*sorted(name for name in sys.modules if name.startswith('phoenix_core')))"
    ).split()
    assert "phoenix_core.agent.windows.restore.job" in loaded
    assert "phoenix_core.agent.backup.backup_job" in loaded
    assert "phoenix_core.agent.backup.scan" not in loaded
    assert "phoenix_core.agent.restore.restore_job" not in loaded


def test_the_command_that_runs_the_agent_is_imported() -> None:
    run_bare(
        "import phoenix_core.cli.main, phoenix_core.cli.rolehost, phoenix_core.cli.agent, phoenix_core.cli.enrolling"
    )


def test_the_command_runs_the_agent(tmp_path: Path) -> None:
    assert run_bare(
        """
import asyncio
from pathlib import Path
from phoenix_core.agent import run
from phoenix_core.agentlink.peerstate import PeerState
from phoenix_core.cli.rolehost import run_agent_role
from phoenix_core.cli.windowsservice import install_agent
from phoenix_core.host.datadir import DataDirectory
PeerState.load = lambda folder: None
async def running(state, **more):
    print("runs on", state.name)
run.run_agent = running
assert asyncio.run(run_agent_role(DataDirectory(Path(sys.argv[1])), None, None, quiet=True)) == 0
asyncio.run(install_agent(None, token="", dry_run=True, start=True, as_json=False))
""",
        str(tmp_path),
    ).startswith("runs on agent")


def test_what_the_agent_keeps_on_disk_is_written_and_read(tmp_path: Path) -> None:
    """State, spools, copies of packs, key cache, outbox, logs: with files that know no reading at an offset."""
    run_bare(
        """
import msgspec
from pathlib import Path
from phoenix_core.agent.backup.spool import Spool
from phoenix_core.agent.keycache import KeyCache
from phoenix_core.agent.state import AgentState
from phoenix_core.agentlink.outbox import Outbox
from phoenix_core.agentlink.reports import LogReport
from phoenix_core.domain.clock import SystemClock
from phoenix_core.host.atomicfile import make_folders, write_atomic
from phoenix_core.host.logs import configure_logs
from phoenix_core.vault.packwriter import _new_file
folder = Path(sys.argv[1]) / "state"
make_folders(folder)
write_atomic(folder / "file", b"content")
spool = Spool(folder, int, memory_bytes=10)
for number in range(1000):
    spool.append(number)
assert list(spool) == list(range(1000)) == list(spool)
cache = KeyCache(folder)
cache.remember({b"p" * 32: b"k" * 32})
assert cache.recall([b"p" * 32]) == {b"p" * 32: b"k" * 32}
AgentState(folder).recorded("job", 5)
assert AgentState(folder).seen.last_record == 5
outbox = Outbox(folder / "outbox.sqlite", SystemClock())
outbox.append("job", LogReport(level="info", text="x"))
assert len(outbox) == 1
configure_logs(folder / "logs", "agent")
os.close(_new_file())
""",
        str(tmp_path),
    )


def test_workers_start_from_nothing_where_there_is_no_fork() -> None:
    """As on Windows: `spawn`, pipes of another type, no signals to hold back."""
    assert run_bare(
        """
import multiprocessing
multiprocessing.get_all_start_methods = lambda: ["spawn"]
from phoenix_core.agent import workerstart
from phoenix_core.agent.workerpool import WorkerPool
workerstart.get_ready()
print(workerstart.worker_context().get_start_method())
"""
    ).split() == ["spawn"]
