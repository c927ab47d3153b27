"""Settings of indices that lift Elasticsearch's own limits, and analyzers that would make too much of a text."""

import itertools
import re
from types import MappingProxyType
from typing import Any

from servers.common.protocol.tools import ToolError
from servers.elasticsearch.policy.query_bodies import check_expressions, check_growth, growth_of
from servers.elasticsearch.policy.request_costs import number

MOST = MappingProxyType(
    {
        "analyze.max_token_count": 10_000,
        "highlight.max_analyzed_offset": 10_000_000,
        "mapping.depth.limit": 100,
        "mapping.dimension_fields.limit": 32_768,
        "mapping.nested_fields.limit": 500,
        "mapping.nested_objects.limit": 10_000,
        "mapping.total_fields.limit": 12_500,
        "max_adjacency_matrix_filters": 100,
        "max_docvalue_fields_search": 200,
        "max_inner_result_window": 1000,
        "max_ngram_diff": 30,
        "max_refresh_listeners": 1000,
        "max_regex_length": 1000,
        "max_rescore_window": 10_000,
        "max_result_window": 100_000,
        "max_script_fields": 32,
        "max_shingle_diff": 5,
        "max_slices_per_scroll": 1024,
        "max_terms_count": 65_536,
        "number_of_routing_shards": 1024,
        "number_of_shards": 100,
    }
)
"""The most that a setting may be: Elasticsearch's default, or a small multiple. A limit of 100 million fields let one document
with 40,000 new ones end a node's work for minutes."""

MOST_NAMED = 20
"""Parts of an analyzer that name each other in a row, as a multiplexer names filters."""

_USED = ("char_filter", "filter", "filters", "tokenizer")

_PART = re.compile(r"analysis\.(analyzer|char_filter|filter|normalizer|tokenizer)\.(.+)\.(\w+)")


def check_settings(settings: dict[str, Any]) -> None:
    """Raise ToolError for settings of an index, by their dotted names, that lift a limit, or an analyzer that could end or hang
    Elasticsearch."""
    parts: dict[tuple[str, str], dict[str, Any]] = {}
    for name, value in settings.items():
        key = name.removeprefix("index.")
        if key in MOST and value is not None and not 0 <= number(value) <= MOST[key]:
            raise ToolError(f"{key} may be at most {MOST[key]} here, because more could overload a node; nothing was done")
        if found := _PART.fullmatch(key):
            parts.setdefault((found[1], found[2]), {})[found[3]] = value
    check_expressions(list(parts.values()))
    grown: dict[tuple[str, str], float] = {}

    def growth(place: tuple[str, str], depth: int = 0) -> float:
        """Return how many times as long a text may get in a part, and in those that it names."""
        if place in grown:
            return grown[place]
        grown[place] = 1  # what a part is to itself
        part = parts.get(place, {})
        named = [(used.rstrip("s"), name.strip()) for used in _USED for name in _listed(part.get(used))]
        if named and depth > MOST_NAMED:
            raise ToolError(f"analyzers name filters that name others, more than {MOST_NAMED} in a row; nothing was done")
        inner = (growth(other, depth + 1) for other in named)
        grown[place] = check_growth(itertools.chain([growth_of(part or place[1])], inner))
        return grown[place]

    for place in parts:
        growth(place)


def _listed(value: Any) -> list[str]:
    """Return the names in a list, which may be a text with commas."""
    return [name for item in (value if isinstance(value, list) else [value]) for name in str(item or "").split(",")]
