"""Each point of the threat model names a test that there is."""

import ast
import re
from pathlib import Path

import pytest

from tests.chaos.catalogue import CAMPAIGNS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
TABLE = PAGE.partition("## Each point, and its test")[2].partition("\n## ")[0]
POINTS = [line for line in TABLE.splitlines() if line.startswith("|")][2:]
NAMED = re.compile(r"`(tests/[a-z_0-9/]+\.py)::(test_[a-z_0-9]+)`")


def test_each_point_names_a_test() -> None:
    assert len(POINTS) > 30
    assert [point for point in POINTS if not NAMED.search(point)] == []


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED.findall(TABLE))))
def test_a_named_test_is_there(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, functions)}


def test_a_named_campaign_is_there() -> None:
    named = set(re.findall(r"` \(([a-z-]+)\)", TABLE))
    assert named
    assert named <= {campaign.name for campaign in CAMPAIGNS}
