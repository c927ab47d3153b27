"""Questions that people ask of an Elasticsearch, over the data set of tools/dataset, and the calls that answer them.

The peer is called as its descriptions ask: by the tool that is for it, and by general_api_request where there is none; with
`_source`, `size` and the parameters of _cat wherever these make its answer shorter.
"""

from __future__ import annotations

from typing import Any

from tests.scenarios.question import Call, Question


def search(index: str, **more: Any) -> Call:
    return "es_search", {"index": index, **more}


def peer_search(index: str, **body: Any) -> Call:
    return "search_documents", {"index": index, "body": body}


def peer_request(method: str, path: str, **more: Any) -> Call:
    return "general_api_request", {"method": method, "path": path, **more}


def terms(field: str, size: int = 10, then: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"a": {"terms": {"field": field, "size": size}} | ({"aggs": then} if then else {})}


def buckets(result: Any) -> list[tuple[Any, int]]:
    return [(b["key"], b["doc_count"]) for b in result["aggregations"]["a"]["buckets"]]


AVERAGE = {"b": {"avg": {"field": "installed_kib"}}}
P95 = {"b": {"percentiles": {"field": "duration_ms", "percents": [95]}}}
FIRST_LAST = {"a": {"min": {"field": "@timestamp"}}, "b": {"max": {"field": "@timestamp"}}}
REVENUE = {"b": {"sum": {"field": "total"}}}
TEAPOTS = {
    "nested": {
        "path": "lines",
        "query": {"bool": {"filter": [{"term": {"lines.sku": "G1"}}, {"range": {"lines.quantity": {"gte": 4}}}]}},
    }
}
SOLD = {
    "a": {
        "nested": {"path": "lines"},
        "aggs": {
            "b": {
                "terms": {"field": "lines.sku", "order": {"c": "desc"}},
                "aggs": {"c": {"sum": {"field": "lines.quantity"}}},
            }
        },
    }
}
SHAPE = {
    "a": {"stats": {"field": "duration_ms"}},
    "b": {"missing": {"field": "duration_ms"}},
    "c": {"percentiles": {"field": "duration_ms", "percents": [50, 95]}},
}
WEB_SERVER = {"match_phrase": {"description": "web server"}}
MISTYPED = {"term": {"descripton": "web"}}
APACHE = {"match": {"description": "apache"}}
SLOW = {"bool": {"should": [{"match": {"description": "web server"}}, {"wildcard": {"name": "*server*"}}]}}
NEW_ORDER = {
    "placed": "2026-11-24T12:00:00Z",
    "state": "open",
    "customer": {"id": "C61", "country": "DE"},
    "total": 6.5,
}
COLD = {"mappings": {"properties": {"at": {"type": "date"}, "degrees": {"type": "float"}}}}

