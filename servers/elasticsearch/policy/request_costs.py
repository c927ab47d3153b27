"""Limit costs of a request that its size does not show: suggestions, and data that comes with each bucket."""

import math
import re
from collections.abc import Container, Iterable, Iterator
from itertools import repeat
from types import MappingProxyType
from typing import Any, NamedTuple

from servers.common.protocol.tools import ToolError, to_json
from servers.elasticsearch.client.heap_load import AT_ONCE

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

LONGEST_EXPRESSION = 1000
"""Characters of a regular expression in an aggregation, which index.max_regex_length does not bound: one of 100,000 took 10 s."""

MOST_FUZZY = 4000
"""Characters that a request looks for with mistakes in them. Elasticsearch takes 0.3 ms for each, and can't be told to stop."""

MOST_WORDS = 1000
"""Words in all texts of query_string and simple_query_string, which takes 1 s for these; 5,000 took ten, 50,000 more than 25."""

LONGEST_TEXT = 20_000
"""Characters of these."""

MOST_PARENTHESES = 500
"""Parentheses in these. 20,000 inside of each other end the thread that reads them, and the call is never answered."""

_EXPRESSIONS = frozenset({"exclude", "include", "pattern", "regex"})
_WHOLE = frozenset({"aggregations", "aggs", "suggest"})

_RESULT, _NUMBER, _INTERVALS = 100, 30, 10_000
"""Bytes of a result of an aggregation, and of one of its numbers; buckets of a histogram."""

LEAVES = frozenset(
    {
        "fuzzy", "match", "match_bool_prefix", "match_phrase", "match_phrase_prefix", "prefix", "regexp", "term", "wildcard",
    }
)  # fmt: skip
"""Queries whose keys are names of fields: a field may well be called script."""

DEEPEST = 200
"""Lists and objects inside of each other. Elasticsearch takes 30 queries inside of each other, and 1,000 levels of JSON."""


class Entry(NamedTuple):
    """A key of an object, at any depth of a value."""

    key: str
    inner: Any
    parent: str
    """The key that has the object."""
    outer: frozenset[str]
    """The keys, of those that were asked for, that have the object at any depth."""


def check_depth(value: Any) -> None:
    """Raise ToolError for a value that is deeper than Elasticsearch takes: checks take time for each level."""
    level: list[Iterable[Any]] = [[value]]
    for _ in range(DEEPEST + 1):
        level = [
            inner.values() if isinstance(inner, dict) else inner
            for part in level
            for inner in part
            if isinstance(inner, (dict, list))
        ]
    if level:
        raise ToolError(f"lists and objects may be at most {DEEPEST} levels deep: Elasticsearch refuses deeper queries as well")


def entries(value: Any, outer: Container[str] = ()) -> Iterator[Entry]:
    """Yield each key of the objects in a value, at any depth, and in which of the keys `outer` it is. Generators inside of each
    other would pass on each entry of a deep value level by level, which keeps others waiting."""
    left: list[tuple[Iterator[tuple[str | None, Any]], str, frozenset[str]]] = [(iter([(None, value)]), "", frozenset())]
    while left:
        inside, parent, found = left[-1]
        for key, inner in inside:
            if key is not None:
                yield Entry(key, inner, parent, found)
            if not isinstance(inner, (dict, list)):
                continue
            place = (parent, found) if key is None else (key, found | {key} if key in outer else found)
            each = inner.items() if isinstance(inner, dict) else zip(repeat(None), inner, strict=False)
            left.append((iter(each), *place))
            break
        else:
            left.pop()


