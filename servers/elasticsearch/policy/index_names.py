"""Names of indices: which can be written to, and which was meant."""

import difflib
import heapq
import re
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from servers.common.backend import BackendError
from servers.common.globs import matcher
from servers.common.protocol.tools import ToolError, to_json
from servers.elasticsearch.client.backend import path
from servers.elasticsearch.client.errors import ElasticsearchError
from servers.elasticsearch.policy.index_scope import ScopedElasticsearch, indices_in
from servers.elasticsearch.policy.query_bodies import refuse_scripts
from servers.elasticsearch.policy.request_costs import check_costs, check_depth

# What these take is said once, in the server's instructions.
# Their lengths are checked by `path` and by Elasticsearch, and told only where they are wrong.
IndexPattern = str
"""Index, alias or data stream; several by commas; * matches any."""

IndexName = str
"""The exact name of an index, alias or data stream."""

Dsl = dict[str, Any]
"""A part of the query DSL."""

Routing = str | None
"""What a document was indexed with in place of its id, to choose its shard: index, id and routing identify it."""


def routed(routing: str | None) -> dict[str, str]:
    """Return the parameters of a request about a document."""
    return {} if routing is None else {"routing": routing}


def no_document(id: str, index: str, routing: str | None) -> ToolError:
    """Return the error of a document that is not there."""
    told = "give its routing, if it has one" if routing is None else f"none with routing {routing!r}"
    return ToolError(f"there is no document {id!r} in {index!r} ({told}): find ids with es_search")


def writable(name: str) -> None:
    """Raise ToolError for a name that may not be written to: it could mean several indices, or is Elasticsearch's own."""
    if name in ("", "_all") or any(c in name for c in '*?,<>:"\\/| #'):
        raise ToolError(f"{name!r} is not the exact name of one index: nothing was done; es_indices lists names")
    if name.startswith((".", "_", "-", "+")):
        raise ToolError(f"{name!r} can't be written to: names that begin with a dot are Elasticsearch's own; nothing was done")


@asynccontextmanager
async def near_names(backend: ScopedElasticsearch) -> AsyncIterator[None]:
    """Adds similar names to the error of a missing index."""
    try:
        yield
    except ElasticsearchError as error:
        # ES|QL says it in its own way.
        unknown = re.search(r"Unknown index \[([^\]]+)\]", str(error))
        if error.type != "index_not_found_exception" and not unknown:
            raise
        missing = unknown[1] if unknown else error.index
        if not missing:  # patterns and exclusions
            raise ToolError(f"no index matches: {await _meant(backend, '')}") from None
        raise ToolError(f"there is no index {missing!r}: {await _meant(backend, missing)}") from None


@asynccontextmanager
async def near_fields_of(backend: ScopedElasticsearch, index: str) -> AsyncIterator[None]:
    """Adds likely names to the error of a field that is missing or can't be sorted on."""
    try:
        yield
    except ElasticsearchError as error:
        said = str(error)
        if found := re.search(r"Fielddata is disabled on \[([^\]]+)\]", said):
            field = found[1]
            subs = await known_fields(backend, index, f"{field}.*")
            able = [name for name, types in subs.items() if aggregatable(types)]
            instead = f"use {' or '.join(able)}" if able else "it has no keyword sub-field to use instead"
            raise ToolError(f"{field!r} is a text field, which can't be sorted or aggregated on: {instead}") from None
        if found := re.search(r"No mapping found for \[([^\]]+)\]", said):
            raise ToolError(*await unknown_fields(backend, index, found[1])) from None
        raise


async def write_target(backend: ScopedElasticsearch, name: str, *, create: bool = False) -> None:
    """Raise ToolError for a name of an index, alias or data stream that may not be written to.

    Unless `create`, it has to be there: a write would make one of a misspelled name.
    """
    writable(name)
    if create and not backend.scope:
        return
    try:
        await _inside(backend, [name])
    except ElasticsearchError as error:
        if not (create and error.type == "index_not_found_exception"):
            raise


LONGEST, LONGEST_LINE = 3000, 3900
"""Bytes of names that a request's path may have, and with parameters; Elasticsearch takes lines of 4096."""


