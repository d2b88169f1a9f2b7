"""Work that goes on while the console shows something: it ends with the widget that it is for."""

from collections.abc import Callable, Coroutine
from typing import Any

from textual.dom import DOMNode
from textual.worker import WorkType


def in_background(
    owner: DOMNode, work: Callable[[], Coroutine[Any, Any, None]], name: str, *, exclusive: bool = True
) -> None:
    """`exclusive`: in place of what is under way by this name.

    It is called by its worker, so that where the owner goes before, no coroutine is left over that nobody awaits."""
    called: WorkType[None] = work
    owner.run_worker(called, name=name, group=name, exclusive=exclusive)
