"""Queries: those that are made of simple words, and what of the query DSL is not passed on."""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import repeat
from types import MappingProxyType
from typing import Any

from servers.common.protocol.tools import ToolError, to_json
from servers.elasticsearch.client.heap_load import AT_ONCE
from servers.elasticsearch.policy.expressions import growth, steps

_SCRIPTED = frozenset(
    {"_script", "bucket_selector", "moving_fn", "script", "script_fields", "script_score", "scripted_metric"}
)
"""What has a script, beside all that ends in _script."""

_SCRIPT_PARTS = frozenset({"source", "inline", "id", "stored", "file", "lang", "params", "options", "script"})
"""The parts of a script, old names included (Script.java of Elasticsearch)."""

_NAMES = frozenset({"aggregations", "aggs", "fields", "properties"})
"""What has names for keys, that a user gave."""

_FILES = frozenset({"rulefiles", "rule_files", "user_dictionary"})
"""Parts of analyzers that name files of a node, beside all that ends in _path."""

_ANALYSIS = frozenset({"analysis", "analyzer", "categorization_analyzer", "char_filter", "settings", "tokenizer"})
"""Where analyzers are defined."""

LEAVES = frozenset(
    {
        "fuzzy", "match", "match_bool_prefix", "match_phrase", "match_phrase_prefix", "prefix", "regexp", "term", "wildcard",
    }
)  # fmt: skip
"""Queries whose keys are names of fields: a field may well be called script."""


_LEAF_PARTS = frozenset(
    {
        "_name", "analyzer", "boost", "case_insensitive", "flags", "format", "from", "fuzziness", "gt", "gte",
        "include_lower", "include_upper", "lenient", "lt", "lte", "max_expansions", "minimum_should_match", "operator",
        "prefix_length", "query", "relation", "rewrite", "slop", "time_zone", "to", "transpositions", "value", "wildcard",
        "zero_terms_query",
    }
)  # fmt: skip
"""What the value of a field may have in a query of one field."""


def _is_name(inner: Any, parent: str, alone: bool) -> bool:
    """Return whether a key with the name of a script can only be a name that a user gave to a field or an aggregation."""
    if parent in _NAMES:
        return isinstance(inner, dict) and inner.keys().isdisjoint(_SCRIPT_PARTS)
    if not alone or parent not in LEAVES | {"range", "terms"}:
        return False
    if isinstance(inner, dict):
        return inner.keys() <= _LEAF_PARTS
    return parent == "terms" if isinstance(inner, list) else parent in LEAVES


def refuse_scripts(value: Any, parent: str = "", *, read: bool = False) -> None:
    """Refuse what Elasticsearch would run or read beyond a query.

    Scripts run code in Elasticsearch for every document; they are not for a model to write. Templates and wrapped queries
    are queries as text, which can't be checked. Analyzers may read files of a node.

    Raises:
        ToolError: there is one in a part of a search.
    """
    if isinstance(value, list):
        for item in value:
            refuse_scripts(item, parent, read=read)
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if (key in _SCRIPTED or key.endswith("_script")) and not _is_name(inner, parent, len(value) == 1):
            raise ToolError(f"{key!r}: scripts are not allowed here; use queries and aggregations without scripts")
        if key == "wrapper" and isinstance(inner, dict) and "query" in inner:
            raise ToolError("'wrapper' hides a query from checks: give the query itself")
        if (
            key in ("collate", "template", "template_id", "templates")
            and (
                isinstance(inner, str | list)
                or (isinstance(inner, dict) and not inner.keys().isdisjoint({*_SCRIPT_PARTS, "query"}))
            )
            and not (parent in LEAVES | {"range", "terms"} and len(value) == 1)
        ):
            raise ToolError(f"{key!r}: templates are not run here: give the query itself")
        analysis = key in _ANALYSIS and parent not in _NAMES
        if analysis and not read:
            (refuse_files if key in ("analysis", "settings") else check_analyzer)(inner)
        if key == "hdr" and isinstance(inner, dict) and parent in ("percentiles", "percentile_ranks"):
            raise ToolError(
                "'hdr' takes up to megabytes of Elasticsearch's memory for each bucket, which it does not count: leave it out"
            )
        refuse_scripts(inner, key, read=read or analysis)


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


