"""Paths of requests: whatever a name is, it stays one part."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.common.tools import ToolError
from servers.elasticsearch.backend import path
from servers.elasticsearch.nodes import Node
from servers.elasticsearch.transport import Request, origin, target

NODE = Node("http://127.0.0.1:9200/es")
NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(NAME, st.text("./%2eEfF\\?#;,*:", min_size=1, max_size=12))
def test_a_path_is_sent_as_it_was_made(name: str, odd: str) -> None:
    for parts in ((name, "_doc", odd), (odd, "_doc", name)):
        if {".", ".."} & set(parts):
            with pytest.raises(ToolError, match="can't be"):
                path(*parts)
            continue
        made = path(*parts)
        assert target(NODE, Request("GET", made, {"q": "a b&c"}, None, "")) == f"/es{made}?q=a%20b%26c"
        assert [unquote(part) for part in made[1:].split("/")] == list(parts)


@pytest.mark.parametrize("odd", ["/a/../b", "/a/.", "/a b", "/a?b", "/a#b", "/ü", "no/slash", "/a\n"])
def test_another_path_is_not_sent(odd: str) -> None:
    with pytest.raises(ToolError, match=r"not one that can be sent"):
        target(NODE, Request("GET", odd, None, None, ""))


@pytest.mark.parametrize(
    ("address", "place", "named", "path"),
    [
        ("http://127.0.0.1:9200", ("127.0.0.1", 9200, False), "127.0.0.1:9200", ""),
        ("https://es.example:443/a/b", ("es.example", 443, True), "es.example", "/a/b"),
        ("https://es.example", ("es.example", 443, True), "es.example", ""),
        ("http://[::1]:9200", ("::1", 9200, False), "[::1]:9200", ""),
        ("http://bücher.example:80/ü", ("xn--bcher-kva.example", 80, False), "xn--bcher-kva.example", "/%C3%BC"),
    ],
)
def test_what_the_url_of_a_node_says(address: str, place: tuple[str, int, bool], named: str, path: str) -> None:
    assert origin(address) == (place, named, path)
