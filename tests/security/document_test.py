"""Every test that docs/security.md names exists."""

import re
from pathlib import Path

TREE = Path("WORKSPACE").resolve().parent
"""The source tree: the runfiles hold a link to its WORKSPACE file."""

LINK = re.compile(r"\[`(?P<name>\w+)`\]\(\.\./(?P<path>[\w/]+\.py)\)")


def test_every_named_test_exists() -> None:
    text = (TREE / "docs/security.md").read_text()
    found = [(match["name"], match["path"]) for match in LINK.finditer(text)]
    assert len(found) > 40
    missing = []
    for name, path in found:
        source = (TREE / path).read_text() if (TREE / path).is_file() else ""
        if name != Path(path).stem and not re.search(rf"^(async )?def {name}\(", source, re.MULTILINE):
            missing.append(f"{path}: {name}")
    assert not missing


def test_every_threat_has_what_stops_it_and_what_shows_it() -> None:
    rows = [line for line in (TREE / "docs/security.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    for row in rows:
        threat, measure, shown = row.strip("| ").split(" | ")
        assert threat and len(measure) > 20 and "](" in shown, row