@dataclass(frozen=True)
class Reached:
    """An index, alias or data stream that an expression leads to."""

    name: str
    members: tuple[str, ...] = ()
    """The indices of an alias or a data stream."""

    stream: str = ""
    """The data stream that an index belongs to, or is."""

    @property
    def is_index(self) -> bool:
        """Return whether it is an index or a data stream, not an alias."""
        return bool(self.stream) or not self.members


class NothingInside(ToolError):
    """An expression matches no index inside of MCP_INDEX_PATTERNS."""


async def within(backend: ScopedElasticsearch, expression: str, expand: str = "open") -> str:
    """Return an expression of indices to send instead, which reaches nothing outside MCP_INDEX_PATTERNS.

    Elasticsearch resolves aliases, wildcards, exclusions and date math; names that are sent are then those of indices and data
    streams, or of aliases all of whose indices are inside, so that their filters hold. `expand` is what wildcards match: open,
    closed, hidden, all. Raise ToolError if a name leads outside, or nothing inside matches.
    """
    if not expression.strip(","):
        raise ToolError("index is empty: es_indices lists names; * means all")
    if wrong := [name for name in expression.split(",") if name.startswith("_") and name != "_all"]:
        raise ToolError(f"{wrong[0][:200]!r} is not the name of an index, because it begins with _: es_indices lists names")
    if not backend.scope:
        backend.scope.refuse_restricted(expression)
        await _check_clusters(backend, expression)
        return expression
    reached = await inside(backend, expression, expand)
    if any(part.startswith("-") for part in expression.split(",")):
        reached = await _left(backend, expression, expand, reached)
    if not reached:
        raise NothingInside(f"no index that this server may touch matches {expression[:200]!r}: {backend.scope.said}")
    # An alias adds nothing to its indices where these are there themselves.
    there = {name for found in reached if found.is_index for name in (found.name, *found.members)}
    names = [found.name for found in reached if found.is_index or not there.issuperset(found.members)]
    joined = ",".join(names)
    return joined if len(path(joined)) <= LONGEST else await _by_patterns(backend, expression, reached)


async def _left(backend: ScopedElasticsearch, expression: str, expand: str, reached: Sequence[Reached]) -> list[Reached]:
    """Return what an expression leaves of what it reaches: it excludes indices, to which aliases may lead all the same. Raise
    ToolError for an alias that it leaves a part of, and that nothing but its filter stands for."""
    there = await _concrete(backend, expression, expand)
    itself = {name for found in reached if found.is_index for name in (found.name, *found.members)}
    left: list[Reached] = []
    for found in reached:
        members = [name for name in found.members or (found.name,) if name in there]
        if len(members) == len(found.members or (found.name,)):
            left.append(found)
        elif found.is_index:
            left += [Reached(name, (), found.stream) for name in members]
        elif not itself.issuperset(members):
            raise ToolError(f"{expression[:200]!r} leaves a part of the alias {found.name!r}: name the indices in its place")
    return left


async def _concrete(backend: ScopedElasticsearch, expression: str, expand: str) -> Collection[str]:
    """Return the indices themselves that Elasticsearch takes an expression for."""
    where = path(expression, "_settings", "index.uuid")
    found: dict[str, Any] = await backend.read("GET", where, params={"expand_wildcards": expand})
    return found.keys()


async def _check_clusters(backend: ScopedElasticsearch, expression: str) -> None:
    """Raise ToolError where an expression means other clusters only, and none matches.

    Elasticsearch would take all of its own indices.
    """
    parts = [part.partition(":") for part in expression.split(",") if part and not part.startswith("-")]
    # Two colons are before a selector (::data).
    if not parts or not all(colon and "*" in cluster and not index.startswith(":") for cluster, colon, index in parts):
        return
    with suppress(ElasticsearchError):  # a user may be forbidden to ask
        clusters = await backend.read("GET", "/_remote/info")
        if not any(map(matcher([cluster for cluster, *_ in parts]), clusters)):
            told = ", ".join(clusters) or "none"
            raise ToolError(f"no remote cluster matches {expression[:200]!r}: {told} is connected")


