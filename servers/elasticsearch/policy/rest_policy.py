"""Which requests of Elasticsearch's REST API a model may send: those that read, by method and path.

The patterns are taken from the REST API specification of 8.11 to 8.19 (rest-api-spec in Elasticsearch's repository). In them
{index} stands for an expression of indices, another {name} for one part, and ** for any parts or none.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from servers.common.protocol.tools import ToolError
from servers.elasticsearch.client.heap_load import hits
from servers.elasticsearch.policy.query_bodies import check_analyzer, check_pipeline

_GET = """
    /
    /_alias /_alias/{name} /{index}/_alias /{index}/_alias/{name}
    /_application/search_application/**
    /_cat /_cat/aliases /_cat/aliases/{name} /_cat/allocation /_cat/allocation/{node} /_cat/component_templates
    /_cat/component_templates/{name} /_cat/count /_cat/count/{index} /_cat/fielddata /_cat/fielddata/{fields} /_cat/health
    /_cat/indices /_cat/indices/{index} /_cat/master /_cat/ml/** /_cat/nodeattrs /_cat/nodes /_cat/pending_tasks /_cat/plugins
    /_cat/recovery /_cat/recovery/{index} /_cat/repositories /_cat/segments /_cat/segments/{index} /_cat/shards
    /_cat/shards/{index} /_cat/snapshots /_cat/snapshots/{repository} /_cat/tasks /_cat/templates /_cat/templates/{name}
    /_cat/thread_pool /_cat/thread_pool/{pools} /_cat/transforms /_cat/transforms/{id}
    /_ccr/auto_follow /_ccr/auto_follow/{name} /_ccr/stats /{index}/_ccr/info /{index}/_ccr/stats
    /_cluster/health /_cluster/health/{index} /_cluster/pending_tasks /_cluster/settings /_cluster/stats
    /_cluster/stats/nodes/{node} /_cluster/state/{metric} /_cluster/state/{metric}/{index}
    /_component_template /_component_template/{name} /_index_template /_index_template/{name} /_template /_template/{name}
    /_data_stream /_data_stream/_stats /_data_stream/{index} /_data_stream/{index}/_lifecycle /_data_stream/{index}/_stats
    /_enrich/_stats /_enrich/policy /_enrich/policy/{name}
    /_health_report /_health_report/{feature} /_info/{target}
    /_ilm/policy /_ilm/policy/{name} /_ilm/status /{index}/_ilm/explain /_lifecycle/stats /{index}/_lifecycle/explain
    /_ingest/geoip/stats /_ingest/pipeline /_ingest/pipeline/{name} /_ingest/processor/grok
    /_license /_license/basic_status /_license/trial_status
    /_mapping /_mapping/field/{fields} /{index}/_mapping /{index}/_mapping/field/{fields}
    /_migration/deprecations /_migration/system_features /{index}/_migration/deprecations
    /_ml/**
    /_nodes /_nodes/**
    /_query_rules /_query_rules/** /_synonyms /_synonyms/**
    /_recovery /{index}/_recovery /_segments /{index}/_segments /_shard_stores /{index}/_shard_stores
    /_remote/info /_resolve/cluster /_resolve/cluster/{index} /_resolve/index/{index}
    /_rollup/data /_rollup/data/{index} /_rollup/job /_rollup/job/{id} /{index}/_rollup/data
    /_script_context /_script_language /_scripts/{id}
    /_searchable_snapshots/** /{index}/_searchable_snapshots/stats
    /_settings /_settings/{name} /{index}/_settings /{index}/_settings/{name}
    /_slm/policy /_slm/policy/{name} /_slm/stats /_slm/status /_snapshot /_snapshot/**
    /_stats /_stats/{metric} /{index}/_stats /{index}/_stats/{metric} /{index}/_field_usage_stats
    /_tasks /_tasks/{id} /_transform /_transform/** /_xpack /_xpack/usage
    /{index} /{index}/_doc/{id} /{index}/_source/{id}
"""

_POST = """
    /_analyze /{index}/_analyze
    /_cluster/allocation/explain
    /_count /{index}/_count /_search /{index}/_search /_search_shards /{index}/_search_shards
    /_field_caps /{index}/_field_caps /{index}/_terms_enum
    /_index_template/_simulate /_index_template/_simulate/{name} /_index_template/_simulate_index/{index}
    /_ingest/pipeline/_simulate /_ingest/pipeline/{name}/_simulate
    /_mget /{index}/_mget /_mtermvectors /{index}/_mtermvectors /{index}/_termvectors /{index}/_termvectors/{id}
    /_ml/anomaly_detectors/{id}/results/**
    /_query_rules/{id}/_test
    /_rank_eval /{index}/_rank_eval
    /_sql/translate /_text_structure/test_grok_pattern
    /_validate/query /{index}/_validate/query /{index}/_explain/{id} /{index}/_graph/explore
"""

_ABOUT_NO_INDEX = """
    / /_analyze /_cat /_cat/allocation /_cat/allocation/{node} /_cat/health /_cat/master /_cat/nodeattrs /_cat/nodes /_cat/plugins
    /_cat/thread_pool /_cat/thread_pool/{pools} /_cluster/stats /_cluster/stats/nodes/{node} /_ingest/processor/grok
    /_license /_license/basic_status /_license/trial_status /_nodes /_nodes/** /_script_context /_script_language
    /_text_structure/test_grok_pattern /_xpack /_xpack/usage
    /_cluster/allocation/explain /_ingest/pipeline/_simulate /_mget /_mtermvectors
"""
"""Requests whose answers show no index but those that their bodies name."""

_ABOUT_MORE = """
    /_cluster/state/{metric}/{index} /_data_stream/{index} /_data_stream/{index}/_lifecycle /_data_stream/{index}/_stats
    /_index_template/_simulate_index/{index}
    /_resolve/cluster/{index} /_rollup/data/{index}
    /{index}/_ccr/info /{index}/_ccr/stats /{index}/_migration/deprecations /{index}/_rollup/data
"""
"""Requests whose answers show other indices than those of their paths."""

_DEEPER = frozenset({"completion_fields", "fielddata_fields", "fields", "groups", "include_disk_info", "level"})
"""Parameters that make an answer show indices, or what is in them."""

_BODIES = {
    "/_analyze": "analyzer attributes char_filter explain field filter normalizer text tokenizer",
    "/_cluster/allocation/explain": "current_node index primary shard",
    "/_count": "query",
    "/_explain/{id}": "query",
    "/_field_caps": "fields index_filter runtime_mappings",
    "/_graph/explore": "connections controls query vertices",
    "/_index_template/_simulate": "_meta allow_auto_create composed_of data_stream deprecated ignore_missing_component_templates "
    "index_patterns priority template version",
    "/_ingest/pipeline/_simulate": "docs pipeline",
    "/_ingest/pipeline/{name}/_simulate": "docs",
    "/_mget": "docs ids",
    "/_ml/anomaly_detectors/{id}/results/**": "allow_no_match anomaly_score bucket_span desc end exclude_interim expand "
    "overall_score page record_score sort start top_n",
    "/_mtermvectors": "docs ids",
    "/_query_rules/{id}/_test": "match_criteria",
    "/_rank_eval": "metric requests",
    "/_search": "_source aggregations aggs collapse docvalue_fields explain fields from highlight indices_boost knn min_score "
    "pit post_filter profile query rank rescore retriever runtime_mappings search_after seq_no_primary_term size slice sort "
    "stats stored_fields suggest terminate_after timeout track_scores track_total_hits version",
    "/_sql/translate": "fetch_size filter query time_zone",
    "/_terms_enum": "case_insensitive field index_filter search_after size string timeout",
    "/_termvectors": "doc field_statistics fields filter offsets payloads per_field_analyzer positions routing term_statistics "
    "version version_type",
    "/_text_structure/test_grok_pattern": "ecs_compatibility grok_pattern text",
    "/_validate/query": "query",
}
"""What the bodies of requests may have, by their patterns without {index}."""

_ALIKE = {
    "/_index_template/_simulate/{name}": "/_index_template/_simulate",
    "/_index_template/_simulate_index": "/_index_template/_simulate",
    "/_termvectors/{id}": "/_termvectors",
}
"""Requests whose bodies are those of others."""

_HARMLESS = """
    _source _source_exclude_vectors
    _source_excludes _source_includes accept_enterprise actions active_only after all_shards allow_closed allow_no_indices
    allow_no_match allow_partial_search_results analyze_wildcard analyzer batched_reduce_size bytes categories cause
    ccs_minimize_roundtrips completion_fields create decompress_definition default_operator desc detailed df ecs_compatibility end
    exclude_generated exclude_interim expand_wildcards explain features field_statistics fielddata_fields fields filter_path
    filters flat_settings forbid_closed_indices force_synthetic_source from from_sort_value full_id group_by groups h health help
    human ignore_idle_threads ignore_throttled ignore_unavailable include include_bootstrap include_defaults include_disk_info
    include_empty_fields include_model_definition include_named_queries_score include_remotes include_repository
    include_segment_file_sizes include_unloaded_segments include_unmapped include_yes_decisions index_details index_names
    influencer_score interval job_id lenient level local master_timeout max_concurrent_shard_requests min_compatible_shard_node
    min_score nodes offset offsets only_errors only_managed order parent_task_id partition_field_value payloads positions
    pre_filter_shard_size preference pretty pri q realtime request_cache rest_total_hits_as_int rewrite routing s search_type
    settings_filter size slm_policy_filter snapshots sort start state status stored_fields suggest_field suggest_mode suggest_size
    suggest_text summary tags term_statistics terminate_after threads time timeout ts type typed_keys types v verbose version
    version_type wait_for_active_shards wait_for_completion wait_for_events wait_for_metadata_version
    wait_for_no_initializing_shards wait_for_no_relocating_shards wait_for_nodes wait_for_status wait_for_timeout
"""
"""Parameters of the requests that are allowed, which neither name an index nor change anything."""

_CLOSED = re.compile(
    r"/(_cat/(indices|shards|recovery)|_cluster/health|_resolve/index)/\{index\}|/\{index\}(/_(alias|mapping|settings).*)?"
)
"""Requests that closed indices have answers to."""

_INSTEAD = {
    "_cat": "a path with an index such as /_cat/shards/my-index; or use es_indices",
    "_cluster": "es_health",
    "_health_report": "es_health",
    "_tasks": "es_health",
    "_snapshot": "es_health",
    "_slm": "es_health",
    "_ilm": "/my-index/_ilm/explain",
    "_index_template": "es_indices",
    "_template": "es_indices",
    "_component_template": "es_indices",
    "_data_stream": "es_indices",
    "_nodes": "/_nodes/stats; or use es_health",
}
"""What may be used in place of what is refused, by the first part of a path."""

PARAMETERS = {
    "error_trace": "it shows Elasticsearch's internals",
    "alias": "it belongs in the path",
    "index": "it belongs in the path",
    "indices": "it belongs in the path",
    "name": "it belongs in the path",
    "target": "it belongs in the path",
    "refresh": "it makes Elasticsearch refresh the index",
    "scroll": "it leaves a search open: use es_search with its cursor",
    "source": "give the body as body",
    "source_content_type": "give the body as body",
    "format": "answers are JSON",
}
"""Parameters that are refused, and why."""

MOST_BY_ID = 10
"""Documents by id in one request: Elasticsearch reads all of them into its heap."""


@dataclass(frozen=True)
class RestEndpoint:
    """A request that is allowed: its pattern, and the parts of the path."""

    pattern: str
    parts: tuple[str, ...]

    @property
    def indices(self) -> list[str]:
        """Return the parts of the path that name indices."""
        names = self.pattern.strip("/").split("/")
        return [part for name, part in zip(names, self.parts, strict=False) if name == "{index}"]

    @property
    def reaches_closed(self) -> bool:
        """Return whether the endpoint covers closed indices, too."""
        return bool(_CLOSED.fullmatch(self.pattern))

    def check_body(self, method: str, body: Mapping[str, Any] | None) -> None:
        """Raise ToolError for a body, or a part of it, that is not known. How deep it is has been checked."""
        if body is None:
            return
        if method == "GET":
            raise ToolError("body is refused: GET takes no body; use params")
        pattern = self.pattern.replace("/{index}", "")
        known = _BODIES.get(_ALIKE.get(pattern, pattern), "")
        if unknown := sorted(body.keys() - set(known.split())):
            told = f"known are {', '.join(known.split())}" if known else "it takes none"
            raise ToolError(f"{unknown[0][:100]!r} in body is refused, because it is not known to be read-only: {told}")
        if pattern == "/_analyze":
            check_analyzer({key: inner for key, inner in body.items() if key != "text"}, body.get("text"))
        if pattern in ("/_mget", "/_mtermvectors") and hits(pattern, {}, body) > MOST_BY_ID:
            raise ToolError(f"a request reads at most {MOST_BY_ID} documents by id here: es_get reads more of them")
        if "pipeline" in body:
            check_pipeline(body["pipeline"], docs=body.get("docs"))

    def limited(self, params: Mapping[str, Any]) -> RestEndpoint:
        """Return the same request where MCP_INDEX_PATTERNS limits this server: one that names its indices, or is about none.
        Raise ToolError if it would show other indices."""
        if "hot_threads" in self.parts or (self.pattern in _FREE and not params.keys().isdisjoint(_DEEPER)):
            raise self._refused()
        if self.pattern in _FREE or ("{index}" in self.pattern and self.pattern not in _TELLING):
            return self
        # Elasticsearch takes the indices in front of most commands, and behind some.
        for pattern, parts in (
            ("/{index}" + self.pattern, ("*", *self.parts)),
            (self.pattern + "/{index}", (*self.parts, "*")),
        ):
            if pattern in _KNOWN and pattern not in _TELLING:
                return RestEndpoint(pattern, parts)
        raise self._refused()

    def _refused(self) -> ToolError:
        instead = _INSTEAD.get(self.parts[0] if self.parts else "", "a path with an index, or another tool")
        return ToolError(
            f"/{'/'.join(self.parts)[:200]} is refused: it would show indices outside MCP_INDEX_PATTERNS; use {instead}"
        )

    def of(self, indices: str) -> tuple[str, ...]:
        """Return the parts of the path, for these indices."""
        names = self.pattern.strip("/").split("/")
        named = [indices if name == "{index}" else part for name, part in zip(names, self.parts, strict=False)]
        return (*named, *self.parts[len(named) :])


@cache
def _compiled(method: str) -> list[tuple[str, re.Pattern[str]]]:
    """Compile the allowed requests of a method. There are many: only the first es_request needs them."""
    found = []
    for pattern in _ALLOWED.get(method, "").split():
        # A part that begins with _ is a command of Elasticsearch's, save _all and _local.
        text = re.sub(r"\{\w+\}", r"(?:(?!_)[^/]+|_all|_local)", pattern).replace("/**", r"(?:/[^/]+)*")
        found.append((pattern, re.compile(text)))
    # The more of a pattern is said outright, the sooner it is tried.
    return sorted(found, key=lambda item: ("**" in item[0], item[0].count("{")))


_PARAMETERS = frozenset(_HARMLESS.split())

_FREE, _TELLING = frozenset(_ABOUT_NO_INDEX.split()), frozenset(_ABOUT_MORE.split())
_KNOWN = frozenset((_GET + _POST).split())

_ALLOWED = {"GET": _GET, "POST": _POST}


def endpoint(method: str, path: str) -> RestEndpoint:
    """Return the endpoint of a request by GET or POST, with the path as in the reference. Raise ToolError if it does not only
    read."""
    parts = tuple(part for part in path.split("/") if part)
    if not path.startswith("/") or "//" in path or any(part in (".", "..") for part in parts) or re.search(r"[?#%\\\s]", path):
        raise ToolError(f"{path[:200]!r} is not a path such as /my-index/_stats: parameters go into params")
    plain = "/" + "/".join(parts)
    for pattern, expression in _compiled(method):
        if expression.fullmatch(plain):
            return RestEndpoint(pattern, parts)
    raise ToolError(f"{method} {path[:200]} is refused: {_reason(method, plain)}")


def _reason(method: str, path: str) -> str:
    first = path.split("/")[1]
    if first in ("_security", "_watcher", "_connector", "_ssl", "_logstash", "_inference"):
        return f"what is under /{first} may hold secrets"
    if method not in _ALLOWED:
        return "only GET and POST are sent, and no request that changes anything"
    if "script" in path or "template" in path:
        return "scripts and stored templates are not run here"
    other = "POST" if method == "GET" else "GET"
    # Behind ** may be what the other method does not do.
    if any(expression.fullmatch(path) for pattern, expression in _compiled(other) if "**" not in pattern):
        return f"send it by {other}"
    if re.search(r"/_(query|sql|eql)", path):
        return "queries in ES|QL, SQL and EQL are not sent from here; es_query sends them"
    if re.search(r"/_(async_search|pit|search/scroll)", path):
        return "it leaves a search open; es_search waits for its result, and continues by its cursor"
    if path.endswith(("/_msearch", "/_knn_search")):
        return "es_search does this, by its arguments also and knn"
    return "it is not known to be read-only"


def check_parameters(params: Mapping[str, Any]) -> None:
    """Raise ToolError for a parameter that is refused."""
    for name, value in params.items():
        if name == "format" and value == "json":
            continue
        if name in PARAMETERS:
            raise ToolError(f"parameter {name} is refused: {PARAMETERS[name]}")
        if name not in _PARAMETERS:
            near = difflib.get_close_matches(name, _PARAMETERS)
            told = f"; did you mean {' or '.join(near)}?" if near else ""
            raise ToolError(f"parameter {name[:100]!r} is refused, because it is not known to be read-only{told}")
