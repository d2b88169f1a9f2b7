"""The page of the operators' API is what the code serves."""

import re
from pathlib import Path

import phoenix_core.api
from scripts.api_reference import PAGE, RESOURCES, page

ROUTE = re.compile(r'web\.(get|post|put|delete)\(\s*"([^"]+)"')


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `make docs`"


def test_the_page_lists_each_resource_and_no_other() -> None:
    folder = Path(phoenix_core.api.__path__[0])
    found = {
        (method.upper(), path)
        for file in folder.glob("*.py")
        for method, path in ROUTE.findall(file.read_text("utf-8"))
    }
    assert {(method, path) for method, path, _, _ in RESOURCES} == found
