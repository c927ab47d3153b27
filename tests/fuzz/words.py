"""What the stores of the fuzzer hold, and words that fit it."""

import json
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st
from redis import Redis

from tests.fuzz.arguments import Words
from tests.fuzz.text import ANYTHING, NUMBERS, STRINGS, Strategy, pick
from tools.backends.elasticsearch import ElasticsearchNode

# Redis.

KEYS = ("string", "number", "bytes", "json", "hash", "list", "set", "zset", "geo", "stream", "bits", "user:1:password")


def fill_redis(redis: Redis) -> None:
    """A key of each type."""
    redis.flushall()
    redis.mset({"string": "text \u00e9", "number": "41", "bytes": b"\x00\xff\x80", "json": json.dumps({"a": [1, None]})})
    redis.set("user:1:password", "hidden")
    redis.hset("hash", mapping={f"field{i}": str(i) for i in range(40)})
    redis.rpush("list", *range(40))
    redis.sadd("set", *range(40))
    redis.zadd("zset", {f"m{i}": i / 3 for i in range(40)})
    redis.geoadd("geo", (13.4, 52.5, "berlin"))
    redis.setbit("bits", 77, 1)
    for i in range(1, 20):
        redis.xadd("stream", {"f": str(i)}, id=f"{i}-1")
    redis.xgroup_create("stream", "group", id="0")
    redis.xreadgroup("group", "consumer", {"stream": ">"}, count=5)


_COMMANDS = (
    "GET", "STRLEN", "HGETALL", "HSCAN", "LRANGE", "SMEMBERS", "SRANDMEMBER", "ZRANGE", "ZRANGEBYSCORE", "XRANGE", "XINFO",
    "XPENDING", "OBJECT", "MEMORY", "TYPE", "TTL", "SCAN", "DBSIZE", "INFO", "COMMAND", "CONFIG", "KEYS", "EVAL", "FLUSHALL",
    "SET", "DEL", "INCR", "APPEND", "LPUSH", "SADD", "ZADD", "HSET", "XADD", "EXPIRE", "RENAME", "COPY", "GETEX", "BLPOP",
    "WAIT", "SUBSCRIBE", "MULTI", "CLIENT", "DEBUG", "SHUTDOWN", "SORT", "SORT_RO", "LCS", "BITCOUNT", "GEOSEARCH", "OBJECT|HELP",
    "get", "Xinfo", "MONITOR", "PSYNC", "REPLICAOF", "SELECT", "AUTH", "HELLO", "RESET", "QUIT", "FT.SEARCH", "JSON.GET",
)  # fmt: skip
_OPERANDS = (
    *KEYS, "0", "-1", "9", "-", "+", "(1", "-inf", "WITHSCORES", "COUNT", "10", "MATCH", "*", "STREAM", "GROUPS", "FULL", "GET",
    "ENCODING", "USAGE", "LIMIT", "BY", "STORE", "server", "all", "NX", "EX", "field1", "m1", "1-1", "$", "100000000",
    "FROMLONLAT", "13", "52", "BYRADIUS", "km",
)  # fmt: skip


