"""The data set: 5,271 packages of Debian 12, from its own package index (see README.md)."""

import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("packages.json.xz")


def packages() -> Iterator[dict[str, Any]]:
    """Return the packages in the order of their names.

    Each has name, version, section, priority, architecture, maintainer (str), description (str, one line), homepage (str, may
    be absent), depends (list of str), tags (list of str), installed_kib and download_bytes (int). The sections database,
    httpd and web alone have homepage, depends and tags.
    """
    columns = json.loads(lzma.decompress(FILE.read_bytes()))
    for values in zip(*columns.values(), strict=True):
        yield {name: value for name, value in zip(columns, values, strict=True) if value is not None}
