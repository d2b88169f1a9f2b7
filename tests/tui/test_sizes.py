"""Any size of terminal: nothing breaks, and at 80×24 nothing that matters is cut off."""

import msgspec
import pytest

from tests.tui import sample
from tests.tui.conftest import OpenConsole, until
from tests.tui.scripted_core import ScriptedCore

LONG = "a-server-with-a-very-long-name-that-nobody-should-have-chosen-but-somebody-did.example.org"


@pytest.mark.parametrize("size", [(20, 6), (40, 12), (220, 70)], ids=str)
async def test_every_screen_draws_at_any_size(
    size: tuple[int, int], core: ScriptedCore, open_console: OpenConsole
) -> None:
    async with open_console(size=size, embedded=True) as pilot:
        for keys in (
            ["2"],
            ["3"],
            ["enter"],
            ["escape", "4"],
            ["d"],
            ["escape", "5"],
            ["6"],
            ["b"],
            ["escape", "r"],
            ["q"],
        ):
            await pilot.press(*keys)
            await pilot.pause()
        assert pilot.app.is_running


async def test_a_resized_terminal_is_filled(core: ScriptedCore, open_console: OpenConsole) -> None:
    async with open_console() as pilot:
        await pilot.press("3")
        await pilot.resize_terminal(130, 40)
        table = pilot.app.screen.query_one("RowTable")
        await until(pilot, lambda: table.size.width == 130)
        strips = pilot.app.screen._compositor.render_strips()
        assert "By" in "".join(segment.text for segment in strips[3])


@pytest.mark.parametrize("key", ["2", "3", "4", "b", "r"])
async def test_strange_names_are_shown_as_they_are(key: str, core: ScriptedCore, open_console: OpenConsole) -> None:
    strange = msgspec.structs.replace(sample.WEB1, name="[bold]x[/] 服务器")
    long = msgspec.structs.replace(sample.DB1, name=LONG, default_paths=("/" + "deep/" * 60,))
    core.servers = {server.id: server for server in (strange, long)}
    core.snapshots = [msgspec.structs.replace(each, server_name=strange.name) for each in core.snapshots]
    async with open_console() as pilot:
        await pilot.press(key)
        await pilot.pause()
        strips = pilot.app.screen._compositor.render_strips()
        text = "\n".join("".join(segment.text for segment in strip) for strip in strips)
        assert key in {"3", "b"} or "[bold]x[/]" in text
        assert all(strip.cell_length == 80 for strip in strips)
