"""redis_indexes, redis_search, redis_aggregate and redis_create_index: what the query engine (FT.*) does.

Served where Redis has it: Redis 8, Redis Stack, or the RediSearch module.
"""

import itertools
import re
import struct
import sys
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.backend import warn
from servers.common.memory_budget import hold
from servers.common.protocol.tools import Call, Room, ToolError, tool
from servers.redis.client.memory_guard import COPIES
from servers.redis.format.key_encoding import LONGEST_NAME, as_object, encode, show, show_key, show_name
from servers.redis.format.replies import as_json, pairs, said
from servers.redis.policy.command_cost import MOST_BYTES, OBJECT_BYTES, check_json_path, memory_usage
from servers.redis.policy.key_scope import ScopedRedis
from servers.redis.tools.scan import chunks

VALUE_BYTES = 2048
"""Of one field of a document found."""

ELEMENTS = {"FLOAT64": "d", "FLOAT32": "f", "FLOAT16": "e"}
"""Types of a vector's elements, as struct writes them."""


def has_search(backend: ScopedRedis) -> bool:
    return backend.has("search")


class SearchIndex(TypedDict):
    name: str
    documents: int
    prefixes: list[str]
    on: str
    fields: Annotated[list[dict[str, Any]], Field(description="name, type and the type's options")]
    indexing_failures: NotRequired[int]


class Indexes(TypedDict):
    indexes: list[SearchIndex]
    left_out: NotRequired[list[str]]


