"""Names of indices: what is sent in their place under MCP_INDEX_PATTERNS, and which was meant.

index_scope_test tries the same over a real Elasticsearch. Here its answers are given, in the format of the reference
(indices-resolve-index-api, search-field-caps, esql-rest, sql-rest-format, eql-search-api, indices-get-data-stream): data streams
and query languages, which the jars do not have, and very many indices.
"""

import difflib
import json
import sys
from collections.abc import AsyncIterator
from types import FrameType
from typing import Any
from urllib.parse import unquote

import pytest
from mcp import Client

from servers.common.backend import BackendError
from servers.common.protocol.tools import ToolError
from servers.common.settings import Environment
from servers.elasticsearch.client.errors import ElasticsearchError
from servers.elasticsearch.policy import index_names as policy
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch
from servers.elasticsearch.settings import ElasticsearchSettings
from servers.elasticsearch.tests.conftest import Start, error, ok
from servers.elasticsearch.tests.fakes import Answer, FakeNode, Request, answering, failure

BACKING, CANARY_BACKING = ".ds-app-logs-000001", ".ds-canary-logs-000001"
INDICES = {"app-1": "", "app-2": "", "canary": "", BACKING: "app-logs", CANARY_BACKING: "canary-logs"}
STREAMS: dict[str, Any] = {"app-logs": BACKING, "canary-logs": [CANARY_BACKING]}
ALIASES = {
    "logs": [BACKING], "all-logs": [BACKING, CANARY_BACKING], "app-x": ["canary"], "shop": ["app-1"],
    "mixed": ["app-1", "canary"],
}  # fmt: skip

KEYWORD = {"keyword": {"type": "keyword", "aggregatable": True}}
FIELDS: dict[str, Any] = {
    "title": {"text": {"type": "text", "aggregatable": False}},
    "title.raw": KEYWORD,
    "price": {"long": {"type": "long", "aggregatable": True}, "unmapped": {"type": "unmapped", "aggregatable": False}},
    "author": {"nested": {"type": "nested", "aggregatable": False}},
    "author.name": KEYWORD,
    "labels": {"flattened": {"type": "flattened", "aggregatable": True}},
    "place": {"object": {"type": "object", "aggregatable": False}},
    "place.city": KEYWORD,
}


class Told(ScopedElasticsearch):
    """An Elasticsearch that answers as it is told, and keeps what it was asked."""

    def __init__(self, patterns: str = "app-*", more: int = 0) -> None:
        env = {"ES_HOST": "127.0.0.1"} | ({"MCP_INDEX_PATTERNS": patterns} if patterns else {})
        super().__init__(ElasticsearchSettings.read(Environment(env)))
        self.indices = INDICES | {f"app-{'x' * 60}-{i}": "" for i in range(more)}
        self.asked: list[str] = []
        self.mapping: Any = {}
        self.fails: dict[str, Exception] = {}
        self.lenient = False
        """Whether it leaves out names that are not there, as OpenSearch does."""

    async def read(self, method: str, path: str, *, params: Any = None, body: Any = None, answers: Any = ()) -> Any:
        asked = unquote(path)
        self.asked.append(f"{method} {asked} {' '.join(f'{k}={v}' for k, v in (params or {}).items())}".strip())
        for part, raised in self.fails.items():
            if part in asked:
                raise raised
        if asked.startswith("/_resolve/index/"):
            return self.resolved(asked.removeprefix("/_resolve/index/"))
        if asked.endswith("/_field_caps"):
            there = {name for name in FIELDS if matches(name, params["fields"].split(","))}
            # The objects above a field are told with it.
            return {"fields": {name: FIELDS[name] for name in FIELDS if name in {*there, *policy.parents(there)}}}
        if asked.endswith("/_settings/index.uuid"):
            found = self.resolved(asked.split("/")[1])
            backing = [name for stream in found["data_streams"] for name in policy.listed(stream["backing_indices"])]
            return {name: {} for name in [*(index["name"] for index in found["indices"]), *backing]}
        return self.mapping

    def resolved(self, expression: str) -> dict[str, Any]:
        parts = expression.split(",")
        there = [*self.indices, *STREAMS, *ALIASES]
        names = {name for name in there if matches(name, parts)}
        names -= {part[1:] for part in parts if part.startswith("-")}
        for part in parts:
            excludes = part.startswith("-") and any("*" in other for other in parts)
            if not (any(c in part for c in "*<") or excludes or part == "_all" or part in there or self.lenient):
                raise missing(part)
        return {
            "indices": [{"name": n} | ({"data_stream": s} if s else {}) for n, s in self.indices.items() if n in names],
            "aliases": [{"name": n, "indices": members} for n, members in ALIASES.items() if n in names],
            "data_streams": [{"name": n, "backing_indices": b} for n, b in STREAMS.items() if n in names],
        }