def check_lengths(*bodies: Any) -> None:
    """Check the lengths of what Elasticsearch makes automata of, or reads, before a search that could be cancelled begins.

    Raises:
        ToolError: one is too long.
    """
    fuzzy, said = 0, []
    for body in bodies:
        for key, inner in entries(body):
            if key in ("query_string", "simple_query_string") and isinstance(inner, dict):
                said.append(str(inner.get("query", "")))
            if (
                key in ("exclude", "include", "pattern", "regex")
                and isinstance(inner, str)
                and len(inner) > LONGEST_EXPRESSION
            ):
                raise ToolError(
                    f"{key!r} has {len(inner)} characters: a regular expression may have {LONGEST_EXPRESSION}"
                )
        for key, inner in entries(body, ("fuzzy", "suggest")):
            if key in ("fuzzy", "suggest"):
                fuzzy += _characters(inner)
            elif key == "query" and isinstance(inner, str) and "~" in inner:
                fuzzy += len(inner)
            elif isinstance(inner, dict) and "fuzziness" in inner and isinstance(inner.get("query"), str):
                fuzzy += len(inner["query"])
    texts = " ".join(said)
    for name, many, most in (
        ("characters", len(texts), LONGEST_TEXT),
        ("words", len(re.findall(r'[^\s"()+|]+', texts)), MOST_WORDS),
        ("parentheses", texts.count("("), MOST_PARENTHESES),
    ):
        if many > most:
            raise ToolError(
                f"the texts of query_string and the like have {many} {name}: {most} may be; a terms query takes many values"
            )
    if fuzzy > MOST_FUZZY:
        raise ToolError(f"{fuzzy} characters are looked for with mistakes in them (~, fuzziness): {MOST_FUZZY} may be")


def _characters(value: Any) -> int:
    """Return the number of characters in all texts of a value."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return sum(map(_characters, value))
    return sum(map(_characters, value.values())) if isinstance(value, dict) else 0


def refuse_files(value: Any) -> None:
    """Raise ToolError where a part of an analyzer names a file of the node."""
    for key, _ in entries(value):
        if key.endswith("_path") or key.rpartition(".")[2].lower() in _FILES:
            raise ToolError(
                f"{key[:100]!r} would read a file of Elasticsearch's node: give the words or rules themselves"
            )


def entries(value: Any, whole: Container[str] = ()) -> Iterator[tuple[str, Any]]:
    """Yield each key of the objects in a value, at any depth, with what it has; what is in a key of `whole` is not gone into.

    Generators inside of each other would pass on each entry of a deep value level by level, which keeps others waiting.
    """
    left: list[Iterator[tuple[str | None, Any]]] = [iter([(None, value)])]
    while left:
        for key, inner in left[-1]:
            if key is not None:
                yield key, inner
                if key in whole:
                    continue
            if isinstance(inner, dict):
                left.append(iter(inner.items()))
                break
            if isinstance(inner, list):
                left.append(zip(repeat(None), inner, strict=False))
                break
        else:
            left.pop()


_PROCESSORS = frozenset(
    {
        "append", "bytes", "circle", "community_id", "convert", "csv", "date", "dissect", "dot_expander", "drop", "fail",
        "fingerprint", "foreach", "grok", "gsub", "html_strip", "join", "json", "kv", "lowercase", "network_direction",
        "registered_domain", "remove", "rename", "set", "sort", "split", "terminate", "trim", "uppercase", "uri_parts",
        "urldecode", "user_agent",
    }
)  # fmt: skip
"""Processors of ingest pipelines that change nothing but the document."""


_EXPRESSIONS = frozenset({"field_split", "keywords_pattern", "pattern", "patterns", "separator", "value_split"})
"""Options of processors and analyzers that are expressions of Java's."""

MOST_EXPRESSIONS = 100
"""Expressions of a pipeline, or of the analyzers of a request."""

