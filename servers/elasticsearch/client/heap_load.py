"""A bound on what Elasticsearch holds for this server at once: documents that it reads, and answers that it writes.

A node reads all documents of an answer into its heap before it sends the first byte, and nothing stops it. No request tells how
long documents are, so this is learned from the answers that came. What is not known yet counts as long.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from servers.common.memory_budget import MemoryBudget

AT_ONCE = 64 * 1024 * 1024
"""Bytes of answers that Elasticsearch makes at once: a sixteenth of the smallest usual heap. It needs a multiple of them."""

UNKNOWN = AT_ONCE // 4
"""Assumed bytes of an answer of an unknown kind."""

LEAST_HIT, LEAST_ANSWER = AT_ONCE // 320, AT_ONCE // 32
"""Bytes that a hit and another answer count for at the least, because others of the same index may be longer."""

KNOWN = 1000
"""Most kinds of answers whose length is remembered."""

DEFAULT_HITS = 10
"""Hits of a search that does not say how many."""

_SEARCH = re.compile(r"(.*)/(_search|_count|_query|_sql|_eql/search|_rank_eval|_terms_enum|_validate/query|_explain/.*)")
_BY_ID = re.compile(r"(.*/(_doc|_source|_termvectors))/.*")
_WAITING = re.compile(r".*/(_pit|hot_threads|point_in_time)")
"""Requests whose answers are short but take long."""


def hits(path: str, params: Mapping[str, str], body: Mapping[str, Any]) -> int:
    """Return how many documents a request may give; 1 if it is about something else."""
    if path.endswith(("/_mget", "/_mtermvectors")):
        return max(len(body.get("docs") or ()) + len(body.get("ids") or ()), 1)
    if not path.endswith("/_search"):
        return 1
    page = _number(params.get("size", body.get("size", DEFAULT_HITS)))
    grouped = page * sum(map(_inner_hits, body.values()))
    return max(page + grouped + _top_hits(body.get("aggs")) + _top_hits(body.get("aggregations")), 1)


def _number(value: Any) -> int:
    if isinstance(value, str) and value.isdecimal():
        return int(value[:9])
    return max(value, 0) if isinstance(value, int) else 1


def _is_whole(source: Any) -> bool:
    """Return whether `_source` asks for whole documents."""
    if isinstance(source, Mapping):
        source = source.get("includes", source.get("include"))
    return source is not False and (not source or source is True or "*" in source)


def _inner_hits(part: Any) -> int:
    """Return how many documents a query, or what collapses hits, gives beside each hit."""
    if isinstance(part, list):
        return sum(map(_inner_hits, part))
    if not isinstance(part, Mapping):
        return 0
    own = part.get("inner_hits")
    given = own if isinstance(own, list) else [own] if isinstance(own, Mapping) else []
    return sum(_number(inner.get("size", 3)) for inner in given if isinstance(inner, Mapping)) + sum(
        map(_inner_hits, part.values())
    )


def _top_hits(aggs: Any) -> int:
    """Return how many documents aggregations give, as far as they give more than some fields of them."""
    many = 0
    for agg in aggs.values() if isinstance(aggs, Mapping) else ():
        if not isinstance(agg, Mapping):
            continue
        for kind, asked in agg.items():
            if not isinstance(asked, Mapping):
                continue
            if kind == "top_hits":
                many += _number(asked.get("size", 3)) if _is_whole(asked.get("_source")) else 0
            elif kind not in ("aggs", "aggregations", "meta"):
                below = _top_hits(agg.get("aggs")) + _top_hits(agg.get("aggregations"))
                many += below and below * _buckets(kind, asked)
    return many


def _buckets(kind: str, asked: Mapping[str, Any]) -> int:
    if kind in ("filter", "global", "missing", "nested", "reverse_nested", "sampler"):
        return 1
    # Others have as many as there are intervals.
    return _number(asked.get("size", 10 if kind.endswith("terms") or kind == "composite" else 100))


class HeapLoad:
    """The answers that Elasticsearch makes at once. Searches, which may take long, do not keep others waiting."""

    def __init__(self) -> None:
        busy = "Elasticsearch is busy with {} of other calls, so nothing was done: try again in a few seconds"
        self._searches = MemoryBudget(AT_ONCE, busy.format("searches"))
        self._others = MemoryBudget(AT_ONCE, busy.format("requests"))
        self._known: dict[int, int] = {}

    def expected(self, path: str, many: int) -> int:
        """Return the bytes that an answer with so many documents is expected to have."""
        known = self._known.get(_like(path))
        return UNKNOWN if known is None else known * many

    @asynccontextmanager
    async def hold(self, path: str, params: Mapping[str, str], body: Mapping[str, Any]) -> AsyncIterator[Callable[[int], None]]:
        """Reserve a request's share of Elasticsearch's heap inside this context. The path is without its query; without a body,
        it is empty.

        It yields a function that takes the bytes of the answer that came. Raise Busy if other calls' answers take everything
        until the deadline of this one.
        """
        like, many = _like(path), hits(path, params, body)

        def came(length: int) -> None:
            # One long answer is not forgotten at the next short one.
            known = max(length // many, self._known.pop(like, 0) // 2)
            self._known[like] = known
            if len(self._known) > KNOWN:
                del self._known[next(iter(self._known))]

        if _WAITING.fullmatch(path) or any(name.startswith("wait_for") for name in params):
            yield came
            return
        budget, least = (self._searches, LEAST_HIT) if _SEARCH.fullmatch(path) else (self._others, LEAST_ANSWER)
        async with budget.hold(min(max(self.expected(path, many), least * many), AT_ONCE)):
            yield came


def _like(path: str) -> int:
    """Return what answers of about the same length have in common: a hash of the path without the document's id."""
    found = _BY_ID.fullmatch(path)
    return hash(found[1] if found else path)
