"""What a request makes Elasticsearch try or hold, beyond what its size tells: suggestions, and what comes with each bucket."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from servers.common.protocol.tools import ToolError, to_json
from servers.elasticsearch.client.heap_load import AT_ONCE
from servers.elasticsearch.policy.query_bodies import entries, number

MOST_SUGGESTERS = 10
"""Suggesters of a request; a text may be for all of them."""

MOST_ERRORS = 2
"""Words of a phrase that may be wrong. Each multiplies what is tried by all their candidates: 12 took 16 s, and did not stop."""

_MOST_OF_SUGGESTERS = MappingProxyType(
    {
        "gram_size": 5,
        "max_determinized_states": 10_000,
        "max_inspections": 10,
        "shard_size": 100,
        "size": 100,
        "token_limit": 10,
    }
)
"""Most of what suggesters may say: their defaults, or a small multiple."""

MOST_CANDIDATES = 20
"""Candidates for each word of a phrase, of all generators together."""

MOST_ECHOED = MappingProxyType(
    {"_name": 5000, "format": 5000, "missing": 1000, "post_tags": 500, "pre_tags": 500, "separator": 1000}
)
"""Characters of what is told with each hit, bucket or word: 50,000 for 10,000 buckets ended a node."""

MOST_BUCKETS = 65_536
"""Buckets of an answer (search.max_buckets)."""

_RESULT, _NUMBER, _INTERVALS = 100, 30, 10_000
"""Bytes of a result of an aggregation, and of one of its numbers; buckets of a histogram."""


def check_costs(*bodies: Any) -> None:
    """Raise ToolError where a part of a request could keep Elasticsearch busy, or take its heap, whatever there is to find."""
    for body in bodies:
        echoed = dict.fromkeys(MOST_ECHOED, 0)
        for key, inner in entries(body, ("aggregations", "aggs", "suggest")):
            if key == "suggest" and isinstance(inner, dict):
                _check_suggesters(inner)
            elif key in ("aggregations", "aggs") and (held := _held(inner)) > AT_ONCE:
                raise ToolError(
                    f"the results of aggregations could take {held // 1024 // 1024} MiB in all buckets: ask for fewer buckets "
                    "(size), fewer sub-aggregations or percents, shorter names, no meta"
                )
        for key, inner in entries(body):
            if key in echoed:
                echoed[key] += sum(
                    len(part) for part in (inner if isinstance(inner, list) else [inner]) if isinstance(part, str)
                )
        for key, many in echoed.items():
            if many > MOST_ECHOED[key]:
                raise ToolError(
                    f"{key!r} has {many} characters, which are told with each result: it may have {MOST_ECHOED[key]}"
                )


def _check_suggesters(suggest: dict[str, Any]) -> None:
    if sum(isinstance(part, dict) for part in suggest.values()) > MOST_SUGGESTERS:
        raise ToolError(f"suggest takes at most {MOST_SUGGESTERS} suggesters: send the others in another request")
    for key, inner in entries(suggest):
        if key in _MOST_OF_SUGGESTERS and not 0 <= number(inner) <= _MOST_OF_SUGGESTERS[key]:
            raise ToolError(
                f"{key!r} of suggest is at most {_MOST_OF_SUGGESTERS[key]}: more could keep Elasticsearch busy"
            )
        # Less than 1 is a share of the words, of which there may be as many as token_limit says.
        if key == "max_errors" and not (0 <= number(inner) <= MOST_ERRORS / 10 or 1 <= number(inner) <= MOST_ERRORS):
            raise ToolError(
                f"'max_errors' of suggest is 1 to {MOST_ERRORS}, or a share up to {MOST_ERRORS / 10}: with more words that may "
                "be wrong Elasticsearch tries all their combinations"
            )
        if key == "direct_generator" and isinstance(inner, list):
            many = sum(number(part.get("size", 5)) for part in inner if isinstance(part, dict))
            if many > MOST_CANDIDATES:
                raise ToolError(
                    f"the generators of a phrase may have {MOST_CANDIDATES} candidates for a word (size) together: these have "
                    f"{many:.0f}"
                )


def _held(aggs: Any, buckets: int = 1) -> int:
    """Return the bytes that results of aggregations may have in so many buckets, about."""
    held = 0
    for name, agg in aggs.items() if isinstance(aggs, dict) else ():
        many, each = buckets, _RESULT + len(name)
        for kind, asked in agg.items() if isinstance(agg, dict) else ():
            if kind == "meta":
                each += len(to_json(asked))
            elif kind not in ("aggregations", "aggs") and isinstance(asked, dict):
                names = [name for part in ("filters", "ranges", "sources") for name in _names(asked.get(part))]
                many = min(buckets * _buckets(kind, asked, len(names)), MOST_BUCKETS)
                numbers = sum(len(asked[part]) for part in ("percents", "values") if isinstance(asked.get(part), list))
                each += _NUMBER * numbers
                held += max(many, buckets) * sum(map(len, names))
        held += buckets * each
        for kind in ("aggregations", "aggs"):
            held += _held(agg.get(kind), many) if isinstance(agg, dict) else 0
    return held


def _names(parts: Any) -> list[str]:
    """Return what a request calls filters, ranges, or the sources of a key."""
    if isinstance(parts, list):
        return [str(part["key"]) if "key" in part else "".join(part) for part in parts if isinstance(part, dict)]
    return list(parts) if isinstance(parts, dict) else []


def _buckets(kind: str, asked: dict[str, Any], names: int) -> int:
    """Return how many buckets an aggregation makes of one, about."""
    if kind == "adjacency_matrix":
        return names * (names + 1) // 2
    if kind in ("filters", "ip_range", "range", "date_range", "geo_distance"):
        return names + 1
    if kind.endswith("histogram") and kind != "auto_date_histogram":
        return _INTERVALS
    if "size" in asked or kind.endswith("terms") or kind == "composite":
        return int(min(max(number(asked.get("size", 10)), 1), MOST_BUCKETS))
    return 100 if kind in ("auto_date_histogram", "geohash_grid", "geotile_grid", "geohex_grid", "ip_prefix") else 1
