"""Build queries from simple words, and refuse parts of the query DSL."""

import itertools
import math
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from servers.common.protocol.tools import ToolError, to_json
from servers.elasticsearch.client.heap_load import AT_ONCE
from servers.elasticsearch.policy.expressions import growth, steps
from servers.elasticsearch.policy.request_costs import LEAVES, characters, check_costs, entries, number

_SCRIPTED = frozenset({"_script", "bucket_selector", "moving_fn", "script", "script_fields", "script_score", "scripted_metric"})
"""What has a script, beside all that ends in _script."""

_SCRIPT_PARTS = frozenset({"source", "inline", "id", "stored", "file", "lang", "params", "options", "script"})
"""The parts of a script, old names included (Script.java of Elasticsearch)."""

_NAMES = frozenset({"aggregations", "aggs", "fields", "properties", "runtime_mappings", "suggest"})
"""Members whose keys are names that a user chose."""

_FILES = frozenset({"rulefiles", "rule_files", "user_dictionary"})
"""Parts of analyzers that name files of a node, beside all that ends in _path."""

_ANALYSIS = frozenset({"analysis", "analyzer", "categorization_analyzer", "char_filter", "settings", "tokenizer"})
"""Where analyzers are defined."""

_LEAF_PARTS = frozenset(
    {
        "_name", "analyzer", "boost", "case_insensitive", "flags", "format", "from", "fuzziness", "gt", "gte",
        "include_lower", "include_upper", "lenient", "lt", "lte", "max_expansions", "minimum_should_match", "operator",
        "prefix_length", "query", "relation", "rewrite", "slop", "time_zone", "to", "transpositions", "value", "wildcard",
        "zero_terms_query",
    }
)  # fmt: skip
"""What the value of a field may have in a query of one field."""


_BEHIND_NAMES = MappingProxyType(
    {
        "filters": LEAVES | {
            "bool", "dis_max", "exists", "ids", "match_all", "multi_match", "nested", "query_string", "range",
            "simple_query_string", "terms",
        },
        "intervals": frozenset(
            {"_name", "all_of", "any_of", "boost", "fuzzy", "match", "prefix", "range", "regexp", "wildcard"}
        ),
        "sort": frozenset({"format", "missing", "mode", "nested", "numeric_type", "order", "unmapped_type"}),
        "sources": frozenset({"date_histogram", "geotile_grid", "histogram", "terms"}),
        "span_term": frozenset({"_name", "boost", "term", "value"}),
    }
)  # fmt: skip
"""Members whose keys are names, and what an object behind such a name may have. A script, a template or a wrapped query has other
parts, or a text: so none passes where a user calls a filter or a field as one of these members."""


def _is_name(key: str, inner: Any, parent: str, alone: bool) -> bool:
    """Return whether a key with the name of a script can only be a name that a user gave to a field, filter or aggregation."""
    if parent in _NAMES:
        return isinstance(inner, dict) and inner.keys().isdisjoint(_SCRIPT_PARTS)
    if parent in _BEHIND_NAMES and isinstance(inner, dict):
        return key not in ("_script", "script_fields") and inner.keys() <= _BEHIND_NAMES[parent]
    if parent in ("order", "sort") and isinstance(inner, str):
        return inner in ("asc", "desc")
    if parent == "terms" and isinstance(inner, list):  # beside a boost, too
        return True
    if not alone or parent not in LEAVES | {"range", "span_term", "terms"}:
        return False
    if isinstance(inner, dict):
        return inner.keys() <= _LEAF_PARTS
    return not isinstance(inner, list) and parent in LEAVES | {"span_term"}


