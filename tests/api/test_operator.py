"""Whose request it is: the kernel says, whatever the client says, and the job keeps it."""

import asyncio
import os
import pwd
import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.agent.restore.other_user import NOBODY, as_nobody
from tests.api.raw import raw
from tests.engine.rig import Rig

SAYS = b'{"depth": "structure", "requested_by": "mallory", "operator": "mallory"}'


async def test_a_job_names_the_account_that_asked_also_after_a_restart(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("USER", "LOGNAME", "SUDO_USER"):
        monkeypatch.setenv(name, "mallory")
    status, job = await raw(rig, "POST", "/v1/vault/verify", SAYS)
    assert status < 300, job
    account = pwd.getpwuid(os.geteuid()).pw_name
    assert job["requested_by"] == account
    await rig.ended(job["id"])
    await rig.restart()
    assert (await rig.client.job(job["id"])).requested_by == account


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else for a while")
async def test_another_accounts_job_has_its_name(rig: Rig) -> None:
    """The socket is opened to all for this: it is the owner's alone."""
    rig.data.core_socket.chmod(0o666)
    connection = connected_as_nobody(rig.data.core_socket)
    job = await verify_over(connection)
    assert job["requested_by"] == pwd.getpwuid(NOBODY).pw_name
    await rig.ended(job["id"])


def connected_as_nobody(path: Path) -> socket.socket:
    """By a descriptor, since the folders above are closed to others."""
    place = os.open(path, os.O_PATH)
    connection = socket.socket(socket.AF_UNIX)
    try:
        with as_nobody():
            connection.connect(f"/proc/self/fd/{place}")
    finally:
        os.close(place)
    return connection


async def verify_over(connection: socket.socket) -> Any:
    """The job that a request over this connection began."""
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    head = f"POST /v1/vault/verify HTTP/1.1\r\nHost: core\r\nConnection: close\r\nContent-Length: {len(SAYS)}\r\n\r\n"
    writer.write(head.encode() + SAYS)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])
