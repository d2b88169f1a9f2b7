"""What becomes of the core inside a console when the console ends."""

from collections.abc import Callable
from pathlib import Path

import pytest

from phoenix_core.cli.attach import answers
from phoenix_core.cli.consolehost import run_console
from phoenix_core.client import CoreClient
from phoenix_core.host.datadir import DataDirectory


async def is_there(data: DataDirectory) -> bool:
    async with CoreClient(data.core_socket) as client:
        return await answers(client)


async def test_a_console_that_fails_leaves_no_core_behind(short_path: Path) -> None:
    data = DataDirectory(short_path)

    async def failing(data_dir: Path, *, embedded: bool, command: Callable[..., str]) -> str:
        assert embedded
        assert command("core", "run").endswith(f"core run --data {short_path}")
        assert await is_there(DataDirectory(data_dir))
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await run_console(data, failing)
    assert not await is_there(data)
