"""Every value of every schema: what can't be meant is refused by name, and all else renders to what the API takes.

The values are made from the schemas, so a new one is tried as well.
"""

import functools
import json
import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.charts.conftest import Chart
from tests.charts.kubernetes_api import VERSIONS, manifests, problems

Schema = dict[str, Any]
Values = dict[str, Any]

SIDECAR = {
    "enabled": True,
    "authToken": {"existingSecret": "token"},
    "tls": {"existingSecret": "tls"},
    "tmp": {"enabled": True},
    "prometheus": {"enabled": True},
    "networkPolicy": {"enabled": True, "storeFromAll": True},
}
STORES = {"redis": {"auth": {"existingSecret": "own"}}, "elasticsearch": {"auth": {"existingSecret": "own"}}}

ON: dict[str, Values] = {
    "redis": {"mcpSidecar": SIDECAR, "acl": {"existingSecret": "acl"}},
    "elasticsearch": {"mcpSidecar": SIDECAR, "transportTls": {"existingSecret": "transport"}},
    "metrics": {"vmagent": {"tls": {"existingSecret": "tls"}}},
    "orchestrator": {"stores": STORES, "prometheus": {"enabled": True}},
    "mcpServerDefaults": {
        "store": {
            "kind": "redis",
            "host": "r",
            "auth": {"existingSecret": "a"},
            "tls": {"enabled": True, "existingSecret": "b"},
        },
        "server": {**SIDECAR, "networkPolicy": {"enabled": True}},
        "autoscaling": {"enabled": True},
        "ingress": {"enabled": True, "host": "h"},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}]},
    },
}
"""Sections of values that are subcharts, and what has to be set so that each of their values counts."""

SHARED: Values = {
    "global": {
        store: {"host": "h", "auth": {"existingSecret": "a"}, "tls": {"enabled": True, "existingSecret": "t"}}
        for store in ("redis", "elasticsearch")
    },
    "monitoring": {name: {"enabled": True} for name in ("dashboard", "rules", "podMonitor")},
}
ALIASES = {"mcpSidecar": "mcp-sidecar", "server": "mcp-sidecar"}
"""Sections of a subchart's values that are those of a library chart."""

OTHERS = {"common", "global", "mcp-sidecar", "mcpServerDefaults", *ALIASES}
"""Sections that have a schema elsewhere."""

SECTIONS = [*ON, *SHARED]

TEXTS = ("", "123", "true", 'a "b": {c} #d')