_REDIS_CALLS: dict[str, list[dict[str, Any]]] = {
    "redis_read": [{"key": "hash", "field": "field1"}, {"key": "bits", "view": "bits"}, {"key": "geo", "view": "geo"}],
    "redis_command": [
        {"command": command.split()}
        for command in (
            "GET string", "STRLEN bytes", "HSCAN hash 0 COUNT 5", "LRANGE list 0 -1", "SRANDMEMBER set 9", "ZRANGE zset 0 9",
            "XRANGE stream - + COUNT 3", "XINFO STREAM stream FULL", "XPENDING stream group - + 10", "OBJECT ENCODING hash",
            "MEMORY USAGE zset", "SCAN 0 MATCH * COUNT 10", "INFO server", "LCS string json IDX", "SORT_RO list LIMIT 0 5 ALPHA",
            "GEOSEARCH geo FROMLONLAT 13 52 BYRADIUS 99 km WITHDIST", "COMMAND INFO get set", "BITCOUNT bits 0 -1 BIT", "DBSIZE",
        )
    ],
    "redis_write": [
        {"key": "new", "value": "text"},
        {"key": "new", "value": "AAEC", "base64": True, "ttl_s": 60},
        {"key": "hash", "type": "hash", "value": {"a": "b"}},
        {"key": "list", "type": "list", "value": ["a"], "prepend": True},
        {"key": "set", "type": "set", "value": ["a"]},
        {"key": "zset", "type": "zset", "value": {"a": 1.5}},
        {"key": "stream", "type": "stream", "value": {"f": "v"}},
        {"key": "string", "value": "x", "condition": "absent"},
        {"key": "other", "type": "hash", "value": {"a": "b"}, "replace": True},
    ],
    "redis_transaction": [
        {"commands": [["INCR", "number"], ["EXPIRE", "string", "60"]]},
        {"commands": [["XACK", "stream", "group", "1-1"]]},
    ],
}  # fmt: skip


def redis_words() -> Words:
    key = st.sampled_from(KEYS)
    command = st.builds(
        lambda name, operands: [name, *operands],
        st.sampled_from(_COMMANDS),
        st.lists(st.one_of(st.sampled_from(_OPERANDS), st.sampled_from(_OPERANDS), STRINGS), max_size=5),
    )
    by_name: dict[str, Strategy] = {
        "key": st.one_of(key, key, key, STRINGS),
        "keys": st.lists(st.one_of(key, STRINGS), max_size=6),
        "command": st.one_of(command, st.sampled_from(_COMMANDS)),
        "commands": st.lists(command, max_size=4),
        "pattern": st.sampled_from(["*", "s*", "[a-", "\\", "user:*", "h?sh", "***", "nothing"]),
        "cursor": st.sampled_from(["0", "-", "17", "1-1", "1:0", "0:17", "99999999999999999999", "a", "5", "-1", "1-1-1"]),
        "group": st.sampled_from(["group", "none"]),
        "field": st.sampled_from(["field1", "none", ""]),
        "seconds": st.sampled_from([0.001, 0.002, 0.003, 0, -1, 26, 1e-300]),
        "listen": st.lists(pick(["channel", "c*", "", "[", "a" * 300]), max_size=3),
        "value": st.one_of(STRINGS, ANYTHING, st.dictionaries(STRINGS, STRINGS, max_size=3), st.lists(STRINGS, max_size=3)),
        "if_version": st.sampled_from(["", "0", "absent", "a" * 40]),
        "if_versions": st.dictionaries(key, st.sampled_from(["", "absent", "a" * 40]), max_size=1),
        "sample": st.sampled_from([100, 1000, 99]),
        "separator": st.sampled_from([":", "", "::", "e"]),
        "ttl_s": st.sampled_from([1, 0, -1, 2**31, 2**63, 9223372036854775]),
        "confirm": st.sampled_from(["", "a", "0" * 64]),
        "type": st.sampled_from(["string", "hash", "list", "set", "zset", "stream", "json", "none"]),
    }
    return Words(by_name, [*KEYS, *_OPERANDS], _REDIS_CALLS)


# Elasticsearch.

_MAPPING = {
    "properties": {
        "title": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
        "pages": {"type": "integer"},
        "published": {"type": "date"},
        "author": {"properties": {"name": {"type": "keyword"}}},
        "vector": {"type": "dense_vector", "dims": 3, "index": True, "similarity": "cosine"},
    }
}
INDICES = ("books", "logs", "books,logs", "b*", "*", "all-books", "none", "_all", ".hidden", "-books")
FIELDS = ("title", "title.raw", "pages", "published", "author", "author.name", "vector", "_id", "none", "*", "")