def matches(name: str, parts: list[str]) -> bool:
    seen = [part.replace("_all", "*") for part in parts if not name.startswith(".") or part.startswith(".")]
    return any(part == name or (part.endswith("*") and name.startswith(part[:-1])) for part in seen)


def missing(index: str | None) -> ElasticsearchError:
    return ElasticsearchError(f"no such index [{index}]", "index_not_found_exception", 404, index)


OTHER = ElasticsearchError("no", "security_exception", 403)


@pytest.mark.parametrize(
    ("expression", "sent"),
    [
        ("app-1", "app-1"),
        ("app-1,app-2", "app-1,app-2"),
        ("*", "app-1,app-2,app-logs"),
        ("_all", "app-1,app-2,app-logs"),
        ("app-*", "app-1,app-2,app-logs"),
        ("app-l*", "app-logs"),
        ("app-logs", "app-logs"),
        (BACKING, BACKING),
        ("logs", "logs"),
        ("logs,app-logs", "app-logs"),
        ("shop", "shop"),
        ("shop,app-1", "app-1"),
        ("*,-app-1", "app-2,app-logs"),  # not by an alias either
        ("app-l*,-.ds-other", "app-logs"),
        ("app-1,app-*,-app-1", "app-2,app-logs"),
        ("<app-{now/d}>,app-1", "app-1"),
        ("<app-{now/d{yyyy|+12:00}}>,app-1", "app-1"),
        ("app-1,,", "app-1"),
    ],
)
async def test_what_is_sent_for_an_expression_is_inside(expression: str, sent: str) -> None:
    assert await policy.within(Told(), expression) == sent
    unlimited = Told("")
    assert await policy.within(unlimited, expression) == expression and not unlimited.asked


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "index is empty"),
        (",,", "index is empty"),
        ("app-1,_search", "'_search' is not the name of an index, because it begins with _"),
        ("canary", "'canary' is not, and does not lead to"),
        ("all-logs", "'all-logs' is not, and"),
        (CANARY_BACKING, "is not, and"),
        ("canary*", "no index that this server may touch matches 'canary\\*': indices named 'app-\\*'"),
        ("app-nothing", "no such index \\[app-nothing\\]"),
        ("app-*,app-nothing", "no such index \\[app-nothing\\]"),
        ("shop,-app-1", "'-app-1' is not, and"),  # before a pattern, - is of a name
        ("sh*,-app-1", "no index that this server may touch matches"),
    ],
)
async def test_an_expression_that_leads_outside_or_nowhere(expression: str, reason: str) -> None:
    with pytest.raises(ToolError, match=reason):
        await policy.within(Told(), expression)


async def test_what_wildcards_match_is_asked_for() -> None:
    told = Told()
    assert await policy.within(told, "app-1") and told.asked == ["GET /_resolve/index/app-1 expand_wildcards=all"]
    for expand in ("open", "closed"):
        told = Told()
        await policy.within(told, "app-*", expand)
        assert told.asked[0] == f"GET /_resolve/index/app-* expand_wildcards={expand}"
        assert told.asked[1:] == ["GET /_resolve/index/* expand_wildcards=all filter_path=data_streams"]
    told = Told()
    await policy.within(told, "app-*")
    assert told.asked[0].endswith("expand_wildcards=open")
    with pytest.raises(policy.NothingInside):
        await policy.within(Told(), "canary*")
    with pytest.raises(ToolError, match="may hold secrets"):
        await policy.within(Told(""), ".security-7")
    with pytest.raises(ElasticsearchError):
        told.fails["_resolve"] = OTHER
        await policy.within(told, "app-1")