MOST_PROCESSORS = 200
"""Processors of a pipeline."""

MOST_STEPS = 10**8
"""Steps of expressions in the texts of a request: seconds. x*x*y took 36 s for 2,000 characters, x*y 29 s for 50,000."""

MOST_GROWTH = 100
"""How many times as long a text may get in a pipeline or an analyzer. Four replacements by 1,000 characters each ended a node."""

MOST_GRAM = 50
"""Characters of an n-gram, of which there is one for every character of a text."""

MOST_SHINGLE = 10
"""Words of a shingle, likewise."""


def check_expressions(options: Any, texts: Any = None, grown: int = 1) -> None:
    """Check the regular expressions of processors or analyzers.

    Args:
        options: what has them
        texts: what they work on, as far as it is known
        grown: how many times as long it may get meanwhile

    Raises:
        ToolError: they could end or hang Elasticsearch.
    """
    lengths = [_characters(text) * grown for text in (texts if isinstance(texts, list) else [texts])]
    expressions = [
        text
        for key, inner in entries(options)
        if key.rpartition(".")[2] in _EXPRESSIONS
        for text in (inner if isinstance(inner, list) else [inner])
        if isinstance(text, str)
    ]
    if len(expressions) > MOST_EXPRESSIONS:
        raise ToolError(f"there are {len(expressions)} expressions: {MOST_EXPRESSIONS} may be")
    if sum(steps(text, lengths) for text in expressions) > MOST_STEPS:
        raise ToolError(
            "the expressions could keep Elasticsearch busy for minutes with texts of this length, whose square or cube they "
            "take: give shorter texts, or expressions without * and +"
        )


def growth_of(part: Any) -> int:
    """Return how many times as long a text may get in a processor, or a part of an analyzer.

    Raises:
        ToolError: it makes terms that are too long.
    """
    if not isinstance(part, dict):
        return 2 if str(part).lower() in ("edge_ngram", "ngram", "shingle") else 1
    for name, most in (("max_gram", MOST_GRAM), ("max_shingle_size", MOST_SHINGLE)):
        if number(part.get(name)) > most:
            raise ToolError(f"{name} is at most {most}: longer ones fill Elasticsearch's memory and disk")
    grown = 1
    if "max_gram" in part or "max_shingle_size" in part:
        longest = max(number(part.get("max_gram")), number(part.get("max_shingle_size")))
        least = min(max(number(part.get("min_gram")), number(part.get("min_shingle_size")), 1), MOST_GRAM)
        grown = int(longest - least) + 1
    if isinstance(part.get("replacement"), str):
        grown *= growth(str(part.get("pattern", "")), part["replacement"])
    if isinstance(mappings := part.get("mappings"), list):
        grown *= max((len(str(mapping)) for mapping in mappings), default=1)
    return max(grown, 1)


def check_growth(factors: Iterable[int]) -> int:
    """Return how many times as long a text may get in several parts of a pipeline or analyzer, one after the other.

    Raises:
        ToolError: it gets too long.
    """
    grown = 1
    for factor in factors:
        grown *= factor
        if grown > MOST_GROWTH:
            raise ToolError(
                f"a text could get {grown} times as long here by one replacement after the other (or n-grams, or copies): "
                f"{MOST_GROWTH} times may be; replace by less, or have fewer of them"
            )
    return grown


def check_analyzer(body: Any, texts: Any = None) -> None:
    """Check an analyzer that is given with a request.

    Args:
        body: what has a tokenizer, and filters
        texts: what it works on, as far as it is known

    Raises:
        ToolError: it would read a file, or could end or hang Elasticsearch.
    """
    refuse_files(body)
    parts = [
        part
        for key, inner in entries({"": body})
        for part in (inner if isinstance(inner, list) else [inner])
        if key != "type"
    ]
    check_expressions(body, texts, check_growth(map(growth_of, parts)))


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


