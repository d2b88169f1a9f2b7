"""Each dependency has its reason on the page, and the page names no other."""

import re
import tomllib
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_page_names_what_the_project_depends_on() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras = project["project"]["optional-dependencies"].values()
    wanted = [*project["project"]["dependencies"], *chain(*extras), *project["dependency-groups"]["dev"]]
    names = {re.split(r"[\[<>=~! ]", each)[0] for each in wanted}
    rows = [line.split("|")[1] for line in _rows((ROOT / "docs" / "dependencies.md").read_text("utf-8"))]
    assert {name.strip() for row in rows for name in row.split(",")} == names


def test_each_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    for each in [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]:
        name = re.split(r"[\[<>=~! ]", each)[0]
        assert re.search(rf"^{re.escape(name)}==", lock, re.MULTILINE | re.IGNORECASE), name


def _rows(page: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| package")]