def resolved(part: Any, document: Schema) -> Any:
    """A copy of a part of a schema with what its references mean in their places."""
    if isinstance(part, list):
        return [resolved(inner, document) for inner in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return resolved(functools.reduce(operator.getitem, part["$ref"].split("/")[1:], document), document)
    return {key: resolved(inner, document) for key, inner in part.items() if key != "$defs"}


def read(chart: str = "") -> Schema:
    """The schema of a subchart with what the chart's own says of it, or the latter."""

    def file(folder: str) -> Schema:
        found: Schema = json.loads(Path("charts/dox-asdlc", folder, "values.schema.json").read_text())
        return found

    document, root = file(chart and f"charts/{chart}"), file("")
    made: Schema = resolved(document, document)
    shared = resolved(root["$defs"]["pod"], root)["properties"]

    def complete(section: Schema) -> Schema:
        for key, described in section["properties"].items():
            if chart and described.keys() <= {"required"}:
                section["properties"][key] = shared.get(key, {}) | described
            elif "required" in described:
                complete(described)
        return section

    return complete(made)


def schema_of(section: str) -> Schema:
    if section not in ON:
        described: Schema = read()["properties"][section]
        return described
    found = read({"orchestrator": "application", "mcpServerDefaults": "mcp-server"}.get(section, section))
    for alias in ALIASES.keys() & found["properties"]:
        found["properties"][alias] = read(ALIASES[alias])
    return found


def leaves(described: Schema, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Paths of the values of a schema that are not sections, with their schemas."""
    for key, inner in described["properties"].items():
        if "required" in inner:
            yield from leaves(inner, (*path, key))
        elif key not in OTHERS:
            yield (*path, key), inner


def sections(described: Schema, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for key, inner in described["properties"].items():
        if "required" in inner:
            yield (*path, key)
            yield from sections(inner, (*path, key))


def merged(values: Values, path: tuple[str, ...], value: Any) -> Values:
    """A copy of values with another value at a path."""
    key, *rest = path
    inner = values.get(key)
    changed = merged(inner if isinstance(inner, dict) else {}, tuple(rest), value) if rest else value
    return {**values, key: changed}


def base(section: str) -> Values:
    """Values that install what a section is of, and make each of its values count."""
    others = {name: {"enabled": False} for name in ("redis", "elasticsearch", "metrics", "orchestrator", "workers", "hitl-ui")}
    if section == "mcpServerDefaults":
        return {**others, **SHARED, section: ON[section], "mcpServers": {"a": {}}}
    if section in ON:
        return {**others, **SHARED, section: {"enabled": True, **ON[section]}}
    return {name: {"enabled": True, **ON.get(name, {})} for name in others} | SHARED


def template(chart: Chart, values: Values) -> tuple[str, str]:
    """Return what Helm renders, or what it says."""
    done = chart.template_values(values)
    assert (done.returncode == 0) or not done.stdout
    return done.stdout, done.stderr


def unlike(described: Schema, values: Values, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of sections that take any key, and of keys that only the schema has, or only the values."""
    if described.get("additionalProperties") is not False and path != ("global",):
        yield path
    if "required" in described:
        yield from ((*path, key) for key in described["properties"].keys() ^ values.keys() if key not in OTHERS)
    for key, inner in described["properties"].items():
        if "properties" in inner and key in values and key not in {*ON, "workers", "hitl-ui"}:
            yield from unlike(inner, values[key], (*path, key))


@pytest.mark.parametrize("name", ["", "application", "elasticsearch", "mcp-server", "mcp-sidecar", "metrics", "redis"])
def test_a_schema_knows_each_value_and_no_others(name: str) -> None:
    def values_of(chart: str) -> Values:
        found: Values = yaml.safe_load(Path("charts/dox-asdlc", chart and f"charts/{chart}", "values.yaml").read_text())
        return found

    schema = read(name)
    shared = {key: value for key, value in values_of("common").items() if key in schema["properties"]}
    assert list(unlike(schema, shared | values_of(name))) == []


@pytest.mark.parametrize("section", SECTIONS)
def test_a_key_without_a_value_is_refused_by_its_name(chart: Chart, section: str) -> None:
    """As where the lines below a key are commented out."""
    described = schema_of(section)
    paths = [path for path, _ in leaves(described, (section,))]
    # Of a library chart whose values are taken away Helm takes its own.
    inner = [path for path in sections(described, (section,)) if path[-1] not in ALIASES]
    by_depth = [[path for path in inner if len(path) == depth] for depth in {len(path) for path in inner}]
    for group in (paths, *by_depth):
        values = base(section)
        for path in group:
            values = merged(values, path, None)
        output, said = template(chart, values)
        assert output == ""
        # The stores' own charts have a default for the login and TLS that they share, which Helm takes then.
        named = [path for path in group if path[0] != "global" or not {"auth", "tls"} & {*path}]
        assert [path for path in named if f"{path[-1]}'" not in said] == [], said


@pytest.mark.parametrize("section", SECTIONS)
def test_a_value_of_the_wrong_type_is_refused_by_its_path(chart: Chart, section: str) -> None:
    described = schema_of(section)
    values, expected = base(section), []
    for path, leaf in leaves(described, (section,)):
        if path[-1] == "enabled" and len(path) == 2:
            continue  # A subchart that is not installed has no schema.
        wrong: Any = "wrong type" if {"object", "array"} & {*types(leaf)} else {"a": 1}
        values = merged(values, path, wrong)
        inside = path[2:] if path[1] in ALIASES else path[1:] if section in ON else path
        expected.append(f"/{'/'.join(inside)}'")
    output, said = template(chart, values)
    assert output == ""
    assert [path for path in expected if path not in said] == [], said


def types(leaf: Schema) -> list[str]:
    found = leaf.get("type", "string")
    return found if isinstance(found, list) else [found]


SAMPLE: Values = {
    "mountPath": "/x",
    "name": "x",
    "topologyKey": "x",
    "whenUnsatisfiable": "DoNotSchedule",
    "maxSkew": 1,
    "emptyDir": {},
}
"""Values of keys that entries of lists must have."""


def twice(leaf: Schema) -> list[Any]:
    """The same entry two times, for lists of objects: the API merges many of them by a key."""
    entry = leaf.get("items", {})
    if "required" not in entry:
        return []
    keys = [*entry["required"], *(["emptyDir"] if entry.get("minProperties") == 2 else [])]
    return [{key: SAMPLE[key] for key in keys}] * 2


def odd(leaf: Schema) -> Iterator[Any]:
    """Values that the schema takes, and that are easily rendered wrong."""
    numbers: list[Any] = [0, 1, 0.5, 65535, 1000000]
    tried = {
        "string": list(TEXTS),
        "integer": numbers,
        "number": numbers,
        "boolean": [True, False],
        "array": [[], twice(leaf)],
        "object": [{}],
    }
    if "enum" in leaf:
        tried = {"string": leaf["enum"]}
    accepts = jsonschema.Draft7Validator(leaf).is_valid
    for kind in types(leaf):
        yield from (value for value in tried.get(kind, []) if accepts(value))


def without_named(batch: dict[tuple[str, ...], Any], said: str) -> dict[tuple[str, ...], Any]:
    """The values of a batch but for those that a refusal names: by the whole path, else by the key."""
    named = [path for path in batch if ".".join(path) in said] or [path for path in batch if path[-1] in said]
    assert named, f"none of {batch} is named: {said}"
    return {path: value for path, value in batch.items() if path not in named}


@pytest.mark.parametrize("section", SECTIONS)
def test_what_is_taken_renders_to_what_the_api_takes(chart: Chart, section: str) -> None:
    """Many values at once; where the templates refuse some of them, by their names, the others are tried again."""
    described = schema_of(section)
    values = {path: list(odd(leaf)) for path, leaf in leaves(described, (section,))}
    # Those that turn something off would hide the others.
    switches = {path for path in values if path[-1] == "enabled"}
    batches = [
        {path: tried[number] for path, tried in values.items() if number < len(tried) and (path in switches) is off}
        for off in (False, True)
        for number in range(max(map(len, values.values())))
    ]
    rendered = 0
    for batch in filter(None, batches):
        output = ""
        while batch and not output:
            given = base(section)
            for path, value in batch.items():
                given = merged(given, path, value)
            output, said = template(chart, given)
            if not output:
                batch = without_named(batch, said)
        rendered += len(batch)
        found = [problem for manifest in manifests(output) for problem in problems(manifest, VERSIONS[-1])]
        assert found == []
    assert rendered > 5
