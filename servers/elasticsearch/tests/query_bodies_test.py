"""Which queries are refused."""

from __future__ import annotations

from typing import Any

import pytest

from servers.common.protocol.tools import ToolError
from servers.elasticsearch.policy.query_bodies import refuse_scripts


@pytest.mark.parametrize(
    "query",
    [
        {"match": {"script": "a field of this name"}},
        {"term": {"script": {"value": "x"}}},
        {"terms": {"script": ["a", "b"]}},
        {"match": {"script_score": "x"}},
        {"exists": {"field": "script"}},
        {"bool": {"must": [{"wildcard": {"script": {"value": "a*"}}}]}},
        {"aggs": {"script": {"terms": {"field": "a"}}}},
    ],
)
def test_fields_may_be_called_script(query: Any) -> None:
    refuse_scripts(query)


@pytest.mark.parametrize(
    "query",
    [
        {"script": {"script": "true"}},
        {"script": {"script": {"id": "stored"}}},
        {"bool": {"filter": [{"script": {"script": {"source": "true", "lang": "painless"}}}]}},
        {"function_score": {"functions": [{"script_score": {"script": "1"}}]}},
        {"terms_set": {"a": {"terms": ["x"], "minimum_should_match_script": {"source": "1"}}}},
        {"a": {"bucket_script": {"buckets_path": {}, "script": "1"}}},
        {"a": {"scripted_metric": {"map_script": "1"}}},
        {"a": {"avg": {"script": "doc['x'].value"}}},
        [{"_script": {"type": "number", "script": "1"}}],
    ],
)
def test_scripts_are_refused_wherever_they_are(query: Any) -> None:
    with pytest.raises(ToolError, match="scripts are not allowed"):
        refuse_scripts(query)


@pytest.mark.parametrize(
    "part",
    [
        {"match": {"scripted_metric": {"init_script": "state.n = 0"}}},
        {"term": {"bucket_script": {"buckets_path": {}, "script": "1"}}},
        {"runtime_mappings": {"match": {"type": "long", "script": "emit(1)"}}},
        {"filters": {"filters": {"match": {"wrapper": {"query": "eyJtYXRjaF9hbGwiOnt9fQ=="}}}}},
        {"bool": {"filter": {"wrapper": {"query": "eyJtYXRjaF9hbGwiOnt9fQ=="}}}},
    ],
)
def test_scripts_are_found_behind_names_of_queries(part: dict[str, Any]) -> None:
    with pytest.raises(ToolError):
        refuse_scripts(part)