async def test_names_that_are_too_many_become_patterns() -> None:
    assert (await policy.within(Told(more=40), "app-*")).count(",") > 40
    many = Told(more=60)
    assert await policy.within(many, "app-*") == "app-*,-canary"
    assert "GET /_resolve/index/app-* expand_wildcards=all" in many.asked
    assert many.asked[-1] == "GET /app-*,-canary/_settings/index.uuid expand_wildcards=all"
    assert await policy.within(many, "*,-app-2") == "app-*,-app-2,-canary"
    assert await policy.within(many, f"app-{'x' * 50}*") == f"app-{'x' * 50}*"
    assert await policy.within(many, "*") == "app-*,-canary" == await policy.within(many, "_all")
    assert await policy.within(many, "app-*,app-1,-app-2") == "app-*,app-1,-app-2,-canary"
    assert len("".join(many.indices)) > policy.LONGEST > len("".join(Told(more=40).indices))
    with pytest.raises(ToolError, match=r"62 indices match .*, more than one request can name: narrow the pattern"):
        await policy.within(many, ",".join(name for name in many.indices if name.startswith("app-")))


async def test_what_a_name_leads_to() -> None:
    (alias,) = await policy.resolve(Told(), "mixed")
    assert alias.members == ("app-1", "canary") and not alias.is_index and not alias.stream
    (stream,) = await policy.resolve(Told(), "app-logs")
    assert stream.members == (BACKING,) and stream.is_index and stream.stream == "app-logs"
    assert policy.listed(["a", "b"]) == ("a", "b") and policy.listed("a") == ("a",) and policy.listed(None) == ()


@pytest.mark.parametrize("name", ["", "_all", *(f"a{c}b" for c in '*?,<>:"\\/| #')])
def test_a_name_that_could_mean_several_is_not_written_to(name: str) -> None:
    with pytest.raises(ToolError, match="is not the exact name of one index: nothing was done"):
        policy.writable(name)


@pytest.mark.parametrize("name", [".security", "_x", "-x", "+x"])
def test_a_name_of_elasticsearchs_own_is_not_written_to(name: str) -> None:
    with pytest.raises(ToolError, match=r"can't be written to.*nothing was done"):
        policy.writable(name)
    policy.writable("a.b_c-d+e")


async def test_what_is_written_to_is_there_and_inside() -> None:
    for patterns in ("app-*", ""):
        told = Told(patterns)
        await policy.write_target(told, "app-1")
        await policy.write_target(told, "app-new", create=True)
        # OpenSearch says nothing of it.
        for told.lenient in (False, True):
            with pytest.raises(ElasticsearchError, match="no such index \\[app-new\\]"):
                await policy.write_target(told, "app-new")
        with pytest.raises(ToolError, match="exact name"):
            await policy.write_target(told, "app-*", create=True)
    for name in ("canary", "new", "mixed"):
        told = Told()
        for told.lenient in (False, True):
            with pytest.raises(ToolError, match="is not, and does not lead to"):
                await policy.write_target(told, name, create=True)
    told = Told()
    told.fails["_resolve"] = OTHER
    with pytest.raises(ElasticsearchError, match="no"):
        await policy.write_target(told, "app-1", create=True)
    told = Told("")
    await policy.write_target(told, "app-1")
    assert told.asked == ["GET /_resolve/index/app-1 expand_wildcards=all"]


