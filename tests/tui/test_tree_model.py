"""The rows of a snapshot's tree and what is selected in it."""

import gc
import time

from phoenix_core.domain.views import EntryPage, EntryView
from phoenix_tui.widgets.tree_model import ROOT, TreeModel
from tests.tui import sample


def entry(path: str, kind: str = "file") -> EntryView:
    name = path.rpartition("/")[2]
    return EntryView(path=path, name=name, type=kind, size=1, mode=0o644, owner="r", group="r", mtime=sample.NOW)


def page(*entries: EntryView, next_after: str = "", total: int = 0) -> EntryPage:
    return EntryPage(entries=entries, next_after=next_after, total=total or len(entries))


def small() -> TreeModel:
    model = TreeModel()
    model.put_page(ROOT, page(entry("/etc", "directory"), entry("/srv", "directory"), entry("/vmlinuz")))
    return model


def test_a_folder_opens_where_it_stands_and_closes_again() -> None:
    model = small()
    assert model.open("/etc")
    assert [row.key for row in model.rows()] == ["/etc", "/etc\0more", "/srv", "/vmlinuz"]
    model.put_page("/etc", page(entry("/etc/hosts"), entry("/etc/ssl", "directory")))
    assert [(row.key, row.depth) for row in model.rows()] == [
        ("/etc", 0),
        ("/etc/hosts", 1),
        ("/etc/ssl", 1),
        ("/srv", 0),
        ("/vmlinuz", 0),
    ]
    model.close("/etc")
    assert [row.key for row in model.rows()] == ["/etc", "/srv", "/vmlinuz"]
    assert not model.open("/etc")


def test_a_page_that_is_not_the_last_leaves_a_place_for_the_rest() -> None:
    model = TreeModel()
    model.put_page(ROOT, page(entry("/a"), next_after="a", total=3))
    assert [row.key for row in model.rows()] == ["/a", "/\0more"]
    model.put_page(ROOT, page(entry("/b"), entry("/c"), total=3))
    assert [row.key for row in model.rows()] == ["/a", "/b", "/c"]


def test_a_selected_folder_takes_what_is_in_it_along() -> None:
    model = small()
    model.toggle("/etc/ssl/key.pem")
    assert [model.mark(path) for path in ("/etc", "/etc/ssl", "/etc/ssl/key.pem", "/srv")] == [
        "[-]",
        "[-]",
        "[x]",
        "[ ]",
    ]
    model.toggle("/etc")
    assert model.selected == {"/etc"}
    assert model.mark("/etc/ssl/key.pem") == "[+]"
    assert model.toggle("/etc/ssl") == "/etc"
    assert model.selected == {"/etc"}
    model.toggle("/etc")
    assert model.selected == set()


def test_a_name_that_begins_alike_is_not_inside() -> None:
    model = small()
    model.toggle("/etc")
    assert model.mark("/etcetera") == "[ ]"
    assert model.comes_with("/etcetera/x") == ""


def test_the_time_to_lay_out_a_folder_grows_with_its_entries_and_not_faster() -> None:
    """A ratio, since test machines differ: ten times the entries take about ten times as long, not a hundred times."""
    assert _seconds_to_lay_out(100_000) < 40 * _seconds_to_lay_out(10_000)


def _seconds_to_lay_out(entries: int) -> float:
    model = TreeModel()
    model.put_page(ROOT, page(*(entry(f"/{number:06d}") for number in range(entries))))
    times: list[float] = []
    gc.disable()  # it looks through all that other tests have left
    try:
        for _ in range(3):
            began = time.process_time()
            assert len(model.rows()) == entries
            times.append(time.process_time() - began)
    finally:
        gc.enable()
    return min(times)