def check_pipeline(pipeline: Any, *, stored: bool = False, docs: Any = None) -> None:
    """Check that a pipeline has only known processors, without conditions, templates and files.

    Args:
        pipeline: its definition
        stored: it will work on documents that are written, so none may go elsewhere for what is in it
        docs: documents that it works on at once

    Raises:
        ToolError: it has another, or is none.
    """
    if not isinstance(pipeline, dict):
        raise ToolError("a pipeline is an object with processors")
    if unknown := sorted(
        pipeline.keys() - {"_meta", "deprecated", "description", "on_failure", "processors", "version"}
    ):
        raise ToolError(f"{unknown[0][:100]!r} is no part of a pipeline that is known here")
    _check_processors([pipeline.get("processors", []), pipeline.get("on_failure", [])], stored)
    # Grok and dissect have no expressions of Java's, or a timer watches them.
    parts = [
        (kind, {name: part for name, part in inner.items() if name not in ("on_failure", "processor")})
        for kind, inner in entries(pipeline)
        if kind in _PROCESSORS - {"dissect", "grok"} and isinstance(inner, dict)
    ]
    if len(parts) > MOST_PROCESSORS:
        raise ToolError(f"a pipeline has at most {MOST_PROCESSORS} processors here: these are {len(parts)}")
    copied = [str(part["copy_from"]) for _, part in parts if "copy_from" in part]
    grown = check_growth(
        1 + len(str(part.get("separator")))
        if kind == "join"
        else 2
        if any(f"{part.get('field')}.".startswith(f"{source}.") for source in copied)
        else growth_of(part)
        for kind, part in parts
    )
    check_expressions([part for _, part in parts], docs, grown)
    if isinstance(docs, list):
        # An answer may show each document after each processor.
        held = (len(to_json(docs)) + len(to_json(pipeline)) * len(docs)) * grown * max(len(parts), 1)
        if held > AT_ONCE:
            raise ToolError(
                f"the documents could take {held // 2**20} MiB on their way: give fewer, or fewer processors"
            )


_IDENTITY = re.compile(r"(?<![\w.-])_(?:index|id|routing|source\.)|%\{[*&]")
"""What says where a document goes, or lets what is in it say so, in an option of a processor."""


def _check_processors(value: Any, stored: bool, within: bool = False) -> None:
    if isinstance(value, list):
        for item in value:
            _check_processors(item, stored, within)
        return
    if not isinstance(value, dict) or len(value) != 1:
        raise ToolError("a processor is an object with one key, its type")
    ((kind, options),) = value.items()
    if kind not in _PROCESSORS or not isinstance(options, dict):
        raise ToolError(f"processor {kind[:100]!r} is refused: known are {', '.join(sorted(_PROCESSORS))}")
    if stored and (options.get("add_to_root") or (kind in ("json", "kv") and not options.get("target_field"))):
        raise ToolError(f"{kind} needs a target_field here: what a document holds could send it elsewhere")
    if kind == "foreach" and within and not str(options.get("field")).startswith("_ingest._value"):
        raise ToolError("a foreach inside of another goes through _ingest._value.…, not through a whole list each time")
    for key, inner in options.items():
        if key == "if":
            raise ToolError("'if' is a script, and scripts are not allowed here: leave it out")
        if key.endswith("_file"):
            raise ToolError(f"{key[:100]!r} would read a file of Elasticsearch's node")
        if key in ("processor", "on_failure"):
            _check_processors(inner, stored, within or kind == "foreach")
        elif stored and _IDENTITY.search(f"{key} {to_json(inner)}"):
            raise ToolError(f"{key[:100]!r} names _index, _id or _routing: the document would go elsewhere")
        elif "{{" in to_json(inner):
            raise ToolError(f"{key[:100]!r} holds a template, and templates are not run here")
        elif key in ("field", "target_field") and inner in ("_index", "_id", "_routing"):
            raise ToolError(f"a processor may not change {inner}: the document would go elsewhere")