def fill_elasticsearch(node: ElasticsearchNode) -> None:
    """Two small indices and an alias, and no other."""
    for index in node.request("GET", "/_cat/indices?format=json&expand_wildcards=all"):
        node.request("DELETE", f"/{quote(index['index'])}")
    for template in node.request("GET", "/_index_template")["index_templates"]:
        node.request("DELETE", f"/_index_template/{quote(template['name'])}")
    settings = {"number_of_shards": 1, "number_of_replicas": 0}
    node.request("PUT", "/books", {"settings": settings, "mappings": _MAPPING, "aliases": {"all-books": {}}})
    node.request("PUT", "/logs", {"settings": settings})
    lines: list[dict[str, Any]] = []
    for i in range(30):
        book = {"title": f"the fox {i}", "pages": i, "published": "2020-01-01", "author": {"name": "Ada"}}
        lines += [{"index": {"_index": "books", "_id": str(i)}}, book | {"vector": [1, i, 0]}]
        lines += [{"index": {"_index": "logs", "_id": str(i)}}, {"level": "info", "message": "text " * i}]
    node.request("POST", "/_bulk?refresh=true", "".join(json.dumps(line) + "\n" for line in lines))


_PATHS = (
    "/_cat/indices", "/_cat/shards/books", "/books/_search", "/books/_count", "/books/_mapping", "/_cluster/health", "/_nodes",
    "/_cluster/settings", "/books", "/books/_doc/1", "/_search", "/_bulk", "/books/_delete_by_query", "/_security/user", "_cat",
    "/../_cat", "/books/../logs/_search", "/%2e%2e/_cat", "//books", "/books/_doc/%2F", "/_scripts/a", "/_all", "", "/",
    "/_cat/health?format=json", "/_nodes/hot_threads", "/_tasks", "/books/_analyze", "/_snapshot", "/_shutdown",
)  # fmt: skip
_CLAUSES = (
    "match", "match_all", "term", "terms", "range", "bool", "query_string", "exists", "ids", "wildcard", "regexp", "nested",
    "script", "function_score", "knn", "fuzzy", "prefix", "match_phrase", "multi_match", "simple_query_string", "none",
)  # fmt: skip


_FOX = {"match": {"title": "fox"}}
_ELASTICSEARCH_CALLS: dict[str, list[dict[str, Any]]] = {
    "es_search": [
        {"index": "books"},
        {"index": "books,logs", "text": '"the fox" | text -none'},
        {"index": "books", "where": {"author.name": ["Ada"], "pages": {"gte": 3}, "none": None}, "sort": [{"pages": "desc"}]},
        {"index": "books", "query": _FOX, "highlight": ["title"], "source": ["title"], "limit": 2},
        {"index": "books", "aggs": {"a": {"terms": {"field": "author.name"}}}, "limit": 0},
        {"index": "books", "knn": {"field": "vector", "query_vector": [1, 2, 0], "k": 3, "num_candidates": 9}},
    ],
    "es_explain": [{"index": "books", "query": _FOX}, {"index": "books", "query": _FOX, "id": "1", "profile": True}],
    "es_request": [
        {"path": "/_cat/shards", "params": {"format": "json"}},
        {"path": "/books/_search", "method": "POST", "body": {"query": _FOX}},
        {"path": "/_cluster/health", "params": {"filter_path": "status"}},
        {"path": "/_nodes/hot_threads"},
    ],
    "es_index": [
        {"index": "books", "document": {"title": "new"}},
        {"index": "books", "document": {"pages": 5}, "id": "1", "op": "update"},
        {"index": "fuzz-1", "document": {"a": 1}, "id": "1", "op": "create", "create_index": True},
        {"index": "books", "document": {}, "id": "1", "if_seq_no": 0, "if_primary_term": 1},
    ],
    "es_bulk": [
        {"index": "books", "operations": [{"op": "index", "id": "9", "document": {"pages": 1}}, {"op": "delete", "id": "8"}]},
        {"index": "books", "operations": '{"update":{"_id":"1"}}\n{"doc":{"pages":2}}\n'},
    ],
    "es_by_query": [{"index": "books", "query": _FOX}, {"index": "logs", "query": {"match_all": {}}, "set": {"level": "debug"}}],
    "es_define": [
        {"kind": "index", "name": "fuzz-1", "definition": {"settings": {"number_of_shards": 1, "number_of_replicas": 0}}},
        {"kind": "mapping", "name": "books", "definition": {"properties": {"added": {"type": "keyword"}}}},
        {"kind": "template", "name": "fuzz", "definition": {"index_patterns": ["fuzz-*"], "template": {"settings": {}}}},
    ],
}  # fmt: skip


