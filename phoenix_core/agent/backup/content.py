"""What an order names, made ready for a scan: the sources as one tree, and the content rules on them."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from phoenix_core.agent.backup.ruleset import RuleSet
from phoenix_core.agent.backup.sources import SourceNode, canonical, source_tree
from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.agentlink.ruleorder import RuleOrder
from phoenix_core.domain.names import shown

CLOCKS_APART_S = 600
_NS = 1_000_000_000


@dataclass(frozen=True)
class Content:
    paths: tuple[bytes, ...]
    """All sources, canonical and sorted."""
    sources: SourceNode
    rules: RuleSet

    @property
    def crossing(self) -> tuple[bytes, ...]:
        """Those of the sources below which other file systems are entered, too."""
        named = (path for rule in self.rules.orders if rule.cross_mounts for path in rule.paths)
        return tuple(sorted(set(map(canonical, named))))


def rules_of(order: BackupOrder) -> tuple[RuleOrder, ...]:
    """The order's rules; of a core that knows none, what it says instead."""
    if order.rules:
        return order.rules
    return (
        RuleOrder(
            order.paths,
            excludes=order.excludes,
            cross_mounts=order.cross_mounts,
            disk_images=order.fixed_chunk_patterns,
        ),
    )


def content_of(
    rules: Sequence[RuleOrder],
    canonical: Callable[[bytes], bytes] = canonical,
    *,
    ignore_case: bool = False,
    now_ns: int = 0,
) -> Content:
    """`canonical`: a path in its one form. `now_ns`: what ages are counted from; 0: now. Raises what `canonical`
    raises, NothingToBackUp, PatternInvalid."""
    named: dict[bytes, int] = {}
    for at, rule in enumerate(rules):
        for path in map(canonical, rule.paths):
            named[path] = named.get(path, 0) | 1 << at
    ruleset = RuleSet(rules, now_ns or time.time_ns(), ignore_case=ignore_case)
    return Content(tuple(sorted(named)), source_tree(named), ruleset)


def remarks(content: Content, core_time_ns: int) -> Iterator[str]:
    """What an administrator may not expect of these rules together, in sentences."""
    rules = content.rules.orders
    apart_s = (content.rules.now_ns - core_time_ns) // _NS if core_time_ns else 0
    limited = [rule.name for rule in rules if rule.changed_within_s or rule.older_than_s]
    if limited and abs(apart_s) > CLOCKS_APART_S:
        side = "ahead of" if apart_s > 0 else "behind"
        yield (
            f"This server's clock is {abs(apart_s)} s {side} the core's, and the ages of files that rule "
            f"{', '.join(limited)} limits go by it. Set the clock right."
        )
    yield from _overlaps(content)


def _overlaps(content: Content) -> Iterator[str]:
    """Where a rule leaves out files that another one, which names the folder or one above, takes all the same."""
    numbered = list(enumerate(content.rules.filters))
    for path in content.paths:
        here, around = _rules_at(content.sources, path)
        whole = next((each.name for at, each in numbered if around >> at & 1 and each.takes_all), None)
        for at, each in numbered if whole is not None else ():
            if here >> at & 1 and not each.takes_all:
                yield (
                    f"What rule {each.name} leaves out of {shown(path)} is taken all the same: rule {whole} takes all "
                    "that is there."
                )


def _rules_at(root: SourceNode, path: bytes) -> tuple[int, int]:
    """The rules that name this path, and those that name it or a folder above."""
    node, above = root, root.rules
    for name in path.split(b"/"):
        if name:
            node = node.below[name]
            above |= node.rules
    return node.rules, above
