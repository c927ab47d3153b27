"""The built site: whole, and without anything from elsewhere. Its build follows every link."""

import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from docs.site import staged
from tools.backends.runfiles import program

LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
"""Elements that a browser loads something for."""


class Page(HTMLParser):
    """What a page loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if (loaded := given.get(LOADS.get(tag, ""))) and given.get("rel") != "canonical":
            self.loaded.add(loaded)


@pytest.fixture(scope="module")
def pages() -> dict[str, Page]:
    root = program("SITE")
    return {str(file.relative_to(root)): Page(file.read_text()) for file in sorted(root.rglob("*.html"))}


def nav_pages(entries: list[Any]) -> Iterator[str]:
    """The pages that a nav names."""
    for value in (value for entry in entries for value in entry.values()):
        yield from nav_pages(value) if isinstance(value, list) else [value]


def test_every_page_is_there_and_in_the_nav(pages: dict[str, Page]) -> None:
    named = set(nav_pages(tomllib.loads(Path("docs/zensical.toml").read_text())["project"]["nav"]))
    built = {name.replace(".html", ".md") for name in pages if name != "404.html"}
    assert {name.replace("README.md", "index.md") if "/" in name else name for name in named} == built
    assert len(built) > 15


def test_nothing_is_loaded_from_elsewhere(pages: dict[str, Page]) -> None:
    assert sum(len(page.loaded) for page in pages.values()) > len(pages), "styles and scripts are loaded"
    foreign = {(name, url) for name, page in pages.items() for url in page.loaded if urlsplit(url).netloc}
    assert not foreign


def test_the_diagram_is_shown(pages: dict[str, Page]) -> None:
    assert any(url.endswith(".svg") for url in pages["architecture.html"].loaded)


@pytest.mark.parametrize(
    ("path", "text", "wanted"),
    [
        ("README.md", "[a](docs/operations.md#x)", "[a](operations.md#x)"),
        ("README.md", "[a](LICENSE)", "[a](https://github.com/dox-asdlc/mcp-sidecars/blob/main/LICENSE)"),
        ("docs/a.md", "[a](../README.md)", "[a](index.md)"),
        ("docs/a.md", "[a](b/gone.md)", "[a](https://github.com/dox-asdlc/mcp-sidecars/blob/main/docs/b/gone.md)"),
        ("docs/b/a.md", "[a](../c.md) [b](#d)", "[a](../c.md) [b](#d)"),
        ("docs/a.md", "![a](a.svg)", "![a](a.svg)"),
        ("docs/a.md", "[a](https://example.com/a)", "[a](https://example.com/a)"),
        ("docs/a.md", "```sh\n[a](../b.md)\n```\n", "```sh\n[a](../b.md)\n```\n"),
    ],
)
def test_links_are_as_the_site_needs_them(path: str, text: str, wanted: str) -> None:
    files = {"README.md", *(f"docs/{name}" for name in ("operations.md", "a.md", "c.md", "a.svg", "b/a.md"))}
    assert staged(text, path, files) == wanted