def refuse_scripts(value: Any, parent: str = "", *, read: bool = False) -> None:
    """Raise ToolError for what Elasticsearch would run or read beyond a query, in a part of a search.

    Scripts run code in Elasticsearch for every document; they are not for a model to write. Templates and wrapped queries are
    queries as text, which can't be checked. Analyzers may read files of a node.
    """
    if isinstance(value, list):
        for item in value:
            refuse_scripts(item, parent, read=read)
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if (key in _SCRIPTED or key.endswith("_script")) and not _is_name(key, inner, parent, len(value) == 1):
            raise ToolError(f"{key!r}: scripts are not allowed here; use queries and aggregations without scripts")
        if key == "wrapper" and isinstance(inner, dict) and inner.keys() == {"query"}:  # with more it is of a field
            raise ToolError(
                "'wrapper' hides a query from checks: give the query itself, or for a field of this name "
                '{"match":{"wrapper":"TEXT"}}'
            )
        if (
            key in ("collate", "template", "template_id", "templates")
            and (
                isinstance(inner, str | list)
                or (isinstance(inner, dict) and not inner.keys().isdisjoint({*_SCRIPT_PARTS, "query"}))
            )
            and not (parent in LEAVES | {"range", "terms"} and len(value) == 1)
            and not (parent not in _NAMES and _is_name(key, inner, parent, len(value) == 1))
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


def refuse_files(value: Any) -> None:
    """Raise ToolError where a part of an analyzer names a file of the node."""
    for key, *_ in entries(value):
        if key.endswith("_path") or key.rpartition(".")[2].lower() in _FILES:
            raise ToolError(f"{key[:100]!r} would read a file of Elasticsearch's node: give the words or rules themselves")


_PROCESSORS = frozenset(
    {
        "append", "bytes", "circle", "community_id", "convert", "csv", "date", "dissect", "dot_expander", "drop", "fail",
        "fingerprint", "foreach", "geoip", "grok", "gsub", "html_strip", "ip_location", "join", "json", "kv", "lowercase",
        "network_direction", "redact", "registered_domain", "remove", "rename", "set", "sort", "split", "terminate", "trim",
        "uppercase", "uri_parts", "urldecode", "user_agent",
    }
)  # fmt: skip
"""Processors of ingest pipelines that change nothing but the document."""

_SPREAD = frozenset({"csv", "dissect", "grok", "json", "kv", "registered_domain", "uri_parts"})
"""Processors that make fields of a text whose names may be anywhere."""

_FLAGS = MappingProxyType({"COMMENTS": "x", "LITERAL": "x", "MULTILINE": "m", "UNICODE": "U"})
"""Flags that change how an expression is read: beside it, and in it, where x tells that it can't be."""

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
"""Characters of an n-gram, of which there is one for every character of a text. Edge n-grams are fewer: they may have 100."""

MOST_SHINGLE = 10
"""Words of a shingle, likewise."""


def check_expressions(options: Any, texts: Any = None, grown: float = 1, grams: float = 1) -> None:
    """Raise ToolError for regular expressions of processors or analyzers that could end or hang Elasticsearch.

    `texts` are what they work on, as far as it is known; it may get `grown` times as long, and have `grams` parts of each part.
    """
    lengths = [int(characters(text) * grown) for text in (texts if isinstance(texts, list) else [texts])]
    expressions, flags = [], set()
    for key, inner, *_ in entries(options):
        name = key.rpartition(".")[2]
        if name in _EXPRESSIONS:
            # A keyword has to match as a whole.
            form = "(?:{})$" if name == "keywords_pattern" else "{}"
            listed = inner if isinstance(inner, list) else [inner]
            expressions += [form.format(text) for text in listed if isinstance(text, str)]
        elif name == "flags":
            flags |= {f"(?{flag})" for word, flag in _FLAGS.items() if word in str(inner).upper()}
    if len(expressions) > MOST_EXPRESSIONS:
        raise ToolError(f"there are {len(expressions)} expressions, more than {MOST_EXPRESSIONS}")
    if sum(steps("".join(flags) + text, lengths) for text in expressions) * grams > MOST_STEPS:
        raise ToolError(
            "the expressions could keep Elasticsearch busy for minutes, because their time grows with the square or cube of the "
            "text's length: give shorter texts, or expressions without * and +"
        )


def _grams(part: Any) -> float:
    """Return how many n-grams there may be of each character, or shingles of each word. Raise ToolError if they are too long."""
    if isinstance(part, str):
        names = [name.strip() for name in part.lower().split(",")]  # as a multiplexer has them
        return 2.0 ** min(sum(name in ("edge_ngram", "ngram", "shingle") for name in names), MOST_GRAM)
    if not isinstance(part, dict) or part.keys().isdisjoint(("max_gram", "max_shingle_size")):
        return 1
    edge = str(part.get("type")).lower() in ("edge_ngram", "edgengram")
    for name, most in (("max_gram", 2 * MOST_GRAM if edge else MOST_GRAM), ("max_shingle_size", MOST_SHINGLE)):
        if number(part.get(name)) > most:
            raise ToolError(f"{name} is at most {most}: longer ones fill Elasticsearch's memory and disk")
    longest = max(number(part.get("max_gram")), number(part.get("max_shingle_size")))
    least = min(max(number(part.get("min_gram")), number(part.get("min_shingle_size")), 1), MOST_GRAM)
    each = (longest + least) / 2 / longest if edge and longest else 1  # edges are only those of words
    return max((longest - least + 1) * each, 1)


def _longer(part: Any) -> float:
    """Return how many times as long a text may get by what a processor, or a part of an analyzer, puts into it."""
    if not isinstance(part, dict):
        return 1
    replaced, mappings = part.get("replacement"), part.get("mappings")
    grown = growth(str(part.get("pattern", "")), replaced) if isinstance(replaced, str) else 1
    return max(grown * max(map(_mapped, mappings if isinstance(mappings, list) else []), default=1), 1)


def growth_of(part: Any) -> float:
    """Return how many times as long a text may get in a part of an analyzer. Raise ToolError if it
    makes terms that are too long."""
    return _longer(part) * _grams(part)


def _mapped(mapping: Any) -> float:
    """Return how many times as long as its left side the right side of a mapping is."""
    left, _, right = mapping.rpartition("=>") if isinstance(mapping, str) else ("", "", "")
    return len(right.strip()) / max(len(re.sub(r"\\(?:u[\da-fA-F]{4}|.)", "x", left.strip())), 1)


def check_growth(factors: Iterable[float]) -> float:
    """Return how many times as long a text may get in parts of a pipeline or analyzer, one after the other. Too long is a
    ToolError."""
    grown = 1.0
    for factor in factors:
        grown *= factor
        if grown > MOST_GROWTH:
            raise ToolError(
                f"replacements, n-grams or copies could make a text {grown:.0f} times as long, more than {MOST_GROWTH}: use "
                "fewer or shorter ones"
            )
    return grown


def check_analyzer(body: Any, texts: Any = None) -> None:
    """Raise ToolError for an analyzer (tokenizer and filters) that would read a file, or could end or hang Elasticsearch. `texts`
    are what it works on, as far as it is known."""
    refuse_files(body)
    parts = [
        part
        for key, inner, *_ in entries({"": body})
        for part in (inner if isinstance(inner, list) else [inner])
        if key != "type"
    ]
    grams, longer = math.prod(map(_grams, parts)), math.prod(map(_longer, parts))
    check_growth([grams * longer])
    check_expressions(body, texts, longer, grams)


class _Processor(NamedTuple):
    """A processor of a pipeline."""

    kind: str
    options: dict[str, Any]
    each: str
    """The field whose values it works on one by one; nothing outside of a foreach."""


def _grown(processors: list[_Processor], *, copies: bool = True) -> float:
    """Return how many times as long what a field holds may get in processors, with `copies` that they make of it in other fields.
    Raise ToolError if it gets too long, or it can't be told."""
    # What a character of a field becomes by the processors that follow.
    become: dict[str, float] = {}
    for kind, options, each in reversed(processors):
        copied = "copy_from" if kind in ("append", "set") else "field"
        source = _path(options.get(copied), each)
        target = _path(options.get("field" if copied == "copy_from" else "target_field"), each)
        factor = _longer(options)
        if kind == "join":
            factor = 1 + len(str(options.get("separator")))
        elif kind in _SPREAD:
            added = ("append_separator", "empty_value", "prefix" if copies else "")  # a prefix is of names
            factor = 1 + sum(len(str(options.get(name, ""))) for name in added)
        elif kind == "circle" and each:
            factor = 1000  # points of a polygon
        elif kind == "redact":
            names = re.findall(r":(\w+)|\(\?<(\w+)>", to_json(options.get("patterns")))
            factor = max((len(name or other) for name, other in names), default=0)
            factor += sum(len(str(options.get(side, "<"))) for side in ("prefix", "suffix"))
        own = f"{options.get(copied)}.".startswith("_ingest._value.")
        if each and source and not own and (factor > 1 or "copy_from" in options):
            raise ToolError(f"{kind} in a foreach would work on {source[:100]!r} for each value: let it read _ingest._value")
        if not source and each and "value" in options:
            source, factor = each, len(to_json(options["value"]))  # it is there once for each value
        if not source:
            continue
        become.setdefault(source, max((become[name] for name in become if _inside(source, name)), default=1))
        if target and target != source:
            made = max((become[name] for name in become if _inside(name, target) or _inside(target, name)), default=1)
        elif kind in _SPREAD:
            made = max((become[name] for name in become if not _inside(name, source)), default=1)
        else:
            made = 0.0
        most = max(become[name] for name in become if _inside(name, source))
        for name in [name for name in become if _inside(name, source)]:
            if not made:
                become[name] *= factor
            elif kind == "rename":
                become[name] = max(become[name], made)
            else:
                kept = most if kind in _SPREAD else become[name]
                become[name] = kept + factor * made if copies else max(kept, factor * made)
        check_growth([max(become.values())])
    return max(become.values(), default=1)


def _path(field: Any, each: str) -> str:
    """Return the field that an option names, in a foreach over another field; nothing if it names none."""
    if not isinstance(field, str):
        return ""
    value = field.removeprefix("_ingest._value")
    if each and value != field and value[:1] in ("", "."):
        field = each + value
    names = field.removeprefix("_source.").rstrip(".").split(".")
    # A number may be a place in a list, and be written in several ways.
    return ".".join(itertools.takewhile(lambda name: not name.strip("+-").isdigit(), names)) or field


def _inside(field: str, other: str) -> bool:
    """Return whether a field is another one, or is inside of it."""
    return f"{field}.".startswith(f"{other}.")


def check_pipeline(pipeline: Any, *, stored: bool = False, docs: Any = None) -> None:
    """Raise ToolError for a pipeline with other than known processors, or with conditions, templates and files.

    No processor of a `stored` one, which works on documents that are written, may send one elsewhere for what is in it. `docs`
    are documents that it works on at once.
    """
    if not isinstance(pipeline, dict):
        raise ToolError("a pipeline is an object with processors")
    if unknown := sorted(pipeline.keys() - {"_meta", "deprecated", "description", "on_failure", "processors", "version"}):
        raise ToolError(f"{unknown[0][:100]!r} is not a known part of a pipeline")
    found: list[_Processor] = []
    for part in ("processors", "on_failure"):
        _check_processors(pipeline.get(part, []), stored, found)
    if len(found) > MOST_PROCESSORS:
        raise ToolError(f"a pipeline may have at most {MOST_PROCESSORS} processors: this one has {len(found)}")
    grown = _grown(found)
    longest = grown if any(processor.kind == "join" for processor in found) else _grown(found, copies=False)
    # Grok, dissect and redact have no expressions of Java's, or a timer watches them.
    timed = ("dissect", "grok", "redact")
    check_expressions([processor.options for processor in found if processor.kind not in timed], docs, longest)
    if isinstance(docs, list):
        # An answer may show each document after each processor.
        held = (len(to_json(docs)) + len(to_json(pipeline)) * len(docs)) * math.ceil(grown) * max(len(found), 1)
        if held > AT_ONCE:
            raise ToolError(f"the documents could need {held // 2**20} MiB in the pipeline: give fewer documents or processors")


_IDENTITY = re.compile(r"(?<![\w.-])_(?:index|id|routing|source\.)|%\{[*&]")
"""What says where a document goes, or lets what is in it say so, in an option of a processor."""


def _check_processors(value: Any, stored: bool, found: list[_Processor], each: str = "") -> None:
    """Check processors, and add them to those that were found, in the order in which they work."""
    if isinstance(value, list):
        for item in value:
            _check_processors(item, stored, found, each)
        return
    if not isinstance(value, dict) or len(value) != 1:
        raise ToolError("a processor is an object with one key, its type")
    ((kind, options),) = value.items()
    if kind not in _PROCESSORS or not isinstance(options, dict):
        raise ToolError(f"processor {kind[:100]!r} is refused: allowed are {', '.join(sorted(_PROCESSORS))}")
    if stored and (options.get("add_to_root") or (kind in ("json", "kv") and not options.get("target_field"))):
        raise ToolError(f"{kind} needs a target_field here: a document's fields could send it to another index")
    nested = ("processor", "on_failure")
    found.append(_Processor(kind, {key: inner for key, inner in options.items() if key not in nested}, each))
    if kind == "foreach" and each and not str(options.get("field")).startswith("_ingest._value"):
        raise ToolError("a foreach inside another must go through _ingest._value.…, not through a whole list each time")
    for key, inner in options.items():
        if key == "if":
            raise ToolError("'if' is a script, and scripts are not allowed here: leave it out")
        if key.endswith("_file") and kind not in ("geoip", "ip_location"):
            raise ToolError(f"{key[:100]!r} would read a file of Elasticsearch's node")
        if key in nested:
            inside = kind == "foreach" and key == "processor"
            _check_processors(inner, stored, found, _path(options.get("field"), each) if inside else each)
        elif key in ("description", "tag"):
            continue
        elif stored and _IDENTITY.search(f"{key} {to_json(inner)}"):
            raise ToolError(f"{key[:100]!r} names _index, _id or _routing: the document would go elsewhere")
        elif "{{" in to_json(inner):
            raise ToolError(f"{key[:100]!r} holds a template, and templates are not run here")
        elif key in ("field", "target_field") and inner in ("_index", "_id", "_routing"):
            raise ToolError(f"a processor may not change {inner}: the document would go elsewhere")


_OF_SEVERAL = frozenset({"combined_fields", "more_like_this", "multi_match", "query_string", "simple_query_string"})
"""Queries of a list of fields, with their boosts."""


def fields_of(query: Any) -> set[str]:
    """Return the fields that a query names outright: only in exists and in lists is * a wildcard."""
    found: set[str] = set()
    if isinstance(query, list):
        return found.union(*map(fields_of, query))
    if not isinstance(query, dict):
        return found
    for key, inner in query.items():
        if key in LEAVES or key in ("intervals", "range", "span_term", "terms"):
            found.update(inner if isinstance(inner, dict) else ())
        elif key in _OF_SEVERAL and isinstance(inner, dict):
            fields = inner.get("fields")
            names = [str(name).partition("^")[0] for name in (fields if isinstance(fields, list) else ())]
            found.update(name for name in names if "*" not in name)
        elif key == "exists" and isinstance(inner, dict):
            found.update({str(inner.get("field", ""))} if "*" not in str(inner.get("field")) else ())
        else:
            found |= fields_of(inner)
    return {name for name in found - {"", "boost"} if not name.startswith("_")}


def aggregated(aggs: Any) -> set[str]:
    """Return the fields that aggregations name outright."""
    found = {value for key, value, *_ in entries(aggs) if key == "field" and isinstance(value, str)}
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
    """Combine all given conditions into one query; None if there is none.

    `text` has words, in the syntax of simple_query_string. `where` maps fields to a value, to a list of which one has to be, to
    bounds, or to None for documents without it; another value, or too many, is a ToolError. `nested` maps its fields to the
    nested objects that they are in: what is said of one path has to hold in one object.
    """
    if text is None and not where:
        return query
    if sum(len(value) for value in (where or {}).values() if isinstance(value, list)) > MOST_VALUES:
        raise ToolError(f"where takes at most {MOST_VALUES} values: use a terms query for more")
    must = [query] if query else []
    check_costs({"simple_query_string": {"query": text or ""}})
    if text is not None:
        must.append({"simple_query_string": {"query": text, "default_operator": "and", "lenient": True}})
    clauses: dict[str, list[Any]] = {"must": must}
    inside: dict[str, list[Any]] = {}
    for field, value in (where or {}).items():
        if value is None:
            there = _within([{"exists": {"field": field}}], nested.get(field))
            # A value that is not indexed is there all the same.
            clauses.setdefault("must_not", []).extend([there, {"term": {"_ignored": field}}])
        elif field in nested:
            inside.setdefault(nested[field], []).append(_clause(field, value))
        else:
            clauses.setdefault("filter", []).append(_clause(field, value))
    if inside:
        clauses.setdefault("filter", []).extend(_within(said, path) for path, said in inside.items())
    return {"bool": {name: clause for name, clause in clauses.items() if clause}}


def _within(clauses: list[Any], path: str | None) -> dict[str, Any]:
    """Return a query for clauses that must all match in one nested object."""
    said: dict[str, Any] = {"bool": {"filter": clauses}} if len(clauses) > 1 else clauses[0]
    if path is None:
        return said
    # In indices where these objects are not nested, it is said of their fields.
    nested = {"nested": {"path": path, "ignore_unmapped": True, "query": said}}
    return {"bool": {"should": [nested, said], "minimum_should_match": 1}}


def _clause(field: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        if not value or not value.keys() <= BOUNDS:
            raise ToolError(f'where {field!r}: bounds are gte, gt, lte and lt, as {{"gte":"now-1d"}}; query takes others')
        return {"range": {field: value}}
    if isinstance(value, list):
        if not value or any(isinstance(item, dict | list) or item is None for item in value):
            raise ToolError(f"where {field!r}: a list takes plain values, one of which must match")
        return {"bool": {"should": [_clause(field, item) for item in value], "minimum_should_match": 1}}
    # As the field is indexed: exact for keywords and numbers, all words for text.
    return {"match": {field: {"query": value, "operator": "and"}}}
