"""The sieve of names never misses what patterns mean, and lets most names pass."""

from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.domain.patterns import Patterns
from phoenix_core.domain.sieve import NameSieve

NAMES = st.sampled_from(["a", "b", "A", "x.tmp", "X.TMP", "cache", "lost+found", ".x", "a b", "ä.txt", "a\nb", "[a]"])
PARTS = st.sampled_from(
    ["a", "b", "*", "**", "*.tmp", "x*", "?", "[ab]", "cache", "lost+found", ".*", "a b", "ä*", "a\nb", "\\[a\\]", "A"]
)
PATTERNS = st.builds(
    lambda negated, anchored, parts, folder: negated + anchored + "/".join(parts) + folder,
    st.sampled_from(["", "", "", "!"]),
    st.sampled_from(["", "/"]),
    st.lists(PARTS, min_size=1, max_size=3),
    st.sampled_from(["", "/"]),
)


@given(
    st.lists(st.lists(PATTERNS, max_size=4), min_size=1, max_size=2),
    st.lists(NAMES, min_size=1, max_size=4),
    st.booleans(),
    st.booleans(),
)
def test_who_goes_down_and_asks_about_suspects_only_leaves_out_what_patterns_mean(
    lines: list[list[str]], path: list[str], is_folder: bool, ignore_case: bool
) -> None:
    lists = [Patterns(each, ignore_case=ignore_case) for each in lines]
    sieve = NameSieve(lists)
    folder, left_out = b"/", False
    for depth, name in enumerate(path, 1):
        raw = name.encode()
        at = folder.rstrip(b"/") + b"/" + raw
        meant = any(patterns.match(at, is_folder=is_folder or depth < len(path)) for patterns in lists)
        if not left_out:
            assert not meant or raw in sieve.suspects(folder, [raw, b"other name"])
            left_out = meant
        folder = at


def test_names_that_no_pattern_can_mean_are_no_suspects() -> None:
    lines = ["/proc/", "/var/tmp/*", "*.tmp", "lost+found/", "/home/*/.cache/", "core.[0-9]*", "~*"]
    sieve = NameSieve([Patterns(lines)])
    names = [b"index.html", b"tmp", b"x.tmp", b"lost+found", b".cache", b"core.12", b"~x", b"proc", b"homepage"]
    assert sieve.suspects(b"/srv", names) == {b"x.tmp", b"lost+found", b".cache", b"core.12", b"~x", b"proc"}
    assert sieve.suspects(b"/var/tmp", names) == set(names)
    assert NameSieve([Patterns(["", "# all", "!x"])]).empty


def test_letters_of_either_case_are_the_same_where_that_is_wanted() -> None:
    patterns = Patterns(["Pagefile.SYS", "/C/Windows/Temp/*", "*.TMP"], ignore_case=True)
    for path in (b"/C/pagefile.sys", b"/c/windows/temp/x", b"/C/Data/a.tmp"):
        assert patterns.match(path)
        assert not Patterns(patterns.lines).match(path)
        folder, _, name = path.rpartition(b"/")
        assert name in NameSieve([patterns]).suspects(folder, [name])
    assert NameSieve([patterns]).suspects(b"/C/Data", [b"a.tmp", b"other"]) == {b"a.tmp"}
    assert patterns.which(b"/C/PAGEFILE.sys") == "Pagefile.SYS"