def elasticsearch_words() -> Words:
    field = st.sampled_from(FIELDS)
    inner = st.one_of(
        st.dictionaries(field, ANYTHING, max_size=2),
        st.fixed_dictionaries({"query": STRINGS, "fields": st.lists(field, max_size=2)}),
        st.fixed_dictionaries({"field": field}),
        ANYTHING,
    )
    clause = st.builds(lambda name, body: {name: body}, st.sampled_from(_CLAUSES), inner)
    query = st.recursive(
        clause, lambda c: st.builds(lambda kind, c: {"bool": {kind: c}}, st.sampled_from(["must", "filter", "not"]), c)
    )
    aggregation = st.sampled_from(["terms", "avg", "date_histogram", "cardinality", "top_hits", "composite", "none"])
    operation = st.fixed_dictionaries(
        {"op": st.sampled_from(["index", "create", "update", "delete", "none"])},
        optional={"id": pick(["1", "99", "", "a" * 600]), "document": ANYTHING, "if_seq_no": NUMBERS},
    )
    by_name: dict[str, Strategy] = {
        "index": st.sampled_from(INDICES),
        "pattern": st.sampled_from(INDICES),
        "name": st.sampled_from([*INDICES, "fuzz-1", "fuzz-2"]),
        "field": field,
        "fields": st.sampled_from(FIELDS),
        "source": st.lists(field, max_size=3),
        "highlight": st.lists(field, max_size=3),
        "query": st.one_of(query, st.just({})),
        "where": st.dictionaries(field, ANYTHING, max_size=3),
        "knn": st.fixed_dictionaries(
            {"field": field, "query_vector": st.one_of(st.just([1, 0, 0]), st.lists(NUMBERS, max_size=4))},
            optional={"k": NUMBERS, "num_candidates": NUMBERS},
        ),
        "aggs": st.dictionaries(STRINGS, st.builds(lambda name, f: {name: {"field": f}}, aggregation, field), max_size=2),
        "sort": st.lists(st.one_of(field, st.dictionaries(field, st.sampled_from(["asc", "desc", "up"]), max_size=1))),
        "id": st.one_of(st.sampled_from(["1", "99", "..", "a/b", ""]), st.lists(st.sampled_from(["1", "2"]), max_size=3)),
        "path": st.sampled_from(_PATHS),
        "cursor": st.sampled_from(["0", "10", "", "a", "eyJhIjoxfQ==", "eyJhIjoxfQ", "W10=", "-1"]),
        "operations": st.one_of(st.lists(operation, max_size=4), STRINGS),
        "changes": st.lists(
            st.fixed_dictionaries(
                {"op": st.sampled_from(["add", "remove", "x"]), "alias": STRINGS, "index": st.sampled_from(INDICES)},
                optional={"filter": query, "is_write_index": st.booleans()},
            ),
            max_size=3,
        ),
        "document": st.dictionaries(field, ANYTHING, max_size=3),
        "set": st.dictionaries(field, ANYTHING, max_size=3),
        "definition": st.one_of(
            st.dictionaries(st.sampled_from(["settings", "mappings", "aliases", "properties", "template"]), ANYTHING),
            st.just({"settings": {"number_of_shards": 1, "number_of_replicas": 0}}),
            st.just({"properties": {"added": {"type": "keyword"}}}),
        ),
        "sample": st.sampled_from([100, 1000, 99]),
    }
    return Words(by_name, [*INDICES, *FIELDS, *_PATHS], _ELASTICSEARCH_CALLS)
