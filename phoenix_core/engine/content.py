"""What content rules say together, for jobs, their titles, and agents."""

from collections.abc import Sequence

from phoenix_core.agentlink.ruleorder import RuleOrder
from phoenix_core.domain import streams
from phoenix_core.domain.names import parse_shown
from phoenix_core.domain.policies import DISK_IMAGES, ContentRule
from phoenix_core.domain.streams import Stream

_FILTERS = ("includes", "only_extensions", "not_extensions", "smallest_bytes", "largest_bytes")
_AS_THEY_ARE = ("name", "excludes", *_FILTERS, "changed_within_s", "older_than_s", "skip_caches", "disk_images")


def by_hand(paths: tuple[str, ...], excludes: tuple[str, ...] = (), *, cross_mounts: bool = False) -> ContentRule:
    """What somebody names for a backup, without a rule: all that is there but for the patterns."""
    return ContentRule("", paths, excludes, cross_mounts, skip_caches=False, disk_images=DISK_IMAGES)


def paths_of(rules: Sequence[ContentRule]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path for rule in rules for path in rule.paths))


def streams_of(rules: Sequence[ContentRule]) -> list[Stream]:
    """Each name once: as the first rule has it."""
    found = [streams.parse(line) for rule in rules for line in rule.streams]
    return list({stream.name: stream for stream in reversed(found)}.values())[::-1]


def parts_of(rules: Sequence[ContentRule]) -> dict[str, Stream | None]:
    """What a run backs up of a server, each with a job of its own: its streams by their names, its files under an empty
    one."""
    files: dict[str, Stream | None] = {"": None} if paths_of(rules) else {}
    return files | {stream.name: stream for stream in streams_of(rules)}


def excludes_of(rules: Sequence[ContentRule]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(pattern for rule in rules for pattern in rule.excludes))


def images_of(rules: Sequence[ContentRule]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(pattern for rule in rules for pattern in rule.disk_images))


def needs_rules(rules: Sequence[ContentRule]) -> bool:
    """Whether they say more than an agent of the first version knows: it would take too much."""
    fields = ("skip_caches", "changed_within_s", "older_than_s", *_FILTERS)
    return any(getattr(rule, field) for rule in rules for field in fields)


def ordered(rules: Sequence[ContentRule], *, all_cross: bool) -> tuple[RuleOrder, ...]:
    """As an agent gets them. `all_cross`: each of them crosses mount points, whatever it says."""
    return tuple(
        RuleOrder(
            paths=tuple(map(parse_shown, rule.paths)),
            cross_mounts=rule.cross_mounts or all_cross,
            **{field: getattr(rule, field) for field in _AS_THEY_ARE},
        )
        for rule in rules
    )
