"""Paths of requests: whatever a name is, it stays one part."""

from __future__ import annotations

from urllib.parse import unquote

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.common.tools import ToolError
from servers.elasticsearch.backend import path

NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(NAME, st.text("./%2eEfF\\?#;,*:", min_size=1, max_size=12))
def test_a_path_is_sent_as_it_was_made(name: str, odd: str) -> None:
    for parts in ((name, "_doc", odd), (odd, "_doc", name)):
        if {".", ".."} & set(parts):
            with pytest.raises(ToolError, match="can't be"):
                path(*parts)
            continue
        made = path(*parts)
        request = httpx2.Request("GET", "http://127.0.0.1:9200" + made)
        assert request.url.raw_path == made.encode()
        assert [unquote(part) for part in made[1:].split("/")] == list(parts)