def fields_of(query: Any) -> set[str]:
    """Return the fields that a query names outright, without wildcards."""
    found: set[str] = set()
    if isinstance(query, list):
        return found.union(*map(fields_of, query))
    if not isinstance(query, dict):
        return found
    for key, inner in query.items():
        if key in LEAVES or key in ("range", "terms"):
            found.update(inner if isinstance(inner, dict) else ())
        elif key == "exists" and isinstance(inner, dict):
            found.add(str(inner.get("field", "")))
        else:
            found |= fields_of(inner)
    return {name for name in found - {"", "boost"} if "*" not in name and not name.startswith("_")}


def aggregated(aggs: Any) -> set[str]:
    """Return the fields that aggregations name outright."""
    found = {value for key, value in entries(aggs) if key == "field" and isinstance(value, str)}
    return {name for name in found if "*" not in name and not name.startswith("_")}


def outside_nested(part: Any) -> Any:
    """Return a query, or aggregations, without what is inside of a nested query or aggregation."""
    if isinstance(part, list):
        return [outside_nested(item) for item in part]
    if not isinstance(part, dict):
        return part
    nested = part.get("nested")
    if isinstance(nested, dict) and "path" in nested:
        return {}
    return {key: outside_nested(inner) for key, inner in part.items()}


BOUNDS = frozenset({"gt", "gte", "lt", "lte", "format", "time_zone"})
"""What the bounds of a range may say."""

MOST_VALUES = 5000
"""Values in all lists of `where` together; Elasticsearch itself takes some thousand clauses, by the size of its heap."""


def combined(
    text: str | None,
    where: Mapping[str, Any] | None,
    query: dict[str, Any] | None,
    nested: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any] | None:
    """Return the query of all that is given; None where nothing is.

    Args:
        text: words, in the syntax of simple_query_string
        where: fields to a value, to a list of which one has to be, to bounds, or to None for documents without it
        query: a clause of the query DSL
        nested: fields of `where` to the nested objects that they are in. What is said of one path has to hold in one object.

    Raises:
        ToolError: a value of `where` that is none of these, or too many values.
    """
    if text is None and not where:
        return query
    if sum(len(value) for value in (where or {}).values() if isinstance(value, list)) > MOST_VALUES:
        raise ToolError(f"where takes {MOST_VALUES} values at the most: use a terms query for more")
    must = [query] if query else []
    check_lengths({"simple_query_string": {"query": text or ""}})
    if text is not None:
        must.append({"simple_query_string": {"query": text, "default_operator": "and", "lenient": True}})
    clauses: dict[str, list[Any]] = {"must": must}
    inside: dict[str, list[Any]] = {}
    for field, value in (where or {}).items():
        if value is None:
            clauses.setdefault("must_not", []).append(_within([{"exists": {"field": field}}], nested.get(field)))
        elif field in nested:
            inside.setdefault(nested[field], []).append(_clause(field, value))
        else:
            clauses.setdefault("filter", []).append(_clause(field, value))
    if inside:
        clauses.setdefault("filter", []).extend(_within(said, path) for path, said in inside.items())
    return {"bool": {name: clause for name, clause in clauses.items() if clause}}


def _within(clauses: list[Any], path: str | None) -> dict[str, Any]:
    """All of some clauses, in one of the objects at a nested path."""
    said: dict[str, Any] = {"bool": {"filter": clauses}} if len(clauses) > 1 else clauses[0]
    if path is None:
        return said
    # In indices where these objects are not nested, it is said of their fields.
    nested = {"nested": {"path": path, "ignore_unmapped": True, "query": said}}
    return {"bool": {"should": [nested, said], "minimum_should_match": 1}}


def _clause(field: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        if not value or not value.keys() <= BOUNDS:
            raise ToolError(f'where {field!r}: bounds are gte, gt, lte and lt, as {{"gte":"now-1d"}}; else use query')
        return {"range": {field: value}}
    if isinstance(value, list):
        if not value or any(isinstance(item, dict | list) or item is None for item in value):
            raise ToolError(f"where {field!r}: a list takes plain values, one of which must match")
        return {"bool": {"should": [_clause(field, item) for item in value], "minimum_should_match": 1}}
    # As the field is indexed: exact for keywords and numbers, all words for text.
    return {"match": {field: {"query": value, "operator": "and"}}}