@pytest.mark.parametrize(
    ("patterns", "error", "said"),
    [
        ("", missing("app-3"), "there is no index 'app-3': did you mean app-x or app-2 or app-1 or app-logs. es_indices"),
        ("app-*", missing("canarx"), "there is no index 'canarx': es_indices lists them$"),
        ("", missing("*l*"), "did you mean all-logs or app-logs or canary-logs or logs. es_indices"),
        ("", missing("*"), "there is no index '\\*': es_indices lists them$"),
        ("", missing(None), "^no index matches: es_indices lists them$"),
        ("", ElasticsearchError("Unknown index [canarx]", "verification_exception", 400),
         "no index 'canarx': did you mean canary"),
        ("nothing-*", missing("a"), "this user can't see any index$"),
        ("", OTHER, "^no$"),
    ],
)  # fmt: skip
async def test_the_name_that_was_meant(patterns: str, error: ElasticsearchError, said: str) -> None:
    told = Told(patterns)
    with pytest.raises(ToolError, match=said):
        async with policy.near_names(told):
            raise error
    assert error is OTHER or told.asked[0] == "GET /_resolve/index/* expand_wildcards=open"
    told.fails["_resolve"] = BackendError("down")
    if error is not OTHER:
        with pytest.raises(ToolError, match=r"es_indices lists them$"):
            async with policy.near_names(told):
                raise error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Fielddata is disabled on [title] in [x]", "'title' is a text field, .*: use title.raw$"),
        ("Fielddata is disabled on [place.city]", "it has no keyword sub-field to use instead$"),
        ("No mapping found for [pric] to sort", "no field is called 'pric': did you mean price. es_mapping lists all"),
        ("no such index [app-1]", "no such index"),
    ],
)  # fmt: skip
async def test_the_field_that_was_meant(text: str, said: str) -> None:
    with pytest.raises(ToolError, match=said):
        async with policy.near_fields_of(Told(), "app-1"):
            raise ElasticsearchError(text, "illegal_argument_exception", 400)


async def test_notes_about_fields() -> None:
    told = Told()
    assert await policy.field_notes(told, "app-1", []) == [] == told.asked
    names = ["author.name", "cities", "labels.env", "name", "price", "title.rav"]
    assert await policy.field_notes(told, "app-1", names, ["author.name", "price"]) == [
        "no field is called 'cities': es_mapping lists them",
        "no field is called 'name': did you mean author.name? es_mapping lists all",
        "no field is called 'title.rav': did you mean title or title.raw? es_mapping lists all",
        "'author.name' is inside the nested objects 'author', which only a nested query or aggregation searches: put "
        '{"nested":{"path":"author", ...}} around it (the argument where does so by itself)',
    ]
    asked = "author.name,author.name.*,cities,cities.*,labels.env,labels.env.*,name,name.*,price,price.*,title.rav,"
    assert told.asked[0].startswith(f"GET /app-1/_field_caps fields={asked}")
    assert told.asked[0].endswith("allow_no_indices=false filters=-metadata")
    assert len(await policy.field_notes(told, "app-1", [f"none{i}" for i in range(30)])) == 3
    assert told.asked[-2].count("none") == 40
    long = "a" + ".a" * 10_000  # whose parts would be 200 MB
    (note,) = await policy.field_notes(told, "app-1", [long, "place"])
    assert note.startswith("no field is called 'a.a.") and len(note) < 300
    assert "fields=* " in told.asked[-2] and policy.parents([long]) == []
    assert await policy.field_notes(told, "app-1", ["plac"]) == ["no field is called 'plac': es_mapping lists them"]
    told.fails["_field_caps"] = BackendError("down")
    assert await policy.field_notes(told, "app-1", ["name"]) == []


async def test_what_is_known_of_fields() -> None:
    told = Told()
    assert await policy.known_fields(told, "app-1", "price", "title*") == {
        "title": FIELDS["title"], "title.raw": KEYWORD, "price": {"long": FIELDS["price"]["long"]},
    }  # fmt: skip
    assert list(map(policy.aggregatable, (KEYWORD, {}, KEYWORD | FIELDS["title"]))) == [True, False, False]
    found = await policy.nested_paths(told, "app-1", ["author.name", "place.city", "author"])
    assert found == {"author.name": "author", "author": "author"}
    assert await policy.nested_paths(told, "app-1", ["place", "x.y"]) == {}
    assert policy.parents(["a.b.c", ".d", "e"]) == ["a", "a.b"]
    known: dict[str, Any] = {"a": {"nested": {}}, "a.b": {"nested": {}}, "a.b.c": {"nested": {}}}
    assert [policy.parent_of(known, name, policy.NESTED) for name in ("a.b.c", "x.y")] == ["a.b.c", ""]


