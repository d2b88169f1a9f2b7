"""Names and values under each other, the values aligned."""

from collections.abc import Iterable

from textual.content import Content
from textual.widgets import Static

from phoenix_tui.tones import DIM

Fact = tuple[str, str | Content]


def fact_lines(facts: Iterable[Fact]) -> list[Content]:
    known = list(facts)
    width = max((len(name) for name, _value in known), default=0)
    return [Content.assemble((f"{name:<{width}}  ", DIM), value) for name, value in known]


class Facts(Static):
    def show(self, facts: Iterable[Fact]) -> None:
        self.update(Content("\n").join(fact_lines(facts)))
