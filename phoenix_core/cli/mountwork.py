"""What `phoenix mount` does: shows the snapshots until it is interrupted, or somebody unmounts them."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from phoenix_core.cli.attach import attached
from phoenix_core.cli.output import print_json, say
from phoenix_core.client import CoreClient
from phoenix_core.domain.errors import UsageError
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.mount.snapshotfolder import SnapshotFolder


async def mount(data: DataDirectory, folder: Path | None, *, webdav: bool, port: int, as_json: bool) -> None:
    if webdav == (folder is not None):
        raise UsageError(detail="Name a folder to mount the snapshots in, or give --webdav.")
    if port and not webdav:
        raise UsageError(detail="--port goes with --webdav.")
    async with attached(data) as client:
        if folder is None:
            await _serve(client, port, as_json=as_json)
        else:
            await _mount(client, await asyncio.to_thread(folder.absolute), as_json=as_json)


async def _mount(client: CoreClient, place: Path, *, as_json: bool) -> None:
    from phoenix_core.mount.fuse import FuseMount, load_fuse

    await asyncio.to_thread(load_fuse)
    async with _opened(client, str(place)) as snapshots:
        mounted = FuseMount(snapshots, place)
        try:
            await mounted.start()
            if as_json:
                print_json({"folder": str(place)})
            else:
                say(f"The snapshots are in {place}, read-only. Ctrl-C unmounts them.")
            await _until_interrupted(mounted.ended())
        finally:
            await asyncio.shield(mounted.stop())


async def _serve(client: CoreClient, port: int, *, as_json: bool) -> None:
    from phoenix_core.mount.webdav import USER, serving

    password = secrets.token_urlsafe(15)
    async with _opened(client, "WebDAV") as snapshots, serving(snapshots, port, password) as address:
        if as_json:
            print_json({"url": address, "user": USER, "password": password})
        else:
            say(f"The snapshots are at {address}, read-only, for this machine. Ctrl-C ends it.")
            say(f"User {USER}, password {password}")
        await _until_interrupted(asyncio.Event().wait())


async def _until_interrupted(work: Coroutine[Any, Any, object]) -> None:
    """Ctrl-C is how such a command is ended: no error."""
    with suppress(asyncio.CancelledError):
        await work


@asynccontextmanager
async def _opened(client: CoreClient, place: str) -> AsyncIterator[SnapshotFolder]:
    snapshots = SnapshotFolder(client, place, time.monotonic)
    await snapshots.open()
    try:
        yield snapshots
    finally:
        await snapshots.close()