QUESTIONS = (
    Question(
        "Which indices are there, and how many documents has each?",
        [("es_indices", {})],
        lambda r: {i["index"]: i["docs"] for i in r[0]["indices"] if not i["index"].startswith("logs")}["packages-v1"],
        5271,
        [("list_indices", {})],
        ["packages-v1", "5271", "logs-2026.11.11", "reports"],
    ),
    Question(
        "Which fields have the packages, and of which types?",
        [("es_mapping", {"index": "packages"})],
        lambda r: r[0]["mappings"][0]["fields"]["installed_kib"],
        "long",
        [("get_index", {"index": "packages"})],
        ['"installed_kib":{"type":"long"}'],
    ),
    Question(
        "Have the logs of all days the same fields, and which?",
        [("es_mapping", {"index": "logs-*"})],
        lambda r: (len(r[0]["mappings"]), r[0]["mappings"][0]["count"], r[0]["mappings"][0]["fields"]["client"]),
        (1, 14, "ip"),
        [("get_index", {"index": "logs-*"})],
        ['"client":{"type":"ip"}', "logs-2026.11.24"],
    ),
    Question(
        "What is known of the package nginx?",
        [("es_get", {"index": "packages", "id": "nginx"})],
        lambda r: r[0]["source"]["homepage"],
        "https://nginx.org",
        [("get_document", {"index": "packages", "id": "nginx"})],
        ["https://nginx.org"],
    ),
    Question(
        "Which versions have nginx, curl and redis-server?",
        [("es_get", {"index": "packages", "id": ["nginx", "curl", "redis-server"], "source": ["version"]})],
        lambda r: [d["source"]["version"].split(".")[0] for d in r[0]["documents"]],
        ["1", "7", "5:7"],
        [peer_search("packages", query={"ids": {"values": ["nginx", "curl", "redis-server"]}}, _source=["version"])],
        ["1.22", "7.88", "5:7.0"],
    ),
    Question(
        "How many packages are in the section httpd?",
        [search("packages", where={"section": "httpd"}, size=0)],
        lambda r: r[0]["total"],
        152,
        [peer_search("packages", query={"term": {"section": "httpd"}}, size=0)],
        ["152"],
    ),
    Question(
        "Which sections are there, and how large is each?",
        [("es_field", {"index": "packages", "field": "section"})],
        lambda r: (len(r[0]["top"]), r[0]["top"][0]["value"], r[0]["top"][0]["docs"]),
        (10, "net", 2040),
        [peer_search("packages", size=0, aggs=terms("section"))],
        ["net", "2040", "news"],
    ),
    Question(
        "Which five packages are the largest?",
        [search("packages", sort=[{"installed_kib": "desc"}], size=5, source=["installed_kib"])],
        lambda r: [h["id"] for h in r[0]["hits"]],
        ["ssg-nondebian", "thunderbird", "firefox-esr", "chromium", "ansible"],
        [peer_search("packages", sort=[{"installed_kib": "desc"}], size=5, _source=["installed_kib"])],
        ["ssg-nondebian", "ansible"],
    ),
    Question(
        "Which packages are web servers, by their description?",
        [search("packages", query=WEB_SERVER, source=["description"])],
        lambda r: (r[0]["total"], r[0]["hits"][0]["id"]),
        (25, "merecat"),
        [peer_search("packages", query=WEB_SERVER, _source=["description"])],
        ['"value":25', "merecat"],
    ),
    Question(
        "How many packages have between 100 and 200 MiB?",
        [search("packages", where={"installed_kib": {"gte": 102400, "lte": 204800}}, size=0)],
        lambda r: r[0]["total"],
        6,
        [peer_search("packages", query={"range": {"installed_kib": {"gte": 102400, "lte": 204800}}}, size=0)],
        ['"value":6'],
    ),
    Question(
        "How large are the packages of each section on average?",
        [search("packages", aggs=terms("section", then=AVERAGE), size=0)],
        lambda r: {b["key"]: round(b["b"]["value"]) for b in r[0]["aggregations"]["a"]["buckets"]}["shells"],
        2177,
        [peer_search("packages", aggs=terms("section", then=AVERAGE), size=0)],
        ["shells"],
    ),
    Question(
        "Who maintains most packages?",
        [search("packages", aggs=terms("maintainer.keyword", 3), size=0)],
        lambda r: buckets(r[0])[0][0],
        "Debian QA Group",
        [peer_search("packages", aggs=terms("maintainer.keyword", 3), size=0)],
        ["Debian QA Group"],
    ),
    Question(
        "How long do requests last: range, median, and do all events have it?",
        [("es_field", {"index": "logs-*", "field": "duration_ms"})],
        lambda r: (r[0]["missing"], r[0]["range"]["min"] >= 5, r[0]["range"]["max"] > 3000),
        (0, True, True),
        [peer_search("logs-*", size=0, aggs=SHAPE)],
        ['"max":30', '"50.0"'],
    ),
    Question(
        "Which services had errors, and how many?",
        [search("logs-*", where={"level": "error"}, aggs=terms("service"), size=0)],
        lambda r: buckets(r[0]),
        [("checkout", 7)],
        [peer_search("logs-*", query={"term": {"level": "error"}}, aggs=terms("service"), size=0)],
        ["checkout", '"doc_count":7'],
    ),
    Question(
        "From when to when did checkout fail?",
        [search("logs-*", where={"service": "checkout", "status": 503}, aggs=FIRST_LAST, size=0)],
        lambda r: [r[0]["aggregations"][name]["value_as_string"][:16] for name in "ab"],
        ["2026-11-24T09:04", "2026-11-24T09:52"],
        [
            peer_search(
                "logs-*",
                query={"bool": {"filter": [{"term": {"service": "checkout"}}, {"term": {"status": 503}}]}},
                aggs=FIRST_LAST,
                size=0,
            )
        ],
        ["2026-11-24T09:04", "2026-11-24T09:52"],
    ),
    Question(
        "What do the newest three errors say?",
        [
            search(
                "logs-*",
                where={"level": "error"},
                sort=[{"@timestamp": "desc"}],
                size=3,
                source=["@timestamp", "message", "error.type"],
            )
        ],
        lambda r: {h["source"]["error"]["type"] for h in r[0]["hits"]},
        {"TimeoutError"},
        [
            peer_search(
                "logs-*",
                query={"term": {"level": "error"}},
                sort=[{"@timestamp": "desc"}],
                size=3,
                _source=["@timestamp", "message", "error.type"],
            )
        ],
        ["TimeoutError", "payments did not answer in time"],
    ),
    Question(
        "How long do 95 of 100 requests of each service last at most?",
        [search("logs-*", aggs=terms("service", then=P95), size=0)],
        lambda r: sorted(b["key"] for b in r[0]["aggregations"]["a"]["buckets"]),
        ["accounts", "catalog", "checkout", "search"],
        [peer_search("logs-*", aggs=terms("service", then=P95), size=0)],
        ["accounts", "95.0"],
    ),
    Question(
        "Which clients asked most for what is not there?",
        [search("logs-*", where={"status": 404}, aggs=terms("client", 3), size=0)],
        lambda r: (r[0]["total"], len(buckets(r[0]))),
        (127, 3),
        [peer_search("logs-*", query={"term": {"status": 404}}, aggs=terms("client", 3), size=0)],
        ['"value":127', "10.0."],
    ),
    Question(
        "How many orders have four or more red teapots (G1) in one line?",
        [search("orders", query=TEAPOTS, size=0)],
        lambda r: r[0]["total"],
        35,
        [peer_search("orders", query=TEAPOTS, size=0)],
        ['"value":35'],
    ),
    Question(
        "What did customers of each country spend?",
        [search("orders", aggs=terms("customer.country", then=REVENUE), size=0)],
        lambda r: sorted(key for key, _ in buckets(r[0])),
        ["DE", "FR", "GB", "IT"],
        [peer_search("orders", aggs=terms("customer.country", then=REVENUE), size=0)],
        ["DE", "FR", "GB", "IT"],
    ),
    Question(
        "Which article was sold most?",
        [search("orders", aggs=SOLD, size=0)],
        lambda r: r[0]["aggregations"]["a"]["b"]["buckets"][0]["key"],
        "G0",
        [peer_search("orders", aggs=SOLD, size=0)],
        ['"key":"G0"'],
    ),
    Question(
        "Is the cluster well, and if not, why?",
        [("es_health", {})],
        lambda r: (r[0]["status"], any("replica" in finding for finding in r[0]["findings"])),
        ("yellow", True),
        [("get_cluster_health", {}), peer_request("GET", "/_cluster/allocation/explain")],
        ["yellow", "a copy of this shard is already allocated to this node"],
    ),
    Question(
        "Why is nginx not found by the word apache?",
        [("es_explain", {"index": "packages", "id": "nginx", "query": APACHE})],
        lambda r: r[0]["matched"],
        False,
        [peer_request("GET", "/packages/_explain/nginx", body={"query": APACHE})],
        ["no matching term"],
    ),
    Question(
        "Which terms does a description make of “The HTTP-Servers”?",
        [("es_analyze", {"index": "packages", "field": "description", "text": "The HTTP-Servers"})],
        lambda r: r[0]["tokens"],
        ["the", "http", "servers"],
        [("analyze_text", {"index": "packages", "text": "The HTTP-Servers"})],
        ["servers"],
    ),
    Question(
        "What makes this query slow?",
        [("es_explain", {"index": "packages", "query": SLOW, "profile": True})],
        lambda r: any("name:*server*" in part["part"] for part in r[0]["slowest"]),
        True,
        [peer_search("packages", query=SLOW, size=0, profile=True)],
        ["name:*server*", "time_in_nanos"],
    ),
    Question(
        "Why does this query find nothing?",
        [("es_explain", {"index": "packages", "query": MISTYPED})],
        lambda r: r[0]["notes"],
        ["no field is called 'descripton': did you mean description? es_mapping lists all"],
        [peer_request("GET", "/packages/_validate/query", params={"explain": "true"}, body={"query": MISTYPED})],
        ["does not exist"],
    ),
    Question(
        "Mark order O1 as returned.",
        [("es_index", {"index": "orders", "id": "O1", "op": "update", "document": {"state": "returned"}})],
        lambda r: r[0]["result"],
        "updated",
        [peer_request("POST", "/orders/_update/O1", body={"doc": {"state": "returned"}})],
        ['"result":"updated"'],
    ),
    Question(
        "Add three orders.",
        [
            (
                "es_bulk",
                {
                    "index": "orders",
                    "operations": [{"op": "create", "id": f"O{n}", "document": NEW_ORDER} for n in (901, 902, 903)],
                },
            )
        ],
        lambda r: r[0]["done"],
        {"created": 3},
        [("index_document", {"index": "orders", "id": f"O{n}", "document": NEW_ORDER}) for n in (901, 902, 903)],
        ["O901", "O902", "O903"],
    ),
    Question(
        "Delete order O2.",
        [("es_delete", {"index": "orders", "id": "O2"})],
        lambda r: r[0]["deleted"],
        True,
        [("delete_document", {"index": "orders", "id": "O2"})],
        ['"result":"deleted"'],
    ),
    Question(
        "Make an index for temperatures.",
        [("es_define", {"kind": "index", "name": "cold", "definition": COLD})],
        lambda r: bool(r[0]["done"]),
        True,
        [("create_index", {"index": "cold", "body": COLD})],
        ["acknowledged"],
    ),
)
