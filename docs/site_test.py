"""The built site: whole, without anything from elsewhere, and every link leads somewhere."""

import posixpath
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

from docs.site import config, staged
from tools.backends.runfiles import program

LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
"""Elements that a browser loads something for."""


class Page(HTMLParser):
    """What a page links to, loads, and names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.names: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value is not None}
        if "id" in given:
            self.names.add(given["id"])
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        if tag in LOADS and LOADS[tag] in given and given.get("rel") != "canonical":
            self.loaded.add(given[LOADS[tag]])

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def pages() -> dict[str, Page]:
    root = program("SITE")
    return {str(file.relative_to(root)): Page(file.read_text()) for file in sorted(root.rglob("*.html"))}


def test_every_page_is_there(pages: dict[str, Page]) -> None:
    wanted = {
        "index",
        "quickstart",
        "operations",
        "architecture",
        "air-gapped",
        "laptop",
        "third-server",
        "tools-redis",
    }
    assert {f"{name}.html" for name in wanted} <= set(pages)
    assert "Two commands" in pages["index.html"].text


def test_nothing_is_loaded_from_elsewhere(pages: dict[str, Page]) -> None:
    assert sum(len(page.loaded) for page in pages.values()) > len(pages), "styles and scripts are loaded"
    foreign = {(name, url) for name, page in pages.items() for url in page.loaded if urlsplit(url).netloc}
    assert not foreign


def test_every_link_leads_somewhere(pages: dict[str, Page]) -> None:
    root, broken, followed = program("SITE"), [], 0
    for name, page in pages.items():
        if name == "404.html":  # its links count from the server's root
            continue
        for link in page.links | page.loaded:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            there = (
                posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path))) if parts.path else name
            )
            there = posixpath.join(there, "index.html") if (root / there).is_dir() else there
            followed += 1
            fragment = unquote(parts.fragment)
            if not (root / there).is_file() or (fragment and there in pages and fragment not in pages[there].names):
                broken.append(f"{name}: {link}")
    assert not broken
    assert followed > 300


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


def test_a_page_that_the_nav_leaves_out_comes_at_its_end() -> None:
    text = '[project]\nnav = [\n    { "A" = "a.md" },\n]\nx = 1\n'
    assert config(text, {"a.md"}) == text
    assert '{ "More" = [\n        "b/c.md",\n    ] },\n]\nx = 1' in config(text, {"a.md", "b/c.md"})


def test_a_page_that_is_not_there_is_named() -> None:
    with pytest.raises(SystemExit, match=r"not there: gone\.md"):
        config('[project]\nnav = [\n    { "A" = "gone.md" },\n]\n', {"a.md"})
