"""The page of errors is what the code says, and the code says something for each error."""

from collections import Counter

from scripts.error_catalogue import PAGE, error_classes, page

CLASSES = error_classes()


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `make docs`"


def test_no_two_errors_share_a_code() -> None:
    doubled = [
        code for code, count in Counter(each.code for each in CLASSES if "code" in each.__dict__).items() if count > 1
    ]
    assert not doubled


def test_each_error_says_what_to_do() -> None:
    assert [each.code for each in CLASSES if not each.hint] == []