def check_costs(*bodies: Any) -> None:
    """Raise ToolError for a request that could keep Elasticsearch busy, or take its heap, before a search that can be cancelled
    begins."""
    mistaken, texts = 0, []
    for body in bodies:
        echoed = dict.fromkeys(MOST_ECHOED, 0)
        for key, inner, parent, outer in entries(body, _WHOLE | {"fuzzy", "highlight", "sort"}):
            if key in ("query_string", "simple_query_string") and isinstance(inner, dict):
                texts.append(str(inner.get("query", "")))
            if not outer & {"fuzzy", "suggest"}:
                mistaken += _mistaken(key, inner)
            if key in _EXPRESSIONS and isinstance(inner, str) and len(inner) > LONGEST_EXPRESSION:
                raise ToolError(
                    f"{key!r} has {len(inner)} characters: a regular expression may have at most {LONGEST_EXPRESSION}"
                )
            if key in _WHOLE and not outer & _WHOLE and isinstance(inner, dict):
                if key == "suggest":
                    _check_suggesters(inner)
                elif (held := _held(inner)) > AT_ONCE:
                    raise ToolError(
                        f"the results of aggregations could take {held // 1024 // 1024} MiB in all buckets: ask for fewer "
                        "buckets (size), fewer sub-aggregations or percents, shorter names, no meta"
                    )
            # A field may well be called format. What follows highlight and sort are fields of any name with such options.
            if key in echoed and (
                key == "_name"
                or outer & {"highlight", "sort"}
                or not (parent in LEAVES or (parent == "terms" and isinstance(inner, list)))
            ):
                told = inner if isinstance(inner, list) else [inner]
                many = sum(len(part) for part in told if isinstance(part, str))
                # Each field of a highlight has its own tags.
                echoed[key] = max(echoed[key], many) if key in ("post_tags", "pre_tags") else echoed[key] + many
        for key, many in echoed.items():
            if many > MOST_ECHOED[key]:
                raise ToolError(
                    f"{key!r} has {many} characters, which come with each result: it may have at most {MOST_ECHOED[key]}"
                )
    text = " ".join(texts)
    for name, many, most in (
        ("characters", len(text), LONGEST_TEXT),
        ("words", len(re.findall(r'[^\s"()+|]+', text)), MOST_WORDS),
        ("parentheses", text.count("("), MOST_PARENTHESES),
    ):
        if many > most:
            raise ToolError(
                f"the texts of query_string and simple_query_string have {many} {name}, more than {most}; a terms query takes "
                "many values"
            )
    if mistaken > MOST_FUZZY:
        raise ToolError(
            f"{mistaken} characters are searched with fuzziness or ~, more than {MOST_FUZZY}: search fewer in this way"
        )


def _mistaken(key: str, inner: Any) -> int:
    """Return how many characters a part of a request looks for with mistakes in them."""
    if key in ("fuzzy", "suggest"):
        return characters(inner)
    if key == "query" and isinstance(inner, str) and "~" in inner:
        return len(inner)
    if isinstance(inner, dict) and "fuzziness" in inner and isinstance(inner.get("query"), str):
        return len(inner["query"])
    return 0


def _check_suggesters(suggest: dict[str, Any]) -> None:
    if sum(isinstance(part, dict) for part in suggest.values()) > MOST_SUGGESTERS:
        raise ToolError(f"suggest takes at most {MOST_SUGGESTERS} suggesters: send the others in another request")
    for key, inner, *_ in entries(suggest):
        if key in _MOST_OF_SUGGESTERS and not 0 <= number(inner) <= _MOST_OF_SUGGESTERS[key]:
            raise ToolError(f"{key!r} of suggest is at most {_MOST_OF_SUGGESTERS[key]}: more could keep Elasticsearch busy")
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
                    f"the generators of a phrase may have {MOST_CANDIDATES} candidates for a word (size) in total: these have "
                    f"{many:.0f}"
                )


def number(value: Any) -> float:
    """Return a number as Elasticsearch takes it, which may be a text of Java's; 0 for what is none."""
    text = str(value)[:100].strip().lower()
    for read in (float, float.fromhex):
        try:
            found: float = read(text.rstrip("df") if read is float else text)
        except (ValueError, OverflowError):
            continue
        return math.inf if math.isnan(found) else found
    return 0


def characters(value: Any) -> int:
    """Return the number of characters in all texts of a value."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return sum(map(characters, value))
    return sum(map(characters, value.values())) if isinstance(value, dict) else 0


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
    """Return the names that a request gives to filters, ranges, or sources of a key."""
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