async def test_what_is_in_bodies() -> None:
    lookup = {"terms": {"tag": {"index": "NAME", "id": "1", "path": "tag"}}}

    async def check(name: str, patterns: str) -> list[str]:
        told = Told(patterns)
        await policy.check_bodies(told, None, {"query": {"terms": {"tag": lookup["terms"]["tag"] | {"index": name}}}})
        return told.asked

    assert await check("app-1", "") == [] == await check("canary*", "")
    assert await check("app-1", "app-*") == ["GET /_resolve/index/app-1 expand_wildcards=all"]
    for name in ["canary", "app-*", "-app-1", "_all", "+a", "", "<a>", *(f"a{char}b" for char in ',: #/\\"|?')]:
        with pytest.raises(ToolError, match="is not, and does not lead to"):
            await check(name, "app-*")
    with pytest.raises(ToolError, match="no such index \\[app-3\\]"):
        await check("app-3", "app-*")
    with pytest.raises(ToolError, match="may hold secrets"):
        await check(".security", "")
    await policy.check_bodies(Told(""), {"pit": {"id": "x"}})
    with pytest.raises(ToolError, match="it may lead to any index"):
        await policy.check_bodies(Told(), {"pit": {"id": "x"}})
    for patterns in ("", "app-*"):
        with pytest.raises(ToolError, match="scripts are not allowed"):
            await policy.check_bodies(Told(patterns), {}, {"script": {"source": "1"}})


PERCOLATOR = {"app-1": {"mappings": {"properties": {"q": {"type": "percolator"}}}}}
DYNAMIC = {"template": {"mappings": {"dynamic_templates": [{"a": {"mapping": {"type": "{name}"}}}]}}}
PLAIN = {"app-1": {"mappings": {"properties": {"q": {"type": "keyword"}}}}}


@pytest.mark.parametrize(
    ("mapping", "fails", "may"),
    [
        (PERCOLATOR, {}, True),
        (DYNAMIC, {}, True),
        (PLAIN, {}, False),
        (PLAIN, {"_mapping": OTHER}, True),
        (PLAIN, {"_mapping": missing("app-1")}, False),
        (DYNAMIC, {"_mapping": missing("app-1")}, True),
        (PLAIN, {"_mapping": missing("app-1"), "_simulate_index": OTHER}, True),
    ],
)
async def test_queries_that_documents_bring(mapping: Any, fails: dict[str, Exception], may: bool) -> None:
    told = Told()
    told.mapping, told.fails = mapping, fails
    assert await policy.may_percolate(told, "app-1") is may
    assert told.asked[0] == "GET /app-1/_mapping"
    assert told.asked[1:] in ([], ["POST /_index_template/_simulate_index/app-1"])
    scripted = {"q": {"script": {"script": {"source": "1"}}}}
    if may:
        with pytest.raises(ToolError, match="scripts are not allowed"):
            await policy.check_documents(told, "app-1", [{"q": 1}, scripted])
    else:
        await policy.check_documents(told, "app-1", [{"q": 1}, scripted])
    asked = len(told.asked)
    await policy.check_documents(told, "app-1", [{"q": 1}])
    assert len(told.asked) == asked, "nothing in it looks like a query"


def test_a_document_is_named_with_its_routing() -> None:
    assert policy.routed(None) == {} and policy.routed("") == {"routing": ""}
    assert "give its routing, if it has one" in str(policy.no_document("1", "a", None))
    assert "none with routing 'x'" in str(policy.no_document("1", "a", "x"))


def answer(request: Request) -> Answer:
    """Answer as an Elasticsearch with the same indices, and with query languages, does."""
    place = unquote(request.path.partition("?")[0])
    if place.startswith("/_resolve/index/"):
        try:
            return Answer(200, Told().resolved(place.removeprefix("/_resolve/index/")))
        except ElasticsearchError as error:
            return failure(404, error.type, str(error), index=error.index)
    has = {"available": True, "enabled": True}
    table: dict[str, Any] = {"columns": [{"name": "n", "type": "long"}], "values": [[1]], "rows": [[1]]}
    row = {"data_stream": "app-logs", "store_size_bytes": 3772, "maximum_timestamp": 1607512028000}
    stream = {"name": "app-logs", "status": "GREEN", "template": "app", "ilm_policy": "week", "hidden": False}
    parts = {
        "/_xpack": {"features": {"esql": has, "sql": has, "eql": has}},
        "/_query": table,
        "/_sql": table,
        "/_eql/search": {"hits": {"total": {"value": 0, "relation": "eq"}, "events": []}},
        "/_data_stream/app-logs/_stats": {"data_streams": [row]},
        "/_data_stream/": {"data_streams": [stream, stream | {"name": "canary-logs"}]},
    }
    return answering({part: Answer(200, body) for part, body in parts.items()})(request)


