"""Facts about this host and this process: names, addresses, a stable machine id, the limit of open files."""

import hashlib
import hmac
import importlib
import ipaddress
import os
import platform
import socket
import sys
import uuid
from pathlib import Path

import msgspec
import psutil

_MACHINE_ID_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_PURPOSE = b"phoenix machine id v1"
IS_WINDOWS = os.name == "nt"
PLATFORM_CHARACTERS = 100


class HostFacts(msgspec.Struct, frozen=True):
    hostname: str
    platform: str
    """The kernel's name first, then what a person tells hosts apart by: `Linux x86_64, Debian GNU/Linux 12`."""
    machine_id: str
    """32 hex digits, the same over restarts; derived, so that the host's own id isn't given away."""


def hostname() -> str:
    return socket.gethostname()


def host_facts() -> HostFacts:
    return HostFacts(hostname=hostname(), platform=platform_text(), machine_id=machine_id())


def platform_text() -> str:
    text = f"{platform.system()} {platform.machine()}"
    release = ""
    if sys.platform.startswith("linux"):
        try:
            release = platform.freedesktop_os_release().get("PRETTY_NAME", "")
        except OSError:
            release = platform.release()
    else:
        release = platform.release()
    return f"{text}, {release}"[:PLATFORM_CHARACTERS] if release else text


def machine_id(files: tuple[Path, ...] = _MACHINE_ID_FILES) -> str:
    """Keyed with our purpose, as sd_id128_get_machine_app_specific(3) advises; from the first network card's address
    where the host has no machine id."""
    for file in files:
        try:
            text = file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if len(text) == 32:
            return hmac.new(_PURPOSE, text.encode("ascii"), hashlib.sha256).hexdigest()[:32]
    fallback = f"{hostname()} {uuid.getnode():012x}"
    return hmac.new(_PURPOSE, fallback.encode(), hashlib.sha256).hexdigest()[:32]


def usable_processors() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def own_addresses() -> list[str]:
    """This host's addresses that others may reach, IPv4 first; no loopback, no link-local ones."""
    found: list[str] = []
    for entries in psutil.net_if_addrs().values():
        for entry in entries:
            if entry.family not in {socket.AF_INET, socket.AF_INET6}:
                continue
            address = ipaddress.ip_address(entry.address.split("%")[0])
            if not address.is_loopback and not address.is_link_local:
                found.append(str(address))
    return sorted(dict.fromkeys(found), key=lambda text: ":" in text)


def raise_open_files_limit(wanted: int = 65536) -> int:
    """Raise the soft limit of open files (Debian: 1,024) as far as the hard one allows; gives the limit that holds.

    A core needs one per connection, a storage node several per job. Windows has no such limit."""
    if IS_WINDOWS:
        return wanted
    resource = importlib.import_module("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        return target
    return int(soft)
