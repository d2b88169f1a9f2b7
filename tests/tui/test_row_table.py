"""The table with stable keys."""

from typing import NamedTuple

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from phoenix_tui.widgets.columns import Column, Layout
from phoenix_tui.widgets.row_table import RowTable


class Item(NamedTuple):
    key: str
    text: str


class TableApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.painted: list[str] = []

    def compose(self) -> ComposeResult:
        yield RowTable[Item](
            (Column("Name"), Column("Size", 6, right=True)), key=lambda item: item.key, cells=self.cells
        )

    def cells(self, item: Item) -> list[str]:
        self.painted.append(item.key)
        return [item.text, "1 B"]

    @property
    def table(self) -> RowTable[Item]:
        return self.query_one(RowTable)


def items(count: int) -> list[Item]:
    return [Item(f"k{number}", f"row {number}") for number in range(count)]


def line(pilot: Pilot[None], y: int) -> str:
    strip = pilot.app.screen._compositor.render_strips()[y]
    return "".join(segment.text for segment in strip)


async def test_only_rows_that_changed_are_painted_again() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 12)) as pilot:
        app.table.show(items(8))
        await pilot.pause()
        app.painted.clear()
        changed = items(8)
        changed[5] = Item("k5", "new text")
        app.table.show(changed)
        await pilot.pause()
        assert set(app.painted) <= {"k5", "k0"}  # k0 is the cursor's row
        assert "new text" in line(pilot, 6)


async def test_the_cursor_stays_on_its_row_when_others_come_and_go() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 12)) as pilot:
        app.table.show(items(20))
        await pilot.pause()
        app.table.put_cursor("k7")
        app.table.show([Item("new", "on top"), *items(20)])
        assert app.table.cursor_key == "k7"
        app.table.show([item for item in items(20) if item.key != "k3"])
        assert app.table.cursor_key == "k7"
        app.table.show([item for item in items(20) if item.key != "k7"])
        assert app.table.cursor_key in {"k6", "k8"}
        app.table.show([])
        assert app.table.cursor_key == ""
        await pilot.press("down", "enter", "end")


async def test_a_cursor_that_nobody_moved_stays_on_top_where_the_newest_come_in() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 6)) as pilot:
        app.table.show(items(20))
        await pilot.pause()
        app.table.show([Item("new", "the newest"), *items(20)])
        await pilot.pause()
        assert app.table.cursor_key == "new"
        assert "the newest" in line(pilot, 1)
        await pilot.press("down", "up")
        app.table.show([Item("newer", "newer still"), Item("new", "the newest"), *items(20)])
        await pilot.pause()
        assert app.table.cursor_key == "new"
        await pilot.press("home")
        app.table.show([Item("last", "last of all"), Item("newer", "newer still"), *items(20)])
        await pilot.pause()
        assert app.table.cursor_key == "last"
        assert "last of all" in line(pilot, 1)


async def test_the_cursor_moves_through_a_long_table_and_stays_in_sight() -> None:
    app = TableApp()
    async with app.run_test(size=(40, 12)) as pilot:
        app.table.show(items(100_000))
        await pilot.pause()
        await pilot.press("end")
        await pilot.pause()
        assert app.table.cursor_key == "k99999"
        assert "row 99999" in line(pilot, 11)
        await pilot.press("home", "pagedown")
        await pilot.pause()
        assert any("›" in line(pilot, y) for y in range(12))
        assert len(app.painted) < 500


def test_layout_gives_the_rest_to_the_open_column_and_hides_what_needs_more_room() -> None:
    columns = (Column("A"), Column("B", 10), Column("C", 8, from_width=60))
    assert len(Layout(columns, 40).header().plain) <= 40
    assert "C" not in Layout(columns, 40).header().plain
    assert "C" in Layout(columns, 60).header().plain