async def inside(backend: ScopedElasticsearch, expression: str, expand: str = "open") -> list[Reached]:
    """Return what an expression reaches inside MCP_INDEX_PATTERNS, by name. Raise ElasticsearchError for a name of no index, and
    ToolError for one that leads outside."""
    parts = [part for part in expression.split(",") if part] or ["*"]
    for part in parts:
        # A colon may be of date math's time zone.
        if backend.scope and ":" in part and not part.lstrip("-").startswith("<"):
            raise backend.scope.outside(part)
    # Behind a pattern, - excludes; before, it is of a name.
    behind = next((at for at, part in enumerate(parts) if _several(part)), len(parts))
    exact = [part for at, part in enumerate(parts) if not _several(part) and not (at > behind and part.startswith("-"))]
    found = await _inside(backend, exact)
    if behind == len(parts):
        return found
    reached = await resolve(backend, ",".join(parts), expand)
    streams = await _streams(backend) if backend.scope else frozenset()
    return [found for found in reached if _is_inside(backend, found, streams)]


def _several(part: str) -> bool:
    return "*" in part or part == "_all"


async def _inside(backend: ScopedElasticsearch, names: Sequence[str]) -> list[Reached]:
    """Resolve exact names, which must all be inside; errors are those of `inside`."""
    if not names:
        return []
    try:
        reached = await resolve(backend, ",".join(names), "all")
    except ElasticsearchError as error:
        if error.type == "index_not_found_exception" and not backend.scope.has(error.index or ""):
            raise backend.scope.outside(error.index or names[0]) from None
        raise
    streams: frozenset[str] | None = None
    for found in reached:
        if not _is_inside(backend, found, streams or frozenset()):
            streams = await _streams(backend) if streams is None else streams
            if not _is_inside(backend, found, streams):
                raise backend.scope.outside(found.name)
    return reached


async def resolve(backend: ScopedElasticsearch, expression: str, expand: str = "all") -> list[Reached]:
    """Resolve an expression, also outside of MCP_INDEX_PATTERNS; `expand` is what wildcards match. Raise ElasticsearchError for a
    name of nothing."""
    expression = ",".join("*" if part == "_all" else part for part in expression.split(","))  # OpenSearch knows no _all here
    answer = await backend.read("GET", path("_resolve", "index", expression), params={"expand_wildcards": expand})
    reached = [
        *(Reached(i["name"], (), i.get("data_stream", "")) for i in answer["indices"]),
        *(Reached(a["name"], tuple(a["indices"])) for a in answer["aliases"]),
        *(Reached(s["name"], listed(s.get("backing_indices")), s["name"]) for s in answer["data_streams"]),
    ]
    there = {found.name for found in reached}
    parts = expression.split(",")
    # OpenSearch just leaves out what is not there. Date math and other clusters have other names, and - excludes names.
    named = [part for part in parts if re.fullmatch(r"[^<*:][^*:]*", part)]
    if not any(part.startswith("-") for part in parts) and (missing := [part for part in named if part not in there]):
        raise ElasticsearchError(f"no such index [{missing[0]}]", "index_not_found_exception", 404, missing[0])
    return reached


def listed(names: Any) -> tuple[str, ...]:
    """Return names as a tuple: the answer gives a single one without a list."""
    return (names,) if isinstance(names, str) else tuple(names or ())


async def _streams(backend: ScopedElasticsearch) -> frozenset[str]:
    """Return the indices of the data streams that are inside."""
    answer = await backend.read(
        "GET", path("_resolve", "index", "*"), params={"expand_wildcards": "all", "filter_path": "data_streams"}
    )
    found = answer.get("data_streams", ())
    return frozenset(n for s in found if backend.scope.has(s["name"]) for n in listed(s.get("backing_indices")))


def _is_inside(backend: ScopedElasticsearch, found: Reached, streams: frozenset[str]) -> bool:
    has = backend.scope.has
    if found.is_index:
        return has(found.name) or (bool(found.stream) and has(found.stream))
    return all(has(member) or member in streams for member in found.members)


