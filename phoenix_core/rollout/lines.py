"""The lines that operators paste at servers, of a core that has wheels for them."""

import asyncio
import re
from collections.abc import Callable

from phoenix_core.domain.errors import UsageError
from phoenix_core.rollout.bundle import BundleShelf
from phoenix_core.rollout.script import ServedScript, install_line

_ADDRESS = re.compile(r"https://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
"""Nothing that a shell or Python could take for something else."""


class InstallLines:
    def __init__(self, shelf: BundleShelf, script: ServedScript, urls: Callable[[], tuple[str, ...]]) -> None:
        """`urls`: where servers reach the core."""
        self._shelf = shelf
        self._script = script
        self._urls = urls

    async def address(self, wanted: str) -> str:
        """The core's address that a line is to name; empty `wanted`: the first of its own.

        Raises UsageError, and where there is nothing to install BundleMissing, BundleOutdated, BundleDamaged."""
        address = wanted.rstrip("/") or self._urls()[0]
        if not _ADDRESS.fullmatch(address):
            raise UsageError(detail=f"{address!r} is no address of a core: it has the form https://host:port.")
        await asyncio.to_thread(self._shelf.current)
        return address

    async def line(self, token: str, address: str) -> str:
        return install_line(token, address, await self._script.content())
