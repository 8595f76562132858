"""What README.md and docs/ tell people to run: the fenced block below `<!-- test: NAME -->`."""
import re

from support.daemon import ROOT

BLOCK = re.compile(r"^<!-- test: (?P<name>\S+) -->\n```(?P<language>\w*)\n(?P<text>.*?)^```$",
                   re.MULTILINE | re.DOTALL)
MARKER = re.compile(r"<!-- test:")
# Where a daemon listens that was told nothing else.
ADDRESS = "127.0.0.1:8800"


def pages():
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def read_all():
    """name -> text. Two of one name, or a marker without its block, is an error."""
    found = {}
    for page in pages():
        text = page.read_text()
        blocks = list(BLOCK.finditer(text))
        assert len(blocks) == len(MARKER.findall(text)), f"{page.name}: a marker without a block"
        for block in blocks:
            assert block["name"] not in found, f"{block['name']} stands twice"
            found[block["name"]] = block["text"]
    return found


def snippet(name, daemon=None):
    """The text as it stands there, but for the address if the daemon has another."""
    text = read_all()[name]
    return text.replace(ADDRESS, daemon.host) if daemon else text