@pytest.fixture
async def asked(start: Start) -> AsyncIterator[tuple[FakeNode, Client]]:
    with FakeNode(answer) as fake:
        async with Client(start(ES_PORT=str(fake.port), MCP_INDEX_PATTERNS="app-*").url + "/mcp") as client:
            yield fake, client


ALL = "app-1,app-2,app-logs"


def statement(language: str, query: str) -> dict[str, str]:
    """Return arguments of es_query; EQL has the indices beside a query."""
    given = {"query": "any where true", "index": query} if language == "eql" else {"query": query}
    return {"language": language} | given


async def test_statements_read_only_what_is_inside(asked: tuple[FakeNode, Client]) -> None:
    fake, client = asked
    for language, query, place, sent in (
        ("esql", "FROM app-1 | LIMIT 1", "/_query", "FROM app-1 | LIMIT 1"),
        ("esql", "from * metadata _id | stats n = count(*)", "/_query", f"from {ALL} metadata _id "),
        ("esql", "FROM app-l*, app-1 | LIMIT 1", "/_query", "FROM app-1,app-logs | LIMIT 1"),
        ("esql", "FROM logs", "/_query", "FROM logs"),
        ("sql", "SELECT n FROM \"app*\" WHERE x = 'FROM canary'", "/_sql", f'SELECT n FROM "{ALL}" WHERE x'),
        ("eql", "*", f"/{ALL}/_eql/search", "any where true"),
    ):
        await ok(client, "es_query", **statement(language, query))
        request = next(r for r in reversed(fake.requests) if unquote(r.path).startswith(place))
        assert json.loads(request.body)["query"].startswith(sent)


async def test_statements_that_read_something_outside_are_not_sent(asked: tuple[FakeNode, Client]) -> None:
    fake, client = asked
    for language, query in (
        ("esql", "FROM app-1,canary | LIMIT 1"),
        ("esql", "FROM app-x"),
        ("esql", "FROM canary*"),
        ("esql", f"FROM {CANARY_BACKING}"),
        ("esql", "FROM app-1, *canary*, canary-logs"),
        ("sql", 'SELECT * FROM "app-1,canary"'),
        ("sql", 'SELECT * FROM "canary*"'),
        ("sql", "SELECT (n) FROM app-x"),
        ("eql", "all-logs"),
        ("eql", "r:app-1"),
    ):
        text = await error(client, "es_query", **statement(language, query))
        assert "index that this server may touch" in text, query
    assert {r.path.split("/")[1].partition("?")[0] for r in fake.requests} == {"", "_xpack", "_resolve"}


async def test_data_streams_are_listed(asked: tuple[FakeNode, Client]) -> None:
    row = {
        "name": "app-logs", "indices": 1, "status": "GREEN", "template": "app", "ilm_policy": "week", "bytes": 3772,
        "newest": "2020-12-09T11:07:08+00:00",
    }  # fmt: skip
    assert await ok(asked[1], "es_indices", kind="data_streams") == {"total": 1, "data_streams": [row]}


def test_few_names_are_compared_in_full() -> None:
    compared = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal compared
        compared += event == "call" and frame.f_code is difflib.SequenceMatcher.ratio.__code__

    # Names of two letters, all as like each other as letters alone can tell.
    names = [f"{n:011b}".replace("0", "ab" * 4).replace("1", "ba" * 4) for n in range(2000)]
    sys.setprofile(count)
    try:
        found = policy.similar(names[7], names)
    finally:
        sys.setprofile(None)
    assert found[0] == names[7]
    assert 5 <= compared <= 2 * 50  # difflib asks twice for those that it gives