async def _by_patterns(backend: ScopedElasticsearch, expression: str, reached: Sequence[Reached]) -> str:
    """Return an expression for names that are too many to send: its own patterns where these are inside, else those of the scope.
    Raise ToolError if it would reach other indices, or fewer."""
    parts: list[str] = []
    for part in expression.split(","):
        if not _several(part) or part.startswith("-") or backend.scope.has(part):
            parts.append(part)
        else:
            wanted = re.compile(re.escape("*" if part == "_all" else part).replace(r"\*", ".*"))
            parts += [pattern for pattern in backend.scope.patterns if wanted.fullmatch(pattern)]
    if not any(map(_several, parts)):
        raise _too_many(expression, len(reached))
    found = await resolve(backend, ",".join(dict.fromkeys(parts)), "all")
    streams = await _streams(backend)

    def outside(name: str) -> bool:
        return not backend.scope.has(name) and name not in streams

    # An alias with a name inside may lead out. Indices that come meanwhile are inside.
    out = {name for f in found if not _is_inside(backend, f, streams) for name in (f.members or (f.name,)) if outside(name)}
    narrowed = ",".join(dict.fromkeys([*parts, *(f"-{name}" for name in sorted(out))]))
    if len(path(narrowed)) > LONGEST:
        raise _too_many(expression, len(reached))
    indices = await _concrete(backend, narrowed, "all")
    if any(map(outside, indices)) or not {r.name for r in reached if not r.members} <= set(indices):
        raise _too_many(expression, len(reached))
    return narrowed


def _too_many(expression: str, count: int) -> ToolError:
    return ToolError(f"{count} indices match {expression[:200]!r}, more than one request can name: narrow the pattern")


async def check_bodies(backend: ScopedElasticsearch, *bodies: Any) -> None:
    """Raise ToolError where a part of a request has a script, or names an index outside of MCP_INDEX_PATTERNS."""
    check_depth(bodies)
    check_costs(*bodies)
    for body in bodies:
        refuse_scripts(body)
    limited = bool(backend.scope)
    names = sorted({name for body in bodies for name in indices_in(body, limited=limited)})
    if not limited:
        for name in names:
            backend.scope.refuse_restricted(name)
        return
    for name in names:
        if re.search(r'[*?,<>:"\\/| #]|^[-+_]|^$', name):
            raise backend.scope.outside(name)
    await _inside(backend, names)


_QUERY_WORDS = re.compile('"script|_script"|"wrapper"|"_?index"|"indices"|"indexed_shape"|"template')


async def check_documents(backend: ScopedElasticsearch, index: str, documents: Sequence[Any]) -> None:
    """Check queries that documents bring into percolator fields, which Elasticsearch runs, as `check_bodies` does."""
    suspicious = [document for document in documents if _QUERY_WORDS.search(to_json(document))]
    if not suspicious:
        return
    if await may_percolate(backend, index):
        await check_bodies(backend, *suspicious)


MAY_PERCOLATE = re.compile(r'"type":"(?:percolator"|[^"]*\{)')
"""What a mapping has that makes fields of queries, or may: a dynamic template takes a type from a field's name."""


async def may_percolate(backend: ScopedElasticsearch, index: str) -> bool:
    """Return whether documents of an index, or of one that a write would make, may have fields of queries."""
    try:
        found = await backend.read("GET", path(index, "_mapping"))
    except ElasticsearchError as error:
        if error.type != "index_not_found_exception":
            return True  # who may write may be forbidden to see the mapping
        try:
            found = await backend.read("POST", path("_index_template", "_simulate_index", index))
        except ElasticsearchError:
            return True
    return bool(MAY_PERCOLATE.search(to_json(found)))


async def known_fields(backend: ScopedElasticsearch, index: str, *fields: str) -> dict[str, dict[str, Any]]:
    """Return the fields of an index that match patterns, or all where these are too long: dotted path to type to what can be done
    with it (_field_caps)."""
    where, asked = path(index, "_field_caps"), ",".join(fields)
    if len(asked) > LONGEST_LINE or len(where) + len(quote(asked)) > LONGEST_LINE:
        asked = "*"
    answer = await backend.read("GET", where, params={"fields": asked, "allow_no_indices": "false", "filters": "-metadata"})
    return {
        name: {type: caps for type, caps in types.items() if type != "unmapped"}
        for name, types in answer.get("fields", {}).items()
    }


