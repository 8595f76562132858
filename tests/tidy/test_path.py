"""docs/path-of-an-event.md says what is true: names, and the limits of the way."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/path-of-an-event.md").read_text()
STOPS = re.findall(r"\| \d+ \| `([^`]+)` \| `([^`]+)` \|", PAGE)


def test_every_stop_is_where_the_page_says():
    assert STOPS
    for name, function in STOPS:
        text = (ROOT / name).read_text()
        assert re.search(r"\b" + re.escape(function) + r"\(", text) or re.search(
            r"\b" + re.escape(function.split("::")[-1]) + r"\(", text), f"{function} is not in {name}"


def test_the_way_is_short():
    files = {name for name, _ in STOPS}
    lines = sum(len((ROOT / name).read_text().splitlines()) for name in files)
    assert len(files) <= 10
    assert lines <= 1_500, f"{lines} lines in {sorted(files)}"
    assert PAGE.count("**mailbox ") <= 3