@tool(title="Search indexes", needs=has_search)
async def redis_indexes(
    call: Call[ScopedRedis], *, index: Annotated[str | None, Field(description="only this one")] = None
) -> Indexes:
    """List search indexes: fields, vector dimensions, key prefixes and document counts. Call it before redis_search."""
    names = [encode(index)] if index else await _names(call)
    room, names_left_out = Room(call.max_bytes - call.max_bytes // 8), Room(call.max_bytes // 8)
    result: Indexes = {"indexes": []}
    for name in names:
        try:
            found = await _index(call, name)
        except ToolError as refusal:
            if index:
                raise
            if not call.backend.scope:  # else it may be out of scope
                warn(f"index {show_name(name)!r} is left out: {refusal}")
            continue
        if (shown := room.fit(found)) is not None:
            result["indexes"].append(shown)
        elif names_left_out.take(found["name"]):
            result.setdefault("left_out", []).append(found["name"])
    return result


async def _names(call: Call[ScopedRedis]) -> list[bytes]:
    try:
        return sorted(await call.backend.read("FT._LIST"))
    except ToolError as refusal:
        raise ToolError(f"the indexes can't be listed, give the name of one: {refusal}") from None


async def _index(call: Call[ScopedRedis], name: bytes) -> SearchIndex:
    """Describe an index. Raise ToolError if there is none of that name, or it reaches beyond MCP_KEY_PREFIXES."""
    about = pairs(await call.backend.read("FT.INFO", name))
    definition = pairs(about.get("index_definition", []))
    prefixes = [bytes(prefix) for prefix in definition.get("prefixes", [])]
    # Without a prefix it indexes every key.
    call.backend.scope.check(prefixes or [b""])
    index: SearchIndex = {
        "name": show_key(name),
        "documents": int(float(as_json(about.get("num_docs", 0)))),
        "prefixes": [show_key(prefix) for prefix in prefixes],
        "on": said(definition.get("key_type", b"HASH")),
        "fields": [_field(flat) for flat in about.get("attributes", about.get("fields", []))],
    }
    if failures := int(float(as_json(about.get("hash_indexing_failures", 0)))):
        index["indexing_failures"] = failures
    return index


_FLAGS = frozenset({"SORTABLE", "NOSTEM", "NOINDEX", "UNF", "CASESENSITIVE", "WITHSUFFIXTRIE"})


def _field(flat: list[Any]) -> dict[str, Any]:
    """Parse a field of FT.INFO: names and values in turn, then flags. Before RediSearch 2 the name alone came first."""
    words = [as_json(word) for word in flat]
    if words and words[0] not in ("identifier", "attribute"):
        words = ["attribute", *words]
    field: dict[str, Any] = {}
    while words:
        word = str(words.pop(0))
        if word in _FLAGS:
            field[word.lower()] = True
        elif words:
            field[word.lower()] = words.pop(0)
    if field.get("identifier") == field.get("attribute"):
        field.pop("identifier", None)
    return field


class SearchPage(TypedDict):
    total: Annotated[NotRequired[int], Field(description="absent with vector")]
    documents: Annotated[list[dict[str, Any]], Field(description="key and fields")]
    cursor: NotRequired[int]


@tool(title="Search", needs=has_search)
async def redis_search(
    call: Call[ScopedRedis],
    *,
    index: str,
    query: Annotated[str, Field(max_length=10_000, description="e.g. @title:hello @year:[2020 +inf] @tag:{a|b}")] = "*",
    vector: Annotated[
        list[float] | None,
        Field(min_length=1, max_length=32_768, description="find its nearest neighbours among the query's matches"),
    ] = None,
    vector_field: Annotated[str | None, Field(description="default: the only one")] = None,
    fields: Annotated[list[str] | None, Field(min_length=1, max_length=100, description="to return; default: all")] = None,
    sort: Annotated[str | None, Field(description="FIELD or FIELD desc")] = None,
    limit: Annotated[int, Field(ge=1, le=1000)] = 10,
    cursor: Annotated[int, Field(ge=0, le=1_000_000)] = 0,
) -> SearchPage:
    """Search by text, tag, number, place, vector, or several of these at once (FT.SEARCH)."""
    name = encode(index)
    known = _known(await _index(call, name))
    words: list[Any] = ["FT.SEARCH", name]
    if vector:
        field, blob = _vector(known, vector_field, vector)
        # One more tells whether there are more. Sorted by a field, it would take the place of a nearer one: then the pages are
        # of the nearest `limit`.
        nearest = f"[KNN {limit if sort else cursor + limit + 1} @{field} $vector AS vector_distance]"
        words += [encode(f"({query})=>{nearest}" if query != "*" else f"*=>{nearest}"), "PARAMS", 2, "vector", blob]
        words += ["SORTBY", *(_order(sort) if sort else ["vector_distance"])]
        if fields is not None:
            fields = [*fields, "vector_distance"]
    else:
        words.append(encode(query))
        if sort:
            words += ["SORTBY", *_order(sort)]
    if fields is not None:
        words += ["RETURN", len(fields), *map(encode, fields)]
    if vector:
        words += ["DIALECT", 2]
    async with hold(COPIES * limit * (LONGEST_NAME + OBJECT_BYTES), estimated=True):
        total, *keys = await call.backend.read(*words, "NOCONTENT", "LIMIT", cursor, limit, at=name)
        sizes = await _sizes(call, keys)
    # Only as many documents are asked for as may be read at once.
    fitting = sum(size <= MOST_BYTES for size in itertools.accumulate(sizes))
    found: SearchPage = {"documents": []} if vector else {"total": total, "documents": []}
    for path, word, alias in zip(fields or (), (fields or ())[1:], (fields or ())[2:], strict=False):
        if word.upper() == "AS":
            known[alias] = known.get(path, {"identifier": path})
    room = Room(call.max_bytes, rest="redis_search with fields returns some, and redis_read with field one in full")
    if keys and not fitting:
        found["documents"] = [{"key": show_name(keys[0], LONGEST_NAME), "too_big": True, "bytes": sizes[0]}]
    async with hold(COPIES * sum(sizes[:fitting]), estimated=True):
        rest = (await call.backend.read(*words, "LIMIT", cursor, fitting, at=name))[1:] if fitting else []
        for key, flat in zip(rest[::2], rest[1::2], strict=False):
            document = {"key": show_name(key, LONGEST_NAME), "fields": _fields(call, flat or [], known)}
            if (shown := room.fit(document)) is None:
                break
            found["documents"].append(shown)
    if cursor + len(found["documents"]) < total and found["documents"]:
        found["cursor"] = cursor + len(found["documents"])
    elif vector and sort and total == limit:
        warn(f"these are the {limit} nearest, sorted: a higher limit takes in more")
    return found


async def _sizes(call: Call[ScopedRedis], keys: list[bytes]) -> list[int]:
    """Return the bytes of documents; 0 for one that is gone."""
    sizes: list[int] = []
    for chunk in chunks(keys):
        answers = await call.backend.read_many([memory_usage(key) for key in chunk])
        sizes += [answer if isinstance(answer, int) else 0 for answer in answers]
    return sizes


def _order(sort: str) -> list[bytes]:
    """Return the words of SORTBY. Raise ToolError for more than a field and a direction."""
    field, *direction = sort.split() or [""]
    if not field or len(direction) > 1 or (direction and direction[0].lower() not in ("asc", "desc")):
        raise ToolError("sort has to be a field, or a field and asc or desc")
    return [encode(field), *(encode(word) for word in direction)]


Known = dict[str, dict[str, Any]]
"""Fields of an index, by their names in queries."""


def _known(index: SearchIndex) -> Known:
    return {str(field.get("attribute")): field for field in index["fields"]}


def _fields(call: Call[ScopedRedis], flat: list[Any], known: Known) -> dict[str, Any]:
    """Return the fields of a document or row, whose names and values come in turn."""
    named = zip(flat[::2], flat[1::2], strict=False)
    return as_object((name, _shown(call, value, said(name), known.get(said(name), {}))) for name, value in named)


def _shown(call: Call[ScopedRedis], value: Any, name: str, field: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_shown(call, item, name, field) for item in value]
    if not isinstance(value, bytes):
        return as_json(value)
    if _is_vector(field):
        return f"(vector of {len(value)} bytes)"
    return "(masked)" if _hides(call, name, field, value) else show(value, VALUE_BYTES)


def _hides(call: Call[ScopedRedis], name: str, field: dict[str, Any], value: bytes = b"") -> bool:
    """Return whether a value looks like a secret, by its name in the query, by that in the document, or by itself."""
    return call.backend.mask.hides(encode(name), encode(str(field.get("identifier", ""))), value=value)


def _is_vector(field: dict[str, Any]) -> bool:
    return str(field.get("type")).upper() == "VECTOR"


def _vector(known: Known, wanted: str | None, values: list[float]) -> tuple[str, bytes]:
    """Return the name of a vector field, and the bytes of a vector of its type."""
    vectors = [name for name, field in known.items() if _is_vector(field)]
    name = wanted if wanted or len(vectors) != 1 else vectors[0]
    if name not in vectors:
        raise ToolError(f"vector_field has to be a vector field of the index, which has {', '.join(vectors) or 'none'}")
    dimension, kind = int(known[name].get("dim", 0)), str(known[name].get("data_type", "FLOAT32")).upper()
    if dimension and len(values) != dimension:
        raise ToolError(f"{name} has {dimension} dimensions, and {len(values)} values were given")
    if kind not in ELEMENTS:
        raise ToolError(f"elements of type {kind} are not supported: {', '.join(ELEMENTS)}")
    try:
        return name, struct.pack(f"<{len(values)}{ELEMENTS[kind]}", *values)
    except OverflowError:
        raise ToolError(f"a number of the vector is too big for {kind}") from None


class Aggregated(TypedDict):
    rows: list[dict[str, Any]]
    cut: Annotated[NotRequired[bool], Field(description="there were more")]


@tool(title="Aggregate", needs=has_search)
async def redis_aggregate(
    call: Call[ScopedRedis],
    *,
    index: str,
    query: str = "*",
    steps: Annotated[
        list[str],
        Field(
            max_length=500,
            description='words after the query, e.g. ["GROUPBY","1","@type","REDUCE","COUNT","0","AS","n"]',
        ),
    ],
    limit: Annotated[int, Field(ge=1, le=1000)] = 100,
) -> Aggregated:
    """Group, count, average and sort what a query finds (FT.AGGREGATE)."""
    offset, count = _check_steps(steps)
    name = encode(index)
    known = _known(await _index(call, name))
    for named in itertools.chain.from_iterable(map(_PROPERTY.findall, steps)):
        if named[0] not in "\"'" and _hides(call, named, known.get(named, {})):
            raise ToolError(f"{named!r} looks like the name of a secret: its values are not listed")
    words = [encode(query), *(encode(step) for step in steps), "LIMIT", offset, min(count, limit + 1)]
    room = Room(call.max_bytes, rest="load fewer fields")
    rows: list[dict[str, Any]] = []
    async with hold(COPIES * limit * VALUE_BYTES, estimated=True):
        _, *found = await call.backend.read("FT.AGGREGATE", name, *words, at=name)
        for flat in found:
            row = room.fit(_fields(call, flat, known))
            if len(rows) == limit or row is None:
                return {"rows": rows, "cut": True}
            rows.append(row)
    return {"rows": rows}


_COUNTED_STEPS = frozenset({"GROUPBY", "LOAD", "PARAMS", "REDUCE", "SORTBY"})
"""Words of FT.AGGREGATE that a number of words follows. REDUCE has the name of a function before the number."""

_STEPS = {
    "APPLY": 1, "AS": 1, "DIALECT": 1, "FILTER": 1, "LIMIT": 2, "MAX": 1, "SCORER": 1, "ADDSCORES": 0, "VERBATIM": 0,
}  # fmt: skip
"""The others that are taken, and how many words follow each."""

_PROPERTY = re.compile(r"""^@?\$.*|[^\s,()@"'=!<>+*/%^|&]+|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""", re.DOTALL)
"""What a step of FT.AGGREGATE names, a path of JSON in full; and texts, with their quotation marks."""

MOST_REPEATED = 32
"""Times that APPLY and FILTER may repeat a value in one string: a format of a format of it doubles with each."""


def _check_steps(steps: list[str]) -> tuple[int, int]:
    """Follow the grammar of FT.AGGREGATE (https://redis.io/docs/latest/commands/ft.aggregate/), so that what is put behind the
    steps is never taken for a part of one. Return the offset and number of rows of the last LIMIT, which a further one behind
    the same GROUPBY would replace. Raise ToolError for a word that is not a step, for a step with fewer words than it says, and
    for steps that make a value much longer."""
    at, repeated, limits = 0, 1, [0, sys.maxsize]
    while at < len(steps):
        step = steps[at].upper()
        at += 2 if step == "REDUCE" else 1
        if step in _COUNTED_STEPS:
            count = steps[at] if at < len(steps) else ""
            if step == "LOAD" and count == "*":
                count = "0"
            if not (count.isascii() and count.isdigit() and len(count) < 5):
                raise ToolError(f"{step} needs the number of its arguments: {step} N ...")
            at += 1 + int(count)
        elif step in _STEPS:
            if step in ("APPLY", "FILTER") and at < len(steps) and "format" in steps[at].lower():
                repeated *= max(steps[at].count("@"), steps[at].count("%"), 1)
                if repeated > MOST_REPEATED:
                    raise ToolError(f"format would repeat a value more than {MOST_REPEATED} times: use it less often")
            at += _STEPS[step]
            if step == "LIMIT":
                given = steps[at - 2 : at]
                if not all(number.isascii() and number.isdigit() and len(number) < 19 for number in given):
                    raise ToolError("LIMIT takes two numbers: LIMIT OFFSET NUMBER")
                limits = [int(number) for number in given]
        else:
            raise ToolError(
                f"{steps[at - 1][:40]!r} is not a step: the steps are {', '.join(sorted(_COUNTED_STEPS))}, "
                f"{', '.join(sorted(_STEPS))}"
            )
        if at > len(steps):
            raise ToolError(f"{step} has fewer arguments than it says")
        if step == "GROUPBY":
            limits = [0, sys.maxsize]
    return limits[0], limits[1]


class Created(TypedDict):
    index: str


@tool(title="Create a search index", write=True, idempotent=False, needs=has_search)
async def redis_create_index(
    call: Call[ScopedRedis],
    *,
    index: str,
    prefixes: Annotated[list[str], Field(min_length=1, max_length=50)],
    fields: Annotated[
        dict[str, str],
        Field(
            min_length=1,
            max_length=200,
            description='to type and options: {"title":"TEXT SORTABLE","v":"VECTOR HNSW 6 TYPE FLOAT32 DIM 384 '
            'DISTANCE_METRIC COSINE"}; JSON: {"$.a.b":"AS b NUMERIC"}',
        ),
    ],
    on: Literal["HASH", "JSON"] = "HASH",
) -> Created:
    """Create an index of text, tags, numbers, places and vectors (FT.CREATE). It includes existing keys."""
    names = [call.backend.scope.key(prefix) for prefix in prefixes]
    words: list[Any] = ["FT.CREATE", encode(index), "ON", on, "PREFIX", len(names), *names, "SCHEMA"]
    for name, options in fields.items():
        given = options.split()
        if not given:
            raise ToolError(f"field {name[:100]!r} needs a type: TEXT, TAG, NUMERIC, GEO or VECTOR with its options")
        # Of JSON the name is a path, and what follows AS the name in queries.
        if on == "JSON":
            check_json_path(encode(name))
        words += [encode(name), *given]
    await call.backend.write(*words, at=encode(index))
    return {"index": index}
