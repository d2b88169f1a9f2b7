"""Names a process so that a later one, on any host, can tell whether it is certain to be gone."""

import os
from pathlib import Path

import msgspec
from blake3 import blake3

from phoenix_core.host.process import hostname, machine_id

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class ProcessName(msgspec.Struct, frozen=True):
    machine: str
    """Stands for the machine and its process namespace; reveals neither."""
    boot: str
    pid: int
    started: str
    """When the process started, in the kernel's ticks since boot: process ids are used again."""

    def is_gone(self) -> bool:
        """True only where it is certain: it ran on this machine, and no longer does."""
        here = this_process()
        if not self.machine or self.machine != here.machine:
            return False
        return self.boot != here.boot or _started(self.pid) != self.started


def this_process() -> ProcessName:
    pid = os.getpid()
    return ProcessName(machine=_machine(), boot=boot_id(), pid=pid, started=_started(pid))


def boot_id() -> str:
    """Changes each time the machine starts; `unknown` where the system doesn't say."""
    return _read(_BOOT_ID) or "unknown"


def _machine() -> str:
    """Empty, so that it equals nothing, where processes can't be told apart from those of others."""
    try:
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return ""
    return blake3(f"{machine_id()}/{hostname()}/{namespace}".encode()).hexdigest(16)


def _started(pid: int) -> str:
    """Empty for a process that isn't there. Field 22 of proc_pid_stat(5), after the name in brackets."""
    content = _read(Path(f"/proc/{pid}/stat"))
    fields = content.rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in {"Z", "X"} else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