def aggregatable(types: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether a field of `known_fields` can be sorted and aggregated on in every index that has it."""
    return bool(types) and all(caps["aggregatable"] for caps in types.values())


async def unknown_fields(backend: ScopedElasticsearch, index: str, *missing: str) -> list[str]:
    """Return a sentence for each unknown field, with similar names."""
    try:
        known = [name for name, types in (await known_fields(backend, index, "*")).items() if "object" not in types]
    except (ToolError, BackendError):
        known = []
    return [f"no field is called {name[:200]!r}: {_near_field(name, known)}" for name in missing]


async def field_notes(backend: ScopedElasticsearch, index: str, names: Iterable[str], outside: Iterable[str] = ()) -> list[str]:
    """Return a sentence for each field that no index has, or that is queried in a way that finds nothing. `outside` are fields
    that are asked outside of nested queries and aggregations."""
    asked = sorted(names)[:20]
    if not asked:
        return []
    try:
        known = await known_fields(backend, index, *with_inner(asked), *parents(asked))
        missing = [name for name in asked if not known.get(name) and not parent_of(known, name, FLATTENED)]
        notes = await unknown_fields(backend, index, *missing[:3]) if missing else []
    except (ToolError, BackendError):
        return []  # what it is asked for was answered
    wrong = {name: path for name in sorted(set(outside)) if (path := parent_of(known, name, NESTED))}
    return notes + [
        f"{name!r} is inside the nested objects {path!r}, which only a nested query or aggregation searches: put "
        f'{{"nested":{{"path":"{path}", ...}}}} around it (the argument where does so by itself)'
        for name, path in wrong.items()
    ]


async def nested_paths(backend: ScopedElasticsearch, index: str, names: Iterable[str]) -> dict[str, str]:
    """Return the fields inside nested objects: name to path of the innermost object."""
    asked = sorted(names)
    if not asked:
        return {}
    known = await known_fields(backend, index, *with_inner(asked))
    return {name: path for name in asked if (path := parent_of(known, name, NESTED))}


def with_inner(names: Iterable[str]) -> list[str]:
    """Return patterns for some fields and all in them: objects are told with the fields that they hold."""
    return [pattern for name in names for pattern in (name, f"{name}.*")]


LONGEST_FIELD = 500
"""Characters of a field's name: one of 20,000 with 10,000 parts would be 100 MB of names."""

NESTED = frozenset({"nested"})

FLATTENED = frozenset({"flattened", "flat_object"})
"""Types whose keys are no fields of their own."""


def parents(names: Iterable[str]) -> list[str]:
    """Return the dotted paths above some fields, but for those whose name is too long to be one."""
    short = [name for name in names if len(name) <= LONGEST_FIELD]
    return sorted({name[:at] for name in short for at, char in enumerate(name) if char == "." and at})


def parent_of(known: Mapping[str, Mapping[str, Any]], name: str, types: frozenset[str]) -> str:
    """Return the longest path to a field, of `known_fields`, that has one of some types; empty if there is none."""
    found = [path for path in [name, *parents([name])] if not types.isdisjoint(known.get(path, ()))]
    return max(found, key=len, default="")


def _near_field(missing: str, known: Sequence[str]) -> str:
    above, _, last = missing.lower().rpartition(".")
    # A sub-field that is not there stands for its field.
    near = [name for name in known if name.lower() == above]
    near += similar(missing, known)
    near = list(dict.fromkeys(near))
    near += [name for name in sorted(known) if name.rpartition(".")[2].lower() == last and name not in near]
    return f"did you mean {' or '.join(near[:5])}? es_mapping lists all" if near else "es_mapping lists them"


MOST_COMPARED = 50
"""Names whose likeness is measured in full: two of 100 letters, of which there are few different ones, take a millisecond."""


def similar(wanted: str, names: Iterable[str]) -> list[str]:
    """Return up to five similar names. Comparing takes time, so only names with the most similar letters are compared."""
    matcher = difflib.SequenceMatcher(b=wanted[:100])

    def alike(name: str) -> float:
        matcher.set_seq1(name)
        return matcher.quick_ratio()

    short = [name for name in names if len(name) <= 100][:2000]
    return difflib.get_close_matches(wanted[:100], heapq.nlargest(MOST_COMPARED, short, alike), 5, 0.6)


async def _meant(backend: ScopedElasticsearch, missing: str) -> str:
    try:
        names = [found.name for found in await inside(backend, "*")]
    except (ToolError, BackendError):
        return "es_indices lists them"
    if not names:
        return "this user can't see any index"
    if missing in names:
        return "it is an alias or a data stream, and this needs one of its indices, which es_search tells with each hit"
    wanted = missing.strip("*")
    near = similar(wanted, names) or [n for n in sorted(names) if wanted and wanted in n][:5]
    return f"did you mean {' or '.join(near)}? es_indices lists all" if near else "es_indices lists them"
