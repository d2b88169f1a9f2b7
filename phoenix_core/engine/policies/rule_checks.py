"""What a content rule may hold; each check names the field that is wrong."""

import re

import msgspec

from phoenix_core.domain import streams
from phoenix_core.domain.names import absolute, parse_shown
from phoenix_core.domain.patterns import PatternInvalid, Patterns
from phoenix_core.domain.policies import ContentRule
from phoenix_core.engine.policies.checks import check_name
from phoenix_core.engine.policies.errors import FieldInvalid

LINES_MAX = 1000
BYTES_MAX = 1 << 62
AGE_MAX_S = 100 * 366 * 86_400
_LISTS = ("paths", "excludes", "includes", "only_extensions", "not_extensions", "disk_images", "streams")
_EXTENSION = re.compile(r"[^\s/\\*?\[\]\0.](?:[^/\\*?\[\]\0]*[^\s/\\*?\[\]\0.])?")
_LIMITS = {
    "smallest_bytes": BYTES_MAX,
    "largest_bytes": BYTES_MAX,
    "changed_within_s": AGE_MAX_S,
    "older_than_s": AGE_MAX_S,
}


def check_rule(rule: ContentRule) -> ContentRule:
    """The rule with its paths and extensions in their one form. Raises FieldInvalid."""
    check_name("Rule", rule.name)
    for field in _LISTS:
        if len(getattr(rule, field)) > LINES_MAX:
            raise _wrong(rule, field, f"more than {LINES_MAX} are too many")
    rule = msgspec.structs.replace(
        rule,
        paths=_paths(rule),
        only_extensions=_extensions(rule, "only_extensions"),
        not_extensions=_extensions(rule, "not_extensions"),
    )
    patterns = {field: _patterns(rule, field) for field in ("excludes", "includes", "disk_images")}
    _check_streams(rule)
    if rule.paths:
        _check_something_is_left(rule, patterns["excludes"])
    both = sorted(set(rule.only_extensions) & set(rule.not_extensions))
    if both:
        raise _wrong(rule, "not_extensions", f"{', '.join(both)} is in only_extensions, too")
    _check_limits(rule)
    return rule


def _paths(rule: ContentRule) -> tuple[str, ...]:
    if not rule.paths and not rule.streams:
        raise _wrong(rule, "paths", "at least one folder is wanted, or a stream")
    try:
        return tuple(dict.fromkeys(absolute(path) for path in rule.paths))
    except ValueError as error:
        raise _wrong(rule, "paths", str(error)) from error


def _check_streams(rule: ContentRule) -> None:
    try:
        names = [streams.parse(line).name for line in rule.streams]
    except ValueError as error:
        raise _wrong(rule, "streams", str(error)) from error
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _wrong(rule, "streams", f"{', '.join(twice)} is there more than once")


def _patterns(rule: ContentRule, field: str) -> Patterns:
    try:
        patterns = Patterns(getattr(rule, field))
    except PatternInvalid as error:
        raise _wrong(rule, field, error.message) from error
    if field == "includes" and rule.includes and not any(parsed.include for parsed in patterns.parsed):
        raise _wrong(rule, field, "no line of it means a file: lines that begin with ! or # take none")
    return patterns


def _check_something_is_left(rule: ContentRule, excludes: Patterns) -> None:
    """A path is wholly left out if the patterns mean it, be it a file or a folder."""
    left = [path for path in rule.paths if not _is_meant(excludes, parse_shown(path))]
    if not left:
        raise _wrong(rule, "excludes", f"they leave out all that the rule names: {', '.join(rule.paths)}")


def _is_meant(patterns: Patterns, path: bytes) -> bool:
    return patterns.match(path) and patterns.match(path, is_folder=True)


def _extensions(rule: ContentRule, field: str) -> tuple[str, ...]:
    """Without a dot or `*.` before them, in small letters."""
    found: dict[str, None] = {}
    for given in getattr(rule, field):
        extension = given.removeprefix("*").removeprefix(".").lower()
        if not _EXTENSION.fullmatch(extension):
            raise _wrong(rule, field, f"{given!r} is no extension such as jpg or tar.gz")
        found[extension] = None
    return tuple(found)


def _check_limits(rule: ContentRule) -> None:
    for field, most in _LIMITS.items():
        if not 0 <= getattr(rule, field) <= most:
            raise _wrong(rule, field, f"{getattr(rule, field)} is no whole number from 0 to {most}")
    if 0 < rule.largest_bytes < rule.smallest_bytes:
        detail = f"no file is as small as {rule.largest_bytes} bytes and as large as {rule.smallest_bytes}"
        raise _wrong(rule, "largest_bytes", detail)
    if rule.changed_within_s and rule.older_than_s >= rule.changed_within_s:
        detail = (
            f"no file changed within the last {rule.changed_within_s} s is older than {rule.older_than_s} s as well"
        )
        raise _wrong(rule, "older_than_s", detail)


def _wrong(rule: ContentRule, field: str, detail: str) -> FieldInvalid:
    return FieldInvalid(what="Rule", name=rule.name, field=field, detail=detail)
